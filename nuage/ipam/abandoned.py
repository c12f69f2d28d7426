"""Pools of networks that are gone, in which something is held, or may be: a crash left it.

No network names such a pool any more, so the switch remembers it until nothing in it is held for this host.
"""

from __future__ import annotations

from contextlib import suppress

from nuage.errors import NotInDirectory, NuageError, Refused, SwitchError
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
        #: The networks of a place when its pool was given up, by the pool's key: they are about to go.
        self._going: dict[str, frozenset[str]] = {}

    async def note(self, pool: Pool) -> None:
        """Remember a pool that was given back, unless nothing in it is held."""
        free = await self._is_free(pool)
        # If the switch is away, the next network of this place finds what is held.
        with suppress(SwitchError):
            if not free:
                await self._remember(pool)
            elif _key(pool) in self._records.pool_records():
                await self._forget(pool)

    async def remember(self, network: Network) -> None:
        """Remember the pools of a network that Docker has lost, and so does not give back.

        Raises:
            SwitchError: The switch is away.
        """
        for pool in Pool.all_of(network):
            await self._remember(pool)

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
            there, key = self._networks_of(pool), _key(pool)
            # One that went may come again, with the same id.
            self._going[key] = self._going.get(key, frozenset()) & there
            if there - self._going[key] or await self._is_free(pool):
                await self._forget(pool)

    async def _remember(self, pool: Pool) -> None:
        """Remember a pool. Its network is forgotten only after that."""
        self._going[_key(pool)] = self._networks_of(pool)
        await self._records.remember_pool(_key(pool), pool.id)

    async def _forget(self, pool: Pool) -> None:
        self._going.pop(_key(pool), None)
        await self._records.forget_pools([_key(pool)])

    def _networks_of(self, pool: Pool) -> frozenset[str]:
        found = (each for each in self._records.networks() if each.ipam and each.location() == pool.location())
        return frozenset(each.id for each in found)

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
