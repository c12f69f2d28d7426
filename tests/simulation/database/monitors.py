"""What is told to those who watch a database, in three forms.

``monitor`` is RFC 7047's (section 4.1.5); ``monitor_cond`` and ``monitor_cond_since``, whose updates are differences,
are those of ovsdb-server(7). What changes until somebody is told is told as one change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulation.database import values
from tests.simulation.database.refused import malformed
from tests.simulation.database.rows import Change, Row, Table
from tests.simulation.database.schema import Column, Schema, TableSchema

#: The form's notification.
FORMS = {"monitor": "update", "monitor_cond": "update2", "monitor_cond_since": "update3"}
_KINDS = ("initial", "insert", "delete", "modify")


class _Watched:
    """The columns of one table, each with the kinds of change that it is told in."""

    def __init__(self, table: TableSchema, requests: Sequence[Any], *, may_filter: bool) -> None:
        self.defaults = table.defaults
        self.columns: dict[str, tuple[Column, frozenset[str]]] = {}
        self.kinds: frozenset[str] = frozenset()
        self.pending: dict[str, tuple[Row | None, Row | None]] = {}
        for request in requests:
            if not isinstance(request, dict) or request.keys() - {"columns", "select", "where"}:
                raise malformed("a monitor request is expected")
            if request.get("where", []) not in ([], [True]) or ("where" in request and not may_filter):
                raise malformed('"where" is not simulated')
            kinds = _kinds(request.get("select", {}))
            names = request.get("columns", [name for name in table.columns if name != "_uuid"])
            for name in names:
                if name not in table.columns or name in self.columns:
                    raise malformed(f"{name} is not a valid column name, or is mentioned more than once")
                self.columns[name] = (table.columns[name], kinds)
            self.kinds |= kinds

    def note(self, change: Change) -> None:
        """Keep a change until it is told."""
        old = self.pending[change.uuid][0] if change.uuid in self.pending else change.old
        if old is None and change.new is None:
            self.pending.pop(change.uuid, None)
        else:
            self.pending[change.uuid] = (old, change.new)

    def changed(self, old: Row, new: Row) -> list[str]:
        """Return the columns in which a row differs."""
        return [name for name in self.columns if old[name] is not new[name] and old[name] != new[name]]

    def told(self, kind: str) -> list[Column]:
        """Return the columns that are told with a kind of change."""
        return [column for column, kinds in self.columns.values() if kind in kinds]


def _kinds(select: Any) -> frozenset[str]:
    if not isinstance(select, dict) or not select.keys() <= {*_KINDS} or {*map(type, select.values())} - {bool}:
        raise malformed('"select" is not understood')
    return frozenset(kind for kind in _KINDS if select.get(kind, True))


class Monitor:
    """What one client wants to be told of.

    Args:
        form: By which of the three methods it asked.
        schema: The database's schema.
        requests: What it asked for.

    Raises:
        Refused: That is not to be understood.
    """

    def __init__(self, form: str, schema: Schema, requests: Any) -> None:
        if not isinstance(requests, dict):
            raise malformed("monitor requests are an object")
        self.form = form
        self._compose = _plainly if form == "monitor" else _by_difference
        self._watched: dict[str, _Watched] = {}
        for name, request in requests.items():
            if name not in schema.tables:
                raise malformed(f"no table named {name}")
            each = request if isinstance(request, list) else [request]
            self._watched[name] = _Watched(schema.tables[name], each, may_filter=form != "monitor")

    def initial(self, tables: Mapping[str, Table]) -> dict[str, Any]:
        """Return the present content."""
        content = {}
        for name, watched in self._watched.items():
            if "initial" in watched.kinds:
                rows = {uuid: self._compose(watched, "initial", None, row) for uuid, row in tables[name].rows.items()}
                if rows:
                    content[name] = rows
        return content

    def note(self, changes: Sequence[Change]) -> bool:
        """Keep changes until they are told; tell whether there is anything to tell."""
        for change in changes:
            watched = self._watched.get(change.table)
            if watched is not None:
                watched.note(change)
        return any(watched.pending for watched in self._watched.values())

    def take(self) -> dict[str, Any]:
        """Return what has changed since this was called last, empty if that is nothing."""
        updates = {}
        for name, watched in self._watched.items():
            if watched.pending:
                pending, watched.pending = watched.pending, {}
                rows = {
                    uuid: update
                    for uuid, (old, new) in pending.items()
                    if (update := self._update(watched, old, new)) is not None
                }
                if rows:
                    updates[name] = rows
        return updates

    def _update(self, watched: _Watched, old: Row | None, new: Row | None) -> dict[str, Any] | None:
        kind = "insert" if old is None else "delete" if new is None else "modify"
        if kind not in watched.kinds:
            return None
        if old is not None and new is not None and not watched.changed(old, new):
            return None
        return self._compose(watched, kind, old, new)


def _plainly(watched: _Watched, kind: str, old: Row | None, new: Row | None) -> dict[str, Any]:
    update = {}
    columns = watched.told(kind)
    if old is not None:
        changed = watched.columns if new is None else watched.changed(old, new)
        update["old"] = {c.name: values.write(c.type, old[c.name]) for c in columns if c.name in changed}
    if new is not None:
        update["new"] = {c.name: values.write(c.type, new[c.name]) for c in columns}
    return update


def _by_difference(watched: _Watched, kind: str, old: Row | None, new: Row | None) -> dict[str, Any]:
    if new is None:
        return {"delete": None}
    columns = watched.told(kind)
    if old is None:
        defaults = watched.defaults
        return {kind: {c.name: values.write(c.type, new[c.name]) for c in columns if new[c.name] != defaults[c.name]}}
    changed = watched.changed(old, new)
    return {
        kind: {
            c.name: values.write(c.type, values.changed(c.type, old[c.name], new[c.name]))
            for c in columns
            if c.name in changed
        }
    }
