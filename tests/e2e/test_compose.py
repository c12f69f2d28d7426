"""docker-compose brings up the example stack, on a network that it makes and on one that was there."""

from __future__ import annotations

import subprocess
import tempfile
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from lab.dockerd import IMAGE
from lab.shell import run
from tests.e2e.host_support import HostTestCase, demand_programs

_PROGRAM = "/usr/bin/docker-compose"
_FILE = Path(__file__).parent.parent.parent / "examples" / "compose.yaml"
_PROJECT = "shop"
_FRONT = f"{_PROJECT}_front"


class ComposeTests(HostTestCase):
    """The stack of examples/compose.yaml."""

    def setUp(self) -> None:
        """Make the network that the stack expects to be there."""
        demand_programs(_PROGRAM)
        super().setUp()
        self.create_network("storage", pool="10.21.60.0/24", zone="Backend", subnet="Storage")

    def compose(self, *words: str, file: Path = _FILE, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run docker-compose for the stack."""
        environment = (f"DOCKER_HOST=unix://{self.host.dockerd.socket}", f"IMAGE={IMAGE}")
        command = (_PROGRAM, f"--project-name={_PROJECT}", f"--file={file}", *words)
        return run("env", *environment, *command, check=check, timeout=100)

    def up(self, *words: str) -> None:
        """Bring the stack up; it is taken down at the end, whatever becomes of the test."""
        self.addCleanup(self.compose, "down", check=False)
        self.compose("up", "-d", *words)

    def entities(self) -> list[str]:
        """Return the names of the containers that the VRS was told of, once for each endpoint."""
        return sorted(str(row["vm_name"]) for row in self.rows("Nuage_VM_Table"))

    def policy_group(self, container: str, network: str) -> str | None:
        """Return the policy group that the VRS was told for a container's port."""
        name = f"nu{self.endpoint_id(container, network)[:13]}"
        group: str | None = self.row_of("Nuage_Port_Table", "name", name)["metadata"].get("nuage-policy-group")
        return group

    def test_networks_and_names(self) -> None:
        """Options, addresses, labels and names are those of the file; services reach each other by name."""
        self.up()
        self.assertEqual(self.entities(), ["shop_db_1", "shop_db_1", "shop_web_1"])
        self.assertEqual(self.policy_group("shop_web_1", _FRONT), "web")
        self.assertEqual(self.policy_group("shop_db_1", _FRONT), None)
        self.assertEqual(self.inspect("shop_db_1", _FRONT, "IPAddress"), "10.21.59.10")
        self.assertIn(IPv4Address(self.inspect("shop_web_1", _FRONT, "IPAddress")), IPv4Network("10.21.59.128/25"))
        self.assertIn("default via 10.21.59.1 ", self.inside("shop_web_1", "ip", "route"))
        self.assert_reaches("shop_web_1", "db")
        self.assert_reaches("shop_db_1", "web")

    def test_scale_restart_and_down(self) -> None:
        """Containers come and go with the stack, and nothing of it is left in the end."""
        before = self.state()
        self.up()
        self.compose("up", "-d", "--scale", "web=3")
        webs = [f"shop_web_{number}" for number in (1, 2, 3)]
        self.assertEqual(self.entities(), ["shop_db_1", "shop_db_1", *webs])
        self.assertEqual(len({self.inspect(web, _FRONT, "IPAddress") for web in webs}), 3)
        self.assertEqual([self.policy_group(web, _FRONT) for web in webs], ["web"] * 3)
        self.compose("restart")
        self.assertEqual(self.entities(), ["shop_db_1", "shop_db_1", *webs])
        self.assertEqual(self.inspect("shop_db_1", _FRONT, "IPAddress"), "10.21.59.10")
        for web in webs:
            self.assert_reaches(web, "db")
        self.compose("down")
        self.wait_for_state(before)

    def test_a_wrong_option(self) -> None:
        """The driver's message comes through, and nothing is made."""
        before = self.state()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(_FILE.read_text().replace("zone: Zone", "zoen: Zone"))
            file.flush()
            self.addCleanup(self.compose, "down", check=False)
            done = self.compose("up", "-d", file=Path(file.name), check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('unknown option "zoen"; did you mean "zone"?', done.stderr)
        self.assertEqual(self.state(), before)
