"""How containers get out of their subnet, or do not."""

from __future__ import annotations

import json

from lab.dockerd import IMAGE
from lab.shell import wait_until
from tests.e2e.host_support import HostTestCase, place_options

#: A place without a gateway.
FLAT = {"domain": "Flat", "zone": "", "subnet": ""}
WEB_SERVER = ("sh", "-c", "mkdir -p /www && echo served >/www/index.html && exec httpd -f -p 80 -h /www")


class AddressFamilyTests(HostTestCase):
    """Networks that have no IPv4."""

    def test_ipv6_alone(self) -> None:
        """It is refused, and nothing is left of it. Docker before 28 has no such networks."""
        words = ("--driver=nuage", *place_options(), "--ipv4=false", "--ipv6", "--subnet=2001:db8:59::/64")
        refused = self.refused("network", "create", *words, "six")
        self.assertRegex(refused, "a network of IPv6 alone .* leave out --ipv4=false|unknown flag: --ipv4")


class GatewayTests(HostTestCase):
    """Networks with a gateway and without one."""

    def test_internal(self) -> None:
        """A container on an internal network has one device and no default route, and reaches its peers."""
        self.create_network("inside", "--internal")
        self.run_container("one", "inside")
        self.run_container("two", "inside")
        self.assertNotIn("default", self.inside("one", "ip", "route"))
        self.assertEqual(self.devices("one"), ["eth0", "lo"])
        self.assert_reaches("one", self.inspect("two", "inside", "IPAddress"))

    def test_without_a_gateway(self) -> None:
        """Docker adds no interface of its own, also where there is a gateway of IPv6. The VRS knows none either."""
        network = self.create_network("closed", "--ipv6", "--subnet=fd00:21:61::/64", pool="10.21.61.0/24", **FLAT)
        for missing in ("gateway", "gateway_v6"):
            self._drop_from_record(network, missing)
            self.run_container("one", "closed")
            self.assertEqual(self.devices("one"), ["eth0", "lo"])
            self.assertNotIn("default", self.inside("one", "ip", "route"))
            self.remove_container("one")

    def test_another_network_has_the_gateway(self) -> None:
        """A container gets out, and is reached at its published port, through the one network that has a gateway."""
        self.docker("network", "create", "--driver=bridge", "--subnet=10.99.0.0/24", "bridged")
        self._networks.append("bridged")
        closed = self.create_network("closed", pool="10.21.61.0/24", **FLAT)
        self._drop_from_record(closed, "gateway")
        self.create_network("inside", "--internal")
        for network in ("closed", "inside"):
            self._containers.append("both")
            self.docker("create", "--name=both", f"--net={network}", "--publish=8080:80", IMAGE, *WEB_SERVER)
            self.docker("network", "connect", "bridged", "both")
            self.docker("start", "both")
            self.assertEqual(self.devices("both"), ["eth0", "eth1", "lo"])
            self.assertEqual(self.default_routes("both"), ["10.99.0.1"])
            self.assert_served("127.0.0.1:8080")
            self.docker("network", "disconnect", "bridged", "both")
            self.assertEqual(self.default_routes("both"), [])
            self.assertEqual(len(self.devices("both")), 2)
            self.remove_container("both")

    def test_the_way_out_is_dockers_bridge(self) -> None:
        """Who asks for it gets out past the VRS, and published ports lead in; the Nuage subnet is reached as ever."""
        self.create_network("open", "--ipv6", "--subnet=fd00:21:59::/64", external="gwbridge")
        self.run_container("web", "open", "--publish=8080:80", command=WEB_SERVER)
        self.run_container("peer", "open")
        self.assertEqual(self.devices("web"), ["eth0", "eth1", "lo"])
        bridge = self.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "docker_gwbridge")
        self.assertEqual(self.default_routes("web"), [bridge])
        self.assertIn(":8080", self.docker("port", "web", "80/tcp"))
        self.assert_served("127.0.0.1:8080")
        self.assert_reaches("peer", self.inspect("web", "open", "IPAddress"))
        self.docker("restart", "-t", "0", "web")
        self.assert_served("127.0.0.1:8080")

    def test_published_port(self) -> None:
        """It does not fail, and leads nowhere: the container is reached at its own address."""
        self.create_network("ports")
        self.run_container("one", "ports", "--publish=8080:80", command=WEB_SERVER)
        self.run_container("peer", "ports")
        self.assertEqual(self.docker("port", "one"), "")
        self.assertEqual(self.host.run("busybox", "nc", "127.0.0.1", "8080", check=False).returncode, 1)
        self.assertEqual(self.inside("peer", "wget", "-qO-", "http://one/"), "served")

    def devices(self, container: str) -> list[str]:
        """Return the names of a container's network devices."""
        return sorted(self.inside(container, "ls", "/sys/class/net").split())

    def default_routes(self, container: str) -> list[str]:
        """Return where a container's default routes lead to."""
        routes = [line.split() for line in self.inside(container, "ip", "route").splitlines()]
        return [words[2] for words in routes if words[0] == "default"]

    def assert_served(self, address: str) -> None:
        """Assert that WEB_SERVER is reached from the host."""
        wait_until("it is served", lambda: self._answer(address) == "served", 5)

    def _answer(self, address: str) -> str:
        return self.host.run("busybox", "wget", "-qO-", f"http://{address}/", check=False).stdout.strip()

    def _drop_from_record(self, network: str, field: str) -> None:
        """Have the plugin know a network as if Docker had told it no such field: an IPAM driver may name no gateway."""
        (bridge,) = (row for row in self.rows("Bridge") if row["name"] == "alubr0")
        key = f"nuage-network-{network}"
        record = json.loads(bridge["external_ids"][key])
        del record[field]
        self.host.switch.vsctl("set", "bridge", "alubr0", f"external_ids:{key}={json.dumps(json.dumps(record))}")


class SetAsideTests(HostTestCase):
    """Docker from 28 on would ask a driver whether a network needs an address for its gateway (GwAllocCheck)."""

    def test_an_l2_domain_without_a_gateway(self) -> None:
        """The plugin did not ask to be asked. There may be a router at that address, so no container gets it."""
        flat = {"domain": "Flat", "zone": "", "subnet": ""}
        written = self.host.plugin.process.log.stat().st_size
        self.create_network("flat", "--ip-range=10.21.61.0/30", pool="10.21.61.0/24", **flat)
        self.run_container("second", "flat")
        self.run_container("third", "flat")
        (network,) = json.loads(self.docker("network", "inspect", "flat"))
        given = {each["IPv4Address"] for each in network["Containers"].values()}
        self.assertEqual(given, {"10.21.61.2/24", "10.21.61.3/24"})
        for address in ((), ("--ip=10.21.61.1",)):
            self.refused("run", "--rm", "--net", "flat", *address, IMAGE, "true")
        self.assertIn("default via 10.21.61.1", self.docker("exec", "second", "ip", "route"))
        written_since = self.host.plugin.process.log.read_bytes()[written:].decode()
        self.assertIn("NetworkDriver.CreateNetwork", written_since)
        self.assertNotIn("GwAllocCheck", written_since)
