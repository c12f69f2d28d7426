"""The operations of a transaction (RFC 7047 section 5.2).

Values are Python values, encoded by the column types of the schema at the time of sending. A condition is a sequence of
``(column, function, value)``, and all of them must hold; ``_uuid`` is a column of every table.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

import attrs
from ovs.db.schema import DbSchema
from ovs.db.types import Type

from nuage.ovsdb.errors import ProtocolViolation, ValueNotEncodable, transaction_error
from nuage.ovsdb.messages import describe_error
from nuage.ovsdb.notation import Value, decoder, encode
from nuage.ovsdb.results import Affected, Done, Inserted, Result, Selected, affected, inserted, selected_rows
from nuage.ovsdb.schema import check_table, column_type

Where = Sequence[tuple[str, str, Value]]


class Operation(Protocol):
    """One step of a transaction."""

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        """Return the operation's JSON form.

        :raises ValueNotEncodable: when a value does not fit its column.
        :raises SchemaMismatch: when the database has no such table or column.
        """

    def result(self, schema: DbSchema, wire: Any) -> Result:
        """Read the operation's result from the reply."""


@attrs.frozen
class Insert:
    """Insert ``row``; other operations of the transaction may refer to it as ``Named(name)``."""

    table: str
    row: Mapping[str, Value]
    name: str | None = None

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        """See Operation."""
        named = {} if self.name is None else {"uuid-name": self.name}
        return {"op": "insert", "table": self.table, "row": _row(schema, self.table, self.row), **named}

    def result(self, schema: DbSchema, wire: Any) -> Inserted:  # noqa: ARG002
        """See Operation."""
        return inserted(wire)


class _Counting:
    """An operation that tells how many rows it found."""

    def result(self, schema: DbSchema, wire: Any) -> Affected:  # noqa: ARG002
        """See Operation."""
        return affected(wire)


@attrs.frozen
class Mutate(_Counting):
    """Change columns by ``(column, mutator, value)``.

    ``insert`` does not overwrite the keys that a map has. For a map, ``delete`` takes the pairs or a set of keys.
    """

    table: str
    where: Where
    mutations: Sequence[tuple[str, str, Value]]

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        """See Operation."""
        mutations = [
            [
                column,
                mutator,
                _encoded(value, _mutation_type(schema, self.table, column, mutator, value), self.table, column),
            ]
            for column, mutator, value in self.mutations
        ]
        return {
            "op": "mutate",
            "table": self.table,
            "where": _where(schema, self.table, self.where),
            "mutations": mutations,
        }


@attrs.frozen
class Update(_Counting):
    """Overwrite the columns named in ``row``."""

    table: str
    where: Where
    row: Mapping[str, Value]

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        """See Operation."""
        return {
            "op": "update",
            "table": self.table,
            "where": _where(schema, self.table, self.where),
            "row": _row(schema, self.table, self.row),
        }


@attrs.frozen
class Delete(_Counting):
    """Delete rows."""

    table: str
    where: Where

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        """See Operation."""
        return {"op": "delete", "table": self.table, "where": _where(schema, self.table, self.where)}


@attrs.frozen
class Select:
    """Read ``columns`` of rows; None reads all of them, ``_uuid`` and ``_version`` included."""

    table: str
    where: Where
    columns: Sequence[str] | None = None

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        """See Operation."""
        wire = {"op": "select", "table": self.table, "where": _where(schema, self.table, self.where)}
        if self.columns is not None:
            wire["columns"] = _columns(schema, self.table, self.columns)
        return wire

    def result(self, schema: DbSchema, wire: Any) -> Selected:
        """See Operation."""
        return Selected(
            tuple(
                {column: decoder(column_type(schema, self.table, column))(value) for column, value in row.items()}
                for row in selected_rows(wire)
            )
        )


@attrs.frozen
class Wait:
    """Fail the transaction unless the rows found are (``until`` is ``==``) or are not (``!=``) ``rows``.

    :ivar timeout_ms: how long the server waits for it to come true, in milliseconds.
    """

    table: str
    where: Where
    columns: Sequence[str]
    until: str
    rows: Sequence[Mapping[str, Value]]
    timeout_ms: int = 0

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        """See Operation."""
        return {
            "op": "wait",
            "timeout": self.timeout_ms,
            "table": self.table,
            "where": _where(schema, self.table, self.where),
            "columns": _columns(schema, self.table, self.columns),
            "until": self.until,
            "rows": [_row(schema, self.table, row) for row in self.rows],
        }

    def result(self, schema: DbSchema, wire: Any) -> Done:  # noqa: ARG002
        """See Operation."""
        return Done()


@attrs.frozen
class Comment:
    """Leave ``text`` in the server's log with the transaction."""

    text: str

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:  # noqa: ARG002
        """See Operation."""
        return {"op": "comment", "comment": self.text}

    def result(self, schema: DbSchema, wire: Any) -> Done:  # noqa: ARG002
        """See Operation."""
        return Done()


def _encoded(value: Value, type_: Type, table: str, column: str) -> Any:
    try:
        return encode(value, type_)
    except ValueNotEncodable as error:
        raise error.located(table, column) from None


def _row(schema: DbSchema, table: str, row: Mapping[str, Value]) -> dict[str, Any]:
    check_table(schema, table)
    return {column: _encoded(value, column_type(schema, table, column), table, column) for column, value in row.items()}


def _columns(schema: DbSchema, table: str, columns: Sequence[str]) -> list[str]:
    for column in columns:
        column_type(schema, table, column)
    return list(columns)


def _where(schema: DbSchema, table: str, where: Where) -> list[Any]:
    check_table(schema, table)
    return [
        [column, function, _encoded(value, _condition_type(schema, table, column, function), table, column)]
        for column, function, value in where
    ]


def _condition_type(schema: DbSchema, table: str, column: str, function: str) -> Type:
    """Return the type of a condition's value: ``includes`` and ``excludes`` take any subset (section 5.1)."""
    type_ = column_type(schema, table, column)
    return _any_number(type_) if function in ("includes", "excludes") and not type_.is_scalar() else type_


def _mutation_type(schema: DbSchema, table: str, column: str, mutator: str, value: Value) -> Type:
    """Return the type of a mutation's value (RFC 7047 section 5.1, <mutation>)."""
    type_ = column_type(schema, table, column)
    if mutator not in ("insert", "delete"):
        return Type(type_.key)
    if mutator == "delete" and type_.is_map() and isinstance(value, AbstractSet):
        return Type(type_.key, None, 0, sys.maxsize)
    return _any_number(type_)


def _any_number(type_: Type) -> Type:
    return Type(type_.key, type_.value, 0, sys.maxsize)


def read_outcome(schema: DbSchema, operations: Sequence[Operation], reply: Any) -> list[Result]:
    """Read the reply to ``transact`` (RFC 7047 section 4.1.3) into one result per operation.

    An error is inside the reply, in the place of the failed operation, followed by nulls. The results before it look
    like successes, but nothing was carried out. A failed commit adds one element.

    :raises TransactionError: when the transaction was not committed.
    :raises ProtocolViolation: when the reply does not match the operations.
    """
    if not isinstance(reply, list):
        raise ProtocolViolation(f"the reply to a transaction is not a list: {str(reply)[:200]}")
    for index, entry in enumerate(reply):
        if isinstance(entry, dict) and entry.get("error") is not None:
            error, details = describe_error(entry)
            raise transaction_error(error, details, index if index < len(operations) else None)
    if len(reply) != len(operations):
        raise ProtocolViolation(f"{len(reply)} results came for {len(operations)} operations")
    return [operation.result(schema, entry) for operation, entry in zip(operations, reply, strict=True)]
