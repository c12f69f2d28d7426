"""What runs seeds of the simulated world, and sums up what they saw."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.seen import Outcome, Seen
from tests.simulation.shrinking import shortest


class ShrinkingTest(SynchronousTestCase):
    """The shortest plan that still fails."""

    def shrink(self, needed: set[int], length: int = 50) -> tuple[list[int], int]:
        """Return what is left of a plan that fails if some of its steps are there, and how often it was tried."""
        tries = 0

        def fails(some: Sequence[int]) -> bool:
            nonlocal tries
            tries += 1
            return needed <= set(some)

        return shortest(range(length), fails), tries

    def test_single_steps(self) -> None:
        """What is needed stays, wherever it is, in its order; not many tries are needed."""
        for needed in ([], [0], [49], [17], [3, 4], [0, 20, 49], list(range(10, 20))):
            left, tries = self.shrink(set(needed))
            self.assertEqual(left, needed)
            self.assertLess(tries, 130)

    def test_nothing_can_go(self) -> None:
        """A plan that needs all its steps stays as it is."""
        self.assertEqual(self.shrink(set(range(5)), 5)[0], list(range(5)))

    def test_a_step_that_goes_only_after_another(self) -> None:
        """Single steps are tried again until none can go."""
        self.assertEqual(shortest([1, 2, 3], lambda some: list(some) in ([1, 2, 3], [1, 2], [2])), [2])


class SeenTest(SynchronousTestCase):
    """The summary."""

    def test_sums(self) -> None:
        """It counts calls and faults by their kinds, and names the seeds that failed."""
        seen = Seen()
        seen.add(Outcome(1, (), "", {"call Join": 3000, "fault kill": 1}, 1800, 5))
        seen.add(Outcome(2, ("wrong",), "", {"call Leave": 1, "call Join": 1}, 1800, 5))
        summary = seen.summary(10)
        self.assertIn("2 seeds in 10 s: 1.0 hours of the world, 3,002 calls (300 a second), 1 faults", summary)
        self.assertIn("  call: Join 3,001, Leave 1\n  fault: kill 1\n", summary)
        self.assertIn("1 of them failed: [2]", summary)
