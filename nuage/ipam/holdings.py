"""What is held at the VSD for this host, compared with what its switch and its Docker use.

What another host holds is not looked at, nor what Swarm's manager asked for: tasks of any node may use that. Without
Docker's answer nobody knows what is used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import Protocol

import attrs

from nuage.docker.descriptions import Network as DockersNetwork
from nuage.docker.engine import NetworkUnknown
from nuage.errors import NotInDirectory
from nuage.ipam.abandoned import Abandoned
from nuage.ipam.addresses import Addresses
from nuage.ipam.handed_out import HandedOut
from nuage.ipam.pool import Address, Pool
from nuage.model import Endpoint, Network, parse_address


class Users(Protocol):
    """What knows who uses addresses here: :class:`nuage.vrs.switch.Switch`."""

    async def ready(self) -> None:
        """Wait until it knows."""

    def networks(self) -> Iterator[Network]:
        """Yield our networks."""

    def endpoints_of(self, network_id: str) -> list[str]:
        """Return the ids of the endpoints of a network."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint."""


class Docker(Protocol):
    """What Docker is asked: :class:`nuage.docker.engine.Engine`."""

    async def network(self, network_id: str) -> DockersNetwork:
        """Return a network with its endpoints."""


@attrs.frozen
class Held:
    """An address that is held for this host."""

    pool: Pool
    address: Address

    def __str__(self) -> str:
        return f"address {self.address} of {self.pool.place}"


@attrs.frozen
class Unheld:
    """An address that an endpoint of this host has, and that is not held for it."""

    pool: Pool
    address: Address
    endpoint_id: str


@attrs.frozen
class Comparison:
    """What is held for this host, what of it nobody uses, and what is used without being held."""

    held: tuple[Held, ...]
    unused: tuple[Held, ...]
    unheld: tuple[Unheld, ...]


class Holdings:
    """Compares what is held with what is used.

    Args:
        addresses: Knows what is held.
        abandoned: Knows pools of networks that are gone.
        handed_out: Knows pools of which a network is still to be made.
        users: Knows what is used by the switch.
        docker: Knows what is used by Docker.

    Its methods raise :class:`nuage.errors.NuageError` if the switch, Docker or the VSD does not tell all that has to be
    known.
    """

    def __init__(
        self, *, addresses: Addresses, abandoned: Abandoned, handed_out: HandedOut, users: Users, docker: Docker
    ) -> None:
        self._addresses = addresses
        self._abandoned = abandoned
        self._handed_out = handed_out
        self._users = users
        self._docker = docker

    async def unused(self) -> list[Held]:
        """Return what is held and used by nobody. What is being started now counts as used."""
        await self._users.ready()
        found = []
        for network, pool in self._pools():
            held = await self._held(pool)
            # Whoever came to use one meanwhile is asked after that.
            used = await self._used(network) if held else set()
            found += _held(pool, held - used)
        return found + await self._left()

    async def compared(self) -> Comparison:
        """Return all that is held for this host, and where it differs from what is used."""
        await self._users.ready()
        held: list[Held] = []
        unused: list[Held] = []
        unheld: list[Unheld] = []
        for network, pool in self._pools():
            # An address is held before an endpoint has it, and for longer: so who uses one is asked first.
            recorded = self._recorded(network, pool)
            there = await self._held(pool)
            used = await self._used(network) if there else set()
            held += _held(pool, there)
            unused += _held(pool, there - used)
            suspects = [Unheld(pool, each, recorded[each]) for each in sorted(recorded.keys() - there, key=int)]
            unheld += [each for each in suspects if await self._lacks(network, each)]
        left = await self._left()
        return Comparison((*held, *left), (*unused, *left), tuple(unheld))

    async def give_back(self, unused: Collection[Held]) -> list[Held]:
        """Give back what was found unused and still is; return that."""
        still = [each for each in await self.unused() if each in unused]
        for each in still:
            await self._addresses.give_back(each.pool, each.address)
        return still

    async def settle(self) -> None:
        """Give back what the switch remembers, and forget pools that nobody needs.

        These are pools of which no network was made, and those of gone networks in which nothing is held.
        """
        await self._addresses.settle()
        await self._handed_out.settle(self._abandoned.note)
        await self._abandoned.settle()

    async def _left(self) -> list[Held]:
        """Return what is held in pools of networks that are gone."""
        places = {network.location() for network, _pool in self._pools()}
        gone = [pool for pool in self._abandoned.all() if pool.location() not in places]
        return [each for pool in gone for each in _held(pool, await self._held(pool))]

    def _pools(self) -> list[tuple[Network, Pool]]:
        """Return the networks whose addresses are from here, once for each pool that they have."""
        return [(each, pool) for each in self._users.networks() if each.ipam for pool in Pool.all_of(each)]

    async def _held(self, pool: Pool) -> set[Address]:
        try:
            return await self._addresses.held(pool)
        except NotInDirectory:
            return set()

    async def _lacks(self, network: Network, suspect: Unheld) -> bool:
        """Tell whether an address is held for nobody of ours, while its endpoint is still there."""
        try:
            held = await self._addresses.is_held(suspect.pool, suspect.address)
        except NotInDirectory:
            held = False
        return not held and suspect.endpoint_id in self._users.endpoints_of(network.id)

    async def _used(self, network: Network) -> set[Address]:
        """Return the addresses of a network that anybody has by what the switch or Docker says."""
        recorded = {address for pool in Pool.all_of(network) for address in self._recorded(network, pool)}
        try:
            told = await self._docker.network(network.id)
        except NetworkUnknown:
            return recorded
        return {*recorded, *_told(told)}

    def _recorded(self, network: Network, pool: Pool) -> dict[Address, str]:
        """Return the addresses of a pool that endpoints have by what the switch says, with the endpoints' ids."""
        endpoints = filter(None, map(self._users.endpoint, self._users.endpoints_of(network.id)))
        found = [(each, endpoint.id) for endpoint in endpoints for each in (endpoint.address, endpoint.address_v6)]
        return {each.ip: endpoint_id for each, endpoint_id in found if each is not None and each.ip in pool.prefix}


def _held(pool: Pool, addresses: Collection[Address]) -> list[Held]:
    return [Held(pool, address) for address in sorted(addresses, key=int)]


def _told(network: DockersNetwork) -> Iterator[Address]:
    """Yield all addresses that Docker names of a network: of endpoints, gateways and auxiliary ones."""
    pools = (*network.ipv4, *network.ipv6)
    texts = [text for pool in pools for text in (pool.gateway, *pool.auxiliary)]
    texts += [text for each in network.endpoints.values() for text in (each.ipv4, each.ipv6)]
    for text in filter(None, texts):
        yield parse_address(ip_address, text.partition("/")[0])
