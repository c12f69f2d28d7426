"""How an address of a subnet is held at the VSD, so that it gives it to nobody else.

There are two forms. A VSD may know only one of them:

- a reservation (``vmipreservations``, from release 20.5 on) has nothing but an address,
- a Container that is made first (split activation, in all releases) has address and MAC address. The port that the VRS
  is told of later belongs to it, by its UUID and its MAC address.

The VSD decides who gets an address: it refuses a second hold. A hold bears a mark in its ``externalID``, by which it is
known whose it is (:mod:`nuage.ipam.marks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Protocol
from urllib.parse import quote

import attrs

from nuage.errors import NuageError, Refused, VsdRefused
from nuage.text import shown
from nuage.vsd.answers import Entity, is_id
from nuage.vsd.directory import Place
from nuage.vsd.in_use import UNKNOWN, Address, address_of, listed
from nuage.vsd.predicates import equals
from nuage.vsd.session import Session

#: The VSD's own errors where somebody has an address, or an object that another one is equal to: see NEUTRON's and
#: TEMPEST's clients: the object exists, address in use, UUID in use, reserved already.
_TAKEN = frozenset({2510, 2704, 2748, 7205})
#: Its error where a subnet has no address left.
_FULL = 2702
_CONFLICT = 409
#: The state of a reservation that was removed while a port had its address.
_LEAVING = "ASSIGNED_DELETE_PENDING"
#: Where Containers are.
_CONTAINERS = "/containers/"


class AddressTaken(NuageError):
    """Somebody has the address, or may not have it."""


@attrs.frozen(kw_only=True)
class Hold:
    """An address that is held.

    Attributes:
        path: Where.
        mark: Its ``externalID``.
        name: What people read of it.
        mac: The MAC address that goes with it; "" if none does.
        vport: The ID of the vPort that has it; "" where that is not known.
        uuid: By what the VRS tells of it; "" for a reservation, of which it tells nothing.
        leaving: Whether it was ended already, and stays until the VSD has no port with the address any more (VSD API,
            vmipreservation.state).
    """

    path: str
    mark: str
    name: str = ""
    mac: str = ""
    vport: str = ""
    uuid: str = ""
    leaving: bool = False

    @property
    def split(self) -> bool:
        """Whether the VRS is told of the port without its place, because the VSD has it already."""
        return self.path.startswith(_CONTAINERS)


@attrs.frozen(kw_only=True)
class Claim:
    """An address that is to be held.

    Attributes:
        address: The address.
        mac: The MAC address that goes with it.
        mark: Whose it is.
        name: What people are to read of it.
        user: For which user of the place's organization.
    """

    address: Address
    mac: str
    mark: str
    name: str
    user: str


class Holds(Protocol):
    """One form of holding addresses."""

    #: Whether the VRS is told of a port without its place, because the VSD has it already.
    split: bool
    #: Whether IPv6 addresses can be held.
    serves_v6: bool

    async def take(self, place: Place, claim: Claim) -> Hold:
        """Have an address held, which nobody of this host holds.

        Raises:
            AddressTaken: Somebody has it.
        """

    async def find(self, place: Place, address: Address) -> Hold | None:
        """Return who holds an address in this form, None if nobody does."""

    async def marked(self, place: Place, start: str) -> list[Hold]:
        """Return the holds of a place whose mark starts with a text."""


class Reservations:
    """Addresses that are held by reservations.

    Args:
        session: Asks the VSD.
    """

    split = False
    serves_v6 = True

    def __init__(self, session: Session) -> None:
        self._session = session

    async def take(self, place: Place, claim: Claim) -> Hold:
        """See :class:`Holds`."""
        address, family = str(claim.address), f"IPV{claim.address.version}"
        body = {"IPType": family, f"{family}Address": address, "externalID": claim.mark}
        with _refusing_taken():
            path = f"{place.path}/vmipreservations"
            made = await self._session.post(path, body, unless=equals(f"{family}Address", address))
        hold = _hold("vmipreservations", made)
        if hold.mark != claim.mark or hold.leaving:
            # The answer was lost, and what was found instead is somebody else's, or an earlier one.
            raise AddressTaken(f"address {address} is reserved already")
        return await _agreed(self._session, hold, claim, made.get(f"{family}Address"))

    async def find(self, place: Place, address: Address) -> Hold | None:
        """See :class:`Holds`."""
        key = f"IPV{address.version}Address"
        found = await listed(self._session, f"{place.path}/vmipreservations", equals(key, str(address)))
        return next((_hold("vmipreservations", each) for each in found if address_of(each.get(key)) == address), None)

    async def marked(self, place: Place, start: str) -> list[Hold]:
        """See :class:`Holds`."""
        return await _marked(self._session, place, "vmipreservations", start)


class Containers:
    """Addresses that are held by Containers.

    Args:
        session: Asks the VSD.
        account: Whose session it is, "user@organization". For anybody else a Container is made in that user's name, for
            which the VSD wants an account of the provider's.
    """

    split = True
    #: An interface has one address of each family, and Docker asks for each of them alone.
    serves_v6 = False

    def __init__(self, session: Session, account: str) -> None:
        self._session = session
        self._account = account

    async def take(self, place: Place, claim: Claim) -> Hold:
        """See :class:`Holds`."""
        uuid = sha256(claim.mark.encode()).hexdigest()
        interface = {"MAC": claim.mac, "IPAddress": str(claim.address), "attachedNetworkID": place.network_id}
        body = {
            "UUID": uuid,
            "name": claim.name,
            "orchestrationID": claim.name,
            "externalID": claim.mark,
            "interfaces": [interface],
        }
        user = f"{claim.user}@{place.organization}"
        as_user = None if user == self._account else user
        try:
            with _refusing_taken():
                made = await self._session.post("/containers", body, as_user=as_user, unless=equals("UUID", uuid))
        except VsdRefused as problem:
            # Another Container with the address has its MAC address too, which a VSD may find first.
            if problem.status == _CONFLICT and await self.find(place, claim.address):
                raise AddressTaken(str(problem)) from problem
            raise
        interfaces = made.get("interfaces")
        given = interfaces[0] if isinstance(interfaces, list) and interfaces else None
        given = given if isinstance(given, dict) else {}
        hold = attrs.evolve(_contained(made, given), mac=claim.mac)
        return await _agreed(self._session, hold, claim, given.get("IPAddress"))

    async def find(self, place: Place, address: Address) -> Hold | None:
        """See :class:`Holds`."""
        path = f"{place.path}/containerinterfaces"
        for interface in await self._session.get(path, filter=equals("IPAddress", str(address))):
            container_id = interface.get("parentID")
            if address_of(interface.get("IPAddress")) == address and isinstance(container_id, str):
                container = await self._session.first(f"/containers/{quote(container_id, safe='')}")
                return _contained(container, interface) if container else None
        return None

    async def marked(self, place: Place, start: str) -> list[Hold]:
        """See :class:`Holds`."""
        return await _marked(self._session, place, "containers", start)


async def bind(session: Session, hold: Hold, *, uuid: str) -> None:
    """Give a Container that holds an address the UUID that the VRS will tell."""
    await session.put(hold.path, {"UUID": uuid})


async def name(session: Session, hold: Hold, *, name: str, orchestration_id: str) -> None:
    """Give a Container that holds an address another name."""
    await session.put(hold.path, {"name": name, "orchestrationID": orchestration_id})


async def assign(session: Session, hold: Hold, *, policy_group: str | None, redirection_target: str | None) -> None:
    """Put the vPort of a hold into a policy group and under a redirection target, by their IDs; None leaves it alone.

    Raises:
        Refused: Its vPort is not known.
    """
    if not is_id(hold.vport):
        raise Refused(f"the VSD does not tell the vPort of {hold.path}, which a policy would be assigned to")
    for resource, member in (("policygroups", policy_group), ("redirectiontargets", redirection_target)):
        if member is not None:
            await session.put(f"/vports/{hold.vport}/{resource}", [member])


async def mark(session: Session, hold: Hold, mark: str) -> None:
    """Give a hold another mark."""
    await session.put(hold.path, {"externalID": mark})


async def give_back(session: Session, hold: Hold) -> None:
    """End a hold; it is no error if it was not there."""
    await session.delete(hold.path)


async def choose_form(session: Session, account: str, place: Place, wanted: str) -> tuple[Holds, Holds]:
    """Return the form in which addresses are held, and the other one, in which they may have been before.

    Args:
        session: Asks the VSD.
        account: Whose session it is; see :class:`Containers`.
        place: A place, by which is found out what this VSD offers.
        wanted: "reservation", "container", or "auto": reservations where the VSD has them.
    """
    containers, reservations = Containers(session, account), Reservations(session)
    if wanted == "container" or (wanted == "auto" and not await _offers_reservations(session, place)):
        return containers, reservations
    return reservations, containers


async def _agreed(session: Session, hold: Hold, claim: Claim, given: object) -> Hold:
    """Return the hold that the VSD made, if it has the address that was asked for, as far as the answer tells.

    Raises:
        Refused: It has another, and was given back.
    """
    if given is not None and address_of(given) != claim.address:
        await give_back(session, hold)
        raise Refused(f"the VSD gave {shown(given)} instead of {claim.address}, which was asked for")
    return hold


async def _marked(session: Session, place: Place, resource: str, start: str) -> list[Hold]:
    found = await listed(session, f"{place.path}/{resource}", f'externalID BEGINSWITH "{start}"')
    holds = [_hold(resource, each) for each in found]
    return [hold for hold in holds if hold.mark.startswith(start)]


async def _offers_reservations(session: Session, place: Place) -> bool:
    try:
        await session.first(f"{place.path}/vmipreservations", equals("externalID", "none"))
    except VsdRefused as problem:
        if problem.status not in UNKNOWN:
            raise
        # That may also be said of a subnet which is gone: it is not the VSD that lacks something then.
        await session.first(place.path)
        return False
    return True


@contextmanager
def _refusing_taken() -> Iterator[None]:
    try:
        yield
    except VsdRefused as problem:
        if problem.code not in _TAKEN and problem.code != _FULL:
            raise
        raise AddressTaken(str(problem)) from problem


def _contained(container: Entity, interface: Entity) -> Hold:
    """Return the hold that is a Container with an interface."""
    mac, vport, uuid = interface.get("MAC"), interface.get("VPortID"), container.get("UUID")
    return attrs.evolve(
        _hold("containers", container),
        mac=mac if isinstance(mac, str) else "",
        vport=vport if isinstance(vport, str) else "",
        uuid=uuid if isinstance(uuid, str) else "",
    )


def _hold(resource: str, entity: Entity) -> Hold:
    mark, name = entity.get("externalID"), entity.get("name")
    return Hold(
        path=f"/{resource}/{entity['ID']}",
        mark=mark if isinstance(mark, str) else "",
        name=name if isinstance(name, str) else "",
        leaving=entity.get("state") == _LEAVING,
    )
