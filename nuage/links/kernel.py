"""Changing the kernel's links in one network namespace, and looking at them.

Nothing else imports pyroute2, which loads far more than it is needed for here: the thread that makes links does so,
while the daemon already answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyroute2 import IPRoute, NetlinkError

from nuage.links import listing
from nuage.links.veth import KernelError, Link


class Kernel:
    """Links of the network namespace of the thread that makes this object and uses it.

    See :class:`nuage.links.veth.Netlink`.
    """

    def __init__(self) -> None:
        self._route: IPRoute | None = None

    def open(self) -> None:
        """Open the socket that changes links, unless it is open. A thread that only looks at links needs none."""
        if self._route is None:
            self._route = IPRoute()

    def link(self, command: str, **kwarg: Any) -> Any:
        """Change a link.

        Raises:
            KernelError: The kernel answered with an error.
        """
        self.open()
        assert self._route is not None
        try:
            return self._route.link(command, **kwarg)
        except NetlinkError as problem:
            raise KernelError(problem.code, str(problem.args[-1])) from None

    def find(self, name: str) -> Link | None:
        """Return the link of this name; see :meth:`nuage.links.veth.Netlink.find`."""
        return listing.link(name)

    def links(self) -> Iterable[Link]:
        """Return all links; see :meth:`nuage.links.veth.Netlink.links`."""
        return listing.links()

    def close(self) -> None:
        """Close the socket, if it was opened."""
        route, self._route = self._route, None
        if route is not None:
            route.close()
