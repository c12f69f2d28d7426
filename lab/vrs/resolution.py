"""The resolution of a port: its address, or the reason why it has none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import TypeVar

import attrs

from lab.vrs.topology import Domain, Organization, Subnet, Topology, is_machine
from nuage.text import did_you_mean

T = TypeVar("T")

_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")


@attrs.frozen(kw_only=True)
class PortRow:
    """A row of Nuage_Port_Table, and the port's number in the switch.

    ``ofport`` is None until the switch has opened the device. ``ip_addr`` and the columns after it are what was written
    before.
    """

    host: str
    name: str
    mac: str
    ofport: int | None
    domain: str
    zone: str
    subnet: str
    metadata: Mapping[str, str] = attrs.field(hash=False)
    ip_addr: str = ""
    subnet_mask: str = ""
    gateway: str = ""
    vrf_id: int = 0
    evpn_id: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the port: its host and its name."""
        return self.host, self.name

    @property
    def policy_group(self) -> str | None:
        """The policy group that the port is in."""
        return self.metadata.get("nuage-policy-group") or None


@attrs.frozen(kw_only=True)
class EntityRow:
    """A row of Nuage_VM_Table; ``running`` means that it was started or resumed, and not stopped since."""

    name: str
    organization: str
    user: str
    running: bool


@attrs.frozen(kw_only=True, str=False)
class Resolved:
    """A port's address, and where in the topology it is.

    ``ip``, ``mask`` and ``gateway`` (empty if the domain does not route), ``vrf_id`` and ``evpn_id`` are the columns
    that the VRS writes.
    """

    ip: str
    mask: str
    gateway: str
    vrf_id: int
    evpn_id: int
    domain: Domain = attrs.field(hash=False, repr=False)

    def __str__(self) -> str:
        """Show the columns."""
        return (
            f"resolved to {self.ip}/{self.mask} via {self.gateway or 'nobody'}, vrf {self.vrf_id}, evpn {self.evpn_id}"
        )

    def written_in(self, row: PortRow) -> bool:
        """Tell whether the row already says so."""
        return (row.ip_addr, row.subnet_mask, row.gateway, row.vrf_id, row.evpn_id) == (
            self.ip,
            self.mask,
            self.gateway,
            self.vrf_id,
            self.evpn_id,
        )


@attrs.frozen
class Unresolved:
    """A port without an address, and why."""

    reason: str


Outcome = Resolved | Unresolved
#: What is already taken: (evpn_id, address or MAC) and who has it.
InUse = Mapping[tuple[int, str], str]


class _Refusal(Exception):
    """Why a port is not resolved."""


def resolve(topology: Topology, port: PortRow, entity: EntityRow | None, in_use: InUse) -> Outcome:
    """Resolve one port.

    Args:
        topology: What there is.
        port: The port.
        entity: The port's entity, if it has one.
        in_use: Addresses and MACs of other ports.
    """
    try:
        return _resolve(topology, port, entity, in_use)
    except _Refusal as refusal:
        return Unresolved(str(refusal))


def resolve_all(topology: Topology, rows: Sequence[tuple[PortRow, EntityRow | None]]) -> dict[tuple[str, str], Outcome]:
    """Resolve all ports. Those that already have an address come first, and keep it."""
    outcomes: dict[tuple[str, str], Outcome] = {}
    in_use: dict[tuple[int, str], str] = {}
    for port, entity in sorted(rows, key=lambda row: not row[0].ip_addr):
        outcome = resolve(topology, port, entity, in_use)
        outcomes[port.key] = outcome
        if isinstance(outcome, Resolved):
            for taken in (outcome.ip, port.mac):
                in_use[outcome.evpn_id, taken] = f"port {port.name} of {port.host}"
    return outcomes


def _resolve(topology: Topology, port: PortRow, entity: EntityRow | None, in_use: InUse) -> Resolved:
    if entity is None:
        raise _Refusal("no entity names it as its port")
    if not entity.running:
        raise _Refusal("its entity is not started")
    if port.ofport is None:
        raise _Refusal("the switch has not opened it")
    if not _MAC.fullmatch(port.mac):
        raise _Refusal(f'"{port.mac}" is not a unicast MAC')
    organization = _named(topology.organizations, entity.organization, "organization", "")
    domain = _domain(organization, port, entity)
    subnet = _subnet(domain, port)
    _check_names(domain, port)
    address = _free_address(port, subnet, in_use)
    return Resolved(
        ip=str(address),
        mask=str(subnet.cidr.netmask),
        gateway="" if subnet.gateway is None else str(subnet.gateway),
        vrf_id=domain.vrf_id,
        evpn_id=subnet.evpn_id,
        domain=domain,
    )


def _domain(organization: Organization, port: PortRow, entity: EntityRow) -> Domain:
    place = f' in organization "{entity.organization}"'
    _check_known(organization.users, entity.user, "user", place)
    return _named(organization.domains, port.domain, "domain", place)


def _subnet(domain: Domain, port: PortRow) -> Subnet:
    if domain.flat is not None:
        if port.zone or port.subnet:
            raise _Refusal(f'"{port.domain}" is an L2 domain, which has neither zone nor subnet')
        return domain.flat
    zone = _named(domain.zones, port.zone, "zone", f' in domain "{port.domain}"')
    return _named(zone, port.subnet, "subnet", f' in zone "{port.zone}" of domain "{port.domain}"')


def _check_names(domain: Domain, port: PortRow) -> None:
    """Make sure that the names in the metadata exist."""
    place = f' in domain "{port.domain}"'
    if port.policy_group is not None:
        _check_known(domain.policy_groups, port.policy_group, "policy group", place)
    target = port.metadata.get("nuage-redirection-target")
    if target:
        _check_known(domain.redirection_targets, target, "redirection target", place)


def _free_address(port: PortRow, subnet: Subnet, in_use: InUse) -> IPv4Address:
    text = port.metadata.get("static-ip", "")
    try:
        address = IPv4Address(text)
    except ValueError:
        raise _Refusal(f'its static-ip "{text}" is not an IPv4 address') from None
    if not is_machine(address, subnet.cidr):
        raise _Refusal(f"a machine in {subnet.cidr}, the CIDR of its subnet, cannot have address {address}")
    if address == subnet.gateway:
        raise _Refusal(f"address {address} belongs to the gateway")
    for what, taken in (("address", str(address)), ("MAC", port.mac)):
        if (subnet.evpn_id, taken) in in_use:
            raise _Refusal(f"{what} {taken} is in use by {in_use[subnet.evpn_id, taken]}")
    return address


def _named(known: Mapping[str, T], name: str, what: str, place: str) -> T:
    _check_known(known, name, what, place)
    return known[name]


def _check_known(known: Iterable[str], name: str, what: str, place: str) -> None:
    names = set(known)
    if name not in names:
        raise _Refusal(f'there is no {what} "{name}"{place}{did_you_mean(name, names)}')
