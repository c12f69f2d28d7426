"""Networks that the Docker daemons of several hosts share through a cluster store (Docker up to 20.10).

A daemon that does not offer it is asked to say so; the other tests are not for it then.
"""

from __future__ import annotations

import json
import shutil
from unittest import TestSuite

import attrs
from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SynchronousTestCase

from lab.release import accepts
from lab.shell import wait_until
from tests.e2e.cluster_support import ClusterTestCase
from tests.e2e.host_support import demand_host
from tests.e2e.topology_support import Place

_FLAG = "--cluster-store=etcd://192.0.2.1:2379"


#: The options that Docker tells of a network there.
_SUBNET_2 = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "subnet": "Subnet 2", "user": "admin"}


def _place(host: str, zone: str, subnet: str, pool: str, address: str = "") -> Place:
    return Place(
        host=host, organization="Enterprise", domain="Domain", zone=zone, subnet=subnet, pool=pool, address=address
    )


def _subnet_2(host: str, address: str = "") -> Place:
    return _place(host, "Zone", "Subnet 2", "10.21.59.0/24", address)


def _storage(host: str, *options: str, gateway: str = "", ip_range: str = "") -> Place:
    place = _place(host, "Backend", "Storage", "10.21.60.0/24")
    return attrs.evolve(place, options=options, gateway=gateway, ip_range=ip_range)


class ClusterStoreTests(ClusterTestCase):
    """What was made on one host is used on another."""

    def test_a_network_is_one_of_all_hosts(self) -> None:
        """A container joins a network that its host was never told of, and reaches those on other hosts."""
        here, there = _subnet_2("a"), _subnet_2("b")
        self.make_network(here)
        (seen,) = json.loads(self.docker("b", "network", "inspect", there.network))
        self.assertEqual((seen["Scope"], seen["Driver"]), ("global", "nuage"))
        self.assertEqual(seen["Options"], _SUBNET_2)
        self.run_container("one", here)
        self.run_container("two", there, "--label=nuage.policy-group=web")
        self.assertNotEqual(self.address("one"), self.address("two"))
        self.assertEqual(self.pairs("one", "two"), {"one-two", "two-one"})
        called = f"CreateNetwork network={seen['Id'][:12]}"
        self.assertIn(called, self.hosts["a"].plugin.process.log.read_text())
        self.assertNotIn(called, self.hosts["b"].plugin.process.log.read_text())

    def test_rows_are_those_of_the_network(self) -> None:
        """The VRS of the other host is told the place, the user, the container's name and its label."""
        self.make_network(_subnet_2("a"))
        self.run_container("two", _subnet_2("b"), "--label=nuage.policy-group=web")
        (entity,) = self.hosts["b"].switch.rows("Nuage_VM_Table")
        self.assertEqual(
            [entity[column] for column in ("vm_name", "nuage_enterprise", "nuage_user")], ["two", "Enterprise", "admin"]
        )
        port = self.port_row("two")
        columns = ("nuage_domain", "nuage_zone", "nuage_network", "ip_addr")
        self.assertEqual([port[c] for c in columns], ["Domain", "Zone", "Subnet 2", self.address("two")])
        self.assertEqual(port["metadata"]["nuage-policy-group"], "web")

    def test_an_address_is_given_once(self) -> None:
        """An address that is taken on one host is refused on the other, by Docker."""
        self.run_container("one", _subnet_2("a", "10.21.59.20"))
        message = self.refused_container("two", _subnet_2("b", "10.21.59.20"))
        self.assertIn("Address already in use", message)

    def test_removal(self) -> None:
        """A network in use on one host cannot be removed on another; one that is removed is forgotten on all."""
        here, there = _subnet_2("a"), _subnet_2("b")
        self.run_container("two", there)
        network_id = self.id_of(here)
        self.assertIn("has active endpoints", self.refused("a", "network", "rm", here.network))
        self.assertTrue(self.reached("two", ["10.21.59.1"]))
        self.docker("b", "rm", "-f", "two")
        self.assertTrue(self.knows("a", network_id))
        self.docker("b", "network", "rm", there.network)
        self.assertFalse(self.shows(here))
        for letter in self.hosts:
            self.audit(letter)
            wait_until(f"host {letter} forgets it", lambda h=letter: not self.knows(h, network_id), 15)  # type: ignore[misc]

    def test_a_host_that_crashes(self) -> None:
        """What a killed daemon leaves is removed on its host, and nothing on the other."""
        self.run_container("one", _subnet_2("a"))
        self.run_container("two", _subnet_2("b"))
        dockerd = self.hosts["b"].dockerd
        dockerd.kill()
        dockerd.kill_containers()
        dockerd.start()
        dockerd.wait()
        wait_until("the rows are gone", lambda: not self.hosts["b"].switch.rows("Nuage_VM_Table"), 20)
        self.assertEqual(self.port_row("one")["ip_addr"], self.address("one"))
        self.docker("b", "start", "two")
        self.assertEqual(self.pairs("one", "two"), {"one-two", "two-one"})

    def test_a_plugin_that_is_restarted(self) -> None:
        """What a plugin learnt of another host's network outlives it."""
        self.run_container("one", _subnet_2("a"))
        network_id = self.id_of(_subnet_2("b"))
        self.audit("b")
        wait_until("the audit learns the network", lambda: self.knows("b", network_id), 15)
        self.restart_plugin("b")
        self.run_container("two", _subnet_2("b"))
        self.restart_plugin("b")
        self.assertEqual(self.pairs("one", "two"), {"one-two", "two-one"})
        self.docker("b", "rm", "-f", "two")
        self.assertEqual(self.hosts["b"].switch.rows("Nuage_VM_Table"), [])

    def test_a_store_that_is_away(self) -> None:
        """While Docker cannot list the networks, containers go on, and nothing of them is forgotten nor suspected."""
        used, idle = _subnet_2("b"), _storage("b")
        self.addCleanup(self._restart_store)
        self.make_network(idle)
        self.run_container("one", _subnet_2("a"))
        self.run_container("two", used)
        used_id, idle_id = self.id_of(used), self.id_of(idle)
        wait_until("the audit learns the other network", lambda: self.knows("b", idle_id), 15)
        self.store.stop()
        # Audits have taken place then.
        wait_until("what nobody uses is forgotten", lambda: not self.knows("b", idle_id), 15)
        self.restart_plugin("b")
        self.assertFalse(self.shows(used))
        self.assertTrue(self.knows("b", used_id))
        self.assertEqual(self.pairs("one", "two"), {"one-two", "two-one"})
        self._restart_store()
        wait_until("Docker lists the network", lambda: self.shows(used), 20)
        self.run_container("three", idle)
        self.run_container("four", used)
        self.assertEqual(self.pairs("one", "four"), {"one-four", "four-one"})
        self.assertTrue(self.knows("b", idle_id))
        suspected = f"leave endpoint {self.endpoint_id('two')} alone"
        self.assertNotIn(suspected, self.hosts["b"].plugin.process.log.read_text())

    def _restart_store(self) -> None:
        if self.store.process.pid is None:
            self.store.start()


class GatewayTests(ClusterTestCase):
    """A container's gateway is that of Docker's IPAM, also where the host has to work it out."""

    # These gateways are not all those of the topology.
    resolve_timeout = 0

    def _gateways(self, there: Place) -> tuple[str, str]:
        """Return the gateways, IPv4 and IPv6, of a container on the place."""
        self.run_container("two", there)
        routes = [self.execute("two", "ip", family, "route").stdout for family in ("-4", "-6")]
        ipv4, ipv6 = (line.partition("default via ")[2].partition(" ")[0] for line in routes)
        return ipv4, ipv6

    def test_first_address(self) -> None:
        """The first address of the subnet."""
        self.assertEqual(self._gateways(_storage("b")), ("10.21.60.1", ""))

    def test_range(self) -> None:
        """The first address of the range; that of the subnet belongs to nobody here."""
        self.assertEqual(self._gateways(_storage("b", ip_range="10.21.60.128/25")), ("10.21.60.128", ""))

    def test_given(self) -> None:
        """The one that was given, also with a range."""
        there = _storage("b", gateway="10.21.60.254", ip_range="10.21.60.128/25")
        self.assertEqual(self._gateways(there), ("10.21.60.254", ""))

    def test_dual_stack(self) -> None:
        """Each family has its own."""
        there = _storage("b", "--ipv6", "--subnet=fd00:21::/64", ip_range="10.21.60.128/25")
        self.assertEqual(self._gateways(there), ("10.21.60.128", "fd00:21::1"))


class NotOfferedTests(SynchronousTestCase):
    """A daemon without cluster store."""

    timeout = 120

    def test_it_says_so(self) -> None:
        """It refuses the flag by name."""
        host = demand_host()
        done = host.run(*host.release.inside("dockerd", _FLAG, "--version"), check=False)
        self.assertIn("unknown flag: --cluster-store", done.stderr)


def test_suite() -> TestSuite:
    """Return the tests for what the daemon offers."""
    offered = shutil.which("dockerd") is None or accepts(_FLAG)
    classes = (ClusterStoreTests, GatewayTests) if offered else (NotOfferedTests,)
    return TestSuite(TestLoader().loadClass(each) for each in classes)
