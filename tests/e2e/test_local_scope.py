"""Hosts that know nothing of each other, with the same network made on each: ``Scope: local``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from tests.e2e.topology_support import Place, TopologyTestCase


def _place(host: str, ip_range: str) -> Place:
    return Place(
        host=host,
        organization="Enterprise",
        domain="Domain",
        zone="Zone",
        subnet="Subnet 2",
        pool="10.21.59.0/24",
        gateway="10.21.59.1",
        ip_range=ip_range,
    )


class LocalScopeTests(TopologyTestCase):
    """Each Docker assigns addresses from a range of its own."""

    def test_the_same_network_on_two_hosts(self) -> None:
        """Containers of both reach each other, by the addresses that each Docker chose."""
        places = {"one": _place("a", "10.21.59.0/25"), "two": _place("b", "10.21.59.128/25")}
        for name, place in places.items():
            self.run_container(name, place)
            self.assertIn(IPv4Address(self.address(name)), IPv4Network(place.ip_range))
            route = self.execute(name, "ip", "route").stdout
            self.assertIn("default via 10.21.59.1 ", route)
        self.assertNotEqual(self.network_id("one"), self.network_id("two"))
        self.assertEqual(self.pairs("one", "two"), {"one-two", "two-one"})
