"""A mirror of the monitored part of a database, and what changes in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from types import MappingProxyType
from typing import Any, NamedTuple, overload

from ovs.db.schema import DbSchema

from nuage.ovsdb.errors import ProtocolViolation
from nuage.ovsdb.monitored import Index, Monitored, known_types
from nuage.ovsdb.notation import Value
from nuage.ovsdb.row import Columns, Row

__all__ = ["Cache", "Change", "Row", "Table"]


class Change(NamedTuple):
    """A row before and after; ``old`` is None for a new row, ``new`` is None for a deleted one."""

    table: str
    uuid: str
    old: Row | None
    new: Row | None


_Move = tuple[str, Value, Value]
Listener = Callable[[Sequence[Change]], None]


class _IndexEntries:
    """The uuids of a table's rows by the value of a column, or of a key inside a map column.

    Built when it is first asked, and kept up to date from then on: an index that nobody uses does not slow down a load.
    The uuids of a value are in the order in which their rows got it; the entries of a dict have no other use.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._uuids: dict[Value, dict[str, None]] | None = None

    def uuids(self, value: Value, rows: Mapping[str, Row]) -> Iterable[str]:
        """Return the uuids of those of the table's ``rows`` that have ``value``."""
        if self._uuids is None:
            entries: dict[Value, dict[str, None]] = {}
            for uuid, row in rows.items():
                found = row.peek(self._index)
                if found is not None:
                    entries.setdefault(found, {})[uuid] = None
            self._uuids = entries
        return self._uuids.get(value, ())

    def moves(self, changes: Iterable[Change]) -> list[_Move]:
        """Return which uuids move from one value to another. Decoding may fail: it is done here, not in ``commit``."""
        if self._uuids is None:
            return []
        value = self._value
        moves = [(change.uuid, value(change.old), value(change.new)) for change in changes]
        return [move for move in moves if move[1] != move[2]]

    def clear(self) -> None:
        """Be built anew when it is asked next."""
        self._uuids = None

    def commit(self, moves: Iterable[_Move]) -> None:
        entries = self._uuids
        if entries is None:
            return
        for uuid, before, after in moves:
            if before is not None:
                entries[before].pop(uuid, None)
                if not entries[before]:
                    del entries[before]
            if after is not None:
                entries.setdefault(after, {})[uuid] = None

    def _value(self, row: Row | None) -> Value:
        return None if row is None else row.peek(self._index)


class Table:
    """The rows of one monitored table.

    :ivar name: the table's name.
    :ivar rows: the rows by uuid.
    """

    def __init__(self, monitored: Monitored) -> None:
        """Start without rows."""
        self.name = monitored.table
        self._monitored = monitored
        self._columns = Columns(monitored, {})
        self._rows: dict[str, Row] = {}
        self.rows: Mapping[str, Row] = MappingProxyType(self._rows)
        self._indexes = {index: _IndexEntries(index) for index in monitored.indexes}

    @property
    def columns(self) -> Iterable[str]:
        """The names of the monitored columns that the database has."""
        return self._columns.types

    def find(self, column: str, value: Value, key: str | None = None) -> Row | None:
        """Return a row whose ``column``, or ``key`` inside of this map column, equals ``value``.

        :raises KeyError: when no such index was declared.
        """
        for uuid in self._index(column, key).uuids(value, self._rows):
            return self._rows[uuid]
        return None

    def where(self, column: str, value: Value, key: str | None = None) -> tuple[Row, ...]:
        """Return all rows whose ``column``, or ``key`` inside of this map column, equals ``value``.

        :raises KeyError: when no such index was declared.
        """
        return tuple(self._rows[uuid] for uuid in self._index(column, key).uuids(value, self._rows))

    def _index(self, column: str, key: str | None) -> _IndexEntries:
        return self._indexes[column if key is None else (column, key)]

    def read(self, schema: DbSchema, snapshot: Mapping[str, Any]) -> dict[str, Row]:
        """Return the rows of completely new content; values are decoded by ``schema`` from now on.

        :raises ProtocolViolation: when it is not one.
        """
        types = known_types(schema, self._monitored)
        if types != self._columns.types:
            self._columns = Columns(self._monitored, types)
        # There may be very many, and a loop in Python is slower.
        rows = map(Row, repeat(self._columns), snapshot, map(_content, snapshot.values()))
        return dict(zip(snapshot, rows, strict=True))

    def fill(self, content: Mapping[str, Row]) -> None:
        """Put ``content`` into the empty table."""
        self._rows.update(content)
        for index in self._indexes.values():
            index.clear()

    def compare(self, content: Mapping[str, Row]) -> list[Change]:
        """Return what completely new ``content`` would change."""
        rows = self._rows
        changes = []
        for uuid, new in content.items():
            old = rows.get(uuid)
            if old is None or not old.same_content(new):
                changes.append(Change(self.name, uuid, old, new))
        gone = [row for uuid, row in rows.items() if uuid not in content]
        return changes + [Change(self.name, row.uuid, row, None) for row in gone]

    def changes(self, updates: Mapping[str, Any]) -> Iterator[Change]:
        """Yield what an update really changes, in any of the forms of ``update`` and ``update2``.

        :raises ProtocolViolation: when it is not an update of this content.
        """
        for uuid, update in updates.items():
            old = self._rows.get(uuid)
            new = self._updated(uuid, old, update)
            if old is new or (old is not None and new is not None and old.same_content(new)):
                continue
            yield Change(self.name, uuid, old, new)

    def _updated(self, uuid: str, old: Row | None, update: Any) -> Row | None:
        if not isinstance(update, dict):
            raise ProtocolViolation(f"the update of row {uuid} of {self.name} is not an object")
        if "modify" in update:
            if old is None or not isinstance(update["modify"], dict):
                raise ProtocolViolation(f"an update modifies row {uuid} of {self.name}, which is not there")
            return old.modified(update["modify"])
        if "delete" in update or ("old" in update and update.get("new") is None):
            return None
        new = Row(self._columns, uuid, _content(update))
        new.check()
        return new

    def prepare(self, changes: Sequence[Change]) -> Callable[[], None]:
        """Return what carries out ``changes`` and cannot fail.

        :raises ProtocolViolation: when a row cannot be indexed.
        """
        moves = [(index, index.moves(changes)) for index in self._indexes.values()]

        def commit() -> None:
            for _, uuid, _old, new in changes:
                if new is None:
                    del self._rows[uuid]
                else:
                    self._rows[uuid] = new
            for index, index_moves in moves:
                index.commit(index_moves)

        return commit


def _content(update: Any) -> dict[str, Any]:
    """Return the columns of a whole row: ``new`` in ``update``, ``initial`` or ``insert`` in ``update2``."""
    if isinstance(update, dict):
        content = update.get("initial")
        if content is None:
            content = update.get("insert", update.get("new"))
        if isinstance(content, dict):
            return content
    raise ProtocolViolation(f"a row update has no content: {str(update)[:200]}")


class _AllNew(Sequence[Change]):
    """The rows of a first load as changes. There may be very many, so they are made when somebody looks at them."""

    def __init__(self, content: Mapping[str, Mapping[str, Row]]) -> None:
        self._content = content

    @cached_property
    def _changes(self) -> list[Change]:
        return [Change(name, uuid, None, row) for name, rows in self._content.items() for uuid, row in rows.items()]

    def __len__(self) -> int:
        return sum(map(len, self._content.values()))

    @overload
    def __getitem__(self, index: int) -> Change: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Change]: ...

    def __getitem__(self, index: int | slice) -> Change | Sequence[Change]:
        return self._changes[index]


class Cache:
    """The monitored tables; ``cache[name]`` is a Table, empty when the database lacks it.

    Its content stays when the connection is lost, and the next connection brings it up to date.
    """

    def __init__(self, monitored: Sequence[Monitored], report: Callable[[Exception], None]) -> None:
        """Start empty; ``report`` is called with the error of each listener that fails."""
        self.tables: Mapping[str, Table] = {wanted.table: Table(wanted) for wanted in monitored}
        self.loaded = False
        self._report = report
        self._listeners: list[Listener] = []

    def __getitem__(self, table: str) -> Table:
        """Return a monitored table; raise KeyError for any other."""
        return self.tables[table]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with the changes of each update once the cache is wholly current.

        Return what ends the subscription. A listener that fails disturbs neither the cache nor other listeners.
        """
        # The same callable may be subscribed twice; each subscription ends by itself.
        entry: Listener = lambda changes: listener(changes)  # noqa: E731
        self._listeners.append(entry)

        def unsubscribe() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return unsubscribe

    def load(self, schema: DbSchema, snapshot: Any) -> Sequence[Change]:
        """Replace the content by ``snapshot``, the initial table updates of a monitor; return the real changes.

        :raises ProtocolViolation: when it is not one; the content then stays as it was.
        """
        updates = self._by_table(snapshot)
        content = {name: table.read(schema, updates.get(name, {})) for name, table in self.tables.items()}
        changes = self._replaced(content) if self.loaded else self._filled(content)
        self.loaded = True
        return self._announce(changes)

    def _filled(self, content: Mapping[str, Mapping[str, Row]]) -> Sequence[Change]:
        for name, rows in content.items():
            self.tables[name].fill(rows)
        return _AllNew(content)

    def _replaced(self, content: Mapping[str, Mapping[str, Row]]) -> Sequence[Change]:
        return self._commit({name: self.tables[name].compare(rows) for name, rows in content.items()})

    def apply(self, table_updates: Any) -> Sequence[Change]:
        """Apply the table updates of an ``update``, ``update2`` or ``update3``; return the real changes.

        :raises ProtocolViolation: when they do not fit the content, which then stays as it was.
        """
        updates = self._by_table(table_updates)
        changes = {name: list(self.tables[name].changes(rows)) for name, rows in updates.items()}
        return self._announce(self._commit(changes))

    def _by_table(self, table_updates: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(table_updates, dict):
            raise ProtocolViolation("the table updates are not an object")
        for name, rows in table_updates.items():
            if name not in self.tables or not isinstance(rows, dict):
                raise ProtocolViolation(f"an update is for table {name}, which was not asked for, or is not an object")
        return table_updates

    def _commit(self, changes: Mapping[str, Sequence[Change]]) -> list[Change]:
        # Each table is asked before the first one is changed: an update is applied as a whole or not at all.
        for commit in [self.tables[name].prepare(table_changes) for name, table_changes in changes.items()]:
            commit()
        return [change for table_changes in changes.values() for change in table_changes]

    def _announce(self, changes: Sequence[Change]) -> Sequence[Change]:
        if changes:
            for listener in tuple(self._listeners):
                self._tell(listener, changes)
        return changes

    def _tell(self, listener: Listener, changes: Sequence[Change]) -> None:
        try:
            listener(changes)
        except Exception as error:
            self._report(error)
