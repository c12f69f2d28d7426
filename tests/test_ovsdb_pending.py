"""Calls that wait for their replies, and what one does to another when it ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.ovsdb.errors import ConnectionLost
from nuage.ovsdb.messages import Reply
from nuage.ovsdb.pending import PendingCalls


class PendingTests(SynchronousTestCase):
    """Two calls wait; who waits for the first gives up the second as soon as the first ends."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.pending = PendingCalls(self.clock)
        self.number, self.first = self.pending.expect("first", 10)
        _, self.second = self.pending.expect("second", 10)
        self.ended: list[Any] = []
        self.first.addBoth(self._ended)

    def _ended(self, outcome: Any) -> None:
        self.ended.append(outcome)
        self.second.cancel()

    def assert_over(self) -> None:
        """Assert that both have ended, the second one by being given up, and that nothing is left of them."""
        self.assertEqual(len(self.ended), 1)
        self.failureResultOf(self.second, CancelledError)
        self.assertEqual(len(self.pending), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_connection_is_lost(self) -> None:
        """The one that is given up meanwhile is not failed once more."""
        self.pending.fail_all("gone")
        self.ended[0].trap(ConnectionLost)
        self.assert_over()

    def test_the_first_is_answered(self) -> None:
        """The second one waits no more."""
        self.assertTrue(self.pending.settle(Reply(self.number, {}, None)))
        self.assert_over()

    def test_the_first_is_given_up(self) -> None:
        """Both are."""
        self.first.cancel()
        self.ended[0].trap(CancelledError)
        self.assert_over()

    def test_a_call_that_is_made_when_another_one_fails(self) -> None:
        """It belongs to the same connection and fails with it."""
        made: list[Deferred[Any]] = []
        self.second.addErrback(lambda _failure: made.append(self.pending.expect("third", 10)[1]))
        self.pending.fail_all("gone")
        self.failureResultOf(made[0], ConnectionLost)
        self.assertEqual(len(self.pending), 0)
