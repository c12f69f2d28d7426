"""Docker's view of all endpoints and networks of this driver, in as few questions as possible."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Interface, IPv6Interface

import attrs

from nuage.audit import Docker
from nuage.docker.engine import Engine, NetworkUnknown
from nuage.docker.networks import as_request
from nuage.model import Endpoint


class Census:
    """Asks one Docker daemon.

    Args:
        engine: The daemon.
        driver: This driver's name as Docker knows it from the socket's file name, such as ``nuage``.
    """

    def __init__(self, engine: Engine, driver: str) -> None:
        self._engine = engine
        self._driver = driver

    async def take(self) -> Docker:
        """Return the endpoints of running containers on our networks, and our networks.

        Raises:
            DockerUnavailable: Docker does not answer.
        """
        listed = await self._engine.networks(self._is_ours)
        networks = {each.id: as_request(each) for each in listed}
        uses = await self._engine.running_endpoints()
        return Docker(
            in_use={endpoint_id: use for endpoint_id, use in uses.items() if use.network_id in networks},
            networks=networks,
        )

    async def with_others(self, docker: Docker, networks: Collection[str]) -> Docker:
        """Add the endpoints on ``networks`` that belong to no running container: those being created, or Swarm's."""
        others = [endpoint_id for network_id in networks for endpoint_id in await self._endpoints(network_id)]
        return attrs.evolve(docker, others=frozenset(others))

    async def endpoint(self, network_id: str, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint as Docker describes it, without its options; None where Docker has it no more.

        Raises:
            NetworkUnknown: Docker has no such network.
            DockerUnavailable: Docker does not answer.
        """
        found = (await self._engine.network(network_id)).endpoints.get(endpoint_id)
        if found is None or not found.mac or not found.ipv4:
            return None
        return Endpoint(
            id=endpoint_id,
            network_id=network_id,
            mac=found.mac,
            address=IPv4Interface(found.ipv4),
            address_v6=IPv6Interface(found.ipv6) if found.ipv6 else None,
        )

    async def _endpoints(self, network_id: str) -> Collection[str]:
        try:
            return (await self._engine.network(network_id)).endpoints
        except NetworkUnknown:
            return ()

    def _is_ours(self, driver: str) -> bool:
        """Tell whether a driver's name is ours; that of a managed plugin has a repository and a tag around it."""
        return driver.rpartition("/")[2].partition(":")[0] == self._driver
