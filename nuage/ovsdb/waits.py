"""Waiting for a row to come into some state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from nuage.ovsdb.cache import Cache, Change, Row
from nuage.ovsdb.errors import WaitExpired

T = TypeVar("T")
_Key = tuple[str, str]


class _Wait:
    """One waiter: what it asks of the row, and its Deferred."""

    def __init__(self, predicate: Callable[[Row | None], Any], waiter: Deferred[Any]) -> None:
        self._predicate = predicate
        self._waiter = waiter

    def evaluate(self, row: Row | None) -> None:
        """End the wait when the predicate says so or fails."""
        if self._waiter.called:
            return
        try:
            found = self._predicate(row)
        except Exception as error:
            self.fail(error)
        else:
            if found is not None:
                self._waiter.callback(found)

    def fail(self, error: Exception) -> None:
        """End the wait with ``error``."""
        if not self._waiter.called:
            self._waiter.errback(error)


class RowWaits:
    """The waiters of a cache's rows. A change costs one look-up, however many wait for other rows."""

    def __init__(self, clock: IReactorTime, cache: Cache) -> None:
        """Watch ``cache``; ``clock`` measures time-outs."""
        self._clock = clock
        self._cache = cache
        self._waits: dict[_Key, list[_Wait]] = {}
        cache.subscribe(self._changed)

    async def wait(self, table: str, uuid: str, predicate: Callable[[Row | None], T | None], timeout: float) -> T:
        """Return the first result of ``predicate`` that is not None, see OvsdbClient.wait_until."""
        if self._cache.loaded:
            found = predicate(self._cache[table].rows.get(uuid))
            if found is not None:
                return found
        key = (table, uuid)
        waiter: Deferred[T] = Deferred()
        wait = _Wait(predicate, waiter)
        self._waits.setdefault(key, []).append(wait)
        waiter.addTimeout(timeout, self._clock, _expiry(table, uuid))
        try:
            return await waiter
        finally:
            self._remove(key, wait)

    def reevaluate(self) -> None:
        """Look at each row that is waited for, after a load."""
        for key in tuple(self._waits):
            self._evaluate(key)

    def fail_all(self, error: Exception) -> None:
        """End each wait with ``error``."""
        waits, self._waits = self._waits, {}
        for entries in waits.values():
            for wait in tuple(entries):
                wait.fail(error)

    def _changed(self, changes: Sequence[Change]) -> None:
        if self._waits:
            for change in changes:
                self._evaluate((change.table, change.uuid))

    def _evaluate(self, key: _Key) -> None:
        table, uuid = key
        for wait in tuple(self._waits.get(key, ())):
            wait.evaluate(self._cache[table].rows.get(uuid))

    def _remove(self, key: _Key, wait: _Wait) -> None:
        entries = self._waits.get(key, [])
        if wait in entries:
            entries.remove(wait)
        if not entries:
            self._waits.pop(key, None)


def _expiry(table: str, uuid: str) -> Callable[[Any, float], NoReturn]:
    def expire(_: Any, seconds: float) -> NoReturn:
        raise WaitExpired(f"row {uuid} of table {table} did not change as expected within {seconds:g} s")

    return expire
