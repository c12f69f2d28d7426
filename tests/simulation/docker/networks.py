"""How dockerd makes and removes networks and endpoints (moby libnetwork/controller.go, network.go, endpoint.go)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from tests.simulation.docker.driver import Driver
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.locks import Locks
from tests.simulation.docker.store import Attachment, Container, Endpoint, GivenPool, Network, PoolRequest, Store

_MAC_OPTION = "com.docker.network.endpoint.macaddress"
_PORTS, _MAPPINGS = "com.docker.network.endpoint.exposedports", "com.docker.network.portmap"
_TCP = 6


@attrs.frozen(kw_only=True)
class NetworkRequest:
    """What ``docker network create`` is given."""

    name: str
    driver: str
    options: Mapping[str, str] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)
    internal: bool = False
    ipv6: bool = False
    scope: str = "local"
    pools: tuple[PoolRequest, ...] = ()


class Networks:
    """The networks of one process of dockerd.

    Args:
        store: What is on the disk.
        driver_of: Returns the driver of a name, after asking a plugin what it is. It raises DockerError.
        new_id: Returns a new id.
        warn: Is told what the real one only logs.
    """

    def __init__(
        self,
        store: Store,
        driver_of: Callable[[str], Awaitable[Driver]],
        new_id: Callable[[], str],
        warn: Callable[[str], None],
    ) -> None:
        self._store = store
        self._driver_of = driver_of
        self._new_id = new_id
        self._warn = warn
        self._locks = Locks()

    def find(self, name: str) -> Network:
        """Return a network by its id, or by its name.

        Raises:
            DockerError: There is none.
        """
        found = self._store.networks.get(name) or next(
            (each for each in self._store.networks.values() if each.name == name), None
        )
        if found is None:
            raise DockerError(f"network {name} not found", 404)
        return found

    async def driver(self, network: Network) -> Driver:
        """Return a network's driver."""
        return await self._driver_of(network.driver)

    async def create(self, request: NetworkRequest) -> Network:
        """Make a network.

        Raises:
            DockerError: The driver refuses it, or there are no such addresses.
        """
        if any(each.name == request.name for each in self._store.networks.values()):
            raise DockerError(f"network with name {request.name} already exists", 409)
        driver = await self._driver_of(request.driver)
        network = Network(
            id=self._new_id(),
            name=request.name,
            driver=request.driver,
            scope=request.scope,
            options=request.options,
            labels=request.labels,
            internal=request.internal,
            ipv6=request.ipv6,
            asked=request.pools,
        )
        async with self._locks[network.id]:
            self._take_pools(network)
            try:
                await driver.create_network(network)
            except DockerError:
                self._give_back_pools(network)
                raise
            self._store.networks[network.id] = network
        return network

    async def remove(self, name: str) -> None:
        """Remove a network.

        Raises:
            DockerError: It has endpoints.
        """
        network = self.find(name)
        async with self._locks[network.id]:
            if network.id not in self._store.networks:
                raise DockerError(f"network {name} not found", 404)
            if network.endpoints:
                raise DockerError(
                    f"error while removing network: network {network.name} id {network.id} has active endpoints", 403
                )
            await self._told("deleting network", network.name, (await self.driver(network)).delete_network(network))
            self._give_back_pools(network)
            del self._store.networks[network.id]
        self._locks.forget(network.id)

    async def create_endpoint(self, network: Network, container: Container, attachment: Attachment) -> Endpoint:
        """Make an endpoint for a container. Others of the same network wait meanwhile.

        Raises:
            DockerError: The driver refuses it, or there is no address.
        """
        if any(each.name == container.name for each in network.endpoints.values()):
            raise DockerError(f"endpoint with name {container.name} already exists in network {network.name}", 403)
        async with self._locks[network.id]:
            if network.id not in self._store.networks:
                raise DockerError(f"network {network.name} not found", 404)
            endpoint = Endpoint(
                id=self._new_id(),
                name=container.name,
                network=network,
                options=_endpoint_options(network, container, attachment),
                mac=attachment.mac,
            )
            self._take_addresses(endpoint, attachment)
            try:
                await (await self.driver(network)).create_endpoint(endpoint)
            except DockerError as problem:
                self._give_back_addresses(endpoint)
                raise DockerError(
                    f"failed to create endpoint {endpoint.name} on network {network.name}: {problem}"
                ) from None
            endpoint.stored = True
            network.endpoints[endpoint.id] = endpoint
        return endpoint

    async def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint that has no sandbox any more. What the driver says against it is only logged."""
        endpoint.network.endpoints.pop(endpoint.id, None)
        driver = await self.driver(endpoint.network)
        await self._told("deleting endpoint", endpoint.name, driver.delete_endpoint(endpoint))
        self._give_back_addresses(endpoint)

    def forget_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint without a word to its driver."""
        endpoint.network.endpoints.pop(endpoint.id, None)
        self._give_back_addresses(endpoint)

    async def _told(self, what: str, name: str, told: Awaitable[None]) -> None:
        try:
            await told
        except DockerError as problem:
            self._warn(f"driver error {what} {name}: {problem}")

    def _take_pools(self, network: Network) -> None:
        asked = network.asked or (PoolRequest(),)
        if all(":" in each.subnet for each in asked):
            asked = (PoolRequest(), *asked)
        taken: list[GivenPool] = []
        network.pools = network.pools_v6 = ()
        try:
            taken.extend(map(self._take_pool, asked))
        except DockerError:
            for given in taken:
                self._store.pools.give_back(given.pool)
            raise
        network.pools = tuple(each for each in taken if each.pool.subnet.version == 4)
        network.pools_v6 = tuple(each for each in taken if each.pool.subnet.version == 6)

    def _take_pool(self, asked: PoolRequest) -> GivenPool:
        pool = self._store.pools.take(asked.subnet, asked.ip_range)
        try:
            gateway = pool.take(asked.gateway)
            auxiliary = {name: pool.take(address) for name, address in asked.auxiliary.items()}
        except DockerError:
            self._store.pools.give_back(pool)
            raise
        return GivenPool(pool=pool, gateway=gateway, auxiliary=auxiliary)

    def _give_back_pools(self, network: Network) -> None:
        for given in (*network.pools, *network.pools_v6):
            self._store.pools.give_back(given.pool)

    def _take_addresses(self, endpoint: Endpoint, attachment: Attachment) -> None:
        network = endpoint.network
        endpoint.address = _take_address(network, network.pools, attachment.ip)
        try:
            if network.ipv6:
                endpoint.address_v6 = _take_address(network, network.pools_v6, attachment.ip6)
        except DockerError:
            self._give_back_addresses(endpoint)
            raise

    def _give_back_addresses(self, endpoint: Endpoint) -> None:
        for address in (endpoint.address, endpoint.address_v6):
            pool = endpoint.network.pool_of(address) if address else None
            if pool is not None:
                pool.give_back(address)
        endpoint.address = endpoint.address_v6 = ""


def _take_address(network: Network, given: tuple[GivenPool, ...], wanted: str) -> str:
    fitting = [each.pool for each in given if not wanted or wanted in each.pool]
    if not fitting:
        raise DockerError(f"Invalid address {wanted}: It does not belong to any of this network's subnets", 400)
    try:
        return fitting[0].take(wanted)
    except DockerError as problem:
        if wanted:
            raise
        raise DockerError(f"{problem}: {network.name} ({network.id})") from None


def _endpoint_options(network: Network, container: Container, attachment: Attachment) -> dict[str, Any]:
    options: dict[str, Any] = {**attachment.driver_options}
    if attachment.mac:
        options[_MAC_OPTION] = b64encode(bytes.fromhex(attachment.mac.replace(":", ""))).decode()
    # Ports are not for networks without a way out.
    return options if network.internal else {**options, **port_options(container)}


def port_options(container: Container) -> dict[str, Any]:
    """Return what a driver is told of a container's published ports."""
    return {
        _PORTS: [{"Proto": _TCP, "Port": inside} for _outside, inside in container.published],
        _MAPPINGS: [
            {"Proto": _TCP, "IP": "", "Port": inside, "HostIP": "", "HostPort": outside, "HostPortEnd": outside}
            for outside, inside in container.published
        ],
    }
