"""The simulated world finds the faults that are known."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.turns import Turns
from tests.simulation.known import KNOWN
from tests.simulation.known.fault import Edit, PlaceGone
from tests.simulation.run import run


class KnownTest(SynchronousTestCase):
    """Each known fault, put back into the real daemon."""

    def test_each_is_found(self) -> None:
        """The seed that is told finds it. If the world has changed since, one of as many seeds as are promised does."""
        missed = [
            known.name
            for known in KNOWN
            if known.found_by([known.seed]) is None and known.found_by(range(1, known.within + 1)) is None
        ]
        # Some are found by their tracebacks.
        self.flushLoggedErrors()
        self.assertEqual(missed, [])

    def test_the_seeds_find_nothing_else(self) -> None:
        """Without a fault these seeds have no violations, so it is the fault that is found. None is left behind."""
        failed = {seed: run(seed).violations for seed in sorted({known.seed for known in KNOWN})}
        self.assertEqual({seed: violations for seed, violations in failed.items() if violations}, {})

    def test_there_are_many(self) -> None:
        """There are fifteen of them at least, each with a name of its own and within the seeds that are promised."""
        self.assertGreaterEqual(len({known.name for known in KNOWN}), 15)
        self.assertEqual(len({known.name for known in KNOWN}), len(KNOWN))
        for known in KNOWN:
            self.assertLessEqual(known.seed, known.within, known.name)


class EditTest(SynchronousTestCase):
    """The change of a function while the program runs."""

    def test_there_and_back(self) -> None:
        """It is there meanwhile, and gone afterwards."""
        before = Turns.taken
        turns = SimpleNamespace(_waiting={"busy": None})
        with Edit(Turns, "taken", "subject in", "subject not in").made():
            self.assertFalse(Turns.taken(turns, "busy"))  # type: ignore[arg-type]
        self.assertIs(Turns.taken, before)
        self.assertTrue(Turns.taken(turns, "busy"))  # type: ignore[arg-type]

    def test_the_place_is_gone(self) -> None:
        """A function that is no longer there, or no longer has the text, is an error: the list has to be renewed."""
        for edit in (
            Edit(Turns, "no_such_method", "a", "b"),
            Edit(Turns, "taken", "no such text", ""),
            Edit(Turns, "taken", "e", ""),
        ):
            with self.assertRaises(PlaceGone), edit.made():
                pass
