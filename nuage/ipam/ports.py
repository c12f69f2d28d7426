"""The ports that have addresses of Nuage: what the VSD is told of them besides the VRS."""

from __future__ import annotations

from ipaddress import IPv4Address

from nuage.errors import Refused
from nuage.ipam.addresses import NAME_LENGTH, Addresses
from nuage.ipam.pool import Pool
from nuage.ipam.pool_places import PoolPlaces
from nuage.model import Network
from nuage.vsd import reservations
from nuage.vsd.directory import Directory, Place
from nuage.vsd.reservations import Hold
from nuage.vsd.session import Session


class Ports:
    """Tells the VSD of ports whose addresses Containers hold. With reservations, the VRS tells it all.

    Args:
        session: Asks the VSD.
        directory: Knows its policy groups and redirection targets.
        places: Where pools are.
        addresses: Knows what holds an address.
    """

    def __init__(self, *, session: Session, directory: Directory, places: PoolPlaces, addresses: Addresses) -> None:
        self._session = session
        self._directory = directory
        self._places = places
        self._addresses = addresses

    async def bind(self, network: Network, address: IPv4Address, *, mac: str, endpoint_id: str) -> bool:
        """Tell which endpoint has an address; return whether the VRS is to be told in the split way.

        Raises:
            Refused: The address is held no more, and the VRS could not be told of it in that way.
        """
        pool = Pool.of(network)
        place = await self._places.of(pool)
        async with self._addresses.turn(pool, address):
            hold = await self._addresses.hold(pool, place, address)
            if hold is None:
                hold = await self._addresses.adopt(pool, place, address, endpoint_id)
            if hold is None and (await self._addresses.form(place)).split:
                raise _unheld(address)
            if hold is None or not hold.split:
                return False
            if hold.mac.lower() != mac.lower():
                # The user gave one, which Docker tells only after the address.
                hold = await self._addresses.hold_anew(pool, place, address, hold, mac)
            await reservations.bind(self._session, hold, uuid=endpoint_id)
        return True

    async def assign(self, network: Network, address: IPv4Address, group: str | None, target: str | None) -> None:
        """Assign a policy group and a redirection target to the vPort of an address, by their names.

        This replaces what is assigned to it, and so must not be repeated later: the administrator may change it.

        Raises:
            NotInDirectory: The domain has no such.
            Refused: The address is held no more.
        """
        pool = Pool.of(network)
        place = await self._places.of(pool)
        group_id, target_id = await self._directory.policy(place, group, target)
        hold = await self._hold(pool, place, address)
        await reservations.assign(self._session, hold, policy_group=group_id, redirection_target=target_id)

    async def name(self, network: Network, address: IPv4Address, *, name: str, orchestration_id: str) -> None:
        """Give the Container at the VSD the name of the container.

        Raises:
            Refused: The address is held no more.
        """
        pool = Pool.of(network)
        hold = await self._hold(pool, await self._places.of(pool), address)
        await reservations.name(self._session, hold, name=name[:NAME_LENGTH], orchestration_id=orchestration_id)

    async def _hold(self, pool: Pool, place: Place, address: IPv4Address) -> Hold:
        hold = await self._addresses.hold(pool, place, address)
        if hold is None:
            raise _unheld(address)
        return hold


def _unheld(address: IPv4Address) -> Refused:
    return Refused(f"address {address} is no longer held at the VSD; start the container again")
