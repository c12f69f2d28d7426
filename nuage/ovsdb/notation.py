"""Values of OVSDB columns in Python and on the wire (RFC 7047 section 5.1).

In Python a value has the shape that its column's type gives it: a scalar is an atom, an optional scalar an atom or
None, a set a frozenset, a map a dict. A uuid is a plain ``str`` in canonical form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import attrs
from ovs.db.types import BooleanType, IntegerType, RealType, StringType, Type, UuidType

from nuage.ovsdb.errors import ProtocolViolation, ValueNotEncodable


@attrs.frozen
class Named:
    """The row that another operation of the same transaction inserts under the uuid-name ``name``."""

    name: str


Atom = int | float | bool | str | Named
# The key type of Mapping is invariant: naming it would refuse a Mapping[str, str].
Value = Atom | None | frozenset[Atom] | Mapping[Any, Atom]
Decoder = Callable[[Any], Value]

ZERO_UUID = "00000000-0000-0000-0000-000000000000"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")
_ATOM_DEFAULTS: dict[Any, Atom] = {
    IntegerType: 0,
    RealType: 0.0,
    BooleanType: False,
    StringType: "",
    UuidType: ZERO_UUID,
}


def encode(value: Value, type_: Type) -> Any:
    """Return the wire form of ``value`` for a column of ``type_``.

    :raises ValueNotEncodable: when it does not fit; constraints (ranges, enumerations) are left to the server.
    """
    if type_.is_map():
        return ["map", _encode_pairs(value, type_)]
    if type_.is_scalar():
        return _encode_atom(value, type_.key.type)
    if type_.is_optional():
        return ["set", []] if value is None else _encode_atom(value, type_.key.type)
    if not isinstance(value, AbstractSet):
        raise ValueNotEncodable(f"{value!r} is not a set of {type_.key.type}")
    _check_count(value, type_)
    # Python's order of a set differs from run to run. What is sent for the same value does not.
    return ["set", sorted(_encode_atom(atom, type_.key.type) for atom in value)]


def _encode_pairs(value: Value, type_: Type) -> list[Any]:
    if not isinstance(value, Mapping):
        raise ValueNotEncodable(f"{value!r} is not a map of {type_.key.type} to {type_.value.type}")
    _check_count(value, type_)
    return [[_encode_atom(k, type_.key.type), _encode_atom(v, type_.value.type)] for k, v in value.items()]


def _check_count(value: AbstractSet[Atom] | Mapping[Any, Atom], type_: Type) -> None:
    if not type_.n_min <= len(value) <= type_.n_max:
        raise ValueNotEncodable(f"{value!r} has {len(value)} elements, not {type_.n_min} to {type_.n_max}")


def _encode_atom(value: object, type_: Any) -> Any:
    encoded = _ATOM_ENCODERS[type_](value)
    if encoded is None:
        raise ValueNotEncodable(f"{value!r} is not a valid {type_}")
    return encoded


def _integer(value: object) -> Any:
    fits = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return value if fits else None


def _real(value: object) -> Any:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if fits else None


def _boolean(value: object) -> Any:
    return value if isinstance(value, bool) else None


def _string(value: object) -> Any:
    return value if isinstance(value, str) and _is_sendable(value) else None


def _is_sendable(text: str) -> bool:
    """Tell whether a text has neither null characters nor halves of surrogate pairs: the server would hang up."""
    # Most texts are ASCII, which Python knows of each: long records are not searched character by character.
    return "\0" not in text and (text.isascii() or not _HALF_OF_A_PAIR.search(text))


def _uuid(value: object) -> Any:
    if isinstance(value, Named):
        return ["named-uuid", value.name]
    return ["uuid", value] if isinstance(value, str) and _UUID.fullmatch(value) else None


_ATOM_ENCODERS: dict[Any, Callable[[object], Any]] = {
    IntegerType: _integer,
    RealType: _real,
    BooleanType: _boolean,
    StringType: _string,
    UuidType: _uuid,
}


def default(type_: Type) -> Value:
    """Return the value of a column of ``type_`` in a row that does not give one (RFC 7047 section 5.2.1)."""
    if type_.is_map():
        return {}
    if type_.is_scalar():
        return _ATOM_DEFAULTS[type_.key.type]
    if type_.is_optional():
        return None
    return frozenset([_ATOM_DEFAULTS[type_.key.type]] if type_.n_min else [])


def decoder(type_: Type) -> Decoder:
    """Return what turns the wire form of a column of ``type_`` into its value.

    It raises ProtocolViolation for a wire form of another shape.
    """
    return _checked(_map_decoder(type_) if type_.is_map() else _set_decoder(type_), type_)


def key_decoder(type_: Type, key: str) -> Decoder:
    """Return what finds the value of ``key`` in the wire form of a map of ``type_``; None if it is not there.

    The rest of the map is not decoded.
    """
    decode = _atom_decoder(type_.value.type)

    def find(wire: Any) -> Value:
        for name, value in _elements(wire, "map"):
            if name == key:
                return decode(value)
        return None

    return _checked(find, type_)


def _checked(decode: Decoder, type_: Type) -> Decoder:
    def checked(wire: Any) -> Value:
        try:
            return decode(wire)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise ProtocolViolation(f"{str(wire)[:200]} is not a value of type {type_.to_json()}") from error

    return checked


def _map_decoder(type_: Type) -> Decoder:
    key, value = _atom_decoder(type_.key.type), _atom_decoder(type_.value.type)
    return lambda wire: {key(k): value(v) for k, v in _elements(wire, "map")}


def _set_decoder(type_: Type) -> Decoder:
    atom = _atom_decoder(type_.key.type)
    if type_.is_scalar():
        return lambda wire: atom(_only(wire) if _is_set(wire) else wire)
    if type_.is_optional():
        return lambda wire: (atom(_only(wire)) if wire[1] else None) if _is_set(wire) else atom(wire)
    # A set of one element comes as the bare element.
    return lambda wire: frozenset(map(atom, _elements(wire, "set"))) if _is_set(wire) else frozenset((atom(wire),))


def _is_set(wire: Any) -> bool:
    return isinstance(wire, list) and wire[0] == "set"


def _only(wire: list[Any]) -> Any:
    (element,) = _elements(wire, "set")
    return element


def _elements(wire: Any, tag: str) -> list[Any]:
    actual, elements = wire
    if actual != tag or not isinstance(elements, list):
        raise ValueError(tag)
    return elements


def _atom_decoder(type_: Any) -> Callable[[Any], Atom]:
    return _ATOM_DECODERS[type_]


def _plain(python_type: type) -> Callable[[Any], Atom]:
    def decode(wire: Any) -> Atom:
        atom: Atom = wire
        if type(wire) is not python_type:
            raise TypeError(wire)
        return atom

    return decode


def _decode_real(wire: Any) -> float:
    if type(wire) is not int and type(wire) is not float:
        raise TypeError(wire)
    return float(wire)


def _decode_uuid(wire: Any) -> str:
    tag, text = wire
    if tag != "uuid" or not isinstance(text, str):
        raise ValueError(wire)
    return text


_ATOM_DECODERS: dict[Any, Callable[[Any], Atom]] = {
    IntegerType: _plain(int),
    RealType: _decode_real,
    BooleanType: _plain(bool),
    StringType: _plain(str),
    UuidType: _decode_uuid,
}


def apply_diff(type_: Type, old: Value, wire_diff: Any) -> Value:
    """Return what the ``old`` value of a column becomes by a ``modify`` of an ``update2`` (ovsdb-server(7)).

    :raises ProtocolViolation: when ``wire_diff`` does not fit the type.
    """
    diff = decoder(type_)(wire_diff)
    if not type_.is_composite():
        return diff
    if isinstance(old, Mapping) and isinstance(diff, Mapping):
        absent = object()
        removed = {key for key, value in diff.items() if old.get(key, absent) == value}
        return {key: value for key, value in {**old, **diff}.items() if key not in removed}
    assert isinstance(old, frozenset)
    assert isinstance(diff, frozenset)
    return old ^ diff
