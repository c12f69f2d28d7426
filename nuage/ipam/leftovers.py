"""What is held at the VSD for this host and used by nobody: a crash left it.

It is found by its mark, which names the host, and given back where nobody has used it for some time. What another host
holds is not looked at, nor what Swarm's manager asked for: tasks of any node may use that. Without an answer of
Docker's nothing is done.

::

    held --nobody has it--> suspected --still so after _AGE--> given back
      ^                         |
      +------ in use again -----+
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.docker.descriptions import Network as DockersNetwork
from nuage.docker.engine import NetworkUnknown
from nuage.errors import NotInDirectory, NuageError
from nuage.ipam.abandoned import Abandoned
from nuage.ipam.addresses import Addresses
from nuage.ipam.pool import Address, Pool
from nuage.model import Endpoint, Network, parse_address

#: Seconds between two looks, and for which nobody must have used an address. Each look asks the VSD once for each
#: network of a host.
_INTERVAL = _AGE = 600.0


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
class Leftover:
    """An address that is held for this host, and that nobody uses."""

    pool: Pool
    address: Address

    def __str__(self) -> str:
        return f"address {self.address} of {self.pool.place}"


class Leftovers:
    """Looks for leftovers from time to time, and gives them back.

    Args:
        clock: Measures the time.
        addresses: Knows what is held.
        abandoned: Knows pools of networks that are gone.
        users: Knows what is used by the switch.
        docker: Knows what is used by Docker.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, *, addresses: Addresses, abandoned: Abandoned, users: Users, docker: Docker
    ) -> None:
        self._clock = clock
        self._addresses = addresses
        self._abandoned = abandoned
        self._users = users
        self._docker = docker
        self._since: dict[Leftover, float] = {}
        self._next: IDelayedCall | None = None
        self._running: Deferred[None] | None = None

    @property
    def suspected(self) -> int:
        """How many addresses were left over when they were looked at last."""
        return len(self._since)

    def start(self) -> None:
        """Look for the first time after an interval, and then again and again."""
        self._next = self._clock.callLater(_INTERVAL, self._begin)

    def stop(self) -> None:
        """Look no more."""
        scheduled, self._next = self._next, None
        if scheduled is not None and scheduled.active():
            scheduled.cancel()
        if self._running is not None:
            self._running.cancel()

    async def look(self) -> list[Leftover]:
        """Return what is left over now.

        Raises:
            NuageError: The switch, Docker or the VSD does not tell all that has to be known.
        """
        await self._users.ready()
        found, places = [], set()
        for network in [network for network in self._users.networks() if network.ipam]:
            places.add(network.location())
            for pool in _pools(network):
                held = await self._held(pool)
                # Whoever came to use one meanwhile is asked after that.
                used = await self._used(network) if held else set()
                found += [Leftover(pool, address) for address in sorted(held - used, key=int)]
        for pool in [pool for pool in self._abandoned.all() if pool.location() not in places]:
            found += [Leftover(pool, address) for address in sorted(await self._held(pool), key=int)]
        return found

    async def audit(self) -> None:
        """Give back what has been left over for long enough."""
        begin = self._clock.seconds()
        found = await self.look()
        now = self._clock.seconds()
        self._since = {leftover: self._since.get(leftover, now) for leftover in found}
        for leftover in [each for each, since in self._since.items() if begin >= since + _AGE]:
            self._log.warn("{leftover} is held at the VSD and used by nobody: it is given back", leftover=str(leftover))
            await self._addresses.give_back(leftover.pool, leftover.address)
            del self._since[leftover]
        await self._abandoned.settle()

    async def _held(self, pool: Pool) -> set[Address]:
        try:
            return await self._addresses.held(pool)
        except NotInDirectory:
            return set()

    async def _used(self, network: Network) -> set[Address]:
        """Return the addresses of a network that anybody has by what the switch or Docker says."""
        endpoints = filter(None, map(self._users.endpoint, self._users.endpoints_of(network.id)))
        recorded = {each.ip for endpoint in endpoints for each in (endpoint.address, endpoint.address_v6) if each}
        try:
            told = await self._docker.network(network.id)
        except NetworkUnknown:
            return set(recorded)
        return {*recorded, *_told(told)}

    def _begin(self) -> None:
        self._running = Deferred.fromCoroutine(self.audit())
        self._running.addErrback(self._failed).addBoth(self._ended)

    def _failed(self, failure: Failure) -> None:
        # Nobody knows what was used meanwhile.
        self._since.clear()
        if failure.check(NuageError):
            self._log.debug("no look for addresses that are left over: {problem}", problem=failure.getErrorMessage())
        elif not failure.check(CancelledError):
            self._log.failure("looking for addresses that are left over failed", failure)

    def _ended(self, _result: object) -> None:
        self._running = None
        # Without one it was stopped.
        if self._next is not None:
            self._next = self._clock.callLater(_INTERVAL, self._begin)


def _pools(network: Network) -> list[Pool]:
    """Return the pools of a network, one of each family that it has."""
    pool = Pool.of(network)
    return [pool] if network.pool_v6 is None else [pool, attrs.evolve(pool, prefix=network.pool_v6)]


def _told(network: DockersNetwork) -> Iterator[Address]:
    """Yield all addresses that Docker names of a network: of endpoints, gateways and auxiliary ones."""
    pools = (*network.ipv4, *network.ipv6)
    texts = [text for pool in pools for text in (pool.gateway, *pool.auxiliary)]
    texts += [text for each in network.endpoints.values() for text in (each.ipv4, each.ipv6)]
    for text in filter(None, texts):
        yield parse_address(ip_address, text.partition("/")[0])
