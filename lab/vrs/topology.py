"""What a Nuage VSD knows: organizations, their users, domains, zones, subnets and policies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import attrs

#: In a rule, the name that stands for the ports in no policy group.
UNGROUPED = "ungrouped"
#: Protocols that a rule can name.
PROTOCOLS = ("icmp", "tcp", "udp")


def is_machine(address: IPv4Address | IPv6Address, cidr: IPv4Network | IPv6Network) -> bool:
    """Tell whether a machine in the network can have the address.

    The first one names the network, in IPv6 its routers (RFC 4291, section 2.6.1). The last one of IPv4 is broadcast.
    """
    if address not in cidr or cidr.prefixlen >= cidr.max_prefixlen - 1:
        return address in cidr
    return address != cidr.network_address and (cidr.version == 6 or address != cidr.broadcast_address)


@attrs.frozen
class Subnet:
    """A subnet of an L3 domain, or all of an L2 domain.

    ``gateway`` is None if the domain does not route. ``cidr6`` and ``gateway6`` are those of IPv6, if there is any.
    """

    cidr: IPv4Network
    gateway: IPv4Address | None
    evpn_id: int
    cidr6: IPv6Network | None = None
    gateway6: IPv6Address | None = None


@attrs.frozen
class Rule:
    """Members of two groups may exchange packets of some protocols, or of all (None), over some versions of IP."""

    between: frozenset[str]
    protocols: frozenset[str] | None
    versions: frozenset[int] = frozenset({4, 6})

    def joins(self, one: Collection[str], other: Collection[str]) -> bool:
        """Tell whether the rule is about two ports, by the groups that each is in."""
        return any(self.between == {a, b} for a in one or (UNGROUPED,) for b in other or (UNGROUPED,))


@attrs.frozen(kw_only=True)
class Domain:
    """An L3 domain, or an L2 domain. An L2 domain has no zones and no ``vrf_id``, and is one subnet, ``flat``."""

    vrf_id: int = 0
    zones: Mapping[str, Mapping[str, Subnet]] = attrs.field(factory=dict)
    flat: Subnet | None = None
    policy_groups: tuple[str, ...] = ()
    allowed: tuple[Rule, ...] = ()
    redirection_targets: tuple[str, ...] = ()

    def subnets(self) -> Iterator[Subnet]:
        """Yield all subnets."""
        if self.flat is not None:
            yield self.flat
        for subnets in self.zones.values():
            yield from subnets.values()

    def subnet(self, evpn_id: int) -> Subnet | None:
        """Return the subnet that has a number."""
        return next((subnet for subnet in self.subnets() if subnet.evpn_id == evpn_id), None)

    def traffic(self, one: Collection[str], other: Collection[str], *, version: int = 4) -> frozenset[str] | None:
        """Return the protocols that two ports may exchange over a version of IP, by the groups that each is in.

        None means all of them.

        Ports in no group are free among themselves. A port in groups is limited to what the rules allow for one of
        them.
        """
        if not one and not other:
            return None
        protocols: set[str] = set()
        for rule in self.allowed:
            if version in rule.versions and rule.joins(one, other):
                if rule.protocols is None:
                    return None
                protocols |= rule.protocols
        return frozenset(protocols)


@attrs.frozen
class Organization:
    """An organization ("enterprise")."""

    users: frozenset[str]
    domains: Mapping[str, Domain]


@attrs.frozen
class Topology:
    """All organizations by name."""

    organizations: Mapping[str, Organization]

    def domains(self) -> Iterator[Domain]:
        """Yield all domains of all organizations."""
        for organization in self.organizations.values():
            yield from organization.domains.values()
