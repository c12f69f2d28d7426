"""What the daemon works with and may be away: what it is, and since when it is there or not."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from nuage.status.report import Part


@attrs.frozen(kw_only=True)
class Watched:
    """Something that the daemon works with, and that may be away.

    Args:
        key: What programs call it, such as ``vrs``.
        name: What it is called, such as "the VRS".
        there: Tells whether it is there, None if nobody can tell now.
        status: Says in one sentence how it does.
        remedy: What to do if it is away.
        address: Where it is.
        promise: What happens once it is there, for the log; None if it has log lines of its own.
        needed: Whether the daemon counts as started only once it is there. The status mentions what is not needed only
            while it is away.
        grace: Seconds that it may be away without a word in the log.
        once: Whether only its first arrival is logged here, and later ones elsewhere.
        arrivals: Counts how often it came, if that may be too fast to be seen by who looks once a second.
        details: What else is known of it.
    """

    key: str
    name: str
    there: Callable[[], bool | None]
    status: Callable[[], str]
    remedy: str
    address: str = ""
    promise: str | None = None
    needed: bool = True
    grace: float = 0.0
    once: bool = False
    arrivals: Callable[[], int] | None = None
    details: Callable[[], dict[str, object]] = dict


class Watch:
    """Notes since when something is there or away, and how often it came back.

    Args:
        watched: What it is.
        now: Returns the time; see :mod:`nuage.status.report`.
    """

    def __init__(self, watched: Watched, now: Callable[[], float]) -> None:
        self.watched = watched
        self._now = now
        self._there: bool | None = None
        self._known: bool | None = None
        self._since = now()
        self._arrivals = 0
        self._returned: float | None = None
        self.look()

    def look(self) -> None:
        """Note what is new. Call this from time to time."""
        there = self.watched.there()
        arrivals = self._count(there)
        if arrivals > max(self._arrivals, 1):
            self._returned = self._now()
        if there != self._there or arrivals != self._arrivals:
            self._there, self._arrivals, self._since = there, arrivals, self._now()
        if there is not None:
            self._known = there

    def _count(self, there: bool | None) -> int:
        if self.watched.arrivals is not None:
            return self.watched.arrivals()
        return self._arrivals + (there is True and self._known is not True)

    def part(self) -> Part:
        """Return what is known of it at this moment."""
        self.look()
        watched = self.watched
        return Part(
            key=watched.key,
            name=watched.name,
            there=self._there,
            status=watched.status(),
            address=watched.address,
            since=self._since,
            returns=max(self._arrivals - 1, 0),
            returned=self._returned,
            details=watched.details(),
        )
