"""What happened last: the calls about each endpoint, and the lines of the log. It is kept in memory, and bounded."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent, eventAsText
from zope.interface import implementer

from nuage.libnetwork.calls import Ended

#: Calls that are kept of each endpoint, and endpoints of which they are kept: some 2 MB if all are there.
_CALLS, _ENDPOINTS = 5, 2000
#: Calls that only look: Docker makes one at each ``docker network inspect``.
_LOOKS = frozenset({"NetworkDriver.EndpointOperInfo"})
#: Lines of the log that are kept.
_LINES = 1000


class RecentCalls:
    """The last calls about each endpoint.

    Args:
        clock: Tells when they ended.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: OrderedDict[str, deque[tuple[float, Ended]]] = OrderedDict()
        self._late: dict[str, float] = {}

    def note(self, call: Ended) -> None:
        """Keep a call if it did something about an endpoint. It watches :class:`nuage.libnetwork.calls.Calls`."""
        if call.endpoint_id is None or call.method in _LOOKS:
            return
        self._calls.setdefault(call.endpoint_id, deque(maxlen=_CALLS)).append((self._clock.seconds(), call))
        self._calls.move_to_end(call.endpoint_id)
        while len(self._calls) > _ENDPOINTS:
            endpoint_id, _calls = self._calls.popitem(last=False)
            self._late.pop(endpoint_id, None)

    def note_late(self, endpoint_id: str) -> None:
        """Keep that Docker has just told the container of an endpoint whose Join did not wait for it any more."""
        self._late[endpoint_id] = self._clock.seconds()
        while len(self._late) > _ENDPOINTS:
            del self._late[next(iter(self._late))]

    def about(self, endpoint_id: str) -> tuple[tuple[float, Ended], ...]:
        """Return the last calls about an endpoint and when each ended, the oldest first."""
        return tuple(self._calls.get(endpoint_id, ()))

    def late(self, endpoint_id: str) -> float | None:
        """Return when Docker told an endpoint's container late, None if it told it in time."""
        return self._late.get(endpoint_id)


@implementer(ILogObserver)
class RecentLines:
    """Keeps the last lines of the log, and hands each event on.

    Args:
        log: The log itself. What it leaves out because of its level is left out here too: put this behind the filter.
    """

    def __init__(self, log: Callable[[LogEvent], object]) -> None:
        self._log = log
        self._lines: deque[str] = deque(maxlen=_LINES)

    def __call__(self, event: LogEvent) -> None:
        """See twisted.logger.ILogObserver."""
        self._lines.append(eventAsText(event))
        self._log(event)

    def lines(self) -> list[str]:
        """Return the lines, the oldest first."""
        return list(self._lines)
