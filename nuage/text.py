"""Words for messages: showing values from outside, guessing the name that was meant, joining sentences."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

#: Characters of a value from outside that a message shows.
LONGEST_SHOWN = 80


def shown(value: object) -> str:
    """Show a value from outside in a message: as JSON, in one line, cut if it is long."""
    text = json.dumps(value, default=str) if not isinstance(value, (dict, list)) else kind_of(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)"


def kind_of(value: object) -> str:
    """Name the kind of a decoded JSON value."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def did_you_mean(unknown: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "…"?'`` for the nearest known name, or nothing if no name is near."""
    folded = {each.lower(): each for each in sorted(known)}
    near = difflib.get_close_matches(unknown.lower(), list(folded), n=1, cutoff=0.5)
    return f"; did you mean {shown(folded[near[0]])}?" if near else ""


def joined(*sentences: str) -> str:
    """Join sentences with semicolons. Sentences from elsewhere may end with a full stop, or not."""
    return "; ".join(filter(None, (sentence.strip().rstrip(".;") for sentence in sentences)))


def age(seconds: float) -> str:
    """Show a time span by its two largest units: ``3 d 4 h``."""
    left = int(max(seconds, 0))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
