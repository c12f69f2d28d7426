"""The topology file of the lab's stand-in for VRS and VSC."""

from __future__ import annotations

import copy
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from lab.standin import TOPOLOGY
from lab.vrs.topology import Domain, Rule
from lab.vrs.topology_file import TopologyError, load, parse

FILE: dict[str, Any] = {
    "organizations": {
        "Org": {
            "users": ["admin"],
            "l3_domains": {
                "Routed": {
                    "vrf_id": 7,
                    "zones": {
                        "Zone": {"subnets": {"Net": {"cidr": "10.0.1.0/24", "gateway": "10.0.1.1", "evpn_id": 11}}}
                    },
                    "policy_groups": ["web", "db"],
                    "allowed": [{"between": ["web", "db"], "protocols": ["tcp"]}],
                    "redirection_targets": ["firewall"],
                }
            },
            "l2_domains": {"Flat": {"cidr": "10.0.2.0/24", "evpn_id": 12}},
        }
    }
}


class ReadingTests(SynchronousTestCase):
    """What is read, and what is refused."""

    def changed(self, value: Any, *path: str) -> str:
        """Return the text of the file with a value in some place."""
        content = copy.deepcopy(FILE)
        place = content["organizations"]["Org"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return yaml.safe_dump(content)

    def problem(self, text: str) -> str:
        """Return what is said of a text that cannot be used."""
        return str(self.assertRaises(TopologyError, parse, text))

    def test_all_of_it(self) -> None:
        """Everything that can be said in a file is read."""
        organization = parse(yaml.safe_dump(FILE)).organizations["Org"]
        self.assertEqual(organization.users, {"admin"})
        routed, flat = organization.domains["Routed"], organization.domains["Flat"]
        subnet = routed.zones["Zone"]["Net"]
        self.assertEqual((subnet.cidr, subnet.gateway), (IPv4Network("10.0.1.0/24"), IPv4Address("10.0.1.1")))
        self.assertEqual((routed.vrf_id, subnet.evpn_id), (7, 11))
        self.assertEqual((routed.policy_groups, routed.redirection_targets), (("web", "db"), ("firewall",)))
        self.assertEqual(routed.allowed, (Rule(frozenset({"web", "db"}), frozenset({"tcp"})),))
        assert flat.flat is not None
        self.assertEqual((flat.flat.cidr, flat.flat.gateway, flat.vrf_id), (IPv4Network("10.0.2.0/24"), None, 0))

    def test_dual_stack(self) -> None:
        """A subnet may have an IPv6 network and a gateway in it, an L2 domain a network."""
        net = ("l3_domains", "Routed", "zones", "Zone", "subnets", "Net")
        given = {"cidr": "10.0.1.0/24", "gateway": "10.0.1.1", "evpn_id": 11}
        six = {**given, "cidr6": "fd00:1::/64", "gateway6": "fd00:1::1"}
        subnet = parse(self.changed(six, *net)).organizations["Org"].domains["Routed"].zones["Zone"]["Net"]
        self.assertEqual((str(subnet.cidr6), str(subnet.gateway6)), ("fd00:1::/64", "fd00:1::1"))
        flat = {"cidr": "10.0.2.0/24", "evpn_id": 12, "cidr6": "fd00:2::/64"}
        l2_domain = parse(self.changed(flat, "l2_domains", "Flat")).organizations["Org"].domains["Flat"]
        assert l2_domain.flat is not None
        self.assertEqual((str(l2_domain.flat.cidr6), l2_domain.flat.gateway6), ("fd00:2::/64", None))
        for wrong, problem in (
            ({"cidr6": "fd00:1::1/64"}, "cidr6 has to be an IPv6 network such as fd00:1:2::/64"),
            ({"gateway6": "10.0.1.1"}, "gateway6 has to be an IPv6 address"),
            ({"gateway6": "fd00:2::1"}, "a machine in fd00:1::/64 cannot have the gateway's address, fd00:2::1"),
            ({"gateway6": "fd00:1::"}, "cannot have the gateway's address, fd00:1::"),
            ({"gateway6": None}, "gateway6 has to be"),
        ):
            self.assertIn(problem, self.problem(self.changed({**six, **wrong}, *net)))
        for given_alone, missing in (("cidr6", "gateway6"), ("gateway6", "cidr6")):
            alone = {**given, given_alone: six[given_alone]}
            self.assertIn(f"{missing} is missing", self.problem(self.changed(alone, *net)))
        zone = {"subnets": {"Net": six, "Other": {**six, "cidr": "10.0.3.0/24", "gateway": "10.0.3.1", "evpn_id": 13}}}
        overlapping = self.problem(self.changed({"Zone": zone}, "l3_domains", "Routed", "zones"))
        self.assertIn("subnets fd00:1::/64 and fd00:1::/64 of one domain overlap", overlapping)

    def test_shipped_file(self) -> None:
        """The lab's own topology can be used, and has the same addresses in two organizations."""
        topology = load(TOPOLOGY)
        cidrs = [
            {subnet.cidr for domain in organization.domains.values() for subnet in domain.subnets()}
            for organization in topology.organizations.values()
        ]
        self.assertTrue(cidrs[0] & cidrs[1])

    def test_empty(self) -> None:
        """An empty file is an empty topology."""
        self.assertEqual(parse("").organizations, {})

    def test_values_that_cannot_be(self) -> None:
        """A value that cannot be used is told with its place."""
        net = ("l3_domains", "Routed", "zones", "Zone", "subnets", "Net")
        place = "organization Org, domain Routed, zone Zone, subnet Net"
        for value, path, problem in (
            ("10.0.1.7/24", (*net, "cidr"), f"{place}: cidr has to be an IPv4 network such as 10.1.2.0/24"),
            ("10.0.1.0", (*net, "cidr"), f"{place}: cidr has to be"),
            (
                "10.0.9.1",
                (*net, "gateway"),
                f"{place}: a machine in 10.0.1.0/24 cannot have the gateway's address, 10.0.9.1",
            ),
            ("10.0.1.255", (*net, "gateway"), "cannot have the gateway's address, 10.0.1.255"),
            ("none", (*net, "gateway"), f"{place}: gateway has to be an IPv4 address, not 'none'"),
            (4095, (*net, "evpn_id"), f"{place}: evpn_id has to be a whole number from 1 to 4094, not 4095"),
            (True, (*net, "evpn_id"), "evpn_id has to be a whole number"),
            (0, ("l3_domains", "Routed", "vrf_id"), "vrf_id has to be a whole number from 1 to"),
            (12, (*net, "evpn_id"), "evpn_id 12 is used twice"),
            ("admin", ("users",), "users of organization Org: a list of names is needed"),
            (
                ["Zone"],
                ("l3_domains", "Routed", "zones"),
                "zones of organization Org, domain Routed: a mapping of names",
            ),
            ({}, ("l2_domains", "Flat"), "domain Flat: cidr is missing"),
            ({}, ("l2_domains", "Routed"), "both an L3 and an L2 domain are called Routed"),
            (["ungrouped"], ("l3_domains", "Routed", "policy_groups"), 'cannot be called "ungrouped"'),
            ("all", ("l3_domains", "Routed", "allowed"), "allowed is not a list"),
        ):
            self.assertIn(problem, self.problem(self.changed(value, *path)))

    def test_rules_that_cannot_be(self) -> None:
        """A rule names groups and protocols that there are."""
        for rule, problem in (
            ({"between": ["web", "bd"]}, 'allowed[0]: there is no policy group "bd"; did you mean "db"?'),
            ({"between": ["web"]}, "between has to name two policy groups"),
            ({"between": ["web", "db"], "protocols": ["tpc"]}, 'there is no protocol "tpc"; did you mean "tcp"?'),
            ({"betwen": ["web", "db"]}, 'unknown key "betwen"; did you mean "between"?'),
        ):
            self.assertIn(problem, self.problem(self.changed([rule], "l3_domains", "Routed", "allowed")))

    def test_all_problems_at_once(self) -> None:
        """Problems do not hide each other."""
        content = copy.deepcopy(FILE)
        content["organizations"]["Org"]["l2_domains"]["Flat"] = {"cidr": 5, "evpn_id": "x", "vlan": 3}
        problem = self.problem(yaml.safe_dump(content))
        for part in ("cidr has", "evpn_id has", 'unknown key "vlan"'):
            self.assertIn(part, problem)

    def test_overlap(self) -> None:
        """Subnets of one domain do not overlap; those of different domains may."""
        other = {"cidr": "10.0.1.128/25", "gateway": "10.0.1.129", "evpn_id": 13}
        path = ("l3_domains", "Routed", "zones", "Zone", "subnets", "Other")
        self.assertIn(
            "subnets 10.0.1.0/24 and 10.0.1.128/25 of one domain overlap", self.problem(self.changed(other, *path))
        )
        parse(self.changed({"cidr": "10.0.1.0/24", "evpn_id": 13}, "l2_domains", "Flat"))

    def test_no_yaml(self) -> None:
        """What is no YAML, or has a key twice, is refused with the line."""
        self.assertIn("it is not YAML", self.problem("a: [b"))
        self.assertIn('"users" is given twice', self.problem("organizations:\n Org:\n  users: [a]\n  users: [b]\n"))

    def test_file(self) -> None:
        """The message names the file."""
        path = Path(self.mktemp())
        self.assertIn(f"{path} cannot be read", str(self.assertRaises(TopologyError, load, path)))
        path.write_text("organisations: {}")
        self.assertIn(
            f'{path} cannot be used: the file: unknown key "organisations"',
            str(self.assertRaises(TopologyError, load, path)),
        )


class TrafficTests(SynchronousTestCase):
    """What ports of two groups may exchange."""

    def test_rules(self) -> None:
        """Ports in no group are free among themselves; all else has to be allowed."""
        domain = Domain(
            policy_groups=("web", "db", "alone"),
            allowed=(
                Rule(frozenset({"web", "db"}), frozenset({"tcp"})),
                Rule(frozenset({"db", "web"}), frozenset({"icmp"})),
                Rule(frozenset({"web"}), None),
                Rule(frozenset({"db", "ungrouped"}), frozenset({"udp"})),
            ),
        )
        nothing: frozenset[str] = frozenset()
        for one, other, expected in (
            (None, None, None),
            ("web", "db", frozenset({"tcp", "icmp"})),
            ("web", "web", None),
            ("web", None, nothing),
            ("db", None, frozenset({"udp"})),
            ("db", "db", nothing),
            ("alone", "alone", nothing),
            ("alone", "db", nothing),
        ):
            groups = [{name} if name else set() for name in (one, other)]
            self.assertEqual(domain.traffic(*groups), expected, (one, other))
            self.assertEqual(domain.traffic(*reversed(groups)), expected, (other, one))
        for some, others, expected in (
            ({"web", "alone"}, {"web"}, None),
            ({"web", "alone"}, {"db", "alone"}, frozenset({"tcp", "icmp"})),
            ({"db", "alone"}, set(), frozenset({"udp"})),
            ({"db", "alone"}, {"db", "alone"}, nothing),
        ):
            self.assertEqual(domain.traffic(some, others), expected, (some, others))
            self.assertEqual(domain.traffic(others, some), expected, (others, some))
