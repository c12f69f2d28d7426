"""One thing at a time about one subject."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.turns import Turns
from nuage.errors import SwitchError

MANY = 1000


class Serial(SynchronousTestCase):
    """Turns."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.entered: list[str] = []

    def enter(self, subject: str, name: str, hold: Deferred[None] | None = None) -> Deferred[None]:
        """Come about a subject and stay until ``hold`` fires, or end at once."""

        async def work() -> None:
            async with self.turns.turn(subject):
                assert self.turns.taken(subject)
                self.entered.append(name)
                if hold is not None:
                    await hold

        return Deferred.fromCoroutine(work())

    def let_all_in(self) -> None:
        """Let in whoever can come in."""
        while self.clock.getDelayedCalls():
            self.clock.advance(0)

    def test_one_after_the_other_in_the_order_of_coming(self) -> None:
        """Others about another subject do not wait."""
        holds: list[Deferred[None]] = [Deferred() for _ in range(4)]
        self.enter("x", "1", holds[0])
        self.enter("x", "2", holds[1])
        self.enter("x", "3", holds[2])
        self.enter("y", "4", holds[3])
        assert self.entered == ["1", "4"]
        holds[0].callback(None)
        self.let_all_in()
        assert self.entered == ["1", "4", "2"]
        holds[1].callback(None)
        self.let_all_in()
        assert self.entered == ["1", "4", "2", "3"]

    def test_a_thousand_who_do_not_wait_inside(self) -> None:
        """Each ends as soon as it is in. All come in, in their order, but for those who have given up."""
        hold: Deferred[None] = Deferred()
        first = self.enter("x", "first", hold)
        others = [self.enter("x", str(number)) for number in range(MANY)]
        for given_up in others[::10]:
            given_up.cancel()
            self.failureResultOf(given_up, CancelledError)
        hold.callback(None)
        self.let_all_in()
        assert self.entered == ["first", *[str(number) for number in range(MANY) if number % 10]]
        for ended in (first, *[other for number, other in enumerate(others) if number % 10]):
            self.successResultOf(ended)
        assert not self.turns.taken("x")

    def test_a_subject_is_taken_between_two_turns(self) -> None:
        """Who comes when one has ended and the next is not in yet comes after those who wait."""
        hold: Deferred[None] = Deferred()
        self.enter("x", "1", hold)
        self.enter("x", "2")
        hold.callback(None)
        assert self.turns.taken("x")
        self.enter("x", "3")
        assert self.entered == ["1"]
        self.let_all_in()
        assert self.entered == ["1", "2", "3"]

    def test_the_last_who_waits_gives_up_between_two_turns(self) -> None:
        """The subject is free then."""
        hold: Deferred[None] = Deferred()
        self.enter("x", "1", hold)
        waiting = self.enter("x", "2")
        hold.callback(None)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.let_all_in()
        assert not self.turns.taken("x")
        self.successResultOf(self.enter("x", "3"))

    def test_a_failure_lets_the_next_one_in(self) -> None:
        """It reaches its own caller."""
        first: Deferred[None] = Deferred()
        failing = self.enter("x", "1", first)
        self.enter("x", "2", Deferred())
        first.errback(SwitchError("no"))
        self.let_all_in()
        self.failureResultOf(failing, SwitchError)
        assert self.entered == ["1", "2"]

    def test_who_gives_up_waiting_is_passed_over(self) -> None:
        """And so is one who gives up inside."""
        inside = self.enter("x", "1", Deferred())
        waiting = self.enter("x", "2", Deferred())
        self.enter("x", "3", Deferred())
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        inside.cancel()
        self.failureResultOf(inside, CancelledError)
        self.let_all_in()
        assert self.entered == ["1", "3"]

    def test_nothing_is_kept_of_a_subject_that_nobody_comes_about(self) -> None:
        """Endpoints come and go by the thousand."""
        holds: list[Deferred[None]] = [Deferred() for _ in range(3)]
        for hold in holds:
            self.enter("x", "", hold)
        for hold in holds:
            hold.callback(None)
            self.let_all_in()
        assert self.turns._waiting == {}
