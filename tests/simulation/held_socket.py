"""The listening socket that systemd makes for the daemon, and keeps while the daemon comes and goes."""

from __future__ import annotations

import errno
import os
from collections import deque
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import Factory

from tests.simulation.network import Network, Port
from tests.simulation.reactor import SimReactor
from tests.simulation.streams import End


class HeldSocket:
    """A socket unit of systemd's.

    Args:
        world: Systemd is spawned from it.
        path: The socket.

    Attributes:
        exhausted: Whether the daemon has no file descriptor left for a connection.
    """

    def __init__(self, world: SimReactor, path: Path) -> None:
        self.exhausted = False
        self._world = world
        self._path = path
        self._systemd = world
        self._queue: _Queue | None = None

    def start(self) -> None:
        """Listen, as systemd does before it starts the daemon. Do nothing if it does so already."""
        if self._queue is None:
            self._systemd = self._world.spawn("systemd")
            self._queue = _Queue(self._systemd.network, self._systemd.address(self._path))
            self._queue.startListening()

    def lose_power(self) -> None:
        """Be gone, with who waits there."""
        if self._queue is not None:
            self._queue = None
            self._systemd.kill()

    def passed_to(self, reactor: SimReactor) -> Any:
        """Return the socket as a process of the daemon gets it."""
        assert self._queue is not None
        return _Passed(self, self._queue, reactor)


class _Queue(Port):
    """Keeps connections until somebody accepts them."""

    def __init__(self, network: Network, address: str) -> None:
        super().__init__(network, address, Factory())
        self.factory.noisy = False
        self.waiting: deque[End] = deque()
        self.passed: _Passed | None = None

    def accept(self, end: End) -> None:
        """See Port: nobody serves it yet."""
        self.waiting.append(end)
        if self.passed is not None:
            self.passed.tell()


class _Passed:
    """The socket in a process of the daemon: what that uses of ``socket.socket``."""

    def __init__(self, held: HeldSocket, queue: _Queue, reactor: SimReactor) -> None:
        self._held = held
        self._queue = queue
        self._reactor = reactor
        self._number = reactor.open_descriptor(self)
        self._reader: IReadDescriptor | None = None

    def watch(self, reader: IReadDescriptor | None) -> None:
        """Tell a reader of connections from now on, or nobody."""
        self._reader = reader
        if reader is not None:
            self._queue.passed = self
            self.tell()

    def tell(self) -> None:
        """Tell the reader soon if somebody waits, as a reactor does again and again."""
        if self._queue.waiting and self._reader is not None:
            self._reactor.callLater(0.0, self._readable)

    def fileno(self) -> int:
        """See ``socket.socket``."""
        return self._number

    def accept(self) -> tuple[_Accepted, str]:
        """See ``socket.socket``."""
        if not self._queue.waiting:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if self._held.exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return _Accepted(self._reactor.open_descriptor(self._queue.waiting.popleft())), ""

    def close(self) -> None:
        """See ``socket.socket``."""
        self._reader = None

    def _readable(self) -> None:
        if self._queue.waiting and self._reader is not None:
            self._reader.doRead()
            self.tell()


class _Accepted:
    """A connection that was accepted, before the reactor has it."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def setblocking(self, flag: bool) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass
