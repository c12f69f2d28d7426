"""Rows of the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ovs.db.types import Type

from nuage.ovsdb.errors import ProtocolViolation
from nuage.ovsdb.monitored import Index, Monitored
from nuage.ovsdb.notation import Decoder, Value, apply_diff, decoder, default, encode, key_decoder

#: Reads a value from a row in wire form.
_Reader = Callable[[Mapping[str, Any]], Value]


class Columns:
    """How the monitored columns of a table are decoded, by the schema of one connection."""

    def __init__(self, monitored: Monitored, types: Mapping[str, Type]) -> None:
        """Prepare for those of the ``monitored`` columns that are in ``types``."""
        self.table = monitored.table
        self.types = types
        self._decoders: dict[str, Decoder] = {name: decoder(type_) for name, type_ in types.items()}
        self._defaults: dict[str, Value] = {name: default(type_) for name, type_ in types.items()}
        self.readers: Mapping[Index, _Reader] = {index: self._reader(index) for index in monitored.indexes}

    def _reader(self, index: Index) -> _Reader:
        """Return what reads the value of ``index`` from a row in wire form, None if there is none."""
        column, key = (index, None) if isinstance(index, str) else index
        type_ = self.types.get(column)
        if type_ is None or not (key is None or type_.is_map()):
            return lambda _wire: None
        if key is not None:
            decode, missing = key_decoder(type_, key), None
        else:
            decode, missing = self._decoders[column], self._defaults[column]
        return lambda wire: decode(wire[column]) if column in wire else missing

    def decode(self, column: str, wire: Mapping[str, Any]) -> Value:
        """Return the value of ``column`` in a row in wire form; a column left out has its type's default.

        :raises KeyError: when the column is not monitored or the database lacks it.
        """
        if column in wire:
            return self._decoders[column](wire[column])
        return self._defaults[column]


class Row(Mapping[str, Value]):
    """An immutable row: its columns by name.

    A column is decoded when it is asked for, because a user looks at few of the many rows that it loads. What comes
    later, in updates, is checked at once. Asking for a column that is not monitored, or that the database lacks, raises
    KeyError.

    :ivar uuid: the row's ``_uuid``.
    """

    __slots__ = ("_columns", "_values", "_wire", "uuid")

    def __init__(self, columns: Columns, uuid: str, wire: dict[str, Any]) -> None:
        """Keep the row's wire form, in which columns with default values may be missing."""
        self._columns = columns
        self._wire = wire
        self._values: dict[str, Value] | None = None
        self.uuid = uuid

    @property
    def table(self) -> str:
        """The name of the row's table."""
        return self._columns.table

    def __getitem__(self, column: str) -> Value:
        """Return the value of a column."""
        values = self._values
        if values is None:
            values = self._values = {}
        if column not in values:
            values[column] = self._columns.decode(column, self._wire)
        return values[column]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the columns."""
        return iter(self._columns.types)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns.types)

    def __repr__(self) -> str:
        """Show the table, the uuid and the columns."""
        return f"<Row {self.table} {self.uuid} {dict(self)}>"

    __hash__ = None  # type: ignore[assignment]

    def check(self) -> None:
        """Look at each column without keeping it.

        :raises ProtocolViolation: when the value of one does not fit its type.
        """
        for column in self._wire.keys() & self._columns.types.keys():
            self._columns.decode(column, self._wire)

    def peek(self, index: Index) -> Value:
        """Return the value of an index without keeping it, None for one that the row or the database lacks."""
        return self._columns.readers[index](self._wire)

    def same_content(self, other: Row) -> bool:
        """Tell whether both rows have the same values, decoded by the same schema.

        Wire forms that differ may mean the same: sets have no order, defaults may be left out.
        """
        return self._columns is other._columns and (self._wire == other._wire or self == other)

    def modified(self, diff: Mapping[str, Any]) -> Row:
        """Return the row after the ``modify`` of an ``update2`` (ovsdb-server(7)).

        :raises ProtocolViolation: when ``diff`` is not one for this row.
        """
        types = self._columns.types
        if not diff.keys() <= types.keys():
            raise ProtocolViolation(f"an update modifies columns of {self.table} that were not asked for: {list(diff)}")
        changed = {
            column: encode(apply_diff(types[column], self[column], wire), types[column])
            for column, wire in diff.items()
        }
        return Row(self._columns, self.uuid, {**self._wire, **changed})
