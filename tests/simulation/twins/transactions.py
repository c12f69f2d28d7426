"""Drawing transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.chance import Chance
from tests.simulation.twins.drawing import Drawing
from tests.simulation.twins.kinds import Wire
from tests.simulation.twins.rows import Rows

_MUTATORS = ("insert", "delete", "+=", "-=", "*=", "/=", "%=", "^=")


class Transactions:
    """Draws transactions for one schema.

    Args:
        chance: Draws everything.
        schema: The JSON form of the schema.
    """

    def __init__(self, chance: Chance, schema: Wire) -> None:
        self._chance = chance
        self._schema = schema
        self._drawing = Drawing(chance, schema)
        self._rows = Rows(chance, schema, self._drawing)
        self._holders: dict[str, list[tuple[str, str]]] = {}
        for table in self._drawing.tables:
            for column in self._drawing.columns(table):
                type_ = self._drawing.type(table, column)
                if "value" not in type_ and type_.get("max", 1) != 1 and self._drawing.target(type_):
                    self._holders.setdefault(self._drawing.target(type_), []).append((table, column))
        self._kinds: Mapping[str, Callable[[], Wire]] = {
            "insert": self._insert,
            "update": self._update,
            "mutate": self._mutate,
            "delete": self._delete,
            "select": self._select,
            "wait": self._wait,
        }

    def draw(self) -> list[Wire]:
        """Draw the operations of one transaction."""
        self._drawing.begin()
        kinds = ("insert",) * 6 + ("update",) * 3 + ("mutate",) * 4 + ("delete", "delete", "select", "select", "wait")
        operations = []
        for _ in range(self._chance.number(1, 5)):
            operations.append(self._kinds[self._chance.pick(kinds)]())
            if operations[-1]["op"] == "insert":
                operations += self._holding(operations[-1])
        if self._drawing.odd(0.2):
            odd: list[Wire] = [
                {"op": "abort"},
                {"op": "comment", "comment": "x"},
                {"op": "commit", "durable": False},
                {"op": "assert", "lock": "none"},
                {"op": "unheard"},
                {"op": "comment"},
                {"op": "delete", "table": "Nowhere", "where": []},
                {"op": "delete", "table": self._drawing.tables[0], "where": [["nothing", "==", 1]]},
                {"op": "select", "table": self._drawing.tables[0], "where": [], "columns": ["nothing"]},
                {"op": "update", "table": self._drawing.tables[0], "where": [], "row": {"nothing": 1}},
            ]
            operations.insert(self._chance.number(0, len(operations)), self._chance.pick(odd))
        return operations

    def _insert(self) -> Wire:
        table = self._chance.pick([table for table in self._drawing.tables if not self._is_single(table)])
        if self._chance.happens(0.1):
            table = self._chance.pick(self._drawing.tables)
        if self._drawing.uuids[table] and self._drawing.odd(0.1):
            uuid = self._chance.pick(self._drawing.uuids[table])
        else:
            uuid = self._chance.uuid()
            self._drawing.uuids[table].append(uuid)
        operation = {"op": "insert", "table": table, "uuid": uuid, "row": self._rows.row(table, 0.6, inserted=True)}
        if self._chance.happens(0.5):
            name = f"{table.lower()}{0 if self._drawing.odd(0.2) else len(self._drawing.names)}"
            self._drawing.names.append(name)
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
        table = self._chance.pick(self._drawing.tables)
        return {
            "op": "update",
            "table": table,
            "where": self._rows.where(table),
            "row": self._rows.row(table, 0.2, inserted=False),
        }

    def _mutate(self) -> Wire:
        table = self._chance.pick(self._drawing.tables)
        mutations = [self._mutation(table) for _ in range(self._chance.number(0, 3))]
        where = self._rows.where(table)
        if any(mutator.endswith("=") for _, mutator, _ in mutations):
            # Of several rows, either server may come to another one first that it fails on.
            where = [["_uuid", "==", ["uuid", self._chance.pick(self._drawing.uuids[table] or [self._chance.uuid()])]]]
        return {"op": "mutate", "table": table, "where": where, "mutations": mutations}

    def _mutation(self, table: str) -> list[Any]:
        columns = self._schema["tables"][table]["columns"]
        mutable = [column for column in columns if columns[column].get("mutable", True) or self._drawing.odd(0.1)]
        changeable = [
            column for column in mutable if self._fitting(self._drawing.type(table, column)) or self._drawing.odd(0.02)
        ]
        column = self._chance.pick(changeable or mutable)
        type_ = self._drawing.type(table, column)
        fitting = self._fitting(type_)
        mutator = self._chance.pick(_MUTATORS if self._drawing.odd(0.1) or not fitting else fitting)
        if mutator == "*=":
            # ovsdb-server 3.1 dies of a multiplication by zero.
            return [column, mutator, self._chance.number(1, 3)]
        if mutator not in ("insert", "delete"):
            return [column, mutator, self._drawing.atom({"type": self._drawing.base(type_["key"])["type"]})]
        if mutator == "delete" and "value" in type_ and self._chance.happens(0.5):
            return [column, mutator, self._drawing.value({"key": type_["key"], "min": 0, "max": "unlimited"})]
        return [column, mutator, self._drawing.value({**type_, "min": 0})]

    def _fitting(self, type_: Wire) -> tuple[str, ...]:
        """Return the mutators that can be applied to a type."""
        members = () if type_.get("min", 1) == type_.get("max", 1) == 1 else ("insert", "delete", "delete")
        base = self._drawing.base(type_["key"])
        calculable = base["type"] in ("integer", "real") and "value" not in type_
        calculations = ("+=", "-=", "*=", "/=", "%=") if base["type"] == "integer" else ("+=", "-=", "*=", "/=")
        return (*members, *(calculations if calculable else ()))

    def _delete(self) -> Wire:
        table = self._chance.pick(self._drawing.tables)
        return {"op": "delete", "table": table, "where": self._rows.where(table, selective=True)}

    def _select(self) -> Wire:
        table = self._chance.pick(self._drawing.tables)
        operation: Wire = {"op": "select", "table": table, "where": self._rows.where(table)}
        if self._chance.happens(0.7):
            operation["columns"] = self._rows.some_columns(table)
        return operation

    def _wait(self) -> Wire:
        table = self._chance.pick(self._drawing.tables)
        columns = self._rows.some_columns(table)[:2]
        rows = [
            {column: self._drawing.value(self._drawing.type(table, column)) for column in columns if column != "_uuid"}
            for _ in range(self._chance.number(0, 2))
        ]
        operation = {"op": "wait", "timeout": 0, "table": table, "where": self._rows.where(table), "columns": columns}
        return operation | {"until": self._chance.pick(("==", "!=", "!=", "!=")), "rows": rows}
