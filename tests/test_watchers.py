"""Who watches cannot harm whoever is watched."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nuage.watchers import Watchers


class WatchersTest(SynchronousTestCase):
    """Events and those who are told of them."""

    def setUp(self) -> None:
        self.events: Watchers[int] = Watchers("numbers")
        self.seen: list[int] = []

    def test_nobody(self) -> None:
        """An event that nobody watches is none."""
        self.events.tell(1)
        self.assertEqual(self.seen, [])

    def test_all_are_told(self) -> None:
        """In the order of the events."""
        self.events.add(self.seen.append)
        self.events.add(lambda number: self.seen.append(-number))
        self.events.tell(1)
        self.events.tell(2)
        self.assertEqual(self.seen, [1, -1, 2, -2])

    def test_one_that_fails(self) -> None:
        """The others are told all the same, and the log has each of its faults once."""

        def fail(number: int) -> None:
            raise (ValueError if number < 9 else KeyError)("a fault")

        self.events.add(fail)
        self.events.add(self.seen.append)
        for number in (1, 2, 9):
            self.events.tell(number)
        self.assertEqual(self.seen, [1, 2, 9])
        self.assertEqual([type(failure.value) for failure in self.flushLoggedErrors()], [ValueError, KeyError])
