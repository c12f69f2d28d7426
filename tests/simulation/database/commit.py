"""What is checked, and what follows, when a transaction is committed.

The order of the steps is that of ovsdb-server: references, garbage, the number of rows, indexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.simulation.database.refused import Refused
from tests.simulation.database.rows import Change, Draft, Row, unique
from tests.simulation.database.schema import Column, Datum

_Place = tuple[str, str]


class Commit:
    """The end of one transaction.

    Args:
        draft: What it would make of the rows.
        version: The ``_version`` of the rows that it changes.
    """

    def __init__(self, draft: Draft, version: str) -> None:
        self._draft = draft
        self._version = (version,)
        self._counts: Counter[_Place] = Counter()

    def carry_out(self) -> list[Change]:
        """Change the tables, and return what changed.

        Raises:
            Refused: The transaction cannot be committed, and nothing was changed.
        """
        if not self._changed():
            return []
        self._count_references()
        self._collect_garbage()
        self._check_number()
        self._check_uniqueness()
        return self._apply()

    def _changed(self) -> bool:
        """Drop the rows that stay as they are; tell whether any is left."""
        for name, touched in self._draft.touched.items():
            rows = self._draft.tables[name].rows
            for uuid in [uuid for uuid, row in touched.items() if row == rows.get(uuid)]:
                del touched[uuid]
        return any(self._draft.touched.values())

    def _rows(self) -> Iterator[Change]:
        for name, touched in self._draft.touched.items():
            rows = self._draft.tables[name].rows
            for uuid, new in touched.items():
                yield Change(name, uuid, rows.get(uuid), new)

    def _count_references(self) -> None:
        for change in tuple(self._rows()):
            for column in self._draft.tables[change.table].schema.references:
                self._count_column(change, column)
        for change in self._rows():
            place = change.table, change.uuid
            if change.new is None and self._references(place):
                raise _dangling(f"cannot delete {place[0]} row {place[1]} because of remaining references")

    def _count_column(self, change: Change, column: Column) -> None:
        old = None if change.old is None else change.old[column.name]
        new = None if change.new is None else change.new[column.name]
        if old is new:
            return
        for place in _references(change.uuid, column, new, without=old):
            if not self._draft.knows(*place):
                raise _dangling(f"{change.table} row {change.uuid} references nonexistent {place[0]} row {place[1]}")
            self._counts[place] += 1
        for place in _references(change.uuid, column, old, without=new):
            self._counts[place] -= 1

    def _references(self, place: _Place) -> int:
        table, uuid = place
        return self._draft.tables[table].references.get(uuid, 0) + self._counts[place]

    def _collect_garbage(self) -> None:
        waiting = [(change.table, change.uuid) for change in self._rows() if change.new is not None]
        waiting += [place for place, count in self._counts.items() if count <= 0]
        while waiting:
            place = waiting.pop()
            table, uuid = place
            row = self._draft.get(table, uuid)
            schema = self._draft.tables[table].schema
            if row is None or schema.is_root or self._references(place):
                continue
            self._draft.delete(table, uuid)
            for column in schema.references:
                for target in _references(uuid, column, row[column.name]):
                    self._counts[target] -= 1
                    waiting.append(target)

    def _check_number(self) -> None:
        for name, touched in self._draft.touched.items():
            table = self._draft.tables[name]
            if touched and len(table.rows) > table.schema.max_rows - _growth(table.rows, touched):
                raise Refused("constraint violation", f"{name} has too many rows")

    def _check_uniqueness(self) -> None:
        for name, touched in self._draft.touched.items():
            table = self._draft.tables[name]
            for index, entries in table.indexes.items():
                seen = set()
                for row in touched.values():
                    value = unique(index, row)
                    if value is None:
                        continue
                    holder = entries.get(value)
                    if value in seen or (holder is not None and holder not in touched):
                        raise Refused("constraint violation", f"{name} would have {value} twice in {', '.join(index)}")
                    seen.add(value)

    def _apply(self) -> list[Change]:
        tables = self._draft.tables
        changes = []
        for change in tuple(self._rows()):
            new = change.new
            if new is not None:
                new = {**new, "_version": self._version}
            changes.append(change._replace(new=new))
            tables[change.table].put(change.uuid, new)
        for (table, uuid), count in self._counts.items():
            if uuid in tables[table].rows:
                tables[table].references[uuid] = tables[table].references.get(uuid, 0) + count
        return changes


def _growth(rows: object, touched: dict[str, Row | None]) -> int:
    assert isinstance(rows, dict)
    return sum((row is not None) - (uuid in rows) for uuid, row in touched.items())


def _references(uuid: str, column: Column, datum: Datum, without: Datum = None) -> Iterator[_Place]:
    """Yield the rows that a value refers to, but those that another refers to. A row's own do not count."""
    if datum is None:
        return
    keys: Counter[_Place] = Counter(_targets(column, datum))
    if without is not None:
        keys.subtract(_targets(column, without))
    for place, count in keys.items():
        if place[1] != uuid:
            for _ in range(count):
                yield place


def _targets(column: Column, datum: Datum) -> Iterator[_Place]:
    key, value = column.type.key, column.type.value
    if key.table is not None:
        for atom in datum:
            yield key.table, atom
    if value is not None and value.table is not None:
        for atom in datum.values():
            yield value.table, atom


def _dangling(details: str) -> Refused:
    return Refused("referential integrity violation", details)
