"""The kernel's links as the threads of one process of the daemon have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nuage.links.veth import Link, Netlink
from tests.simulation.kernel import Kernel


class Netlinks:
    """What one process of the daemon asks the kernel.

    Args:
        kernel: Has the links.
        before_each: Called before each request, from the thread that makes it.

    Attributes:
        sockets: How many sockets are open.
    """

    def __init__(self, kernel: Kernel, before_each: Callable[[], None] = lambda: None) -> None:
        self.sockets = 0
        self._kernel = kernel
        self._before_each = before_each

    def open(self) -> Netlink:
        """Return the host's links for one thread."""
        return _ThreadsLinks(self, self._kernel)

    def demand(self, kind: str) -> None:
        """Let a request pass.

        Raises:
            Exception: It is refused; see :class:`tests.simulation.kernel.Kernel`.
        """
        self._before_each()
        self._kernel.demand(kind)


class _ThreadsLinks:
    """See :class:`nuage.links.veth.Netlink`."""

    def __init__(self, netlinks: Netlinks, kernel: Kernel) -> None:
        self._netlinks = netlinks
        self._kernel = kernel
        self._open = False

    def open(self) -> None:
        if not self._open:
            self._netlinks.demand("open")
            self._open = True
            self._netlinks.sockets += 1

    def link(self, command: str, **details: Any) -> None:
        self.open()
        self._netlinks.demand(command)
        self._kernel.link(command, **details)

    def find(self, name: str) -> Link | None:
        self._netlinks.demand("find")
        return self._kernel.find(name)

    def links(self) -> list[Link]:
        self._netlinks.demand("links")
        return self._kernel.links()

    def close(self) -> None:
        self._netlinks.sockets -= self._open
        self._open = False
