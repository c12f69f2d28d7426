"""Where pools are at the VSD."""

from __future__ import annotations

from nuage.errors import Refused
from nuage.ipam.pool import Address, Pool, Prefix
from nuage.vsd.directory import Directory, Place


class PoolPlaces:
    """Knows the places of pools. One is looked for once: its IDs stay the same for as long as it exists.

    Args:
        directory: Looks for them.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: dict[tuple[object, ...], Place] = {}

    async def of(self, pool: Pool, *, fresh: bool = False) -> Place:
        """Return the place of a pool.

        Args:
            pool: The pool.
            fresh: Whether it is looked for again, since the VSD no longer knows its ID.

        Raises:
            NotInDirectory: It is not there.
            Refused: The subnet has other addresses now.
        """
        key = (*pool.location(), pool.user, pool.prefix)
        place = None if fresh else self._known.get(key)
        if place is None:
            place = await self._directory.find(
                pool.organization, pool.domain, pool.zone, pool.subnet, pool.user, fresh=fresh
            )
            if pool.prefix != prefix_of(place, pool.prefix.version):
                raise Refused(
                    f"{pool}: it has the addresses {prefix_of(place, pool.prefix.version)} at the VSD now; "
                    "remove the network, and create it again"
                )
            self._known[key] = place
        return place


def prefix_of(place: Place, version: int) -> Prefix | None:
    """Return the addresses of one family that a place has, None if it has no such addresses."""
    return place.pool if version == 4 else place.pool_v6


def gateway_of(place: Place, version: int) -> Address | None:
    """Return the gateway of one family that a place has, None if it has no such gateway."""
    return place.gateway if version == 4 else place.gateway_v6
