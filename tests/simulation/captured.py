"""The log of a run: a traceback in it is a violation, and warnings are part of the story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import provider

from tests.simulation.history import History


@contextmanager
def captured(history: History, now: Callable[[], float]) -> Iterator[None]:
    """Note what the daemon logs meanwhile.

    Args:
        history: Where it is noted.
        now: Returns the time of the world.
    """

    @provider(ILogObserver)
    def note(event: LogEvent) -> None:
        level, failure = event.get("log_level"), event.get("log_failure")
        if failure is not None:
            traceback = failure.getTraceback(elideFrameworkCode=True)
            history.violate(now(), "log", f"{formatEvent(event)}\n{traceback}")
        elif level is not None and level >= LogLevel.warn and event.get("log_namespace", "").startswith("nuage."):
            history.add(now(), "log", formatEvent(event))
            history.count("log warnings")

    globalLogPublisher.addObserver(note)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(note)
