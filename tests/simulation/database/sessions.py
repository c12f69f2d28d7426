"""What is said on one connection to the server: JSON-RPC (RFC 7047 section 4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from nuage.ovsdb.framing import Splitter
from tests.simulation.database.monitors import FORMS, Monitor
from tests.simulation.database.refused import Refused, malformed
from tests.simulation.database.rows import Change
from tests.simulation.database.store import Store

#: A fatal alert of TLS, "protocol version" (RFC 8446, section 6), as OpenSSL answers to what is not TLS.
_NOT_TLS = b"\x15\x03\x01\x00\x02\x02\x46"
#: What a transaction is answered with that cannot be written to the disk, after the results of its operations.
_DISK_FULL = {"error": "I/O error", "details": "cannot write to the log: No space left on device"}
_WRITING = ("insert", "update", "mutate", "delete")
_NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"


class Owner(Protocol):
    """The server, as its sessions know it."""

    store: Store
    server_id: str
    unknown: Sequence[str]
    encrypted: bool
    told_schema: Callable[[Any], Any]
    disk_full: bool
    garbled: dict[str, Any]

    def joined(self, session: Session) -> None:
        """A connection stands."""

    def left(self, session: Session) -> None:
        """A connection is no more."""

    def is_hanging(self) -> bool:
        """Tell whether nothing is done at present."""

    def soon(self, session: Session) -> IDelayedCall:
        """Have a session tell its client what has changed, after a while."""

    def converted(self, wire: Any) -> None:
        """Take another schema."""


class Session(TwistedProtocol):
    """One connection.

    Args:
        owner: The server.

    Attributes:
        open: Whether it stands.
        silent: Whether its client is told of no more changes, and has not been told that.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._splitter = Splitter()
        self._unread: list[bytes] = []
        self._monitors: dict[str, tuple[Any, Monitor]] = {}
        self._telling: IDelayedCall | None = None
        self._is_aware = False
        self.open = self.silent = False

    def connectionMade(self) -> None:
        """Tell the server. Twisted's name."""
        self.open = True
        self._owner.joined(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget everything. Twisted's name."""
        self.open = False
        self._monitors.clear()
        _cancel(self._telling)
        self._owner.left(self)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of the stream; they wait while the server hangs. Twisted's name."""
        if self._owner.encrypted:
            assert self.transport is not None
            self.transport.write(_NOT_TLS)
            self.transport.loseConnection()
            return
        self._unread.append(data)
        self.proceed()

    def proceed(self) -> None:
        """Do what there is to do, unless the server hangs."""
        while self._unread and self.open and not self._owner.is_hanging():
            for frame in self._splitter.feed(self._unread.pop(0)):
                if self.open:
                    self._received(json.loads(frame))

    def note(self, changes: Sequence[Change]) -> None:
        """Take notice of a transaction's changes."""
        noted = [monitor.note(changes) for _, monitor in self._monitors.values()]
        if any(noted) and not _active(self._telling):
            self._telling = self._owner.soon(self)

    def tell(self) -> None:
        """Tell the client what has changed."""
        _cancel(self._telling)
        if not self.open or self._owner.is_hanging():
            return
        for id_, monitor in self._monitors.values():
            updates = monitor.take()
            if updates:
                last = [_NO_TRANSACTION] if monitor.form == "monitor_cond_since" else []
                self._send({"id": None, "method": FORMS[monitor.form], "params": [id_, *last, updates]})

    def fall_silent(self) -> None:
        """Tell the client of no more changes."""
        self.silent = self.silent or bool(self._monitors)
        self._monitors.clear()

    def schema_changes(self) -> None:
        """End monitors, or the connection of a client that does not know how monitors end."""
        if not self._is_aware:
            self._drop()
        for id_, _ in self._monitors.values():
            self._send({"id": None, "method": "monitor_canceled", "params": [id_]})
        self._monitors.clear()

    def _received(self, message: dict[str, Any]) -> None:
        method, params, id_ = message.get("method"), message.get("params"), message.get("id")
        if method is None:
            return
        if not isinstance(params, list):
            self._drop()
        elif id_ is not None:
            self._answer(id_, method, params)

    def _answer(self, id_: Any, method: str, params: list[Any]) -> None:
        answer = None if method in self._owner.unknown else _METHODS.get(method)
        try:
            if answer is None:
                raise Refused("unknown method")
            result = answer(self, params)
        except Refused as problem:
            self._reply(id_, error=problem.wire)
        else:
            garbled = self._owner.garbled.pop(method, None)
            self._reply(id_, result if garbled is None else garbled)

    def _transact(self, params: list[Any]) -> Any:
        self._check_database(params)
        if self._owner.disk_full and any(each["op"] in _WRITING for each in params[1:]):
            return [*[{}] * len(params[1:]), _DISK_FULL]
        return self._owner.store.transact(params[1:])

    def _list_dbs(self, params: list[Any]) -> Any:
        return [self._owner.store.schema.name, "_Server"]

    def _get_schema(self, params: list[Any]) -> Any:
        self._check_database(params)
        return self._owner.told_schema(self._owner.store.schema.wire)

    def _get_server_id(self, params: list[Any]) -> Any:
        return self._owner.server_id

    def _echo(self, params: list[Any]) -> Any:
        return params

    def _be_aware(self, params: list[Any]) -> Any:
        self._is_aware = params == [True]
        return {}

    def _convert(self, params: list[Any]) -> Any:
        self._check_database(params)
        self._owner.converted(params[1])
        return {}

    def _monitor(self, form: str, params: list[Any]) -> Any:
        self._check_database(params)
        key = json.dumps(params[1:2])
        if key in self._monitors:
            raise malformed("duplicate monitor ID")
        if len(params) != (4 if form == "monitor_cond_since" else 3):
            raise malformed("array of that many parameters expected")
        monitor = Monitor(form, self._owner.store.schema, params[2])
        self._monitors[key] = (params[1], monitor)
        initial = monitor.initial(self._owner.store.tables)
        # A standalone server cannot continue from a transaction that the client names.
        return [False, _NO_TRANSACTION, initial] if form == "monitor_cond_since" else initial

    def _monitor_cancel(self, params: list[Any]) -> Any:
        if self._monitors.pop(json.dumps(params), None) is None:
            raise Refused("unknown monitor")
        return {}

    def _check_database(self, params: list[Any]) -> None:
        if not params or not isinstance(params[0], str):
            raise malformed("Request params are missing database name.")
        if params[0] != self._owner.store.schema.name:
            raise Refused("unknown database", f"No database named {params[0]}.")

    def _reply(self, id_: Any, result: Any = None, error: Any = None) -> None:
        # What the client has not been told yet comes first: after a reply it knows all that came before.
        self.tell()
        self._send({"id": id_, "result": result, "error": error})

    def _send(self, message: Mapping[str, Any]) -> None:
        if self.open:
            assert self.transport is not None
            self.transport.write(json.dumps(message, separators=(",", ":")).encode())

    def _drop(self) -> None:
        self.open = False
        assert self.transport is not None
        self.transport.loseConnection()


def _active(call: IDelayedCall | None) -> bool:
    return call is not None and bool(call.active())


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


def _by(form: str) -> Callable[[Session, list[Any]], Any]:
    return lambda session, params: session._monitor(form, params)


_METHODS: Mapping[str, Callable[[Session, list[Any]], Any]] = {
    "list_dbs": Session._list_dbs,
    "get_schema": Session._get_schema,
    "get_server_id": Session._get_server_id,
    "echo": Session._echo,
    "set_db_change_aware": Session._be_aware,
    "convert": Session._convert,
    "transact": Session._transact,
    "monitor_cancel": Session._monitor_cancel,
    **{form: _by(form) for form in FORMS},
}
