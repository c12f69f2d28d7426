"""What Docker says of the container or the endpoint that a user names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from nuage.audit.census import Census
from nuage.docker.descriptions import Endpoint, Listed, Network
from nuage.docker.engine import Engine, NetworkUnknown
from nuage.errors import DockerUnavailable, NuageError
from nuage.status.facts import DockerView
from nuage.text import did_you_mean

#: The least number of characters by which an id is recognized. A shorter one is more likely a name that is misspelt.
SHORTEST_ID = 4


class UnknownName(NuageError):
    """There is no container and no endpoint of this name."""


class DockerViews:
    """Asks Docker about single containers.

    Args:
        engine: Docker.
        census: Knows which networks are this driver's.
    """

    def __init__(self, engine: Engine, census: Census) -> None:
        self._engine = engine
        self._census = census

    async def of(self, name: str) -> list[DockerView]:
        """Return a container's endpoints on our networks, or one view without an endpoint if there is none.

        Args:
            name: The container's name, or the first characters of its id or of an endpoint's.

        Raises:
            UnknownName: Docker has neither; the message has the nearest name.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        listed = await self._engine.containers()
        networks = {network.name: network for network in await self._census.networks()}
        container = _named(name, listed) or _holder(name, listed)
        if container is None:
            known = [each.container.name for each in listed if each.container.name]
            raise UnknownName(f'Docker has no container and no endpoint "{name}"{did_you_mean(name, known)}')
        views = [view async for view in self._views(container, networks.values()) if _fits(name, view)]
        return views or [DockerView(listed=container, failure=await self._failure(container))]

    async def _views(self, listed: Listed, networks: Iterable[Network]) -> AsyncIterator[DockerView]:
        failure = await self._failure(listed)
        for network in networks:
            if network.name in listed.endpoints:
                endpoint = listed.endpoints[network.name]
                joining = None if endpoint.id else await self._joining(listed, network)
                yield DockerView(
                    listed=listed,
                    endpoint=joining or endpoint,
                    network=network.name,
                    joining=joining is not None,
                    failure="" if joining else failure,
                )

    async def _joining(self, listed: Listed, network: Network) -> Endpoint | None:
        """Return the endpoint of a container that Docker is starting."""
        with suppress(NetworkUnknown):
            for endpoint in (await self._engine.network(network.id)).endpoints.values():
                if endpoint.container_name == listed.container.name:
                    return endpoint
        return None

    async def _failure(self, listed: Listed) -> str:
        """Return why a container that has ended, or never began, did not start."""
        if listed.state not in ("created", "exited"):
            return ""
        with suppress(DockerUnavailable):
            return await self._engine.failure_of(listed.container.id)
        return ""


def _named(name: str, listed: Iterable[Listed]) -> Listed | None:
    """Return the container of a name or, if there is none, of an id."""
    by_id = None
    for each in listed:
        if each.container.name == name:
            return each
        if len(name) >= SHORTEST_ID and each.container.id.startswith(name):
            by_id = each
    return by_id


def _holder(endpoint_id: str, listed: Iterable[Listed]) -> Listed | None:
    """Return the container that has an endpoint."""
    if len(endpoint_id) < SHORTEST_ID:
        return None
    for each in listed:
        if any(endpoint.id.startswith(endpoint_id) for endpoint in each.endpoints.values()):
            return each
    return None


def _fits(name: str, view: DockerView) -> bool:
    """Tell whether an endpoint is meant: that of its name, or each of a container that is named."""
    if view.listed is None or view.endpoint is None or not view.endpoint.id:
        return True
    container = view.listed.container
    return name == container.name or container.id.startswith(name) or view.endpoint.id.startswith(name)
