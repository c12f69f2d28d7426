"""Drawing rows, and the conditions that find them."""

from __future__ import annotations

from typing import Any

from tests.simulation.chance import Chance
from tests.simulation.twins.drawing import Drawing
from tests.simulation.twins.kinds import Wire

_NAMES = ("name", "vm_uuid")
_FUNCTIONS = ("==", "==", "==", "!=", "includes", "includes", "excludes")
_COMPARISONS = ("<", "<=", ">", ">=")


class Rows:
    """Draws rows and conditions.

    Args:
        chance: Draws them.
        schema: The JSON form of the schema.
        drawing: Draws values.
    """

    def __init__(self, chance: Chance, schema: Wire, drawing: Drawing) -> None:
        self._chance = chance
        self._schema = schema
        self._drawing = drawing

    def row(self, table: str, share: float, *, inserted: bool) -> Wire:
        """Draw the values of a row, for about this share of its columns."""
        row: Wire = {}
        columns = self._schema["tables"][table]["columns"]
        for column in columns:
            if not inserted and not columns[column].get("mutable", True) and not self._drawing.odd(0.1):
                continue
            type_ = self._drawing.type(table, column)
            target = self._drawing.target(type_)
            # Most references to rows that a former transaction may not have made would fail.
            likely = share if not target or self._drawing.fitting_names(target) else share * 0.2
            if self._chance.happens(0.95 if target and inserted and type_.get("min") == 1 else likely):
                row[column] = self._drawing.value(type_)
        for index in self._schema["tables"][table].get("indexes", []):
            if inserted or index[0] in row:
                row |= {column: f"n{self._chance.number(0, 40)}" for column in index if column in _NAMES}
        return row

    def where(self, table: str, *, selective: bool = False) -> list[Any]:
        """Draw a condition. One that is selective does not hold for all rows."""
        if not selective and self._chance.happens(0.15):
            return []
        return [self._clause(table) for _ in range(1 if self._chance.happens(0.8) else 2)]

    def _clause(self, table: str) -> Any:
        if self._drawing.uuids[table] and self._chance.happens(0.4):
            return ["_uuid", "==", ["uuid", self._chance.pick(self._drawing.uuids[table])]]
        if self._chance.happens(0.02):
            return self._chance.happens(0.5)
        column = self._chance.pick(self._drawing.columns(table))
        type_ = self._drawing.type(table, column)
        comparable = self._drawing.base(type_["key"])["type"] in ("integer", "real") and type_.get("max", 1) == 1
        if "value" not in type_ and (comparable or self._drawing.odd(0.05)) and self._chance.happens(0.3):
            return [column, self._chance.pick(_COMPARISONS), self._drawing.value({"key": type_["key"]})]
        return [column, self._chance.pick(_FUNCTIONS), self._drawing.value(type_)]

    def some_columns(self, table: str) -> list[str]:
        """Draw some columns of a table."""
        return [column for column in ("_uuid", *self._drawing.columns(table)) if self._chance.happens(0.4)] or ["_uuid"]
