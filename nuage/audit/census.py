"""Docker's view of all endpoints and networks of this driver, in as few questions as possible."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import PurePath

import attrs

from nuage.audit.rules import Docker
from nuage.docker import descriptions
from nuage.docker.descriptions import Network
from nuage.docker.engine import EndpointUnknown, Engine, NetworkUnknown
from nuage.docker.network_request import NetworkUnreadable, as_request
from nuage.docker.questions import AnswerUnreadable
from nuage.driver.endpoint_options import endpoint_options
from nuage.model import Container, Endpoint, NetworkRequest, Use, parse_address


class Census:
    """Asks one Docker daemon.

    Args:
        engine: The daemon.
        socket: The file name of this driver's socket, such as ``nuage.sock``. Docker names a driver that it finds by
            the socket after it, without the ending. A managed plugin is named by who installs it, and may be disabled:
            its networks are still ours.
    """

    def __init__(self, engine: Engine, socket: str) -> None:
        self._engine = engine
        self._socket = socket

    async def take(self) -> Docker:
        """Return the endpoints of running containers, whatever network they are on, and our networks.

        A Docker that lost its cluster store lists the containers on a shared network, but not the network.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        networks, unreadable = _requests(await self.networks())
        running = await self._engine.running_endpoints()
        return Docker(
            in_use=running.uses,
            complete=running.complete,
            networks=networks,
            running=running.containers,
            unreadable=unreadable,
        )

    async def networks(self) -> list[Network]:
        """Return our networks as Docker describes them, without their endpoints.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        drivers = {PurePath(self._socket).stem, *await self._engine.managed_drivers(self._socket)}
        return await self._engine.networks(drivers.__contains__)

    async def without_deleted(self, docker: Docker, doubtful: Collection[str]) -> Docker:
        """Leave out those of the ``doubtful`` endpoints that their networks no longer have.

        Docker takes an endpoint out of its network first and out of its container last (moby
        daemon/container_operations.go, disconnectFromNetwork). If it ends in between and the container outlives it, the
        container names the endpoint until it is started again.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        theirs = {endpoint_id: docker.in_use[endpoint_id].network_id for endpoint_id in doubtful}
        found = {network_id: await self._endpoints(network_id) for network_id in dict.fromkeys(theirs.values())}
        told = {endpoint_id: found[network_id] for endpoint_id, network_id in theirs.items()}
        deleted = {endpoint_id for endpoint_id, there in told.items() if there is not None and endpoint_id not in there}
        in_use = {endpoint_id: use for endpoint_id, use in docker.in_use.items() if endpoint_id not in deleted}
        return attrs.evolve(docker, in_use=in_use)

    async def with_others(self, docker: Docker, networks: Collection[str]) -> Docker:
        """Add the endpoints on ``networks`` that no running container names.

        Some are those of running containers all the same, and in use: Docker writes a container's new endpoint down
        last, after all calls about it (moby daemon/container_operations.go, ConnectToNetwork). If a call fails then, or
        Docker ends and the container outlives it, the container has the endpoint, and only the network names both. The
        others are being created, or Swarm's.

        Raises:
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        found = {network_id: await self._endpoints(network_id) for network_id in networks}
        told = {each.id: (network_id, each) for network_id, of in found.items() for each in (of or {}).values()}
        unnamed = {
            endpoint_id: Use(network_id=network_id, container=docker.running[each.container_id])
            for endpoint_id, (network_id, each) in told.items()
            if each.container_id in docker.running
        }
        in_use = {**unnamed, **docker.in_use}
        untold = frozenset(network_id for network_id, endpoints in found.items() if endpoints is None)
        return attrs.evolve(docker, in_use=in_use, others=frozenset(told.keys() - in_use), untold=untold)

    async def with_elsewhere(self, docker: Docker, unlisted: Collection[str]) -> Docker:
        """Add those of the networks that Docker has, but does not list under the names of our drivers."""
        elsewhere = [network_id for network_id in unlisted if await self._has(network_id)]
        return attrs.evolve(docker, elsewhere=frozenset(elsewhere))

    async def endpoint(self, network_id: str, endpoint_id: str, container: Container | None) -> Endpoint | None:
        """Return an endpoint as Docker describes it, None if Docker no longer has it.

        If its container does not name it, Docker has lost its options; see :meth:`with_others`. The container is asked
        first: an endpoint that its network still has then has not been deleted meanwhile.

        Args:
            network_id: The endpoint's network.
            endpoint_id: The endpoint.
            container: The container that it belongs to: Docker tells an endpoint's options only with its container.

        Raises:
            NetworkUnknown: Docker has no such network.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
            Refused: An option cannot be followed.
        """
        given = await self._options(endpoint_id, container) if container else {}
        found = (await self._engine.network(network_id)).endpoints.get(endpoint_id)
        if found is None or not found.mac or not found.ipv4:
            return None
        try:
            address = parse_address(IPv4Interface, found.ipv4)
            address_v6 = parse_address(IPv6Interface, found.ipv6) if found.ipv6 else None
        except ValueError as problem:
            raise AnswerUnreadable(f"what Docker says of endpoint {endpoint_id} cannot be read: {problem}") from None
        return Endpoint(
            id=endpoint_id,
            network_id=network_id,
            mac=found.mac,
            address=address,
            address_v6=address_v6,
            options=endpoint_options(given),
        )

    async def _options(self, endpoint_id: str, container: Container) -> Mapping[str, str]:
        try:
            return await self._engine.driver_options(container.id, endpoint_id)
        except EndpointUnknown:
            return {}

    async def _endpoints(self, network_id: str) -> Mapping[str, descriptions.Endpoint] | None:
        """Return the endpoints of a network, None if they cannot be read."""
        try:
            return (await self._engine.network(network_id)).endpoints
        except NetworkUnknown:
            return {}
        except AnswerUnreadable:
            return None

    async def _has(self, network_id: str) -> bool:
        """Tell whether Docker has a network, even one whose description cannot be read."""
        try:
            await self._engine.network(network_id)
        except NetworkUnknown:
            return False
        except AnswerUnreadable:
            return True
        return True


def _requests(networks: Iterable[Network]) -> tuple[dict[str, NetworkRequest], dict[str, str]]:
    """Return the networks as they would have been created, and what is wrong with those that cannot be read."""
    read = {network.id: _request(network) for network in networks}
    return (
        {network_id: request for network_id, request in read.items() if not isinstance(request, str)},
        {network_id: problem for network_id, problem in read.items() if isinstance(problem, str)},
    )


def _request(network: Network) -> NetworkRequest | str:
    try:
        return as_request(network)
    except NetworkUnreadable as problem:
        return str(problem)
