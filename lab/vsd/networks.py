"""Subnets, L2 domains, shared network resources and address ranges: what their addresses have to be."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from lab.vrs.topology import is_machine
from lab.vsd.addresses import Addresses, cidr6_of, cidr_of, ipv4, ipv6
from lab.vsd.directory import Directory, Thing
from lab.vsd.numbers import network_number
from lab.vsd.refusals import Code, Refusal, invalid

_ATTRIBUTES = {"address", "netmask", "gateway", "IPType", "IPv6Address", "IPv6Gateway"}


class Networks:
    """Checks and completes what clients say of networks.

    Args:
        directory: What exists.
        addresses: Who has which address.
    """

    def __init__(self, directory: Directory, addresses: Addresses) -> None:
        self._directory = directory
        self._addresses = addresses

    def complete_subnet(self, zone: Thing, wanted: dict[str, Any]) -> None:
        """Fill what a new subnet lacks.

        Raises:
            Refusal: It cannot be made so.
        """
        shared = wanted.get("associatedSharedNetworkResourceID")
        if shared is not None:
            if self._directory.of("sharednetworkresource", shared) is None:
                raise invalid("associatedSharedNetworkResourceID", f"There is no shared network resource {shared}")
        else:
            cidr = _check_cidr(wanted)
            _choose_gateway(wanted, cidr)
            self._check_new_gateway(wanted)
            _complete_ipv6(wanted, routed=True)
            assert zone.parent is not None
            self._check_overlap(zone.parent, wanted, None)
        self._number(wanted)

    def complete_l2_domain(self, enterprise: Thing, wanted: dict[str, Any]) -> None:
        """Fill what a new L2 domain lacks from its template.

        Raises:
            Refusal: It cannot be made so.
        """
        template = self._directory.of("l2domaintemplate", wanted["templateID"])
        if template is None or template.parent is not enterprise:
            raise invalid("templateID", f'"{enterprise.name}" has no L2 domain template with ID {wanted["templateID"]}')
        inherited = ("address", "netmask", "gateway", "IPType", "DHCPManaged", "IPv6Address", "IPv6Gateway")
        wanted |= {name: template[name] for name in inherited if wanted.get(name) is None}
        self.complete_template(enterprise, wanted)
        self._number(wanted)

    def complete_template(self, _enterprise: Thing, wanted: dict[str, Any]) -> None:
        """Check a new template of L2 domains, which may have no addresses.

        Raises:
            Refusal: It cannot be made so.
        """
        if wanted.get("address") or wanted.get("netmask"):
            _check_cidr(wanted)
        self._check_new_gateway(wanted)
        _complete_ipv6(wanted, routed=False)

    def complete_shared(self, _root: Thing, wanted: dict[str, Any]) -> None:
        """Fill what a new shared network resource lacks.

        Raises:
            Refusal: It cannot be made so.
        """
        _choose_gateway(wanted, _check_cidr(wanted))
        self._check_new_gateway(wanted)

    def complete_range(self, network: Thing, wanted: dict[str, Any]) -> None:
        """Check a range of addresses.

        Raises:
            Refusal: It cannot be made so.
        """
        six = wanted.get("IPType") == "IPV6"
        cidr = cidr6_of(self._directory, network) if six else cidr_of(self._directory, network)
        low, high = ((ipv6 if six else ipv4)(wanted[name], name) for name in ("minAddress", "maxAddress"))
        if cidr is None or low not in cidr or high not in cidr or int(low) > int(high):
            raise invalid("minAddress", f"{low} to {high} is not a range of {cidr}, the network's addresses")

    def check_change(self, network: Thing, changed: dict[str, Any]) -> None:
        """Make sure that a network can have other addresses, and complete them.

        Raises:
            Refusal: It cannot.
        """
        if not _ATTRIBUTES & changed.keys():
            return
        merged = {**network.values, **changed}
        if self._addresses.in_use(network, 4) and cidr_of(self._directory, network) != _cidr(merged):
            raise Refusal("Network in use", f'"{network.name}" has addresses in use', "address")
        if not network.is_a("sharednetworkresource"):
            self._check_ipv6(network, merged)
            if merged.get("IPv6Gateway"):
                changed["IPv6Gateway"] = merged["IPv6Gateway"]
        self._check_gateway(network, merged)
        domain = network.within("domain")
        if network.is_a("subnet") and domain is not None:
            self._check_overlap(domain, merged, network)

    def _check_gateway(self, thing: Thing, merged: Mapping[str, Any]) -> None:
        cidr = _cidr(merged)
        if not merged.get("gateway") and thing.is_a("subnet", "sharednetworkresource"):
            raise invalid("gateway", f'"{thing.name}" routes, and needs a gateway')
        if merged.get("gateway"):
            gateway = ipv4(merged["gateway"], "gateway")
            if cidr is None or not is_machine(gateway, cidr):
                raise invalid("gateway", f"{gateway} is not an address for a machine in {cidr}")
            holder = self._addresses.holder(thing, gateway) if cidr_of(self._directory, thing) else None
            if holder is not None:
                description = f"The address {gateway} cannot be the gateway's: an interface has it"
                raise Refusal("Address in use", description, "gateway", Code.ADDRESS_IN_USE)

    def _check_ipv6(self, network: Thing, merged: dict[str, Any]) -> None:
        if self._addresses.in_use(network, 6) and cidr6_of(self._directory, network) != _cidr6(merged):
            raise Refusal("Network in use", f'"{network.name}" has addresses in use', "IPv6Address")
        _complete_ipv6(merged, routed=network.is_a("subnet"))
        gateway = merged.get("IPv6Gateway")
        if gateway and cidr6_of(self._directory, network) and self._addresses.holder(network, gateway):
            description = f"The address {gateway} cannot be the gateway's: an interface has it"
            raise Refusal("Address in use", description, "IPv6Gateway", Code.ADDRESS_IN_USE)

    def _number(self, wanted: dict[str, Any]) -> None:
        number = network_number(self._directory)
        if number is None:
            raise Refusal("No number left", "The lab has as many subnets and L2 domains as it has VLANs")
        wanted |= {"vnId": number, "serviceID": number}

    def _check_new_gateway(self, wanted: Mapping[str, Any]) -> None:
        cidr = _cidr(wanted)
        if wanted.get("gateway") and (cidr is None or not is_machine(ipv4(wanted["gateway"], "gateway"), cidr)):
            raise invalid("gateway", f"{wanted['gateway']} is not an address for a machine in {cidr}")

    def _check_overlap(self, domain: Thing, wanted: Mapping[str, Any], thing: Thing | None) -> None:
        cidr = _cidr(wanted)
        for other in self._directory.below(domain, "subnets").values():
            others = cidr_of(self._directory, other)
            if other is not thing and cidr is not None and others is not None and cidr.overlaps(others):
                raise invalid("address", f'{cidr} overlaps with {others}, which subnet "{other.name}" has')
            cidr6, others6 = _cidr6(wanted), cidr6_of(self._directory, other)
            if other is not thing and cidr6 is not None and others6 is not None and cidr6.overlaps(others6):
                raise invalid("IPv6Address", f'{cidr6} overlaps with {others6}, which subnet "{other.name}" has')


def _check_cidr(wanted: Mapping[str, Any]) -> IPv4Network:
    for name in ("address", "netmask"):
        if not wanted.get(name):
            raise Refusal("Invalid input", "This value is mandatory.", name)
        ipv4(wanted[name], name)
    cidr = _cidr(wanted)
    assert cidr is not None
    return cidr


def _cidr(wanted: Mapping[str, Any]) -> IPv4Network | None:
    if not (wanted.get("address") and wanted.get("netmask")):
        return None
    try:
        return IPv4Network(f"{wanted['address']}/{wanted['netmask']}")
    except ValueError as problem:
        raise invalid("address", str(problem)) from None


def _choose_gateway(wanted: dict[str, Any], cidr: IPv4Network) -> None:
    """Have the first address be the gateway's unless somebody says otherwise."""
    wanted.setdefault("gateway", str(cidr.network_address + (1 if cidr.prefixlen < 31 else 0)))


def _cidr6(wanted: Mapping[str, Any]) -> IPv6Network | None:
    if not wanted.get("IPv6Address"):
        return None
    try:
        cidr = IPv6Network(wanted["IPv6Address"])
    except ValueError as problem:
        raise invalid("IPv6Address", str(problem)) from None
    ipv6(cidr.network_address, "IPv6Address")
    return cidr


def _complete_ipv6(wanted: dict[str, Any], *, routed: bool) -> None:
    """Check the IPv6 network of a subnet or L2 domain, and have the first address be the gateway's if it routes."""
    cidr, gateway = _cidr6(wanted), wanted.get("IPv6Gateway")
    if cidr is None and wanted.get("IPType") == "DUALSTACK":
        raise Refusal("Invalid input", "This value is mandatory.", "IPv6Address")
    if gateway and (cidr is None or not is_machine(ipv6(gateway, "IPv6Gateway"), cidr)):
        raise invalid("IPv6Gateway", f"{gateway} is not an address for a machine in {cidr}")
    if cidr is not None and routed and not gateway:
        wanted["IPv6Gateway"] = str(cidr.network_address + (1 if cidr.prefixlen < 127 else 0))
