"""One thing at a time about one subject."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Turns:
    """Lets those in who come about the same subject one after the other, in the order in which they came.

    Args:
        clock: Lets the next one in. Whoever ends does not do so itself: the one let in may end at once and let in
            another, and a long queue would be as many calls deep.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        #: Those who wait, by subject; a subject is here from the first who comes until the last one has ended.
        self._waiting: dict[str, deque[Deferred[None]]] = {}

    def taken(self, subject: str) -> bool:
        """Tell whether somebody is in about the subject, or about to be let in."""
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
        # Those who were to come in may have given up meanwhile.
        if self._waiting[subject]:
            self._waiting[subject].popleft().callback(None)
        else:
            del self._waiting[subject]
