"""Waiting until a row is in some state, or there at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from nuage.ovsdb.cache import Cache, Change, Row
from nuage.ovsdb.errors import WaitExpired
from nuage.ovsdb.notation import Value

T = TypeVar("T")
#: A table, and a row of it; None if any row will do.
_Key = tuple[str, str | None]


class _Wait:
    """One waiter: how to find its row, what it waits for, and its Deferred."""

    def __init__(
        self, find: Callable[[], Row | None], predicate: Callable[[Row | None], Any], waiter: Deferred[Any]
    ) -> None:
        self._find = find
        self._predicate = predicate
        self._waiter = waiter

    def evaluate(self) -> None:
        """End the wait when the predicate says so or fails."""
        if self._waiter.called:
            return
        try:
            found = self._predicate(self._find())
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
    """The waiters of a cache's rows. A change costs two look-ups, however many wait for other rows."""

    def __init__(self, clock: IReactorTime, cache: Cache) -> None:
        """Watch ``cache``; ``clock`` measures time-outs."""
        self._clock = clock
        self._cache = cache
        self._waits: dict[_Key, list[_Wait]] = {}
        cache.subscribe(self._changed)

    async def wait(self, table: str, uuid: str, predicate: Callable[[Row | None], T | None], timeout: float) -> T:
        """Return the first result of ``predicate`` that is not None, see OvsdbClient.wait_until."""
        expired = f"row {uuid} of table {table} did not change as expected"
        return await self._wait((table, uuid), lambda: self._cache[table].rows.get(uuid), predicate, timeout, expired)

    async def wait_for(self, table: str, column: str, value: Value, timeout: float) -> Row:
        """Return a row whose indexed ``column`` equals ``value``, see OvsdbClient.when_there."""
        expired = f"table {table} has no row whose {column} is {value!r}, and got none"
        return await self._wait(
            (table, None), lambda: self._cache[table].find(column, value), lambda row: row, timeout, expired
        )

    async def _wait(
        self,
        key: _Key,
        find: Callable[[], Row | None],
        predicate: Callable[[Row | None], T | None],
        timeout: float,
        expired: str,
    ) -> T:
        if self._cache.loaded:
            found = predicate(find())
            if found is not None:
                return found
        waiter: Deferred[T] = Deferred()
        wait = _Wait(find, predicate, waiter)
        self._waits.setdefault(key, []).append(wait)
        waiter.addTimeout(timeout, self._clock, _expiry(expired))
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
            for table in dict.fromkeys(change.table for change in changes):
                self._evaluate((table, None))

    def _evaluate(self, key: _Key) -> None:
        for wait in tuple(self._waits.get(key, ())):
            wait.evaluate()

    def _remove(self, key: _Key, wait: _Wait) -> None:
        entries = self._waits.get(key, [])
        if wait in entries:
            entries.remove(wait)
        if not entries:
            self._waits.pop(key, None)


def _expiry(what: str) -> Callable[[Any, float], NoReturn]:
    def expire(_: Any, seconds: float) -> NoReturn:
        raise WaitExpired(f"{what} within {seconds:g} s")

    return expire
