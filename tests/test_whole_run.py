"""What ``tests/run`` has trial pass, in a folder where nothing else is real."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.test_tap import PROJECT

#: Writes down its arguments, and does what the test says of a call with these.
_TRIAL = """#!/bin/bash
echo "$@" >>called
case " $* " in
    {}
esac
"""


class RunTests(SynchronousTestCase):
    """The command, with programs that only write down that they were called."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        for name in ("lab/install", "tests/docs", ".venv/bin/ruff", ".venv/bin/mypy"):
            self.program(name, "#!/bin/sh\n")
        self.trial("")
        for name in ("test_a.py", "test_b.py", "support.py"):
            (self.folder / "tests" / name).touch()
        shutil.copy(PROJECT / "tests" / "run", self.folder / "tests")

    def program(self, name: str, content: str) -> None:
        """Make a program."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)

    def trial(self, cases: str) -> None:
        """Make a trial that does something else in some cases, which are branches of the shell's ``case``."""
        self.program(".venv/bin/trial", _TRIAL.format(cases))

    def run_it(self, *words: str) -> tuple[int, list[list[str]]]:
        """Run the command, and return its status and the arguments of each call of trial."""
        called = self.folder / "called"
        called.write_text("")
        environ = {**os.environ, "TMPDIR": str(self.folder.absolute())}
        # A job in the background ignores interruptions, and so does all that it starts.
        argv = ["env", "--default-signal=INT", str(self.folder / "tests" / "run"), *words]
        done = subprocess.run(argv, env=environ, capture_output=True, timeout=60, check=False)
        return done.returncode, [line.split() for line in called.read_text().splitlines()]

    def names(self, *words: str) -> tuple[int, list[list[str]]]:
        """Do the same, and return the arguments that are no options."""
        status, calls = self.run_it(*words)
        return status, [[word for word in call if not word.startswith("--")] for call in calls]

    def test_both_parts(self) -> None:
        """The unit tests are shared out among processes. Each part has a folder of its own."""
        status, (units, others) = self.run_it()
        self.assertEqual((status, units[1:]), (0, ["--jobs=auto", "tests.test_a", "tests.test_b"]))
        self.assertEqual(others[1:], ["tests.e2e", "tests.packages"])
        self.assertRegex(units[0], r"^--temp-directory=/.*/trial$")
        self.assertRegex(others[0], r"^--temp-directory=/.*/trial$")
        self.assertNotEqual(units[0], others[0])

    def test_a_failure(self) -> None:
        """Of one part does not hide what the other one finds, and is told."""
        both = [["tests.test_a", "tests.test_b"], ["tests.e2e", "tests.packages"]]
        for part in ("tests.test_a", "tests.e2e"):
            self.trial(f"*' {part} '*) exit 1;;")
            self.assertEqual(self.names(), (1, both), part)

    def test_checks_come_first(self) -> None:
        """Nothing is passed if one of them fails."""
        for name in (".venv/bin/ruff", ".venv/bin/mypy", "tests/docs"):
            self.program(name, "#!/bin/sh\nexit 3\n")
            self.assertEqual(self.run_it(), (3, []), name)
            self.program(name, "#!/bin/sh\n")

    def test_an_interruption(self) -> None:
        """Ends all of it, although trial ends as if it were done."""
        self.trial("*' tests.test_a '*) kill -INT $PPID;;")
        self.assertEqual(self.names(), (130, [["tests.test_a", "tests.test_b"]]))

    def test_arguments(self) -> None:
        """They are passed on without the checks, and trial's status is passed back."""
        self.program(".venv/bin/mypy", "#!/bin/sh\nexit 3\n")
        self.trial("*' tests.test_x '*) exit 7;;")
        self.assertEqual(self.names("tests.test_x", "y"), (7, [["tests.test_x", "y"]]))


class FoldersTest(SynchronousTestCase):
    """The tests as they are."""

    def test_no_folder_is_left_out(self) -> None:
        """Those that have tests are the ones that the command names."""
        tests = PROJECT / "tests"
        folders = {str(path.parent.relative_to(PROJECT)) for path in tests.rglob("test_*.py")}
        self.assertEqual(folders, {"tests", "tests/e2e", "tests/packages"})
