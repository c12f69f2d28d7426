"""Networks that Docker knows and this host was not told of, in the form of the request that would have made them."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import TypeVar

from nuage.docker.engine import Engine, Network, NetworkUnknown, Pool
from nuage.libnetwork.payloads import CreateNetwork, Pool4, Pool6

Subnet = TypeVar("Subnet", IPv4Network, IPv6Network)


async def find_network(engine: Engine, network_id: str) -> CreateNetwork | None:
    """Ask Docker for a network; return None where it has none.

    Raises:
        DockerUnavailable: Docker did not answer in time.
    """
    try:
        network = await engine.network(network_id)
    except NetworkUnknown:
        return None
    return as_request(network)


def as_request(network: Network) -> CreateNetwork:
    """Return the request that CreateNetwork was called with on the host that made the network."""
    return CreateNetwork(
        network_id=network.id,
        options=network.options,
        internal=network.internal,
        pools=tuple(
            Pool4(IPv4Network(pool.subnet), IPv4Interface(_gateway(pool, IPv4Network(pool.subnet))).ip)
            for pool in network.ipv4
            if pool.subnet
        ),
        pools_v6=tuple(
            Pool6(IPv6Network(pool.subnet), IPv6Interface(_gateway(pool, IPv6Network(pool.subnet))).ip)
            for pool in network.ipv6
            if pool.subnet
        ),
    )


def _gateway(pool: Pool, subnet: IPv4Network | IPv6Network) -> str:
    """Return the gateway of a pool.

    Docker does not show one that its IPAM chose. What its IPAM chooses is the first address of the range that it
    gives addresses from (moby ``libnetwork/ipam``), and of the network's own addresses where no range was given.
    """
    if pool.gateway:
        return pool.gateway
    first = IPv4Network(pool.ip_range) if pool.ip_range and subnet.version == 4 else None
    if first is not None and first.network_address != subnet.network_address:
        return str(first.network_address)
    return str(subnet.network_address + 1)
