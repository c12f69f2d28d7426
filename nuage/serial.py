"""One thing at a time about one subject."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredLock


class Turns:
    """Lets those in who come about the same subject one after the other, in the order in which they came."""

    def __init__(self) -> None:
        self._locks: dict[str, DeferredLock] = {}

    def taken(self, subject: str) -> bool:
        """Tell whether somebody is in about the subject."""
        return subject in self._locks

    @asynccontextmanager
    async def turn(self, subject: str) -> AsyncIterator[None]:
        """Wait until it is the caller's turn, and let the next one in at the end."""
        lock = self._locks.setdefault(subject, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked and self._locks.get(subject) is lock:
                del self._locks[subject]
