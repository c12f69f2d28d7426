"""Those who watch how calls end: they are told of each, and harm none."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import Refused
from nuage.libnetwork.calls import Answer, Calls, Ended
from nuage.libnetwork.payloads import Empty, EndpointCall, NetworkCall
from nuage.status.recent import RecentCalls

NETWORK, ENDPOINT = "n" * 64, "e" * 64
JOIN = EndpointCall(network_id=NETWORK, endpoint_id=ENDPOINT)


class WatchedCalls(SynchronousTestCase):
    """Calls that two watch, the first of which has a bug."""

    def setUp(self) -> None:
        """Begin to watch."""
        self.clock = Clock()
        self.calls = Calls(self.clock, 35.0)
        self.ended: list[Ended] = []
        self.calls.watch(self.fail_always)
        self.calls.watch(self.ended.append)

    def fail_always(self, _call: Ended) -> None:
        """Be a watcher with a bug."""
        raise ValueError("a bug of a watcher")

    def carry_out(self, method: str, request: object, failure: Exception | None = None) -> Deferred[Answer]:
        """Carry out a call that takes two seconds."""

        async def work() -> Answer:
            waiting: Deferred[None] = Deferred()
            self.clock.callLater(2.0, waiting.callback, None)
            await waiting
            if failure is not None:
                raise failure
            return Empty()

        running = Deferred.fromCoroutine(self.calls.carry_out(method, request, work()))
        self.assertEqual(self.calls.in_flight, 1)
        self.clock.advance(2.0)
        return running

    def test_a_bug_of_a_watcher(self) -> None:
        """The call is answered, the log has the bug, and the others are told."""
        with capturedLogs() as events:
            answer: Any = self.successResultOf(self.carry_out("NetworkDriver.Join", JOIN))
        self.assertEqual(answer, Empty())
        (bug,) = self.flushLoggedErrors(ValueError)
        self.assertEqual(str(bug.value), "a bug of a watcher")
        self.assertEqual(
            len([event for event in events if "a watcher of {what} failed" in str(event["log_format"])]), 1
        )
        self.assertEqual(
            self.ended,
            [Ended(method="NetworkDriver.Join", network_id=NETWORK, endpoint_id=ENDPOINT, seconds=2.0, outcome="ok")],
        )

    def test_outcomes(self) -> None:
        """A failure has its message, and a call about a network has no endpoint."""
        request = NetworkCall(network_id=NETWORK)
        self.failureResultOf(self.carry_out("NetworkDriver.DeleteNetwork", request, Refused("no")), Refused)
        self.failureResultOf(self.carry_out("NetworkDriver.DeleteNetwork", request, KeyError("x")), KeyError)
        self.flushLoggedErrors()
        failed, bug = self.ended
        self.assertEqual((failed.outcome, failed.problem, failed.endpoint_id), ("failed", "no", None))
        self.assertEqual((bug.outcome, bug.problem), ("bug", "KeyError('x')"))

    def test_recent_calls(self) -> None:
        """They are kept with the time at which they ended."""
        recent = RecentCalls(self.clock)
        self.calls.watch(recent.note)
        self.successResultOf(self.carry_out("NetworkDriver.Join", JOIN))
        self.flushLoggedErrors()
        ((at, call),) = recent.about(ENDPOINT)
        self.assertEqual((at, call), (2.0, self.ended[0]))
