"""What a client wants to know of a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from ovs.db.schema import DbSchema
from ovs.db.types import Type

Index = str | tuple[str, str]


@attrs.frozen
class Monitored:
    """Columns of a table to be kept in the cache.

    :ivar indexes: columns by whose value rows are looked up; ``(column, key)`` is a key inside a map column.
    """

    table: str
    columns: tuple[str, ...]
    indexes: tuple[Index, ...] = ()


def known_types(schema: DbSchema, monitored: Monitored) -> dict[str, Type]:
    """Return the types of those columns that the database has, none if it lacks the table."""
    if monitored.table not in schema.tables:
        return {}
    columns = schema.tables[monitored.table].columns
    return {name: columns[name].type for name in monitored.columns if name in columns}


def monitor_requests(schema: DbSchema, monitored: Iterable[Monitored]) -> dict[str, Any]:
    """Return the requests for ``monitor`` and its relatives (RFC 7047 section 4.1.5).

    One unknown table or column would fail the whole call, so what the database lacks is left out.
    """
    return {
        wanted.table: [{"columns": list(known_types(schema, wanted))}]
        for wanted in monitored
        if wanted.table in schema.tables
    }
