"""Pools of networks that are gone, in which something is held, or may be: a crash left it.

No network names such a pool any more, so the switch remembers it until nothing in it is held for this host. At any
instant the record of a pool that was handed out, that of its network, or one of these names the pool: the daemon may be
killed whenever it likes, and Docker repeats a call without its body then.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from nuage.errors import NotInDirectory, NuageError, Refused
from nuage.ipam.addresses import Addresses
from nuage.ipam.handed_out import PoolRecords, record_key
from nuage.ipam.pool import Pool
from nuage.model import Network

#: What the keys of these records start with.
_START = "gone-"


class Abandoned:
    """Remembers these pools.

    Args:
        records: Keeps them.
        addresses: Knows what is held.
    """

    def __init__(self, records: PoolRecords, addresses: Addresses) -> None:
        self._records = records
        self._addresses = addresses

    async def note(self, pool: Pool) -> None:
        """Remember a pool of which there is no network, unless nothing in it is held.

        Docker gives a pool back before it removes the network (moby's network.go), whose end then is the pool's, too.

        Raises:
            SwitchError: The switch is away.
        """
        await self._records.ready()
        if self._has_network(pool):
            return
        if not await self._is_free(pool):
            await self._records.remember_pool(_key(pool), pool.id)
        elif _key(pool) in self._records.pool_records():
            await self._forget(pool)

    async def left_by(self, network: Network) -> Mapping[str, str]:
        """Return records of those pools of a network in which something is held, to be kept when the network goes."""
        return {_key(pool): pool.id for pool in Pool.all_of(network) if not await self._is_free(pool)}

    def all(self) -> list[Pool]:
        """Return them."""
        found = []
        for key, text in self._records.pool_records().items():
            if key.startswith(_START):
                # What the plugin did not write was written by hand.
                with suppress(Refused):
                    found.append(Pool.from_id(text))
        return found

    async def settle(self) -> None:
        """Forget those in which nothing is held any more, and those where a network is again, whose pool is looked at.

        Raises:
            SwitchError: The switch is away.
        """
        for pool in self.all():
            if self._has_network(pool) or await self._is_free(pool):
                await self._forget(pool)

    async def _forget(self, pool: Pool) -> None:
        await self._records.forget_pools([_key(pool)])

    def _has_network(self, pool: Pool) -> bool:
        return any(each.ipam and each.location() == pool.location() for each in self._records.networks())

    async def _is_free(self, pool: Pool) -> bool:
        """Tell whether nothing is held; a VSD that does not answer leaves that open."""
        try:
            return not await self._addresses.held(pool)
        except NotInDirectory:
            # With the subnet went all that was on it.
            return True
        except NuageError:
            return False


def _key(pool: Pool) -> str:
    return record_key(_START, pool.id)
