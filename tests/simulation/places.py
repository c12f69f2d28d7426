"""What the controller of the simulated VRS knows: which subnet a port is in, and which address it gets there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from lab.vrs.resolution import EntityRow, Key, Outcome, PortRow, Resolved, Unresolved
from lab.vrs.topology import Domain, Subnet, Topology

_Row = tuple[PortRow, EntityRow | None]


class _Unfit(Exception):
    """Why a port is not resolved."""


class Places:
    """Resolves ports by a topology. All that it needs is in the rows, so it remembers nothing.

    A port has the address that Docker told; one without gets the first that is free. Of two ports that want one
    address, that which has it, or came first, gets it.

    Args:
        topology: What there is.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    def resolve(self, rows: Sequence[_Row]) -> Mapping[Key, Outcome]:
        """Resolve all ports, each with its entity."""
        outcomes: dict[Key, Outcome] = {}
        taken: set[tuple[int, IPv4Address]] = set()
        for port, entity in sorted(rows, key=lambda row: not row[0].ip_addr):
            outcomes[port.key] = self._outcome(port, entity, taken)
        return outcomes

    def _outcome(self, port: PortRow, entity: EntityRow | None, taken: set[tuple[int, IPv4Address]]) -> Outcome:
        try:
            return self._resolved(port, entity, taken)
        except _Unfit as reason:
            return Unresolved(str(reason))

    def _resolved(self, port: PortRow, entity: EntityRow | None, taken: set[tuple[int, IPv4Address]]) -> Resolved:
        if entity is None or not entity.running:
            raise _Unfit("its entity is not started")
        if port.ofport is None:
            raise _Unfit("the switch has not opened it")
        domain = self._domain(port, entity)
        subnet = self._subnet(domain, port)
        groups = self._groups(port, domain)
        address = self._address(port, subnet, taken)
        taken.add((subnet.evpn_id, address))
        return Resolved(
            ip=str(address),
            mask=str(subnet.cidr.netmask),
            gateway="" if subnet.gateway is None else str(subnet.gateway),
            vrf_id=domain.vrf_id,
            evpn_id=subnet.evpn_id,
            domain=domain,
            groups=groups,
        )

    def _domain(self, port: PortRow, entity: EntityRow) -> Domain:
        organization = self.topology.organizations.get(entity.organization)
        if organization is None or entity.user not in organization.users:
            raise _Unfit("there is no such organization or user")
        if port.domain not in organization.domains:
            raise _Unfit("there is no such domain")
        return organization.domains[port.domain]

    def _subnet(self, domain: Domain, port: PortRow) -> Subnet:
        subnet = domain.zones.get(port.zone, {}).get(port.subnet) if domain.flat is None else domain.flat
        if subnet is None:
            raise _Unfit("there is no such zone or subnet")
        return subnet

    def _groups(self, port: PortRow, domain: Domain) -> frozenset[str]:
        group = port.metadata.get("nuage-policy-group")
        if group and group not in domain.policy_groups:
            raise _Unfit("there is no such policy group")
        return frozenset([group] if group else [])

    def _address(self, port: PortRow, subnet: Subnet, taken: set[tuple[int, IPv4Address]]) -> IPv4Address:
        wanted = port.metadata.get("static-ip") or port.ip_addr
        choices = [IPv4Address(wanted)] if wanted else subnet.cidr.hosts()
        for address in choices:
            if address in subnet.cidr and address != subnet.gateway and (subnet.evpn_id, address) not in taken:
                return address
        raise _Unfit(f"address {wanted or 'of any kind'} is not free")
