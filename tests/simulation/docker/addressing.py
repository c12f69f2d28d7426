"""Docker's own IPAM: which pool a network gets, and which address is the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tests.simulation.docker.errors import DockerError

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network

#: What Docker gives to networks for which nobody named a subnet, in this order.
_DEFAULT_POOLS = (
    *(f"172.{second}.0.0/16" for second in range(17, 32)),
    *(f"192.168.{third}.0/20" for third in range(0, 256, 16)),
)


class Pool:
    """A subnet whose addresses are given out: always the first that is free, so one that was given back comes soon.

    Args:
        subnet: The whole subnet.
        ip_range: Where addresses are chosen from. One that is asked for may be outside of it.
        id: What an IPAM driver calls it.

    Attributes:
        gateway: The gateway's address with a prefix length, if an IPAM driver told it with the pool.
    """

    def __init__(self, subnet: str, ip_range: str = "", *, id: str = "") -> None:  # noqa: A002
        self.id = id
        self.gateway = ""
        self.subnet: Subnet = ip_network(subnet)
        self.ip_range = ip_range
        chosen: Subnet = ip_network(ip_range) if ip_range else self.subnet
        self._first, self._last = int(chosen.network_address), int(chosen.broadcast_address)
        self.restore(())

    def restore(self, taken: Iterable[str]) -> None:
        """Let these addresses be taken, and no others."""
        self._taken = {int(self.subnet.network_address)}
        if self.subnet.version == 4:
            self._taken.add(int(self.subnet.broadcast_address))
        self._free_from = self._first
        for address in taken:
            self.take(address.partition("/")[0])

    def take(self, wanted: str = "") -> str:
        """Take an address, the ``wanted`` one or the first that is free; return it with the subnet's prefix length.

        Raises:
            DockerError: It is taken, or all are.
        """
        number = int(ip_address(wanted)) if wanted else self._lowest()
        if number in self._taken:
            raise DockerError("Address already in use", 403)
        self._taken.add(number)
        return f"{self._shown(number)}/{self.subnet.prefixlen}"

    def give_back(self, address: str) -> None:
        """Let an address, with or without a prefix length, be taken again."""
        number = int(ip_address(address.partition("/")[0]))
        self._taken.discard(number)
        if self._first <= number < self._free_from:
            self._free_from = number

    def __contains__(self, address: str) -> bool:
        return ip_address(address) in self.subnet

    def _lowest(self) -> int:
        number = self._free_from
        while number in self._taken:
            number += 1
        self._free_from = number
        if number > self._last:
            raise DockerError(f"no available IPv{self.subnet.version} addresses on this network's address pools", 500)
        return number

    def _shown(self, number: int) -> Address:
        return IPv4Address(number) if self.subnet.version == 4 else IPv6Address(number)


class Pools:
    """The pools of all networks of a Docker host. Docker's own bridge has the first default pool.

    Args:
        rotating: Whether the search for a default pool begins behind the one that was taken last. Otherwise the first
            that is free is taken.
    """

    def __init__(self, *, rotating: bool = True) -> None:
        self._rotating = rotating
        self._start = 0
        self._used: list[Subnet] = [ip_network(_DEFAULT_POOLS[0])]

    def take(self, subnet: str = "", ip_range: str = "") -> Pool:
        """Take a pool: the subnet that somebody named, or the first default one that is free.

        Raises:
            DockerError: It overlaps with another network's, or no default one is free.
        """
        for each in [ip_network(subnet)] if subnet else self._defaults():
            if not any(each.version == used.version and _overlap(each, used) for used in self._used):
                self._used.append(each)
                if self._rotating and not subnet:
                    self._start = _DEFAULT_POOLS.index(str(each)) + 1
                return Pool(str(each), ip_range)
        if subnet:
            raise DockerError("Pool overlaps with other one on this address space", 403)
        raise DockerError("could not find an available, non-overlapping IPv4 address pool among the defaults", 404)

    def give_back(self, pool: Pool) -> None:
        """Let a pool be taken again. Another host of the cluster may have taken it."""
        if pool.subnet in self._used:
            self._used.remove(pool.subnet)

    def restore(self, pools: Iterable[Pool]) -> None:
        """Let these pools be taken, and no others."""
        self._start = 0
        self._used = [ip_network(_DEFAULT_POOLS[0]), *(each.subnet for each in pools)]

    def _defaults(self) -> Iterator[Subnet]:
        return map(ip_network, (*_DEFAULT_POOLS[self._start :], *_DEFAULT_POOLS[: self._start]))


def _overlap(one: Subnet, other: Subnet) -> bool:
    return int(one.network_address) <= int(other.broadcast_address) and int(other.network_address) <= int(
        one.broadcast_address
    )
