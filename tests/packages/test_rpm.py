"""The package of distributions with RPM: what is in it, what it needs, and what it runs."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from nuage import __version__
from tests.packages.building import FILES, PACKAGES, brought, built, outside, start
from tests.packages.root import run

#: The package's own scripts and its dependencies on what rpm itself can do.
_USUAL = re.compile(r"rpmlib\(.*|rtld\(.*|/bin/sh|config\(.*|systemd")
#: The C library and what belongs to it.
_LIBRARIES = re.compile(r"(libc|libpthread|libdl|libm|librt|libgcc_s|ld-linux-x86-64)\.so\.\d+\(.*")


class Rpm(SynchronousTestCase):
    """The package, as rpm reads it."""

    timeout = 300

    def ask(self, *words: str) -> list[str]:
        """Return the lines that rpm prints about the package."""
        return run("rpm", "--query", "--package", *words, built("rpm/build")).splitlines()

    def test_contents(self) -> None:
        """The environment has the pinned packages and no others; a changed configuration is kept."""
        paths = {*self.ask("--list")}
        documents = {"/usr/share/doc/nuage-plugin/CHANGELOG.rst", "/usr/share/licenses/nuage-plugin/LICENSE"}
        folders = {"/etc/nuage", "/opt/nuage-plugin", *(path.rpartition("/")[0] for path in documents)}
        self.assertEqual(outside(paths) - folders, FILES | documents)
        self.assertEqual(brought(paths), PACKAGES)
        flags = self.ask("--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]")
        self.assertIn("/etc/nuage/nuage.yaml cn", flags)
        self.assertEqual([line for line in flags if line.endswith(" c")], [])

    def test_what_it_needs(self) -> None:
        """The Python that it is compiled for, by its path, and the C library. It offers nothing but itself."""
        needed = {it.split()[0] for it in self.ask("--requires") if not _USUAL.fullmatch(it.split()[0])}
        self.assertEqual({it for it in needed if not _LIBRARIES.fullmatch(it)}, {"/usr/bin/python3.11"})
        self.assertIn("libc.so.6()(64bit)", needed)
        offered = {it.split()[0] for it in self.ask("--provides")}
        self.assertEqual(offered, {"nuage-plugin", "nuage-plugin(x86-64)", "config(nuage-plugin)"})
        self.assertEqual(self.ask("--queryformat", "%{VERSION} %{RELEASE}"), [f"{__version__} 1"])

    def test_scripts(self) -> None:
        """Each is a good shell script. The units are disabled when the package goes, and only then."""
        scripts = {}
        for name in ("POSTIN", "PREUN", "POSTUN"):
            scripts[name] = "\n".join(self.ask("--queryformat", f"%{{{name}}}"))
            run("sh", "-n", "-c", scripts[name])
        self.assertRegex(scripts["POSTIN"], r'"\$1" = 1(.|\n)* preset nuage-plugin.socket nuage-plugin.service ')
        self.assertRegex(scripts["PREUN"], r'"\$1" = 0(.|\n)* disable --now nuage-plugin.socket nuage-plugin.service ')
        self.assertRegex(scripts["POSTUN"], r'"\$1" -ge 1(.|\n)* try-restart nuage-plugin.service ')
        self.assertNotIn("nuage-plugin.socket", scripts["POSTUN"])

    def test_words(self) -> None:
        """Too many are refused."""
        done = start("rpm/build", "a", "b")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^\S+/rpm/build: usage: \S+/rpm/build \[FOLDER\]\n$")
