"""Containers on Nuage networks: what a user types, and what the VRS is told."""

from __future__ import annotations

import json

from lab.dockerd import IMAGE
from tests.e2e.host_support import HostTestCase


class TranscriptTests(HostTestCase):
    """The commands that the README opens with."""

    def test_create_list_inspect_run(self) -> None:
        """A network is created, listed and inspected with its options, and a container runs on it."""
        network_id = self.create_network("MyNet")
        self.assertRegex(network_id, r"\A[0-9a-f]{64}\Z")
        listed = self.docker(
            "network", "ls", "--filter", "driver=nuage", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"
        )
        self.assertEqual(listed, "MyNet nuage local")
        (inspected,) = json.loads(self.docker("network", "inspect", "MyNet"))
        self.assertEqual(
            inspected["Options"],
            {
                "organization": "Enterprise",
                "domain": "Domain",
                "zone": "Zone",
                "subnet": "Subnet 2",
                "user": "admin",
            },
        )
        self.assertEqual(inspected["IPAM"]["Config"], [{"Subnet": "10.21.59.0/24"}])
        shown = self.docker("run", "--rm", "--net", "MyNet", IMAGE, "ip", "-4", "addr", "show", "eth0")
        self.assertIn("inet 10.21.59.2/24", shown)

    def test_two_containers_reach_each_other(self) -> None:
        """Containers on one network exchange packets, by address and by name, and route through the gateway."""
        self.create_network("pair")
        self.run_container("one", "pair")
        self.run_container("two", "pair")
        self.assert_reaches("one", self.inspect("two", "pair", "IPAddress"))
        self.assert_reaches("two", self.inspect("one", "pair", "IPAddress"))
        self.assert_reaches("one", "two")
        self.assertEqual(
            self.inside("one", "ip", "route").splitlines()[0].split()[:3], ["default", "via", "10.21.59.1"]
        )
        self.assertEqual(self.devices("one"), ["eth0", "lo"])

    def test_enterprise_is_another_word_for_organization(self) -> None:
        """The option may be called enterprise; the rows are the same."""
        self.create_network("alias", organization="", enterprise="Acme")
        self.run_container("one", "alias")
        entity = self.row_of("Nuage_VM_Table", "vm_name", "one")
        self.assertEqual(entity["nuage_enterprise"], "Acme")

    def devices(self, container: str) -> list[str]:
        """Return the names of a container's network devices."""
        return sorted(self.inside(container, "ls", "/sys/class/net").split())


class RowTests(HostTestCase):
    """What the VRS reads in its database."""

    def test_rows_of_an_l3_domain(self) -> None:
        """All columns of the Nuage tables and the marks of the stock tables are as a VRS expects them."""
        network_id = self.create_network("rows")
        container_id = self.run_container("web", "rows", "--ip=10.21.59.77")
        endpoint, mac = self.endpoint_id("web", "rows"), self.inspect("web", "rows", "MacAddress")
        port = f"nu{endpoint[:13]}"
        self.assertEqual(
            _told(self.row_of("Nuage_Port_Table", "name", port)),
            {
                "name": port,
                "mac": mac,
                "bridge": "alubr0",
                "vm_domain": 4,
                "nuage_domain": "Domain",
                "nuage_zone": "Zone",
                "nuage_network": "Subnet 2",
                "nuage_network_type": "ipv4",
                "metadata": {
                    "nuage-enterprise-domain": "Domain",
                    "nuage-enterprise-zone": "Zone",
                    "nuage-enterprise-network": "Subnet 2",
                    "nuage-enterprise-network-type": "ipv4",
                    "static-ip": "10.21.59.77",
                },
            },
        )
        self.assertEqual(
            _told(self.row_of("Nuage_VM_Table", "vm_uuid", endpoint)),
            {
                "vm_uuid": endpoint,
                "vm_name": "web",
                "type": 4,
                "domain": 4,
                "event": 2,
                "event_type": 0,
                "state": 1,
                "reason": 1,
                "nuage_enterprise": "Enterprise",
                "nuage_user": "admin",
                "metadata": {"enterprise": "Enterprise"},
                "ports": port,
            },
        )
        interface = self.row_of("Interface", "name", port)
        self.assertGreater(interface["ofport"], 0)
        marks = interface["external_ids"]
        self.assertEqual((marks["vm-uuid"], marks["vm-name"]), (endpoint, "web"))
        self.assertEqual((marks["nuage-endpoint"], marks["nuage-network"]), (endpoint, network_id))
        self.assertEqual(marks["nuage-container"], container_id)
        self.assertEqual(json.loads(marks["nuage-record"])["address"], "10.21.59.77/24")
        on_port = self.row_of("Port", "name", port)["external_ids"]
        self.assertEqual(on_port, {"vm-uuid": endpoint, "vm-name": "web"})
        self.assertIn(port, self.host.switch.ports())
        self.assertIn(port, self.host.links())

    def test_rows_of_an_l2_domain(self) -> None:
        """A network without zone and subnet is an L2 domain: neither column nor metadata names them."""
        self._networks.append("flat")
        options = ("-o=organization=Enterprise", "-o=domain=Flat", "-o=user=admin")
        self.docker("network", "create", "--driver=nuage", *options, "--subnet=10.21.61.0/24", "flat")
        self.run_container("web", "flat")
        row = self.row_of("Nuage_Port_Table", "nuage_domain", "Flat")
        self.assertEqual((row["nuage_zone"], row["nuage_network"]), ("", ""))
        self.assertNotIn("nuage-enterprise-zone", row["metadata"])
        self.assertNotIn("nuage-enterprise-network", row["metadata"])

    def test_everything_goes_with_the_container(self) -> None:
        """Rows, bridge port and veth pair are gone once the container is stopped, before the network is removed."""
        self.create_network("gone")
        with_network = self.state()
        self.run_container("web", "gone")
        self.assertNotEqual(self.state(), with_network)
        self.docker("stop", "-t", "0", "web")
        self.wait_for_state(with_network)
        self.docker("start", "web")
        self.remove_container("web")
        self.wait_for_state(with_network)
        self.remove_network("gone")
        self.assert_nothing_left()


class AddressTests(HostTestCase):
    """Addresses and MTU that a user chooses."""

    def test_static_address_and_mac(self) -> None:
        """Address and MAC that are given reach the container and the VRS."""
        self.create_network("fixed")
        self.run_container("one", "fixed", "--ip=10.21.59.99", "--mac-address=02:42:0a:15:3b:63")
        shown = self.inside("one", "ip", "addr", "show", "eth0")
        self.assertIn("inet 10.21.59.99/24", shown)
        self.assertIn("link/ether 02:42:0a:15:3b:63", shown)
        row = self.row_of("Nuage_Port_Table", "mac", "02:42:0a:15:3b:63")
        self.assertEqual(row["metadata"]["static-ip"], "10.21.59.99")
        self.run_container("two", "fixed")
        self.assert_reaches("two", "10.21.59.99")

    def test_made_mac(self) -> None:
        """Without a MAC the driver makes one that starts with 7a:42; container, Docker and VRS agree on it."""
        self.create_network("made")
        self.run_container("one", "made")
        mac = self.inspect("one", "made", "MacAddress")
        self.assertRegex(mac, r"\A7a:42(:[0-9a-f]{2}){4}\Z")
        self.assertIn(mac, self.inside("one", "ip", "link", "show", "eth0"))
        self.row_of("Nuage_Port_Table", "mac", mac)

    def test_address_is_free_again(self) -> None:
        """A static address can be taken again at once by the next container."""
        self.create_network("again")
        for name in ("first", "second", "third"):
            self.run_container(name, "again", "--ip=10.21.59.50", "--mac-address=02:42:0a:15:3b:32")
            self.remove_container(name)

    def test_mtu_on_both_ends(self) -> None:
        """The MTU option of a network is applied to both ends of the pair."""
        self.create_network("jumbo", "-o=com.docker.network.driver.mtu=1342")
        self.run_container("one", "jumbo")
        port = f"nu{self.endpoint_id('one', 'jumbo')[:13]}"
        self.assertIn("mtu 1342 ", self.inside("one", "ip", "link", "show", "eth0"))
        self.assertIn("mtu 1342 ", self.host.run("ip", "link", "show", port).stdout)

    def test_ip_range_chooses_the_gateway(self) -> None:
        """Docker takes the first address of the range as the gateway; the container routes through that one."""
        self.create_network("range", "--ip-range=10.21.58.128/25", pool="10.21.58.0/24", subnet="Range")
        self.run_container("one", "range")
        self.assertIn("default via 10.21.58.128 ", self.inside("one", "ip", "route"))


class KindsOfNetworkTests(HostTestCase):
    """Dual-stack and several networks."""

    def test_dual_stack(self) -> None:
        """IPv6 addresses and gateway of a dual-stack network are passed through."""
        self.create_network("dual", "--ipv6", "--subnet=fd00:21:59::/64")
        self.run_container("one", "dual")
        self.run_container("two", "dual", "--ip6=fd00:21:59::77")
        self.assert_reaches("one", "fd00:21:59::77", ping="ping6")
        self.assert_reaches("one", self.inspect("two", "dual", "IPAddress"))
        self.assertIn("default via fd00:21:59::1 ", self.inside("one", "ip", "-6", "route"))

    def test_two_networks(self) -> None:
        """A container on two Nuage networks reaches both, and is an entity of its own on each."""
        self.create_network("left")
        self.create_network("right", pool="10.21.60.0/24", organization="Other")
        self.run_container("both", "left")
        self.docker("network", "connect", "right", "both")
        self.run_container("onleft", "left")
        self.run_container("onright", "right")
        self.assert_reaches("both", self.inspect("onleft", "left", "IPAddress"))
        self.assert_reaches("both", self.inspect("onright", "right", "IPAddress"))
        self.assertEqual(self.inside("both", "ip", "route").count("default"), 1)
        entities = [row for row in self.rows("Nuage_VM_Table") if row["vm_name"] == "both"]
        self.assertEqual(sorted(row["nuage_enterprise"] for row in entities), ["Enterprise", "Other"])

    def test_connect_and_disconnect(self) -> None:
        """A running container can be connected and disconnected, again and again, with an address of choice."""
        self.create_network("plug")
        self.run_container("peer", "plug")
        self.run_container("late", "none")
        self.docker("network", "disconnect", "none", "late")
        before = self.state()
        for address in ("10.21.59.40", "10.21.59.41"):
            self.docker("network", "connect", "--ip", address, "plug", "late")
            self.assert_reaches("peer", address)
            self.docker("network", "disconnect", "plug", "late")
            self.wait_for_state(before)
            self.assertEqual(self.inside("late", "ls", "/sys/class/net").split(), ["lo"])

    def test_restart_of_a_container(self) -> None:
        """A restarted container is on the network again, with its address and one set of rows."""
        self.create_network("restart")
        self.run_container("peer", "restart")
        self.run_container("one", "restart", "--ip=10.21.59.44")
        rows = {table: len(self.rows(table)) for table in ("Nuage_Port_Table", "Nuage_VM_Table", "Interface")}
        self.docker("restart", "-t", "0", "one")
        self.assert_reaches("peer", "10.21.59.44")
        self.assertEqual({table: len(self.rows(table)) for table in rows}, rows)
        self.assertEqual(self.row_of("Nuage_VM_Table", "vm_name", "one")["event"], 2)

    def test_ten_at_once(self) -> None:
        """Ten containers started at the same moment all come up, each with an address and rows of its own."""
        self.create_network("many")
        names = [f"many{number}" for number in range(10)]
        for name in names:
            self._containers.append(name)
            self.docker("create", "--name", name, "--net", "many", IMAGE, "sleep", "1000")
        # One CLI asks for all of them concurrently.
        self.docker("start", *names)
        addresses = {self.inspect(name, "many", "IPAddress") for name in names}
        self.assertEqual(len(addresses), 10)
        entities = {row["vm_name"] for row in self.rows("Nuage_VM_Table")}
        self.assertLessEqual(set(names), entities)
        for address in sorted(addresses)[:3]:
            self.assert_reaches("many9", address)


def _told(row: dict[str, object]) -> dict[str, object]:
    """Return the columns of a row that have a value and are not the database's own."""
    return {column: value for column, value in row.items() if not column.startswith("_") and column not in _OF_THE_VRS}


#: Columns that the plugin leaves to the VRS.
_OF_THE_VRS = frozenset({"ip_addr", "subnet_mask", "gateway", "vrf_id", "evpn_id", "alias", "dirty"})
