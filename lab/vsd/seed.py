"""The topology file in the directory: what it has is made there, at the start and when the file is read again.

The file owns what it names. When it is read again, what is new in it is made, what differs is changed, and what was
taken out of it is removed with all that is below it. Whatever else clients made stays as it is; if one of their objects
has a name that is now in the file, it becomes the file's. A file that conflicts with what clients made is refused and
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import attrs

from lab.vrs.topology import Domain, Organization, Subnet, Topology
from lab.vrs.topology_file import TopologyError, load
from lab.vsd.addresses import cidr_of
from lab.vsd.directory import Directory, Thing
from lab.vsd.kinds import BY_ENTITY, Kind

#: The provider's enterprise, its name in the header X-Nuage-Organization, and its user, whose password is the same.
PROVIDER, PROVIDER_ORGANIZATION, PROVIDER_USER = "CSP", "csp", "csproot"

_Way = tuple[str, ...]


@attrs.frozen(kw_only=True)
class _Wanted:
    """An object that the file names: where (names from the top), below what, and its values."""

    entity: str
    path: _Way
    parent: _Way
    values: Mapping[str, Any]
    hidden: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return BY_ENTITY[self.entity]

    @property
    def identity(self) -> str:
        """The ID that it has at each start."""
        return _identity(*self.path)

    @property
    def name(self) -> str:
        """The name that is unique below its parent."""
        return str(self.values[self.kind.unique[0]])


class Seed:
    """The file, and what of the directory is its.

    Args:
        directory: What exists.
        path: The topology file.

    Raises:
        TopologyError: The file cannot be used.
    """

    def __init__(self, directory: Directory, path: Path) -> None:
        self._directory = directory
        self._path = path
        self._owned: dict[_Way, str] = {}
        for wanted in _provider():
            self._put(wanted)
        self._permanent = dict(self._owned)
        self.read()

    def read(self) -> None:
        """Read the file, and have the directory follow it.

        Raises:
            TopologyError: It cannot be used; nothing was changed.
        """
        topology = load(self._path)
        wanted = list(_all(topology))
        problems = [*_clashes(self._directory, topology, set(self._owned.values())), *self._taken(wanted)]
        if problems:
            raise TopologyError(f"the topology file {self._path} cannot be used: {'; '.join(problems)}")
        former, self._owned = self._owned, dict(self._permanent)
        for path in former.keys() - {each.path for each in wanted} - self._permanent.keys():
            gone = self._directory.get(former[path])
            if gone is not None:
                self._directory.remove(gone)
        for each in wanted:
            self._put(each)

    def _taken(self, wanted: list[_Wanted]) -> Iterator[str]:
        """Yield names in the file that clients gave to something else, after they had renamed the file's."""
        there: dict[_Way, Thing | None] = {(): self._directory.root}
        for each in wanted:
            parent, ours = there[each.parent], self._directory.get(each.identity)
            named = parent and self._directory.named(parent, each.kind.resource, each.name, each.kind.unique[0])
            if ours is not None and named is not None and ours is not named:
                yield f'{each.entity} "{each.name}" was renamed, and a client made another one of that name'
            there[each.path] = ours or named

    def _put(self, wanted: _Wanted) -> None:
        directory = self._directory
        parent = directory.get(self._owned[wanted.parent]) if wanted.parent else directory.root
        assert parent is not None
        kind = wanted.kind
        named = directory.named(parent, kind.resource, wanted.name, kind.unique[0])
        thing = directory.get(wanted.identity) or named
        if thing is None:
            thing = directory.add(kind, parent, wanted.values, identity=wanted.identity, **wanted.hidden)
        elif thing.hidden != {**thing.hidden, **wanted.hidden} or any(
            thing[name] != value for name, value in wanted.values.items()
        ):
            thing.hidden |= wanted.hidden
            directory.change(thing, wanted.values)
        self._owned[wanted.path] = thing.id


def _identity(*way: str) -> str:
    # A name may have a slash.
    return str(uuid5(NAMESPACE_URL, "\n".join(way)))


def _template(organization: str) -> _Way:
    """Return where the domain template of an organization is."""
    return organization, "domaintemplates", "Template"


def _provider() -> Iterator[_Wanted]:
    permanent = {"permanent": True}
    values = {"name": PROVIDER, "enterpriseType": "CSP"}
    yield _Wanted(entity="enterprise", path=(PROVIDER, "provider"), parent=(), values=values, hidden=permanent)
    yield _user((PROVIDER, "provider"), PROVIDER_USER, permanent)


def _user(parent: _Way, name: str, hidden: Mapping[str, Any]) -> _Wanted:
    values = {"userName": name, "firstName": name, "lastName": name, "email": f"{name}@lab.invalid", "password": name}
    return _Wanted(entity="user", path=(*parent, "users", name), parent=parent, values=values, hidden=hidden)


def _all(topology: Topology) -> Iterator[_Wanted]:
    """Yield all that the file has, an object before what is below it."""
    for name, organization in topology.organizations.items():
        yield from _organization(name, organization)


def _organization(name: str, organization: Organization) -> Iterator[_Wanted]:
    path = (name,)
    yield _Wanted(entity="enterprise", path=path, parent=(), values={"name": name, "enterpriseType": "NORMAL"})
    template = _template(name)
    yield _Wanted(entity="domaintemplate", path=template, parent=path, values={"name": "Template"})
    for user in sorted(organization.users):
        yield _user(path, user, {})
    for domain_name, domain in organization.domains.items():
        yield from _domain(path, domain_name, domain)


def _domain(organization: _Way, name: str, domain: Domain) -> Iterator[_Wanted]:
    entity = "domain" if domain.flat is None else "l2domain"
    path = (*organization, f"{entity}s", name)
    values: dict[str, Any] = {"name": name}
    if domain.flat is None:
        values |= {
            "serviceID": domain.vrf_id,
            "domainID": domain.vrf_id,
            "templateID": _identity(*_template(organization[0])),
        }
    else:
        values |= _network(domain.flat)
    yield _Wanted(entity=entity, path=path, parent=organization, values=values, hidden={"allowed": domain.allowed})
    for number, group in enumerate(domain.policy_groups, 1):
        grouped = {"name": group, "type": "SOFTWARE", "policyGroupID": number}
        yield _Wanted(entity="policygroup", path=(*path, "policygroups", group), parent=path, values=grouped)
    for target in domain.redirection_targets:
        targeted = {"name": target, "endPointType": "L3"}
        yield _Wanted(entity="redirectiontarget", path=(*path, "targets", target), parent=path, values=targeted)
    for zone, subnets in domain.zones.items():
        zoned = (*path, "zones", zone)
        yield _Wanted(entity="zone", path=zoned, parent=path, values={"name": zone})
        for subnet_name, subnet in subnets.items():
            named = {"name": subnet_name, **_network(subnet)}
            yield _Wanted(entity="subnet", path=(*zoned, "subnets", subnet_name), parent=zoned, values=named)


def _network(subnet: Subnet) -> dict[str, Any]:
    return {
        "address": str(subnet.cidr.network_address),
        "netmask": str(subnet.cidr.netmask),
        "gateway": None if subnet.gateway is None else str(subnet.gateway),
        "IPType": "IPV4" if subnet.cidr6 is None else "DUALSTACK",
        "IPv6Address": None if subnet.cidr6 is None else str(subnet.cidr6),
        "IPv6Gateway": None if subnet.gateway6 is None else str(subnet.gateway6),
        "vnId": subnet.evpn_id,
        "serviceID": subnet.evpn_id,
    }


def _clashes(directory: Directory, topology: Topology, owned: set[str]) -> Iterator[str]:
    """Yield what the file has that clients have used otherwise."""
    for resource, numbers in (
        ("domains", {domain.vrf_id for domain in topology.domains()}),
        ("subnets", _evpn_ids(topology)),
        ("l2domains", _evpn_ids(topology)),
    ):
        for thing in _made_by_clients(directory, directory.root, resource, owned):
            if thing["serviceID"] in numbers:
                yield f'number {thing["serviceID"]} is that of {thing.kind.entity} "{thing.name}", which a client made'
    for name, organization in topology.organizations.items():
        enterprise = directory.named(directory.root, "enterprises", name)
        for domain_name, domain in organization.domains.items():
            made = enterprise and directory.named(enterprise, "domains", domain_name)
            yield from _overlaps(directory, made, domain, owned)


def _overlaps(directory: Directory, thing: Thing | None, domain: Domain, owned: set[str]) -> Iterator[str]:
    for made in _made_by_clients(directory, thing, "subnets", owned) if thing else ():
        cidr = cidr_of(directory, made)
        for subnet in domain.subnets():
            if cidr is not None and cidr.overlaps(subnet.cidr):
                yield f'{subnet.cidr} overlaps with {cidr} of subnet "{made.name}", which a client made'


def _made_by_clients(directory: Directory, upper: Thing, resource: str, owned: set[str]) -> list[Thing]:
    return [thing for thing in directory.below(upper, resource).values() if thing.id not in owned]


def _evpn_ids(topology: Topology) -> set[int]:
    return {subnet.evpn_id for domain in topology.domains() for subnet in domain.subnets()}
