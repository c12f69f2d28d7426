"""Addresses that are still to be given back because the VSD was away: the switch remembers them for the next daemon."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from nuage.errors import Refused, SwitchError
from nuage.ipam.handed_out import PoolRecords, record_key
from nuage.ipam.pool import Address, Pool
from nuage.model import parse_address

#: What the keys of these records start with.
_START = "left-"


class Unfinished:
    """Remembers which addresses are to be given back.

    Args:
        records: Keeps them.
    """

    def __init__(self, records: PoolRecords) -> None:
        self._records = records

    async def note(self, pool: Pool, address: Address) -> None:
        """Remember an address. If the switch is away too, the mark at the VSD has to do."""
        with suppress(SwitchError):
            await self._records.remember_pool(_key(pool, address), f"{address} {pool.id}")

    async def clear(self, pool: Pool, address: Address) -> None:
        """Note that an address was given back, or is used again."""
        if self.has(pool, address):
            await self._records.forget_pools([_key(pool, address)])

    def has(self, pool: Pool, address: Address) -> bool:
        """Tell whether an address is to be given back."""
        return _key(pool, address) in self._records.pool_records()

    def all(self) -> list[tuple[Pool, Address]]:
        """Return what is to be given back."""
        found = []
        for key, text in self._records.pool_records().items():
            address, _, pool_id = text.partition(" ")
            if key.startswith(_START):
                # What the plugin did not write was written by hand.
                with suppress(Refused, ValueError):
                    found.append((Pool.from_id(pool_id), parse_address(ip_address, address)))
        return found


def _key(pool: Pool, address: Address) -> str:
    return record_key(_START, f"{address} {pool.place}")
