"""Docker's side without Docker: HTTP to the plugin's site in memory, and what stands behind the site."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import attrs
from ovs.db.types import StringType, Type
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from nuage.driver.cleanup import Cleanup
from nuage.driver.containers import Containers
from nuage.driver.driver import Driver
from nuage.driver.endpoints import Endpoints
from nuage.driver.networks import Networks
from nuage.driver.turns import Turns
from nuage.libnetwork import payloads
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.ipam_resource import IpamDriver, resource_of
from nuage.libnetwork.resource import NetworkDriver
from nuage.libnetwork.server import PluginSite
from nuage.model import Container, Endpoint, Network
from nuage.ovsdb.errors import ValueNotEncodable
from nuage.ovsdb.notation import encode
from nuage.vrs.addresses import Addresses
from nuage.vrs.views import Attachment
from tests.driver_support import NotedLinks, PlayedDocker

#: Every call whose request has a body, and the driver's method that carries it out.
WITH_BODY = {
    "NetworkDriver.AllocateNetwork": "allocate_network",
    "NetworkDriver.FreeNetwork": "free_network",
    "NetworkDriver.CreateNetwork": "create_network",
    "NetworkDriver.DeleteNetwork": "delete_network",
    "NetworkDriver.CreateEndpoint": "create_endpoint",
    "NetworkDriver.EndpointOperInfo": "endpoint_oper_info",
    "NetworkDriver.DeleteEndpoint": "delete_endpoint",
    "NetworkDriver.Join": "join",
    "NetworkDriver.Leave": "leave",
    "NetworkDriver.ProgramExternalConnectivity": "program_external_connectivity",
    "NetworkDriver.RevokeExternalConnectivity": "revoke_external_connectivity",
    "NetworkDriver.DiscoverNew": "discover",
    "NetworkDriver.DiscoverDelete": "discover",
}
WITHOUT_BODY = ("Plugin.Activate", "NetworkDriver.GetCapabilities")

Work = Callable[[Any], Awaitable[Any]]


class PlayedDriver:
    """Carries every call out by ``work``, and notes the calls."""

    def __init__(self, work: Work | None = None) -> None:
        self.work = work or _done
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any = None) -> Any:
            self.calls.append((name, request))
            return await self.work(request)

        return call


async def _done(_request: Any) -> payloads.Empty:
    return payloads.Empty()


@attrs.frozen
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


class _Stream(BytesIO):
    def makefile(self, _mode: str) -> _Stream:
        """See socket.socket."""
        return self

    def close(self) -> None:
        """Stay open: the next response follows."""


def read_answers(received: bytes) -> list[Answer]:
    """Read what came from the server: whole responses, one after the other."""
    stream = _Stream(received)
    answers = []
    while stream.tell() < len(received):
        response = HTTPResponse(cast(Any, stream), method="POST")
        response.begin()
        answers.append(Answer(response.status, dict(response.getheaders()), response.read()))
    return answers


def post(method: str, body: bytes, *headers: str) -> bytes:
    """Return a request as Docker makes it."""
    lines = [
        f"POST /{method} HTTP/1.1",
        "Host: ",
        "Accept: application/vnd.docker.plugins.v1.2+json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def post_json(method: str, body: object) -> bytes:
    """Return a request with a JSON body."""
    return post(method, b"" if body is None else json.dumps(body).encode())


def site_of(driver: object, calls: Calls, clock: Any, ipam: object = None) -> PluginSite:
    """Return a site with drivers of both kinds behind it."""
    return PluginSite(resource_of(cast(NetworkDriver, driver), cast(IpamDriver, ipam or PlayedDriver()), calls), clock)


class Wire:
    """A connection to a site, in memory."""

    def __init__(self, site: PluginSite) -> None:
        self.transport = StringTransport(UNIXAddress(None), UNIXAddress(None))
        self.protocol = cast(Any, site.buildProtocol(UNIXAddress(None)))
        self.protocol.makeConnection(self.transport)

    @property
    def closed(self) -> bool:
        """Whether the server closes the connection."""
        return bool(self.transport.disconnecting)

    def send(self, data: bytes) -> list[Answer]:
        """Send bytes and return what is answered at once."""
        self.transport.clear()
        self.protocol.dataReceived(data)
        return self.answers()

    def answers(self) -> list[Answer]:
        """Return the answers to what was sent last."""
        return read_answers(self.transport.value())

    def hang_up(self) -> None:
        """Close the connection from the client's side."""
        self.protocol.connectionLost(Failure(ConnectionDone()))


class Client(Protocol):
    """Docker's side of one connection."""

    def __init__(self) -> None:
        self.received = b""
        self.lost: Deferred[None] = Deferred()
        self._waiting: list[tuple[int, Deferred[None]]] = []

    def dataReceived(self, data: bytes) -> None:
        """Keep what came."""
        self.received += data
        for bytes_due, waiter in self._waiting:
            if not waiter.called and self.received.count(b"\r\n0\r\n\r\n") >= bytes_due:
                waiter.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell whoever waits for it."""
        self.lost.callback(None)

    async def ask(self, request: bytes) -> Answer:
        """Send a request and return its answer."""
        cast(Any, self.transport).write(request)
        return await self.answer()

    async def answer(self, number: int = 1) -> Answer:
        """Wait for the answers that are due and return the last one."""
        waiter: Deferred[None] = Deferred()
        self._waiting.append((number, waiter))
        self.dataReceived(b"")
        await waiter
        received, self.received = self.received, b""
        return read_answers(received)[-1]

    def hang_up(self) -> None:
        """Close the connection."""
        cast(Any, self.transport).loseConnection()


class _Clients(ClientFactory):
    noisy = False

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.connected: Deferred[Client] = Deferred()

    def buildProtocol(self, _address: object) -> Client:
        client = Client()
        self._reactor.callLater(0, self.connected.callback, client)
        return client

    def clientConnectionFailed(self, _connector: object, reason: Failure) -> None:
        self.connected.errback(reason)


async def connect(reactor: Any, path: Path) -> Client:
    """Connect to a server's socket."""
    clients = _Clients(reactor)
    reactor.connectUNIX(str(path), clients)
    return await clients.connected


def asynchronous(method: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Deferred[None]]:
    """Make a coroutine function a test of trial's."""

    def test(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(method(self))

    test.__doc__ = method.__doc__
    return test


class MemorySwitch:
    """A switch that keeps what it is told in memory, in the form in which the database would keep it."""

    bridge = "alubr0"

    def __init__(self) -> None:
        self.records: dict[tuple[type, str], str] = {}
        self.attached: set[str] = set()

    async def loaded(self) -> None:
        """Be there."""

    async def ready(self) -> None:
        """Be there."""

    def network(self, network_id: str) -> Network | None:
        """See nuage.vrs.switch.Switch."""
        record = self.records.get((Network, network_id))
        return None if record is None else Network.from_record(record)

    def networks(self) -> Iterator[Network]:
        """See nuage.vrs.switch.Switch."""
        known = [self.network(id_) for kind, id_ in self.records if kind is Network]
        return iter([each for each in known if each is not None])

    def foreign_networks(self) -> Iterator[Network]:
        """See nuage.vrs.switch.Switch."""
        return iter(())

    async def remember_network(self, network: Network) -> None:
        """See nuage.vrs.switch.Switch."""
        for name in (network.organization, network.user, network.domain, network.zone, network.subnet):
            storable(name or "")
        self.records[Network, network.id] = storable(network.to_record())

    async def forget_network(self, network_id: str, _pools: object = None) -> None:
        """See nuage.vrs.switch.Switch."""
        self.records.pop((Network, network_id), None)

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """See nuage.vrs.switch.Switch."""
        record = self.records.get((Endpoint, endpoint_id))
        return None if record is None else Endpoint.from_record(record)

    def holders(self, network: Network, addresses: Addresses) -> set[str]:
        """Return those that have one of some addresses."""
        endpoints = filter(None, map(self.endpoint, self.endpoints_of(network.id)))
        return {each.id for each in endpoints if each.address and each.address.ip in addresses}

    def strays(self, _network: Network, _addresses: Addresses) -> set[str]:
        """Return none."""
        return set()

    async def remember_endpoint(self, endpoint: Endpoint) -> None:
        """See nuage.vrs.switch.Switch."""
        for text in (endpoint.mac, *endpoint.options, *endpoint.options.values()):
            storable(text)
        self.records[Endpoint, endpoint.id] = storable(endpoint.to_record())

    async def forget_endpoint(self, endpoint_id: str) -> None:
        """See nuage.vrs.switch.Switch."""
        self.attached.discard(endpoint_id)
        self.records.pop((Endpoint, endpoint_id), None)

    def endpoints_of(self, network_id: str) -> list[str]:
        """See nuage.vrs.switch.Switch."""
        known = [self.endpoint(id_) for kind, id_ in self.records if kind is Endpoint]
        return [each.id for each in known if each is not None and each.network_id == network_id]

    async def attach(self, network: Network, endpoint: Endpoint, container: Container | None) -> Attachment:
        """See nuage.vrs.switch.Switch."""
        self.attached.add(endpoint.id)
        return Attachment("nu", "", "", 1, None, None)

    async def unplug(self, endpoint_id: str) -> None:
        """See nuage.vrs.switch.Switch."""
        self.attached.discard(endpoint_id)

    def attachment(self, endpoint_id: str) -> Attachment | None:
        """See nuage.vrs.switch.Switch."""
        return Attachment("nu", "", "", 1, None, None) if endpoint_id in self.attached else None

    def resolution(self, endpoint_id: str) -> None:
        """See nuage.vrs.switch.Switch."""

    def controller_connected(self) -> bool:
        """See nuage.vrs.switch.Switch."""
        return False


def storable(text: str) -> str:
    """Return a text that an OVSDB column can hold. That another gets so far is a bug, not a refusal."""
    try:
        encode(text, Type.from_json(StringType.to_string()))
    except ValueNotEncodable as problem:
        raise AssertionError(text) from problem
    return text


def driver_on(switch: MemorySwitch, clock: Clock) -> Driver:
    """Return the real driver, with Docker and links that are played."""
    turns = Turns(clock)
    docker = PlayedDocker()
    cleanup = Cleanup(clock, turns)
    played = cast(Any, switch)
    endpoints = Endpoints(
        mtu=1450,
        resolve_timeout=0,
        label_policy="late",
        switch=played,
        links=NotedLinks(),
        containers=Containers(clock, docker, lambda _endpoint, _container: None),
        cleanup=cleanup,
        turns=turns,
        clock=clock,
    )
    networks = Networks(
        clock,
        switch=played,
        find_network=docker.find_network,
        endpoints=endpoints,
        cleanup=cleanup,
        turns=turns,
    )
    return Driver(scope="local", switch=played, networks=networks, endpoints=endpoints)


def never(_request: object) -> Deferred[Any]:
    """Begin a call that does not end by itself."""
    return Deferred()
