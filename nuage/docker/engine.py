"""The Docker Engine API, as far as the driver asks it: networks, the containers of endpoints, managed plugins.

Every call is bounded in time, because dockerd answers nothing while it starts and waits for this driver meanwhile.
``GET /containers/{id}/json`` is never used: inside a Join it waits for the lock that the Join itself is called under.
Paths carry no version, which every daemon serves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import attrs
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.web.client import URI, Agent, RequestTransmissionFailed, ResponseFailed, readBody
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from nuage.errors import DockerUnavailable, NuageError
from nuage.model import Container, Use
from nuage.told import Told

_Value = TypeVar("_Value")

#: The interface that a managed plugin implements to be a network driver; a version follows.
_NETWORK_DRIVER = "docker.networkdriver/"

#: Docker's key for an endpoint whose Join is under way: the endpoint has no container yet.
_JOINING = "ep-"


#: What a request can end in: no connection, a broken one, a broken answer.
_FAILURES = (
    ConnectingCancelledError,
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    RequestTransmissionFailed,
    ResponseFailed,
)


#: What reading an answer ends in that is not of the form which Docker's has.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class NetworkUnknown(NuageError):
    """Docker has no network of this id."""


class AnswerUnreadable(DockerUnavailable):
    """Docker answered, and the answer makes no sense."""


@attrs.frozen(kw_only=True)
class Pool:
    """One address pool of a network, as Docker's IPAM keeps it; what it does not tell is an empty text."""

    subnet: str
    ip_range: str = ""
    gateway: str = ""


@attrs.frozen(kw_only=True)
class Endpoint:
    """An endpoint of a network. During its Join Docker knows no container id yet: ``container_id`` is then empty.

    ``ipv4`` and ``ipv6`` are addresses with a prefix length, or empty.
    """

    id: str
    container_id: str = ""
    container_name: str = ""
    mac: str = ""
    ipv4: str = ""
    ipv6: str = ""


@attrs.frozen(kw_only=True)
class Network:
    """A network as the Engine describes it. A list of networks names no endpoints."""

    id: str
    name: str
    driver: str
    scope: str = ""
    internal: bool = False
    enable_ipv6: bool = False
    options: Mapping[str, str] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)
    ipv4: tuple[Pool, ...] = ()
    ipv6: tuple[Pool, ...] = ()
    endpoints: Mapping[str, Endpoint] = attrs.field(factory=dict)


@attrs.frozen
class Running:
    """The endpoints of running containers. Where it is not ``complete`` Docker named more than could be read."""

    uses: Mapping[str, Use]
    complete: bool


class Engine:
    """A client of one Docker daemon.

    Each call has a connection of its own: a daemon that is told to stop waits for the connections that are open, and
    on a unix socket a new one costs next to nothing.

    Args:
        http: Sends requests; see :func:`connect`.
        endpoint: The daemon's address, for messages.
        clock: Measures the time-outs.
        timeout: Seconds that one call may take, from connecting to the last byte of the answer.
    """

    _log = Logger()

    def __init__(self, http: HTTPClient, endpoint: str, clock: IReactorTime, timeout: float) -> None:
        self._told = Told()
        self._http = http
        self._endpoint = endpoint
        self._clock = clock
        self._timeout = timeout

    async def network(self, network_id: str) -> Network:
        """Return one network with its endpoints.

        Raises:
            NetworkUnknown: There is no such network.
            DockerUnavailable: Docker did not answer, not in time, or not sensibly.
        """
        path = f"/networks/{quote(network_id, safe='')}"
        status, answer = await self._get(path)
        if status == 404:
            raise NetworkUnknown(f"Docker at {self._endpoint} knows no network {network_id}")
        return self._understood(path, status, answer, _network)

    async def networks(self, driver: Callable[[str], bool]) -> list[Network]:
        """Return the networks whose driver's name satisfies ``driver``, without their endpoints.

        Raises:
            DockerUnavailable: Docker did not answer, not in time, or not sensibly.
        """
        status, answer = await self._get("/networks")
        networks, _ = self._listed("/networks", status, answer, _network)
        return [network for network in networks if driver(network.driver)]

    async def managed_drivers(self, socket: str) -> frozenset[str]:
        """Return the names of the managed plugins that are network drivers, such as ``nuage:latest``.

        Args:
            socket: The file name of the socket that Docker calls them on, such as ``nuage.sock``; others are left out.

        Raises:
            DockerUnavailable: Docker did not answer, not in time, or not sensibly.
        """
        status, answer = await self._get("/plugins")
        plugins, _ = self._listed("/plugins", status, answer, _plugin)
        return frozenset(name for name, its_socket in plugins if its_socket == socket)

    async def container_of(self, network_id: str, endpoint_id: str) -> Container | None:
        """Return the container that the endpoint belongs to, or None where Docker does not tell; good during its Join.

        Raises:
            NetworkUnknown: There is no such network.
            DockerUnavailable: Docker did not answer, not in time, or not sensibly.
        """
        endpoint = (await self.network(network_id)).endpoints.get(endpoint_id)
        if endpoint is None or not endpoint.container_name:
            return None
        filters = json.dumps({"name": [f"^/{endpoint.container_name}$"]})
        containers, _ = await self._containers({"all": "1", "filters": filters})
        for container, _networks in containers:
            # The filter is a regular expression: a dot in the name fits other names too.
            if container.name == endpoint.container_name:
                return container
        return None

    async def running_endpoints(self) -> Running:
        """Return network and container of each endpoint, of any driver, that a running container has.

        Raises:
            DockerUnavailable: Docker did not answer, not in time, or not sensibly.
        """
        containers, complete = await self._containers({})
        uses = {
            endpoint_id: Use(network_id=network_id, container=container)
            for container, networks in containers
            for endpoint_id, network_id in networks.items()
        }
        return Running(uses, complete)

    async def _containers(self, query: Mapping[str, str]) -> tuple[list[tuple[Container, dict[str, str]]], bool]:
        path = "/containers/json"
        status, answer = await self._get(path, query)
        return self._listed(path, status, answer, _container)

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        call = Deferred.fromCoroutine(self._exchange(path, query or {}))
        try:
            return await call.addTimeout(self._timeout, self._clock, onTimeoutCancel=self._timed_out(path))
        except _FAILURES as problem:
            cause = _cause(problem)
            if isinstance(cause, CancelledError | ConnectingCancelledError):
                raise CancelledError from problem
            raise self._unavailable(path, str(cause) or type(cause).__name__) from problem

    async def _exchange(self, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        response = await self._http.get(f"http://docker{path}", params=query, unbuffered=True, allow_redirects=False)
        return response.code, await readBody(response)

    def _timed_out(self, path: str) -> Callable[[Any, float], Any]:
        def report(_outcome: Any, seconds: float) -> Any:
            raise self._unavailable(path, f"no answer within {seconds:g} seconds")

        return report

    def _listed(
        self, path: str, status: int, answer: bytes, parse: Callable[[Any], _Value]
    ) -> tuple[list[_Value], bool]:
        """Return the items of a list that can be read, and whether these are all."""
        items = self._understood(path, status, answer, _list)
        parsed = [self._item(path, item, parse) for item in items]
        readable = [item for item in parsed if item is not None]
        return readable, len(readable) == len(items)

    def _item(self, path: str, item: Any, parse: Callable[[Any], _Value]) -> _Value | None:
        try:
            return parse(item)
        except _UNREADABLE as problem:
            # Not all of it: a container's state changes from one answer to the next.
            shown = f"Id {item['Id']!r}" if isinstance(item, dict) and "Id" in item else repr(item)[:80]
            if self._told.is_new((path, shown)):
                reason = f"the item with {shown} is passed over: {problem!r}"
                self._log.warn("{problem}", problem=str(self._unavailable(path, reason)))
            return None

    def _understood(self, path: str, status: int, answer: bytes, parse: Callable[[Any], _Value]) -> _Value:
        try:
            content = json.loads(answer)
            if status == 200:
                return parse(content)
            reason = f"it answered {status}: {content['message']}"
        except _UNREADABLE:
            reason = f"it answered {status} with something unexpected: {answer[:80]!r}"
            if status == 200:
                raise AnswerUnreadable(str(self._unavailable(path, reason))) from None
        raise self._unavailable(path, reason)

    def _unavailable(self, path: str, reason: str) -> DockerUnavailable:
        return DockerUnavailable(f"Docker at {self._endpoint} (DockerEndpoint): GET {path}: {reason}")


@implementer(IAgentEndpointFactory)
@attrs.frozen
class _Always:
    """Connects to the daemon whatever the address in the request says."""

    endpoint: IStreamClientEndpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: ARG002
        return self.endpoint


def connect(reactor: Any, endpoint: str, timeout: float, *, clock: IReactorTime | None = None) -> Engine:
    """Return a client for the daemon at ``endpoint``, ``unix:///path`` or ``tcp://host:port``. Nothing is sent yet.

    Args:
        reactor: Makes the connections.
        endpoint: The daemon's address.
        timeout: Seconds that one call may take.
        clock: Measures the time-outs; the reactor where it is left out.
    """
    scheme, _, address = endpoint.partition("://")
    if scheme == "unix":
        target: IStreamClientEndpoint = UNIXClientEndpoint(reactor, address)
    else:
        host, _, port = address.rpartition(":")
        target = HostnameEndpoint(reactor, host.strip("[]"), int(port))
    agent = Agent.usingEndpointFactory(reactor, _Always(target))
    return Engine(HTTPClient(agent), endpoint, clock or reactor, timeout)


def _cause(problem: Exception) -> Exception:
    """Return what lies below: a failed request or response only wraps it."""
    reasons = getattr(problem, "reasons", None)
    return _cause(reasons[0].value) if reasons else problem


def _network(item: Any) -> Network:
    pools = [_pool(config) for config in (item.get("IPAM") or {}).get("Config") or ()]
    containers = (item.get("Containers") or {}).items()
    return Network(
        id=item["Id"],
        name=item["Name"],
        driver=item["Driver"],
        scope=item.get("Scope") or "",
        internal=bool(item.get("Internal")),
        enable_ipv6=bool(item.get("EnableIPv6")),
        options=dict(item.get("Options") or {}),
        labels=dict(item.get("Labels") or {}),
        ipv4=tuple(pool for pool in pools if ":" not in pool.subnet),
        ipv6=tuple(pool for pool in pools if ":" in pool.subnet),
        endpoints={endpoint.id: endpoint for endpoint in (_endpoint(*entry) for entry in containers)},
    )


def _pool(item: Any) -> Pool:
    return Pool(subnet=item.get("Subnet") or "", ip_range=item.get("IPRange") or "", gateway=item.get("Gateway") or "")


def _list(content: Any) -> list[Any]:
    if not isinstance(content, list | None):
        raise TypeError("not a list")
    return content or []


def _endpoint(key: str, content: Any) -> Endpoint:
    joining = key.startswith(_JOINING)
    # What is not told of one endpoint is no reason to know nothing of the others.
    item = content if isinstance(content, dict) else {}
    return Endpoint(
        id=item.get("EndpointID") or key.removeprefix(_JOINING),
        container_id="" if joining else key,
        container_name=item.get("Name") or "",
        mac=item.get("MacAddress") or "",
        ipv4=item.get("IPv4Address") or "",
        ipv6=item.get("IPv6Address") or "",
    )


def _plugin(item: Any) -> tuple[str, str]:
    """Return a managed plugin's name and the file name of its socket as a network driver, empty where it is none."""
    interface = item["Config"]["Interface"]
    driver = any(kind.startswith(_NETWORK_DRIVER) for kind in interface.get("Types") or ())
    return item["Name"], interface.get("Socket") or "" if driver else ""


def _container(item: Any) -> tuple[Container, dict[str, str]]:
    """Return a container and the network of each of its endpoints, by their ids."""
    # Links give a container further names, "/other/alias"; its own has one slash.
    names = [name[1:] for name in item.get("Names") or () if name.count("/") == 1]
    networks = ((item.get("NetworkSettings") or {}).get("Networks") or {}).values()
    container = Container(id=item["Id"], name=names[0] if names else "", labels=dict(item.get("Labels") or {}))
    joined = {each["EndpointID"]: each.get("NetworkID") or "" for each in networks if each and each.get("EndpointID")}
    return container, joined
