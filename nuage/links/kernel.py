"""Changing the kernel's links in one network namespace, and looking at them."""

from __future__ import annotations

from typing import Any

from pyroute2 import IPRoute

from nuage.links import listing
from nuage.links.veth import Link


class Kernel:
    """Links of the network namespace of the thread that makes this object and uses it.

    See :class:`nuage.links.veth.Netlink`.
    """

    def __init__(self) -> None:
        self._route = IPRoute()

    def link(self, command: str, **kwarg: Any) -> Any:
        """Change a link."""
        return self._route.link(command, **kwarg)

    def find(self, name: str) -> Link | None:
        """Return the link of this name, or None if there is none.

        Raises:
            OSError: The kernel refused.
        """
        return listing.link(name)

    def close(self) -> None:
        """Close the socket."""
        self._route.close()
