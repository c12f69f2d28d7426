"""The pools of networks and the addresses of endpoints: how dockerd takes them and gives them back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.simulation.docker.addressing import Pool
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.ipam import Ipam
from tests.simulation.docker.store import GATEWAY, Attachment, Endpoint, GivenPool, Network, PoolRequest

#: How an IPAM driver tells a gateway's address from others.
_FOR_GATEWAY = {"RequestAddressType": GATEWAY}


class Leases:
    """Takes pools and addresses.

    Args:
        ipam_of: Returns the IPAM driver of a name, after asking a plugin what it is. It raises DockerError.
        warn: Is told what the real one only logs.
    """

    def __init__(self, ipam_of: Callable[[str], Awaitable[Ipam]], warn: Callable[[str], None]) -> None:
        self._ipam_of = ipam_of
        self._warn = warn

    async def take_pools(self, network: Network) -> None:
        """Take all pools of a new network.

        Raises:
            DockerError: One cannot be had; then none is taken.
        """
        ipam = await self._ipam_of(network.ipam)
        await ipam.begin(network)
        v4 = tuple(each for each in network.asked if ":" not in each.subnet)
        v6 = tuple(each for each in network.asked if ":" in each.subnet)
        network.pools = await self._take(ipam, network, v4 or (PoolRequest(),), v6=False)
        if network.ipv6:
            try:
                network.pools_v6 = await self._take(ipam, network, v6 or (PoolRequest(),), v6=True)
            except DockerError:
                await self.give_back_pools(network)
                raise

    async def give_back_pools(self, network: Network) -> None:
        """Give back the pools of a network with all that is set aside in them, if its IPAM driver is there."""
        ipam = await self._known(network)
        if ipam is None:
            return
        for given in (*network.pools, *network.pools_v6):
            for address in (given.gateway, *given.auxiliary.values()):
                await self._given_back(ipam.release_address(given.pool, address))
            await self._given_back(ipam.release_pool(given.pool))

    async def take_addresses(self, endpoint: Endpoint, attachment: Attachment) -> None:
        """Take the addresses of a new endpoint.

        Raises:
            DockerError: One cannot be had; then none is taken.
        """
        network = endpoint.network
        ipam = await self._ipam_of(network.ipam)
        endpoint.address = await _address(ipam, network, network.pools, attachment.ip)
        if network.ipv6:
            try:
                endpoint.address_v6 = await _address(ipam, network, network.pools_v6, attachment.ip6)
            except DockerError:
                await self.give_back_addresses(endpoint)
                raise

    async def give_back_addresses(self, endpoint: Endpoint) -> None:
        """Give back the addresses of an endpoint, if its IPAM driver is there."""
        addresses = (endpoint.address, endpoint.address_v6)
        endpoint.address = endpoint.address_v6 = ""
        for address in addresses:
            pool = endpoint.network.pool_of(address) if address else None
            ipam = await self._known(endpoint.network) if pool is not None else None
            if pool is not None and ipam is not None:
                await self._given_back(ipam.release_address(pool, address))

    async def _take(
        self, ipam: Ipam, network: Network, asked: tuple[PoolRequest, ...], *, v6: bool
    ) -> tuple[GivenPool, ...]:
        taken: list[GivenPool] = []
        for each in asked:
            try:
                taken.append(await self._take_one(ipam, network, each, v6=v6))
            except DockerError:  # noqa: PERF203
                for given in taken:
                    await self._given_back(ipam.release_pool(given.pool))
                raise
        return tuple(taken)

    async def _take_one(self, ipam: Ipam, network: Network, asked: PoolRequest, *, v6: bool) -> GivenPool:
        pool = await ipam.request_pool(network, asked, v6=v6)
        try:
            gateway = pool.gateway
            if asked.gateway or not gateway:
                gateway = await ipam.request_address(pool, asked.gateway, _FOR_GATEWAY)
            auxiliary = {name: await ipam.request_address(pool, address) for name, address in asked.auxiliary.items()}
        except DockerError:
            await self._given_back(ipam.release_pool(pool))
            raise
        return GivenPool(pool=pool, gateway=gateway, auxiliary=auxiliary)

    async def _known(self, network: Network) -> Ipam | None:
        """Return the IPAM driver of a network, None if its plugin does not answer."""
        try:
            return await self._ipam_of(network.ipam)
        except DockerError as problem:
            # moby: libnetwork/endpoint.go, releaseAddress; network.go, ipamRelease.
            self._warn(f"failed to retrieve ipam driver: {problem}")
            return None

    async def _given_back(self, giving_back: Awaitable[None]) -> None:
        try:
            await giving_back
        except DockerError as problem:
            self._warn(f"failed to release: {problem}")


async def _address(ipam: Ipam, network: Network, given: tuple[GivenPool, ...], wanted: str) -> str:
    fitting: list[Pool] = [each.pool for each in given if not wanted or wanted in each.pool]
    if not fitting:
        raise DockerError(f"Invalid address {wanted}: It does not belong to any of this network's subnets", 400)
    return await ipam.request_address(fitting[0], wanted)
