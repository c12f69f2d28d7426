"""How ``packaging/tree`` has debootstrap make a tree: which release, and by which of debootstrap's scripts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.test_tap import PROJECT

#: A debootstrap that makes nothing, and keeps what it was told in the tree.
_DEBOOTSTRAP = """#!/bin/sh
printf '%s\\n' "$@" >"$(dirname "$0")/told"
"""


class Tree(SynchronousTestCase):
    """Made by a debootstrap that knows one release, and unstable."""

    def setUp(self) -> None:
        """Put it first on the path."""
        self.folder = Path(self.mktemp()).resolve()
        (self.folder / "scripts").mkdir(parents=True)
        for known in ("known", "sid"):
            (self.folder / "scripts" / known).touch()
        program = self.folder / "debootstrap"
        program.write_text(_DEBOOTSTRAP)
        program.chmod(0o755)

    def told(self, release: str) -> list[str]:
        """Make a tree, and return what debootstrap was told after the tree's folder."""
        environ = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "DEBOOTSTRAP_DIR": str(self.folder),
            "MIRROR": "http://mirror.example.net/debian",
        }
        words = (PROJECT / "packaging" / "tree", release, self.folder / "tree", "docker.io", "docker-cli")
        subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=True)
        self.assertTrue((self.folder / "tree").is_dir())
        variant, packages, suite, _, *rest = (self.folder / "told").read_text().splitlines()
        self.assertEqual((variant, packages, suite), ("--variant=minbase", "--include=docker.io,docker-cli", release))
        return rest

    def test_a_release_that_debootstrap_knows(self) -> None:
        """It is made as debootstrap makes that release."""
        self.assertEqual(self.told("known"), ["http://mirror.example.net/debian"])

    def test_a_release_that_is_newer_than_debootstrap(self) -> None:
        """It is made as unstable is."""
        self.assertEqual(self.told("newer"), ["http://mirror.example.net/debian", "sid"])
