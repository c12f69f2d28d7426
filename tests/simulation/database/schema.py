"""The schema of a database: tables, columns and their types (RFC 7047 section 3.2)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from lab.schema import NUAGE_TABLES

#: An atom is an int, a float, a bool or a str; a uuid is a str.
Atom = Any
#: The value of a column: a sorted tuple of atoms for scalars and sets, a dict in the order of its keys for maps. It is
#: never changed in place, because rows share it.
Datum = Any

ZERO_UUID = "00000000-0000-0000-0000-000000000000"
_VSWITCH_TABLES = Path(__file__).with_name("vswitch-tables.json")
_DEFAULTS: Mapping[str, Atom] = {"integer": 0, "real": 0.0, "boolean": False, "string": "", "uuid": ZERO_UUID}


@attrs.frozen(eq=False)
class Base:
    """The type of atoms: a range of numbers or of lengths, allowed values, the table referred to."""

    kind: str
    low: float = -math.inf
    high: float = math.inf
    allowed: frozenset[Atom] | None = None
    table: str | None = None


@attrs.frozen(eq=False)
class Type:
    """The type of a column: ``n_min`` to ``n_max`` atoms of ``key``, or pairs if there is a ``value``.

    ``is_scalar``: it is exactly one atom. ``is_optional``: it is one atom or none.
    """

    key: Base
    value: Base | None = None
    n_min: float = 1
    n_max: float = 1
    is_scalar: bool = attrs.field(init=False)
    is_optional: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        single = self.value is None and self.n_max == 1
        object.__setattr__(self, "is_scalar", single and self.n_min == 1)
        object.__setattr__(self, "is_optional", single and self.n_min == 0)

    @property
    def is_composite(self) -> bool:
        """Whether there may be several atoms or pairs: an update of such a column is a difference."""
        return self.n_max > 1

    @property
    def bases(self) -> tuple[Base, ...]:
        """The types of its atoms."""
        return (self.key,) if self.value is None else (self.key, self.value)

    def default(self) -> Datum:
        """Return the value of a column that a new row does not give."""
        atom = _DEFAULTS[self.key.kind]
        if self.value is not None:
            return {atom: _DEFAULTS[self.value.kind]} if self.n_min else {}
        return (atom,) if self.n_min else ()


@attrs.frozen(eq=False)
class Column:
    """A column. An ephemeral one does not outlive the server."""

    name: str
    type: Type
    mutable: bool
    ephemeral: bool


@attrs.frozen(eq=False)
class TableSchema:
    """A table. Rows of one that is no root go when nothing refers to them."""

    name: str
    columns: Mapping[str, Column]
    indexes: tuple[tuple[str, ...], ...]
    is_root: bool
    max_rows: float
    defaults: Mapping[str, Datum] = attrs.field(init=False)
    references: tuple[Column, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        set_once = object.__setattr__
        columns = self.columns.values()
        set_once(self, "defaults", {column.name: column.type.default() for column in columns})
        set_once(self, "references", tuple(c for c in columns if any(base.table for base in c.type.bases)))


@attrs.frozen(eq=False)
class Schema:
    """A database's schema; ``wire`` is its JSON form."""

    name: str
    tables: Mapping[str, TableSchema]
    wire: Mapping[str, Any]

    @classmethod
    def read(cls, wire: Mapping[str, Any]) -> Schema:
        """Read the JSON form."""
        roots = any(table.get("isRoot") for table in wire["tables"].values())
        tables = {
            name: TableSchema(
                name,
                {**_OF_EACH_TABLE, **{column: _column(column, of) for column, of in table["columns"].items()}},
                tuple(map(tuple, table.get("indexes", ()))),
                # Before tables said which of them are roots, all were.
                bool(table.get("isRoot")) or not roots,
                table.get("maxRows", math.inf),
            )
            for name, table in wire["tables"].items()
        }
        return cls(wire["name"], tables, wire)


def vrs_schema() -> dict[str, Any]:
    """Return a VRS's schema in its JSON form.

    It has those tables and columns of Open vSwitch that the plugin, the switch daemon and the agent use. That of the
    machine would do as well, but then the same seed would not give the same history everywhere.
    """
    schema: dict[str, Any] = json.loads(_VSWITCH_TABLES.read_text())
    schema["tables"].update(json.loads(NUAGE_TABLES.read_text()))
    return schema


def _column(name: str, wire: Mapping[str, Any]) -> Column:
    return Column(name, _type(wire["type"]), wire.get("mutable", True), wire.get("ephemeral", False))


def _type(wire: Any) -> Type:
    if isinstance(wire, str):
        return Type(Base(wire))
    value = wire.get("value")
    n_max = wire.get("max", 1)
    return Type(
        _base(wire["key"]),
        None if value is None else _base(value),
        wire.get("min", 1),
        math.inf if n_max == "unlimited" else n_max,
    )


def _base(wire: Any) -> Base:
    if isinstance(wire, str):
        return Base(wire)
    allowed = wire.get("enum")
    if allowed is not None:
        allowed = frozenset(allowed[1] if isinstance(allowed, list) else [allowed])
    # No table of a VRS that is simulated has weak references.
    assert wire.get("refType", "strong") == "strong"
    lows = (wire[name] for name in ("minInteger", "minReal", "minLength") if name in wire)
    highs = (wire[name] for name in ("maxInteger", "maxReal", "maxLength") if name in wire)
    return Base(
        wire["type"],
        next(lows, -math.inf),
        next(highs, math.inf),
        allowed,
        wire.get("refTable"),
    )


_OF_EACH_TABLE = {
    "_uuid": Column("_uuid", Type(Base("uuid")), mutable=False, ephemeral=False),
    "_version": Column("_version", Type(Base("uuid")), mutable=False, ephemeral=False),
}
