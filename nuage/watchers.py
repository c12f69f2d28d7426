"""Telling others what happened, without depending on them or on what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.logger import Logger

from nuage.told import Told

Event = TypeVar("Event")


class Watchers(Generic[Event]):
    """Those who are told of one kind of event. It works without any.

    Args:
        what: What the events are about, for the log.
    """

    _log = Logger()

    def __init__(self, what: str) -> None:
        self._what = what
        self._watchers: list[Callable[[Event], object]] = []
        self._told = Told()

    def add(self, watcher: Callable[[Event], object]) -> None:
        """Tell a watcher of each event from now on. What it raises is logged, and harms nobody else."""
        self._watchers.append(watcher)

    def tell(self, event: Event) -> None:
        """Tell all watchers of an event."""
        for watcher in self._watchers:
            try:
                watcher(event)
            except Exception as problem:  # noqa: PERF203
                # It may fail at each event: once is enough.
                if self._told.is_new("", repr(problem)):
                    self._log.failure("a watcher of {what} failed", what=self._what)
