"""The gateway's address of a network: Docker sets it aside, and no container gets it."""

from __future__ import annotations

import json
import shutil
from unittest import TestSuite

from twisted.trial.runner import TestLoader

from lab.dockerd import IMAGE
from lab.release import accepts
from tests.e2e.host_support import SINCE_28, HostTestCase


class GatewayTests(HostTestCase):
    """A Docker that would ask a driver whether a network needs an address for its gateway (GwAllocCheck)."""

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


def test_suite() -> TestSuite:
    """Return the tests for a Docker that knows the question."""
    asks = shutil.which("dockerd") is None or accepts(SINCE_28)
    return TestSuite(TestLoader().loadClass(each) for each in ((GatewayTests,) if asks else ()))
