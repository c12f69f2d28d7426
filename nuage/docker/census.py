"""Docker's view of all endpoints and networks of this driver, in as few questions as possible."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import PurePath

import attrs

from nuage.audit import Docker
from nuage.docker.engine import Engine, NetworkUnknown
from nuage.docker.networks import as_request
from nuage.model import Container, Endpoint
from nuage.policy import endpoint_options


class Census:
    """Asks one Docker daemon.

    Args:
        engine: The daemon.
        socket: The file name of this driver's socket, such as ``nuage.sock``. Docker names a driver that it finds by
            the socket after it, without the ending. A managed plugin is named by who installs it, and may be disabled:
            its networks are ours still.
    """

    def __init__(self, engine: Engine, socket: str) -> None:
        self._engine = engine
        self._socket = socket

    async def take(self) -> Docker:
        """Return the endpoints of running containers, whatever network they are on, and our networks.

        A Docker that lost its cluster store lists the containers on a shared network, but not the network.

        Raises:
            DockerUnavailable: Docker does not answer.
        """
        drivers = {PurePath(self._socket).stem, *await self._engine.managed_drivers(self._socket)}
        listed = await self._engine.networks(drivers.__contains__)
        networks = {each.id: as_request(each) for each in listed}
        return Docker(in_use=await self._engine.running_endpoints(), networks=networks)

    async def with_others(self, docker: Docker, networks: Collection[str]) -> Docker:
        """Add the endpoints on ``networks`` that belong to no running container: those being created, or Swarm's."""
        others = [endpoint_id for network_id in networks for endpoint_id in await self._endpoints(network_id)]
        return attrs.evolve(docker, others=frozenset(others))

    async def endpoint(self, network_id: str, endpoint_id: str, container: Container | None) -> Endpoint | None:
        """Return an endpoint as Docker describes it, None where Docker has it no more.

        Args:
            network_id: The endpoint's network.
            endpoint_id: The endpoint.
            container: Whose it is; it is Docker's description of the container that has the endpoint's options.

        Raises:
            NetworkUnknown: Docker has no such network.
            DockerUnavailable: Docker does not answer.
            Refused: An option cannot be followed.
        """
        found = (await self._engine.network(network_id)).endpoints.get(endpoint_id)
        if found is None or not found.mac or not found.ipv4:
            return None
        given = await self._engine.driver_options(container.id, endpoint_id) if container else {}
        return Endpoint(
            id=endpoint_id,
            network_id=network_id,
            mac=found.mac,
            address=IPv4Interface(found.ipv4),
            address_v6=IPv6Interface(found.ipv6) if found.ipv6 else None,
            options=endpoint_options(given),
        )

    async def _endpoints(self, network_id: str) -> Collection[str]:
        try:
            return (await self._engine.network(network_id)).endpoints
        except NetworkUnknown:
            return ()
