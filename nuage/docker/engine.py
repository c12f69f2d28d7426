"""What this plugin asks the Docker Engine API: networks, the containers of endpoints, managed plugins.

Every question is bounded in time: dockerd answers nothing while it starts, and meanwhile waits for this driver. Nothing
asks ``GET /containers/{id}/json`` during a call from Docker: inside a Join it would wait for the lock that Docker holds
for the Join.
In which version of the API it is asked, :mod:`nuage.docker.negotiation` finds out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorTime

from nuage.docker import descriptions
from nuage.docker.descriptions import Listed, Network
from nuage.docker.exchange import LARGEST_ANSWER, Answer, Exchange
from nuage.docker.presence import Presence
from nuage.docker.questions import Questions
from nuage.errors import NuageError
from nuage.model import Container, Use

_Value = TypeVar("_Value")

#: Where containers are listed.
_CONTAINERS = "/containers/json"

#: Names of containers in one question. Its path has them, and proxies take paths of 8 KB.
_NAMES_AT_ONCE = 100


class NetworkUnknown(NuageError):
    """Docker has no network of this id."""


class EndpointUnknown(NuageError):
    """Docker has no such endpoint of the container, or the container is gone."""


@attrs.frozen
class Running:
    """The running containers by their ids, and their endpoints. If it is not ``complete``, some could not be read."""

    containers: Mapping[str, Container]
    uses: Mapping[str, Use]
    complete: bool


class Engine:
    """A client of one Docker daemon.

    ``questions`` tells how each question ended, in a word of OUTCOMES.

    Args:
        exchange: Asks it; see :func:`connect`.
        presence: Is told how each question ended.
    """

    def __init__(self, exchange: Exchange, presence: Presence) -> None:
        self._exchange = exchange
        self._asking = Questions(exchange, presence)
        self.presence = presence
        self.questions = self._asking.ended

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
        networks, _ = await self._asking.items("/networks", descriptions.network)
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
                self.presence.without_plugins(self._asking.refusal(answer))
                return []
            return self._asking.listed(answer, descriptions.plugin)[0]

        plugins = await self._asking.ask(path, path, read)
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
            containers, _ = await self._asking.items(_CONTAINERS, descriptions.container, query)
            # The filter is a regular expression: a dot in a name fits other names too.
            found |= {container.name: container for container, _networks in containers}
        return found

    async def running_endpoints(self) -> Running:
        """Return the running containers, and network and container of each endpoint, of any driver, that they name.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        containers, complete = await self._asking.items(_CONTAINERS, descriptions.container)
        uses = {
            endpoint_id: Use(network_id=network_id, container=container)
            for container, networks in containers
            for endpoint_id, network_id in networks.items()
        }
        return Running({container.id: container for container, _networks in containers}, uses, complete)

    async def containers(self) -> list[Listed]:
        """Return all containers, also those that do not run. Works during a Join.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        return (await self._asking.items(_CONTAINERS, descriptions.listed, {"all": "1"}))[0]

    async def failure_of(self, container_id: str) -> str:
        """Return why a container did not start the last time, empty if it did or is gone. Does not work during a Join.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        path = f"/containers/{quote(container_id, safe='')}/json"

        def read(answer: Answer) -> str:
            return "" if answer.unknown else self._asking.understood(answer, descriptions.failure)

        return await self._asking.ask("/containers/ID/json", path, read)

    async def driver_options(self, container_id: str, endpoint_id: str) -> Mapping[str, str]:
        """Return the driver options that an endpoint of a container was given. Does not work during its Join.

        Docker tells them only here (20.10 and 26.1): its list of containers has a field for them, but leaves it empty.

        Raises:
            EndpointUnknown: The container is gone, or it has another endpoint by now.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        path = f"/containers/{quote(container_id, safe='')}/json"

        def read(answer: Answer) -> Mapping[str, Mapping[str, str]]:
            return {} if answer.unknown else self._asking.understood(answer, descriptions.driver_options)

        options = await self._asking.ask("/containers/ID/json", path, read)
        if endpoint_id not in options:
            raise EndpointUnknown(
                f"Docker at {self._exchange.address} knows no endpoint {endpoint_id} of container {container_id}"
            )
        return options[endpoint_id]

    async def _network(self, network_id: str, parse: Callable[[Any], _Value]) -> _Value:
        """Return what ``parse`` makes of Docker's description of a network."""
        path = f"/networks/{quote(network_id, safe='')}"

        def read(answer: Answer) -> _Value | None:
            return None if answer.unknown else self._asking.understood(answer, parse)

        network = await self._asking.ask("/networks/ID", path, read)
        if network is None:
            raise NetworkUnknown(f"Docker at {self._exchange.address} knows no network {network_id}")
        return network


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
