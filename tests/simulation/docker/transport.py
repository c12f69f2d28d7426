"""Requests to a plugin on its socket, as Go's HTTP client makes them.

Connections are kept and used again. There is no time-out: a plugin that does not answer is waited for without end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.simulation.docker.answer import Answer, AnswerReader, NotHttp

#: Idle connections that are kept (net/http, DefaultMaxIdleConnsPerHost).
_IDLE = 2


class BrokenConnection(Exception):
    """No answer came. ``sent`` tells whether the request was sent: then its body cannot be sent again."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class _Connection(Protocol):
    """A connection, which carries one request at a time."""

    transport: Any

    def __init__(self, transport: Transport) -> None:
        self._owner = transport
        self._waiting: Deferred[Answer] | None = None
        self._reader = AnswerReader()

    def ask(self, request: bytes) -> Deferred[Answer]:
        """Send a request; return its answer."""
        self._reader = AnswerReader()
        waiting: Deferred[Answer] = Deferred()
        self._waiting = waiting
        self.transport.write(request)
        return waiting

    def dataReceived(self, data: bytes) -> None:
        if self._waiting is None:
            self._owner.unasked(data)
            self.transport.loseConnection()
            return
        try:
            answer = self._reader.feed(data)
        except (NotHttp, ValueError) as problem:
            self._end(BrokenConnection(str(problem), sent=True))
            self.transport.loseConnection()
            return
        if answer is not None:
            self._answered(answer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner.lost(self)
        if self._waiting is not None and self._reader.begun:
            waiting, self._waiting = self._waiting, None
            waiting.callback(self._reader.cut())
        else:
            self._end(BrokenConnection("EOF", sent=True))

    def _answered(self, answer: Answer) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        if self._reader.rest:
            self._owner.unasked(bytes(self._reader.rest))
        if self._reader.closes or self._reader.rest:
            self.transport.loseConnection()
        else:
            self._owner.idle(self)
        waiting.callback(answer)

    def _end(self, problem: BrokenConnection) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(problem)


class _Connecting(ClientFactory):
    noisy = False

    def __init__(self, connection: _Connection, connected: Deferred[None]) -> None:
        self._connection = connection
        self._connected: Deferred[None] | None = connected

    def buildProtocol(self, _address: Any) -> _Connection:
        connected, self._connected = self._connected, None
        assert connected is not None
        # The protocol gets its transport after this.
        self._connection.connectionMade = lambda: connected.callback(None)  # type: ignore[method-assign]
        return self._connection

    def clientConnectionFailed(self, _connector: Any, reason: Failure) -> None:
        connected, self._connected = self._connected, None
        if connected is not None:
            connected.errback(BrokenConnection(reason.getErrorMessage(), sent=False))


class Transport:
    """All connections to one plugin.

    Args:
        reactor: Makes the connections.
        path: The plugin's socket.
        unasked: Is told of bytes that nobody asked for, such as a second answer.
    """

    def __init__(self, reactor: Any, path: str, unasked: Callable[[bytes], None]) -> None:
        self._reactor = reactor
        self._path = path
        self._idle: list[_Connection] = []
        self.unasked = unasked

    async def ask(self, request: bytes) -> Answer:
        """Send a request, on an idle connection if there is one.

        Raises:
            BrokenConnection: No answer came.
        """
        connection = self._idle.pop() if self._idle else await self._connect()
        return await connection.ask(request)

    def idle(self, connection: _Connection) -> None:
        """Keep a connection for the next request, unless there are enough."""
        if len(self._idle) < _IDLE:
            self._idle.append(connection)
        else:
            connection.transport.loseConnection()

    def lost(self, connection: _Connection) -> None:
        """Use a connection no more."""
        if connection in self._idle:
            self._idle.remove(connection)

    async def _connect(self) -> _Connection:
        connection = _Connection(self)
        connected: Deferred[None] = Deferred()
        self._reactor.connectUNIX(self._path, _Connecting(connection, connected))
        await connected
        return connection
