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

from lab.plugin import Plugin
from lab.shell import wait_until
from tests.e2e.host_support import marks
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


class MarkTests(RepairTestCase):
    """The marks that prove whose a port is, wiped by hand."""

    def ids(self, container: str) -> list[str]:
        """Return the marks of a container's interface and port."""
        return [
            self.host.switch.vsctl("get", table, self.port(container), "external_ids")
            for table in ("Interface", "Port")
        ]

    def wipe(self, container: str) -> None:
        """Remove both."""
        for table in ("Interface", "Port"):
            self.host.switch.vsctl("clear", table, self.port(container), "external_ids")

    def test_they_are_put_back(self) -> None:
        """Also after a restart of the plugin, which asks Docker then. A port without marks goes with its container."""
        clean = marks(self.host)
        for name in ("victim", "removed"):
            self.run_container(name, PLACE)
        whole, rows = self.ids("victim"), self.host.switch.rows("Nuage_VM_Table")
        self.wipe("victim")
        self.audit()
        wait_until("the marks are back", lambda: self.ids("victim") == whole, 20)
        self.assertEqual(self.host.switch.rows("Nuage_VM_Table"), rows)
        self.host.plugin.stop()
        self.wipe("victim")
        self.host.plugin.start()
        self.host.plugin.wait()
        wait_until("the marks are back", lambda: self.ids("victim") == whole, 20)
        self.assertEqual(self.logged("#warn|#error|#critical"), 0)
        self.wipe("removed")
        self.host.docker("rm", "-f", "victim", "removed")
        self.host.docker("network", "rm", PLACE.network)
        wait_until("nothing is left", lambda: marks(self.host) == clean, 10)


class LinkTests(RepairTestCase):
    """The host end of a container's link, changed by hand."""

    def test_it_is_mended(self) -> None:
        """Set down, renamed, and without its alias; one that was moved away is told of."""
        gateway = "10.21.58.1"
        for name in ("victim", "lost"):
            self.run_container(name, PLACE)
        port, lost = self.port("victim"), self.port("lost")
        elsewhere = f"{self.host.name}-elsewhere"
        self.addCleanup(self.host.run, "ip", "netns", "delete", elsewhere, check=False)
        self.host.run("ip", "netns", "add", elsewhere)
        self.host.run("ip", "link", "set", lost, "netns", elsewhere)
        self.host.run("ip", "link", "set", port, "down")
        self.wait_until_repaired("victim", gateway)
        self.host.run("ip", "link", "set", port, "down")
        self.host.run("ip", "link", "set", port, "name", "renamed", "alias", "")
        self.host.run("ip", "link", "set", "renamed", "alias", f"nuage endpoint {self.endpoint_id('victim')}")
        self.wait_until_repaired("victim", gateway)
        self.host.run("ip", "link", "set", port, "alias", "")
        self.audit()
        wait_until("three repairs", lambda: self.logged("audit: mend link") == 3, 20)
        shown = self.host.run("ip", "-o", "link", "show", port).stdout
        self.assertIn(f"alias nuage endpoint {self.endpoint_id('victim')}", shown)
        self.assertEqual(self.logged(f'container "lost" uses it, but there is no link {lost}'), 1)
        self.assertEqual(self.logged("#warn|#error"), 1)


class TwoPluginsTests(RepairTestCase):
    """Two plugins, with sockets of two names, on one switch and one Docker."""

    def setUp(self) -> None:
        """Start the second one."""
        super().setUp()
        folder = self.host.folder / "second"
        folder.mkdir(exist_ok=True)
        self.second = Plugin(self.host.namespace, folder, self.host.dockerd.socket)
        self.second.configure(plugin_socket="/run/docker/plugins/nuage2.sock")
        self.second.start()
        self.addCleanup(self.second.stop)
        self.second.wait()

    def record_keys(self) -> set[str]:
        """Return the keys of the records at the bridge."""
        return set(marks(self.host)["records"])

    def test_each_leaves_the_others_networks_alone(self) -> None:
        """Networks without containers; a stale endpoint of each shows that both have audited."""
        self.make_network(PLACE)
        options = (f"-o={each}" for each in ("organization=Enterprise", "user=admin", "domain=Flat"))
        self.host.docker("network", "create", "--driver=nuage2", *options, "--subnet=10.21.61.0/24", "flat")
        self.addCleanup(self.host.docker, "network", "rm", "flat")
        networks = self.record_keys()
        self.assertEqual(len(networks), 2)
        for digit, owner in (("5", "nuage.sock"), ("6", "nuage2.sock")):
            stale = {"id": digit * 64, "network_id": "7" * 64, "mac": "7a:42:00:00:00:01", "owner": owner}
            value = json.dumps(json.dumps(stale))
            self.host.switch.vsctl("set", "bridge", "alubr0", f"external_ids:nuage-endpoint-{stale['id']}={value}")
        self.audit()
        self.second.process.send(signal.SIGUSR2)
        wait_until("both have audited", lambda: self.record_keys() == networks, 20)
        for log in (self.log.read_text(), self.second.process.log.read_text()):
            self.assertNotIn("forget network", log)
        self.assertIn(f"audit: remove endpoint {'6' * 64}", self.second.process.log.read_text())
        self.assertEqual(self.logged(f"audit: remove endpoint {'6' * 64}"), 0)


def _masked(word: str) -> str:
    """Return an option of docker without host bits in its prefix."""
    option, equals, value = word.partition("=")
    return option + equals + (str(ip_network(value, strict=False)) if option in ("--subnet", "--ip-range") else value)
