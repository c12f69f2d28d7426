"""The clock that the daemon's timers go by."""

from __future__ import annotations

import time
from typing import Any


def measure_steadily(reactor: Any) -> None:
    """Have a reactor measure time by a clock that nobody sets.

    Twisted's reactors go by the time of day. When that is set back, as NTP does at boot, no timer would fire for as
    long as the step. A reactor asks its ``seconds`` (IReactorTime) for all its timers; the time stamps of the log and
    of HTTP come from elsewhere.

    Args:
        reactor: A reactor in which nothing is timed yet.
    """
    reactor.seconds = time.monotonic
