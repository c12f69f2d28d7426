"""The rows of a database, and a transaction's view of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.simulation.database.schema import Atom, Datum, Schema, TableSchema

#: A row's values by column, ``_uuid`` and ``_version`` among them. A row is never changed, but replaced.
Row = Mapping[str, Datum]


class Change(NamedTuple):
    """A row before and after a transaction; ``old`` is None for a new row, ``new`` for one that is gone."""

    table: str
    uuid: str
    old: Row | None
    new: Row | None


class Table:
    """The rows of one table.

    ``rows`` are the rows by uuid; ``references`` is how often each is referred to; ``indexes`` are the
    uuids by what is unique.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self.rows: dict[str, Row] = {}
        self.references: dict[str, int] = {}
        self.indexes: dict[tuple[str, ...], dict[tuple[Datum, ...], str]] = {index: {} for index in schema.indexes}

    def put(self, uuid: str, new: Row | None) -> None:
        """Insert, replace or remove a row."""
        old = self.rows.get(uuid)
        for index, entries in self.indexes.items():
            was, becomes = unique(index, old), unique(index, new)
            if was is not None and was != becomes and entries.get(was) == uuid:
                del entries[was]
            if becomes is not None:
                entries[becomes] = uuid
        if new is None:
            self.rows.pop(uuid, None)
            self.references.pop(uuid, None)
        else:
            self.rows[uuid] = new


def unique(index: tuple[str, ...], row: Row | None) -> tuple[Atom, ...] | None:
    """Return what may be in a table only once."""
    if row is None:
        return None
    return tuple(tuple(value.items()) if isinstance(value := row[column], dict) else value for column in index)


def empty(schema: Schema) -> dict[str, Table]:
    """Return tables without rows."""
    return {name: Table(table) for name, table in schema.tables.items()}


class Draft:
    """What a transaction would make of the rows.

    ``touched`` are the rows, by table and uuid, that it inserted, changed or deleted (None).
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = tables
        self.touched: dict[str, dict[str, Row | None]] = {}

    def get(self, table: str, uuid: str) -> Row | None:
        """Return a row as it is now."""
        touched = self.touched.get(table)
        if touched is not None and uuid in touched:
            return touched[uuid]
        return self.tables[table].rows.get(uuid)

    def rows(self, table: str) -> Iterator[Row]:
        """Yield the rows of a table as they were when this was called."""
        rows = self.tables[table].rows
        touched = self.touched.get(table)
        if not touched:
            return iter(tuple(rows.values()))
        present = [touched.get(uuid, row) for uuid, row in rows.items()]
        present += [row for uuid, row in touched.items() if uuid not in rows]
        return iter([row for row in present if row is not None])

    def find(self, table: str, column: str, datum: Datum) -> list[Row] | None:
        """Return the rows that have a value in a column by itself unique; None if it is not."""
        if column == "_uuid":
            row = self.get(table, datum[0])
            return [] if row is None else [row]
        entries = self.tables[table].indexes.get((column,))
        if entries is None or isinstance(datum, dict):
            return None
        touched = self.touched.get(table, {})
        found = [row for row in touched.values() if row is not None and row[column] == datum]
        uuid = entries.get((datum,))
        if uuid is not None and uuid not in touched:
            found.insert(0, self.tables[table].rows[uuid])
        return found

    def knows(self, table: str, uuid: str) -> bool:
        """Tell whether a row is there, or was until this transaction deleted it."""
        return uuid in self.tables[table].rows or uuid in self.touched.get(table, {})

    def put(self, table: str, row: Row) -> None:
        """Insert or replace a row."""
        self.touched.setdefault(table, {})[row["_uuid"][0]] = row

    def delete(self, table: str, uuid: str) -> None:
        """Delete a row."""
        touched = self.touched.setdefault(table, {})
        if uuid in self.tables[table].rows:
            touched[uuid] = None
        else:
            touched.pop(uuid, None)
