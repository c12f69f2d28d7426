"""What each call of Docker's IPAM does.

No call says for which network it is. All that a call needs is in the pool's ID; what the VSD has decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_interface

from nuage.driver.options import place_of
from nuage.errors import Refused, SwitchError, VsdRefused
from nuage.ipam.abandoned import Abandoned
from nuage.ipam.addresses import Addresses
from nuage.ipam.handed_out import SPACE, HandedOut
from nuage.ipam.marks import Use
from nuage.ipam.pool import Address, Pool, Prefix
from nuage.ipam.pool_places import PoolPlaces, gateway_of, prefix_of
from nuage.ipam.repetitions import Repetitions
from nuage.libnetwork.ipam_payloads import (
    ADDRESS_TYPE,
    ENDPOINT_NAME,
    AddressSpaces,
    GivenAddress,
    GivenPool,
    IpamCapabilities,
    PoolCall,
    ReleaseAddress,
    RequestAddress,
    RequestPool,
)
from nuage.libnetwork.payloads import Empty
from nuage.vsd.directory import Directory, Place


class Ipam:
    """Answers the calls of Docker's IPAM.

    Args:
        directory: Finds subnets at the VSD.
        places: Knows where pools are.
        addresses: Takes addresses, and gives them back.
        handed_out: Tells a network its pool.
        repetitions: Notices that Docker asks without end.
        abandoned: Remembers pools in which a crash left something.

    Its methods are named after the calls. They raise :class:`nuage.errors.NuageError`.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        places: PoolPlaces,
        addresses: Addresses,
        handed_out: HandedOut,
        repetitions: Repetitions,
        abandoned: Abandoned,
    ) -> None:
        self._directory = directory
        self._places = places
        self._addresses = addresses
        self._handed_out = handed_out
        self._repetitions = repetitions
        self._abandoned = abandoned

    async def capabilities(self) -> IpamCapabilities:
        """Tell what has to be in a request."""
        return IpamCapabilities()

    async def address_spaces(self) -> AddressSpaces:
        """Name the address space: CreateNetwork brings the name again, which tells that the addresses are from here."""
        return AddressSpaces(SPACE)

    async def request_pool(self, request: RequestPool) -> GivenPool:
        """Return the subnet that the options name."""
        # Swarm has this option among those of --ipam-opt while it makes a network.
        options = place_of({key: value for key, value in request.options.items() if key != ADDRESS_TYPE})
        place = await self._directory.find(
            options["organization"], options["domain"], options.get("zone"), options.get("subnet"), options["user"]
        )
        pool = _agreed(request, options, place)
        if request.pool is None:
            self._repetitions.asked(pool)
        await self._addresses.prepare(pool, place)
        await self._handed_out.remember(pool)
        gateway = _gateway(place, pool)
        return GivenPool(pool.id, pool.prefix, _interface(gateway, pool) if gateway is not None else None)

    async def release_pool(self, request: PoolCall) -> Empty:
        """Forget a pool. All that Docker had of it was given back before; what else is held was left by a crash."""
        pool = Pool.from_id(request.pool_id)
        self._repetitions.ended(request.pool_id)
        # If the switch is away, it still has the pool's record, which is looked at later.
        with suppress(SwitchError):
            await self._abandoned.note(pool)
            await self._handed_out.forget(request.pool_id)
        return Empty()

    async def request_address(self, request: RequestAddress) -> GivenAddress:
        """Return an address that nobody else has."""
        pool = Pool.from_id(request.pool_id)
        try:
            address = await self._requested(request, pool, await self._places.of(pool))
        except VsdRefused as problem:
            if problem.status != 404:
                raise
            # The subnet may have been removed, and made again under its name.
            address = await self._requested(request, pool, await self._places.of(pool, fresh=True))
        return GivenAddress(_interface(address, pool))

    async def release_address(self, request: ReleaseAddress) -> Empty:
        """Give an address back, if need be later: Docker does not ask twice."""
        pool = Pool.from_id(request.pool_id)
        # Where a subnet has no gateway, Docker gives back 0.0.0.0.
        if request.address is not None and request.address in pool.prefix:
            await self._addresses.give_back(pool, request.address)
        return Empty()

    async def _requested(self, request: RequestAddress, pool: Pool, place: Place) -> Address:
        if request.for_gateway:
            gateway = _agreed_gateway(request, pool, place)
            if gateway is not None:
                return gateway
        name, use = request.options.get(ENDPOINT_NAME, ""), self._use(request, pool)
        if request.address is None:
            return await self._addresses.take_any(pool, place, name, use)
        if request.address == _gateway(place, pool):
            raise Refused(f"address {request.address} is the gateway of {pool}; choose another")
        await self._addresses.take(pool, place, request.address, name, use)
        return request.address

    def _use(self, request: RequestAddress, pool: Pool) -> Use:
        """Tell what an address is for. Docker's request for an auxiliary one is like that for a container's."""
        if request.by_manager:
            return Use.TASK
        return Use.ASIDE if request.address and self._handed_out.waits(pool) else Use.CONTAINER


def _agreed(request: RequestPool, options: Mapping[str, str], place: Place) -> Pool:
    """Return the pool of a place, if what the user gave agrees with it.

    Raises:
        Refused: It does not; the message says what to give instead.
    """
    # Swarm does not set V6 at all.
    version = request.pool.version if request.pool is not None else 6 if request.v6 else 4
    prefix = prefix_of(place, version)
    if prefix is None:
        raise Refused(f"{_called(options)} has no IPv{version} addresses at the VSD; {_remedy(version)}")
    pool = Pool.at(options, prefix, request.sub_pool)
    if request.pool is not None and not _fits(request.pool, pool.prefix):
        raise Refused(
            f"--subnet={request.pool} is not the CIDR of {pool}; give --subnet={pool.prefix}, or leave it out"
        )
    if request.sub_pool is not None and not _contains(pool.prefix, request.sub_pool):
        raise Refused(f"--ip-range={request.sub_pool} is not within {pool}; give a part of it, or leave it out")
    return pool


def _remedy(version: int) -> str:
    return "leave out --ipv6" if version == 6 else "give it some, or use Docker's IPAM and --subnet"


def _called(options: Mapping[str, str]) -> str:
    if "subnet" in options:
        return f'subnet "{options["subnet"]}" of domain "{options["domain"]}"'
    return f'L2 domain "{options["domain"]}"'


def _fits(asked: Prefix, prefix: Prefix) -> bool:
    """Tell whether a subnet is the one that was asked for. 0.0.0.0/24 and ::/64 stand for any of that size."""
    if asked.network_address.is_unspecified:
        return asked.prefixlen in (0, prefix.prefixlen)
    return asked == prefix


def _contains(prefix: Prefix, part: Prefix) -> bool:
    return prefix.version == part.version and part.subnet_of(prefix)  # type: ignore[arg-type]


def _gateway(place: Place, pool: Pool) -> Address | None:
    """Return the gateway. Without one, an IPv4 network is told 0.0.0.0: Docker would ask for an address otherwise."""
    gateway = gateway_of(place, pool.prefix.version)
    return IPv4Address(0) if gateway is None and pool.prefix.version == 4 else gateway


def _agreed_gateway(request: RequestAddress, pool: Pool, place: Place) -> Address | None:
    """Return the gateway that Docker asks for, None if the user names one and the VSD does not have one.

    That may be a router that Nuage does not know, in an L2 domain. It is an address like others then.
    """
    gateway = _gateway(place, pool)
    if gateway is None or (gateway.is_unspecified and request.address is not None):
        return None
    if request.address not in (None, gateway):
        raise Refused(f"--gateway={request.address} is not the gateway of {pool}; give --gateway={gateway}")
    return gateway


def _interface(address: Address, pool: Pool) -> IPv4Interface | IPv6Interface:
    return ip_interface(f"{address}/{pool.prefix.prefixlen}")
