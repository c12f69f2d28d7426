"""What this plugin asks the Docker Engine API: networks, the containers of endpoints, managed plugins.

Every question is bounded in time: dockerd answers nothing while it starts, and meanwhile waits for this driver. Nothing
asks ``GET /containers/{id}/json`` during a call from Docker: inside a Join it would wait for the lock that Docker holds
for the Join.
In which version of the API it is asked, :mod:`nuage.docker.negotiation` finds out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from nuage.docker import descriptions
from nuage.docker.descriptions import UNREADABLE, Listed, Network
from nuage.docker.exchange import LARGEST_ANSWER, Answer, Exchange
from nuage.docker.negotiation import Negotiation
from nuage.docker.presence import REACHING, Again, Presence
from nuage.errors import DockerRefused, DockerUnavailable, DockerUnreachable, NuageError
from nuage.model import Container, Use
from nuage.told import Told
from nuage.watchers import Watchers

_Value = TypeVar("_Value")

#: Where containers are listed.
_CONTAINERS = "/containers/json"

#: Names of containers in one question. Its path has them, and proxies take paths of 8 KB.
_NAMES_AT_ONCE = 100


class NetworkUnknown(NuageError):
    """Docker has no network of this id."""


class EndpointUnknown(NuageError):
    """Docker has no such endpoint of the container, or the container is gone."""


class AnswerUnreadable(DockerUnavailable):
    """Docker answered, and the answer makes no sense."""


@attrs.frozen
class Running:
    """The endpoints of running containers. If it is not ``complete``, some could not be read."""

    uses: Mapping[str, Use]
    complete: bool


#: How a question may end: "refused" is an answer with an error of the 400s; with "unreachable" nobody listens; with
#: "failed" the answer did not come, was late, an error of Docker's own or not understood.
OUTCOMES = ("ok", "refused", "unreachable", "failed")


def _outcome(problem: DockerUnavailable) -> str:
    if isinstance(problem, DockerRefused):
        return "refused"
    return "unreachable" if isinstance(problem, DockerUnreachable) else "failed"


class Engine:
    """A client of one Docker daemon.

    ``questions`` tells how each question ended, in a word of OUTCOMES.

    Args:
        exchange: Asks it; see :func:`connect`.
        presence: Is told how each question ended.
    """

    _log = Logger()

    def __init__(self, exchange: Exchange, presence: Presence) -> None:
        self._exchange = exchange
        self._negotiation = Negotiation(exchange, presence)
        self.presence = presence
        self.questions: Watchers[str] = Watchers("questions to Docker")
        self._told = Told()

    async def network(self, network_id: str) -> Network:
        """Return one network with its endpoints.

        Raises:
            NetworkUnknown: There is no such network.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        return await self._network(network_id, descriptions.network)

    async def networks(self, driver: Callable[[str], bool]) -> list[Network]:
        """Return the networks whose driver's name satisfies ``driver``, without their endpoints.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        networks, _ = await self._list("/networks", descriptions.network)
        return [network for network in networks if driver(network.driver)]

    async def managed_drivers(self, socket: str) -> frozenset[str]:
        """Return the names of the managed plugins that are network drivers, such as ``nuage:latest``.

        There are none if this question is refused: proxies in front of Docker rarely let it through.

        Args:
            socket: The file name of the socket that Docker calls them on, such as ``nuage.sock``; others are left out.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        path = "/plugins"

        def read(answer: Answer) -> list[tuple[str, str]]:
            if answer.refused:
                self.presence.without_plugins(self._negotiation.refusal(answer))
                return []
            return self._listed(answer, descriptions.plugin)[0]

        plugins = await self._ask(path, path, read)
        return frozenset(name for name, its_socket in plugins if its_socket == socket)

    async def containers_of(self, network_id: str, endpoint_ids: Collection[str]) -> Mapping[str, Container | None]:
        """Return the container of each of a network's endpoints, None if it has none. Works during their Joins.

        Endpoints that the network does not have, or not yet, are left out.

        Raises:
            NetworkUnknown: There is no such network.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        names = await self._network(network_id, descriptions.container_names)
        wanted = {endpoint_id: names[endpoint_id] for endpoint_id in endpoint_ids if endpoint_id in names}
        containers = await self._named({name for name in wanted.values() if name})
        return {endpoint_id: containers.get(name) for endpoint_id, name in wanted.items()}

    async def _named(self, names: Collection[str]) -> Mapping[str, Container]:
        """Return the containers that have these names, by their names."""
        found: dict[str, Container] = {}
        ordered = sorted(names)
        for start in range(0, len(ordered), _NAMES_AT_ONCE):
            some = "|".join(ordered[start : start + _NAMES_AT_ONCE])
            query = {"all": "1", "filters": json.dumps({"name": [f"^/({some})$"]})}
            containers, _ = await self._list(_CONTAINERS, descriptions.container, query)
            # The filter is a regular expression: a dot in a name fits other names too.
            found |= {container.name: container for container, _networks in containers}
        return found

    async def running_endpoints(self) -> Running:
        """Return network and container of each endpoint, of any driver, that a running container has.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        containers, complete = await self._list(_CONTAINERS, descriptions.container)
        uses = {
            endpoint_id: Use(network_id=network_id, container=container)
            for container, networks in containers
            for endpoint_id, network_id in networks.items()
        }
        return Running(uses, complete)

    async def containers(self) -> list[Listed]:
        """Return all containers, also those that do not run. Works during a Join.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        return (await self._list(_CONTAINERS, descriptions.listed, {"all": "1"}))[0]

    async def failure_of(self, container_id: str) -> str:
        """Return why a container did not start the last time, empty if it did or is gone. Does not work during a Join.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        path = f"/containers/{quote(container_id, safe='')}/json"

        def read(answer: Answer) -> str:
            return "" if answer.unknown else self._understood(answer, descriptions.failure)

        return await self._ask("/containers/ID/json", path, read)

    async def driver_options(self, container_id: str, endpoint_id: str) -> Mapping[str, str]:
        """Return the driver options that an endpoint of a container was given. Does not work during its Join.

        Docker tells them only here (20.10 and 26.1): its list of containers has a field for them, but leaves it empty.

        Raises:
            EndpointUnknown: The container is gone, or it has another endpoint by now.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        path = f"/containers/{quote(container_id, safe='')}/json"

        def read(answer: Answer) -> Mapping[str, Mapping[str, str]]:
            return {} if answer.unknown else self._understood(answer, descriptions.driver_options)

        options = await self._ask("/containers/ID/json", path, read)
        if endpoint_id not in options:
            raise EndpointUnknown(
                f"Docker at {self._exchange.address} knows no endpoint {endpoint_id} of container {container_id}"
            )
        return options[endpoint_id]

    async def _network(self, network_id: str, parse: Callable[[Any], _Value]) -> _Value:
        """Return what ``parse`` makes of Docker's description of a network."""
        path = f"/networks/{quote(network_id, safe='')}"

        def read(answer: Answer) -> _Value | None:
            return None if answer.unknown else self._understood(answer, parse)

        network = await self._ask("/networks/ID", path, read)
        if network is None:
            raise NetworkUnknown(f"Docker at {self._exchange.address} knows no network {network_id}")
        return network

    async def _list(
        self, path: str, parse: Callable[[Any], _Value], query: Mapping[str, str] | None = None
    ) -> tuple[list[_Value], bool]:
        return await self._ask(path, path, lambda answer: self._listed(answer, parse), query)

    async def _ask(
        self, kind: str, path: str, read: Callable[[Answer], _Value], query: Mapping[str, str] | None = None
    ) -> _Value:
        """Ask, read the answer and tell how it went; ``kind`` is the same for all questions of one form."""
        try:
            found = await self._asked(kind, path, read, query)
        except DockerUnavailable as problem:
            self.questions.tell(_outcome(problem))
            raise
        self.questions.tell("ok")
        return found

    async def _asked(
        self, kind: str, path: str, read: Callable[[Answer], _Value], query: Mapping[str, str] | None
    ) -> _Value:
        again = partial(self._ask, kind, path, read, query)
        with self._noting(REACHING, again):
            answer = await self._negotiation.get(path, query or {})
            self.presence.took(answer.seconds, answer.server, self._negotiation.version)
        with self._noting(kind, again):
            return read(answer)

    @contextmanager
    def _noting(self, step: str, again: Again) -> Iterator[None]:
        try:
            yield
        except DockerUnavailable as problem:
            self.presence.failed(step, problem, again)
            raise
        self.presence.answered(step)

    def _listed(self, answer: Answer, parse: Callable[[Any], _Value]) -> tuple[list[_Value], bool]:
        """Return the items of a list that can be read, and whether that is all of them."""
        items = self._understood(answer, descriptions.items)
        parsed = [self._item(answer.path, item, parse) for item in items]
        readable = [item for item in parsed if item is not None]
        return readable, len(readable) == len(items)

    def _item(self, path: str, item: Any, parse: Callable[[Any], _Value]) -> _Value | None:
        try:
            return parse(item)
        except UNREADABLE as problem:
            # Show only a part: a container's state changes from one answer to the next.
            shown = f"Id {item['Id']!r}" if isinstance(item, dict) and "Id" in item else repr(item)[:80]
            if self._told.is_new((path, shown)):
                reason = f"not understood: the item with {shown} ({problem!r}); it is passed over"
                self._log.warn("{problem}", problem=str(self._exchange.unavailable(path, reason)))
            return None

    def _understood(self, answer: Answer, parse: Callable[[Any], _Value]) -> _Value:
        if answer.status != 200:
            raise self._negotiation.refusal(answer)
        try:
            return parse(json.loads(answer.body))
        except UNREADABLE:
            reason = f"not understood: it answered {answer.status} with something unexpected: {answer.body[:80]!r}"
        raise self._exchange.unavailable(answer.path, reason, AnswerUnreadable)


def connect(
    reactor: Any,
    endpoint: str,
    timeout: float,
    *,
    clock: IReactorTime | None = None,
    largest: int = LARGEST_ANSWER,
) -> Engine:
    """Return a client for the daemon at ``endpoint``, ``unix:///path`` or ``tcp://host:port``. Nothing is sent yet.

    Args:
        reactor: Makes the connections.
        endpoint: The daemon's address.
        timeout: Seconds that one call may take, from connecting to the last byte of the answer.
        clock: Measures the time-outs; by default the reactor.
        largest: Bytes that an answer may have.
    """
    clock = clock or reactor
    return Engine(Exchange(reactor, endpoint, clock, timeout, largest), Presence(clock, endpoint))
