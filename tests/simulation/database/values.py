"""Values of columns: from JSON and to it, and what differs between two (RFC 7047 section 5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.database.refused import Refused, malformed
from tests.simulation.database.schema import Atom, Base, Datum, Type

#: Returns the uuid of the row that is inserted under a name.
Names = Callable[[str], str]

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def read(type_: Type, wire: Any, names: Names) -> Datum:
    """Read the JSON form of a value.

    Raises:
        Refused: It is none of the type.
    """
    is_map = type_.value is not None
    if not is_map and not _is_tagged(wire, "set"):
        return (_atom(type_.key, wire, names),)
    elements = _elements(wire, "map" if is_map else "set")
    if not type_.n_min <= len(elements) <= type_.n_max:
        raise malformed(f"{len(elements)} members instead of {type_.n_min} to {type_.n_max}")
    datum: Datum = _pairs(type_, elements, names) if is_map else _sorted(_atom(type_.key, e, names) for e in elements)
    if len(datum) != len(elements):
        raise Refused("ovsdb error", "map contains duplicate key" if is_map else "set contains duplicate")
    return datum


def write(type_: Type, datum: Datum) -> Any:
    """Return the JSON form of a value."""
    key = _WRITERS.get(type_.key.kind, _as_it_is)
    if type_.value is not None:
        value = _WRITERS.get(type_.value.kind, _as_it_is)
        return ["map", [[key(k), value(v)] for k, v in datum.items()]]
    if len(datum) == 1:
        return key(datum[0])
    return ["set", [key(atom) for atom in datum]]


def plain(type_: Type, datum: Datum) -> Any:
    """Return a value as Python has it: an atom, an atom or None, a tuple in order, or a dict."""
    if type_.value is not None:
        return datum
    if type_.is_scalar:
        return datum[0]
    if type_.is_optional:
        return datum[0] if datum else None
    return datum


def check(type_: Type, datum: Datum) -> None:
    """Check the constraints of atoms.

    Raises:
        Refused: One is violated.
    """
    for atom in datum:
        _check(type_.key, atom)
    if type_.value is not None:
        for atom in datum.values():
            _check(type_.value, atom)


def union(datum: Datum, more: Datum) -> Datum:
    """Add atoms, or pairs whose keys are new."""
    if isinstance(datum, dict):
        return in_order({**more, **datum})
    return datum if not more else _sorted({*datum, *more})


def difference(datum: Datum, less: Datum) -> Datum:
    """Take away atoms, or pairs, or keys if ``less`` has only keys."""
    if isinstance(datum, dict):
        if isinstance(less, dict):
            return {k: v for k, v in datum.items() if k not in less or less[k] != v}
        return {k: v for k, v in datum.items() if k not in less}
    return tuple(atom for atom in datum if atom not in less)


def changed(type_: Type, old: Datum, new: Datum) -> Datum:
    """Return what an ``update2`` tells of a change: the new value, or the difference if there may be several atoms."""
    if not type_.is_composite:
        return new
    if isinstance(old, dict):
        gone = {k: v for k, v in old.items() if k not in new}
        return in_order({**gone, **{k: v for k, v in new.items() if k not in old or old[k] != v}})
    return _sorted(set(old).symmetric_difference(new))


def in_order(pairs: Mapping[Atom, Atom]) -> Datum:
    """Return a map in the order of its keys."""
    return {key: pairs[key] for key in sorted(pairs)}


def _pairs(type_: Type, elements: list[Any], names: Names) -> Datum:
    assert type_.value is not None
    pairs = {}
    for element in elements:
        if not isinstance(element, list) or len(element) != 2:
            raise malformed("a pair is expected")
        pairs[_atom(type_.key, element[0], names)] = _atom(type_.value, element[1], names)
    return in_order(pairs)


def _sorted(atoms: Any) -> Datum:
    return tuple(sorted({*atoms}))


def _is_tagged(wire: Any, tag: str) -> bool:
    return isinstance(wire, list) and bool(wire) and wire[0] == tag


def _elements(wire: Any, tag: str) -> list[Any]:
    if not _is_tagged(wire, tag) or len(wire) != 2 or not isinstance(wire[1], list):
        raise malformed(f"a {tag} is expected")
    elements: list[Any] = wire[1]
    return elements


def _atom(base: Base, wire: Any, names: Names) -> Atom:
    atom = _READERS[base.kind](wire, names)
    _check(base, atom)
    return atom


def _integer(wire: Any, names: Names) -> Atom:
    if type(wire) is int and -(2**63) <= wire < 2**63:
        return wire
    raise malformed("an integer is expected")


def _real(wire: Any, names: Names) -> Atom:
    if type(wire) is int or type(wire) is float:
        return float(wire)
    raise malformed("a number is expected")


def _boolean(wire: Any, names: Names) -> Atom:
    if type(wire) is bool:
        return wire
    raise malformed("a boolean is expected")


def _string(wire: Any, names: Names) -> Atom:
    if type(wire) is str:
        return wire
    raise malformed("a string is expected")


def _uuid(wire: Any, names: Names) -> Atom:
    if isinstance(wire, list) and len(wire) == 2 and isinstance(wire[1], str):
        tag, text = wire
        if tag == "uuid" and _UUID.fullmatch(text):
            return text.lower()
        if tag == "named-uuid":
            return names(text)
    raise malformed("a uuid is expected")


_READERS: Mapping[str, Callable[[Any, Names], Atom]] = {
    "integer": _integer,
    "real": _real,
    "boolean": _boolean,
    "string": _string,
    "uuid": _uuid,
}


def _check(base: Base, atom: Atom) -> None:
    if base.allowed is not None and atom not in base.allowed:
        raise Refused("constraint violation", f"{atom!r} is not one of the allowed values")
    measure = len(atom) if base.kind == "string" else atom
    if base.kind in ("integer", "real", "string") and not base.low <= measure <= base.high:
        raise Refused("constraint violation", f"{atom!r} is not within {base.low} to {base.high}")


def _as_it_is(atom: Atom) -> Any:
    return atom


_WRITERS: Mapping[str, Callable[[Atom], Any]] = {
    "uuid": lambda atom: ["uuid", atom],
    # So many digits has ovsdb-server.
    "real": lambda atom: float(f"{atom:.15g}"),
}
