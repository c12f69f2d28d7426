"""How dockerd makes and removes networks and endpoints (moby libnetwork/controller.go, network.go, endpoint.go)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from tests.simulation.docker.driver import Driver
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.leases import Leases
from tests.simulation.docker.locks import Locks
from tests.simulation.docker.releases import Release
from tests.simulation.docker.store import Attachment, Container, Endpoint, Network, PoolRequest, Store

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
    ipam: str = "default"
    ipam_options: Mapping[str, str] = attrs.field(factory=dict)


class Networks:
    """The networks of one process of dockerd.

    Args:
        release: Which Docker this is.
        store: What is on the disk.
        driver_of: Returns the driver of a name, after asking a plugin what it is. It raises DockerError.
        met: Tells whether that has been asked already.
        leases: Takes pools and addresses.
        new_id: Returns a new id.
        warn: Is told what the real one only logs.
    """

    def __init__(
        self,
        release: Release,
        store: Store,
        driver_of: Callable[[str], Awaitable[Driver]],
        met: Callable[[str], bool],
        leases: Leases,
        new_id: Callable[[], str],
        warn: Callable[[str], None],
    ) -> None:
        self._release = release
        self._store = store
        self._driver_of = driver_of
        self._met = met
        self._leases = leases
        self._new_id = new_id
        self._warn = warn
        self._locks = Locks()

    def find(self, name: str) -> Network:
        """Return a network by its id, or by its name.

        Raises:
            DockerError: There is none.
        """
        found = self.known(name)
        if found is None:
            raise DockerError(f"network {name} not found", 404)
        return found

    def known(self, name: str) -> Network | None:
        """Return a network by its id, or by its name, if there is one."""
        networks = self._store.known_networks
        by_id = (each for each in networks if each.id == name)
        return next(by_id, None) or next((each for each in networks if each.name == name), None)

    async def driver(self, network: Network) -> Driver:
        """Return a network's driver."""
        return await self._driver_of(network.driver)

    def has_met_driver(self, network: Network) -> bool:
        """Tell whether this process knows a network's driver already."""
        return self._met(network.driver)

    async def create(self, request: NetworkRequest) -> Network:
        """Make a network.

        Raises:
            DockerError: The driver refuses it, or there are no such addresses.
        """
        if any(each.name == request.name for each in self._store.known_networks):
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
            ipam=request.ipam,
            ipam_options=request.ipam_options,
        )
        async with self._locks[network.id]:
            await self._leases.take_pools(network)
            try:
                await driver.create_network(network)
            except DockerError:
                await self._leases.give_back_pools(network)
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
            await self._remove(network)
        self._locks.forget(network.id)

    async def finish_removals(self) -> None:
        """Remove the networks whose removal a killed daemon had begun (libnetwork's networkCleanup)."""
        for network in list(self._store.networks.values()):
            if network.removing:
                try:
                    await self._remove(network)
                except DockerError as problem:
                    self._warn(f"error while removing stale network {network.name}: {problem}")
                    del self._store.networks[network.id]

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
                priority=attachment.priority,
            )
            await self._leases.take_addresses(endpoint, attachment)
            try:
                await (await self.driver(network)).create_endpoint(endpoint)
            except DockerError as problem:
                await self._leases.give_back_addresses(endpoint)
                raise DockerError(
                    f"failed to create endpoint {endpoint.name} on network {network.name}: {problem}"
                ) from None
            network.endpoints[endpoint.id] = endpoint
        return endpoint

    async def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint. What the driver says against it is only logged.

        Raises:
            DockerError: It has a sandbox, or its driver is not to be had. The endpoint stays.
        """
        if endpoint.sandbox is not None:
            raise DockerError(f"endpoint with name {endpoint.name} id {endpoint.id} has active containers", 403)
        former = endpoint.network.endpoints.pop(endpoint.id, None)
        try:
            driver = await self.driver(endpoint.network)
        except DockerError as problem:
            if former is not None:
                endpoint.network.endpoints[endpoint.id] = endpoint
            raise DockerError(f"failed to delete endpoint: {problem}") from None
        await self._told("deleting endpoint", endpoint.name, driver.delete_endpoint(endpoint))
        await self._leases.give_back_addresses(endpoint)

    async def forget_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint by force (Endpoint.Delete), without a word to a driver that this process has not met."""
        endpoint.sandbox = None
        if self.has_met_driver(endpoint.network):
            await self.delete_endpoint(endpoint)
            return
        endpoint.network.endpoints.pop(endpoint.id, None)
        await self._leases.give_back_addresses(endpoint)

    async def _remove(self, network: Network) -> None:
        network.removing = True
        await self._leases.give_back_pools(network)
        if self._release.notes_released_pools:
            network.pools = network.pools_v6 = ()
        await self._told("deleting network", network.name, (await self.driver(network)).delete_network(network))
        del self._store.networks[network.id]

    async def _told(self, what: str, name: str, told: Awaitable[None]) -> None:
        try:
            await told
        except DockerError as problem:
            self._warn(f"driver error {what} {name}: {problem}")


def _endpoint_options(network: Network, container: Container, attachment: Attachment) -> dict[str, Any]:
    options: dict[str, Any] = {**attachment.driver_options}
    if attachment.mac:
        options[_MAC_OPTION] = b64encode(bytes.fromhex(attachment.mac.replace(":", ""))).decode()
    # Ports are not for networks without a way out.
    return options if network.internal else {**options, **port_options(container)}


def port_options(container: Container) -> dict[str, Any]:
    """Return what a driver is told of a container's published ports."""
    return {
        _PORTS: [
            {"Proto": _TCP, "Port": port}
            for port in (*container.exposed, *(inside for _outside, inside in container.published))
        ],
        _MAPPINGS: [
            {"Proto": _TCP, "IP": "", "Port": inside, "HostIP": "", "HostPort": outside, "HostPortEnd": outside}
            for outside, inside in container.published
        ],
    }
