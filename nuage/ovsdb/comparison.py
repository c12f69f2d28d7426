"""What is read from time to time to see whether the cache is what the database has.

A server, or what stands between, may answer all questions and send no updates any more. What our own transactions
change is compared at once; this is for what others do. Small tables, which change with most of what others do, are
compared whole, and some rows of the others in turn: to read all of them would take seconds where there are thousands.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ovs.db.schema import DbSchema

from nuage.ovsdb.cache import Cache
from nuage.ovsdb.operations import Select
from nuage.ovsdb.results import Result, Selected
from nuage.ovsdb.row import Row

#: How many rows of large tables are read each time.
_ROWS = 50


class Comparison:
    """Compares what is read with the cache.

    Args:
        cache: The cache.
        schema: The database's schema.
        tables: The names of the monitored tables.
        witnesses: Those of them that are small.
    """

    def __init__(self, cache: Cache, schema: DbSchema, tables: Collection[str], witnesses: Collection[str]) -> None:
        self._cache = cache
        self._witnesses = [name for name in witnesses if name in schema.tables]
        self._large = [name for name in tables if name not in witnesses and name in schema.tables]
        self._rows: list[tuple[str, str]] = []
        self._next: list[tuple[str, str]] = []

    def __bool__(self) -> bool:
        """Tell whether there is anything to compare from time to time."""
        return bool(self._witnesses)

    def questions(self) -> Sequence[Select]:
        """Return what to read. It is the same again until what was read agrees with the cache."""
        if not self._next:
            self._rows = self._rows or [(name, uuid) for name in self._large for uuid in self._cache[name].rows]
            self._next, self._rows = self._rows[:_ROWS], self._rows[_ROWS:]
        return [
            *(Select(name, [], self._columns(name)) for name in self._witnesses),
            *(Select(name, [("_uuid", "==", uuid)], self._columns(name)) for name, uuid in self._next),
        ]

    def differing(self, results: Sequence[Result]) -> Sequence[str]:
        """Return the names of the tables in which what was read differs from the cache as it is now."""
        whole, single = results[: len(self._witnesses)], results[len(self._witnesses) :]
        differing = {
            name: None
            for name, result in zip(self._witnesses, whole, strict=True)
            if _content(result) != {uuid: dict(row) for uuid, row in self._cache[name].rows.items()}
        }
        for (name, uuid), result in zip(self._next, single, strict=True):
            cached: Row | None = self._cache[name].rows.get(uuid)
            if _content(result) != ({} if cached is None else {uuid: dict(cached)}):
                differing[name] = None
        if not differing:
            self._next = []
        return list(differing)

    def _columns(self, name: str) -> Sequence[str]:
        return ("_uuid", *self._cache[name].columns)


def _content(result: Result) -> dict[object, dict[str, object]]:
    """Return the rows that were read, by uuid."""
    assert isinstance(result, Selected)
    return {row["_uuid"]: {name: value for name, value in row.items() if name != "_uuid"} for row in result.rows}
