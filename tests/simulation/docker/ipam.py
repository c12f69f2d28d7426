"""Who gives addresses: Docker's own IPAM, or a plugin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tests.simulation.docker.addressing import Pool, Pools
from tests.simulation.docker.errors import CallFailed, DockerError
from tests.simulation.docker.releases import Release
from tests.simulation.docker.store import GATEWAY, Network, PoolRequest


class Ipam(Protocol):
    """An IPAM driver as libnetwork calls it."""

    async def begin(self, network: Network) -> None:
        """Find out in which address space a new network is."""

    async def request_pool(self, network: Network, asked: PoolRequest, *, v6: bool) -> Pool:
        """Take a pool."""

    async def release_pool(self, pool: Pool) -> None:
        """Give a pool back."""

    async def request_address(self, pool: Pool, wanted: str, options: Mapping[str, str] | None = None) -> str:
        """Take an address, the ``wanted`` one or any; return it with a prefix length."""

    async def release_address(self, pool: Pool, address: str) -> None:
        """Give an address back."""


class LocalIpam:
    """Docker's own.

    Args:
        pools: All pools of the host.
    """

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def begin(self, network: Network) -> None:
        """See :class:`Ipam`."""

    async def request_pool(self, network: Network, asked: PoolRequest, *, v6: bool) -> Pool:
        """See :class:`Ipam`."""
        if v6 and not asked.subnet:
            raise DockerError(f"could not find an available, non-overlapping IPv6 address pool for {network.name}", 404)
        return self._pools.take(asked.subnet, asked.ip_range)

    async def release_pool(self, pool: Pool) -> None:
        """See :class:`Ipam`."""
        self._pools.give_back(pool)

    async def request_address(self, pool: Pool, wanted: str, options: Mapping[str, str] | None = None) -> str:
        """See :class:`Ipam`."""
        del options
        return pool.take(wanted)

    async def release_address(self, pool: Pool, address: str) -> None:
        """See :class:`Ipam`."""
        pool.give_back(address)


class RemoteIpam:
    """A plugin.

    Args:
        release: Which Docker calls it.
        call: Calls a method of the plugin.
        spaces: What it told of its address spaces when it was activated, if it was asked then.
        violate: Is told of what an IPAM driver must never answer.
    """

    def __init__(
        self,
        release: Release,
        call: Callable[[str, dict[str, Any] | None], Awaitable[dict[str, Any]]],
        spaces: Mapping[str, Any] | None,
        violate: Callable[[str], None],
    ) -> None:
        self._release = release
        self._call = call
        self._spaces = spaces
        self._violate = violate

    async def begin(self, network: Network) -> None:
        """Ask for the address spaces, unless they are known."""
        spaces = self._spaces or await self._call("IpamDriver.GetDefaultAddressSpaces", None)
        key = "GlobalDefaultAddressSpace" if network.scope == "global" else "LocalDefaultAddressSpace"
        network.address_space = spaces.get(key, "")

    async def request_pool(self, network: Network, asked: PoolRequest, *, v6: bool) -> Pool:
        """Call RequestPool."""
        if self._release.asks_spaces_with_pools:
            await self._call("IpamDriver.GetDefaultAddressSpaces", None)
        answer = await self._call(
            "IpamDriver.RequestPool",
            {
                "AddressSpace": network.address_space,
                "Pool": asked.subnet,
                "SubPool": asked.ip_range,
                "Options": dict(network.ipam_options),
                "V6": v6,
            },
        )
        try:
            pool = Pool(answer["Pool"], asked.ip_range, id=answer["PoolID"])
        except (KeyError, ValueError):
            self._violate(f"RequestPool: the answer names no pool: {answer}")
            raise CallFailed("invalid pool") from None
        pool.gateway = (answer.get("Data") or {}).get(GATEWAY, "")
        return pool

    async def release_pool(self, pool: Pool) -> None:
        """Call ReleasePool."""
        await self._call("IpamDriver.ReleasePool", {"PoolID": pool.id})

    async def request_address(self, pool: Pool, wanted: str, options: Mapping[str, str] | None = None) -> str:
        """Call RequestAddress."""
        request = {"PoolID": pool.id, "Address": wanted, "Options": options}
        address = str((await self._call("IpamDriver.RequestAddress", request)).get("Address", ""))
        given, _, length = address.partition("/")
        if not length or given not in pool or (wanted and given != wanted):
            self._violate(f"RequestAddress {wanted}: the answer is {address!r}, of pool {pool.subnet}")
            raise CallFailed(f"invalid address {address!r}")
        return address

    async def release_address(self, pool: Pool, address: str) -> None:
        """Call ReleaseAddress."""
        request = {"PoolID": pool.id, "Address": address.partition("/")[0]}
        await self._call("IpamDriver.ReleaseAddress", request)
