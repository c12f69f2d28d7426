"""Choosing an address without asking anybody: at random, among those that are not known to be taken.

Two hosts that choose at the same moment rarely choose the same address then, and the VSD refuses it to one of them.
Addresses are whole numbers here, as ``int()`` of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from ipaddress import IPv4Network
from random import Random

from nuage.ipam.pool import Prefix

Interval = tuple[int, int]

#: Addresses that are drawn before all are looked at. Few draws are in vain unless nearly all of them are taken.
_DRAWS = 30


def span(prefix: Prefix) -> Interval:
    """Return the first and the last address of a prefix."""
    return int(prefix.network_address), int(prefix.broadcast_address)


def usable(prefix: Prefix, inside: Sequence[Interval]) -> list[Interval]:
    """Return the addresses of a subnet that an interface can have, as intervals, first and last one included.

    Args:
        prefix: The whole subnet.
        inside: Where they have to be, without overlaps.
    """
    first, last = span(prefix)
    if prefix.num_addresses > 2:
        # The first names the subnet (in IPv6 its routers: RFC 4291, section 2.6.1), the last one of IPv4 is broadcast.
        first, last = first + 1, last - isinstance(prefix, IPv4Network)
    cut = [(max(first, low), min(last, high)) for low, high in inside]
    return [(low, high) for low, high in cut if low <= high]


def choose(where: Sequence[Interval], taken: AbstractSet[int], random: Random) -> int | None:
    """Return an address that is not known to be taken, None if all are.

    Args:
        where: The addresses to choose from.
        taken: Those that are known to be taken.
        random: Chance.
    """
    size = sum(high - low + 1 for low, high in where)
    for _ in range(_DRAWS if size else 0):
        address = _nth(where, random.randrange(size))
        if address not in taken:
            return address
    free = [address for low, high in where for address in range(low, high + 1) if address not in taken]
    return random.choice(free) if free else None


def _nth(where: Sequence[Interval], number: int) -> int:
    for low, high in where:
        if number <= high - low:
            return low + number
        number -= high - low + 1
    raise IndexError(number)
