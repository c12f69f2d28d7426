"""Carrying out one call: within its deadline, to its end, with one line in the log.

A client that hangs up in the middle of a call believes that it failed, whatever happens here. Nobody would use what
such a call makes, so it is given up and undoes itself, as at the end of its time. A call that removes something goes on
to its end. In both cases Docker's next call about the subject waits for its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as WaitedTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.errors import DeadlineExceeded, NuageError
from nuage.watchers import Watchers

#: The calls that make something. Nobody wants it any more once the client is gone.
_UNDONE_UNHEARD = frozenset(
    {
        "NetworkDriver.CreateNetwork",
        "NetworkDriver.CreateEndpoint",
        "NetworkDriver.Join",
        "IpamDriver.RequestPool",
        "IpamDriver.RequestAddress",
    }
)

#: Seconds that a call has at the daemon's end, beyond its deadline, to undo what it did.
_UNDOING = 0.5


#: How a call may end; see :class:`Ended`.
OUTCOMES = ("ok", "failed", "given up", "bug")


class Answer(Protocol):
    """What a call returns."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""


@attrs.frozen(kw_only=True)
class Ended:
    """How a call ended, for those who watch.

    Args:
        method: The call's name, such as ``NetworkDriver.Join``.
        network_id: The network that it was about, None for none.
        endpoint_id: The endpoint, None for none.
        seconds: How long it took.
        outcome: One of OUTCOMES. It is given up if its client had gone, or its time was over.
        problem: Why it failed, as Docker was told; empty if it did not.
    """

    method: str
    network_id: str | None
    endpoint_id: str | None
    seconds: float
    outcome: str
    problem: str = ""


class Calls:
    """The calls in flight.

    Args:
        clock: Measures deadlines and durations.
        deadline: Seconds after which a call is given up and answered with an error.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, deadline: float) -> None:
        self._clock = clock
        self._deadline = deadline
        #: Each call in flight, and what messages call it.
        self._running: dict[Deferred[Any], str] = {}
        self._idle: list[Deferred[None]] = []
        self._watchers: Watchers[Ended] = Watchers("calls")

    @property
    def in_flight(self) -> int:
        """How many calls have not ended."""
        return len(self._running)

    def watch(self, watcher: Callable[[Ended], None]) -> None:
        """Tell a watcher of each call that ends. What it raises is logged, and harms no call."""
        self._watchers.add(watcher)

    async def carry_out(self, method: str, request: object, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run ``work`` and return its answer. Cancel this if nobody waits for the answer any more.

        Args:
            method: The call's name, for messages.
            request: The request, whose ids are logged.
            work: The call itself. It is cancelled when its time is over, and may then take longer to undo what it did.

        Raises:
            NuageError: The call failed; DeadlineExceeded if it did not end in time.
        """
        start = self._clock.seconds()
        answered: Deferred[Answer] = Deferred()
        running = Deferred.fromCoroutine(work)
        self._running[running] = f"{method}{_subject(request)}"
        overdue = self._clock.callLater(self._deadline, self._give_up, method, running, answered)

        def ended(outcome: Any) -> None:
            del self._running[running]
            if overdue.active():
                overdue.cancel()
            self._report(method, request, self._clock.seconds() - start, outcome)
            if not answered.called:
                answered.callback(outcome)
            elif isinstance(outcome, Failure) and not outcome.check(NuageError, CancelledError):
                self._log.failure("{method} failed after its client had gone", outcome, method=method)
            if not self._running:
                self._release()

        running.addBoth(ended)
        try:
            return await answered
        except CancelledError:
            if method in _UNDONE_UNHEARD and overdue.active():
                # It must not be cancelled again while it undoes itself.
                overdue.cancel()
                running.cancel()
            raise

    async def drained(self) -> None:
        """Wait until no call is in flight."""
        if self._running:
            waiter: Deferred[None] = Deferred()
            self._idle.append(waiter)
            await waiter

    async def finish(self) -> None:
        """Wait until no call is in flight, but no longer than a call may take; then log those that are cut off."""
        drained = Deferred.fromCoroutine(self.drained())
        try:
            await drained.addTimeout(self._deadline + _UNDOING, self._clock)
        except WaitedTooLong:
            for call in self._running.values():
                self._log.error("{call} does not end and is cut off", call=call)

    def _give_up(self, method: str, running: Deferred[Any], answered: Deferred[Answer]) -> None:
        problem = DeadlineExceeded(
            f"{method} did not finish within {self._deadline:g} s; what it did is being undone. "
            "The plugin's log tells what it waited for"
        )
        if not answered.called:
            answered.errback(problem)
        running.cancel()

    def _release(self) -> None:
        waiting, self._idle = self._idle, []
        for waiter in waiting:
            waiter.callback(None)

    def _report(self, method: str, request: object, seconds: float, outcome: Any) -> None:
        ended = Ended(
            method=method,
            network_id=getattr(request, "network_id", None),
            endpoint_id=getattr(request, "endpoint_id", None),
            seconds=seconds,
            **_judged(outcome),
        )
        self._log_end(ended, _subject(request))
        self._watchers.tell(ended)

    def _log_end(self, ended: Ended, subject: str) -> None:
        event = {"method": ended.method, "subject": subject, "milliseconds": ended.seconds * 1000}
        if ended.outcome == "ok":
            self._log.info("{method}{subject} {milliseconds:.1f} ms: ok", **event)
        elif ended.outcome == "failed":
            self._log.warn("{method}{subject} {milliseconds:.1f} ms: failed: {problem}", problem=ended.problem, **event)
        elif ended.outcome == "given up":
            self._log.warn("{method}{subject} {milliseconds:.1f} ms: given up", **event)
        else:
            # Whoever gets the outcome logs the traceback.
            self._log.error("{method}{subject} {milliseconds:.1f} ms: a bug: {problem}", problem=ended.problem, **event)


def _judged(outcome: Any) -> dict[str, str]:
    """Return how a call ended, and why."""
    if not isinstance(outcome, Failure):
        return {"outcome": "ok"}
    if outcome.check(NuageError):
        return {"outcome": "failed", "problem": outcome.getErrorMessage()}
    if outcome.check(CancelledError):
        return {"outcome": "given up", "problem": "it was given up"}
    return {"outcome": "bug", "problem": f"{outcome.value!r}"}


def _subject(request: object) -> str:
    """Name the network and the endpoint of a request, by as much of their ids as Docker's own commands show."""
    parts = [
        f" {noun}={value[:12]}"
        for noun, attribute in (("network", "network_id"), ("endpoint", "endpoint_id"))
        if (value := getattr(request, attribute, None))
    ]
    address = getattr(request, "address", None) if hasattr(request, "pool_id") else None
    return "".join([*parts, f" address={address}" if address else ""])
