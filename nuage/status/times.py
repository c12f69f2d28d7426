"""Unix times that no change of the time of day makes jump."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime


class Times:
    """Goes by a clock that nobody sets, and compares it with the time of day only once, now.

    Args:
        clock: The clock.
        time_of_day: Returns the Unix time.
    """

    def __init__(self, clock: IReactorTime, time_of_day: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._offset = time_of_day() - clock.seconds()

    def now(self) -> float:
        """Return the Unix time in seconds, to the millisecond."""
        return self.at(self._clock.seconds())

    def at(self, seconds: float) -> float:
        """Return the Unix time at which the clock showed ``seconds``."""
        return round(seconds + self._offset, 3)
