"""The mirror of a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nuage.ovsdb.cache import Cache, Change
from nuage.ovsdb.errors import ProtocolViolation
from nuage.ovsdb.monitored import Monitored
from nuage.ovsdb.schema import parse_schema
from tests.ovsdb_support import SCHEMA_WIRE, schema, uuid

COLUMNS = ("name", "number", "maybe", "tags", "ids", "refs", "absent")
MONITORED = [
    Monitored("T", COLUMNS, ("name", "maybe", "absent", ("ids", "key"))),
    Monitored("U", ("name",)),
    Monitored("Absent", ("name",), ("name",)),
]
A, B, C = uuid(1), uuid(2), uuid(3)


class CacheCase(SynchronousTestCase):
    """A cache with a row, and what listeners hear."""

    def setUp(self) -> None:
        self.failures: list[Exception] = []
        self.heard: list[Sequence[Change]] = []
        self.cache = Cache(MONITORED, self.failures.append)
        row = {"name": "a", "maybe": 1, "tags": ["set", ["x", "y"]], "ids": ["map", [["key", "v"], ["other", "w"]]]}
        self.cache.load(schema(), {"T": {A: {"initial": row}}})
        self.table = self.cache["T"]
        self.cache.subscribe(self.heard.append)

    def apply(self, **update: Any) -> Sequence[Change]:
        return self.cache.apply({"T": {A: update}})


class Rows(CacheCase):
    """Row."""

    def test_columns(self) -> None:
        """Values by column, defaults for what the server left out, KeyError for the rest."""
        row = self.table.rows[A]
        self.assertEqual((row.table, row.uuid, row["number"], row["maybe"]), ("T", A, 0, 1))
        self.assertEqual(row["refs"], frozenset())
        self.assertIs(row["ids"], row["ids"])
        self.assertEqual(set(row), set(COLUMNS) - {"absent"})
        for column in ("absent", "share", "_uuid"):
            with self.assertRaises(KeyError):
                row[column]
        self.assertIn("'name': 'a'", repr(row))

    def test_lazy(self) -> None:
        """A column of the first content, which may be large, is looked at when it is asked for."""
        self.cache.load(schema(), {"T": {B: {"initial": {"name": "b", "tags": {}}}}})
        self.assertEqual(self.table.rows[B]["name"], "b")
        with self.assertRaises(ProtocolViolation):
            self.table.rows[B]["tags"]


class Lookups(CacheCase):
    """Indexes."""

    def names(self, key: str) -> set[Any]:
        return {row["name"] for row in self.table.where("ids", key, key="key")}

    def test_follow_changes(self) -> None:
        """An index follows inserts, changes of the value and deletes."""
        self.assertEqual(self.names("v"), {"a"})
        self.cache.apply({"T": {B: {"insert": {"name": "b", "ids": ["map", [["key", "v"]]]}}}})
        self.assertEqual(self.names("v"), {"a", "b"})
        self.apply(modify={"ids": ["map", [["key", "u"]]]})
        self.assertEqual((self.names("v"), self.names("u")), ({"b"}, {"a"}))
        self.apply(modify={"ids": ["map", [["key", "u"]]]})
        self.assertEqual(self.names("u"), set())
        self.cache.apply({"T": {B: {"delete": None}}})
        self.assertEqual(self.names("v"), set())
        self.assertEqual(self.table.find("name", "a"), self.table.rows[A])
        self.assertIsNone(self.table.find("name", "b"))

    def test_optional(self) -> None:
        """An empty optional value is not indexed."""
        self.assertEqual(self.table.where("maybe", 1), (self.table.rows[A],))
        self.apply(modify={"maybe": ["set", []]})
        self.assertEqual((self.table.find("maybe", 1), self.table.where("maybe", None)), (None, ()))

    def test_absent(self) -> None:
        """What the database lacks has no rows; what was not declared is an error."""
        self.assertIsNone(self.table.find("absent", "x"))
        self.assertIsNone(self.cache["Absent"].find("name", "x"))
        for column, key in (("number", None), ("ids", "other")):
            with self.assertRaises(KeyError):
                self.table.find(column, 1, key)
        with self.assertRaises(KeyError):
            self.cache["Other"]


class Updates(CacheCase):
    """The forms of updates."""

    def values(self) -> dict[str, Any]:
        row = self.table.rows[A]
        return {column: row[column] for column in ("name", "maybe", "tags", "ids")}

    def test_same_result(self) -> None:
        """``update`` with whole rows and ``update2`` with differences lead to the same content."""
        expected = {"name": "z", "maybe": None, "tags": frozenset(["y", "n"]), "ids": {"key": "new", "more": "m"}}
        whole = {
            "name": "z",
            "number": 0,
            "maybe": ["set", []],
            "tags": ["set", ["n", "y"]],
            "ids": ["map", [["more", "m"], ["key", "new"]]],
            "refs": ["set", []],
        }
        old = self.table.rows[A]
        self.apply(old={"name": "a", "maybe": 1}, new=whole)
        self.assertEqual(self.values(), expected)
        self.setUp()
        difference = {
            "name": "z",
            "maybe": ["set", []],
            "tags": ["set", ["x", "n"]],
            "ids": ["map", [["key", "new"], ["other", "w"], ["more", "m"]]],
        }
        (change,) = self.apply(modify=difference)
        self.assertEqual(self.values(), expected)
        self.assertEqual(change, Change("T", A, old, self.table.rows[A]))
        self.assertEqual(self.heard, [[change]])
        # The reload that follows finds nothing new, although the wire form differs.
        self.assertEqual(self.cache.load(schema(), {"T": {A: {"new": whole}}}), [])

    def test_delete(self) -> None:
        """Both forms of deletion; a row that is not there is none."""
        updates: list[dict[str, Any]] = [{"delete": None}, {"old": {"name": "a"}}, {"old": {}, "new": None}]
        for update in updates:
            self.setUp()
            self.assertIsNone(self.apply(**update)[0].new)
            self.assertEqual(self.apply(**update), [])
            self.assertEqual(dict(self.table.rows), {})

    def test_nothing_real(self) -> None:
        """What changes nothing is not told."""
        self.assertEqual(self.apply(modify={"name": "a"}), [])
        self.assertEqual(self.apply(modify={}), [])
        self.assertEqual(self.heard, [])

    def test_all_or_nothing(self) -> None:
        """An update that does not fit leaves the content, indexes included, as it was."""
        self.table.find("name", "a")
        good = {B: {"insert": {"name": "b"}}}
        unfit: list[dict[str, Any]] = [
            {C: {"modify": {"name": "c"}}},
            {C: {"insert": {"name": 7}}},
            {C: {"insert": {"name": "c", "tags": {}}}},
            {A: {"old": {"tags": []}, "new": {"name": "a", "tags": {}}}},
            {C: {"insert": 7}},
            {C: 7},
            {C: {}},
            {A: {"modify": {"share": 1}}},
            {A: {"modify": {"tags": {}}}},
            {A: {"modify": 1}},
        ]
        for bad in unfit:
            with self.subTest(bad=bad):
                with self.assertRaises(ProtocolViolation):
                    self.cache.apply({"U": {B: {"insert": {"name": "u"}}}, "T": {**good, **bad}})
                self.assertEqual((set(self.table.rows), set(self.cache["U"].rows)), ({A}, set()))
                self.assertIsNone(self.table.find("name", "b"))
        self.assertEqual(self.heard, [])
        wires: list[Any] = [1, {"Other": {}}, {"T": 1}]
        for wire in wires:
            with self.assertRaises(ProtocolViolation):
                self.cache.apply(wire)

    def test_new_types(self) -> None:
        """After a conversion rows are decoded by the new schema."""
        columns = {**SCHEMA_WIRE["tables"]["T"]["columns"], "maybe": {"type": "integer"}}
        converted = {**SCHEMA_WIRE, "tables": {**SCHEMA_WIRE["tables"], "T": {"isRoot": True, "columns": columns}}}
        self.cache.load(parse_schema(converted), {"T": {A: {"initial": {"name": "a"}}}})
        self.assertEqual(self.table.rows[A]["maybe"], 0)


class FirstLoad(SynchronousTestCase):
    """The content of a cache that had none."""

    def setUp(self) -> None:
        self.cache = Cache(MONITORED, self.fail)
        self.content = {"T": {A: {"initial": {"name": "a"}}, B: {"initial": {"name": "b"}}}, "U": {C: {"initial": {}}}}

    def test_changes(self) -> None:
        """Listeners hear of each row, as it was then, whenever they look."""
        heard: list[Sequence[Change]] = []
        self.cache.subscribe(heard.append)
        changes = self.cache.load(schema(), self.content)
        rows = [("T", A, self.cache["T"].rows[A]), ("T", B, self.cache["T"].rows[B]), ("U", C, self.cache["U"].rows[C])]
        self.cache.apply({"T": {A: {"delete": None}}})
        self.assertEqual(heard[0], changes)
        self.assertEqual(len(changes), 3)
        self.assertEqual([*changes], [Change(table, uuid, None, row) for table, uuid, row in rows])
        self.assertEqual(changes[1:], [*changes][1:])

    def test_an_empty_database(self) -> None:
        """There is nothing to be heard."""
        heard: list[Sequence[Change]] = []
        self.cache.subscribe(heard.append)
        self.assertEqual(len(self.cache.load(schema(), {})), 0)
        self.assertEqual(heard, [])

    def test_who_asked_before(self) -> None:
        """An index that was asked when there was nothing has all rows afterwards."""
        self.assertIsNone(self.cache["T"].find("name", "b"))
        self.cache.load(schema(), self.content)
        self.assertIs(self.cache["T"].find("name", "b"), self.cache["T"].rows[B])

    def test_not_a_content(self) -> None:
        """Nothing of it is taken."""
        with self.assertRaises(ProtocolViolation):
            self.cache.load(schema(), {**self.content, "U": {C: 7}})
        self.assertEqual((len(self.cache["T"].rows), self.cache.loaded), (0, False))


class Listeners(CacheCase):
    """subscribe."""

    def test_current(self) -> None:
        """Listeners are told once for an update, when all tables are current."""
        seen: list[tuple[int, int]] = []
        self.cache.subscribe(lambda _: seen.append((len(self.table.rows), len(self.cache["U"].rows))))
        self.cache.apply({"T": {B: {"insert": {}}}, "U": {C: {"insert": {}}}})
        self.assertEqual((seen, len(self.heard), len(self.heard[0])), ([(2, 1)], 1, 2))

    def test_failure_and_end(self) -> None:
        """A failing listener is reported; a subscription that ended is not called."""
        self.cache.subscribe(lambda _: 1 / 0)  # type: ignore[arg-type]
        later: list[Sequence[Change]] = []
        unsubscribe = self.cache.subscribe(later.append)
        self.apply(modify={"name": "b"})
        unsubscribe()
        self.apply(modify={"name": "c"})
        self.assertEqual((len(self.failures), len(later), len(self.heard)), (2, 1, 2))
