"""What a transaction must have changed in the mirrored tables.

The server sends the update of a transaction before its reply. So if a transaction certainly changed something that is
monitored, and no update came before its reply, the monitor has fallen silent. Only what is certain counts: if a
transaction finds everything as it should be, there is no update.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from ovs.db.schema import DbSchema

from nuage.ovsdb.cache import Cache, Row, Table
from nuage.ovsdb.notation import Atom, Named, Value
from nuage.ovsdb.operations import Delete, Insert, Mutate, Operation, Update, Where
from nuage.ovsdb.results import Affected, Result

_Changing = Mutate | Update
_Writing = Insert | Delete | _Changing


def must_show(schema: DbSchema, cache: Cache, operations: Sequence[Operation], results: Sequence[Result]) -> bool:
    """Tell whether a transaction that was committed must have changed the monitored tables.

    :param schema: the database's schema.
    :param cache: the tables as they were before the transaction.
    :param operations: the transaction.
    :param results: one for each operation.
    """
    found = [
        operation
        for operation, result in zip(operations, results, strict=True)
        if isinstance(operation, Insert | Delete | Mutate | Update)
        and operation.table in cache.tables
        and result != Affected(0)
    ]
    return _rows_come_or_go(schema, found) or any(_changes_rows(cache, operation) for operation in _alone(found))


def _rows_come_or_go(schema: DbSchema, operations: Sequence[_Writing]) -> bool:
    """Tell whether rows were inserted or deleted for certain.

    A row that nothing refers to goes at once if its table is no root (RFC 7047 section 3.2). Operations take place in
    their order, so what a transaction inserts it may delete later, and what it deletes first was there before.
    """
    kept = _referred(schema, operations)
    for number, operation in enumerate(operations):
        if isinstance(operation, Insert):
            stays = schema.tables[operation.table].is_root or operation.name in kept
            if stays and not _any(Delete, operation.table, operations[number + 1 :]):
                return True
        if isinstance(operation, Delete) and not _any(Insert, operation.table, operations[:number]):
            return True
    return False


def _any(kind: type[_Writing], table: str, operations: Sequence[_Writing]) -> bool:
    return any(isinstance(each, kind) and each.table == table for each in operations)


def _referred(schema: DbSchema, operations: Sequence[_Writing]) -> AbstractSet[str]:
    """Return the names of inserted rows that rows which were there before refer to from now on."""
    names = set()
    for operation in _alone(operations):
        if isinstance(operation, Update):
            written = list(operation.row.items())
        else:
            written = [(column, operand) for column, mutator, operand in operation.mutations if mutator == "insert"]
        columns = schema.tables[operation.table].columns
        for column, value in written:
            if column in columns and columns[column].type.key.is_strong_ref():
                names |= {atom.name for atom in _atoms(value) if isinstance(atom, Named)}
    return names


def _atoms(value: Value) -> Iterable[Any]:
    return value if isinstance(value, Mapping | AbstractSet) else (value,)


def _alone(operations: Sequence[_Writing]) -> Iterator[_Changing]:
    """Yield those that change rows of a table that no other operation of the transaction touches."""
    touched = Counter(operation.table for operation in operations)
    for operation in operations:
        if isinstance(operation, Mutate | Update) and touched[operation.table] == 1:
            yield operation


def _changes_rows(cache: Cache, operation: _Changing) -> bool:
    row = _row_of(cache[operation.table], operation.where)
    if row is None:
        return False
    if isinstance(operation, Update):
        return any(column in row and row[column] != value for column, value in operation.row.items())
    after: dict[str, Value] = {}
    for column, mutator, operand in operation.mutations:
        if column in row:
            after[column] = _mutated(after.get(column, row[column]), mutator, operand)
    return any(row[column] != value for column, value in after.items())


def _row_of(table: Table, where: Where) -> Row | None:
    """Return the row that a condition by uuid or by an indexed column finds; None if that cannot be told."""
    if len(where) != 1 or where[0][1] != "==":
        return None
    column, _, value = where[0]
    if column == "_uuid":
        return table.rows.get(str(value))
    try:
        return table.find(column, value)
    except KeyError:
        return None


def _mutated(value: Value, mutator: str, operand: Value) -> Value:
    """Return a map or set after a mutation (RFC 7047 section 5.1); other values as they are."""
    kind = Mapping if isinstance(value, Mapping) else AbstractSet
    mutate = _MUTATORS.get((mutator, kind))
    return mutate(value, operand) if mutate is not None and isinstance(value, kind) else value


def _map_without(value: Mapping[Any, Atom], operand: Value) -> Value:
    if isinstance(operand, Mapping):
        return {key: item for key, item in value.items() if key not in operand or operand[key] != item}
    gone = operand if isinstance(operand, AbstractSet) else {operand}
    return {key: item for key, item in value.items() if key not in gone}


_MUTATORS: Mapping[tuple[str, type], Callable[..., Value]] = {
    ("insert", Mapping): lambda value, operand: {**operand, **value},
    ("delete", Mapping): _map_without,
    ("insert", AbstractSet): lambda value, operand: value | operand,
    ("delete", AbstractSet): lambda value, operand: value - operand,
}
