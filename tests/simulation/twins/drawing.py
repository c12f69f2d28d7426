"""Drawing values for columns: such as fit, and now and then one that does not."""

from __future__ import annotations

from typing import Any

from tests.simulation.chance import Chance
from tests.simulation.twins.kinds import Wire

_WORDS = ("", "a", "b", "c", "é", "\U0001f40d", 'q"\\', "one", "long", "alubr0")
_INTEGERS = (0, 1, 2, 3, 7, 9, 10, -1, 2**63 - 1, -(2**63))
_REALS = (0.0, 1.0, 0.5, -2.25, 1e300, 3)


class Drawing:
    """Draws values for the columns of a schema.

    Args:
        chance: Draws everything.
        schema: The JSON form of the schema.

    Attributes:
        uuids: The rows that were ever inserted, by table.
        names: The names of rows that the present transaction inserts.
    """

    def __init__(self, chance: Chance, schema: Wire) -> None:
        self._chance = chance
        self._schema = schema
        self.tables = list(schema["tables"])
        self.uuids: dict[str, list[str]] = {table: [] for table in self.tables}
        self.names: list[str] = []
        self._may_be_odd = False

    def begin(self) -> None:
        """Begin a transaction."""
        self.names = []
        self._may_be_odd = self._chance.happens(0.15)

    def odd(self, probability: float) -> bool:
        """Draw whether something is wrong: one thing at most in a transaction, as servers may look in any order."""
        if self._may_be_odd and self._chance.happens(probability):
            self._may_be_odd = False
            return True
        return False

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table."""
        return list(self._schema["tables"][table]["columns"])

    def type(self, table: str, column: str) -> Wire:
        """Return the long form of a column's type."""
        wire = self._schema["tables"][table]["columns"][column]["type"]
        return {"key": wire} if isinstance(wire, str) else wire

    def base(self, wire: Any) -> Wire:
        """Return the long form of the type of atoms."""
        return {"type": wire} if isinstance(wire, str) else wire

    def target(self, type_: Wire) -> str:
        """Return the table that a type refers to, empty if it refers to none."""
        bases = (self.base(type_[part]) for part in ("key", "value") if part in type_)
        return next((base["refTable"] for base in bases if "refTable" in base), "")

    def fitting_names(self, table: str) -> list[str]:
        """Return the names of rows that the present transaction inserts into a table."""
        return [name for name in self.names if name.rstrip("0123456789") == table.lower()]

    def value(self, type_: Wire) -> Any:
        """Draw a value of a type."""
        low, high = type_.get("min", 1), type_.get("max", 1)
        number = self._chance.number(low, 3 if high == "unlimited" else high)
        if self.odd(0.02):
            number += 1
        key = self.base(type_["key"])
        if "value" in type_:
            value = self.base(type_["value"])
            pairs = {repr(atom := self.atom(key)): [atom, self.atom(value)] for _ in range(number)}
            return ["map", list(pairs.values())]
        atoms = [self.atom(key) for _ in range(number)]
        if not self.odd(0.03):
            atoms = list({repr(atom): atom for atom in atoms}.values())
        return atoms[0] if len(atoms) == 1 and self._chance.happens(0.8) else ["set", atoms]

    def atom(self, base: Wire) -> Any:
        """Draw an atom."""
        kind = base["type"]
        if self.odd(0.005):
            kind = self._chance.pick(("integer", "string", "boolean"))
        if kind == "uuid":
            return self._reference(base.get("refTable", self.tables[0]))
        if kind == "boolean":
            return self._chance.happens(0.5)
        if "enum" in base and not self.odd(0.05):
            return self._chance.pick(base["enum"][1])
        atoms: Any = _WORDS if kind == "string" else _INTEGERS if kind == "integer" else _REALS
        return self._chance.pick(atoms if self.odd(0.05) else [atom for atom in atoms if _fits(base, atom)])

    def _reference(self, table: str) -> Any:
        fitting = self.fitting_names(table)
        if fitting and self._chance.happens(0.8):
            return ["named-uuid", self._chance.pick(fitting)]
        if self.uuids[table] and not self.odd(0.05):
            return ["uuid", self._chance.pick(self.uuids[table][-6:])]
        return ["uuid", self._chance.uuid()]


def _fits(base: Wire, atom: str | float) -> bool:
    """Tell whether an atom is within the range of its type."""
    if isinstance(atom, str):
        longest: int = base.get("maxLength", len(atom))
        return len(atom) <= longest
    low: float = base.get("minInteger", atom)
    high: float = base.get("maxInteger", atom)
    return low <= atom <= high
