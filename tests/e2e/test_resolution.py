"""What a user sees when the VRS resolves a port: late, to something else, to nothing."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from threading import Timer
from typing import Any

import attrs
import yaml

from lab.host import Host
from lab.shell import wait_until
from tests.e2e.host_support import marks
from tests.e2e.topology_support import Place, TopologyTestCase

PLACE = Place(host="a", organization="Enterprise", domain="Domain", zone="Zone", subnet="Subnet 2")
WEB = attrs.evolve(PLACE, address="10.21.59.2")


class ResolutionTestCase(TopologyTestCase):
    """A test that may lose the controller."""

    def recover(self) -> None:
        """Have the controller back."""
        self.vsc.come_back()
        for host in self.hosts.values():
            wait_until("the role is back", lambda host=host: self.vsc.is_master(host), 10)  # type: ignore[misc]


class ResolvedTests(ResolutionTestCase):
    """Ports that are resolved."""

    def test_subnet_that_exists_only_later(self) -> None:
        """A container whose subnet is made three seconds after its start waits for it."""
        original = self.pair.topology.read_text()
        self.addCleanup(self.change_topology, original)
        topology = yaml.safe_load(original)
        subnets = topology["organizations"]["Enterprise"]["l3_domains"]["Domain"]["zones"]["Zone"]["subnets"]
        subnets["Later"] = {"cidr": "10.21.62.0/24", "gateway": "10.21.62.1", "evpn_id": 110}
        place = attrs.evolve(PLACE, subnet="Later", address="10.21.62.2")
        self.make_network(place)
        timer = Timer(3, self.change_topology, [yaml.safe_dump(topology)])
        begin = time.monotonic()
        timer.start()
        self.addCleanup(timer.join)
        self.run_container("late", place)
        self.assertGreater(time.monotonic() - begin, 3)
        self.assertEqual(self.port_row("late")["ip_addr"], "10.21.62.2")
        self.assertEqual(self.reached("late", ["10.21.62.1"]), {"10.21.62.1"})

    def test_ip_ranges(self) -> None:
        """Docker assigns from the range. A machine of the subnet outside of it and the containers reach each other."""
        ranged = attrs.evolve(PLACE, pool="10.21.59.0/24", gateway="10.21.59.1", ip_range="10.21.59.64/27")
        for name in ("one", "two"):
            self.run_container(name, ranged)
        machine = attrs.evolve(PLACE, host="b", address="10.21.59.200")
        self.run_container("machine", machine)
        for name in ("one", "two"):
            self.assertIn(ip_address(self.address(name)), ip_network("10.21.59.64/27"))
        everyone = {"one-two", "two-one", "one-machine", "machine-one", "two-machine", "machine-two"}
        self.assertEqual(self.pairs("one", "two", "machine"), everyone)

    def test_range_without_gateway(self) -> None:
        """Docker takes the first address of the range for the gateway then, which is not that of the subnet."""
        ranged = attrs.evolve(PLACE, pool="10.21.59.0/24", ip_range="10.21.59.64/27")
        self.assertIn("gateway: Docker 10.21.59.64, Nuage 10.21.59.1", self.refused_container("one", ranged))

    def test_what_is_shown(self) -> None:
        """The answer is in the plugin's log, and EndpointOperInfo tells it."""
        self.run_container("web", WEB)
        host = self.hosts["a"]
        network, endpoint = self.network_id("web"), self.endpoint_id("web")
        info = call(host, "NetworkDriver.EndpointOperInfo", {"NetworkID": network, "EndpointID": endpoint})["Value"]
        self.assertTrue(info["resolved"])
        answer = {key: info[key] for key in ("address", "mask", "gateway", "vrf_id", "evpn_id")}
        self.assertEqual(
            answer,
            {
                "address": "10.21.59.2",
                "mask": "255.255.255.0",
                "gateway": "10.21.59.1",
                "vrf_id": 2001,
                "evpn_id": 102,
            },
        )
        self.assertIn(
            f"endpoint={endpoint[:12]} is resolved to 10.21.59.2/255.255.255.0 via 10.21.59.1, vrf 2001, evpn 102",
            host.plugin.process.tail(),
        )

    def test_controller_that_comes_back_in_time(self) -> None:
        """A container that started without one waits for it."""
        host = self.hosts["a"]
        self.addCleanup(self.recover)
        self.make_network(WEB)
        self.vsc.leave()
        wait_until("the role is gone", lambda: not self.vsc.is_master(host), 10)
        with ThreadPoolExecutor() as pool:
            running = pool.submit(self.run_container, "web", WEB)
            wait_until("its port is there", lambda: host.switch.rows("Nuage_Port_Table"), 10)
            self.assertFalse(running.done(), "it started without a controller")
            self.vsc.come_back()
            running.result(20)
        self.assertEqual(self.port_row("web")["ip_addr"], WEB.address)

    def change_topology(self, text: str) -> None:
        """Write another topology and have it read."""
        self.pair.topology.write_text(text)
        self.vsc.reload()


class RefusedTests(ResolutionTestCase):
    """Ports that are not, or to something else: Docker prints why, and the switch is left as it was."""

    resolve_timeout = 2.0

    def test_misspelt_zone(self) -> None:
        """Everything that can be misspelt is named."""
        said = self.refused_container("web", attrs.evolve(WEB, zone="Zoen"))
        self.assertIn(
            'the VRS did not resolve the port within 2 s: organization "Enterprise", domain "Domain", zone "Zoen", '
            'subnet "Subnet 2", user "admin", address 10.21.59.2/24; a controller is connected.',
            said,
        )

    def test_unknown_policy_group(self) -> None:
        """A group that the domain does not have leaves the port without an address."""
        said = self.refused_container("web", WEB, "--label=nuage.policy-group=wbe")
        self.assertIn('subnet "Subnet 2", user "admin", policy group "wbe", address 10.21.59.2/24;', said)
        self.assertIn('there is no policy group "wbe" in domain "Domain"', self.vsc.process.tail())

    def test_misspelt_label(self) -> None:
        """The container would run in no group, although its user named one."""
        said = self.refused_container("web", WEB, "--label=nuage.policygroup=web")
        self.assertIn('container "web": unknown label "nuage.policygroup"; did you mean "nuage.policy-group"?', said)

    def test_wrong_cidr(self) -> None:
        """Docker's mask and gateway are shown beside those of Nuage."""
        said = self.refused_container("web", attrs.evolve(WEB, pool="10.21.59.0/25", gateway="10.21.59.126"))
        self.assertIn("CIDR and IPAM must be the same as in Nuage", said)
        self.assertIn("mask: Docker 255.255.255.128, Nuage 255.255.255.0", said)
        self.assertIn("gateway: Docker 10.21.59.126, Nuage 10.21.59.1", said)

    def test_address_in_use(self) -> None:
        """A machine at another host has it; once that is gone the container starts."""
        self.run_container("owner", attrs.evolve(WEB, host="b"))
        said = self.refused_container("web", WEB)
        self.assertIn("the VRS did not resolve the port within 2 s", said)
        self.assertIn("address 10.21.59.2/24", said)
        self.hosts["b"].docker("rm", "-f", "owner")
        self.hosts["a"].docker("start", "web")
        self.wait_for_resolution("web")

    def test_lost_controller(self) -> None:
        """It is said when the time is over; when the controller is back the container starts."""
        host = self.hosts["a"]
        self.addCleanup(self.recover)
        self.vsc.leave()
        wait_until("the role is gone", lambda: not self.vsc.is_master(host), 10)
        said = self.refused_container("web", WEB)
        self.assertIn("the VRS has no controller", said)
        self.assertIn("none came within 2 s", said)
        self.recover()
        host.docker("start", "web")
        self.wait_for_resolution("web")

    def test_second_network_of_the_subnet(self) -> None:
        """It would assign the same addresses: it is refused, naming the first, and leaves nothing."""
        self.make_network(WEB)
        host = self.hosts["a"]
        (first,) = host.docker("network", "ls", "-q", "--no-trunc", "--filter", "driver=nuage").stdout.split()
        before = marks(host)
        other = attrs.evolve(WEB, ip_range="10.21.59.64/27")
        done = host.docker("network", "create", "--driver=nuage", *other.network_options(), "second", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f'network {first} stands for organization "Enterprise", domain "Domain"', done.stderr)
        self.assertEqual(marks(host), before)

    def test_networks_of_the_subnet_that_are_created_at_once(self) -> None:
        """One of them is accepted. Docker has not stored it yet when the next one is checked."""
        host = self.hosts["a"]

        def create(number: int) -> str:
            place = attrs.evolve(WEB, ip_range=f"10.21.59.{number * 32}/27")
            words = ("network", "create", "--driver=nuage", *place.network_options(), f"together-{number}")
            return host.docker(*words, check=False).stderr

        numbers = range(4)
        self.addCleanup(host.docker, "network", "rm", *(f"together-{number}" for number in numbers), check=False)
        with ThreadPoolExecutor() as pool:
            messages = list(pool.map(create, numbers))
        self.assertEqual(messages.count(""), 1, messages)
        self.assertEqual(sum("stands for organization" in message for message in messages), 3, messages)


def call(host: Host, method: str, body: dict[str, Any]) -> Any:
    """Make one of Docker's calls at a plugin's socket and return what it answers."""
    content = json.dumps(body).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(host.plugin.socket))
        connection.sendall(f"POST /{method} HTTP/1.0\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
        with connection.makefile("rb") as answer:
            return json.loads(answer.read().partition(b"\r\n\r\n")[2])
