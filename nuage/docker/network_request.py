"""Networks that Docker knows and this host was not told of, as the requests that would have made them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from nuage.docker.descriptions import Network, Pool
from nuage.docker.engine import Engine, NetworkUnknown
from nuage.errors import Refused
from nuage.model import NetworkRequest, Pool4, Pool6
from nuage.text import shown


class NetworkUnreadable(Refused):
    """What Docker says of a network makes no sense."""


async def find_network(engine: Engine, network_id: str) -> NetworkRequest | None:
    """Ask Docker for a network; return None if it has no such network.

    Raises:
        DockerUnavailable: There was no answer, it was late, or it was not understood.
        NetworkUnreadable: Its answer makes no sense.
    """
    try:
        network = await engine.network(network_id)
    except NetworkUnknown:
        return None
    return as_request(network)


def as_request(network: Network) -> NetworkRequest:
    """Return the request that CreateNetwork was called with on the host that made the network.

    Docker up to 24 shows a prefix as it was typed, 10.21.59.7/24, and means 10.21.59.0/24.

    Raises:
        NetworkUnreadable: One of its prefixes or gateways cannot be read.
    """
    try:
        return NetworkRequest(
            network_id=network.id,
            options=network.options,
            internal=network.internal,
            # One plugin has one name in Docker, whether it is asked for a network or for addresses.
            ipam_options=network.ipam_options if network.ipam == network.driver else None,
            pools=tuple(
                Pool4(IPv4Network(pool.subnet, strict=False), IPv4Address(_gateway(pool)))
                for pool in network.ipv4
                if pool.subnet
            ),
            pools_v6=tuple(
                Pool6(IPv6Network(pool.subnet, strict=False), IPv6Address(_gateway(pool)))
                for pool in network.ipv6
                if pool.subnet
            ),
        )
    except ValueError as problem:
        raise NetworkUnreadable(
            f"what Docker says of network {shown(network.name)} ({network.id}) cannot be read: {problem}; "
            "remove the network, and create it again"
        ) from None


def _gateway(pool: Pool) -> str:
    """Return the gateway of a pool.

    Docker does not show one that its IPAM chose. The IPAM chooses the first address of the range that it gives
    addresses from. If that range begins where the subnet does, it skips the very first.
    """
    if pool.gateway:
        return pool.gateway.partition("/")[0]
    subnet = ip_network(pool.subnet, strict=False)
    chosen_from = ip_network(pool.ip_range or pool.subnet, strict=False)
    # The first address of the subnet names the subnet itself, and nobody can have it.
    offset = 1 if chosen_from.network_address == subnet.network_address else 0
    return str(chosen_from.network_address + offset)
