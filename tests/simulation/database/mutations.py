"""What a mutation makes of a value (RFC 7047 section 5.1, <mutation>)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from tests.simulation.database import values
from tests.simulation.database.refused import Refused, malformed
from tests.simulation.database.rows import Row
from tests.simulation.database.schema import Atom, Base, Column, Datum, TableSchema, Type
from tests.simulation.database.values import Names


@attrs.frozen(eq=False)
class Mutation:
    """One mutation of a column."""

    column: Column
    mutator: str
    argument: Datum

    def applied(self, datum: Datum) -> Datum:
        """Return what becomes of a value.

        Raises:
            Refused: The result is no value of the column.
        """
        type_ = self.column.type
        if self.mutator not in _MEMBERS:
            return _calculated(type_, datum, _CALCULATIONS[self.mutator], self.argument[0])
        if self.mutator == "insert":
            result = values.union(datum, self.argument)
        else:
            result = values.difference(datum, self.argument)
        if not type_.n_min <= len(result) <= type_.n_max:
            raise Refused("constraint violation", f"{len(result)} elements")
        return result


def read_mutations(table: TableSchema, wire: Any, names: Names) -> list[Mutation]:
    """Read the mutations of an operation.

    Raises:
        Refused: They are none.
    """
    if not isinstance(wire, list):
        raise malformed('"mutations" is no array')
    return [_mutation(table, each, names) for each in wire]


def mutated(row: Row, mutations: list[Mutation]) -> Row:
    """Return a row after mutations.

    Raises:
        Refused: A result is no value of its column.
    """
    after = dict(row)
    for mutation in mutations:
        after[mutation.column.name] = mutation.applied(after[mutation.column.name])
    return after


def _mutation(table: TableSchema, wire: Any, names: Names) -> Mutation:
    if not isinstance(wire, list) or len(wire) != 3 or not all(isinstance(word, str) for word in wire[:2]):
        raise malformed("a mutation is expected")
    column = table.columns.get(wire[0])
    if column is None:
        raise Refused("unknown column", f"No column {wire[0]} in table {table.name}.")
    if not column.mutable:
        raise Refused("constraint violation", f"Cannot mutate immutable column {column.name}.")
    if wire[1] not in _CALCULATIONS and wire[1] not in _MEMBERS:
        raise Refused("unknown mutator", f"No mutator named {wire[1]}.")
    return Mutation(column, wire[1], _argument(column.type, wire[1], wire[2], names))


def _argument(type_: Type, mutator: str, wire: Any, names: Names) -> Datum:
    if mutator not in _MEMBERS:
        numeric = type_.key.kind in ("integer", "real") and type_.value is None
        if not numeric or (mutator == "%=" and type_.key.kind == "real"):
            raise malformed(f'"{mutator}" may not be applied')
        return values.read(Type(Base(type_.key.kind)), wire, names)
    if type_.is_scalar:
        raise malformed(f'"{mutator}" may not be applied')
    if mutator == "insert":
        return values.read(attrs.evolve(type_, n_min=0), wire, names)
    some = attrs.evolve(type_, n_min=0, n_max=math.inf)
    try:
        return values.read(some, wire, names)
    except Refused:
        if type_.value is None:
            raise
        return values.read(attrs.evolve(some, value=None), wire, names)


def _calculated(type_: Type, datum: Datum, calculate: Callable[[Any, Any], Any], argument: Atom) -> Datum:
    result = [_in_range(type_.key, calculate(atom, argument)) for atom in datum]
    values.check(type_, result)
    if len({*result}) != len(result):
        raise Refused("constraint violation", "the result has duplicates")
    return tuple(sorted(result))


def _in_range(base: Base, number: Any) -> Any:
    if math.isfinite(number) if base.kind == "real" else -_RANGE <= number < _RANGE:
        return number
    raise _out_of_range()


def _out_of_range() -> Refused:
    return Refused("range error", "the result is out of range")


def _multiplied(one: Any, other: Any) -> Any:
    # So ovsdb-server has it: a product that just fits is out of range.
    if isinstance(one, int) and one > 0 and other > 0 and one >= (_RANGE - 1) // other:
        raise _out_of_range()
    return one * other


def _divided(dividend: Any, divisor: Any) -> Any:
    if not divisor:
        raise Refused("domain error", "Division by zero.")
    if isinstance(dividend, float):
        return dividend / divisor
    if (dividend, divisor) == (-_RANGE, -1):
        raise _out_of_range()
    # As in C: towards zero.
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _remainder(dividend: int, divisor: int) -> int:
    return int(dividend - divisor * _divided(dividend, divisor))


_RANGE = 2**63
_MEMBERS = ("insert", "delete")
_CALCULATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+=": operator.add,
    "-=": operator.sub,
    "*=": _multiplied,
    "/=": _divided,
    "%=": _remainder,
}
