"""How containers get out of their subnet, or do not."""

from __future__ import annotations

import json

from tests.e2e.host_support import HostTestCase


class GatewayTests(HostTestCase):
    """Networks with a gateway and without one."""

    def test_internal(self) -> None:
        """A container on an internal network has one device and no default route, and reaches its peers."""
        self.create_network("inside", "--internal")
        self.run_container("one", "inside")
        self.run_container("two", "inside")
        self.assertNotIn("default", self.inside("one", "ip", "route"))
        self.assertEqual(sorted(self.inside("one", "ls", "/sys/class/net").split()), ["eth0", "lo"])
        self.assert_reaches("one", self.inspect("two", "inside", "IPAddress"))

    def test_without_a_gateway(self) -> None:
        """Docker adds no interface of its own, also where there is a gateway of IPv6. The VRS knows none either."""
        flat = {"domain": "Flat", "zone": "", "subnet": ""}
        network = self.create_network("closed", "--ipv6", "--subnet=fd00:21:61::/64", pool="10.21.61.0/24", **flat)
        for missing in ("gateway", "gateway_v6"):
            self._drop_from_record(network, missing)
            self.run_container("one", "closed")
            self.assertEqual(sorted(self.inside("one", "ls", "/sys/class/net").split()), ["eth0", "lo"])
            self.assertNotIn("default", self.inside("one", "ip", "route"))
            self.remove_container("one")

    def test_published_port(self) -> None:
        """Publishing a port does not fail."""
        self.create_network("ports")
        self.run_container("one", "ports", "--publish=8080:80")
        self.assertEqual(self.docker("inspect", "-f", "{{.State.Running}}", "one"), "true")

    def _drop_from_record(self, network: str, field: str) -> None:
        """Have the plugin know a network as if Docker had told it no such field: an IPAM driver may name no gateway."""
        (bridge,) = (row for row in self.rows("Bridge") if row["name"] == "alubr0")
        key = f"nuage-network-{network}"
        record = json.loads(bridge["external_ids"][key])
        del record[field]
        self.host.switch.vsctl("set", "bridge", "alubr0", f"external_ids:{key}={json.dumps(json.dumps(record))}")
