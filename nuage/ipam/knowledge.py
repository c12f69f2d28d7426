"""What is known of pools without asking: which addresses may be chosen, and which of them are taken.

It need not be true. The VSD refuses an address that is taken, and then it is known.
"""

from __future__ import annotations

import attrs

from nuage.ipam.choice import Interval, span, usable
from nuage.ipam.pool import Address, Pool
from nuage.ipam.pool_places import gateway_of
from nuage.vsd import in_use
from nuage.vsd.directory import Place
from nuage.vsd.session import Session


@attrs.define
class Known:
    """What is known of a pool: the addresses to choose from, and those that are taken, as numbers."""

    where: list[Interval]
    taken: set[int]


class Knowledge:
    """Keeps what is known of each pool.

    Args:
        session: Asks the VSD for what has to be known at first, and for everything if need be.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Known] = {}

    async def of(self, pool: Pool, place: Place, *, split: bool) -> Known:
        """Return what is known of a pool.

        Args:
            pool: The pool.
            place: Where it is at the VSD.
            split: Whether the VSD would give an address that is reserved to us.
        """
        if pool.id not in self._known:
            self._known[pool.id] = await self._begun(pool, place, split=split)
        return self._known[pool.id]

    async def learnt(self, pool: Pool, place: Place, *, split: bool) -> Known:
        """Ask the VSD which addresses are taken, and return what is known then; see :meth:`of`."""
        known = await self._begun(pool, place, split=split)
        known.taken |= await in_use.taken(self._session, place, pool.prefix.version)
        self._known[pool.id] = known
        return known

    def note(self, pool: Pool, address: Address, *, taken: bool) -> None:
        """Note that an address is taken, or no longer is."""
        known = self._known.get(pool.id)
        if known is not None and taken:
            known.taken.add(int(address))
        elif known is not None:
            known.taken.discard(int(address))

    async def _begun(self, pool: Pool, place: Place, *, split: bool) -> Known:
        version = pool.prefix.version
        inside = [span(pool.range)] if pool.range else await in_use.ranges(self._session, place, version)
        gateway = gateway_of(place, version)
        taken = set() if gateway is None else {int(gateway)}
        if split:
            # The VSD gives the address of a reservation to the first interface that names it.
            taken |= await in_use.taken(self._session, place, version, reserved_only=True)
        return Known(usable(pool.prefix, inside or [span(pool.prefix)]), taken)
