"""One thing at a time about one subject."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Turns:
    """Lets callers about one subject in one after the other, in the order in which they came.

    Args:
        clock: Lets the next one in. The one before does not do that itself: the next may end at once and let in
            another, and a long queue would make as deep a stack.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        #: Those who wait, by subject. A subject is here from when the first comes until the last has ended.
        self._waiting: dict[str, deque[Deferred[None]]] = {}

    def taken(self, subject: str) -> bool:
        """Tell whether somebody has the subject's turn, or is about to get it."""
        return subject in self._waiting

    @asynccontextmanager
    async def turn(self, subject: str) -> AsyncIterator[None]:
        """Wait until it is the caller's turn, and let the next one in at the end."""
        if subject in self._waiting:
            waiting = self._waiting[subject]
            waiter: Deferred[None] = Deferred(waiting.remove)
            waiting.append(waiter)
            await waiter
        else:
            self._waiting[subject] = deque()
        try:
            yield
        finally:
            self._ended(subject)

    def _ended(self, subject: str) -> None:
        if self._waiting[subject]:
            self._clock.callLater(0, self._let_in, subject)
        else:
            del self._waiting[subject]

    def _let_in(self, subject: str) -> None:
        # Those who waited may have given up meanwhile.
        if self._waiting[subject]:
            self._waiting[subject].popleft().callback(None)
        else:
            del self._waiting[subject]
