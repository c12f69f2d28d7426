"""Filters in the style of Apple's predicates: ``name == "Subnet 2" and externalID BEGINSWITH 'x'``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs

from lab.vsd.refusals import malformed

_Accepts = Callable[[Mapping[str, Any]], bool]


@attrs.frozen
class Predicate:
    """Tells whether an object with some values is meant. All that are meant have the values in ``equal``."""

    accepts: _Accepts
    equal: Mapping[str, Any] = attrs.field(factory=dict)


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<sign>(?:==|!=|<>|<=|>=|=|<|>)(?:\[\w+\])?|&&|\|\||[()!])
      | (?P<word>[^\s"'=<>()!&|]+)
    )""",
    re.VERBOSE | re.DOTALL,
)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def check(one: Any, other: Any) -> bool:
        try:
            return compare(one, other)
        except TypeError:
            return False

    return check


def _textual(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda one, other: one is not None and other is not None and compare(str(one), str(other))


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "=": operator.eq,
    "IS": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": _ordered(operator.lt),
    ">": _ordered(operator.gt),
    "<=": _ordered(operator.le),
    ">=": _ordered(operator.ge),
    "BEGINSWITH": _textual(str.startswith),
    "ENDSWITH": _textual(str.endswith),
    "CONTAINS": _textual(operator.contains),
    "LIKE": _textual(fnmatchcase),
}
_WORDS: Mapping[str, Any] = {"NULL": None, "NIL": None, "TRUE": True, "YES": True, "FALSE": False, "NO": False}


def parse(text: str, filterable: Collection[str]) -> Predicate:
    """Read a filter.

    Args:
        text: The filter.
        filterable: The attributes that it may name.

    Raises:
        Refusal: It cannot be read, or names another attribute.
    """
    try:
        return _Reading(text, filterable).predicate()
    except RecursionError:
        raise malformed("The filter cannot be used: it has too many parentheses") from None


def contains(text: str, attributes: Collection[str]) -> Predicate:
    """Return the predicate of a filter that is plain text: one of the attributes has it in it."""
    return Predicate(lambda values: any(text.lower() in str(values.get(name) or "").lower() for name in attributes))


class _Reading:
    """Reads one filter from its left to its right: ``or`` binds less than ``and``, that less than ``not``."""

    def __init__(self, text: str, filterable: Collection[str]) -> None:
        self._text = text
        self._filterable = filterable
        self._tokens = self._split()

    def predicate(self) -> Predicate:
        found = self._any()
        if self._tokens:
            raise self._problem(f'"{self._tokens[0][1]}" is not expected')
        return found

    def _split(self) -> list[tuple[str, str]]:
        tokens = []
        position, end = 0, len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None:
                raise self._problem(f"nothing can be made of {self._text[position:]!r}")
            assert match.lastgroup is not None
            tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        return tokens

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._take("OR", "||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Predicate(lambda values: any(part.accepts(values) for part in parts))

    def _all(self) -> Predicate:
        parts = [self._one()]
        while self._take("AND", "&&"):
            parts.append(self._one())
        equal = {name: value for part in parts for name, value in part.equal.items()}
        return Predicate(lambda values: all(part.accepts(values) for part in parts), equal)

    def _one(self) -> Predicate:
        if self._take("NOT", "!"):
            negated = self._one()
            return Predicate(lambda values: not negated.accepts(values))
        if self._take("("):
            inner = self._any()
            if not self._take(")"):
                raise self._problem("a parenthesis is not closed")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        kind, name = self._next("an attribute")
        if kind != "word" or name not in self._filterable:
            raise self._problem(f'"{name}" is not an attribute that can be filtered by')
        _, sign = self._next("an operator")
        # "[c]" after an operator has case not matter.
        folded = sign.upper().endswith("[C]")
        compare = _OPERATORS.get(sign.upper().removesuffix("[C]"))
        if compare is None:
            raise self._problem(f'"{sign}" is not an operator')
        if sign.upper() == "IS" and self._take("NOT"):
            compare = operator.ne
        wanted = self._value(*self._next("a value"))
        if folded:
            return Predicate(lambda values: compare(_fold(values.get(name)), _fold(wanted)))
        equal = {name: wanted} if compare is operator.eq else {}
        return Predicate(lambda values: compare(values.get(name), wanted), equal)

    def _value(self, kind: str, text: str) -> Any:
        if kind == "quoted":
            return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        if text.upper() in _WORDS:
            return _WORDS[text.upper()]
        try:
            return float(text) if "." in text else int(text)
        except ValueError:
            raise self._problem(f'"{text}" is not a value; put text in quotes') from None

    def _take(self, *words: str) -> bool:
        if self._tokens and self._tokens[0][0] != "quoted" and self._tokens[0][1].upper() in words:
            self._tokens.pop(0)
            return True
        return False

    def _next(self, what: str) -> tuple[str, str]:
        if not self._tokens:
            raise self._problem(f"{what} is missing at its end")
        return self._tokens.pop(0)

    def _problem(self, why: str) -> Exception:
        return malformed(f"The filter {self._text!r} cannot be used: {why}")


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
