"""``packaging/release.py``: what it refuses, and what it builds from a checkout in which all agrees."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from twisted.trial.unittest import SynchronousTestCase

from tests.test_packaging import FILES, FOLDERS, MADE
from tests.test_tap import PROJECT

_NAMES = ("AUTHOR", "COMMITTER")
#: What stands for the scripts that build packages.
_BUILDERS = {
    "deb": """#!/bin/sh -e
touch "$2/nuage-plugin_9.8.7+$1_amd64.deb"
""",
    "rpm": """#!/bin/sh -e
test -x "$PYTHON"
touch "$1/nuage-plugin-9.8.7-1.x86_64.rpm"
""",
}


class Release(SynchronousTestCase):
    """Each test has a repository of its own."""

    timeout = 240

    def setUp(self) -> None:
        """Commit a copy of the checkout, in which all agrees for 9.8.7 of today."""
        self.checkout = Path(self.mktemp()).resolve()
        self.today = datetime.datetime.now(datetime.timezone.utc).date()
        for name in FOLDERS:
            shutil.copytree(PROJECT / name, self.checkout / name, ignore=MADE)
        for name in FILES:
            shutil.copy(PROJECT / name, self.checkout)
        self.edit("nuage/__init__.py", r'__version__ = ".*"', '__version__ = "9.8.7"')
        # tests.packages has those that really build something, which takes longer.
        for name, script in _BUILDERS.items():
            (self.checkout / "packaging" / name / "build").write_text(script)
        self.title(f"9.8.7 ({self.today})")
        self.git("init", "--quiet")
        self.commit()

    def edit(self, name: str, pattern: str, text: str) -> None:
        """Replace the first match in a file."""
        path = self.checkout / name
        changed, count = re.subn(pattern, text, path.read_text(), count=1)
        self.assertEqual(count, 1)
        path.write_text(changed)

    def title(self, title: str) -> None:
        """Have the changelog begin with a section of this title."""
        self.edit("CHANGELOG.rst", r"=\n\n(?:.+\n-+\n)?", f"=\n\n{title}\n{'-' * len(title)}\n")

    def run_in(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the checkout."""
        who = {f"GIT_{name}_{what}": "test@example.net" for name in _NAMES for what in ("NAME", "EMAIL")}
        return subprocess.run(
            words,
            cwd=self.checkout,
            env={**os.environ, **who},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def git(self, *words: str) -> None:
        """Run git."""
        done = self.run_in("git", *words)
        self.assertEqual(done.returncode, 0, done.stderr)

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=all")

    def release(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return self.run_in(sys.executable, "packaging/release.py", *words)

    def assert_refused(self, *messages: str) -> None:
        """Assert that these are what is wrong, and all of it, and that nothing was built."""
        done = self.release("9.8.7")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stderr.splitlines(), ["9.8.7 cannot be released:", *(f"- {it}" for it in messages)])
        self.assertFalse((self.checkout / "dist").exists())

    def test_all_agrees(self) -> None:
        """All files are built, of what is committed alone, and the tag is named."""
        (self.checkout / "dist").mkdir()
        (self.checkout / "dist" / "nuage_plugin-9.8.6.tar.gz").touch()
        (self.checkout / "dist" / "nuage-plugin_9.8.70+deb12_amd64.deb").touch()
        (self.checkout / ".git" / "info" / "exclude").write_text("left-over.py\ndist/\n")
        (self.checkout / "nuage" / "left-over.py").touch()
        done = self.release("9.8.7")
        self.assertEqual(done.returncode, 0, done.stderr)
        files = re.findall(r"^[0-9a-f]{64}  (.+)$", done.stdout, re.MULTILINE)
        expected = (
            "nuage-plugin-9.8.7-1.x86_64.rpm",
            "nuage-plugin_9.8.7+bookworm_amd64.deb",
            "nuage-plugin_9.8.7+trixie_amd64.deb",
            "nuage_plugin-9.8.7-py3-none-any.whl",
            "nuage_plugin-9.8.7.tar.gz",
        )
        self.assertEqual(files, [f"dist/{name}" for name in expected])
        self.assertIn('git tag --annotate --message "nuage-plugin 9.8.7" v9.8.7 ', done.stdout)
        with ZipFile(self.checkout / files[3]) as wheel:
            self.assertIn("nuage/tap.py", wheel.namelist())
            self.assertNotIn("nuage/left-over.py", wheel.namelist())

    def test_another_version(self) -> None:
        """Of the package."""
        self.edit("nuage/__init__.py", "9.8.7", "9.8.6")
        self.commit()
        self.assert_refused("nuage/__init__.py: __version__ is 9.8.6; set it to 9.8.7")

    def test_a_changelog_that_is_not_finished(self) -> None:
        """Its first section has no version, or the date of another day."""
        for title in ("Unreleased", "9.8.7", "9.8.7 (2020-02-20)"):
            self.title(title)
            self.commit()
            wanted = f'it has to be "9.8.7 ({self.today})"'
            self.assert_refused(f'CHANGELOG.rst: the first section is "{title}"; {wanted}')

    def test_a_changelog_out_of_order(self) -> None:
        """An older section has a later version, or no date; or there is nothing in the first one."""
        self.edit("CHANGELOG.rst", r"1\.0\.0 \(", "9.9.0 (")
        self.commit()
        self.assert_refused("CHANGELOG.rst: versions or dates are not in order, the newest first")
        self.edit("CHANGELOG.rst", r"9\.9\.0 .*", "Once upon a time")
        self.commit()
        self.assert_refused('CHANGELOG.rst: "Once upon a time" is no version with a date')

    def test_an_empty_section(self) -> None:
        """Nobody wrote down what is new."""
        self.edit("CHANGELOG.rst", r"(\(\d{4}-\d\d-\d\d\)\n-+\n)(?:.|\n)*?(\n\d+\.\d+\.\d+ \()", r"\1\2")
        self.commit()
        self.assert_refused("CHANGELOG.rst: the first section is empty")

    def test_what_is_not_committed(self) -> None:
        """A change, and a file that git does not know."""
        self.edit("README.rst", "nuage", "Nuage")
        (self.checkout / "more.py").touch()
        self.assert_refused("not committed: README.rst, more.py")

    def test_a_version_that_is_no_later_one(self) -> None:
        """Than one with a tag."""
        self.git("tag", "v9.8.7")
        self.git("tag", "v9.10.0")
        self.git("tag", "vanity")
        later = "is there already, and 9.8.7 is no later version"
        self.assert_refused(f"tag v9.10.0 {later}", f"tag v9.8.7 {later}")

    def test_a_command_that_fails(self) -> None:
        """The message has the command and what it said."""
        (self.checkout / ".git" / "config").write_text("[")
        done = self.release("9.8.7")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Agit tag --list 'v\*': exit status 128\nfatal: bad config line")
        self.assertNotIn("Traceback", done.stderr)

    def test_what_is_no_version(self) -> None:
        """Two numbers, or none at all."""
        for words in ((), ("1.1",), ("v1.1.0",)):
            done = self.release(*words)
            self.assertEqual(
                (done.returncode, done.stderr), (1, "usage: packaging/release.py VERSION, such as 1.1.0\n")
            )
