"""What is said over one connection: handshake, updates, transactions.

::

    connected --get_schema--> schema read --check_schema--> accepted --monitor--> loaded --> updates, transactions
        |                          |                            |                   |
        +--------------------------+----------- error ----------+-------------------+--> closed, never reused
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs
from ovs.db.schema import DbSchema
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from nuage.ovsdb.cache import Cache
from nuage.ovsdb.comparison import Comparison
from nuage.ovsdb.effects import must_show
from nuage.ovsdb.errors import (
    CallRejected,
    CallTimedOut,
    MonitorSilent,
    OvsdbError,
    ProtocolViolation,
    transaction_error,
)
from nuage.ovsdb.framing import DEFAULT_FRAME_LIMIT
from nuage.ovsdb.messages import Request
from nuage.ovsdb.monitored import Monitored, monitor_requests
from nuage.ovsdb.operations import Operation, read_outcome
from nuage.ovsdb.protocol import JsonRpcConnection
from nuage.ovsdb.results import Result
from nuage.ovsdb.schema import parse_schema

#: The ways to monitor, the newest first: since Open vSwitch 2.12, since 2.6, and the one of RFC 7047.
MONITOR_FORMS = ("monitor_cond_since", "monitor_cond", "monitor")
#: Seconds for the initial content. A server needs about 6 s for 50,000 endpoints and answers nothing meanwhile, so
#: nobody watches for silence before that is over.
LOADING_TIME = 120.0
_MONITOR_ID = "nuage"
_NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"
#: Index of the table updates in the parameters of each notification.
_UPDATES = {"update": 1, "update2": 1, "update3": 2}


@attrs.frozen
class SessionTerms:
    """What each session of a client has to do."""

    database: str
    monitored: tuple[Monitored, ...]
    check_schema: Callable[[DbSchema], None] | None
    call_timeout: float
    probe_interval: float
    monitor_forms: Sequence[str] = MONITOR_FORMS
    frame_limit: int = DEFAULT_FRAME_LIMIT
    witnesses: Sequence[str] = ()


class SessionOwner(Protocol):
    """Who hears of a session's fate."""

    def session_loaded(self, session: Session) -> None:
        """The cache has been loaded; transactions can be sent."""

    def session_ended(self, session: Session, reason: Exception) -> None:
        """The session is over, whether it was loaded or not."""


class Session:
    """One connection to one database.

    :ivar connection: the protocol for the transport.
    :ivar schema: the database's schema, once read.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, terms: SessionTerms, cache: Cache, owner: SessionOwner) -> None:
        """Load ``cache`` as soon as the connection stands."""
        self._clock = clock
        self._terms = terms
        self._cache = cache
        self._owner = owner
        self._loaded = False
        self._updates = 0
        self._watch: Deferred[None] | None = None
        self.schema: DbSchema | None = None
        self.connection = JsonRpcConnection(clock, self, terms.probe_interval, terms.frame_limit)

    def opened(self) -> None:
        """Begin the handshake."""
        Deferred.fromCoroutine(self._handshake())

    def closed(self, reason: Exception) -> None:
        """Tell the owner."""
        if self._watch is not None:
            self._watch.cancel()
        self._owner.session_ended(self, reason)

    def notified(self, notification: Request) -> None:
        """Apply an update.

        :raises ProtocolViolation: when it does not fit the cache.
        """
        method, params = notification.method, notification.params
        if not self._loaded or params[:1] != [_MONITOR_ID]:
            self._log.debug("ignored a notification {method!r} that nobody asked for", method=method)
        elif method in _UPDATES:
            if len(params) <= _UPDATES[method]:
                raise ProtocolViolation(f"an {method} notification has {len(params)} parameters")
            self._updates += 1
            self._cache.apply(params[_UPDATES[method]])
        elif method == "monitor_canceled":
            self.connection.drop(OvsdbError("the server canceled the monitor because the schema changes"))
        else:
            self._log.debug("ignored a notification {method!r}", method=method)

    async def _handshake(self) -> None:
        try:
            schema = await self._read_schema()
            reply = await self._monitor(schema)
            # Nothing may be awaited before the content is in the cache: the next message may be an update of it.
            self._cache.load(schema, reply)
        except OvsdbError as error:
            self.connection.drop(error)
        except Exception as error:
            self._log.failure("the handshake with the database server failed unexpectedly")
            self.connection.drop(error)
        else:
            self._loaded = True
            self.connection.start_probing()
            self._watch_monitor()
            self._owner.session_loaded(self)

    async def _read_schema(self) -> DbSchema:
        terms = self._terms
        wire = await self.connection.call("get_schema", [terms.database], terms.call_timeout)
        self.schema = schema = parse_schema(wire)
        if terms.check_schema is not None:
            terms.check_schema(schema)
        return schema

    async def _monitor(self, schema: DbSchema) -> Any:
        """Ask for the content in the newest form that the server knows; return the table updates."""
        requests = monitor_requests(schema, self._terms.monitored)
        for form in self._terms.monitor_forms:
            try:
                return await self._monitor_by(form, requests)
            except CallRejected as error:  # noqa: PERF203
                if error.error != "unknown method":
                    raise
        raise OvsdbError(f"the database server knows none of {', '.join(self._terms.monitor_forms)}")

    async def _monitor_by(self, form: str, requests: dict[str, Any]) -> Any:
        params: list[Any] = [self._terms.database, _MONITOR_ID, requests]
        if form != "monitor_cond_since":
            return await self.connection.call(form, params, LOADING_TIME)
        # A standalone server cannot continue from a transaction id, so none is kept: the reply is the whole content.
        reply = await self.connection.call(form, [*params, _NO_TRANSACTION], LOADING_TIME)
        if not isinstance(reply, list) or len(reply) != 3:
            raise ProtocolViolation("the reply to monitor_cond_since does not have three elements")
        return reply[2]

    async def transact(self, operations: Sequence[Operation], timeout: float) -> list[Result]:
        """Carry out ``operations`` in one transaction; once this returns, the cache reflects it.

        The update of a transaction comes before its reply. If no reply comes in time the session ends, because only a
        fresh load can tell what became of the transaction. It also ends if the update did not come.

        :raises OutcomeUnknown: when no reply came, or the cache does not reflect the transaction.
        :raises TransactionError: when it was not committed.
        """
        assert self.schema is not None
        schema = self.schema
        wire = [operation.to_wire(schema) for operation in operations]
        updates = self._updates
        try:
            reply = await self.connection.call("transact", [self._terms.database, *wire], timeout)
        except CallTimedOut as error:
            self.connection.drop(error)
            raise
        except CallRejected as error:
            raise transaction_error(error.error, error.details) from None
        results = read_outcome(schema, operations, reply)
        if updates == self._updates and must_show(schema, self._cache, operations, results):
            raise self._monitor_is_silent("a transaction was committed and its update did not come")
        return results

    def _watch_monitor(self) -> None:
        assert self.schema is not None
        terms = self._terms
        tables = [each.table for each in terms.monitored]
        comparison = Comparison(self._cache, self.schema, tables, terms.witnesses)
        if comparison:
            self._watch = Deferred.fromCoroutine(self._compare_from_time_to_time(comparison))
            self._watch.addErrback(lambda failure: failure.trap(CancelledError, OvsdbError))

    async def _compare_from_time_to_time(self, comparison: Comparison) -> None:
        """Compare the database with the cache. A difference that lasts proves the monitor silent."""
        differed_at: int | None = None
        while True:
            await deferLater(self._clock, self._terms.probe_interval)
            results = await self.transact(comparison.questions(), self._terms.call_timeout)
            differing = comparison.differing(results)
            if differing and differed_at == self._updates:
                self._watch = None
                raise self._monitor_is_silent(f"updates of {' and '.join(differing)} did not come")
            differed_at = self._updates if differing else None

    def _monitor_is_silent(self, why: str) -> MonitorSilent:
        problem = MonitorSilent("transact", f"the database server's monitor fell silent: {why}")
        self.connection.drop(problem)
        return problem
