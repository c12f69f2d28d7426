"""What the audit repairs under containers that the VRS resolves, with the default configuration."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import attrs

from lab.shell import wait_until
from tests.e2e.topology_support import Place, TopologyTestCase

PLACE = Place(
    host="a", organization="Enterprise", domain="Domain", zone="Zone", subnet="Subnet 1", pool="10.21.58.0/24"
)
#: How Docker from 25 on refuses host bits in a subnet or a range.
HOST_BITS_REFUSED = "invalid.*it should be"


class RepairTestCase(TopologyTestCase):
    """Faults that somebody makes by hand on host a."""

    def setUp(self) -> None:
        """Take the host."""
        super().setUp()
        self.host = self.hosts["a"]
        self.log = self.host.plugin.process.log
        self._logged = len(self.log.read_bytes())

    def audit(self) -> None:
        """Have the plugin audit now; what it finds is confirmed some seconds later."""
        self.host.plugin.process.send(signal.SIGUSR2)

    def logged(self, pattern: str) -> int:
        """Return how many lines of the plugin's log since the test's start have a pattern."""
        lines = self.log.read_bytes()[self._logged :].decode().splitlines()
        return len([line for line in lines if re.search(pattern, line)])

    def dry_run(self) -> subprocess.CompletedProcess[str]:
        """Have another process say what the plugin would do."""
        twistd = Path(sys.executable).parent / "twistd"
        options = ("--config", self.host.plugin.config, "--dry-run")
        return self.host.run(twistd, "-n", "--pidfile=", "nuage-plugin", *options, check=False)

    def port(self, container: str) -> str:
        """Return the name of a container's port, which is that of its link."""
        return "nu" + self.endpoint_id(container)[:13]

    def wait_until_repaired(self, container: str, address: str) -> None:
        """Have the plugin audit, and wait until a container reaches an address again."""
        self.audit()
        wait_until(f"{container} reaches {address}", lambda: address in self.reached(container, [address]), 20)


class TypedPrefixTests(RepairTestCase):
    """Networks whose subnet or range was typed with host bits; Docker from 25 on refuses them."""

    def create_typed(self, name: str, subnet: str, *words: str) -> None:
        """Create a network at PLACE with prefixes as somebody types them."""
        options = ["-o=organization=Enterprise", "-o=user=admin", "-o=domain=Domain", "-o=zone=Zone"]
        self._networks.add(("a", name))
        create = ("network", "create", "--driver=nuage", *options, "-o=subnet=Subnet 2", f"--subnet={subnet}", *words)
        done = self.host.docker(*create, name, check=False)
        if done.returncode:
            self.assertRegex(done.stderr, HOST_BITS_REFUSED)
            self.host.docker(*(_masked(word) for word in create), name)

    def test_repairs_go_on(self) -> None:
        """A port of another network is put back, a network that was typed so is learnt, and a dry run tells all."""
        for name, subnet, words in (
            ("typed", "10.21.59.7/24", ()),
            ("typed-six", "10.77.1.7/24", ("--ipv6", "--subnet=fd00:59::5/64", "-o=subnet=Six")),
            ("typed-range", "10.77.2.7/24", ("--ip-range=10.77.2.130/25", "-o=subnet=Range")),
        ):
            self.create_typed(name, subnet, *words)
        self.run_container("victim", PLACE)
        typed = self.host.docker("network", "inspect", "-f", "{{.Id}}", "typed").stdout.strip()
        self.host.switch.vsctl("del-port", "alubr0", self.port("victim"))
        done = self.dry_run()
        restore = f"would put back what the switch lacks of endpoint {self.endpoint_id('victim')}"
        self.assertEqual((done.stdout.splitlines(), done.returncode), ([restore, "1 proposals; nothing was done"], 0))
        self.wait_until_repaired("victim", "10.21.58.1")
        self.assertEqual(self.logged("Traceback|cannot be read|a bug"), 0)
        # Nothing of a network is left but what Docker knows of it.
        self.host.switch.vsctl("remove", "bridge", "alubr0", "external_ids", f"nuage-network-{typed}")
        self._places["web"] = attrs.evolve(PLACE, subnet="Subnet 2", pool="10.21.59.0/24")
        self.host.docker("run", "-d", "--name=web", "--network=typed", "busybox:local", "sleep", "1000")
        record = json.loads(self.host.switch.vsctl("get", "bridge", "alubr0", f"external_ids:nuage-network-{typed}"))
        pool = json.loads(record)
        self.assertEqual((pool["pool"], pool["gateway"]), ("10.21.59.0/24", "10.21.59.1"))


def _masked(word: str) -> str:
    """Return an option of docker without host bits in its prefix."""
    option, equals, value = word.partition("=")
    return option + equals + (str(ip_network(value, strict=False)) if option in ("--subnet", "--ip-range") else value)
