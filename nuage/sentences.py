"""Sentences of several authors in one line."""

from __future__ import annotations


def joined(*sentences: str) -> str:
    """Return sentences as one, parted by semicolons and without the full stops that they may end with.

    Reasons come from the kernel, from libraries and from peers, with a full stop or without.
    """
    return "; ".join(filter(None, (sentence.strip().rstrip(".;") for sentence in sentences)))
