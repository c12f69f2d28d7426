"""Which pool was handed out for which network.

Docker asks for a pool, and then for a network with it. The second request says nothing of the options of the first. It
has the name of the address space, which tells that the pool is from here, and the pool's addresses. Two domains may
have the same addresses. So the pools that were handed out and not used yet are remembered, at the switch: the daemon
may be killed between both requests, and Docker repeats the second one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from nuage.driver.options import given_place, place_of
from nuage.errors import NuageError, Refused, SwitchError
from nuage.ipam.pool import Pool
from nuage.ipam.pool_places import PoolPlaces
from nuage.ipam.repetitions import Repetitions
from nuage.model import Network, NetworkRequest, Pool4
from nuage.text import shown

#: What the keys of our records start with.
_START = "new-"

#: The name of our address space.
SPACE = "nuage"

#: Seconds between the two requests. Docker repeats one for half a minute, and each may take as long as a call may.
_SOON = 120.0


class PoolRecords(Protocol):
    """What remembers: :class:`nuage.vrs.switch.Switch`."""

    async def ready(self) -> None:
        """Wait until it remembers."""

    def pool_records(self) -> Mapping[str, str]:
        """Return the texts that are remembered, by key."""

    async def remember_pool(self, key: str, text: str) -> None:
        """Remember a text."""

    async def forget_pools(self, keys: list[str]) -> None:
        """Forget texts."""

    def network(self, network_id: str) -> Network | None:
        """Return a network that is remembered."""

    def networks(self) -> Iterator[Network]:
        """Yield all of them."""


class HandedOut:
    """Remembers pools from when they are handed out until a network is made of them.

    Args:
        clock: Measures how long ago that was.
        records: Keeps them.
        places: Knows the gateway of a pool.
        repetitions: Is told which pools are used.
    """

    def __init__(self, clock: IReactorTime, records: PoolRecords, places: PoolPlaces, repetitions: Repetitions) -> None:
        self._clock = clock
        self._records = records
        self._places = places
        self._repetitions = repetitions
        #: When each was handed out. One of a former daemon counts from when it was seen first.
        self._since: dict[str, float] = {}

    async def remember(self, pool: Pool) -> None:
        """Note that a pool was handed out."""
        key = _key(pool.id)
        self._since[key] = self._clock.seconds()
        await self._records.remember_pool(key, pool.id)

    async def forget(self, pool_id: str) -> None:
        """Note that a pool was given back."""
        await self._forget([_key(pool_id)])

    def waits(self, pool: Pool) -> bool:
        """Tell whether a network is still to be made of a pool, so that only the network asks for addresses."""
        networks = self._records.networks()
        return _key(pool.id) in self._pools() and all(each.location() != pool.location() for each in networks)

    async def completed(self, request: NetworkRequest) -> NetworkRequest:
        """Return a request for a network with all that its pool says.

        Raises:
            Refused: What the user gave with ``-o`` contradicts it, or it is not clear which pool it is.
        """
        if request.ipam_options is not None:
            return await self._learnt(request, place_of(request.ipam_options))
        if not any(pool.space == SPACE for pool in request.pools):
            return request
        await self._records.ready()
        place = self._place(request)
        if place is not None:
            _demand_agreement(request, place)
        return _with_place(request, place or {})

    async def used(self, network: Network) -> None:
        """Note that a network was made: its pool no longer waits for one."""
        pools = {key: pool for key, pool in self._pools().items() if pool.location() == network.location()}
        for pool in pools.values():
            self._repetitions.ended(pool.id)
        await self._forget(list(pools))

    async def settle(self, abandon: Callable[[Pool], Awaitable[None]]) -> None:
        """Forget pools of which no network was made in time, and texts that are not records.

        Args:
            abandon: Takes note of such a pool first: Docker may have ended before it gave back what it had of it.
        """
        waiting = self._pools()
        for key, text in self._own_records().items():
            if key in waiting:
                continue
            with suppress(Refused):
                await abandon(Pool.from_id(text))
            # It may have been handed out again meanwhile.
            if key not in self._pools():
                await self._forget([key])

    def _place(self, request: NetworkRequest) -> Mapping[str, str] | None:
        """Return the place of a network's pool, None if nothing is known of the pool."""
        known = self._records.network(request.network_id)
        if known is not None and known.ipam:
            # The request comes again.
            return Pool.of(known).options()
        places = [pool.options() for pool in self._pools().values() if pool.prefix == request.pools[0].subnet]
        if len(places) > 1:
            given = given_place(request.options)
            places = [place for place in places if given.items() <= place.items()] or places
        if len(places) > 1:
            shown_places = " and ".join(sorted(f"{place['domain']}/{place.get('subnet', '')}" for place in places))
            raise Refused(
                f"networks are being made for {shown_places}, which have the same addresses, "
                f"{request.pools[0].subnet}: make one after the other, or give its place with -o as well"
            )
        return places[0] if places else None

    async def _learnt(self, request: NetworkRequest, place: Mapping[str, str]) -> NetworkRequest:
        """Complete a network that Docker told of. Of its gateway some releases of Docker say nothing."""
        _demand_agreement(request, place)
        pools = tuple([await self._with_gateway(pool, place) for pool in request.pools])
        return attrs.evolve(_with_place(request, place), pools=pools)

    async def _with_gateway(self, pool: Pool4, place: Mapping[str, str]) -> Pool4:
        try:
            at_vsd = await self._places.of(Pool.at(place, pool.subnet))
        except NuageError:
            # A Join compares the gateway with the VRS's; without the VSD that has to do.
            return pool
        return attrs.evolve(pool, gateway=at_vsd.gateway)

    def _pools(self) -> dict[str, Pool]:
        """Return the pools that were handed out recently, by the keys of their records."""
        now = self._clock.seconds()
        found = {}
        for key, text in self._own_records().items():
            if now - self._since.setdefault(key, now) < _SOON:
                try:
                    found[key] = Pool.from_id(text)
                except Refused:
                    continue
        return found

    def _own_records(self) -> Mapping[str, str]:
        return {key: text for key, text in self._records.pool_records().items() if key.startswith(_START)}

    async def _forget(self, keys: list[str]) -> None:
        there = self._records.pool_records()
        # A record that stays does no harm: its time is over soon.
        with suppress(SwitchError):
            if gone := [key for key in keys if key in there]:
                await self._records.forget_pools(gone)
            for key in keys:
                self._since.pop(key, None)


def record_key(start: str, what: str) -> str:
    """Return the key of a record: what its kind starts with, and a digest of what it is about."""
    return start + sha256(what.encode()).hexdigest()[:16]


def _key(pool_id: str) -> str:
    return record_key(_START, pool_id)


def _demand_agreement(request: NetworkRequest, place: Mapping[str, str]) -> None:
    contradictions = [
        f"-o {key}={shown(value)} and --ipam-opt {key}={shown(place.get(key, ''))}"
        for key, value in given_place(request.options).items()
        if value != place.get(key)
    ]
    if contradictions:
        raise Refused(
            f"{'; '.join(contradictions)} contradict each other; leave out -o: the network is where its addresses are"
        )


def _with_place(request: NetworkRequest, place: Mapping[str, str]) -> NetworkRequest:
    """Return a request with its place, which agrees with what was given, and without the gateway 0.0.0.0."""
    named = given_place(request.options)
    missing = {key: value for key, value in place.items() if key not in named}
    pools = tuple(
        attrs.evolve(pool, gateway=None) if pool.gateway is not None and pool.gateway.is_unspecified else pool
        for pool in request.pools
    )
    return attrs.evolve(request, options={**request.options, **missing}, pools=pools, ipam=True)
