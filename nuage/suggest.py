"""Help for somebody who mistyped a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(unknown: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "…"?'`` for the nearest known name, or nothing where none is near."""
    near = difflib.get_close_matches(unknown.lower(), sorted(known), n=1, cutoff=0.5)
    return f'; did you mean "{near[0]}"?' if near else ""
