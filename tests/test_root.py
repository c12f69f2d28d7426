"""Who is not root is told so, by the command that was typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.test_tap import PROJECT

#: Commands, with the words that they need.
_COMMANDS = (
    ("lab/install",),
    ("lab/up",),
    ("lab/down",),
    ("tests/docs",),
    ("packaging/environment", "bookworm", "folder"),
    ("packaging/deb/build", "bookworm"),
    ("packaging/rpm/build",),
    ("packaging/plugin/build",),
)


class Unprivileged(SynchronousTestCase):
    """Another user than root."""

    def test_refused(self) -> None:
        """With the remedy, and at once."""
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        # The other two only have to be there.
        for name in ("id", "dh", "rpmbuild"):
            (folder / name).write_text("#!/bin/sh\necho 1000\n")
            (folder / name).chmod(0o755)
        environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHON": sys.executable}
        for script, *words in _COMMANDS:
            argv = [str(PROJECT / script), *words]
            done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
            with self.subTest(script=script):
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(
                    done.stderr, r"\A\S+: needs root; run the same command again as root, or with sudo\n\Z"
                )
