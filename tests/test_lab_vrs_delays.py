"""The time that the lab's stand-in for VRS and VSC takes to resolve a port."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lab.vrs.delays import Delays


class DelaysTests(SynchronousTestCase):
    """The time that resolving takes."""

    def setUp(self) -> None:
        """Start with nothing."""
        self.clock = Clock()
        self.elapsed = 0
        self.delays = Delays(self.clock, 2, self.tick)

    def tick(self) -> None:
        """Count."""
        self.elapsed += 1

    def test_delay(self) -> None:
        """A port is settled after the delay, and stays so."""
        key = ("h", "p")
        self.assertEqual(self.delays.settled({key: False}), set())
        self.clock.advance(1.9)
        self.assertEqual(self.delays.settled({key: False}), set())
        self.clock.advance(0.1)
        self.assertEqual(self.elapsed, 1)
        self.assertEqual(self.delays.settled({key: False}), {key})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_already(self) -> None:
        """One that was resolved before is settled at once."""
        self.assertEqual(self.delays.settled({("h", "p"): True}), {("h", "p")})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_anew(self) -> None:
        """One that could not be resolved meanwhile waits anew."""
        key = ("h", "p")
        self.delays.settled({key: False})
        self.clock.advance(1)
        self.delays.settled({})
        self.delays.settled({key: False})
        self.clock.advance(1.5)
        self.assertEqual(self.delays.settled({key: False}), set())
        self.clock.advance(0.5)
        self.assertEqual(self.delays.settled({key: False}), {key})
        self.delays.settled({})
        self.assertEqual(self.delays.settled({key: False}), set())
        self.delays.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
