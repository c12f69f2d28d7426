"""What runs seeds of the simulated world, and sums up what they saw."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation import invariants
from tests.simulation import run as simulation_run
from tests.simulation.arguments import read_numbers, spelled
from tests.simulation.command import main
from tests.simulation.datacentre import DataCentre
from tests.simulation.extent import CHANGEABLE
from tests.simulation.run import draw, run, take_apart
from tests.simulation.seen import Outcome, Seen
from tests.simulation.shrinking import shortest
from tests.simulation.world import World

ROOT = Path(__file__).parent.parent


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


class CommandTest(SynchronousTestCase):
    """The command ``tests/simulate``, each time in a process of its own."""

    def simulate(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Return the status and what is printed."""
        command = [sys.executable, "-m", "tests.simulation", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout

    def test_the_same_everywhere(self) -> None:
        """A seed has the same history in each process, whatever came before, and however Python hashes."""
        digests = []
        for hashing in ("1", "2"):
            status, printed = self.simulate("--first", "3", "--seeds", "4", "--jobs", "2", PYTHONHASHSEED=hashing)
            self.assertEqual(status, 0, printed)
            digests += re.findall(r"digest of all histories: (\w+)", printed)
        seen = Seen()
        for seed in (6, 5, 4, 3):
            seen.add(run(seed))
        self.assertEqual(digests, [seen.digest()] * 2)

    def test_one_seed(self) -> None:
        """It is printed with its history."""
        status, printed = self.simulate("--seed", "3", "--steps", "0,2-4")
        self.assertEqual(status, 0, printed)
        self.assertEqual(printed, run(3, {0, 2, 3, 4}).history + "seed 3: 0 violations\n")


class ArgumentsTest(SynchronousTestCase):
    """What makes no sense is refused at once: no command may look as if it had tried something, and nothing failed."""

    def refused(self, *arguments: str) -> str:
        """Return the message of a command that is refused."""
        with redirect_stderr(StringIO()) as printed, self.assertRaises(SystemExit) as ended:
            main(arguments)
        self.assertEqual(ended.exception.code, 2)
        return printed.getvalue().splitlines()[-1].removeprefix("tests/simulate: error: argument ")

    def test_numbers_and_times(self) -> None:
        """None that would run nothing."""
        for name in ("--seeds", "--jobs"):
            for text in ("0", "-4", "x", "1.5"):
                self.assertEqual(self.refused(name, text), f"{name}: {text!r} is not a number from 1 on")
        for name in ("--minutes", "--hours"):
            for text in ("0", "-1", "x", "nan"):
                self.assertEqual(self.refused(name, text), f"{name}: {text!r} is not a time, such as 1.5")

    def test_steps(self) -> None:
        """They are some of those that the seed's plan has."""
        last = len(draw(3, CHANGEABLE)) - 1
        for text in ("9-2", "", str(last + 1), f"0,{last + 1}"):
            message = f"--steps: give some of the steps of seed 3, which are 0 to {last}"
            self.assertEqual(self.refused("--seed", "3", "--steps", text), message)
        self.assertEqual(self.refused("--seed", "3", "--steps", "a"), "--steps: 'a' are no numbers such as 0,3-7")
        self.assertEqual(self.refused("--steps", "1"), "--steps: say whose steps with --seed")

    def test_what_does_not_go_together(self) -> None:
        """One seed, the known faults, or many seeds; for some minutes or some hours."""
        self.assertEqual(self.refused("--seed", "3", "--seeds", "4"), "--seeds: not allowed with argument --seed")
        self.assertEqual(self.refused("--known", "--first", "4"), "--first: not allowed with argument --known")
        self.assertEqual(self.refused("--known", "--seed", "3"), "--known: not allowed with argument --seed")
        self.assertEqual(self.refused("--hours", "3", "--minutes", "3"), "--minutes: not allowed with argument --hours")

    def test_a_summary_that_cannot_be_written(self) -> None:
        """That is told before the night, not after its first minute."""
        nowhere = Path(self.mktemp()) / "night.txt"
        self.assertIn("there is no such folder; make it or write elsewhere", self.refused("--summary", str(nowhere)))
        self.assertIn("this is a folder; name a file in it", self.refused("--summary", str(nowhere.parent.parent)))


class FailingTest(SynchronousTestCase):
    """A seed that fails, because a container that was removed is said to be a fault."""

    def setUp(self) -> None:
        def check(world: World) -> None:
            if world.history.counts.get("command rm"):
                world.history.violate(world.reactor.seconds(), "invariant", "something was removed")

        self.patch(invariants, "check_rest", check)
        self.printed = StringIO()

    def simulate(self, *arguments: str) -> int:
        """Return the status of the command in this process."""
        with redirect_stdout(self.printed):
            return main(arguments)

    def test_shortened(self) -> None:
        """The shortest plan that still fails is printed, with its history, and how it is run again."""
        self.assertEqual(self.simulate("--first", "4", "--seeds", "1", "--jobs", "1"), 1)
        printed = self.printed.getvalue()
        self.assertRegex(printed, r"seed 4 fails, with 1 of \d+ steps:\n  [\d.]+ rm c\d+\n0.000000 ")
        self.assertIn("VIOLATION: something was removed", printed)
        self.assertIn("1 of them failed: [4]", printed)
        again = re.search(r"again: tests/simulate (--seed 4 --steps \d+)\n", printed)
        assert again is not None
        self.assertEqual(self.simulate(*again[1].split()), 1)
        self.assertIn("seed 4: 1 violations", self.printed.getvalue())


class EndlessTest(SynchronousTestCase):
    """A run that does not end."""

    def test_only_work_counts(self) -> None:
        """It is cut off once it has kept a core busy for too long, and not while others keep the core busy."""
        self.patch(simulation_run, "PATIENCE", 0.05)

        def sleep(_centre: DataCentre, _plan: object) -> None:
            time.sleep(0.2)

        def work(_centre: DataCentre, _plan: object) -> None:
            while True:
                pass

        self.patch(DataCentre, "live", sleep)
        self.assertEqual(run(3).violations, ())
        self.patch(DataCentre, "live", work)
        self.assertIn("the run is cut off", run(3).violations[0])


class GarbageTest(SynchronousTestCase):
    """What a run leaves."""

    def test_none_is_left_to_the_next_run(self) -> None:
        """Taking it apart makes errors that nobody handles, which are noticed when they are collected in turn."""

        class Last:
            def __init__(self) -> None:
                self.itself = self

            def __del__(self) -> None:
                failed: Deferred[None] = Deferred()
                failed.errback(RuntimeError("too late"))
                failed.itself = failed  # type: ignore[attr-defined]

        Last()
        take_apart()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class FailingOnceTest(SynchronousTestCase):
    """A seed that fails and does not fail again, such as one that ran out of time."""

    def test_what_was_seen(self) -> None:
        """It is told, because no other run shows it."""
        left = ["only once"]

        def check(world: World) -> None:
            while left:
                world.history.violate(world.reactor.seconds(), "invariant", left.pop())

        self.patch(invariants, "check_rest", check)
        printed = StringIO()
        with redirect_stdout(printed):
            main(["--first", "3", "--seeds", "1", "--jobs", "1"])
        self.assertRegex(printed.getvalue(), r"it does not fail again:\n  [\d.]+ invariant: VIOLATION: only once\n")


class SpellingTest(SynchronousTestCase):
    """The numbers of steps."""

    def test_both_ways(self) -> None:
        """What is written is read as the same."""
        for numbers, text in (((), ""), ((3,), "3"), ((0, 1, 2, 5, 7, 8), "0-2,5,7-8")):
            self.assertEqual(spelled(numbers), text)
            self.assertEqual(read_numbers(text), frozenset(numbers))


class SeenTest(SynchronousTestCase):
    """The summary."""

    def test_sums(self) -> None:
        """It counts calls and faults by their kinds, and names the seeds that failed."""
        seen = Seen()
        seen.add(Outcome(1, (), "", "d1", {"call Join": 3000, "fault kill": 1, "state a": 2}, 1800, 5, 5.0))
        seen.add(
            Outcome(
                2, ("wrong",), "", "d2", {"call Leave": 1, "call Join": 1, "state a": 1, "state b": 1}, 1800, 5, 5.0
            )
        )
        summary = seen.summary(10)
        self.assertIn(
            "2 seeds (1 to 2, changeable) in 10 s: 1.0 hours of the world, 3,002 calls (300 a second of a core), "
            "1 faults (0.00 a call)\n",
            summary,
        )
        self.assertIn("  call: Join 3,001, Leave 1\n  fault: kill 1\n", summary)
        self.assertIn("  state: 2 different ones\n", summary)
        self.assertIn("digest of all histories: ", summary)
        self.assertIn("1 of them failed: [2]", summary)
