"""What users give as options and labels, and what is wrong with it: one check for all places.

A misspelt key, or a value that is not a name, would leave a container with another policy than its user believes. So
both are refused, wherever they were given.
"""

from __future__ import annotations

from collections.abc import Collection

from nuage.names import NAME_LENGTH
from nuage.text import did_you_mean, shown


def problem_of(kind: str, key: str, value: object, known: Collection[str], aliases: Collection[str] = ()) -> str | None:
    """Return what is wrong with one thing that a user gave, None if it is good.

    Args:
        kind: What it is, for the message: "option", "driver-opt" or "label".
        key: Its key.
        value: Its value, which has to be a name.
        known: The keys that are allowed.
        aliases: Further spellings that may have been meant.
    """
    if key not in known:
        hint = did_you_mean(key[:NAME_LENGTH], (*known, *aliases))
        return f"unknown {kind} {shown(key)}{hint or '; known are ' + ', '.join(known)}"
    problem = name_problem(value)
    return f'{kind} "{key}" {problem}' if problem else None


def name_problem(value: object) -> str | None:
    """Return why a value cannot be the name of something in Nuage, None if it can."""
    if not isinstance(value, str):
        return f"is {shown(value)}; give a name"
    if not value.strip():
        return "is empty; give a name"
    if not value.isprintable():
        return f"has a character that cannot be printed in {shown(value)}; leave it out"
    if len(value) > NAME_LENGTH:
        return f"has {len(value)} characters; {NAME_LENGTH} are allowed"
    return None
