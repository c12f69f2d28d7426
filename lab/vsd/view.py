"""The directory as the controller sees it: a topology."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from lab.vrs.topology import Domain, Organization, Subnet, Topology
from lab.vsd.acl import rules_of
from lab.vsd.addresses import bearer, cidr6_of, cidr_of
from lab.vsd.directory import Change, Directory, Thing

#: What a topology is made of.
_PARTS = (
    *("enterprise", "user", "domain", "l2domain", "zone", "subnet", "sharednetworkresource"),
    *("policygroup", "redirectiontarget", "ingressacltemplate", "ingressaclentrytemplate"),
)


class View:
    """The topology that the directory has at the moment.

    Args:
        directory: What exists.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._topology: Topology | None = None
        directory.watch(self._changed)

    def topology(self) -> Topology:
        """Return it."""
        if self._topology is None:
            enterprises = self._directory.below(self._directory.root, "enterprises").values()
            normal = (each for each in enterprises if each["enterpriseType"] == "NORMAL")
            self._topology = Topology({each.name: self._organization(each) for each in normal})
        return self._topology

    def domain(self, thing: Thing) -> Domain:
        """Return an L3 or L2 domain of a customer."""
        assert thing.parent is not None
        return self.topology().organizations[thing.parent.name].domains[thing.name]

    def _organization(self, enterprise: Thing) -> Organization:
        users = frozenset(user.name for user in self._below(enterprise, "users") if not user["disabled"])
        domains = {domain.name: self._domain(domain) for domain in self._below(enterprise, "domains")}
        domains |= {domain.name: self._l2_domain(domain) for domain in self._below(enterprise, "l2domains")}
        return Organization(users, domains)

    def _domain(self, domain: Thing) -> Domain:
        zones = {zone.name: self._zone(zone) for zone in self._below(domain, "zones")}
        return Domain(vrf_id=domain["serviceID"], zones=zones, **self._policy(domain))

    def _zone(self, zone: Thing) -> dict[str, Subnet]:
        subnets = {subnet.name: self._subnet(subnet) for subnet in self._below(zone, "subnets")}
        return {name: subnet for name, subnet in subnets.items() if subnet is not None}

    def _l2_domain(self, domain: Thing) -> Domain:
        return Domain(flat=self._subnet(domain), **self._policy(domain))

    def _subnet(self, network: Thing) -> Subnet | None:
        cidr = cidr_of(self._directory, network)
        if cidr is None:
            return None
        has = bearer(self._directory, network)
        return Subnet(
            cidr=cidr,
            gateway=IPv4Address(has["gateway"]) if has["gateway"] else None,
            evpn_id=network["serviceID"],
            cidr6=cidr6_of(self._directory, network),
            gateway6=IPv6Address(has["IPv6Gateway"]) if has["IPv6Gateway"] else None,
        )

    def _policy(self, domain: Thing) -> dict[str, Any]:
        return {
            "policy_groups": tuple(group.name for group in self._below(domain, "policygroups")),
            "allowed": (*domain.hidden.get("allowed", ()), *rules_of(self._directory, domain)),
            "redirection_targets": tuple(target.name for target in self._below(domain, "redirectiontargets")),
        }

    def _below(self, upper: Thing, resource: str) -> list[Thing]:
        return list(self._directory.below(upper, resource).values())

    def _changed(self, change: Change) -> None:
        if change.thing.is_a(*_PARTS):
            self._topology = None
