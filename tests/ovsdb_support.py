"""A server that a test plays by itself, and a small schema, for the tests of the OVSDB client."""

from __future__ import annotations

import json
from typing import Any

from ovs.db.schema import DbSchema
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from nuage.ovsdb.framing import Splitter
from nuage.ovsdb.schema import parse_schema

UNLIMITED = {"min": 0, "max": "unlimited"}
SCHEMA_WIRE: dict[str, Any] = {
    "name": "db",
    "version": "1.2.3",
    "tables": {
        "T": {
            "isRoot": True,
            "columns": {
                "name": {"type": "string"},
                "number": {"type": "integer"},
                "share": {"type": "real"},
                "flag": {"type": "boolean"},
                "maybe": {"type": {"key": "integer", "min": 0, "max": 1}},
                "tags": {"type": {"key": "string", **UNLIMITED}},
                "some": {"type": {"key": "integer", "min": 1, "max": 3}},
                "ids": {"type": {"key": "string", "value": "string", **UNLIMITED}},
                "refs": {"type": {"key": {"type": "uuid", "refTable": "U"}, **UNLIMITED}},
                "peers": {"type": {"key": "string", "value": "uuid", **UNLIMITED}},
            },
        },
        "U": {"isRoot": True, "columns": {"name": {"type": "string"}}},
    },
}


def schema() -> DbSchema:
    """Return the schema of the tests."""
    return parse_schema(SCHEMA_WIRE)


def uuid(number: int) -> str:
    """Return a uuid made of a number."""
    return f"00000000-0000-0000-0000-{number:012x}"


class _Transport(StringTransport):
    """Loses its connection in the next turn of the clock, as real transports do."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.lost: list[Exception] = []
        self.peer: Any = None

    def loseConnection(self) -> None:
        self.lose(ConnectionDone())

    def abortConnection(self) -> None:
        self.lose(ConnectionAborted())

    def lose(self, reason: Exception) -> None:
        if not self.lost:
            self.lost.append(reason)
            self._clock.callLater(0, self.peer.connectionLost, Failure(reason))


class FakeConnection:
    """The server's end of a connection."""

    def __init__(self, clock: Clock, protocol: Any) -> None:
        """Connect ``protocol``."""
        self._splitter = Splitter()
        self.protocol = protocol
        self.monitor: object = None
        self.transport = _Transport(clock)
        self.transport.peer = protocol
        protocol.makeConnection(self.transport)

    @property
    def lost(self) -> bool:
        """Whether either side ended the connection."""
        return bool(self.transport.lost)

    def received(self) -> list[dict[str, Any]]:
        """Return what the client has sent since the last time."""
        data = self.transport.value()
        self.transport.clear()
        return [json.loads(frame) for frame in self._splitter.feed(data)]

    def expect(self, method: str) -> dict[str, Any]:
        """Return the only message that the client has sent, a call of ``method``."""
        (message,) = self.received()
        assert message["method"] == method, message
        return message

    def send(self, **fields: Any) -> None:
        """Send a message."""
        self.protocol.dataReceived(json.dumps(fields).encode())

    def answer(self, method: str, result: Any, error: Any = None) -> dict[str, Any]:
        """Answer the only message that the client has sent; return it."""
        message = self.expect(method)
        self.send(id=message["id"], result=result, error=error)
        return message

    def notify(self, method: str, *params: Any) -> None:
        """Send a notification."""
        self.send(id=None, method=method, params=params)

    def load(self, content: Any) -> None:
        """Do the whole handshake; ``content`` are the table updates. ``monitor`` is the client's monitor after it."""
        self.answer("get_schema", SCHEMA_WIRE)
        self.monitor = self.answer("monitor_cond_since", [False, uuid(0), content])["params"][1]


@implementer(IStreamClientEndpoint)
class FakeRemote:
    """A remote whose connections the test holds; it refuses them while ``refusing``."""

    def __init__(self) -> None:
        """Accept connections."""
        self.connections: list[FakeConnection] = []
        self.refusing = False
        self.attempts = 0
        self._clock = Clock()

    def __str__(self) -> str:
        """Return a connection method."""
        return "unix:/fake"

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """Return itself."""
        self._clock = reactor
        return self

    def connect(self, protocolFactory: Any) -> Deferred[Any]:  # noqa: N803
        """Make a connection at once."""
        self.attempts += 1
        if self.refusing:
            return fail(ConnectError(string="refused"))
        protocol = protocolFactory.buildProtocol(None)
        self.connections.append(FakeConnection(self._clock, protocol))
        return succeed(protocol)

    @property
    def last(self) -> FakeConnection:
        """The latest connection."""
        return self.connections[-1]
