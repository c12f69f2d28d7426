"""The content of a database: transactions change it, and who watches is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.simulation.database import values
from tests.simulation.database.commit import Commit
from tests.simulation.database.execution import Execution
from tests.simulation.database.refused import Refused
from tests.simulation.database.rows import Change, Draft, Row, Table, empty
from tests.simulation.database.schema import Schema

#: Is told of what each transaction changed.
Watcher = Callable[[Sequence[Change]], None]


class Store:
    """Tables, and what changes them.

    ``tables`` are the tables by name; ``commits`` is how many transactions have changed something.

    Args:
        schema: What tables there are.
        new_uuid: Makes the uuids of rows.
    """

    def __init__(self, schema: Schema, new_uuid: Callable[[], str]) -> None:
        self.schema = schema
        self.tables: dict[str, Table] = empty(schema)
        self.commits = 0
        self._new_uuid = new_uuid
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Tell somebody of each change from now on."""
        self._watchers.append(watcher)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table as Python has values, ``_uuid`` among them."""
        columns = self.schema.tables[table].columns.values()
        return [
            {column.name: values.plain(column.type, row[column.name]) for column in columns}
            for row in self.tables[table].rows.values()
        ]

    def transact(self, operations: Sequence[Any]) -> list[Any]:
        """Carry out operations in their JSON form; return the results, with the error of one that failed among them."""
        draft = Draft(self.tables)
        execution = Execution(self.schema, draft, self._new_uuid)
        results: list[Any] = []
        try:
            results.extend(map(execution.run, operations))
        except Refused as problem:
            return _failed(results, problem, len(operations))
        try:
            changes = Commit(draft, f"{self.commits + 1:08x}-0000-0000-0000-000000000000").carry_out()
        except Refused as problem:
            return [*results, problem.wire]
        if changes:
            self.commits += 1
            for watcher in tuple(self._watchers):
                watcher(changes)
        return results

    def reloaded(self) -> None:
        """Lose what does not outlive the server: the values of ephemeral columns."""
        for table in self.tables.values():
            lost = {name: table.schema.defaults[name] for name, c in table.schema.columns.items() if c.ephemeral}
            if lost:
                for uuid, row in tuple(table.rows.items()):
                    table.put(uuid, {**row, **lost})

    def converted(self, schema: Schema) -> None:
        """Take another schema. Rows keep the columns that it has, and get the default values of new ones."""
        before, self.schema, self.tables = self.tables, schema, empty(schema)
        for name in self.tables.keys() & before.keys():
            self._take(self.tables[name], before[name])

    def _take(self, table: Table, before: Table) -> None:
        table.references = dict(before.references)
        for uuid, row in before.rows.items():
            kept: Row = {**table.schema.defaults, **{c: v for c, v in row.items() if c in table.schema.columns}}
            table.put(uuid, kept)


def _failed(results: list[Any], problem: Refused, number: int) -> list[Any]:
    return [*results, problem.wire, *[None] * (number - len(results) - 1)]
