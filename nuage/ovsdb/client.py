"""A client that stays connected to an OVSDB database and mirrors a part of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn, TypeVar

from ovs.db.schema import DbSchema
from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from nuage.ovsdb.cache import Cache, Change, Row, Table
from nuage.ovsdb.errors import NotConnected, SchemaMismatch, WaitExpired
from nuage.ovsdb.framing import DEFAULT_FRAME_LIMIT
from nuage.ovsdb.monitored import Monitored
from nuage.ovsdb.notation import Value
from nuage.ovsdb.operations import Operation
from nuage.ovsdb.protocol import JsonRpcConnection
from nuage.ovsdb.reasons import in_words
from nuage.ovsdb.remote import Remote
from nuage.ovsdb.results import Result
from nuage.ovsdb.session import MONITOR_FORMS, Session, SessionTerms
from nuage.ovsdb.waits import RowWaits

__all__ = ["Cache", "Change", "Monitored", "OvsdbClient", "Row", "Table"]

T = TypeVar("T")

#: Seconds before the first retry. A server that accepts connections and then drops them would otherwise be called
#: without a pause, because each accepted connection counts as a success.
MIN_RETRY_DELAY = 0.2
_RETRY_FACTOR = 1.6
#: Part of a delay that is random, lest all hosts come back to a server at once.
_JITTER = 0.2
#: Distinct reasons kept from being logged again. Their texts may come from the peer.
_REMEMBERED_REASONS = 32


class OvsdbClient:
    """A client of one database.

    :ivar cache: the monitored tables; one object for the client's life, whose content survives reconnects.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        remote: Remote,
        database: str,
        monitored: Sequence[Monitored],
        *,
        check_schema: Callable[[DbSchema], None] | None = None,
        call_timeout: float = 10,
        probe_interval: float = 5,
        max_retry_delay: float = 5,
        monitor_forms: Sequence[str] = MONITOR_FORMS,
        frame_limit: int = DEFAULT_FRAME_LIMIT,
        witnesses: Sequence[str] = (),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Do nothing yet; :meth:`start` connects.

        :param check_schema: called with the schema of each connection; raises SchemaMismatch to refuse it.
        :param call_timeout: seconds for a call, and for a connection, if no other time is given.
        :param probe_interval: seconds of silence after which the server is probed.
        :param max_retry_delay: seconds between two attempts to connect, at most, without the jitter.
        :param monitor_forms: the ways to monitor, in the order in which they are tried.
        :param frame_limit: longest message accepted, in bytes.
        :param witnesses: small monitored tables that are read every ``probe_interval`` and compared with the cache,
            with some rows of the others; without them nothing is. See :mod:`nuage.ovsdb.comparison`.
        :param jitter: gives a random number from 0 to 1.
        """
        self.cache = Cache(monitored, self._report)
        self.schema: DbSchema | None = None
        self._clock = reactor
        self._remote = remote
        self._call_timeout = call_timeout
        self._max_retry_delay = max_retry_delay
        self._jitter = jitter
        self._terms = SessionTerms(
            database,
            tuple(monitored),
            check_schema,
            call_timeout,
            probe_interval,
            monitor_forms,
            frame_limit,
            witnesses,
        )
        self._started = False
        self._session: Session | None = None
        self._synced = False
        self._loads = 0
        self._failure: Exception | None = None
        self._attempts = 0
        self._reasons: set[str] = set()
        self._sync_waiters: list[Deferred[None]] = []
        self._sync_listeners: list[Callable[[], None]] = []
        self._transaction_listeners: list[Callable[[float], None]] = []
        self._waits = RowWaits(reactor, self.cache)
        self._service = ClientService(
            _Observed(remote.endpoint(reactor), self._attempt_failed),
            _Sessions(self._begin_session),
            retryPolicy=self._retry_delay,
            clock=reactor,
        )

    def start(self) -> None:
        """Connect, and stay connected until stopped."""
        self._started = True
        self._service.startService()

    async def stop(self) -> None:
        """Close the connection and fail each waiter; return when nothing is left."""
        self._started = False
        stopping: Deferred[None] | None = self._service.stopService()
        stopped = NotConnected(f"the client of the switch's database at {self._remote} was stopped")
        if self._session is not None:
            self._session.connection.close(stopped)
        self._failure = None
        self._fail_sync_waiters(NotConnected, str(stopped))
        self._waits.fail_all(stopped)
        if stopping is not None:
            await stopping

    @property
    def synced(self) -> bool:
        """Whether the cache is current and transactions can be sent."""
        return self._synced

    @property
    def loads(self) -> int:
        """How often the cache was loaded: once, and once for each reconnection."""
        return self._loads

    @property
    def status(self) -> str:
        """One sentence for logs and health checks."""
        if self._synced:
            return f"connected to {self._remote}, the cache is current"
        if not self._started:
            return f"not started: no connection to {self._remote} is wanted"
        reason = in_words(self._failure) if self._failure else ""
        if self._session is not None:
            # A server may end each connection right after it was made, so say why the last one ended.
            before = f"; before that: {reason}" if reason else ""
            return f"connected to {self._remote}, the database is being loaded{before}"
        return f"not connected to {self._remote}: {reason or 'no attempt has finished yet'}"

    async def when_synced(self, timeout: float | None = None) -> None:
        """Return once the cache is current.

        :param timeout: seconds to wait, by default the call time-out.
        :raises NotConnected: when it takes longer.
        :raises SchemaMismatch: when the schema check refused the database, without waiting for another attempt.
        """
        if self._synced:
            return
        if isinstance(self._failure, SchemaMismatch):
            raise SchemaMismatch(str(self._failure)) from self._failure
        waiter: Deferred[None] = Deferred()
        self._sync_waiters.append(waiter)
        waiter.addTimeout(self._call_timeout if timeout is None else timeout, self._clock, self._sync_expired)
        try:
            await waiter
        finally:
            if waiter in self._sync_waiters:
                self._sync_waiters.remove(waiter)

    async def when_there(self, table: str, column: str, value: Value, timeout: float | None = None) -> Row:
        """Return a row whose indexed ``column`` equals ``value``, once the cache is current and there is one.

        :param timeout: seconds for both, by default the call time-out.
        :raises NotConnected: when the database is away at the end.
        :raises SchemaMismatch: see when_synced.
        :raises WaitExpired: when the database is there, and the row is not.
        """
        allowed = self._call_timeout if timeout is None else timeout
        deadline = self._clock.seconds() + allowed
        await self.when_synced(allowed)
        try:
            return await self._waits.wait_for(table, column, value, max(deadline - self._clock.seconds(), 0))
        except WaitExpired:
            if not self._synced:
                raise self._not_connected(allowed) from None
            raise

    async def transact(self, *operations: Operation, timeout: float | None = None) -> list[Result]:
        """Carry out ``operations`` in one transaction; return one result for each.

        Wait for a connection first. Once this returns, the cache reflects the transaction. To give it up does not undo
        it.

        :param timeout: seconds for all of it, by default the call time-out.
        :raises TransactionError: when the server did not commit it.
        :raises NotConnected: when nothing was sent.
        :raises OutcomeUnknown: when it was sent and no reply came; the next load of the cache tells what became of it.
        :raises ValueNotEncodable: when a value does not fit its column.
        """
        allowed = self._call_timeout if timeout is None else timeout
        deadline = self._clock.seconds() + allowed
        await self.when_synced(allowed)
        if self._session is None:
            raise self._not_connected(allowed)
        sent = self._clock.seconds()
        try:
            return await self._session.transact(operations, max(deadline - sent, 0))
        finally:
            self._tell_transaction(self._clock.seconds() - sent)

    async def wait_until(self, table: str, uuid: str, predicate: Callable[[Row | None], T | None], timeout: float) -> T:
        """Return the first result of ``predicate`` that is not None.

        It is asked now, at each change of the row and after each load of the cache, with None for a row that does not
        exist (and not at all before the first load). What it raises is raised here.

        :param timeout: seconds to wait.
        :raises WaitExpired: when it takes longer.
        """
        return await self._waits.wait(table, uuid, predicate, timeout)

    def on_synced(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` each time the cache has been loaded; return what ends this."""
        # The same callable may be given twice; each entry ends by itself.
        entry: Callable[[], None] = lambda: callback()  # noqa: E731
        self._sync_listeners.append(entry)

        def unsubscribe() -> None:
            if entry in self._sync_listeners:
                self._sync_listeners.remove(entry)

        return unsubscribe

    def on_transaction(self, callback: Callable[[float], None]) -> None:
        """Call ``callback`` with the seconds of each transaction, from being sent until it ends, well or not."""
        self._transaction_listeners.append(callback)

    def session_loaded(self, session: Session) -> None:
        """See SessionOwner."""
        self.schema = session.schema
        self._synced = True
        self._loads += 1
        self._failure = None
        self._attempts = 0
        self._reasons.clear()
        self._log.info("connected to {remote}, the cache is current", remote=str(self._remote))
        self._waits.reevaluate()
        waiters, self._sync_waiters = self._sync_waiters, []
        for waiter in waiters:
            waiter.callback(None)
        for listener in tuple(self._sync_listeners):
            self._tell(listener)

    def session_ended(self, session: Session, reason: Exception) -> None:
        """See SessionOwner."""
        if session is self._session:
            self._session = None
            self._synced = False
        if self._started:
            self._note(reason)

    def _begin_session(self) -> JsonRpcConnection:
        self._session = Session(self._clock, self._terms, self.cache, self)
        return self._session.connection

    def _attempt_failed(self, reason: Exception) -> None:
        if self._started:
            self._note(reason)

    def _note(self, reason: Exception) -> None:
        self._failure = reason
        told = in_words(reason)
        if told not in self._reasons:
            if len(self._reasons) >= _REMEMBERED_REASONS:
                self._reasons.clear()
            self._reasons.add(told)
            self._log.warn("no connection to {remote}: {reason}", remote=str(self._remote), reason=told)
        if isinstance(reason, SchemaMismatch):
            self._fail_sync_waiters(SchemaMismatch, str(reason))

    def _fail_sync_waiters(self, error: type[Exception], message: str) -> None:
        waiters, self._sync_waiters = self._sync_waiters, []
        for waiter in waiters:
            waiter.errback(error(message))

    def _sync_expired(self, _: Any, seconds: float) -> NoReturn:
        raise self._not_connected(seconds)

    def _not_connected(self, seconds: float) -> NotConnected:
        return NotConnected(
            f"the switch's database at {self._remote} could not be used within {seconds:g} s ({self.status}); "
            "check that ovsdb-server runs and listens there"
        )

    def _retry_delay(self, _: int) -> float:
        # Attempts are counted since the cache was last loaded, not since a connection was last accepted.
        self._attempts += 1
        delay = min(MIN_RETRY_DELAY * _RETRY_FACTOR ** min(self._attempts - 1, 50), self._max_retry_delay)
        return delay * (1 + _JITTER * self._jitter())

    def _tell_transaction(self, seconds: float) -> None:
        for listener in self._transaction_listeners:
            self._tell(partial(listener, seconds))

    def _tell(self, listener: Callable[[], None]) -> None:
        try:
            listener()
        except Exception as error:
            self._report(error)

    def _report(self, error: Exception) -> None:
        self._log.failure("a listener of the client failed", Failure(error))


class _Sessions(Factory):
    """Makes a protocol for each connection."""

    noisy = False

    def __init__(self, begin: Callable[[], JsonRpcConnection]) -> None:
        self._begin = begin

    def buildProtocol(self, addr: Any) -> JsonRpcConnection:  # noqa: ARG002
        return self._begin()


@implementer(IStreamClientEndpoint)
class _Observed:
    """An endpoint that reports its failures."""

    def __init__(self, endpoint: IStreamClientEndpoint, failed: Callable[[Exception], None]) -> None:
        self._endpoint = endpoint
        self._failed = failed

    def __repr__(self) -> str:
        return repr(self._endpoint)

    def connect(self, factory: Any) -> Deferred[Any]:
        def failed(failure: Failure) -> Failure:
            assert isinstance(failure.value, Exception)
            self._failed(failure.value)
            return failure

        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addErrback(failed)
