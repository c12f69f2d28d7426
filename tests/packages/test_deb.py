"""The packages of Debian 12 and 13: what they need, and how one is installed, started, upgraded and removed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from nuage import __version__
from tests.http_support import asynchronous
from tests.packages.building import FILES, PACKAGES, brought, built, outside, start
from tests.packages.root import ENVIRON, Root, run
from tests.test_tap import PROJECT, CommandCase

#: What the tree has for those who build with it. An installed package must not need it.
_BUILDING = '?name("^python3.*-(venv|whl|distutils|lib2to3)$")'
_CONFIGURATION = "/etc/nuage/nuage.yaml"
_SERVICE = "/usr/lib/systemd/system/nuage-plugin.service"
#: What says that a unit is enabled.
_LINKS = (
    "/etc/systemd/system/multi-user.target.wants/nuage-plugin.service",
    "/etc/systemd/system/sockets.target.wants/nuage-plugin.socket",
)
#: Stands for the helper that asks systemd to start and stop units: writes down what it is asked.
_INVOKED = """#!/bin/sh
echo "$@" >>{}
"""
#: dpkg has no need to wait for the disk.
_APT = ("apt-get", "--yes", "--option=Dpkg::Options::=--force-unsafe-io")


class _Package(CommandCase):
    """What is the same with both releases; each has a class below."""

    timeout = 300
    release: str
    number: int
    #: The second number of the release's Python.
    python: int

    @property
    def package(self) -> Path:
        """The package's file."""
        return built("deb/build", self.release)

    def fields(self) -> dict[str, str]:
        """Return what the package says of itself."""
        lines = run("dpkg-deb", "--field", self.package).splitlines()
        return {name: value for name, _, value in (line.partition(": ") for line in lines if line[0] != " ")}

    def files(self) -> set[str]:
        """Return the paths of its files and links."""
        words = (line.split() for line in run("dpkg-deb", "--contents", self.package).splitlines())
        return {entry[5].removeprefix(".") for entry in words if entry[0].startswith(("-", "l"))}

    def install(self) -> None:
        """Install the package in a root, as its users do."""
        folder = tempfile.TemporaryDirectory(prefix="nuage-root")
        self.addCleanup(folder.cleanup)
        self.root = Root(self.release, Path(folder.name), self.folder)
        self.root.run(*_APT, "purge", _BUILDING)
        self.root.run("mkdir", "--parents", "/run/systemd/system")
        helper = self.folder / "deb-systemd-invoke"
        helper.write_text(_INVOKED.format(self.folder / "invoked"))
        self.root.run("install", helper, "/usr/bin")
        (self.folder / self.package.name).hardlink_to(self.package)
        self.upgrade()

    def upgrade(self) -> None:
        """Install the package where it is installed already. The same version is unpacked and configured again."""
        self.root.run(*_APT, "install", "--reinstall", self.folder / self.package.name)

    def invoked(self) -> list[str]:
        """Return what systemd was asked to do since the last time."""
        file = self.folder / "invoked"
        asked = file.read_text().splitlines()
        file.unlink()
        return asked

    def enabled(self) -> list[bool]:
        """Tell which units are enabled, the service first."""
        return [self.root.changed(link).is_symlink() for link in _LINKS]

    def argv(self, *twistd: str) -> list[str]:
        """See CommandCase: what the installed unit says, in the root."""
        lines = self.root.changed(_SERVICE).read_text().splitlines()
        (command,) = (line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
        return self.root.inside(*command.split())

    @property
    def environ(self) -> dict[str, str]:
        """See CommandCase."""
        return ENVIRON

    def test_contents(self) -> None:
        """The environment has the pinned packages and no others; each thing is where Debian's users look for it."""
        names = ("changelog.Debian.gz", "changelog.gz", "copyright")
        self.assertEqual(outside(self.files()), FILES | {f"/usr/share/doc/nuage-plugin/{name}" for name in names})
        self.assertEqual(brought(self.files()), PACKAGES)
        self.assertEqual(run("dpkg-deb", "--info", self.package, "conffiles").split(), [_CONFIGURATION])

    def test_what_it_needs(self) -> None:
        """The Python that it is compiled for and no other, a C library, and a machine of its kind."""
        fields = self.fields()
        self.assertEqual(fields["Version"], f"{__version__}+deb{self.number}")
        self.assertEqual(fields["Architecture"], run("dpkg", "--print-architecture").strip())
        python, library, *others = fields["Depends"].replace(", python3 (<<", " (<<").split(", ")
        self.assertEqual(python, f"python3 (>= 3.{self.python}) (<< 3.{self.python + 1})")
        self.assertRegex(library, r"^libc6 \(>= 2\.\d+\)$")
        self.assertEqual([name for name in others if not name.startswith("libgcc-s1 ")], [])

    @asynchronous
    async def test_from_installation_to_purge(self) -> None:
        """It starts, keeps what is its owner's through an upgrade, and leaves nothing behind."""
        self.install()
        self.assertEqual(self.enabled(), [True, True])
        self.assertEqual(self.invoked(), ["start nuage-plugin.socket", "start nuage-plugin.service"])
        shipped = (PROJECT / "etc" / "nuage.yaml").read_text()
        self.config = self.root.changed(_CONFIGURATION)
        self.assertEqual(self.config.read_text(), shipped)

        self.configure()
        daemon = await self.served()
        self.assertIn(f"listening on {self.socket}", daemon.output)
        self.assertNotIn("Traceback", daemon.output)
        # It wrote nothing: only the configuration differs.
        self.assertEqual(self.root.run("dpkg", "--verify", "nuage-plugin").split()[1:], ["c", _CONFIGURATION])

        mine = self.config.read_text()
        self.root.run("rm", _LINKS[0])
        self.upgrade()
        self.assertEqual(self.config.read_text(), mine)
        self.assertEqual(self.enabled(), [False, True])
        # The socket was not stopped meanwhile.
        self.assertEqual(self.invoked(), ["start nuage-plugin.socket", "restart nuage-plugin.service"])

        self.root.run(*_APT, "remove", "nuage-plugin")
        self.assertEqual(self.invoked(), ["stop nuage-plugin.service", "stop nuage-plugin.socket"])
        self.assertEqual(self.config.read_text(), mine)
        self.assertFalse(self.root.changed("/opt/nuage-plugin").exists())

        self.root.run(*_APT, "purge", "nuage-plugin")
        everywhere = ("find", "/", "-xdev", "-path", "/tmp", "-prune", "-o", "-name", "*nuage*", "-print")
        self.assertEqual(self.root.run(*everywhere), "")


class Bookworm(_Package):
    """Debian 12."""

    release, number, python = "bookworm", 12, 11


class Trixie(_Package):
    """Debian 13."""

    release, number, python = "trixie", 13, 13


# It is no case by itself.
del _Package


class Refused(SynchronousTestCase):
    """What the script does not take."""

    def test_words(self) -> None:
        """No release, one that it does not know, or too many words."""
        for words in ((), ("buster",), ("trixie", "a", "b")):
            done = start("deb/build", *words)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^\S+/deb/build: usage: \S+/deb/build bookworm\|trixie \[FOLDER\]\n$")
