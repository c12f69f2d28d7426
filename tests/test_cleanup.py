"""Clean-up that is finished later, and one thing at a time about one subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.cleanup import Cleanup
from nuage.driver.turns import Turns
from nuage.errors import SwitchError


def begin(work: Awaitable[object]) -> Deferred[object]:
    """Begin some work."""

    async def wait() -> object:
        return await work

    return Deferred.fromCoroutine(wait())


class Steps:
    """A step of clean-up that a test decides about."""

    def __init__(self) -> None:
        self.attempts = 0
        self.failure: Exception | None = SwitchError("away")
        self.waiting: Deferred[None] | None = None

    async def __call__(self) -> None:
        """Attempt it."""
        self.attempts += 1
        if self.waiting is not None:
            await self.waiting
        if self.failure is not None:
            raise self.failure


class Finishing(SynchronousTestCase):
    """Now if possible, later otherwise."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.cleanup = Cleanup(self.clock, self.turns)
        self.step = Steps()

    def finish(self, subject: str, step: Callable[[], Awaitable[None]]) -> Deferred[object]:
        """Finish a subject as a call does, in its turn."""

        async def work() -> object:
            async with self.turns.turn(subject):
                return await self.cleanup.finish(subject, step)

        return begin(work())

    def test_what_can_be_done_is_done_at_once(self) -> None:
        """Nothing is left."""
        self.step.failure = None
        assert self.successResultOf(self.finish("a", self.step)) is True
        assert self.cleanup.unfinished == frozenset()
        assert self.clock.getDelayedCalls() == []

    def test_what_cannot_is_tried_again_every_five_seconds(self) -> None:
        """Until the switch lets it."""
        assert self.successResultOf(self.finish("a", self.step)) is False
        assert self.cleanup.unfinished == {"a"}
        self.clock.advance(4.9)
        assert self.step.attempts == 1
        self.clock.advance(0.1)
        assert self.step.attempts == 2
        self.step.failure = None
        self.clock.advance(5)
        assert self.cleanup.unfinished == frozenset()
        assert self.clock.getDelayedCalls() == []

    def test_all_is_done_as_soon_as_the_switch_is_there(self) -> None:
        """Without waiting for the five seconds; there is one timer for all subjects."""
        for subject in "abc":
            self.successResultOf(self.finish(subject, self.step))
        assert len(self.clock.getDelayedCalls()) == 1
        self.step.failure = None
        self.cleanup.resume()
        assert self.step.attempts == 6
        assert self.cleanup.unfinished == frozenset()
        assert self.clock.getDelayedCalls() == []

    def test_a_later_step_takes_the_place_of_an_earlier_one(self) -> None:
        """DeleteEndpoint after Leave."""
        other = Steps()
        other.failure = None
        self.successResultOf(self.finish("a", self.step))
        assert self.successResultOf(self.finish("a", other)) is True
        self.cleanup.resume()
        assert (self.step.attempts, other.attempts) == (1, 1)

    def test_a_subject_that_is_in_use_again_is_left_alone(self) -> None:
        """It was cancelled, even while a turn was waited for."""
        self.successResultOf(self.finish("a", self.step))
        hold: Deferred[None] = Deferred()

        async def use() -> None:
            async with self.turns.turn("a"):
                await hold
                self.cleanup.cancel("a")

        using = begin(use())
        self.cleanup.resume()
        hold.callback(None)
        self.successResultOf(using)
        assert self.step.attempts == 1
        self.cleanup.cancel("a")

    def test_a_retry_takes_the_subjects_turn(self) -> None:
        """It does not come between the steps of a call."""
        self.successResultOf(self.finish("a", self.step))
        hold: Deferred[None] = Deferred()

        async def use() -> None:
            async with self.turns.turn("a"):
                await hold

        using = begin(use())
        self.step.failure = None
        self.clock.advance(5)
        assert self.step.attempts == 1
        hold.callback(None)
        self.successResultOf(using)
        self.clock.advance(0)
        assert self.step.attempts == 2

    def test_a_call_that_is_given_up_leaves_its_step_due(self) -> None:
        """Docker does not ask again."""
        self.step.waiting = Deferred()
        call = self.finish("a", self.step)
        call.cancel()
        self.failureResultOf(call, CancelledError)
        assert self.cleanup.unfinished == {"a"}
        self.step.waiting, self.step.failure = None, None
        self.clock.advance(5)
        assert self.cleanup.unfinished == frozenset()

    def test_a_bug_in_one_step_does_not_keep_the_others_from_being_done(self) -> None:
        """It is logged, and tried again."""
        buggy = Steps()
        self.successResultOf(self.finish("a", buggy))
        self.successResultOf(self.finish("b", self.step))
        buggy.failure, self.step.failure = ZeroDivisionError(), None
        self.cleanup.resume()
        assert self.cleanup.unfinished == {"a"}
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1
        buggy.failure = None
        self.clock.advance(5)
        assert self.cleanup.unfinished == frozenset()

    def test_a_bug_reaches_the_caller(self) -> None:
        """And its step is tried again all the same."""
        self.step.failure = ZeroDivisionError()
        self.failureResultOf(self.finish("a", self.step), ZeroDivisionError)
        self.step.failure = None
        self.clock.advance(5)
        assert self.cleanup.unfinished == frozenset()

    def test_what_is_put_off_is_told_once(self) -> None:
        """For each reason, however many subjects there are and however often they are tried; and so is its end."""
        subjects = [f"{number:064x}" for number in range(200)]
        with capturedLogs() as events:
            for subject in subjects:
                self.step.failure = SwitchError(f"away, nu{subject[:13]} too")
                self.successResultOf(self.finish(subject, self.step))
            for _ in range(12):
                self.clock.advance(5)
            self.step.failure = SwitchError("full")
            self.clock.advance(5)
            self.cleanup.cancel(subjects[0])
            self.step.failure = None
            self.clock.advance(5)
        told = [str(formatEvent(event)) for event in events if event["log_level"] > LogLevel.debug]
        put_off, others = (
            f"clean-up of {subjects[0]} is put off: ",
            "; others put off for this reason are not logged",
        )
        assert told == [
            f"{put_off}away, nu{subjects[0][:13]} too{others}",
            f"{put_off}full{others}",
            "the clean-up that was put off is finished (endpoints and networks: 200)",
        ]
        assert self.step.attempts == 200 * 15 - 1

    def test_a_bug_is_told_once(self) -> None:
        """Though it is tried again."""
        self.successResultOf(self.finish("a", self.step))
        self.step.failure = ZeroDivisionError()
        self.clock.advance(5)
        self.clock.advance(5)
        assert self.step.attempts == 3
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1

    def test_nothing_is_tried_after_the_end(self) -> None:
        """No timer is left, not even by an attempt that was under way."""
        self.successResultOf(self.finish("a", self.step))
        self.step.waiting = Deferred()
        self.cleanup.resume()
        self.cleanup.stop()
        self.step.waiting.callback(None)
        assert self.step.attempts == 2
        assert self.clock.getDelayedCalls() == []

    def test_an_attempt_that_ends_with_the_plugin(self) -> None:
        """What it waits for at the VSD is cancelled then: that is no bug."""
        self.successResultOf(self.finish("a", self.step))
        self.step.waiting = Deferred()
        self.cleanup.resume()
        self.cleanup.stop()
        self.step.waiting.cancel()
        assert self.step.attempts == 2
        assert self.flushLoggedErrors() == []
        assert self.clock.getDelayedCalls() == []
