"""What a container reaches is what the topology says, by real traffic between containers of two hosts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import attrs
import yaml

from lab.dockerd import IMAGE
from lab.shell import wait_until
from tests.e2e.topology_support import Place, TopologyTestCase, flows


def _domain(host: str, address: str, zone: str = "Zone", subnet: str = "Subnet 2") -> Place:
    return Place(host=host, organization="Enterprise", domain="Domain", zone=zone, subnet=subnet, address=address)


def _testing(host: str, address: str) -> Place:
    return Place(
        host=host,
        organization="Enterprise",
        domain="Testing",
        zone="Zone",
        subnet="Subnet 2",
        address=address,
        gateway="10.21.59.253",
        ip_range="10.21.59.128/26",
    )


def _acme(host: str, address: str) -> Place:
    return Place(
        host=host,
        organization="Acme",
        domain="Domain",
        zone="Zone",
        subnet="Subnet 2",
        address=address,
        gateway="10.21.59.254",
        ip_range="10.21.59.192/26",
    )


def _flat(host: str, address: str) -> Place:
    return Place(host=host, organization="Enterprise", domain="Flat", address=address)


#: Two organizations, two L3 domains in one of them, two zones, three subnets, an L2 domain. Addresses of Acme are
#: those of Enterprise, each at the other host.
MATRIX = {
    "web": _domain("a", "10.21.59.2"),
    "db": _domain("b", "10.21.59.3"),
    "front": _domain("a", "10.21.58.2", subnet="Subnet 1"),
    "store": _domain("b", "10.21.60.2", zone="Backend", subnet="Storage"),
    "test-a": _testing("a", "10.21.59.4"),
    "test-b": _testing("b", "10.21.59.5"),
    "acme-a": _acme("a", "10.21.59.3"),
    "acme-b": _acme("b", "10.21.59.2"),
    "flat-a": _flat("a", "10.21.61.2"),
    "flat-b": _flat("b", "10.21.61.3"),
}
#: The gateways of each L3 domain.
GATEWAYS = {
    ("Enterprise", "Domain"): {"10.21.58.1", "10.21.59.1", "10.21.60.1"},
    ("Enterprise", "Testing"): {"10.21.59.253"},
    ("Acme", "Domain"): {"10.21.59.254"},
}


class MatrixTests(TopologyTestCase):
    """Who reaches whom."""

    def test_ping_matrix(self) -> None:
        """A container reaches all of its own domain, at both hosts and through the gateway, and nothing else."""
        self.run_resolved(MATRIX)
        everything = {place.address for place in MATRIX.values()} | set().union(*GATEWAYS.values())
        with ThreadPoolExecutor() as pool:
            found = dict(zip(MATRIX, pool.map(lambda name: self.reached(name, everything), MATRIX), strict=True))
        expected = {
            name: {other.address for other in MATRIX.values() if other.scope == place.scope}
            | GATEWAYS.get(place.scope, set())
            for name, place in MATRIX.items()
        }
        self.assertEqual(found, expected)
        # Of two machines with one address it was the one of the own organization that answered.
        for name, other in (("web", "db"), ("acme-a", "acme-b"), ("acme-b", "acme-a"), ("db", "web")):
            neighbours = self.execute(name, "ip", "neigh", "show", MATRIX[other].address).stdout
            self.assertIn(str(self.port_row(other)["mac"]), neighbours)

    def test_columns(self) -> None:
        """The columns of a resolved port are those of its subnet; those of a port that is gone are gone with it."""
        self.run_resolved({"store": MATRIX["store"], "flat-a": MATRIX["flat-a"]})
        columns = ("ip_addr", "subnet_mask", "gateway", "vrf_id", "evpn_id")
        row = self.port_row("store")
        self.assertEqual([row[c] for c in columns], ["10.21.60.2", "255.255.255.0", "10.21.60.1", 2001, 103])
        row = self.port_row("flat-a")
        self.assertEqual([row[c] for c in columns], ["10.21.61.2", "255.255.255.0", "", 0, 105])

    def test_routing(self) -> None:
        """A packet to another subnet loses one hop; within a subnet it loses none; one without hops left is dropped."""
        self.run_resolved({name: MATRIX[name] for name in ("web", "db", "store")})
        self.assertIn("ttl=63", self.execute("web", "ping", "-c1", "-W3", "10.21.60.2").stdout)
        self.assertIn("ttl=64", self.execute("web", "ping", "-c1", "-W3", "10.21.59.3").stdout)
        self.assertNotIn("bytes from", self.execute("web", "ping", "-t1", "-c1", "-W1", "10.21.60.2").stdout)

    def test_tcp(self) -> None:
        """TCP gets through as well, routed and between the hosts."""
        self.run_resolved({name: MATRIX[name] for name in ("web", "store")})
        self.execute("store", "sh", "-c", "(echo hello | nc -l -p 80) >/dev/null 2>&1 &")
        got = self.execute("web", "sh", "-c", "for i in 1 2 3; do nc -w 2 10.21.60.2 80 </dev/null && break; done")
        self.assertEqual(got.stdout, "hello\n", got.stderr)


class PolicyTests(TopologyTestCase):
    """Policy groups change what is reachable while containers run."""

    def test_policy_groups(self) -> None:
        """Ports of a group exchange what the rules of the domain allow, across hosts and subnets too."""
        names = ("web", "db", "store")
        self.run_resolved({name: MATRIX[name] for name in names})
        self.assertTrue(self.reaches("web", "db"))
        self.assertTrue(self.reaches("web", "store"))
        self.set_policy_group("db", "quarantine")
        self.assertEqual(self.pairs(*names), {"web-store", "store-web"})
        self.assertEqual(self.reached("db", ["10.21.59.1"]), {"10.21.59.1"})
        self.set_policy_group("db", "db")
        self.assertEqual(self.pairs(*names), {"web-store", "store-web"})
        self.set_policy_group("web", "web")
        self.assertEqual(self.pairs(*names), {"web-store", "store-web", "web-db", "db-web"})
        self.set_policy_group("store", "quarantine")
        self.assertEqual(self.pairs(*names), {"web-db", "db-web"})
        self.set_policy_group("web", None)
        self.assertEqual(self.pairs(*names), set())


class RefusalTests(TopologyTestCase):
    """Ports that are not resolved, or not any more."""

    # Containers run here whose ports are not resolved, or only later.
    resolve_timeout = 0

    def test_unresolved(self) -> None:
        """A port whose zone does not exist is not resolved, sends nothing, and gets nothing; the log has the reason."""
        self.run_resolved({name: MATRIX[name] for name in ("web", "db")})
        self.change_port("web", nuage_zone="Zoen")
        self.wait_for_resolution("web", "")
        self.assertFalse(self.reaches("web", "db"))
        self.assertFalse(self.reaches("db", "web"))
        self.assertEqual(self.reached("web", ["10.21.59.1"]), set())
        self.assertIn(
            'of web is not resolved: there is no zone "Zoen" in domain "Domain"; did you mean "Zone"?',
            self.vsc.process.tail(),
        )
        self.change_port("web", nuage_zone="Zone")
        self.wait_for_resolution("web")
        self.assertTrue(self.reaches("db", "web"))

    def test_address_in_use(self) -> None:
        """An address that another host has given to a port of the subnet is not given again."""
        self.run_resolved({"web": MATRIX["web"]})
        self.run_container("thief", _domain("b", "10.21.59.2"))
        reason = '10.21.59.2 cannot be used: container "web" has it'
        wait_until("the reason is logged", lambda: reason in self.vsc.process.tail(), 10)
        self.assertEqual(self.port_row("thief")["ip_addr"], "")
        self.hosts["a"].docker("rm", "-f", "web")
        self.wait_for_resolution("thief")

    def test_spoofing(self) -> None:
        """A container that takes another address or MAC is not heard any more."""
        self.run_container("web", MATRIX["web"], "--cap-add=NET_ADMIN")
        self.run_container("db", MATRIX["db"])
        for name in ("web", "db"):
            self.wait_for_resolution(name)
        self.assertTrue(self.reaches("web", "db"))
        self.execute("web", "ip", "addr", "add", "10.21.59.99/24", "dev", "eth0")
        spoofed = self.execute("web", "ping", "-c1", "-W1", "-I", "10.21.59.99", "10.21.59.3")
        self.assertNotIn("bytes from", spoofed.stdout)
        mac = str(self.port_row("web")["mac"])
        self.execute("web", "ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
        self.assertFalse(self.reaches("web", "db"))
        self.execute("web", "ip", "link", "set", "eth0", "address", mac)
        self.assertTrue(self.reaches("web", "db"))


class ChangeTests(TopologyTestCase):
    """The topology changes; the controller goes and comes."""

    # Containers run here whose ports are not resolved, or only later.
    resolve_timeout = 0

    def tearDown(self) -> None:
        """Have the controller back."""
        self.vsc.come_back()
        super().tearDown()

    def test_lost_controller(self) -> None:
        """Without a controller what is resolved goes on, and nothing new is resolved until it is back."""
        self.run_resolved({name: MATRIX[name] for name in ("web", "db")})
        self.vsc.leave()
        for host in self.hosts.values():
            wait_until("the role is gone", lambda host=host: not self.vsc.is_master(host), 10)  # type: ignore[misc]
        self.assertTrue(self.reaches("web", "db"))
        self.run_container("late", _domain("a", "10.21.59.20"))
        self.assertFalse(self.reaches("late", "db"))
        self.assertEqual(self.port_row("late")["ip_addr"], "")
        self.vsc.come_back()
        for host in self.hosts.values():
            wait_until("the role is back", lambda host=host: self.vsc.is_master(host), 10)  # type: ignore[misc]
        self.wait_for_resolution("late")
        self.assertTrue(self.reaches("late", "db"))
        self.assertTrue(self.reaches("web", "db"))

    def test_restart(self) -> None:
        """A controller that is killed and started again finds what it had resolved, and all goes on."""
        self.run_resolved({name: MATRIX[name] for name in ("web", "store")})
        before = {letter: flows(host) for letter, host in self.hosts.items()}
        self.vsc.stop()
        self.assertTrue(self.reaches("web", "store"))
        self.vsc.start()
        for host in self.hosts.values():
            self.vsc.control(host)
        self.assertTrue(self.reaches("web", "store"))
        self.assertEqual({letter: flows(host) for letter, host in self.hosts.items()}, before)

    def test_later_subnet(self) -> None:
        """A subnet that is added to the topology while a container waits for it resolves the container."""
        original = self.pair.topology.read_text()
        self.addCleanup(self.change_topology, original)
        self.run_container("late", _domain("a", "10.21.62.2", subnet="Later"))
        wait_until("the reason is logged", lambda: 'no subnet "Later"' in self.vsc.process.tail(), 10)
        self.assertEqual(self.reached("late", ["10.21.62.1"]), set())
        self.change_topology(original.replace("10.21.58.0/24", "10.21.58.0/33"))
        wait_until("the mistake is logged", lambda: "stays as it was" in self.vsc.process.tail(), 10)
        topology = yaml.safe_load(original)
        zones = topology["organizations"]["Enterprise"]["l3_domains"]["Domain"]["zones"]
        zones["Zone"]["subnets"]["Later"] = {"cidr": "10.21.62.0/24", "gateway": "10.21.62.1", "evpn_id": 110}
        self.change_topology(json.dumps(topology))
        self.wait_for_resolution("late")
        self.assertEqual(self.reached("late", ["10.21.62.1"]), {"10.21.62.1"})

    def change_topology(self, text: str) -> None:
        """Write another topology and have it read."""
        self.pair.topology.write_text(text)
        self.vsc.reload()


def _dual(host: str, number: int, subnet: int) -> Place:
    zone, name = {58: ("Zone", "Subnet 1"), 59: ("Zone", "Subnet 2"), 60: ("Backend", "Storage")}[subnet]
    place = _domain(host, f"10.21.{subnet}.{number}", zone, name)
    return attrs.evolve(place, options=("--ipv6", f"--subnet=fd00:21:{subnet}::/64"))


#: Containers at both hosts, in two zones and three subnets of one domain, and their addresses.
DUAL = {
    "web": (_dual("a", 2, 59), "fd00:21:59::2"),
    "db": (_dual("b", 3, 59), "fd00:21:59::3"),
    "front": (_dual("a", 2, 58), "fd00:21:58::2"),
    "store": (_dual("b", 2, 60), "fd00:21:60::2"),
}
GATEWAYS_V6 = {"fd00:21:58::1", "fd00:21:59::1", "fd00:21:60::1"}


class DualStackTests(TopologyTestCase):
    """IPv6 beside IPv4."""

    def run_dual(self, *names: str) -> None:
        """Run containers, each with its address of IPv6."""
        for name in names:
            place, address = DUAL[name]
            self.run_container(name, place, f"--ip6={address}")

    def reached_of(self, names: Iterable[str]) -> dict[str, set[str]]:
        """Return which of all addresses of IPv6 each container reaches."""
        everything = {address for _, address in DUAL.values()} | GATEWAYS_V6
        with ThreadPoolExecutor() as pool:
            return dict(zip(names, pool.map(lambda name: self.reached(name, everything), names), strict=True))

    def test_matrix(self) -> None:
        """A container reaches all of its domain, at both hosts and through the gateway, as it does by IPv4."""
        self.run_dual(*DUAL)
        expected = {address for _, address in DUAL.values()} | GATEWAYS_V6
        self.assertEqual(self.reached_of(DUAL), dict.fromkeys(DUAL, expected))
        self.assertEqual(len(self.pairs(*DUAL)), 12)
        # Once it is known, its neighbours and the gateway are found without the controller.
        self.addCleanup(self.vsc.come_back)
        self.vsc.leave()
        self.assertEqual(self.reached("front", ["fd00:21:60::2", "fd00:21:58::1"]), {"fd00:21:60::2", "fd00:21:58::1"})

    def test_routing(self) -> None:
        """A packet to another subnet loses one hop; within a subnet it loses none; one without hops left is dropped."""
        self.run_dual("web", "db", "store")
        self.assertIn("ttl=63", self.execute("web", "ping", "-c1", "-W3", "fd00:21:60::2").stdout)
        self.assertIn("ttl=64", self.execute("web", "ping", "-c1", "-W3", "fd00:21:59::3").stdout)
        for hops, arrives in ((1, False), (2, True)):
            tried = self.execute("web", "traceroute6", "-n", "-q1", "-w1", f"-m{hops}", "fd00:21:60::2")
            self.assertEqual("fd00:21:60::2 " in tried.stdout.partition("\n")[2], arrives, tried.stdout)
        self.execute("store", "sh", "-c", "(echo hello | nc -l -p 80) >/dev/null 2>&1 &")
        got = self.execute("web", "sh", "-c", "for i in 1 2 3; do nc -w 2 fd00:21:60::2 80 </dev/null && break; done")
        self.assertEqual(got.stdout, "hello\n", got.stderr)

    def test_policy(self) -> None:
        """Policy shuts and opens IPv6 as it does IPv4."""
        self.run_dual("web", "db", "store")
        self.set_policy_group("db", "quarantine")
        others = {"fd00:21:59::2", "fd00:21:60::2"}
        reached = self.reached_of(["web", "db", "store"])
        expected = {"web": others, "db": {"fd00:21:59::3"}, "store": others}
        self.assertEqual(reached, {name: addresses | GATEWAYS_V6 for name, addresses in expected.items()})
        self.assertEqual(self.pairs("web", "db", "store"), {"web-store", "store-web"})
        self.set_policy_group("db", None)
        self.assertEqual(self.reached("web", ["fd00:21:59::3"]), {"fd00:21:59::3"})

    def test_from_the_first_moment(self) -> None:
        """A container's first packet arrives: neither it nor who answers has to wait for its address."""
        self.run_dual("store")
        place, address = DUAL["front"]
        self.make_network(place)
        started = ("run", "--rm", f"--network={place.network}", f"--ip6={address}", IMAGE)
        script = "ip -6 address show dev eth0; ping -c 1 -W 5 fd00:21:60::2"
        done = self.hosts["a"].docker(*started, "sh", "-c", script, check=False)
        self.assertIn("bytes from", done.stdout, done.stdout + done.stderr)
        (shown,) = (line for line in done.stdout.splitlines() if address in line)
        self.assertNotIn("tentative", shown)
