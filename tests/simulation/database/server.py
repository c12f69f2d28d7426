"""The server: it listens, and can be commanded to fail."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory

from tests.simulation.database.rows import Change
from tests.simulation.database.schema import Schema, vrs_schema
from tests.simulation.database.sessions import Session
from tests.simulation.database.store import Store, Watcher
from tests.simulation.network import Port


class Unavailable(Exception):
    """The server is away, or does not answer."""


class Database:
    """An OVSDB server with one database, that of a VRS unless another schema is given.

    ``store`` is its content. ``place`` is where it listens.

    Args:
        reactor: Listens and keeps the time.
        chance: Draws uuids and delays.
        history: Is told what happens.
        place: Where it listens: an OVS connection method, ``unix:/path`` or ``tcp:host:port``.
        schema: The JSON form of the schema.
    """

    def __init__(
        self,
        reactor: Any,
        chance: Any,
        history: Any,
        place: str = "unix:/var/run/openvswitch/db.sock",
        schema: dict[str, Any] | None = None,
    ) -> None:
        self._reactor = reactor
        self._chance = chance
        self._history = history
        self.place = place
        self._schema = Schema.read(vrs_schema() if schema is None else schema)
        self._watchers: list[Watcher] = []
        self._starts: list[Callable[[], None]] = []
        self._sessions: list[Session] = []
        self._port: Port | None = None
        self._hanging = False
        #: Seconds, from and to, until a client is told what somebody else has changed.
        self.telling_delay = (0.0, 0.002)
        #: Methods that it does not know, as an older one does not.
        self.unknown: Sequence[str] = ()
        self.store = self._empty()
        #: Whether it speaks TLS.
        self.encrypted = False
        #: What clients are told instead of the schema.
        self.told_schema: Callable[[Any], Any] = lambda schema: schema
        #: Whether what clients on connections write is refused, because the disk is full.
        self.disk_full = False
        #: What the next calls of methods are answered with, whatever they have done.
        self.garbled: dict[str, Any] = {}
        #: Tells one run of the server from another.
        self.server_id = ""

    @property
    def available(self) -> bool:
        """Whether the server answers."""
        return self._port is not None and not self._hanging

    @property
    def serving(self) -> bool:
        """Whether the server runs, be it that it hangs."""
        return self._port is not None

    @property
    def port(self) -> Port | None:
        """Who takes its connections; None while it does not run."""
        return self._port

    def watch(self, watcher: Watcher) -> None:
        """Tell a client in the same process of each transaction's changes."""
        self._watchers.append(watcher)

    def on_available(self, callback: Callable[[], None]) -> None:
        """Call back each time that the server answers again, maybe with other content."""
        self._starts.append(callback)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table as Python has values."""
        return self.store.rows(table)

    def transact(self, *operations: dict[str, Any]) -> list[Any]:
        """Carry out the transaction of a client in the same process, and return its results.

        Raises:
            Unavailable: The server does not answer.
        """
        if not self.available:
            raise Unavailable
        return self.store.transact(operations)

    def start(self) -> None:
        """Start the server. It listens at once."""
        self._note("starts")
        self._hanging = False
        self.server_id = self._new_uuid()
        self._port = self._listen(_Sessions(self))
        self._announce()

    def stop(self) -> Any:
        """End the server; its connections are lost. Return what the port's end returns."""
        self._note("ends")
        port, self._port = self._port, None
        self.store.reloaded()
        for session in tuple(self._sessions):
            session.transport.abortConnection()  # type: ignore[union-attr]
        return None if port is None else port.stopListening()

    def restart(self, *, empty: bool = False) -> None:
        """End the server and start it at once; an empty one has lost all rows."""
        self.stop()
        if empty:
            self.clear()
        self.start()

    def clear(self) -> None:
        """Lose all rows, while the server is away."""
        self._note("is empty")
        self.store = self._empty()

    def hang(self) -> None:
        """Do nothing until :meth:`resume`; connections stay, and new ones are accepted."""
        self._note("hangs")
        self._hanging = True

    def resume(self) -> None:
        """Do what came meanwhile."""
        self._note("goes on")
        self._hanging = False
        for session in tuple(self._sessions):
            session.proceed()
            session.tell()
        self._announce()

    def fall_silent(self) -> None:
        """Tell those who are connected of no more changes. Whoever connects anew is told."""
        self._note("falls silent")
        for session in tuple(self._sessions):
            session.fall_silent()

    @property
    def silent(self) -> bool:
        """Whether somebody is connected who is told of no more changes."""
        return any(session.silent for session in self._sessions)

    def speak_tls(self) -> None:
        """Speak TLS with everybody from now on. Whoever does not is told so by an alert, and cut off."""
        self._note("speaks TLS")
        self.encrypted = True
        for session in tuple(self._sessions):
            session.transport.abortConnection()  # type: ignore[union-attr]

    def speak_plainly(self) -> None:
        """Speak without TLS again."""
        self._note("speaks without TLS")
        self.encrypted = False

    def tell_schema(self, told: Callable[[Any], Any]) -> None:
        """Tell clients on connections another schema from now on, made from the real one, and that it changes.

        Clients in the same process know the real one.
        """
        self._note("tells another schema")
        self.told_schema = told
        for session in tuple(self._sessions):
            session.schema_changes()

    def convert(self, table: str, column: str, definition: dict[str, Any]) -> None:
        """Add a column to the schema of the running server, as an upgrade of the switch does."""
        wire = copy.deepcopy(self._schema.wire)
        wire["tables"][table]["columns"][column] = definition
        self.converted(wire)

    def converted(self, wire: Any) -> None:
        """See Owner."""
        self._note("has another schema")
        self._schema = Schema.read(json.loads(json.dumps(wire)))
        self.store.converted(self._schema)
        for session in tuple(self._sessions):
            session.schema_changes()

    def joined(self, session: Session) -> None:
        """See Owner."""
        self._sessions.append(session)

    def left(self, session: Session) -> None:
        """See Owner."""
        self._sessions.remove(session)

    def is_hanging(self) -> bool:
        """See Owner."""
        return self._hanging

    def soon(self, session: Session) -> IDelayedCall:
        """See Owner."""
        due: IDelayedCall = self._reactor.callLater(self._chance.delay(*self.telling_delay), session.tell)
        return due

    def _listen(self, sessions: _Sessions) -> Port:
        kind, _, rest = self.place.partition(":")
        if kind == "unix":
            return self._reactor.listenUNIX(rest, sessions)  # type: ignore[no-any-return]
        host, _, number = rest.rpartition(":")
        return self._reactor.listenTCP(int(number), sessions, interface=host)  # type: ignore[no-any-return]

    def _empty(self) -> Store:
        store = Store(self._schema, self._new_uuid)
        store.watch(self._changed)
        return store

    def _changed(self, changes: Sequence[Change]) -> None:
        kinds = Counter(f"{change.table} {_kind(change)}" for change in changes)
        self._note(", ".join(f"{kind}{number}" for kind, number in kinds.items()))
        for watcher in tuple(self._watchers):
            watcher(changes)
        for session in tuple(self._sessions):
            session.note(changes)

    def _announce(self) -> None:
        for callback in tuple(self._starts):
            callback()

    def _note(self, what: str) -> None:
        self._history.add(self._reactor.seconds(), "database", what)

    def _new_uuid(self) -> str:
        uuid: str = self._chance.uuid()
        return uuid


def _kind(change: Change) -> str:
    return "+" if change.old is None else "-" if change.new is None else "~"


class _Sessions(Factory):
    """Makes a session for each connection."""

    noisy = False

    def __init__(self, database: Database) -> None:
        self._database = database

    def buildProtocol(self, _address: Any) -> Session:
        return Session(self._database)
