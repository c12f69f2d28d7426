"""The schema of a database (RFC 7047 section 3.2), read with the ``ovs`` package."""

from __future__ import annotations

from typing import Any

from ovs.db.error import Error
from ovs.db.schema import DbSchema
from ovs.db.types import BaseType, Type, UuidType

from nuage.ovsdb.errors import ProtocolViolation, SchemaMismatch

_ROW_UUID = Type(BaseType(UuidType))


def parse_schema(wire: Any) -> DbSchema:
    """Read the reply to ``get_schema``.

    :raises ProtocolViolation: when it is not a schema.
    """
    try:
        return DbSchema.from_json(wire)
    except (Error, TypeError, ValueError, AttributeError, KeyError) as error:
        raise ProtocolViolation(f"the database's schema cannot be read: {error}") from error


def column_type(schema: DbSchema, table: str, column: str) -> Type:
    """Return the type of a column, ``_uuid`` and ``_version`` included.

    :raises SchemaMismatch: when the database has no such table or column.
    """
    columns = _table(schema, table).columns
    if column in ("_uuid", "_version"):
        return _ROW_UUID
    if column not in columns:
        raise SchemaMismatch(f"table {table} of database {schema.name} (version {schema.version}) has no {column}")
    return columns[column].type


def check_table(schema: DbSchema, table: str) -> None:
    """Raise SchemaMismatch when the database has no such table."""
    _table(schema, table)


def _table(schema: DbSchema, table: str) -> Any:
    if table not in schema.tables:
        raise SchemaMismatch(f"database {schema.name} (version {schema.version}) has no table {table}")
    return schema.tables[table]
