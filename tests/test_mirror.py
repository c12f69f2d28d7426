"""Which mirror debootstrap gets: ``packaging/mirror`` asks the machine's apt, which has sources of its own here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.test_tap import PROJECT

_SETTINGS = """
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "{folder}/lists";
"""
#: What apt knows of a source once it has its list: the address, the suite, and whose archive it says it is.
_DEBIAN = ("http://mirror.example.net/debian", "bookworm", "Debian", "Debian")
_SECURITY = ("http://mirror.example.net/debian-security", "bookworm-security", "Debian", "Debian-Security")
_OTHER = ("https://download.example.net/linux", "bookworm", "Example", "Example")


class Mirror(SynchronousTestCase):
    """Printed, or refused with a remedy."""

    def setUp(self) -> None:
        """Make a folder for apt."""
        self.folder = Path(self.mktemp()).resolve()
        (self.folder / "lists").mkdir(parents=True)
        (self.folder / "sources.list").touch()
        (self.folder / "apt.conf").write_text(_SETTINGS.format(folder=self.folder))

    def add(self, address: str, suite: str, origin: str, label: str) -> None:
        """Add a source, and what ``apt-get update`` would have fetched of it."""
        with (self.folder / "sources.list").open("a") as sources:
            sources.write(f"deb {address} {suite} main\n")
        prefix = f"{address.partition('://')[2]}/dists/{suite}/".replace("/", "_")
        release = f"Origin: {origin}\nLabel: {label}\nSuite: oldstable\nCodename: {suite}\nComponents: main\n"
        (self.folder / "lists" / f"{prefix}Release").write_text(release)
        (self.folder / "lists" / f"{prefix}main_binary-amd64_Packages").touch()

    def mirror(self, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        given = {"PATH": os.environ["PATH"], "APT_CONFIG": str(self.folder / "apt.conf"), **environ}
        words = [PROJECT / "packaging" / "mirror"]
        return subprocess.run(words, env=given, capture_output=True, text=True, timeout=60, check=False)

    def test_debians_own_archive_is_taken(self) -> None:
        """Not its security archive, and not that of somebody else for the same release."""
        for source in (_OTHER, _SECURITY, _DEBIAN):
            self.add(*source)
        self.assertEqual(self.mirror().stdout, "http://mirror.example.net/debian\n")

    def test_the_environment_wins(self) -> None:
        """MIRROR names another one."""
        self.add(*_DEBIAN)
        self.assertEqual(
            self.mirror(MIRROR="https://here.example.net/debian/").stdout, "https://here.example.net/debian\n"
        )

    def test_without_one(self) -> None:
        """The message says what to do."""
        self.add(*_OTHER)
        done = self.mirror()
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt has no Debian mirror among its sources; try: apt-get update, or name", done.stderr)
