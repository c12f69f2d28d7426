"""Which objects of a list a client wants, and how: filter, order, page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from lab.vsd import predicates
from lab.vsd.directory import Thing
from lab.vsd.kinds import Kind
from lab.vsd.predicates import Predicate
from lab.vsd.refusals import malformed

#: Objects of a page, if the client does not say, and at most.
_USUAL_SIZE, _GREATEST_SIZE = 50, 500

#: Gives the value of a header of the request, empty if the request does not have it.
Headers = Callable[[str], str]


@attrs.frozen(kw_only=True)
class Page:
    """Part of a list: its objects, and the headers that tell which part."""

    things: list[Thing]
    headers: dict[str, str]


def predicate(kind: Kind, headers: Headers) -> Predicate:
    """Return which objects the headers of a request want.

    Raises:
        Refusal: They cannot be used.
    """
    text = headers("X-Nuage-Filter")
    if not text:
        return Predicate(lambda _values: True)
    filterable = [name for name, attribute in kind.attributes.items() if attribute.filterable]
    if headers("X-Nuage-FilterType").lower() in ("plain", "text"):
        return predicates.contains(text, filterable)
    return predicates.parse(text, filterable)


def page_of(kind: Kind, chosen: list[Thing], headers: Headers) -> Page:
    """Return the part of a list that the headers of a request want, in the order that they want.

    Raises:
        Refusal: They cannot be used.
    """
    number = _number(headers, "X-Nuage-Page", 0)
    size = min(_number(headers, "X-Nuage-PageSize", _USUAL_SIZE) or _USUAL_SIZE, _GREATEST_SIZE)
    _sort(kind, chosen, headers("X-Nuage-OrderBy"))
    told = {
        "X-Nuage-Count": str(len(chosen)),
        "X-Nuage-Page": str(number),
        "X-Nuage-PageSize": str(size),
        "X-Nuage-FilterType": headers("X-Nuage-FilterType") or "predicate",
        **{name: headers(name) for name in ("X-Nuage-Filter", "X-Nuage-OrderBy") if headers(name)},
    }
    return Page(things=chosen[number * size : (number + 1) * size], headers=told)


def _number(headers: Headers, name: str, default: int) -> int:
    text = headers(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise malformed(f"{name} has to be a number, not {text!r}")
    return int(text)


def _sort(kind: Kind, things: list[Thing], order: str) -> None:
    # The last attribute first: the sort keeps the order of what is equal.
    for part in reversed([part.split() for part in order.split(",") if order.strip()]):
        name, direction = (*part, "ASC")[:2] if part else ("", "")
        if name not in kind.attributes or direction.upper() not in ("ASC", "DESC") or len(part) > 2:
            raise malformed(f"X-Nuage-OrderBy {order!r} cannot be used: an attribute, then ASC or DESC")
        things.sort(key=_ranked(name), reverse=direction.upper() == "DESC")


def _ranked(name: str) -> Callable[[Thing], tuple[bool, Any]]:
    """Return the key of a sort by an attribute; objects without a value come first."""
    return lambda thing: (thing[name] is not None, "" if thing[name] is None else thing[name])
