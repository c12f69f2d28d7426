"""Says what the daemon waits for: in the log, and to systemd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

#: Seconds between two looks.
_INTERVAL = 1.0
#: Seconds without a VRS after which the daemon counts as started all the same: the units that come after it, Docker
#: among them, have other work as well. Less than the time that systemd allows for a start.
_PATIENCE = 30.0


class Database(Protocol):
    """What is waited for: :class:`nuage.ovsdb.client.OvsdbClient`."""

    @property
    def synced(self) -> bool:
        """Whether it can be used."""

    @property
    def status(self) -> str:
        """One sentence on how it does."""


class Readiness(Service):
    """Looks at the switch's database from time to time.

    Args:
        clock: Measures the intervals.
        database: What the daemon cannot do without.
        notify: Takes the assignments of sd_notify(3).
        watchdog_interval: Seconds between two signs of life, None for none. They come from the reactor's own loop: a
            reactor that is stuck gives none.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        database: Database,
        notify: Callable[..., None],
        watchdog_interval: float | None = None,
    ) -> None:
        self._clock = clock
        self._database = database
        self._notify = notify
        self._watchdog_interval = watchdog_interval
        self._ready = False
        self._waited = self._was_there = False
        self._status = ""
        self._start = 0.0
        self._loops: list[LoopingCall] = []

    def startService(self) -> None:
        """Begin to look. The plugin's socket is up by now."""
        super().startService()
        self._start = self._clock.seconds()
        self._repeat(self.look, _INTERVAL, now=False)
        if self._watchdog_interval is not None:
            self._repeat(lambda: self._notify("WATCHDOG=1"), self._watchdog_interval, now=True)

    def stopService(self) -> None:
        """Say that the daemon ends. Signs of life go on: to finish the calls in flight may take a while."""
        super().stopService()
        self._notify("STOPPING=1", "STATUS=finishing the calls in flight")
        self._loops.pop(0).stop()

    def end(self) -> None:
        """Say nothing any more."""
        while self._loops:
            self._loops.pop().stop()

    def look(self) -> None:
        """Look now, and say what is new."""
        if not self.running:
            return
        synced, seconds = self._database.synced, self._clock.seconds() - self._start
        assignments = []
        status = self._database.status if synced else f"waits for the VRS: {self._database.status}"
        if status != self._status:
            self._status = status
            assignments.append(f"STATUS={status}")
        if not self._ready and (synced or seconds >= _PATIENCE):
            self._ready = True
            assignments.append("READY=1")
        if assignments:
            self._notify(*assignments)
        if not self._was_there:
            self._log_wait(synced, seconds)

    def _log_wait(self, synced: bool, seconds: float) -> None:
        """Log the wait at the start. What comes later is an outage, of which the database's client tells."""
        if synced:
            self._was_there = True
            if self._waited:
                self._log.info("the VRS is there, {seconds:.0f} s after the start", seconds=seconds)
        elif not self._waited:
            self._waited = True
            self._log.warn("{status}; Docker is served as soon as it is there", status=self._status)

    def _repeat(self, work: Callable[[], None], interval: float, *, now: bool) -> None:
        loop = LoopingCall(work)
        loop.clock = self._clock
        self._loops.append(loop)
        loop.start(interval, now=now)
