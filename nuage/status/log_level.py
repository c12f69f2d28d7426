"""The level of the log, which can be changed until the next start."""

from __future__ import annotations

from typing import Protocol

from twisted.logger import Logger
from twisted.web.iweb import IRequest

from nuage.config.checks import LOG_LEVELS
from nuage.errors import MalformedRequest
from nuage.status.control import Small, answer
from nuage.text import did_you_mean, shown

#: Bytes of a body that are read: a level is one word.
_LONGEST = 100


class Levels(Protocol):
    """What has a level: :class:`nuage.service.logs.Log`."""

    def level(self) -> str:
        """Return it, as the configuration spells it."""

    def set_level(self, level: str) -> None:
        """Change it until the next start."""


class LogLevel(Small):
    """``/log-level``: GET tells it, PUT with one word as the body changes it.

    Args:
        log: The log.
    """

    _app = Small.routes()
    _log = Logger()

    def __init__(self, log: Levels) -> None:
        self._levels = log

    @_app.route("/log-level", methods=["GET"])
    def tell(self, request: IRequest) -> bytes:
        """Tell the level."""
        return answer(request, {"level": self._levels.level()})

    @_app.route("/log-level", methods=["PUT"])
    def change(self, request: IRequest) -> bytes:
        """Change the level."""
        word = request.content.read(_LONGEST).decode(errors="replace").strip()
        level = LOG_LEVELS.get(word.lower())
        if level is None:
            known = ", ".join(dict.fromkeys(LOG_LEVELS.values()))
            raise MalformedRequest(
                f"log level {shown(word)} is unknown{did_you_mean(word, LOG_LEVELS)}; known: {known}"
            )
        former = self._levels.level()
        self._levels.set_level(level)
        self._log.warn("the log level was {former} and is {new} until the next start", former=former, new=level)
        return self.tell(request)
