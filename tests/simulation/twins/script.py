"""Scripts of steps for two servers, drawn from a seed.

A script is made before it is played, so that any part of it can be left out and the rest played again. The uuids of
rows are part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.chance import Chance

Wire = dict[str, Any]

#: Columns of each kind of type, references of each kind, and tables with each kind of constraint.
KINDS: Wire = {
    "name": "Kinds",
    "version": "1.0.0",
    "tables": {
        "Root": {
            "isRoot": True,
            "indexes": [["name"]],
            "columns": {
                "name": {"type": "string"},
                "number": {"type": "integer"},
                "few": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 9}}},
                "share": {"type": "real"},
                "flag": {"type": "boolean"},
                "kind": {"type": {"key": {"type": "string", "enum": ["set", ["", "one", "two"]]}}},
                "short": {"type": {"key": {"type": "string", "maxLength": 3}}},
                "maybe": {"type": {"key": "integer", "min": 0, "max": 1}},
                "tags": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "some": {"type": {"key": "integer", "min": 1, "max": 3}},
                "ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
                "counts": {"type": {"key": "string", "value": "integer", "min": 0, "max": 2}},
                "leaves": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}},
                "named": {
                    "type": {
                        "key": "string",
                        "value": {"type": "uuid", "refTable": "Leaf"},
                        "min": 0,
                        "max": "unlimited",
                    }
                },
                "lost": {"type": {"key": "string", "min": 0, "max": 1}, "ephemeral": True},
            },
        },
        "Leaf": {
            "columns": {
                "name": {"type": "string", "mutable": False},
                "next": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": 1}},
            },
        },
        "Pair": {
            "isRoot": True,
            "maxRows": 3,
            "indexes": [["one", "two"]],
            "columns": {
                "one": {"type": "integer"},
                "two": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "root": {"type": {"key": "uuid", "min": 1, "max": 2}},
            },
        },
    },
}

_WORDS = ("", "a", "b", "c", "é", "\U0001f40d", 'q"\\', "one", "long", "alubr0")
_INTEGERS = (0, 1, 2, 3, 7, 9, 10, -1, 2**63 - 1, -(2**63))
_REALS = (0.0, 1.0, 0.5, -2.25, 1e300, 3)
_NAMES = ("name", "vm_uuid")
_FUNCTIONS = ("==", "==", "==", "!=", "includes", "includes", "excludes")
_COMPARISONS = ("<", "<=", ">", ">=")
_MUTATORS = ("insert", "delete", "+=", "-=", "*=", "/=", "%=", "^=")


class Author:
    """Writes the scripts for one schema.

    Args:
        chance: Draws everything.
        schema: The JSON form of the schema.
    """

    def __init__(self, chance: Chance, schema: Wire) -> None:
        self._chance = chance
        self._schema = schema
        self._tables = list(schema["tables"])
        self._uuids: dict[str, list[str]] = {table: [] for table in self._tables}
        self._names: list[str] = []
        self._holders: dict[str, list[tuple[str, str]]] = {}
        for table in self._tables:
            for column in self._columns(table):
                type_ = self._type(table, column)
                if "value" not in type_ and type_.get("max", 1) != 1 and self._target(type_):
                    self._holders.setdefault(self._target(type_), []).append((table, column))
        self._may_be_odd = False
        self._kinds: Mapping[str, Callable[[], Wire]] = {
            "insert": self._insert,
            "update": self._update,
            "mutate": self._mutate,
            "delete": self._delete,
            "select": self._select,
            "wait": self._wait,
        }

    def script(self, transactions: int) -> list[Wire]:
        """Write a script with so many transactions."""
        steps: list[Wire] = [self._watch()]
        for _ in range(transactions):
            if self._chance.happens(0.03):
                steps.append({"step": "restart"})
                steps.append(self._watch())
            elif self._chance.happens(0.05):
                steps.append(self._watch())
            steps.append({"step": "transact", "operations": self._operations()})
        return steps

    def _watch(self) -> Wire:
        """Begin to watch, with each form of monitor, on a new connection."""
        forms = ("monitor", "monitor_cond", "monitor_cond_since")
        return {"step": "watch", "requests": {form: self._requests() for form in forms}}

    def _requests(self) -> Wire:
        return {table: self._request(table) for table in self._tables if self._chance.happens(0.8)}

    def _request(self, table: str) -> Any:
        columns = [column for column in self._columns(table) if self._chance.happens(0.7)]
        if self._chance.happens(0.1):
            cut = self._chance.number(0, len(columns))
            return [{"columns": columns[:cut], **self._choice()}, {"columns": columns[cut:], **self._choice()}]
        if self._chance.happens(0.1):
            return [self._choice()]
        return [{"columns": columns, **self._choice()}]

    def _choice(self) -> Wire:
        if self._chance.happens(0.8):
            return {}
        kinds = ("initial", "insert", "delete", "modify")
        return {"select": {kind: self._chance.happens(0.7) for kind in kinds if self._chance.happens(0.7)}}

    def _odd(self, probability: float) -> bool:
        """Draw whether something is wrong: one thing at most in a transaction, as servers may look in any order."""
        if self._may_be_odd and self._chance.happens(probability):
            self._may_be_odd = False
            return True
        return False

    def _operations(self) -> list[Wire]:
        self._names = []
        self._may_be_odd = self._chance.happens(0.15)
        kinds = ("insert",) * 6 + ("update",) * 3 + ("mutate",) * 4 + ("delete", "delete", "select", "select", "wait")
        operations = []
        for _ in range(self._chance.number(1, 5)):
            operations.append(self._kinds[self._chance.pick(kinds)]())
            if operations[-1]["op"] == "insert":
                operations += self._holding(operations[-1])
        if self._odd(0.2):
            odd: list[Wire] = [
                {"op": "abort"},
                {"op": "comment", "comment": "x"},
                {"op": "commit", "durable": False},
                {"op": "assert", "lock": "none"},
                {"op": "unheard"},
                {"op": "comment"},
                {"op": "delete", "table": "Nowhere", "where": []},
                {"op": "delete", "table": self._tables[0], "where": [["nothing", "==", 1]]},
                {"op": "select", "table": self._tables[0], "where": [], "columns": ["nothing"]},
                {"op": "update", "table": self._tables[0], "where": [], "row": {"nothing": 1}},
            ]
            operations.insert(self._chance.number(0, len(operations)), self._chance.pick(odd))
        return operations

    def _insert(self) -> Wire:
        table = self._chance.pick([table for table in self._tables if not self._is_single(table)])
        if self._chance.happens(0.1):
            table = self._chance.pick(self._tables)
        if self._uuids[table] and self._odd(0.1):
            uuid = self._chance.pick(self._uuids[table])
        else:
            uuid = self._chance.uuid()
            self._uuids[table].append(uuid)
        operation = {"op": "insert", "table": table, "uuid": uuid, "row": self._row(table, 0.6, inserted=True)}
        if self._chance.happens(0.5):
            name = f"{table.lower()}{0 if self._odd(0.2) else len(self._names)}"
            self._names.append(name)
            operation["uuid-name"] = name
        return operation

    def _holding(self, insert: Wire) -> list[Wire]:
        """Have other rows refer to a new one, which would go again otherwise."""
        name, target = insert.get("uuid-name"), insert["table"]
        holders = self._holders.get(target, [])
        if name is None or not holders or self._chance.happens(0.3):
            return []
        table, column = self._chance.pick(holders)
        mutation = [column, "insert", ["set", [["named-uuid", name]]]]
        return [{"op": "mutate", "table": table, "where": [], "mutations": [mutation]}]

    def _is_single(self, table: str) -> bool:
        return bool(self._schema["tables"][table].get("maxRows") == 1)

    def _update(self) -> Wire:
        table = self._chance.pick(self._tables)
        return {
            "op": "update",
            "table": table,
            "where": self._where(table),
            "row": self._row(table, 0.2, inserted=False),
        }

    def _mutate(self) -> Wire:
        table = self._chance.pick(self._tables)
        mutations = [self._mutation(table) for _ in range(self._chance.number(0, 3))]
        where = self._where(table)
        if any(mutator.endswith("=") for _, mutator, _ in mutations):
            # Of several rows, either server may come to another one first that it fails on.
            where = [["_uuid", "==", ["uuid", self._chance.pick(self._uuids[table] or [self._chance.uuid()])]]]
        return {"op": "mutate", "table": table, "where": where, "mutations": mutations}

    def _mutation(self, table: str) -> list[Any]:
        columns = self._schema["tables"][table]["columns"]
        mutable = [column for column in columns if columns[column].get("mutable", True) or self._odd(0.1)]
        changeable = [column for column in mutable if self._fitting(self._type(table, column)) or self._odd(0.02)]
        column = self._chance.pick(changeable or mutable)
        type_ = self._type(table, column)
        fitting = self._fitting(type_)
        mutator = self._chance.pick(_MUTATORS if self._odd(0.1) or not fitting else fitting)
        if mutator == "*=":
            # ovsdb-server 3.1 dies of a multiplication by zero.
            return [column, mutator, self._chance.number(1, 3)]
        if mutator not in ("insert", "delete"):
            return [column, mutator, self._atom({"type": self._base(type_["key"])["type"]})]
        if mutator == "delete" and "value" in type_ and self._chance.happens(0.5):
            return [column, mutator, self._value({"key": type_["key"], "min": 0, "max": "unlimited"})]
        return [column, mutator, self._value({**type_, "min": 0})]

    def _fitting(self, type_: Wire) -> tuple[str, ...]:
        """Return the mutators that can be applied to a type."""
        members = () if type_.get("min", 1) == type_.get("max", 1) == 1 else ("insert", "delete", "delete")
        base = self._base(type_["key"])
        calculable = base["type"] in ("integer", "real") and "value" not in type_
        calculations = ("+=", "-=", "*=", "/=", "%=") if base["type"] == "integer" else ("+=", "-=", "*=", "/=")
        return (*members, *(calculations if calculable else ()))

    def _delete(self) -> Wire:
        table = self._chance.pick(self._tables)
        return {"op": "delete", "table": table, "where": self._where(table, selective=True)}

    def _select(self) -> Wire:
        table = self._chance.pick(self._tables)
        operation: Wire = {"op": "select", "table": table, "where": self._where(table)}
        if self._chance.happens(0.7):
            operation["columns"] = self._some_columns(table)
        return operation

    def _wait(self) -> Wire:
        table = self._chance.pick(self._tables)
        columns = self._some_columns(table)[:2]
        rows = [
            {column: self._value(self._type(table, column)) for column in columns if column != "_uuid"}
            for _ in range(self._chance.number(0, 2))
        ]
        operation = {"op": "wait", "timeout": 0, "table": table, "where": self._where(table), "columns": columns}
        return operation | {"until": self._chance.pick(("==", "!=", "!=", "!=")), "rows": rows}

    def _some_columns(self, table: str) -> list[str]:
        return [column for column in ("_uuid", *self._columns(table)) if self._chance.happens(0.4)] or ["_uuid"]

    def _where(self, table: str, *, selective: bool = False) -> list[Any]:
        if not selective and self._chance.happens(0.15):
            return []
        return [self._clause(table) for _ in range(1 if self._chance.happens(0.8) else 2)]

    def _clause(self, table: str) -> Any:
        if self._uuids[table] and self._chance.happens(0.4):
            return ["_uuid", "==", ["uuid", self._chance.pick(self._uuids[table])]]
        if self._chance.happens(0.02):
            return self._chance.happens(0.5)
        column = self._chance.pick(self._columns(table))
        type_ = self._type(table, column)
        comparable = self._base(type_["key"])["type"] in ("integer", "real") and type_.get("max", 1) == 1
        if "value" not in type_ and (comparable or self._odd(0.05)) and self._chance.happens(0.3):
            return [column, self._chance.pick(_COMPARISONS), self._value({"key": type_["key"]})]
        return [column, self._chance.pick(_FUNCTIONS), self._value(type_)]

    def _columns(self, table: str) -> list[str]:
        return list(self._schema["tables"][table]["columns"])

    def _type(self, table: str, column: str) -> Wire:
        wire = self._schema["tables"][table]["columns"][column]["type"]
        return {"key": wire} if isinstance(wire, str) else wire

    def _row(self, table: str, share: float, *, inserted: bool) -> Wire:
        row: Wire = {}
        columns = self._schema["tables"][table]["columns"]
        for column in columns:
            if not inserted and not columns[column].get("mutable", True) and not self._odd(0.1):
                continue
            type_ = self._type(table, column)
            target = self._target(type_)
            # Most references to rows that a former transaction may not have made would fail.
            likely = share if not target or self._fitting_names(target) else share * 0.2
            if self._chance.happens(0.95 if target and inserted and type_.get("min") == 1 else likely):
                row[column] = self._value(type_)
        for index in self._schema["tables"][table].get("indexes", []):
            if inserted or index[0] in row:
                row |= {column: f"n{self._chance.number(0, 40)}" for column in index if column in _NAMES}
        return row

    def _target(self, type_: Wire) -> str:
        """Return the table that a type refers to, empty if it refers to none."""
        bases = (self._base(type_[part]) for part in ("key", "value") if part in type_)
        return next((base["refTable"] for base in bases if "refTable" in base), "")

    def _fitting_names(self, table: str) -> list[str]:
        return [name for name in self._names if name.rstrip("0123456789") == table.lower()]

    def _value(self, type_: Wire) -> Any:
        low, high = type_.get("min", 1), type_.get("max", 1)
        number = self._chance.number(low, 3 if high == "unlimited" else high)
        if self._odd(0.02):
            number += 1
        key = self._base(type_["key"])
        if "value" in type_:
            value = self._base(type_["value"])
            pairs = {repr(atom := self._atom(key)): [atom, self._atom(value)] for _ in range(number)}
            return ["map", list(pairs.values())]
        atoms = [self._atom(key) for _ in range(number)]
        if not self._odd(0.03):
            atoms = list({repr(atom): atom for atom in atoms}.values())
        return atoms[0] if len(atoms) == 1 and self._chance.happens(0.8) else ["set", atoms]

    def _base(self, wire: Any) -> Wire:
        return {"type": wire} if isinstance(wire, str) else wire

    def _atom(self, base: Wire) -> Any:
        kind = base["type"]
        if self._odd(0.005):
            kind = self._chance.pick(("integer", "string", "boolean"))
        if kind == "uuid":
            return self._reference(base.get("refTable", self._tables[0]))
        if kind == "boolean":
            return self._chance.happens(0.5)
        if "enum" in base and not self._odd(0.05):
            return self._chance.pick(base["enum"][1])
        atoms: Any = _WORDS if kind == "string" else _INTEGERS if kind == "integer" else _REALS
        return self._chance.pick(atoms if self._odd(0.05) else [atom for atom in atoms if _fits(base, atom)])

    def _reference(self, table: str) -> Any:
        fitting = self._fitting_names(table)
        if fitting and self._chance.happens(0.8):
            return ["named-uuid", self._chance.pick(fitting)]
        if self._uuids[table] and not self._odd(0.05):
            return ["uuid", self._chance.pick(self._uuids[table][-6:])]
        return ["uuid", self._chance.uuid()]


def _fits(base: Wire, atom: str | float) -> bool:
    """Tell whether an atom is within the range of its type."""
    if isinstance(atom, str):
        longest: int = base.get("maxLength", len(atom))
        return len(atom) <= longest
    low: float = base.get("minInteger", atom)
    high: float = base.get("maxInteger", atom)
    return low <= atom <= high
