"""The results of the operations of a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from nuage.ovsdb.errors import ProtocolViolation
from nuage.ovsdb.notation import Value


@attrs.frozen
class Inserted:
    """The uuid of the new row."""

    uuid: str


@attrs.frozen
class Affected:
    """How many rows the condition matched; none is not an error for the server."""

    count: int


@attrs.frozen
class Selected:
    """The rows that the condition matched, by column name."""

    rows: tuple[Mapping[str, Value], ...]


@attrs.frozen
class Done:
    """The operation has no result except that it succeeded."""


Result = Inserted | Affected | Selected | Done


def inserted(wire: Any) -> Inserted:
    """Read the result of an insert (RFC 7047 section 5.2.1)."""
    reference = _member(wire, "uuid", list)
    if len(reference) != 2 or reference[0] != "uuid" or not isinstance(reference[1], str):
        raise ProtocolViolation(f"the result of an insert has no uuid: {reference}")
    return Inserted(reference[1])


def affected(wire: Any) -> Affected:
    """Read the result of an update, a mutate or a delete (RFC 7047 sections 5.2.3 to 5.2.5)."""
    return Affected(_member(wire, "count", int))


def selected_rows(wire: Any) -> list[dict[str, Any]]:
    """Read the result of a select (RFC 7047 section 5.2.2), its values still in wire form."""
    rows: list[dict[str, Any]] = _member(wire, "rows", list)
    if not all(isinstance(row, dict) for row in rows):
        raise ProtocolViolation("the result of a select holds something that is not a row")
    return rows


def _member(wire: Any, name: str, type_: type) -> Any:
    if not isinstance(wire, dict) or not isinstance(wire.get(name), type_):
        raise ProtocolViolation(f"the result of an operation lacks its {name}: {str(wire)[:200]}")
    return wire[name]
