"""Who listens where, and how connections are made."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from twisted.internet import error
from twisted.internet.base import BaseConnector
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IConnector, IListeningPort
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.simulation.streams import End, Weather, address_of
from tests.simulation.timeline import Event


@implementer(IListeningPort)
class Port:
    """A listening socket.

    Attributes:
        accepting: Whether it takes connections; if not, they are refused.
        pace: What the delays of its connections are multiplied with, to make a server slow.
        connections: The open ones, as the ends of the side that listens.
    """

    def __init__(self, network: Network, address: str, factory: Any) -> None:
        self.network = network
        self.address = address
        self.factory = factory
        self.accepting = True
        self.pace = 1.0
        self.connections: list[End] = []

    def startListening(self) -> None:
        """See IListeningPort."""
        listening = self.network.ports.get(self.address)
        if listening is not None and listening.accepting:
            problem = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            raise error.CannotListenError(None, self.address, problem)
        self.network.ports[self.address] = self
        self.factory.doStart()

    def stopListening(self) -> Deferred[None]:
        """See IListeningPort. The file of a unix socket goes as well; connections stay."""
        if self.network.ports.get(self.address) is self:
            del self.network.ports[self.address]
        self.accepting = False
        self.factory.doStop()
        return succeed(None)

    def getHost(self) -> IAddress:
        """See IListeningPort."""
        return address_of(self.address)

    def change_pace(self, pace: float) -> None:
        """Multiply all delays of its connections with ``pace`` from now on, also of what is under way."""
        self.pace = pace
        for server in self.connections:
            for end in (server, server.peer):
                end.change_pace(pace)

    def accept(self, end: End) -> None:
        """Give a connection to a protocol."""
        _serve(end, self.factory)


class Network:
    """The sockets as one process sees them.

    Args:
        reactor: That of the process.
        weather: Draws delays and cuts.
        ports: Who listens where, in the whole world. A port that does not accept is the file of a dead unix socket.
    """

    def __init__(self, reactor: Any, weather: Weather, ports: dict[str, Port]) -> None:
        self.reactor = reactor
        self.call: Callable[..., Event] = reactor.callLater
        self.weather = weather
        self.ports = ports
        self._ends: dict[End, None] = {}

    def listen(self, address: str, factory: Any) -> Port:
        """Listen at an address such as ``unix:/run/docker.sock`` or ``tcp:10.0.0.1:6640``.

        Raises:
            CannotListenError: Somebody listens there.
        """
        port = Port(self, address, factory)
        port.startListening()
        return port

    def connect(self, address: str, factory: Any, timeout: float = 30.0) -> Connector:
        """Connect to an address, with a ClientFactory."""
        connector = Connector(self, address, factory, timeout)
        connector.connect()
        return connector

    def open_end(
        self, address: str, lost: Callable[[End, Failure], None] | None = None, weather: Weather | None = None
    ) -> End:
        """Return a new end of this process, in the weather of the process unless another is given."""

        def forget(end: End, reason: Failure) -> None:
            self._ends.pop(end, None)
            if lost is not None:
                lost(end, reason)

        end = End(self.call, weather or self.weather, address_of(address), forget)
        self._ends[end] = None
        return end

    def adopt(self, end: End, factory: Any) -> None:
        """Take over an end that another process of the machine has accepted, and serve it."""
        self._ends[end] = None
        end.hand_over(self.call, lambda end: self._ends.pop(end, None))
        _serve(end, factory)

    def ends(self) -> list[End]:
        """Return the open ends of this process, in the order of their making."""
        return list(self._ends)

    def vanish(self) -> None:
        """Close all, because the process is dead. The files of its unix sockets stay."""
        for port in self.ports.values():
            if port.network is self:
                port.accepting = False
        for end in self.ends():
            end.vanish()


@implementer(IConnector)
class Connector(BaseConnector):
    """One attempt to connect, and the connection."""

    def __init__(self, network: Network, address: str, factory: Any, timeout: float) -> None:
        super().__init__(factory, timeout, network.reactor)
        self.network = network
        self.address = address

    def _makeTransport(self) -> Any:
        return _Attempt(self)

    def getDestination(self) -> IAddress:
        """See IConnector."""
        return address_of(self.address)

    def __repr__(self) -> str:
        return f"<connector to {self.address}>"


class _Attempt:
    """Connects after a while; then it passes on what is done to the connection."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._network = connector.network
        self._over = False
        self._end: End | None = None
        self._network.call(self._network.weather.delay(1.0), self._connect)

    def failIfNotConnected(self, problem: Exception) -> None:
        """See twisted.internet.tcp.BaseClient."""
        if not self._over:
            self._over = True
            self._connector.connectionFailed(Failure(problem))

    def loseConnection(self) -> None:
        """See ITransport."""
        if self._end is not None:
            self._end.loseConnection()

    def _connect(self) -> None:
        if self._over:
            return
        address = self._connector.address
        port = self._network.ports.get(address)
        if port is None or not port.accepting:
            number = errno.ECONNREFUSED if port is not None or not address.startswith("unix:") else errno.ENOENT
            self.failIfNotConnected(error.getConnectError((number, os.strerror(number))))
            return
        self._over = True
        self._end = _joined(self._network, port, self._lost)
        protocol = self._connector.buildProtocol(address_of(address))
        if protocol is None:
            self._end.loseConnection()
        else:
            self._end.use(protocol)

    def _lost(self, _end: End, reason: Failure) -> None:
        self._network.call(0.0, self._connector.connectionLost, reason)


def _serve(end: End, factory: Any) -> None:
    """Give a connection that was accepted to a protocol."""
    if not end.connected:
        return
    protocol = factory.buildProtocol(end.getPeer())
    if protocol is None:
        end.abortConnection()
    else:
        end.use(protocol)


def _joined(network: Network, port: Port, lost: Callable[[End, Failure], None]) -> End:
    """Connect both sides, in the weather of the one that asked; return its end."""
    client = network.open_end(port.address, lost)
    server = port.network.open_end(port.address, lambda end, _: port.connections.remove(end), network.weather)
    client.peer, server.peer = server, client
    client.pace = server.pace = port.pace
    port.connections.append(server)
    server.await_acceptance(port.accept)
    return client
