"""Whether networks are what the VSD has at their places.

A network is checked when it is created. If the VSD is away, or does not let our account see enough, the network is
accepted all the same: its record says that it is unchecked, and it is checked when the VSD is back. What is wrong with
it then is told in the log, and by a Join that is not resolved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.driver.turns import Turns
from nuage.errors import NotInDirectory, Refused, SwitchError, VsdRefused, VsdUnavailable
from nuage.model import Endpoint, Network
from nuage.text import joined
from nuage.told import Told
from nuage.vrs import tables
from nuage.vrs.switch import Switch
from nuage.vsd import in_use
from nuage.vsd.directory import Directory, Place
from nuage.vsd.session import Session

Found = TypeVar("Found")

_NOTHING_WRONG = (
    "the VSD has all that the network names, and has given the address to nobody else; look at the VSC, "
    "or raise resolve_timeout if it only needs longer"
)
#: What keeps the VSD from judging a network.
_CANNOT_TELL = (VsdUnavailable, VsdRefused)


class Places:
    """Compares networks with the VSD.

    Args:
        clock: Measures the time that the VSD has.
        session: Asks the VSD.
        directory: Knows what it has.
        timeout: Seconds that the VSD may take to judge one network.
        switch: Remembers which networks are unchecked.
        turns: Keeps calls about one network apart.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        session: Session,
        directory: Directory,
        timeout: float,
        *,
        switch: Switch,
        turns: Turns,
    ) -> None:
        self._clock = clock
        self._session = session
        self._directory = directory
        self._timeout = timeout
        self._switch = switch
        self._turns = turns
        self._told = Told()
        self._making_up: Deferred[None] | None = None

    async def checked(self, network: Network) -> Network:
        """Return a network that is to be created, marked if the VSD could not judge it.

        One that is known already, because Docker repeats the call, is not judged anew.

        Raises:
            Refused: The VSD has no such place, or other addresses there; the message has what to give instead.
        """
        known = self._switch.network(network.id)
        if known is not None and attrs.evolve(known, owner=None, unchecked=False) == network:
            return known
        try:
            objections = await self._objections(network, network.policy_group, network.redirection_target)
        except _CANNOT_TELL as problem:
            self._log.warn(
                "network {network} could not be compared with the VSD, and will be when the VSD is back: {problem}",
                network=network.id,
                problem=str(problem),
            )
            return attrs.evolve(network, unchecked=True)
        if objections:
            raise Refused(objections)
        return network

    async def why_unresolved(self, network: Network, endpoint: Endpoint, policy: Mapping[str, str]) -> str:
        """Return what keeps an endpoint from being resolved, as far as the VSD tells; nothing if it does not.

        Args:
            network: The network.
            endpoint: The endpoint.
            policy: Its policy; see :func:`nuage.vrs.policy.named_policy`.
        """
        try:
            return await self._in_time(self._reason(network, endpoint, policy))
        except _CANNOT_TELL:
            return ""

    def resume(self) -> None:
        """Check what is unchecked. Call this when the VSD or the switch is back."""
        if self._making_up is None:
            self._making_up = Deferred.fromCoroutine(self._make_up())
            self._making_up.addErrback(self._log_bug).addBoth(self._made_up)

    def stop(self) -> None:
        """Check no more."""
        if self._making_up is not None:
            self._making_up.cancel()

    async def _make_up(self) -> None:
        for network in [each for each in self._switch.networks() if each.unchecked]:
            try:
                objections = await self._objections(network, network.policy_group, network.redirection_target)
            except _CANNOT_TELL:
                return
            if not objections:
                await self._mark_checked(network)
            elif self._told.is_new(network.id, objections):
                self._log.warn(
                    "network {network} was created while the VSD was away, and is wrong: {objections}",
                    network=network.id,
                    objections=objections,
                )

    async def _mark_checked(self, network: Network) -> None:
        """Note that a network fits, unless it was removed or created anew meanwhile."""
        async with self._turns.turn(network.id):
            if self._switch.network(network.id) == network:
                await self._switch.remember_network(attrs.evolve(network, unchecked=False))
                self._log.info("network {network} is what the VSD has there", network=network.id)

    async def _objections(self, network: Network, group: str | None, target: str | None) -> str:
        """Return what the VSD has against a network and a policy, nothing if it has nothing."""
        return await self._in_time(self._compared(network, group, target))

    async def _compared(self, network: Network, group: str | None, target: str | None) -> str:
        try:
            place = await self._place(network, fresh=True)
            await self._directory.demand_permission(place, network.user)
            await self._directory.policy(place, group, target)
        except (NotInDirectory, Refused) as problem:
            return str(problem)
        return _differences(network, place)

    async def _reason(self, network: Network, endpoint: Endpoint, policy: Mapping[str, str]) -> str:
        group, target = policy.get(tables.POLICY_GROUP), policy.get(tables.REDIRECTION_TARGET)
        objections = await self._compared(network, group, target)
        if objections or endpoint.address is None:
            return objections
        place = await self._place(network, fresh=False)
        holder = await in_use.holder(self._session, place, endpoint.address.ip, besides=endpoint.mac)
        if holder:
            return f"{holder} has the address {endpoint.address.ip} by the VSD; give the container another --ip"
        return await self._directory.permission_doubt(place, network.user) or _NOTHING_WRONG

    async def _place(self, network: Network, *, fresh: bool) -> Place:
        return await self._directory.find(
            network.organization, network.domain, network.zone, network.subnet, network.user, fresh=fresh
        )

    async def _in_time(self, work: Awaitable[Found]) -> Found:
        def late(_outcome: Any, seconds: float) -> Any:
            raise VsdUnavailable(f"the VSD is late: it did not answer within vsd_timeout, {seconds:g} seconds")

        telling: Deferred[Found] = Deferred.fromCoroutine(_awaited(work))
        return await telling.addTimeout(self._timeout, self._clock, onTimeoutCancel=late)

    def _made_up(self, _outcome: object) -> None:
        self._making_up = None

    def _log_bug(self, failure: Failure) -> None:
        # The switch may go away in the middle: it is made up for when it is back.
        if not failure.check(CancelledError, SwitchError):
            self._log.failure("checking networks", failure)


async def _awaited(work: Awaitable[Found]) -> Found:
    return await work


def _differences(network: Network, place: Place) -> str:
    """Return how a network's addresses differ from those of its place, with what to give; nothing if they do not."""
    if place.kind == "SUBNET" and place.pool is None:
        return f"the VSD has no IPv4 addresses in {network.place()}, which a network needs; use another subnet"
    pairs: list[tuple[str, object, object]] = [
        ("subnet", network.pool, place.pool),
        ("gateway", network.gateway, place.gateway),
        ("IPv6 subnet", network.pool_v6, place.pool_v6 or ("none" if place.kind == "SUBNET" else None)),
        ("IPv6 gateway", network.gateway_v6, place.gateway_v6),
    ]
    differing = [f"{what}: Docker {ours}, Nuage {theirs}" for what, ours, theirs in pairs if _differ(ours, theirs)]
    if not differing:
        return ""
    return joined(
        f"CIDR and gateway must be the same as in Nuage ({network.place()}): {'; '.join(differing)}",
        f"create the network with {_flags(network, place)}",
    )


def _differ(ours: object, theirs: object) -> bool:
    """Tell whether two values differ; of one that is not there nothing is known."""
    return ours is not None and theirs is not None and ours != theirs


def _flags(network: Network, place: Place) -> str:
    """Return what to type so that a network fits its place."""
    flags = [f"--subnet={place.pool or network.pool}"]
    flags += [f"--gateway={gateway}" for gateway in [place.gateway] if gateway]
    if network.pool_v6 is not None and place.pool_v6 is not None:
        flags += ["--ipv6", f"--subnet={place.pool_v6}"]
        flags += [f"--gateway={gateway}" for gateway in [place.gateway_v6] if gateway]
    return " ".join(flags)
