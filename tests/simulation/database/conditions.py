"""Which rows an operation is about (RFC 7047 section 5.1, <condition>)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from tests.simulation.database.refused import Refused, malformed
from tests.simulation.database.rows import Draft, Row
from tests.simulation.database.schema import Datum, TableSchema, Type
from tests.simulation.database.values import Names, read


@attrs.frozen(eq=False)
class Clause:
    """What has to hold for one column."""

    column: str
    function: str
    datum: Datum

    def holds(self, row: Row) -> bool:
        """Tell whether it holds for a row."""
        return _FUNCTIONS[self.function](row[self.column], self.datum)


def read_where(table: TableSchema, wire: Any, names: Names) -> list[Clause] | None:
    """Read a condition; None is one that never holds.

    Raises:
        Refused: It is none.
    """
    if not isinstance(wire, list):
        raise malformed('"where" is no array')
    clauses = [_clause(table, each, names) for each in wire if each is not True]
    return None if None in clauses else [clause for clause in clauses if clause is not None]


def matching(draft: Draft, table: str, clauses: list[Clause] | None) -> list[Row]:
    """Return the rows that a condition holds for."""
    if clauses is None:
        return []
    rows: Iterable[Row] | None = None
    if clauses and clauses[0].function == "==":
        rows = draft.find(table, clauses[0].column, clauses[0].datum)
    return _filtered(draft.rows(table) if rows is None else rows, clauses)


def _filtered(rows: Iterable[Row], clauses: list[Clause]) -> list[Row]:
    return [row for row in rows if all(clause.holds(row) for clause in clauses)]


def _clause(table: TableSchema, wire: Any, names: Names) -> Clause | None:
    if wire is False:
        return None
    if not isinstance(wire, list) or len(wire) != 3 or not all(isinstance(word, str) for word in wire[:2]):
        raise malformed("a condition is expected")
    column = table.columns.get(wire[0])
    if column is None:
        raise Refused("unknown column", f"No column {wire[0]} in table {table.name}.")
    if wire[1] not in _FUNCTIONS:
        raise Refused("unknown function", f"No function named {wire[1]}.")
    return Clause(wire[0], wire[1], read(_argument(column.type, wire[1]), wire[2], names))


def _argument(type_: Type, function: str) -> Type:
    if function in _COMPARISONS:
        if not (type_.is_scalar or type_.is_optional) or type_.key.kind not in ("integer", "real"):
            raise malformed(f'"{function}" may not be applied')
        return attrs.evolve(type_, n_min=1)
    if function in ("includes", "excludes") and not type_.is_scalar:
        return attrs.evolve(type_, n_min=0, n_max=type_.n_max if function == "includes" else float("inf"))
    return type_


def _includes(value: Datum, some: Datum) -> bool:
    if isinstance(value, dict):
        return all(key in value and value[key] == item for key, item in some.items())
    return all(atom in value for atom in some)


def _excludes(value: Datum, some: Datum) -> bool:
    if isinstance(value, dict):
        return not any(key in value and value[key] == item for key, item in some.items())
    return not any(atom in value for atom in some)


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Datum, Datum], bool]:
    return lambda value, other: bool(value) and compare(value[0], other[0])


_COMPARISONS: Mapping[str, Callable[[Datum, Datum], bool]] = {
    "<": _compared(operator.lt),
    "<=": _compared(operator.le),
    ">": _compared(operator.gt),
    ">=": _compared(operator.ge),
}
_FUNCTIONS: Mapping[str, Callable[[Datum, Datum], bool]] = {
    **_COMPARISONS,
    "==": operator.eq,
    "!=": operator.ne,
    "includes": _includes,
    "excludes": _excludes,
}
