"""Whether the VSD answers, from what everybody who asks it has seen.

::

    not asked --answered--> there --failed--> away --answered--> there (what waits for its return is told)
        |                                      ^
        +---------------- failed --------------+

While it is away, it is asked again and again, even if nobody else asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.errors import NuageError

#: Seconds after which a VSD that is away is asked again, of which up to half are left to chance: a thousand hosts miss
#: it at the same moment.
_AGAIN = 30.0


class Presence:
    """Keeps what is known of the VSD.

    Args:
        clock: Measures the pauses.
        chance: Returns a number from 0 to 1.
    """

    name = "the VSD"
    _log = Logger()

    def __init__(self, clock: IReactorTime, chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._problem: NuageError | None = None
        self._asked = False
        self._probe: Callable[[], Awaitable[object]] | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._next: IDelayedCall | None = None
        self._probing: Deferred[None] | None = None

    @property
    def there(self) -> bool | None:
        """Whether the last question was answered, None if none was asked."""
        return self._problem is None if self._asked else None

    @property
    def status(self) -> str:
        """One sentence on how the VSD does."""
        return str(self._problem) if self._problem else "the VSD " + ("answers" if self._asked else "was not asked yet")

    def on_return(self, callback: Callable[[], None]) -> None:
        """Have something called each time that the VSD answers and did not before."""
        self._callbacks.append(callback)

    def answered(self) -> None:
        """Note that a question was answered."""
        returned = self.there is not True
        self._problem, self._asked = None, True
        self._unschedule()
        if returned:
            for callback in self._callbacks:
                callback()

    def failed(self, problem: NuageError) -> None:
        """Note that a question was not answered, or the account was refused."""
        self._problem, self._asked = problem, True
        self._schedule()

    def start(self, probe: Callable[[], Awaitable[object]]) -> None:
        """Ask now, and for as long as the VSD is away.

        Args:
            probe: Asks. Whoever is asked notes the outcome.
        """
        self._probe = probe
        self._ask()

    def stop(self) -> None:
        """Ask no more."""
        self._probe = None
        self._unschedule()
        if self._probing is not None:
            self._probing.cancel()

    def _schedule(self) -> None:
        if self._probe is not None and self._next is None:
            self._next = self._clock.callLater(_AGAIN * (1 - self._chance() / 2), self._ask)

    def _unschedule(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = None

    def _ask(self) -> None:
        self._next = None
        if self._probe is not None:
            self._probing = Deferred.fromCoroutine(self._ask_once(self._probe))
            self._probing.addErrback(self._ended)

    async def _ask_once(self, probe: Callable[[], Awaitable[object]]) -> None:
        with suppress(NuageError):
            await probe()

    def _ended(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("asking the VSD again", failure)
