"""What is held at the VSD for this host and used by nobody: a crash left it.

It is found by its mark, which names the host, and given back if nobody has used it for some time: see
:mod:`nuage.ipam.holdings`. Without an answer of Docker's nothing is done.

::

    held --nobody has it--> suspected --still so after _AGE--> given back
      ^                         |
      +------ in use again -----+
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.errors import NuageError
from nuage.ipam.holdings import Held, Holdings

#: Seconds between two looks, and for which nobody must have used an address. Each look asks the VSD once for each
#: network of a host.
_INTERVAL = _AGE = 600.0


class Leftovers:
    """Looks for leftovers from time to time, and gives them back.

    Args:
        clock: Measures the time.
        holdings: Knows what is held and unused, and gives it back.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, holdings: Holdings) -> None:
        self._clock = clock
        self._holdings = holdings
        self._since: dict[Held, float] = {}
        self._next: IDelayedCall | None = None
        self._running: Deferred[None] | None = None

    @property
    def suspected(self) -> int:
        """How many addresses were left over when they were looked at last."""
        return len(self._since)

    def start(self) -> None:
        """Look for the first time after an interval, and then again and again."""
        self._next = self._clock.callLater(_INTERVAL, self._begin)

    def stop(self) -> None:
        """Look no more."""
        scheduled, self._next = self._next, None
        if scheduled is not None and scheduled.active():
            scheduled.cancel()
        if self._running is not None:
            self._running.cancel()

    async def audit(self) -> None:
        """Give back what has been left over for long enough."""
        begin = self._clock.seconds()
        found = await self._holdings.unused()
        now = self._clock.seconds()
        self._since = {leftover: self._since.get(leftover, now) for leftover in found}
        due = [each for each, since in self._since.items() if begin >= since + _AGE]
        for leftover in await self._holdings.give_back(due) if due else ():
            self._log.warn("{leftover} was held at the VSD and used by nobody: it is given back", leftover=leftover)
            del self._since[leftover]
        await self._holdings.settle()

    def _begin(self) -> None:
        self._running = Deferred.fromCoroutine(self.audit())
        self._running.addErrback(self._failed).addBoth(self._ended)

    def _failed(self, failure: Failure) -> None:
        # Nobody knows what was used meanwhile.
        self._since.clear()
        if failure.check(NuageError):
            self._log.debug("no look for addresses that are left over: {problem}", problem=failure.getErrorMessage())
        elif not failure.check(CancelledError):
            self._log.failure("looking for addresses that are left over failed", failure)

    def _ended(self, _result: object) -> None:
        self._running = None
        # Without one it was stopped.
        if self._next is not None:
            self._next = self._clock.callLater(_INTERVAL, self._begin)
