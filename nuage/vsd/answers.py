"""What the VSD's answers say: its objects, or why it does not do what was asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from nuage.http import Response, excerpt
from nuage.text import joined

#: An object of the VSD, as its answer has it. It has an ``ID``.
Entity = dict[str, Any]

#: IDs are UUIDs. They become parts of paths, so that nothing else is taken.
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class NotUnderstood(Exception):
    """An answer is not what the VSD's interface says. The text says what it is instead."""


@attrs.frozen
class Refusal:
    """Why the VSD does not do what was asked, in its words as far as it has some."""

    status: int
    code: int | None
    title: str
    description: str
    words: str

    def __str__(self) -> str:
        code = f", its error {self.code}" if self.code is not None else ""
        return f"it answered {self.status}{code}: {self.words}"


def entities(response: Response) -> list[Entity]:
    """Return the objects of a good answer, none if it is empty.

    Raises:
        NotUnderstood: It is not a list of objects that have an ID.
    """
    if response.status == 204:
        return []
    content = _decoded(response.body)
    if not isinstance(content, list) or not all(_is_entity(each) for each in content):
        raise NotUnderstood(
            f"not understood: it answered {response.status} with something unexpected: {_shown(response.body)}"
        )
    return content


def is_id(value: object) -> bool:
    """Tell whether a value can be the ID of an object, and a part of a path."""
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def total(response: Response) -> int | None:
    """Return how many objects a list has on all of its pages, None if the answer does not tell."""
    text = response.header("X-Nuage-Count")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def refusal(response: Response) -> Refusal:
    """Return what an answer says that is not a good one."""
    content = _decoded(response.body)
    fields = content if isinstance(content, dict) else {}
    code = fields.get("internalErrorCode")
    sentences = list(_sentences(fields))
    title, description = sentences[0] if sentences else ("", "")
    words = "; ".join(joined(*filter(None, sentence)) for sentence in sentences[:3])
    return Refusal(
        status=response.status,
        code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        title=title,
        description=description,
        words=words or f"{response.phrase} {_shown(response.body)}".strip(),
    )


def _sentences(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield title and description of each thing that is wrong."""
    for error in _mappings(fields.get("errors")):
        about = _text(error.get("property"))
        for each in _mappings(error.get("descriptions")) or [error]:
            title, description = _text(each.get("title")), _text(each.get("description"))
            if title or description:
                yield title, f"{about}: {description}" if about and description else description
    title, description = _text(fields.get("title")), _text(fields.get("description"))
    if title or description:
        yield title, description


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _is_entity(value: object) -> bool:
    return isinstance(value, dict) and is_id(value.get("ID"))


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return excerpt(value) if isinstance(value, str) else ""


def _shown(body: bytes) -> str:
    return excerpt(body.decode(errors="replace")) or "nothing"
