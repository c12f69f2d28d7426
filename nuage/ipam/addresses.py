"""The addresses of pools: taking one, and giving it back.

An address is chosen here, and the VSD is asked to hold it: one request. Where it refuses, because somebody else was
quicker, another one is chosen. Only after some refusals is the VSD asked which addresses are taken. So it takes as long
in a subnet of ten thousand addresses as in one of ten.

Nothing is remembered that has to survive this process. A mark at the VSD tells whose an address is.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from nuage.driver.cleanup import Cleanup
from nuage.driver.mac import mac_of
from nuage.driver.turns import Turns
from nuage.errors import NotInDirectory, Refused, VsdRefused
from nuage.ipam.choice import choose, span, usable
from nuage.ipam.knowledge import Knowledge
from nuage.ipam.leaving import left
from nuage.ipam.marks import Mark, Use
from nuage.ipam.pool import Address, Pool
from nuage.ipam.pool_places import PoolPlaces
from nuage.ipam.unfinished import Unfinished
from nuage.model import parse_address
from nuage.vsd import in_use, reservations
from nuage.vsd.directory import Place
from nuage.vsd.reservations import AddressTaken, Claim, Hold, Holds
from nuage.vsd.session import Session

#: Characters of the name of a vPort, which has that of its Container (VSD API, vport.name).
NAME_LENGTH = 64

#: Seconds from when Docker is told an address until it brings the endpoint that has it.
_STARTING = 5.0

#: Addresses that are tried before the VSD is asked which are taken, and after it.
_GUESSES, _TRIES = 3, 20


class Host(Protocol):
    """What is asked of the switch: :class:`nuage.ipam.host.SwitchHost`."""

    async def identity(self) -> str:
        """Return what tells this host's plugin apart from all others."""

    def user_of(self, pool: Pool, address: Address) -> str | None:
        """Say which endpoint of this host has an address; return None if no endpoint has it."""


class Addresses:
    """Takes addresses and gives them back.

    Args:
        clock: Measures how long ago Docker was told an address.
        session: Asks the VSD.
        account: Whose session it is, "user@organization".
        places: Where pools are at the VSD.
        host: Tells who this host is, and what it uses.
        host_name: What people call it; it becomes part of the name of what holds an address.
        form: How addresses are held: see :func:`nuage.vsd.reservations.choose_form`.
        cleanup: Finishes what the VSD cannot do at once.
        unfinished: Remembers that for the next daemon.
        turns: Keeps calls about one address apart; shared with ``cleanup``.
        random: Chance.
    """

    def __init__(
        self,
        clock: IReactorTime,
        *,
        session: Session,
        account: str,
        places: PoolPlaces,
        host: Host,
        host_name: str,
        form: str,
        cleanup: Cleanup,
        unfinished: Unfinished,
        turns: Turns,
        random: Random,
    ) -> None:
        self._clock = clock
        self._session = session
        self._account = account
        self._places = places
        self._host = host
        self._host_name = host_name
        self._wanted = form
        self._cleanup = cleanup
        self._unfinished = unfinished
        self._turns = turns
        self._random = random
        self._forms: tuple[Holds, Holds] | None = None
        self._knowledge = Knowledge(session)
        #: What this process took, by address: it need not be looked for at the VSD.
        self._held: dict[str, Hold] = {}
        #: When Docker was told them.
        self._promised: dict[str, float] = {}
        #: Addresses of Swarm's manager, taken here, that the same host's own Docker uses as well.
        self._lent: set[str] = set()

    async def prepare(self, pool: Pool, place: Place) -> None:
        """Find out what the first address of a pool would have to wait for.

        Raises:
            Refused: Addresses of this family cannot be held.
        """
        form = await self.form(place)
        if pool.prefix.version == 6 and not form.serves_v6:
            raise Refused(
                "IPv6 addresses are held by reservations, which this VSD does not offer or vsd_address_form excludes; "
                "leave out --ipv6"
            )
        await self._knowledge.of(pool, place, split=form.split)

    async def form(self, place: Place) -> Holds:
        """Return the form in which addresses are held."""
        return (await self._all_forms(place))[0]

    async def _all_forms(self, place: Place) -> tuple[Holds, Holds]:
        """Return the form in which addresses are held, and the one in which a former daemon may have held some."""
        if self._forms is None:
            self._forms = await reservations.choose_form(self._session, self._account, place, self._wanted)
        return self._forms

    async def take_any(self, pool: Pool, place: Place, name: str, use: Use) -> Address:
        """Take an address that is free, and return it.

        Raises:
            Refused: There is none.
        """
        split = (await self.form(place)).split
        known = await self._knowledge.of(pool, place, split=split)
        for tries in (_GUESSES, _TRIES):
            for _ in range(tries):
                number = choose(known.where, known.taken, self._random)
                if number is None:
                    break
                known.taken.add(number)
                address = _address(number, pool)
                if self._host.user_of(pool, address):
                    # The VSD would refuse it, but its answer may be lost.
                    continue
                try:
                    async with self.turn(pool, address):
                        await self._take(pool, place, address, name, use)
                except AddressTaken:
                    continue
                self._promise(pool, address, use)
                return address
            if tries == _GUESSES:
                known = await self._knowledge.learnt(pool, place, split=split)
        raise Refused(_full(pool))

    async def take(self, pool: Pool, place: Place, address: Address, name: str, use: Use) -> None:
        """Take the address that was asked for. It is no error if it was taken before, for the same host's Docker.

        Raises:
            Refused: It cannot be had; the message says why.
        """
        if not any(low <= int(address) <= high for low, high in usable(pool.prefix, [span(pool.prefix)])):
            raise Refused(f"address {address} is outside of {pool}, or its first or last one; choose another")
        form = await self.form(place)
        async with self.turn(pool, address):
            # It is looked for first: what fails after that has made nothing that was there before.
            hold = await left(self._clock, form, place, address)
            if hold is not None:
                await self._take_again(pool, place, address, hold, use)
            elif form.split and (who := await in_use.holder(self._session, place, address)):
                # The VSD would give it the address of a reservation.
                raise Refused(_taken(address, who))
            else:
                await self._take_asked(pool, place, address, name, use)
        self._knowledge.note(pool, address, taken=True)
        self._promise(pool, address, use)

    async def give_back(self, pool: Pool, address: Address) -> None:
        """Give an address back, now or later."""
        subject = _subject(pool, address)
        async with self._turns.turn(subject):
            self._promised.pop(subject, None)
            if subject in self._lent:
                self._lent.discard(subject)
            elif not await self._cleanup.finish(subject, partial(self._free, pool, address)):
                await self._unfinished.note(pool, address)

    async def resume(self) -> None:
        """Give back what this daemon or a former one could not. To be called when the switch or the VSD is back."""
        self._cleanup.resume()
        await self.settle()

    async def settle(self) -> None:
        """Give back what the switch remembers. To be called from time to time.

        A switch that is slow may remember an address only after all is done: after it was given back, by this daemon or
        the next one, and even after it was taken again.

        Raises:
            SwitchError: The switch is away.
        """
        for pool, address in self._unfinished.all():
            async with self.turn(pool, address):
                await self._settle(pool, address)

    async def held(self, pool: Pool) -> set[Address]:
        """Return the addresses of a pool that are held for this host's own Docker, but not those on their way."""
        place, host = await self._places.of(pool), await self._host.identity()
        start = Mark.start_of(host)
        holds = [hold for form in await self._all_forms(place) for hold in await form.marked(place, start)]
        parsed = (Mark.parse(hold.mark) for hold in holds if not hold.leaving)
        marks = [mark for mark in parsed if mark and mark.use is not Use.TASK]
        addresses = {each for mark in marks if (each := _parsed(mark.address)) and each in pool.prefix}
        return {each for each in addresses if not self._is_passing(_subject(pool, each))}

    async def is_held(self, pool: Pool, address: Address) -> bool:
        """Ask the VSD whether an address is held for this host's use."""
        return await self._found_ours(await self._places.of(pool), address) is not None

    async def hold(self, pool: Pool, place: Place, address: Address) -> Hold | None:
        """Return what holds an address for this host's use, None if nothing does."""
        return self._held.get(_subject(pool, address)) or await self._found_ours(place, address)

    async def adopt(self, pool: Pool, place: Place, address: Address, uuid: str) -> Hold | None:
        """Make a Container this host's that holds an address and has a UUID; return None if there is none.

        A switch that lost its database lost who this host is, too. The UUID of its endpoint is nobody else's.
        """
        hold = await self._found(place, address)
        mark = Mark.parse(hold.mark) if hold else None
        if hold is None or mark is None or hold.uuid != uuid:
            return None
        hold = await self._taken_over(hold, mark, await self._host.identity())
        self._note(_subject(pool, address), hold)
        return hold

    def turn(self, pool: Pool, address: Address) -> AbstractAsyncContextManager[None]:
        """Return the turn of an address, which keeps calls about it apart."""
        return self._turns.turn(_subject(pool, address))

    async def hold_anew(self, pool: Pool, place: Place, address: Address, hold: Hold, mac: str) -> Hold:
        """Hold an address anew, with another MAC address. The caller has to have its turn.

        Raises:
            Refused: Somebody else was quicker.
        """
        form = await self.form(place)
        claim = Claim(address=address, mac=mac, mark=hold.mark, name=hold.name, user=pool.user)
        await reservations.give_back(self._session, hold)
        try:
            hold = await form.take(place, claim)
        except AddressTaken:
            raise Refused(_taken(address, await in_use.holder(self._session, place, address))) from None
        self._note(_subject(pool, address), hold)
        return hold

    def _promise(self, pool: Pool, address: Address, use: Use) -> None:
        if use is Use.CONTAINER:
            self._promised[_subject(pool, address)] = self._clock.seconds()

    def _is_passing(self, subject: str) -> bool:
        """Tell whether an address is on its way to an endpoint, or back to the VSD."""
        return self._is_promised(subject) or subject in self._cleanup.unfinished

    def _is_promised(self, subject: str) -> bool:
        """Tell whether Docker was told an address just now, and is about to bring its endpoint."""
        return self._clock.seconds() - self._promised.get(subject, -_STARTING) < _STARTING

    def _note(self, subject: str, hold: Hold) -> None:
        """Remember what this host holds; not what another manager may take over."""
        mark = Mark.parse(hold.mark)
        if mark is not None and mark.use is not Use.TASK:
            self._held[subject] = hold

    async def _settle(self, pool: Pool, address: Address) -> None:
        """Give back an address if the switch still remembers it and nobody uses it."""
        subject = _subject(pool, address)
        if subject in self._cleanup.unfinished or not self._unfinished.has(pool, address):
            return
        if subject in self._held or self._host.user_of(pool, address):
            await self._unfinished.clear(pool, address)
        else:
            await self._cleanup.finish(subject, partial(self._free, pool, address))

    async def _take(self, pool: Pool, place: Place, address: Address, name: str, use: Use) -> None:
        form, host, subject = await self.form(place), await self._host.identity(), _subject(pool, address)
        claim = Claim(
            address=address,
            mac=mac_of(pool, address) if isinstance(address, IPv4Address) else "",
            mark=str(Mark.of(host, place.network_id, address, use)),
            name=(name or f"{self._host_name}-{address}")[:NAME_LENGTH],
            user=pool.user,
        )
        refused: AddressTaken | None = None
        async with self._cleanup.undone_by(subject, partial(self._free, pool, address), new=True):
            try:
                hold = await form.take(place, claim)
            except AddressTaken as problem:
                # Nothing was made of which anything would have to be undone.
                refused = problem
            else:
                self._note(subject, hold)
                await self._unfinished.clear(pool, address)
        if refused is not None:
            raise refused
        self._cleanup.cancel(subject)

    async def _take_asked(self, pool: Pool, place: Place, address: Address, name: str, use: Use) -> None:
        try:
            await self._take(pool, place, address, name, use)
        except AddressTaken:
            raise Refused(_taken(address, await in_use.holder(self._session, place, address))) from None

    async def _take_again(self, pool: Pool, place: Place, address: Address, hold: Hold, use: Use) -> None:
        """Have an address that is held already, if whoever holds it is the one who asks."""
        host, subject = await self._host.identity(), _subject(pool, address)
        mark = Mark.parse(hold.mark)
        if mark is None or not (mark.host == host or mark.use is Use.TASK):
            raise Refused(_taken(address, await in_use.holder(self._session, place, address)))
        if use is not Use.TASK:
            self._demand_unused(pool, address, mark, use)
        await self._unfinished.clear(pool, address)
        self._cleanup.cancel(subject)
        if use is Use.TASK and mark.host != host:
            # Another manager leads now, and will give it back.
            hold = await self._taken_over(hold, mark, host)
        if mark.use is Use.TASK and use is not Use.TASK and mark.host == host:
            self._lent.add(subject)
        if mark.host == host:
            self._note(subject, hold)

    async def _taken_over(self, hold: Hold, mark: Mark, host: str) -> Hold:
        """Return a hold with a mark of this host."""
        hold = attrs.evolve(hold, mark=str(attrs.evolve(mark, host=host)))
        await reservations.mark(self._session, hold, hold.mark)
        return hold

    def _demand_unused(self, pool: Pool, address: Address, mark: Mark, use: Use) -> None:
        """Make sure that an address that this host holds is not another's. The request does not say whose it is.

        Raises:
            Refused: It is another's.
        """
        if user := self._host.user_of(pool, address):
            raise Refused(_taken(address, f"{user} on this host"))
        if use is Use.CONTAINER and mark.use is Use.ASIDE:
            raise Refused(f"address {address} is set aside by --aux-address or --gateway; choose another")
        if use is Use.CONTAINER and mark.use is Use.CONTAINER and self._is_promised(_subject(pool, address)):
            raise Refused(_taken(address, "another container of this host, which is being started"))

    async def _free(self, pool: Pool, address: Address) -> None:
        """End the hold of an address, if it is this host's."""
        subject = _subject(pool, address)
        try:
            place = await self._places.of(pool)
            hold = self._held.get(subject) or await self._found(place, address)
        except NotInDirectory:
            # With the subnet went all that was on it.
            hold = None
        except VsdRefused as problem:
            if problem.status != 404:
                raise
            hold = None
        mark = Mark.parse(hold.mark) if hold else None
        if hold and not hold.leaving and mark and mark.host == await self._host.identity():
            await reservations.give_back(self._session, hold)
        self._held.pop(subject, None)
        self._knowledge.note(pool, address, taken=False)
        await self._unfinished.clear(pool, address)

    async def _found_ours(self, place: Place, address: Address) -> Hold | None:
        """Return who holds an address for this host, or as a Swarm manager for all, None if nobody does."""
        hold, host = await self._found(place, address), await self._host.identity()
        mark = Mark.parse(hold.mark) if hold else None
        return hold if mark is not None and (mark.host == host or mark.use is Use.TASK) else None

    async def _found(self, place: Place, address: Address) -> Hold | None:
        """Return who holds an address in either form, None if nobody does."""
        for form in await self._all_forms(place):
            if hold := await form.find(place, address):
                return hold
        return None


def _subject(pool: Pool, address: Address) -> str:
    """Name an address, for turns, the cleanup and its messages."""
    return f"address {address} of {pool.place}"


def _parsed(text: str) -> Address | None:
    """Read the address of a mark, which anybody may have written."""
    try:
        return parse_address(ip_address, text)
    except ValueError:
        return None


def _address(number: int, pool: Pool) -> Address:
    return IPv4Address(number) if pool.prefix.version == 4 else IPv6Address(number)


def _taken(address: Address, who: str) -> str:
    return f"address {address} is taken{f' by {who}' if who else ''}; choose another"


def _full(pool: Pool) -> str:
    if pool.range:
        return f"no address is left in the range {pool.range} of {pool}; give back some, or make the --ip-range larger"
    return f"no address is left in {pool}, or in its address ranges at the VSD; give back some, or make them larger"
