"""``/events``: what changes, live, as server-sent events (https://html.spec.whatwg.org, "Server-sent events").

The first event of a listener is called ``report`` and has all that ``/status`` has. Those that follow are called
``change`` and have what differs; see :func:`nuage.status.difference.difference`. A listener that does not keep up is
told nothing until it does, and then gets a new ``report``.

While somebody listens, a report is made from time to time and compared with the one before, once for all listeners.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from zope.interface import implementer

from nuage.errors import NuageError
from nuage.status.control import MakeReport, Small
from nuage.status.difference import difference
from nuage.status.report import Report

#: Seconds between two reports.
_INTERVAL = 0.5
#: Seconds of silence after which a comment is sent: what is between may close a connection that is silent.
_SILENCE = 15.0
#: Listeners at the same time. Each costs a connection and what the kernel keeps for it.
_MOST = 100


class TooManyListeners(NuageError):
    """No more can be served."""


class Events(Small):
    """Tells listeners what changes.

    Args:
        clock: Measures the intervals.
        report: Makes a report.
    """

    _app = Small.routes()
    _log = Logger()

    def __init__(self, clock: IReactorTime, report: MakeReport) -> None:
        self._clock = clock
        self._report = report
        # In the order in which they came.
        self._listeners: dict[_Listener, None] = {}
        self._last: Report | None = None
        self._told = 0.0
        self._failing = False
        self._loop = LoopingCall(self._tell)
        self._loop.clock = clock

    @_app.route("/events", methods=["GET"])
    async def events(self, request: IRequest) -> bytes:
        """Tell what changes for as long as the listener is there."""
        if len(self._listeners) >= _MOST:
            raise TooManyListeners(f"{_MOST} listen already; close some of them")
        if self._last is None:
            self._last = self._report()
        request.setHeader(b"Content-Type", b"text/event-stream")
        request.setHeader(b"Cache-Control", b"no-store")
        listener = _Listener(request, self)
        self._listeners[listener] = None
        self._tell()
        listener.begin()
        if not self._loop.running:
            self._loop.start(_INTERVAL, now=False)
        try:
            await _never()
        finally:
            self._listeners.pop(listener, None)
            if not self._listeners:
                self._loop.stop()
                self._last = None
        return b""

    def whole(self) -> bytes:
        """Return the event with the whole of the last report."""
        assert self._last is not None
        return _event("report", self._last.to_json())

    def _tell(self) -> None:
        """Compare, and tell everybody. What goes wrong is logged once, and tried again."""
        try:
            self._compare()
            self._failing = False
        except Exception:
            if not self._failing:
                self._log.failure("no report for those who listen to events")
            self._failing = True

    def _compare(self) -> None:
        former, self._last = self._last, self._report()
        changed = difference(former, self._last) if former is not None else {}
        now = self._clock.seconds()
        if changed:
            message = _event("change", changed)
        elif now - self._told >= _SILENCE:
            message = b": nothing is new\n\n"
        else:
            return
        self._told = now
        for listener in tuple(self._listeners):
            listener.tell(message)


@implementer(IPushProducer)
class _Listener:
    """One connection, which may be slower than what there is to tell."""

    def __init__(self, request: IRequest, events: Events) -> None:
        self._request = request
        self._events = events
        self._keeps_up = False
        self._missed = True

    def begin(self) -> None:
        """Tell all that is known. What follows is only what is new."""
        self._request.registerProducer(self, True)  # type: ignore[attr-defined]
        self.resumeProducing()

    def tell(self, message: bytes) -> None:
        """Send something, if what was sent before has gone."""
        if self._keeps_up:
            self._request.write(message)
        else:
            self._missed = True

    def pauseProducing(self) -> None:
        """See IPushProducer."""
        self._keeps_up = False

    def resumeProducing(self) -> None:
        """See IPushProducer. A large report alone pauses the connection for a moment, in which nothing is missed."""
        self._keeps_up = True
        if self._missed:
            self._missed = False
            self._request.write(self._events.whole())

    def stopProducing(self) -> None:
        """See IPushProducer."""
        self._keeps_up = False


def _event(name: str, content: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(content)}\n\n".encode("ascii")


def _never() -> Deferred[None]:
    """Return what only ends when it is cancelled: by the listener, or at the daemon's end."""
    return Deferred()
