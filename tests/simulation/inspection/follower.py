"""Somebody who listens to ``/events``, and so knows at each moment what ``/status`` would tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.simulation.docker.answer import Answer
from tests.simulation.inspection.questions import Question

#: Seconds until it listens again after the daemon has gone.
_AGAIN = 1.0
#: The lists of a report, of which changes tell what is new.
_LISTS = ("networks", "endpoints")


class Follower:
    """Listens, and keeps what it hears up to date.

    Args:
        ask: Asks a question.
        reactor: Keeps the time.

    Attributes:
        known: The report, as far as it was heard; None without a connection.
    """

    def __init__(self, ask: Callable[[Question], None], reactor: Any) -> None:
        self._ask = ask
        self._reactor = reactor
        self._heard = bytearray()
        self.known: dict[str, Any] | None = None

    def start(self) -> None:
        """Listen from now on."""
        self._heard.clear()
        self._ask(Question("/events", self._ended, self._hear))

    def _ended(self, _answer: Answer | None) -> None:
        self.known = None
        self._reactor.callLater(_AGAIN, self.start)

    def _hear(self, data: bytes) -> None:
        """Take bytes; each event ends with an empty line. What is between them is of HTTP."""
        self._heard += data
        while (end := self._heard.find(b"\n\n")) >= 0:
            lines = bytes(self._heard[:end]).decode("ascii").split("\n")
            del self._heard[: end + 2]
            said = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
            if said:
                self._note(json.loads(said[0]), whole="event: report" in lines)

    def _note(self, said: dict[str, Any], *, whole: bool) -> None:
        if whole:
            self.known = said
        elif self.known is not None:
            changes = {name: said.pop(name) for name in _LISTS if name in said}
            self.known |= said
            for name, change in changes.items():
                listed = {each["id"]: each for each in self.known[name]}
                listed |= {each["id"]: each for each in change["changed"]}
                self.known[name] = [each for each in listed.values() if each["id"] not in change["removed"]]
