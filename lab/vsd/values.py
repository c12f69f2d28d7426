"""Reading what a client says of an object, and writing what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.vsd.kinds import Attribute, Kind
from lab.vsd.refusals import Refusal, invalid, malformed

_NAMES = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}


def as_object(body: Any) -> Mapping[str, Any]:
    """Return a body that has to be an object.

    Raises:
        Refusal: It is not an object.
    """
    if not isinstance(body, dict):
        raise malformed(f"An object is needed as the body, not {str(body)[:80]!r}")
    return body


def as_ids(body: Any) -> list[str]:
    """Return a body that has to be a list of IDs.

    Raises:
        Refusal: It is not a list of IDs.
    """
    if not isinstance(body, list) or not all(isinstance(each, str) for each in body):
        raise malformed(f"A list of IDs is needed as the body, not {str(body)[:80]!r}")
    return body


def for_creation(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a new object.

    Raises:
        Refusal: One cannot be used, or one is missing.
    """
    values = _checked(kind, given)
    for attribute in kind.attributes.values():
        if attribute.required and values.get(attribute.name) in (None, ""):
            raise _mandatory(attribute)
    return {name: value for name, value in values.items() if value is not None}


def for_change(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a client wants an object to have. A null leaves alone what has a default.

    Raises:
        Refusal: One cannot be used.
    """
    values = _checked(kind, given)
    for name, value in values.items():
        attribute = kind.attributes[name]
        if attribute.required and not attribute.secret and value in (None, ""):
            raise _mandatory(attribute)
    return {
        name: value
        for name, value in values.items()
        if value is not None or (kind.attributes[name].default is None and not kind.attributes[name].secret)
    }


def _checked(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    known = (attribute for attribute in kind.attributes.values() if not attribute.read_only and attribute.name in given)
    return {attribute.name: _value(attribute, given[attribute.name]) for attribute in known}


def _value(attribute: Attribute, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, attribute.type) or (attribute.type is int and isinstance(value, bool)):
        raise invalid(attribute.name, f"{_NAMES[attribute.type]} is needed, not {str(value)[:80]!r}")
    if attribute.choices and value not in attribute.choices:
        raise invalid(attribute.name, f'"{value}" is not one of {", ".join(attribute.choices)}')
    if attribute.longest is not None and isinstance(value, str) and len(value) > attribute.longest:
        raise invalid(attribute.name, f"it is longer than {attribute.longest} characters")
    return value


def _mandatory(attribute: Attribute) -> Refusal:
    return Refusal("Invalid input", "This value is mandatory.", attribute.name)
