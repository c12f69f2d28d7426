"""Locks of one process of dockerd, which let in one after the other in the order of their coming."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from twisted.internet.defer import Deferred


class Lock:
    """A mutex. Use it with ``async with``."""

    def __init__(self) -> None:
        self.held = False
        self._waiting: deque[Deferred[None]] = deque()

    async def __aenter__(self) -> None:
        if self.held:
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn
        self.held = True

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is GeneratorExit:
            # The holder is thrown away, with its world. So are those who wait, and some cannot go on any more.
            return
        if self._waiting:
            self._waiting.popleft().callback(None)
        else:
            self.held = False


class Locks:
    """A lock for each name, such as a network's id."""

    def __init__(self) -> None:
        self._locks: dict[str, Lock] = {}

    def __getitem__(self, name: str) -> Lock:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = Lock()
        return lock

    def forget(self, name: str) -> None:
        """Drop the lock of what is gone."""
        self._locks.pop(name, None)
