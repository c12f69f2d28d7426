"""What is installed: the source distribution, the wheel that is built from it, and the daemon that comes out of it."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from email.message import Message
from email.parser import Parser
from functools import cache
from pathlib import Path, PurePath
from zipfile import ZipFile

import attrs
from twisted.trial.unittest import SynchronousTestCase

from nuage import __version__
from tests.http_support import asynchronous
from tests.test_tap import PROJECT, CommandCase

#: All that a checkout is made of and git keeps, apart from the files at its top.
FOLDERS = ("benchmarks", "docs", "etc", "examples", "lab", "nuage", "packaging", "tests", "twisted")
FILES = (
    ".dockerignore",
    "CHANGELOG.rst",
    "CONTRIBUTING.rst",
    "LICENSE",
    "MANIFEST.in",
    "README.rst",
    "SECURITY.rst",
    "pyproject.toml",
    "setup.py",
)
CONSTRAINTS = PROJECT / "packaging" / "constraints.txt"
#: They are for the Python of Debian 12. Another one may need other versions, and further packages.
CONSTRAINED = sys.version_info[:2] == (3, 11)
#: What builds a package, and is not there any more when it is installed.
BUILDERS = {"setuptools", "wheel"}
#: What is made by using it.
MADE = shutil.ignore_patterns("__pycache__", "*.pyc", "dropin.cache", "*.egg-info", "_trial_temp*")


@attrs.frozen
class Distribution:
    """What was built from a copy of the checkout."""

    checkout: Path
    sdist: Path
    wheel: Path

    def metadata(self) -> Message:
        """Return what the wheel says of itself."""
        with ZipFile(self.wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return Parser().parsestr(archive.read(name).decode())

    def files(self, *folders: str) -> set[str]:
        """Return the paths of all files in folders of the checkout."""
        found = (path for folder in folders for path in (self.checkout / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.checkout)) for path in found}


@cache
def built() -> Distribution:
    """Build the source distribution, and the wheel from it."""
    folder = _folder()
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in FILES:
        shutil.copy(PROJECT / name, checkout)
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, checkout / name, ignore=MADE)
    _run(sys.executable, "-m", "build", f"--outdir={folder}", checkout, cwd=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distribution(checkout, sdist, wheel)


@cache
def installed() -> Path:
    """Install the wheel into a virtual environment that has nothing else, and return its folder."""
    folder = _folder() / "venv"
    venv.create(folder, symlinks=True, with_pip=True)
    constraint = [f"--constraint={CONSTRAINTS}"] if CONSTRAINED else []
    _run(folder / "bin" / "pip", "install", *constraint, built().wheel, cwd=folder)
    return folder


def pinned() -> dict[str, str]:
    """Return the versions of the packages that the image and the managed plugin are built with, by their names."""
    return versions(CONSTRAINTS.read_text())


def versions(frozen: str) -> dict[str, str]:
    """Return the versions in lines as ``pip freeze`` prints them, by names as all packages can be compared by."""
    lines = [line.partition("==") for line in frozen.splitlines() if line and not line.startswith("#")]
    return {re.sub("[-_.]+", "-", name).lower(): version for name, _, version in lines}


def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="nuage-packaging")
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


def _run(*words: object, cwd: Path) -> str:
    # The checkout must not be found by chance.
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    argv = [str(word) for word in words]
    done = subprocess.run(argv, cwd=cwd, env=environ, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Contents(SynchronousTestCase):
    """Nothing is left out."""

    timeout = 300

    def test_sdist_has_the_whole_checkout(self) -> None:
        """With the tests, the lab and what the managed plugin and the image are built from."""
        with tarfile.open(built().sdist) as archive:
            modes = {entry.name.partition("/")[2]: entry.mode for entry in archive.getmembers() if entry.isfile()}
        expected = {*built().files(*FOLDERS), *FILES}
        self.assertEqual(expected - {*modes}, set())
        self.assertTrue(modes["packaging/plugin/build"] & 0o111)
        self.assertEqual({name for name in modes if PurePath(name).suffix == ".pyc"}, set())

    def test_wheel_says_what_it_is(self) -> None:
        """Its version is the daemon's own, and its licence comes with it."""
        said = built().metadata()
        self.assertEqual(said["Version"], __version__)
        self.assertEqual(said["License-Expression"], "Apache-2.0")
        with ZipFile(built().wheel) as archive:
            (licence,) = (name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
            self.assertEqual(archive.read(licence), (PROJECT / "LICENSE").read_bytes())

    def test_each_dependency_has_a_lower_bound(self) -> None:
        """In the form that tests/versions reads, so that none is left out there."""
        needed = [it for it in built().metadata().get_all("Requires-Dist", []) if "extra == " not in it]
        for each in needed:
            self.assertRegex(each, r"^[a-z0-9-]+(\[\w+\])?>=[0-9.]+$")
        lines = (PROJECT / "pyproject.toml").read_text().splitlines()
        self.assertEqual({f'    "{each}",' for each in needed} - {*lines}, set())

    def test_wheel_has_the_daemon_alone(self) -> None:
        """The package, Twisted's plugin, and the files to start from."""
        with ZipFile(built().wheel) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
        code = {name for name in names if ".data/" not in name}
        self.assertEqual(code, {*built().files("nuage"), "twisted/plugins/nuage_plugin.py"})
        self.assertIn("nuage/py.typed", code)
        data = {name.partition(".data/data/share/nuage-plugin/")[2] for name in names - code}
        self.assertEqual(data, {name.removeprefix("etc/") for name in built().files("etc")})


class Repeatable(SynchronousTestCase):
    """The image and the managed plugin are built with the same packages next year."""

    timeout = 300

    def test_each_package_is_pinned(self) -> None:
        """Whatever the plugin brings along has its version in the constraints, and nothing else has."""
        words = ("freeze", "--all", "--exclude=pip", "--exclude=nuage-plugin", *(f"--exclude={it}" for it in BUILDERS))
        found = versions(_run(installed() / "bin" / "pip", *words, cwd=installed()))
        self.assertIn("twisted", found)
        expected = {name: version for name, version in pinned().items() if name not in BUILDERS}
        self.assertEqual({*expected} - {*found}, set())
        if CONSTRAINED:
            self.assertEqual(found, expected)
        self.assertEqual(BUILDERS - {*pinned()}, set())

    def test_each_build_uses_the_constraints(self) -> None:
        """They are set before pip runs, and are among what Docker is sent to build from."""
        for recipe in ("docker/Dockerfile", "environment"):
            setting, pip, _ = (PROJECT / "packaging" / recipe).read_text().partition("pip install ")
            self.assertTrue(pip)
            self.assertRegex(setting, r"\b(cp|COPY) .*packaging/constraints\.txt ")
            self.assertRegex(setting, r"\b(ENV|export) PIP_CONSTRAINT=\S*/constraints\.txt\n")
        self.assertIn("!packaging/constraints.txt\n", (PROJECT / ".dockerignore").read_text())


class Installed(CommandCase):
    """The daemon of an installed wheel, started as the unit that comes with it says."""

    timeout = 300

    def argv(self, *twistd: str) -> list[str]:
        """See CommandCase. The unit has its own words for ``twistd``."""
        unit = (installed() / "share" / "nuage-plugin" / "systemd" / "nuage-plugin.service").read_text()
        (command,) = (line.removeprefix("ExecStart=") for line in unit.splitlines() if line.startswith("ExecStart="))
        places = {"/opt/nuage-plugin": str(installed()), "/etc/nuage/nuage.yaml": str(self.config)}
        for place, here in places.items():
            self.assertIn(place, command)
            command = command.replace(place, here)
        return command.split()

    @property
    def environ(self) -> dict[str, str]:
        """See CommandCase: the checkout is not on the path."""
        return {"PATH": os.defpath}

    @asynchronous
    async def test_started_and_ended(self) -> None:
        """It answers Docker, ends at SIGTERM and removes its socket."""
        self.configure()
        daemon = await self.served()
        self.assertIn(f"listening on {self.socket}", daemon.output)

    def test_help(self) -> None:
        """``twistd`` knows the command."""
        said = _run(installed() / "bin" / "twistd", "nuage-plugin", "--help", cwd=self.folder)
        self.assertIn("Docker network driver for Nuage VRS", said)

    def test_files_to_start_from(self) -> None:
        """The installed configuration is the shipped one, and good as it is."""
        share = installed() / "share" / "nuage-plugin"
        self.assertEqual((share / "nuage.yaml").read_text(), (PROJECT / "etc" / "nuage.yaml").read_text())
        script = (
            "import sys, pathlib as p, nuage.config.loading as c; c.load(p.Path(sys.argv[1]), {}); print(c.__file__)"
        )
        used = _run(installed() / "bin" / "python", "-c", script, share / "nuage.yaml", cwd=self.folder)
        self.assertTrue(Path(used.strip()).is_relative_to(installed()))
