"""What the VSD has: the names that users give become objects with an ID and addresses.

If a name has a quote, the VSD may find more than was asked for. So names are compared again here. Objects that are
being deleted stay in its lists for a while, and do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, TypeVar

import attrs
from twisted.internet.interfaces import IReactorTime

from nuage.errors import NotInDirectory, Refused, VsdRefused, VsdUnavailable
from nuage.model import parse_address
from nuage.text import did_you_mean, joined, shown
from nuage.vsd.answers import Entity, is_id
from nuage.vsd.predicates import equals
from nuage.vsd.session import Session

Parsed = TypeVar("Parsed")

#: Seconds for which a place is known without asking: the calls of one ``docker network create``, and of the containers
#: that are started after it.
_FRESH = 30.0
#: Places that are kept, and names that a message lists.
_MOST, _LISTED = 1000, 10
#: What the VSD has of an object that is being deleted, as its state or at the end of its name.
_DELETED = "MARKED_FOR_DELETION"


@attrs.frozen(kw_only=True)
class Place:
    """A subnet of the VSD or an L2 domain, with all that it lies in.

    Attributes:
        zone: None for an L2 domain, as ``subnet``, ``domain_id`` and ``zone_id``.
        network_id: The ID of the subnet or of the L2 domain.
        kind: Which of both it is, as the VSD names it.
        pool: Its IPv4 addresses, None if it has none: an L2 domain need not have any.
        gateway: None if it has none.
    """

    organization: str
    domain: str
    zone: str | None
    subnet: str | None
    enterprise_id: str
    domain_id: str | None
    zone_id: str | None
    network_id: str
    kind: Literal["SUBNET", "L2DOMAIN"]
    pool: IPv4Network | None
    gateway: IPv4Address | None
    pool_v6: IPv6Network | None
    gateway_v6: IPv6Address | None

    @property
    def path(self) -> str:
        """The path of the subnet or of the L2 domain."""
        return f"/subnets/{self.network_id}" if self.kind == "SUBNET" else f"/l2domains/{self.network_id}"

    @property
    def policy_path(self) -> str:
        """The path of what has its policy groups and redirection targets."""
        return f"/domains/{self.domain_id}" if self.kind == "SUBNET" else self.path

    @property
    def permitting(self) -> str:
        """What has the permissions for it, for messages."""
        return f'zone "{self.zone}" and domain "{self.domain}"' if self.zone else f'domain "{self.domain}"'


class Directory:
    """Finds places by their names.

    Args:
        session: Asks the VSD.
        clock: Measures how long a place is known.
    """

    def __init__(self, session: Session, clock: IReactorTime) -> None:
        self._session = session
        self._clock = clock
        self._known: dict[tuple[str | None, ...], tuple[Place, float]] = {}

    async def find(
        self, organization: str, domain: str, zone: str | None, subnet: str | None, user: str, *, fresh: bool = False
    ) -> Place:
        """Return the place of these names.

        Args:
            organization: The enterprise.
            domain: The domain; an L2 domain if there is no subnet.
            zone: None for an L2 domain.
            subnet: None for an L2 domain.
            user: Who has to be a user of the organization.
            fresh: Whether the VSD is asked in any case.

        Raises:
            NotInDirectory: One of them is not there.
            VsdUnavailable: The VSD does not answer.
            VsdRefused: It does not let the session's own user see it.
        """
        key = (organization, domain, zone, subnet, user)
        place, until = self._known.get(key, (None, 0.0))
        if place is None or fresh or self._clock.seconds() >= until:
            place = await self._find(organization, domain, zone, subnet, user)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = place, self._clock.seconds() + _FRESH
        return place

    async def policy(
        self, place: Place, policy_group: str | None, redirection_target: str | None
    ) -> tuple[str | None, str | None]:
        """Return the IDs of what a policy names in a place's domain, None for what it does not name.

        Raises:
            NotInDirectory: The domain has no such.
        """
        group = await self._policy_id("policy group", policy_group, "policygroups", place)
        return group, await self._policy_id("redirection target", redirection_target, "redirectiontargets", place)

    async def demand_permission(self, place: Place, user: str) -> None:
        """Make sure that a user may do more in a place's domain and zone than to read them.

        What a group may do is not compared with its members: if one may do more, nothing is proved.

        Raises:
            Refused: The user may not.
        """
        permissions = await self._permissions(place)
        own = {_text(each, "permittedAction") for each in permissions if _text(each, "permittedEntityName") == user}
        groups = {_text(each, "permittedAction") for each in permissions if _is_of_group(each)}
        if own == {"READ"} and groups <= own:
            raise Refused(
                f'the VSD lets user "{user}" only read {place.permitting}; give the user the permission USE there, '
                "or name another -o user="
            )

    async def permission_doubt(self, place: Place, user: str) -> str:
        """Say that a place has permissions of which none names a user, or "" if it is not so.

        That proves nothing, since a group may have the user as a member.
        """
        named = {_text(each, "permittedEntityName") for each in await self._permissions(place)}
        if not named or not named.isdisjoint({user, place.organization}):
            return ""
        return (
            f'the VSD has permissions for {place.permitting}, and none of them names user "{user}"; '
            "give the user the permission USE there, if no group of the user's has it"
        )

    async def _permissions(self, place: Place) -> list[Entity]:
        """Return all permissions for a place's domain and zone, none where our own user may not see them."""
        paths = [f"/domains/{place.domain_id}", f"/zones/{place.zone_id}"] if place.kind == "SUBNET" else [place.path]
        try:
            return [each for path in paths for each in await self._session.get(f"{path}/permissions")]
        except VsdRefused:
            return []

    async def _policy_id(self, what: str, name: str | None, resource: str, place: Place) -> str | None:
        if name is None:
            return None
        found = await self._one(what, name, f"{place.policy_path}/{resource}", f'domain "{place.domain}"')
        return _text(found, "ID")

    async def _find(self, organization: str, domain: str, zone: str | None, subnet: str | None, user: str) -> Place:
        enterprise = await self._one("organization", organization, "/enterprises", "")
        path, where = f"/enterprises/{enterprise['ID']}", f'organization "{organization}"'
        await self._demand_user(user, path, where)
        if zone is None or subnet is None:
            l2_domain = await self._domain(_L2, domain, path, where)
            return _place(enterprise, l2_domain, await self._addressed(l2_domain))
        l3_domain = await self._domain(_L3, domain, path, where)
        path, where = f"/domains/{l3_domain['ID']}", f'domain "{domain}" of {where}'
        found_zone = await self._one("zone", zone, f"{path}/zones", where)
        found = await self._subnet(subnet, found_zone, path, where)
        return _place(enterprise, l3_domain, await self._addressed(found), found_zone, found)

    async def _demand_user(self, user: str, path: str, where: str) -> None:
        try:
            await self._one("user", user, f"{path}/users", where, attribute="userName")
        except VsdRefused:
            # Our own user need not be allowed to see others.
            return

    async def _domain(self, kind: _Kind, name: str, path: str, where: str) -> Entity:
        """Return a domain of one kind; say so if the other kind has it."""
        try:
            return await self._one(kind.what, name, f"{path}/{kind.resource}", where)
        except NotInDirectory as problem:
            if await self._named(name, f"{path}/{kind.other}"):
                raise NotInDirectory(joined(str(problem), kind.hint)) from None
            raise

    async def _subnet(self, name: str, zone: Entity, path: str, where: str) -> Entity:
        """Return a subnet of a zone; say so if another zone has it."""
        try:
            return await self._one("subnet", name, f"/zones/{zone['ID']}/subnets", f'zone "{zone["name"]}" of {where}')
        except NotInDirectory as problem:
            elsewhere = {each.get("parentID") for each in await self._named(name, f"{path}/subnets")}
            zones = await self._session.get(f"{path}/zones") if elsewhere else []
            names = sorted(shown(each.get("name")) for each in zones if each["ID"] in elsewhere)
            if names:
                raise NotInDirectory(
                    joined(str(problem), f"there is one of this name in zone {' and '.join(names)}")
                ) from None
            raise

    async def _one(self, what: str, name: str, path: str, where: str, *, attribute: str = "name") -> Entity:
        """Return the object of a name.

        Raises:
            NotInDirectory: There is none; the message has the nearest names.
        """
        found = await self._named(name, path, attribute)
        if found:
            return found[0]
        raise NotInDirectory(_not_there(what, name, where, await self._names(path, attribute)))

    async def _names(self, path: str, attribute: str) -> set[str]:
        """Return names for a message: some if there are very many, none if the VSD does not tell any."""
        try:
            some = await self._session.some(path)
        except (VsdUnavailable, VsdRefused):
            return set()
        return {_text(each, attribute) for each in some if not _is_deleted(each, attribute)} - {""}

    async def _named(self, name: str, path: str, attribute: str = "name") -> list[Entity]:
        found = await self._session.get(path, filter=equals(attribute, name))
        return [each for each in found if _text(each, attribute) == name and not _is_deleted(each, attribute)]

    async def _addressed(self, network: Entity) -> Entity:
        """Return what has the addresses of a subnet or an L2 domain: a network that is shared, or itself."""
        shared = network.get("associatedSharedNetworkResourceID")
        if not shared:
            return network
        if not is_id(shared):
            raise _not_understood(network, f"its shared network is {shown(shared)}")
        found = await self._session.first(f"/sharednetworkresources/{shared}")
        return {**network, **{key: value for key, value in (found or {}).items() if value is not None}}


@attrs.frozen
class _Kind:
    """A kind of domain: what it is called, where it is, where the other kind is, and what to do about that one."""

    what: str
    resource: str
    other: str
    hint: str


_L2 = _Kind("L2 domain", "l2domains", "domains", "it has an L3 domain of this name: name a zone and a subnet of it")
_L3 = _Kind("domain", "domains", "l2domains", "it has an L2 domain of this name: leave out zone and subnet")


def _place(
    enterprise: Entity, domain: Entity, addressed: Entity, zone: Entity | None = None, subnet: Entity | None = None
) -> Place:
    network, address = subnet or domain, _text(addressed, "address")
    return Place(
        organization=enterprise["name"],
        domain=domain["name"],
        zone=zone["name"] if zone else None,
        subnet=subnet["name"] if subnet else None,
        enterprise_id=enterprise["ID"],
        domain_id=domain["ID"] if subnet else None,
        zone_id=zone["ID"] if zone else None,
        network_id=network["ID"],
        kind="SUBNET" if subnet else "L2DOMAIN",
        pool=_parsed(_prefix, network, address and f"{address}/{_text(addressed, 'netmask')}"),
        gateway=_parsed(IPv4Address, network, _text(addressed, "gateway")),
        pool_v6=_parsed(_prefix_v6, network, _text(addressed, "IPv6Address")),
        gateway_v6=_parsed(IPv6Address, network, _text(addressed, "IPv6Gateway").partition("/")[0]),
    )


def _prefix(text: str) -> IPv4Network:
    return IPv4Network(text, strict=False)


def _prefix_v6(text: str) -> IPv6Network:
    return IPv6Network(text, strict=False)


def _parsed(kind: Callable[[str], Parsed], network: Entity, text: str) -> Parsed | None:
    """Return an address or a prefix, None if there is none."""
    try:
        return parse_address(kind, text) if text else None
    except ValueError as problem:
        raise _not_understood(network, str(problem)) from None


def _not_understood(network: Entity, reason: str) -> VsdUnavailable:
    return VsdUnavailable(
        f"what the VSD says of {shown(network.get('name'))} ({network['ID']}) is not understood: {reason}"
    )


def _not_there(what: str, name: str, where: str, others: Collection[str]) -> str:
    """Say that something is not there, and which name is near, or which names there are if they are few."""
    text = f"the VSD has no {what} {shown(name)}" + (f" in {where}" if where else "")
    if near := did_you_mean(name, others):
        return text + near
    if not 0 < len(others) <= _LISTED:
        return text
    return f"{text}; it has {', '.join(map(shown, sorted(others)))}"


def _is_of_group(permission: Entity) -> bool:
    return _text(permission, "permittedEntityType").lower() != "user"


def _is_deleted(entity: Entity, attribute: str) -> bool:
    return _text(entity, "entityState") == _DELETED or _text(entity, attribute).endswith(f"_{_DELETED}")


def _text(entity: Entity, attribute: str) -> str:
    value = entity.get(attribute)
    return value if isinstance(value, str) else ""
