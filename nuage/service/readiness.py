"""Says what the daemon waits for: in the log, and to systemd."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from nuage.status.watched import Watch
from nuage.text import joined

#: Seconds between two looks.
_INTERVAL = 1.0
#: Seconds after which the daemon counts as started even if something is missing: the units that wait for it, such as
#: Docker's, have other work as well. Less than the time that systemd allows for a start.
_PATIENCE = 30.0


class Readiness(Service):
    """Looks from time to time at what the daemon works with.

    Args:
        clock: Measures the intervals.
        watches: What it looks at, in order of dependence: the VRS before its bridge.
        notify: Takes the assignments of sd_notify(3).
        watchdog_interval: Seconds between two signs of life, None for none. They come from the reactor's own loop, so a
            reactor that is stuck gives none.
    """

    def __init__(
        self,
        clock: IReactorTime,
        watches: Sequence[Watch],
        notify: Callable[..., None],
        watchdog_interval: float | None = None,
    ) -> None:
        self._clock = clock
        self._outages = [_Outage(each) for each in watches]
        self._notify = notify
        self._watchdog_interval = watchdog_interval
        self._ready = False
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
        """Say that the daemon ends. Signs of life go on, since it may take a while to finish the calls in flight."""
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
        now = self._clock.seconds()
        assignments = []
        status = joined(*(outage.status() for outage in self._outages))
        if status != self._status:
            self._status = status
            assignments.append(f"STATUS={status}")
        complete = all(outage.watched.there() for outage in self._outages if outage.watched.needed)
        if not self._ready and (complete or now - self._start >= _PATIENCE):
            self._ready = True
            assignments.append("READY=1")
        if assignments:
            self._notify(*assignments)
        for outage in self._outages:
            outage.look(now)

    def _repeat(self, work: Callable[[], None], interval: float, *, now: bool) -> None:
        loop = LoopingCall(work)
        loop.clock = self._clock
        self._loops.append(loop)
        loop.start(interval, now=now)


class _Outage:
    """Notes since when something is away, and logs once that it is away, and once that it is back."""

    _log = Logger(namespace="nuage.service.readiness")

    def __init__(self, watch: Watch) -> None:
        self.watched = watch.watched
        self._watch = watch
        self._since: float | None = None
        self._told = self._over = False

    def status(self) -> str:
        """Return a sentence for the status, empty if there is nothing to say."""
        there = self.watched.there()
        if there is None or (there and not self.watched.needed):
            return ""
        return self.watched.status() if there else f"waits for {self.watched.name}: {self.watched.status()}"

    def look(self, now: float) -> None:
        """Note and log what is new."""
        self._watch.look()
        there = self.watched.there()
        if self.watched.promise is None or self._over or (there is None and self._told):
            return
        if there is False:
            self._missed(now)
        else:
            self._found(now)
            self._over = self.watched.once and there is True

    def _missed(self, now: float) -> None:
        if self._since is None:
            self._since = now
        if not self._told and now - self._since >= self.watched.grace:
            self._told = True
            self._log.warn("{waits}", waits=joined(self.status(), self.watched.promise or ""))

    def _found(self, now: float) -> None:
        if self._told and self._since is not None:
            self._log.info("{name} is there, after {seconds:.0f} s", name=self.watched.name, seconds=now - self._since)
        self._since, self._told = None, False
