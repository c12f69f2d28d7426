"""Cutting the plan of a failing run to the shortest that still fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def shortest(items: Sequence[_Item], fails: Callable[[Sequence[_Item]], bool]) -> list[_Item]:
    """Return items of which none can be left out without success; their order stays.

    Pieces are left out, at first large ones, then single items, again and again until none can be left out. This is
    Zeller's "delta debugging" (ddmin) without its look at the pieces themselves, which seldom fail alone.

    Args:
        items: What fails together.
        fails: Whether some of them fail.
    """
    rest, size = list(items), len(items)
    while size:
        start, shorter = 0, False
        while start < len(rest):
            fewer = rest[:start] + rest[start + size :]
            if fails(fewer):
                rest, shorter = fewer, True
            else:
                start += size
        if not shorter or size > 1:
            size = size // 2 if size > 1 else 0
    return rest
