"""The operations of a transaction (RFC 7047 section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.database import values
from tests.simulation.database.conditions import matching, read_where
from tests.simulation.database.mutations import mutated, read_mutations
from tests.simulation.database.refused import Refused, malformed
from tests.simulation.database.rows import Draft
from tests.simulation.database.schema import Column, Datum, Schema, TableSchema

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Execution:
    """One transaction.

    Args:
        schema: The database's schema.
        draft: What it would make of the rows.
        new_uuid: Makes the uuids of rows.
    """

    def __init__(self, schema: Schema, draft: Draft, new_uuid: Callable[[], str]) -> None:
        self._schema = schema
        self._draft = draft
        self._new_uuid = new_uuid
        self._names: dict[str, str] = {}
        self._inserted: set[str] = set()

    def run(self, operation: Any) -> dict[str, Any]:
        """Carry out one operation and return its result.

        Raises:
            Refused: It failed, and so does the transaction.
        """
        if not isinstance(operation, dict) or not isinstance(operation.get("op"), str):
            raise malformed('an operation is an object with "op"')
        step = _OPERATIONS.get(operation["op"])
        if step is None:
            raise malformed(f'No operation "{operation["op"]}"')
        execute, needed, optional = step
        members = operation.keys() - {"op"}
        if not needed <= members <= needed | optional:
            raise malformed(f"members are {', '.join(sorted(members))}")
        return execute(self, operation)

    def _insert(self, operation: dict[str, Any]) -> dict[str, Any]:
        table = self._table(operation)
        uuid = self._uuid_of(operation, table)
        row = {**table.defaults, **self._values(table, operation["row"]), "_uuid": (uuid,)}
        for column in table.columns.values():
            if len(row[column.name]) == 1 and not column.name.startswith("_"):
                values.check(column.type, row[column.name])
        self._draft.put(table.name, row)
        return {"uuid": ["uuid", uuid]}

    def _uuid_of(self, operation: dict[str, Any], table: TableSchema) -> str:
        given, name = operation.get("uuid"), operation.get("uuid-name")
        if given is not None:
            if not isinstance(given, str) or not _UUID.fullmatch(given):
                raise malformed("bad uuid")
            if self._draft.knows(table.name, given):
                raise Refused("duplicate uuid", f"{given} is in {table.name} already")
        if name is None:
            return given or self._new_uuid()
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise malformed('"uuid-name" is no name')
        if name in self._inserted:
            raise Refused("duplicate uuid-name", f"{name} was the name of another insert")
        self._inserted.add(name)
        if given is not None:
            self._names[name] = given
        return self._named(name)

    def _named(self, name: str) -> str:
        uuid = self._names.get(name)
        if uuid is None:
            uuid = self._names[name] = self._new_uuid()
        return uuid

    def _select(self, operation: dict[str, Any]) -> dict[str, Any]:
        table = self._table(operation)
        columns = self._columns(table, operation.get("columns"))
        rows = []
        for row in matching(self._draft, table.name, read_where(table, operation["where"], self._named)):
            wire = {column.name: values.write(column.type, row[column.name]) for column in columns}
            if wire not in rows:
                rows.append(wire)
        return {"rows": rows}

    def _update(self, operation: dict[str, Any]) -> dict[str, Any]:
        table = self._table(operation)
        change = self._values(table, operation["row"])
        for name in change:
            if not table.columns[name].mutable:
                raise Refused("constraint violation", f"Cannot update immutable column {name} in table {table.name}.")
        rows = matching(self._draft, table.name, read_where(table, operation["where"], self._named))
        for row in rows:
            self._draft.put(table.name, {**row, **change})
        return {"count": len(rows)}

    def _mutate(self, operation: dict[str, Any]) -> dict[str, Any]:
        table = self._table(operation)
        mutations = read_mutations(table, operation["mutations"], self._named)
        rows = matching(self._draft, table.name, read_where(table, operation["where"], self._named))
        for row in rows:
            self._draft.put(table.name, mutated(row, mutations))
        return {"count": len(rows)}

    def _delete(self, operation: dict[str, Any]) -> dict[str, Any]:
        table = self._table(operation)
        rows = matching(self._draft, table.name, read_where(table, operation["where"], self._named))
        for row in rows:
            self._draft.delete(table.name, row["_uuid"][0])
        return {"count": len(rows)}

    def _wait(self, operation: dict[str, Any]) -> dict[str, Any]:
        table = self._table(operation)
        clauses = read_where(table, operation["where"], self._named)
        columns = self._columns(table, operation.get("columns"))
        if operation["timeout"] != 0:
            raise NotImplementedError("nobody here waits any longer than not at all")
        if operation["until"] not in ("==", "!="):
            raise malformed('"until" must be "==" or "!="')
        if not isinstance(operation["rows"], list):
            raise malformed('"rows" is no array')
        expected = [{**table.defaults, **self._values(table, row)} for row in operation["rows"]]
        actual = matching(self._draft, table.name, clauses)
        if (_distinct(actual, columns) == _distinct(expected, columns)) != (operation["until"] == "=="):
            raise Refused("timed out", '"where" clause test failed')
        return {}

    def _comment(self, operation: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(operation["comment"], str):
            raise malformed('"comment" is no string')
        return {}

    def _commit(self, operation: dict[str, Any]) -> dict[str, Any]:
        if type(operation["durable"]) is not bool:
            raise malformed('"durable" is no boolean')
        return {}

    def _abort(self, operation: dict[str, Any]) -> dict[str, Any]:
        raise Refused("aborted", "aborted by request")

    def _assert(self, operation: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(operation["lock"], str) or not _ID.fullmatch(operation["lock"]):
            raise malformed('"lock" is no name')
        # Nobody ever gets a lock here.
        raise Refused("not owner", f"Asserted lock {operation['lock']} not held.")

    def _table(self, operation: dict[str, Any]) -> TableSchema:
        table = self._schema.tables.get(operation["table"]) if isinstance(operation["table"], str) else None
        if table is None:
            raise malformed(f"No table named {operation['table']}.")
        return table

    def _columns(self, table: TableSchema, wire: Any) -> list[Column]:
        if wire is None:
            return list(table.columns.values())
        if not isinstance(wire, list) or not all(isinstance(name, str) for name in wire):
            raise malformed("array of distinct column names expected")
        unknown = [name for name in wire if name not in table.columns]
        if unknown or len({*wire}) < len(wire):
            raise malformed("array of distinct column names expected")
        return [table.columns[name] for name in wire]

    def _values(self, table: TableSchema, wire: Any) -> dict[str, Datum]:
        if not isinstance(wire, dict):
            raise malformed("a row is an object")
        row = {}
        for name, value in wire.items():
            column = table.columns.get(name)
            if column is None:
                raise Refused("unknown column", f"No column {name} in table {table.name}.")
            row[name] = values.read(column.type, value, self._named)
        return row


def _distinct(rows: list[Any], columns: list[Column]) -> list[dict[str, Datum]]:
    """Return the distinct parts of rows, in an order of their own."""
    parts: list[dict[str, Datum]] = []
    for row in rows:
        part = {column.name: row[column.name] for column in columns}
        if part not in parts:
            parts.append(part)
    return sorted(parts, key=repr)


_Step = tuple[Callable[[Execution, dict[str, Any]], dict[str, Any]], frozenset[str], frozenset[str]]


def _step(
    execute: Callable[[Execution, dict[str, Any]], dict[str, Any]], needed: str = "", optional: str = ""
) -> _Step:
    return execute, frozenset(needed.split()), frozenset(optional.split())


#: What each operation does, its members, and those that it may have.
_OPERATIONS: Mapping[str, _Step] = {
    "insert": _step(Execution._insert, "table row", "uuid uuid-name"),
    "select": _step(Execution._select, "table where", "columns"),
    "update": _step(Execution._update, "table where row"),
    "mutate": _step(Execution._mutate, "table where mutations"),
    "delete": _step(Execution._delete, "table where"),
    "wait": _step(Execution._wait, "table where until rows timeout", "columns"),
    "comment": _step(Execution._comment, "comment"),
    "commit": _step(Execution._commit, "durable"),
    "abort": _step(Execution._abort),
    "assert": _step(Execution._assert, "lock"),
}
