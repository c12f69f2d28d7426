"""The reference of the configuration: what the settings know of each key, with the words of the shipped file.

It is generated, so that a key is described once: its spelling, its default and what is allowed in
``nuage/config/settings.py``, what it is for in the comment above it in ``etc/nuage.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from nuage.config.settings import Config

SHIPPED = Path(__file__).parents[1] / "etc" / "nuage.yaml"

_GROUP = re.compile(r"# --- (.+) -+")
_KEY = re.compile(r"(\w+):")
#: Sentences that only readers of the file need: the settings say the same.
_KNOWN = re.compile(r"\s*\b(?:Allowed|Default): .*?\.(?=\s|$)", re.DOTALL)


@attrs.frozen
class Described:
    """What the shipped file says of a key: the heading above it, and the lines of its comment."""

    group: str
    comment: tuple[str, ...]


def described(shipped: str) -> dict[str, Described]:
    """Return what the file says of each key, by the key's spelling."""
    found: dict[str, Described] = {}
    group, comment = "", []
    for line in shipped.splitlines():
        if heading := _GROUP.fullmatch(line):
            group = heading[1]
        elif line.startswith("#"):
            comment.append(line.removeprefix("#").removeprefix(" "))
        else:
            if key := _KEY.match(line):
                found[key[1]] = Described(group, tuple(comment))
            comment = []
    return found


def reference(shipped: str, *, index: bool = True) -> str:
    """Return the reference of all keys as reStructuredText.

    Args:
        shipped: The content of ``etc/nuage.yaml``.
        index: Whether other pages find the keys here. Only one page may have that.

    Raises:
        ValueError: The file does not describe a key.
    """
    words = described(shipped)
    lines: list[str] = []
    fields = {field.metadata["yaml"]: field for field in attrs.fields(Config)}
    if missing := fields.keys() - words.keys():
        raise ValueError(f"etc/nuage.yaml does not describe {', '.join(sorted(missing))}")
    group = ""
    for key, said in words.items():
        if said.group != group:
            group = said.group
            lines += [group, "-" * len(group), ""]
        lines += _entry(fields[key], said, index)
    return "\n".join(lines)


def _entry(field: attrs.Attribute[Any], said: Described, index: bool) -> Iterator[str]:
    yield f".. confval:: {field.metadata['yaml']}"
    if not index:
        yield "   :no-index:"
    yield ""
    for line in (*_prose(said.comment), *_facts(field)):
        yield f"   {line}" if line else ""
    yield ""


def _facts(field: attrs.Attribute[Any]) -> Iterator[str]:
    yield f":Allowed: {_escaped(field.metadata['allowed'])}"
    yield f":Default: {'empty' if field.default is None else f'``{_shown(field.default)}``'}"
    yield f":Variable: ``NUAGE_{field.name.upper()}``"


def _shown(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def _prose(comment: tuple[str, ...]) -> Iterator[str]:
    """Yield paragraphs, and what is indented in the comment as it is."""
    paragraphs: list[list[str]] = [[]]
    for line in comment:
        literal = line.startswith(" ")
        if not line or (paragraphs[-1] and literal != paragraphs[-1][0].startswith(" ")):
            paragraphs.append([])
        if line:
            paragraphs[-1].append(line)
    for paragraph in paragraphs:
        if paragraph and paragraph[0].startswith(" "):
            yield from ("::", "", *paragraph, "")
        elif text := _KNOWN.sub("", " ".join(paragraph)).strip():
            yield from (_escaped(text), "")


def _escaped(text: str) -> str:
    return re.sub(r"([\\*`_|])", r"\\\1", text)
