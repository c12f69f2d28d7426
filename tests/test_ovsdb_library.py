"""The OVSDB client as a library: it stands alone, and its README tells the truth."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import nuage
from nuage import ovsdb
from tests.vrs_support import Vrs

LIBRARY = Path(ovsdb.__file__).parent


def imported(source: str) -> set[str]:
    """Return the modules that a source imports."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


class LibraryTest(SynchronousTestCase):
    """What a stranger would take."""

    def setUp(self) -> None:
        self.readme = (LIBRARY / "README.rst").read_text()

    def test_it_imports_nothing_else_of_this_package(self) -> None:
        """Whatever the module."""
        modules = list(LIBRARY.glob("*.py"))
        self.assertGreater(len(modules), 10)
        for path in modules:
            ours = {name for name in imported(path.read_text()) if name.partition(".")[0] == "nuage"}
            self.assertEqual({name for name in ours if not name.startswith("nuage.ovsdb.")}, set(), path.name)

    def test_its_pure_modules(self) -> None:
        """They know nothing of Twisted; the README names them, and every other one."""
        named = re.findall(r"^(``.+?``) {2,}\w", self.readme, re.M)
        above = named[: next(index for index, line in enumerate(named) if "pending" in line)]
        pure = [*re.findall(r"``(\w+)``", " ".join(above)), "errors"]
        self.assertIn("framing", pure)
        for name in pure:
            self.assertNotIn("twisted", "".join(imported((LIBRARY / f"{name}.py").read_text())), name)
        modules = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
        self.assertEqual(set(re.findall(r"``(\w+)``", " ".join(named))), modules)

    def test_the_example(self) -> None:
        """It connects, monitors and changes a database."""
        vrs = Vrs()
        self.addCleanup(vrs.stop)
        (example,) = re.findall(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", self.readme, re.M)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(example), vrs.remote],
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "PYTHONPATH": str(Path(nuage.__file__).parent.parent)},
        )
        self.assertEqual((done.stdout, done.stderr), ("alubr0 1 yes\n", ""))
