"""Values in Python and on the wire, and the operations that carry them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nuage.ovsdb.errors import (
    ConstraintViolation,
    ProtocolViolation,
    ReferentialIntegrityViolation,
    SchemaMismatch,
    TransactionError,
    ValueNotEncodable,
    WaitTimedOut,
)
from nuage.ovsdb.notation import ZERO_UUID, Named, Value, apply_diff, decoder, default, encode, key_decoder
from nuage.ovsdb.operations import Comment, Delete, Insert, Mutate, Operation, Select, Update, Wait, read_outcome
from nuage.ovsdb.results import Affected, Done, Inserted, Selected
from nuage.ovsdb.schema import column_type, parse_schema
from tests.ovsdb_support import SCHEMA_WIRE, schema, uuid

SCHEMA = schema()
TYPES = {name: column.type for name, column in SCHEMA.tables["T"].columns.items()}
INTEGERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
TEXTS = st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5)
UUIDS = st.uuids().map(str)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "number": INTEGERS,
    "share": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "maybe": st.none() | INTEGERS,
    "tags": st.frozensets(TEXTS, max_size=4),
    "some": st.frozensets(INTEGERS, min_size=1, max_size=3),
    "ids": st.dictionaries(TEXTS, TEXTS, max_size=4),
    "refs": st.frozensets(UUIDS, max_size=3),
    "peers": st.dictionaries(TEXTS, UUIDS, max_size=3),
}


class Notation(SynchronousTestCase):
    """encode, decoder, default, apply_diff."""

    @settings(deadline=None)
    @given(st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), VALUES[name])))
    def test_round_trip(self, column: tuple[str, Any]) -> None:
        """What was encoded is decoded to the same."""
        name, value = column
        self.assertEqual(decoder(TYPES[name])(encode(value, TYPES[name])), value)

    @settings(deadline=None)
    @given(st.sampled_from(["ids", "peers"]).flatmap(lambda name: st.tuples(st.just(name), VALUES[name])), TEXTS)
    def test_a_key_alone(self, column: tuple[str, Any], other: str) -> None:
        """The value of one key is that in the whole map."""
        name, value = column
        for key in {*value, other}:
            self.assertEqual(key_decoder(TYPES[name], key)(encode(value, TYPES[name])), value.get(key))

    def test_a_key_of_another_shape(self) -> None:
        """What is no map, or has another kind of value under the key, is a violation."""
        wires: list[Any] = [["set", []], "x", ["map", [["a"]]], ["map", [["a", 1]]], ["map", {}], ["map"], None]
        for wire in wires:
            with self.subTest(wire=wire), self.assertRaises(ProtocolViolation):
                key_decoder(TYPES["ids"], "a")(wire)

    def test_wire_forms(self) -> None:
        """The forms of RFC 7047, and the bare element for a set of one."""
        self.assertEqual(encode(None, TYPES["maybe"]), ["set", []])
        self.assertEqual(encode(frozenset([Named("x")]), TYPES["refs"]), ["set", [["named-uuid", "x"]]])
        self.assertEqual(encode({"a": uuid(1)}, TYPES["peers"]), ["map", [["a", ["uuid", uuid(1)]]]])
        self.assertEqual(decoder(TYPES["tags"])("x"), frozenset(["x"]))
        self.assertEqual(decoder(TYPES["refs"])(["uuid", uuid(1)]), frozenset([uuid(1)]))
        self.assertEqual(decoder(TYPES["maybe"])(["set", [5]]), 5)
        self.assertEqual(decoder(TYPES["share"])(1), 1.0)

    def test_not_encodable(self) -> None:
        """A value that does not fit is refused."""
        cases: dict[str, list[Any]] = {
            "name": [1, None, "a\x00", "\ud800", frozenset(["x"]), Named("x")],
            "number": ["1", 1.0, True, 2**63, None],
            "share": ["1", float("nan"), float("inf"), True],
            "flag": [0, "true"],
            "maybe": ["x", frozenset([1])],
            "tags": ["x", ["x"], {"a": "b"}, frozenset([1])],
            "some": [frozenset(), frozenset(range(4))],
            "ids": [{"a": 1}, {1: "a"}, frozenset(["a"]), None],
            "refs": [frozenset(["not a uuid"])],
        }
        for name, values in cases.items():
            for value in values:
                with self.subTest(name=name, value=value), self.assertRaises(ValueNotEncodable):
                    encode(value, TYPES[name])

    def test_not_decodable(self) -> None:
        """A wire form of another shape is a violation."""
        cases: dict[str, list[Any]] = {
            "name": [1, None, ["set", []], ["set", ["a", "b"]], ["map", []], {}, []],
            "number": ["1", True, 1.5],
            "share": ["1", True],
            "maybe": [["set", [1, 2]], ["set"], None],
            "tags": [["set", [1]], ["set", 1], 1, None],
            "ids": [["set", []], "x", ["map", [["a"]]], ["map", ["ab", 1]], ["map", {}], None],
            "refs": [["uuid"], ["set", ["x"]], uuid(1)],
        }
        for name, wires in cases.items():
            for wire in wires:
                with self.subTest(name=name, wire=wire), self.assertRaises(ProtocolViolation):
                    decoder(TYPES[name])(wire)

    def test_defaults(self) -> None:
        """RFC 7047 section 5.2.1."""
        expected: dict[str, Value] = {
            "name": "",
            "number": 0,
            "share": 0.0,
            "flag": False,
            "maybe": None,
            "tags": frozenset(),
            "some": frozenset([0]),
            "ids": {},
            "refs": frozenset(),
        }
        for name, value in expected.items():
            self.assertEqual(default(TYPES[name]), value)
        self.assertEqual(default(column_type(SCHEMA, "T", "_uuid")), ZERO_UUID)

    def test_diffs(self) -> None:
        """Maps and sets by difference, everything else by its new value."""
        self.assertEqual(
            apply_diff(TYPES["ids"], {"a": "1", "b": "2"}, ["map", [["a", "1"], ["b", "3"], ["c", "4"]]]),
            {"b": "3", "c": "4"},
        )
        self.assertEqual(apply_diff(TYPES["tags"], frozenset("ab"), ["set", ["b", "c"]]), frozenset("ac"))
        self.assertEqual(apply_diff(TYPES["tags"], frozenset("ab"), "b"), frozenset("a"))
        self.assertEqual(apply_diff(TYPES["maybe"], 1, 2), 2)
        self.assertIsNone(apply_diff(TYPES["maybe"], 1, ["set", []]))
        self.assertEqual(apply_diff(TYPES["name"], "a", "b"), "b")

    @settings(deadline=None)
    @given(VALUES["ids"], VALUES["ids"])
    def test_map_diff(self, old: dict[str, str], new: dict[str, str]) -> None:
        """A difference computed as the server does leads from the old map to the new one."""
        changed = {key: value for key, value in new.items() if old.get(key) != value}
        removed = {key: value for key, value in old.items() if key not in new}
        diff = encode({**changed, **removed}, TYPES["ids"])
        self.assertEqual(apply_diff(TYPES["ids"], old, diff), new)


class Operations(SynchronousTestCase):
    """Operations in wire form."""

    def test_wire(self) -> None:
        """Each operation, its values encoded by the columns' types."""
        where: list[tuple[str, str, Value]] = [("_uuid", "==", uuid(1)), ("ids", "includes", {"a": "b"})]
        wire_where = [["_uuid", "==", ["uuid", uuid(1)]], ["ids", "includes", ["map", [["a", "b"]]]]]
        mutations: list[tuple[str, str, Value]] = [
            ("ids", "delete", frozenset(["a"])),
            ("ids", "delete", {"a": "b"}),
            ("some", "insert", frozenset()),
            ("maybe", "+=", 1),
        ]
        cases: list[tuple[Operation, dict[str, Any]]] = [
            (Insert("T", {"maybe": None}), {"op": "insert", "table": "T", "row": {"maybe": ["set", []]}}),
            (
                Update("T", where, {"flag": True}),
                {"op": "update", "table": "T", "where": wire_where, "row": {"flag": True}},
            ),
            (Delete("T", []), {"op": "delete", "table": "T", "where": []}),
            (Select("T", [], ["name"]), {"op": "select", "table": "T", "where": [], "columns": ["name"]}),
            (Select("T", []), {"op": "select", "table": "T", "where": []}),
            (
                Wait("T", [], ["name"], "==", [{"name": "a"}], 5),
                {
                    "op": "wait",
                    "table": "T",
                    "where": [],
                    "columns": ["name"],
                    "until": "==",
                    "rows": [{"name": "a"}],
                    "timeout": 5,
                },
            ),
            (
                Mutate("T", [], mutations),
                {
                    "op": "mutate",
                    "table": "T",
                    "where": [],
                    "mutations": [
                        ["ids", "delete", ["set", ["a"]]],
                        ["ids", "delete", ["map", [["a", "b"]]]],
                        ["some", "insert", ["set", []]],
                        ["maybe", "+=", 1],
                    ],
                },
            ),
            (Comment("x"), {"op": "comment", "comment": "x"}),
        ]
        for operation, wire in cases:
            self.assertEqual(operation.to_wire(SCHEMA), wire)

    def test_unknown_names(self) -> None:
        """A table or column that the database lacks is named."""
        for operation in (Insert("X", {}), Delete("X", []), Insert("T", {"x": 1}), Select("T", [], ["x"])):
            with self.assertRaisesRegex(SchemaMismatch, "database db|of database db"):
                operation.to_wire(SCHEMA)

    def test_misfit_is_located(self) -> None:
        """The error names table, column and value."""
        for operation in (
            Insert("T", {"number": "x"}),
            Mutate("T", [], [("number", "+=", "x")]),
            Delete("T", [("number", "==", "x")]),
        ):
            with self.assertRaisesRegex(ValueNotEncodable, "column number of table T: 'x' is not a valid integer"):
                operation.to_wire(SCHEMA)

    def test_outcome(self) -> None:
        """One result for each operation."""
        operations: list[Operation] = [Insert("T", {}), Delete("T", []), Select("T", []), Comment("x")]
        reply = [{"uuid": ["uuid", uuid(1)]}, {"count": 0}, {"rows": [{"name": "a", "tags": "b"}]}, {}]
        self.assertEqual(
            read_outcome(SCHEMA, operations, reply),
            [Inserted(uuid(1)), Affected(0), Selected(({"name": "a", "tags": frozenset("b")},)), Done()],
        )

    def test_errors(self) -> None:
        """Errors stand inside of the result; at commit, in one element more."""
        two = [Comment("x"), Comment("y")]
        cases: list[tuple[list[Any], type[TransactionError], int | None]] = [
            ([{}, {"error": "timed out", "details": "d"}], WaitTimedOut, 1),
            ([{"error": "constraint violation"}, None], ConstraintViolation, 0),
            ([{}, {}, {"error": "referential integrity violation"}], ReferentialIntegrityViolation, None),
            ([{}, {"error": "never heard of"}], TransactionError, 1),
        ]
        for reply, error, index in cases:
            with self.assertRaises(error) as caught:
                read_outcome(SCHEMA, two, reply)
            self.assertIs(type(caught.exception), error)
            self.assertEqual(caught.exception.operation, index)

    def test_malformed_outcome(self) -> None:
        """A reply that does not match is a violation."""
        for operation, reply in (
            (Comment("x"), {}),
            (Comment("x"), []),
            (Comment("x"), [{}, {}]),
            (Insert("T", {}), [{}]),
            (Insert("T", {}), [{"uuid": ["x", 1]}]),
            (Delete("T", []), [None]),
            (Select("T", []), [{"rows": [1]}]),
        ):
            with self.subTest(reply=reply), self.assertRaises(ProtocolViolation):
                read_outcome(SCHEMA, [operation], reply)


class Schema(SynchronousTestCase):
    """Reading a schema."""

    def test_malformed(self) -> None:
        """What is no schema is a violation."""
        bad = {**SCHEMA_WIRE, "tables": {"T": {"columns": {"a": 1}}}}
        wires: list[Any] = [None, [], {}, {"name": "x", "tables": 1}, bad]
        for wire in wires:
            with self.subTest(wire=wire), self.assertRaises(ProtocolViolation):
                parse_schema(wire)
