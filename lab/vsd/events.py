"""The push channel: what has changed, to clients who wait for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from lab.vsd.directory import Change, Thing
from lab.vsd.refusals import malformed

#: So many changes are kept for clients that have not asked for them yet.
_KEPT = 10_000


class Events:
    """Keeps the latest changes, and answers clients that ask for those since their last answer.

    Args:
        clock: Keeps the time.
        now: Tells the time, in seconds since the epoch.
        config: The object with the system's configuration: how long a question is held (``eventProcessorTimeout``), how
            many changes an answer has (``eventProcessorMaxEventsCount``), after how long a client that does not ask is
            forgotten (``inactiveTimeout``); times are milliseconds.
        show: Makes the JSON of an object.
        new_id: Returns what an answer is called by.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], float],
        config: Thing,
        show: Callable[[Thing], dict[str, Any]],
        new_id: Callable[[], str],
    ) -> None:
        self._clock = clock
        self._now = now
        self._config = config
        self._show = show
        self._new_id = new_id
        self._recent: deque[tuple[int, dict[str, Any]]] = deque(maxlen=_KEPT)
        self._count = 0
        #: By the uuid of an answer: how many changes had been told with it, and when.
        self._told: dict[str, tuple[int, float]] = {}
        self._waiting: set[Deferred[None]] = set()
        self._due: IDelayedCall | None = None

    def record(self, change: Change, by: str) -> None:
        """Take down a change, made by the user of a name."""
        if not self._told and not self._waiting:
            # Nobody has asked yet.
            return
        self._count += 1
        event = {
            "type": change.type,
            "entityType": change.thing.kind.entity,
            "entities": [self._show(change.thing)],
            "eventReceivedTime": int(self._now() * 1000),
            "userName": by,
            "updateMechanism": "DEFAULT",
        }
        self._recent.append((self._count, event))
        if self._waiting and self._due is None:
            # All that one request brings about is told together.
            self._due = self._clock.callLater(0, self._wake)

    def stop(self) -> None:
        """Tell nothing from now on."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    async def wait(self, uuid: str | None) -> dict[str, Any]:
        """Return the changes since an earlier answer, or the next ones. Where there are none for long, there are none.

        Args:
            uuid: That of the earlier answer.

        Raises:
            Refusal: There was no such answer lately.
        """
        since = self._since(uuid)
        if since >= self._count:
            await self._change()
        events = [(number, event) for number, event in self._recent if number > since]
        chosen = events[: self._config["eventProcessorMaxEventsCount"]]
        answer = self._new_id()
        self._told[answer] = (chosen[-1][0] if chosen else since, self._clock.seconds())
        return {"uuid": answer, "events": [event for _, event in chosen]}

    def _wake(self) -> None:
        self._due = None
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            waiter.callback(None)

    def _since(self, uuid: str | None) -> int:
        oldest = self._clock.seconds() - self._config["inactiveTimeout"] / 1000
        self._told = {key: told for key, told in self._told.items() if told[1] > oldest}
        if uuid is None:
            return self._count
        if uuid not in self._told:
            raise malformed(f"The channel {uuid} is not known, or nobody asked for it for too long; list everything")
        since = self._told[uuid][0]
        if self._recent and self._recent[0][0] > since + 1:
            raise malformed(f"Too much has happened since {uuid}; list everything")
        return since

    async def _change(self) -> None:
        waiter: Deferred[None] = Deferred()
        self._waiting.add(waiter)
        waiter.addTimeout(self._config["eventProcessorTimeout"] / 1000, self._clock)
        waiter.addErrback(_nothing_happened)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)


def _nothing_happened(failure: Failure) -> None:
    failure.trap(defer.TimeoutError)
