"""One question to Docker: it is asked, its answer is read, and how that went is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from twisted.logger import Logger

from nuage.docker import descriptions
from nuage.docker.descriptions import UNREADABLE
from nuage.docker.exchange import Answer, Exchange
from nuage.docker.negotiation import Negotiation
from nuage.docker.presence import REACHING, Again, Presence
from nuage.errors import DockerRefused, DockerUnavailable, DockerUnreachable
from nuage.told import Told
from nuage.watchers import Watchers

_Value = TypeVar("_Value")

#: How a question may end: "refused" is an answer with an error of the 400s; with "unreachable" nobody listens; with
#: "failed" the answer did not come, was late, an error of Docker's own or not understood.
OUTCOMES = ("ok", "refused", "unreachable", "failed")


def _outcome(problem: DockerUnavailable) -> str:
    if isinstance(problem, DockerRefused):
        return "refused"
    return "unreachable" if isinstance(problem, DockerUnreachable) else "failed"


class AnswerUnreadable(DockerUnavailable):
    """Docker answered, and the answer makes no sense."""


class Questions:
    """Asks one Docker daemon. ``ended`` tells how each question ended, in a word of OUTCOMES.

    Args:
        exchange: Asks it.
        presence: Is told how each question ended.
    """

    _log = Logger()

    def __init__(self, exchange: Exchange, presence: Presence) -> None:
        self._exchange = exchange
        self._negotiation = Negotiation(exchange, presence)
        self._presence = presence
        self.ended: Watchers[str] = Watchers("questions to Docker")
        self._told = Told()

    async def items(
        self, path: str, parse: Callable[[Any], _Value], query: Mapping[str, str] | None = None
    ) -> tuple[list[_Value], bool]:
        """Ask for a list, and return those of its items that can be read, and whether that is all of them."""
        return await self.ask(path, path, lambda answer: self.listed(answer, parse), query)

    async def ask(
        self, kind: str, path: str, read: Callable[[Answer], _Value], query: Mapping[str, str] | None = None
    ) -> _Value:
        """Ask, read the answer and tell how it went.

        Args:
            kind: What is the same for all questions of one form.
            path: What is asked, without a version.
            read: Makes something of the answer.
            query: The parameters.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        try:
            found = await self._asked(kind, path, read, query)
        except DockerUnavailable as problem:
            self.ended.tell(_outcome(problem))
            raise
        self.ended.tell("ok")
        return found

    async def _asked(
        self, kind: str, path: str, read: Callable[[Answer], _Value], query: Mapping[str, str] | None
    ) -> _Value:
        again = partial(self.ask, kind, path, read, query)
        with self._noting(REACHING, again):
            answer = await self._negotiation.get(path, query or {})
            self._presence.took(answer.seconds, answer.server, self._negotiation.version)
        with self._noting(kind, again):
            return read(answer)

    @contextmanager
    def _noting(self, step: str, again: Again) -> Iterator[None]:
        try:
            yield
        except DockerUnavailable as problem:
            self._presence.failed(step, problem, again)
            raise
        self._presence.answered(step)

    def listed(self, answer: Answer, parse: Callable[[Any], _Value]) -> tuple[list[_Value], bool]:
        """Return the items of a list that can be read, and whether that is all of them."""
        items = self.understood(answer, descriptions.items)
        parsed = [self._item(answer.path, item, parse) for item in items]
        readable = [item for item in parsed if item is not None]
        return readable, len(readable) == len(items)

    def _item(self, path: str, item: Any, parse: Callable[[Any], _Value]) -> _Value | None:
        try:
            return parse(item)
        except UNREADABLE as problem:
            # Show only a part: a container's state changes from one answer to the next.
            shown = f"Id {item['Id']!r}" if isinstance(item, dict) and "Id" in item else repr(item)[:80]
            if self._told.is_new((path, shown)):
                reason = f"not understood: the item with {shown} ({problem!r}); it is passed over"
                self._log.warn("{problem}", problem=str(self._exchange.unavailable(path, reason)))
            return None

    def refusal(self, answer: Answer) -> DockerUnavailable:
        """Return the error of a question whose answer is an error."""
        return self._negotiation.refusal(answer)

    def understood(self, answer: Answer, parse: Callable[[Any], _Value]) -> _Value:
        """Return what ``parse`` makes of an answer.

        Raises:
            AnswerUnreadable: It cannot be read.
            DockerUnavailable: It is an error.
        """
        if answer.status != 200:
            raise self.refusal(answer)
        try:
            return parse(json.loads(answer.body))
        except UNREADABLE:
            reason = f"not understood: it answered {answer.status} with something unexpected: {answer.body[:80]!r}"
        raise self._exchange.unavailable(answer.path, reason, AnswerUnreadable)
