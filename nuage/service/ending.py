"""The end of the process, which nothing may hold up forever."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable

from twisted.logger import Logger

#: Seconds after the deadline of a call by which the daemon has ended, whatever hangs.
GRACE = 1.0
#: The last of these seconds, in which the reactor ends.
LAST_STEPS = 0.25


class LastResort:
    """Ends the process from outside the reactor, because the reactor may be what hangs.

    After all services have ended, the reactor waits for its threads. One that asks a silent server for a name takes as
    long as the resolver tries.

    Args:
        leave: Ends the process with a status, at once.
    """

    _log = Logger()

    def __init__(self, leave: Callable[[int], object] = os._exit) -> None:
        self._leave = leave
        self._timer: threading.Timer | None = None

    def due(self, seconds: float) -> None:
        """End the process after this time, unless it has ended by then. This replaces an earlier request."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        try:
            self._log.critical("the end is forced; what hangs: {hanging}", hanging="; ".join(_hanging()))
        finally:
            self._leave(1)


def _hanging() -> list[str]:
    """Name the threads that keep the process from ending, and where they are."""
    frames = sys._current_frames()
    threads = [each for each in threading.enumerate() if not each.daemon and each.ident in frames]
    return [f"{each.name} in {_place(frames[each.ident])}" for each in threads if each.ident is not None]


def _place(frame: object) -> str:
    last = traceback.extract_stack(frame, limit=1)[-1]  # type: ignore[arg-type]
    return f"{last.name} ({last.filename}:{last.lineno})"
