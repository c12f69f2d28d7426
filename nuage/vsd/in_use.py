"""Who has which addresses of a subnet at the VSD."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from nuage.errors import VsdRefused
from nuage.text import shown
from nuage.vsd.answers import Entity
from nuage.vsd.directory import Place
from nuage.vsd.predicates import equals
from nuage.vsd.session import Session

Address: TypeAlias = IPv4Address | IPv6Address

#: Statuses by which a release says that it has no such resource.
UNKNOWN = (404, 405)

#: What has addresses of a subnet, the field of each family, and what it is called. Some releases lack some of them.
_HOLDERS = (
    ("containerinterfaces", "IPAddress", "IPv6Address", "container"),
    ("vminterfaces", "IPAddress", "IPv6Address", "VM"),
    ("vmipreservations", "IPV4Address", "IPV6Address", "reservation"),
    ("ipreservations", "IPAddress", "", "DHCP reservation"),
)


async def taken(session: Session, place: Place, version: int, *, reserved_only: bool = False) -> set[int]:
    """Return the addresses of one family that anybody has on a subnet, as numbers.

    Args:
        session: Asks the VSD.
        place: The subnet.
        version: The family, 4 or 6.
        reserved_only: Leave out those of interfaces.
    """
    found: set[int] = set()
    for resource, *fields, _what in _HOLDERS:
        key = fields[version == 6]
        if key and (not reserved_only or resource.endswith("reservations")):
            for each in await listed(session, f"{place.path}/{resource}"):
                address = address_of(each.get(key))
                if address is not None:
                    found.add(int(address))
    return found


async def ranges(session: Session, place: Place, version: int) -> list[tuple[int, int]]:
    """Return the ranges from which the VSD itself would choose addresses of one family; none stands for all."""
    found = []
    for each in await listed(session, f"{place.path}/addressranges"):
        low, high = address_of(each.get("minAddress")), address_of(each.get("maxAddress"))
        if low is not None and high is not None and low.version == high.version == version:
            found.append((int(low), int(high)))
    return sorted(found)


async def holder(session: Session, place: Place, address: Address, *, besides: str | None = None) -> str:
    """Say who has an address, "" where that is not known.

    Args:
        session: Asks the VSD.
        place: The subnet.
        address: The address.
        besides: A MAC address. Only what has another one is meant then; a reservation for nobody has none.
    """
    for resource, *fields, what in _HOLDERS:
        key = fields[address.version == 6]
        for each in await listed(session, f"{place.path}/{resource}", equals(key, str(address))) if key else ():
            if address_of(each.get(key)) == address and _is_besides(each, besides):
                return _called(what, each)
    return ""


async def listed(session: Session, path: str, filter: str | None = None) -> list[Entity]:  # noqa: A002
    """Return the objects of a path; a release that has no such resource has none."""
    try:
        return await session.get(path, filter=filter)
    except VsdRefused as problem:
        if problem.status not in UNKNOWN:
            raise
        return []


def address_of(value: object) -> Address | None:
    """Read an address of the VSD's, which may have a prefix length; return None for any other text."""
    try:
        return ip_address(value.partition("/")[0]) if isinstance(value, str) and "%" not in value else None
    except ValueError:
        return None


def _is_besides(entity: Entity, mac: str | None) -> bool:
    other = entity.get("MAC")
    return mac is None or (isinstance(other, str) and other.lower() != mac.lower())


def _called(what: str, entity: Entity) -> str:
    names = [entity.get(key) for key in ("name", "containerUUID", "VMUUID", "externalID", "MAC")]
    name = next((name for name in names if isinstance(name, str) and name), None)
    return f"{what} {shown(name)}" if name else what
