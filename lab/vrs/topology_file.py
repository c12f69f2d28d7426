"""The topology file: YAML, checked as a whole, with all problems reported together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from lab.vrs.topology import PROTOCOLS, UNGROUPED, Domain, Organization, Rule, Subnet, Topology, is_machine
from nuage.errors import NuageError
from nuage.text import did_you_mean

#: Hosts are joined by VLANs, whose number (IEEE 802.1Q, 12 bits, the first and the last reserved) is the evpn_id.
EVPN_IDS = range(1, 4095)
#: As wide as its part of OpenFlow's metadata.
VRF_IDS = range(1, 1 << 24)


class TopologyError(NuageError):
    """The topology file cannot be used. The message lists every problem in it."""


class _Loader(yaml.SafeLoader):
    """Refuses a mapping that has a key twice; YAML's own loader would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(problem=f'"{twice}" is given twice', problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


class _Problem(Exception):
    """A value cannot be used."""


def load(path: Path) -> Topology:
    """Read a topology file.

    Raises:
        TopologyError: It cannot be read or used.
    """
    try:
        return parse(path.read_text())
    except (OSError, UnicodeDecodeError) as problem:
        raise TopologyError(f"the topology file {path} cannot be read: {problem}") from problem
    except TopologyError as problem:
        raise TopologyError(f"the topology file {path} cannot be used: {problem}") from problem


def parse(text: str) -> Topology:
    """Read the text of a topology file.

    Raises:
        TopologyError: It cannot be used.
    """
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as problem:
        raise TopologyError(f"it is not YAML: {problem}") from problem
    reading = _Reading()
    topology = reading.topology(content)
    problems = [*reading.problems, *_clashes(topology)]
    if problems:
        raise TopologyError("; ".join(problems))
    return topology


class _Reading:
    """Reads one file; ``problems`` are those found so far, each with its place."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def topology(self, content: Any) -> Topology:
        keys = self._keys(content, "the file", {"organizations"})
        named = self._named(keys.get("organizations"), "organizations")
        return Topology({name: self._organization(value, f"organization {name}") for name, value in named.items()})

    def _organization(self, content: Any, place: str) -> Organization:
        keys = self._keys(content, place, {"users", "l3_domains", "l2_domains"})
        l3_domains = self._named(keys.get("l3_domains"), f"l3_domains of {place}")
        l2_domains = self._named(keys.get("l2_domains"), f"l2_domains of {place}")
        for name in l3_domains.keys() & l2_domains.keys():
            self.problems.append(f"{place}: both an L3 and an L2 domain are called {name}")
        domains = {name: self._l3_domain(value, f"{place}, domain {name}") for name, value in l3_domains.items()}
        domains |= {name: self._l2_domain(value, f"{place}, domain {name}") for name, value in l2_domains.items()}
        return Organization(frozenset(self._names(keys.get("users"), f"users of {place}")), domains)

    def _l3_domain(self, content: Any, place: str) -> Domain:
        keys = self._keys(content, place, {"vrf_id", "zones", *_POLICY})
        zones = {
            zone: self._zone(value, f"{place}, zone {zone}")
            for zone, value in self._named(keys.get("zones"), f"zones of {place}").items()
        }
        vrf_id = self._value(keys, "vrf_id", place, _number(VRF_IDS), 0)
        return Domain(vrf_id=vrf_id, zones=zones, **self._policy(keys, place))

    def _zone(self, content: Any, place: str) -> dict[str, Subnet]:
        keys = self._keys(content, place, {"subnets"})
        named = self._named(keys.get("subnets"), f"subnets of {place}")
        found = {name: self._subnet(value, f"{place}, subnet {name}") for name, value in named.items()}
        return {name: subnet for name, subnet in found.items() if subnet is not None}

    def _subnet(self, content: Any, place: str) -> Subnet | None:
        return self._flat(
            self._keys(content, place, {"cidr", "gateway", "evpn_id", "cidr6", "gateway6"}), place, routed=True
        )

    def _l2_domain(self, content: Any, place: str) -> Domain:
        keys = self._keys(content, place, {"cidr", "evpn_id", "cidr6", *_POLICY})
        return Domain(flat=self._flat(keys, place, routed=False), **self._policy(keys, place))

    def _flat(self, keys: Mapping[str, Any], place: str, *, routed: bool) -> Subnet | None:
        cidr = self._value(keys, "cidr", place, _cidr, None)
        gateway = self._value(keys, "gateway", place, _address, None) if routed else None
        evpn_id = self._value(keys, "evpn_id", place, _number(EVPN_IDS), 0)
        cidr6 = gateway6 = None
        if {"cidr6", "gateway6"} & keys.keys():
            cidr6 = self._value(keys, "cidr6", place, _cidr6, None)
            gateway6 = self._value(keys, "gateway6", place, _address6, None) if routed else None
        for network, router in ((cidr, gateway), (cidr6, gateway6)):
            if network is not None and router is not None and not is_machine(router, network):
                self.problems.append(f"{place}: a machine in {network} cannot have the gateway's address, {router}")
        return None if cidr is None else Subnet(cidr, gateway, evpn_id, cidr6, gateway6)

    def _policy(self, keys: Mapping[str, Any], place: str) -> dict[str, Any]:
        groups = self._names(keys.get("policy_groups"), f"policy_groups of {place}")
        if UNGROUPED in groups:
            self.problems.append(
                f'{place}: a policy group cannot be called "{UNGROUPED}", which means ports in no group'
            )
        rules = keys.get("allowed") or []
        if not isinstance(rules, list):
            self.problems.append(f"{place}: allowed is not a list")
            rules = []
        return {
            "policy_groups": tuple(groups),
            "allowed": tuple(self._rule(rule, groups, f"{place}, allowed[{n}]") for n, rule in enumerate(rules)),
            "redirection_targets": tuple(
                self._names(keys.get("redirection_targets"), f"redirection_targets of {place}")
            ),
        }

    def _rule(self, content: Any, groups: list[str], place: str) -> Rule:
        keys = self._keys(content, place, {"between", "protocols"})
        between = self._names(keys.get("between"), f"between of {place}")
        if len(between) != 2:
            self.problems.append(f"{place}: between has to name two policy groups, or one twice")
        self._known(between, [*groups, UNGROUPED], "policy group", place)
        protocols = None
        if "protocols" in keys:
            protocols = frozenset(self._names(keys["protocols"], f"protocols of {place}"))
            self._known(protocols, PROTOCOLS, "protocol", place)
        return Rule(frozenset(between), protocols)

    def _known(self, names: Any, known: Any, what: str, place: str) -> None:
        for name in sorted(set(names) - set(known)):
            self.problems.append(f'{place}: there is no {what} "{name}"{did_you_mean(name, known)}')

    def _keys(self, content: Any, place: str, known: set[str]) -> dict[str, Any]:
        keys = self._named(content, place)
        for key in sorted(keys.keys() - known):
            hint = did_you_mean(key, known) or f"; known are {', '.join(sorted(known))}"
            self.problems.append(f'{place}: unknown key "{key}"{hint}')
        return {key: value for key, value in keys.items() if key in known}

    def _named(self, content: Any, place: str) -> dict[str, Any]:
        if content is None:
            return {}
        if isinstance(content, dict) and all(isinstance(key, str) and key for key in content):
            return content
        self.problems.append(f"{place}: a mapping of names is needed, not {str(content)[:80]!r}")
        return {}

    def _names(self, content: Any, place: str) -> list[str]:
        if content is None:
            return []
        if isinstance(content, list) and all(isinstance(name, str) and name for name in content):
            return content
        self.problems.append(f"{place}: a list of names is needed, not {str(content)[:80]!r}")
        return []

    def _value(self, keys: Mapping[str, Any], key: str, place: str, check: Callable[[Any], Any], default: Any) -> Any:
        if key not in keys:
            self.problems.append(f"{place}: {key} is missing")
            return default
        try:
            return check(keys[key])
        except _Problem as problem:
            self.problems.append(f"{place}: {key} {problem}, not {keys[key]!r}")
            return default


_POLICY = {"policy_groups", "allowed", "redirection_targets"}


def _number(numbers: range) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value not in numbers:
            raise _Problem(f"has to be a whole number from {numbers.start} to {numbers.stop - 1}")
        return value

    return check


def _network(kind: Callable[[str], Any], what: str, value: Any) -> Any:
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError
        return kind(value)
    except ValueError:
        raise _Problem(f"has to be {what}") from None


def _machine(kind: Callable[[str], Any], what: str, value: Any) -> Any:
    try:
        return kind(str(value))
    except ValueError:
        raise _Problem(f"has to be {what}") from None


_cidr = partial(_network, IPv4Network, "an IPv4 network such as 10.1.2.0/24")
_cidr6 = partial(_network, IPv6Network, "an IPv6 network such as fd00:1:2::/64")
_address = partial(_machine, IPv4Address, "an IPv4 address")
_address6 = partial(_machine, IPv6Address, "an IPv6 address")


def _clashes(topology: Topology) -> Iterator[str]:
    """Yield what is used twice: numbers in the whole topology, addresses in a domain."""
    vrf_ids = [domain.vrf_id for domain in topology.domains() if domain.vrf_id]
    evpn_ids = [subnet.evpn_id for domain in topology.domains() for subnet in domain.subnets() if subnet.evpn_id]
    for what, numbers in (("vrf_id", vrf_ids), ("evpn_id", evpn_ids)):
        for number in sorted({number for number in numbers if numbers.count(number) > 1}):
            yield f"{what} {number} is used twice; each needs its own"
    for domain in topology.domains():
        cidrs = sorted(subnet.cidr for subnet in domain.subnets())
        cidrs6 = sorted(subnet.cidr6 for subnet in domain.subnets() if subnet.cidr6)
        overlapping = [
            *((one, other) for one, other in pairwise(cidrs) if one.overlaps(other)),
            *((one, other) for one, other in pairwise(cidrs6) if one.overlaps(other)),
        ]
        for one, other in overlapping:
            yield f"subnets {one} and {other} of one domain overlap"
