"""Predicates by which the VSD filters lists, in the style of Apple's Cocoa."""

from __future__ import annotations


def equals(attribute: str, value: str) -> str:
    """Return the predicate of an attribute that has a value.

    How the VSD wants a quote within quotes is not known for certain. So the other kind of quotes is put around a value
    that has one kind, and whoever filters compares the answer's values again.
    """
    escaped = value.replace("\\", "\\\\")
    if '"' in value and "'" not in value:
        return f"{attribute} == '{escaped}'"
    quoted = escaped.replace('"', '\\"')
    return f'{attribute} == "{quoted}"'
