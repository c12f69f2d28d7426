"""Many seeds of the simulated world without anybody who watches: what is told of them, and when."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lab.shell import wait_until
from tests.simulation import command, many
from tests.simulation.command import main
from tests.simulation.seen import Outcome

ROOT = Path(__file__).parent.parent


class NightTest(SynchronousTestCase):
    """The command, with runs that take no time, of which each second one fails."""

    def setUp(self) -> None:
        self.printed = StringIO()
        self.summary = Path(self.mktemp())
        self.weathers: set[str] = set()
        self.patch(many, "run_briefly", self.run_seed)

    def run_seed(self, seed: int, weather: str) -> Outcome:
        """Stand for a run."""
        self.weathers.add(weather)
        self.meanwhile(seed)
        violations = (f"1.0 invariant: VIOLATION: {seed} is odd\nTraceback",) if seed % 2 else ()
        return Outcome(seed, violations, "", str(seed), {"call Join": 10, "fault kill": 1}, 3600, 5, 1.0)

    def meanwhile(self, seed: int) -> None:
        """Do something while a seed runs."""

    def simulate(self, *arguments: str) -> int:
        """Return the status of the command in this process."""
        with redirect_stdout(self.printed):
            return main(["--jobs", "1", "--weather", "storm", *arguments])

    def test_goes_on(self) -> None:
        """A night goes on however many seeds fail. It names each with its first violation, and all in the end."""
        self.assertEqual(self.simulate("--hours", "1", "--first", "101", "--seeds", "20"), 1)
        printed = self.printed.getvalue()
        self.assertIn(
            "seed 101 fails: 1.0 invariant: VIOLATION: 101 is odd\n"
            "  shorter: tests/simulate --weather storm --first 101 --seeds 1\n",
            printed,
        )
        self.assertIn("20 seeds (101 to 120, storm) in ", printed)
        self.assertIn(f"10 of them failed: {list(range(101, 121, 2))}", printed)
        self.assertEqual(self.weathers, {"storm"})

    def test_stops(self) -> None:
        """Without a night it is over after five, and the last of them is told as the first is."""
        told: list[int] = []
        self.patch(command, "tell_shortest", lambda outcome, _weather: told.append(outcome.seed))
        self.assertEqual(self.simulate("--seeds", "20"), 1)
        self.assertEqual(told, [1, 3, 5, 7, 9])
        self.assertIn("9 seeds (1 to 9, storm)", self.printed.getvalue())

    def test_summary_as_it_goes(self) -> None:
        """The file has what was seen so far, and in the end all."""
        self.patch(command, "_PAUSE", 0.0)
        seen: list[str] = []
        self.meanwhile = lambda seed: seen.append(self.summary.read_text() if seed > 1 else "")  # type: ignore[method-assign]
        self.simulate("--hours", "1", "--seeds", "4", "--summary", str(self.summary))
        self.assertEqual([text.partition(" (")[0] for text in seen], ["", "1 seeds", "2 seeds", "3 seeds"])
        self.assertIn("1 of them failed: [1]", seen[2])
        text = self.summary.read_text()
        self.assertIn("40 calls (10 a second of a core), 4 faults (0.10 a call)", text)
        self.assertTrue(self.printed.getvalue().endswith(text))
        self.assertEqual(os.listdir(self.summary.parent), [self.summary.name])

    def test_seldom(self) -> None:
        """It is not written again and again."""
        seen: list[str] = []
        self.meanwhile = lambda seed: seen.append(self.summary.read_text() if seed > 1 else "")  # type: ignore[method-assign]
        self.simulate("--seeds", "3", "--hours", "1", "--summary", str(self.summary))
        self.assertEqual([text.partition(" (")[0] for text in seen], ["", "1 seeds", "1 seeds"])

    def test_interrupted(self) -> None:
        """The seed at hand is finished, and what was seen is told."""

        def interrupt(seed: int) -> None:
            if seed == 4:
                os.kill(os.getpid(), signal.SIGTERM)

        before = signal.getsignal(signal.SIGTERM)
        self.meanwhile = interrupt  # type: ignore[method-assign]
        self.assertEqual(self.simulate("--hours", "1", "--summary", str(self.summary)), 1)
        self.assertIn("4 seeds (1 to 4, storm)", self.summary.read_text())
        self.assertIn("interrupted: no more seeds are begun", self.printed.getvalue())
        self.assertIs(signal.getsignal(signal.SIGTERM), before)


class InterruptedTest(SynchronousTestCase):
    """The command as a process, with processes of its own."""

    def test_ctrl_c(self) -> None:
        """All of them get that. It says what it saw, and leaves nobody behind."""
        self.interrupt(signal.SIGINT, "1")

    def test_an_end_for_all(self) -> None:
        """A timeout(1) ends the processes together. The command says what it saw all the same."""
        self.interrupt(signal.SIGTERM, r"\d+")

    def interrupt(self, number: signal.Signals, first: str) -> None:
        """Send a signal to all, and look at the end. ``first`` matches the first seed that is not cut off."""
        summary = Path(self.mktemp()).absolute()
        arguments = ["--hours", "1", "--jobs", "2", "--summary", str(summary)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            wait_until("the summary is written", summary.exists, 60)
            os.killpg(process.pid, number)
            printed, _ = process.communicate(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self.assertEqual(process.returncode, 1, printed)
        self.assertNotIn("Traceback", printed)
        self.assertRegex(printed, rf"interrupted: .*\n\d+ seeds \({first} to \d+, changeable\) in ")
        self.assertIn("none failed", printed)
        self.assertEqual(summary.read_text(), printed.partition("begun\n")[2])
        self.assertRaises(ProcessLookupError, os.killpg, process.pid, 0)
