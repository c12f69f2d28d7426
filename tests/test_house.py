"""Who may call whom: what the modules import against the order of the rooms in docs/architecture.rst."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

import nuage

PACKAGE = Path(nuage.__file__).parent
#: Rooms that each speak one protocol, and know nothing of each other.
PROTOCOLS = {"ovsdb", "docker", "vsd", "links", "libnetwork"}
#: The modules of a package without faults.
GOOD = {"errors": "", "ovsdb__client": "import nuage.errors", "docker__engine": "", "driver__calls": ""}


def described(page: str) -> dict[str, str]:
    """Return the rooms, folders and single modules, in the order of the list below ``nuage/``, with its text."""
    block = re.search(r"^    nuage/\n((?:      .*\n)+)", page, re.M)
    assert block is not None
    entries = re.findall(r"^      ([a-z]\w*/?(?:, \w+)*)(?=$| )(.*\n(?:       .*\n)*)", block[1], re.M)
    return {name: text for names, text in entries for name in names.rstrip("/").split(", ")}


def imports(package: Path) -> Iterator[tuple[str, str, str]]:
    """Yield module, its room and an imported room for each import within the package but those within a room."""
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("")
        for node in ast.walk(ast.parse(path.read_text())):
            for room in _imported(node, package.name):
                if room != module.parts[0]:
                    yield str(module), module.parts[0], room


def _imported(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        assert not node.level, "imports are absolute"
        origin = (node.module or "").split(".")
        names = [alias.name for alias in node.names] if len(origin) == 1 else [origin[1]]
        # Names of the package itself, such as its version, are nobody's.
        return [name for name in names if origin[0] == package and not name.startswith("_")]
    if isinstance(node, ast.Import):
        parts = [alias.name.split(".") for alias in node.names]
        return [name[1] for name in parts if name[0] == package and len(name) > 1]
    return []


def faults(package: Path, order: list[str]) -> list[str]:
    """Return the imports that go against the order, and the rooms that it lacks or that are not there."""
    position: Mapping[str, int] = {room: index for index, room in enumerate(order)}
    there = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    found = [f"{room} is not in the list" for room in sorted(there - {"__init__", *order})]
    found += [f"{room} is not there" for room in order if room not in there]
    for module, room, imported in imports(package):
        if room not in position or imported not in position:
            continue
        if position[imported] > position[room]:
            found.append(f"{module} imports {imported}, which is below {room}")
        elif {room, imported} <= PROTOCOLS:
            found.append(f"{module} imports {imported}: two protocols")
    return found


class HouseTest(SynchronousTestCase):
    """The package as it is."""

    def setUp(self) -> None:
        self.rooms = described((PACKAGE.parent / "docs" / "architecture.rst").read_text())
        self.order = [*self.rooms]

    def test_imports_point_up(self) -> None:
        """And each room is in the list."""
        self.assertEqual(faults(PACKAGE, self.order), [])

    def test_the_list_is_read(self) -> None:
        """All of it."""
        self.assertEqual((self.order[0], self.order[-1]), ("errors", "cli"))
        self.assertLessEqual(PROTOCOLS, set(self.order))

    def test_modules(self) -> None:
        """Each is named with its room. The README of ``ovsdb`` has its modules, and a test of its own."""
        found = {
            f"{room}/{path.stem}"
            for room, text in self.rooms.items()
            for path in (PACKAGE / room).glob("[a-z]*.py")
            if room != "ovsdb" and not re.search(rf"\b{path.stem}\b", text)
        }
        self.assertEqual(found, set())

    def test_the_global_reactor(self) -> None:
        """Only the entry knows it."""
        knowing = [
            path.name
            for path in PACKAGE.rglob("*.py")
            if re.search(r"from twisted\.internet import .*\breactor\b|twisted\.internet\.reactor", path.read_text())
        ]
        self.assertEqual(knowing, ["tap.py"])


class FaultsTest(SynchronousTestCase):
    """What goes against the order is found."""

    def faults(self, **files: str) -> list[str]:
        """Return the faults of a package with these modules, ``__`` in a name being a folder's end."""
        with TemporaryDirectory() as folder:
            package = Path(folder, "nuage")
            for name, content in files.items():
                path = package.joinpath(*name.split("__")).with_suffix(".py")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name("__init__.py").touch()
                path.write_text(content)
            return faults(package, ["errors", "ovsdb", "docker", "driver"])

    def test_none(self) -> None:
        """Of imports up, and of such within a room."""
        calls = "from nuage import __version__, errors\nfrom nuage.driver import names\nimport attrs"
        self.assertEqual(self.faults(**GOOD | {"driver__calls": calls}), [])

    def test_an_import_that_goes_down(self) -> None:
        """In each form, inside of a function too."""
        for line in ("from nuage.driver.calls import x", "from nuage import driver", "import nuage.driver.calls as x"):
            found = self.faults(**GOOD | {"errors": f"def f():\n    {line}\n"})
            self.assertEqual(found, ["errors imports driver, which is below errors"])

    def test_an_import_between_protocols(self) -> None:
        """Also of one that is above."""
        found = self.faults(**GOOD | {"docker__engine": "from nuage.ovsdb import client"})
        self.assertEqual(found, ["docker/engine imports ovsdb: two protocols"])

    def test_rooms_and_the_list(self) -> None:
        """One that the list lacks, and one that it has alone."""
        unlisted = {"cellar__x": "", **GOOD}
        del unlisted["docker__engine"]
        self.assertEqual(self.faults(**unlisted), ["cellar is not in the list", "docker is not there"])
