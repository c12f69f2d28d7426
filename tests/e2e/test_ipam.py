"""Networks whose addresses are from the VSD."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import ClassVar

import yaml

from lab.controlled import ControlledHost
from lab.dockerd import IMAGE
from lab.shell import run, wait_until
from nuage.cli.control import Control
from nuage.ipam.pool import Pool
from tests.e2e.host_support import PLACE, HostTestCase, controlled_host, demand_programs
from tests.e2e.ipam_support import Vsd, ipam_options

_COMPOSE = "/usr/bin/docker-compose"
_STACK = {
    "version": "3.8",
    "services": {"web": {"image": IMAGE, "command": "sleep 1000", "stop_signal": "SIGKILL", "networks": ["front"]}},
    "networks": {"front": {"driver": "nuage", "ipam": {"driver": "nuage", "options": PLACE}}},
}


class IpamTests(HostTestCase):
    """On a host whose plugin knows a VSD."""

    _host: ClassVar[ControlledHost | None] = None

    def demand_host(self) -> ControlledHost:
        """See HostTestCase. Docker learns what the plugin is when it asks for it first: not before it knows the VSD."""
        demand_programs()
        cls = type(self)
        if cls._host is None:
            cls._host = host = controlled_host("ipam-")
            host.start()
            self.configure(host)
        return cls._host

    def configure(self, host: ControlledHost, **changes: object) -> None:
        """Restart the plugin with a VSD."""
        host.plugin.stop()
        assert host.vsc.vsd_url
        host.plugin.configure(**host.vsc.vsd.configuration(), **changes)
        host.plugin.start()
        host.plugin.wait()

    def setUp(self) -> None:
        """Ask the VSD."""
        super().setUp()
        self.vsd = Vsd(self.host.vsc)

    def tearDown(self) -> None:
        """Nothing may be left at the VSD either."""
        super().tearDown()
        wait_until("nothing is held", lambda: self.vsd.held() == set(), 15)

    def create(self, name: str, *words: str, options: Sequence[str] = ()) -> None:
        """Create a network without saying more than what --ipam-opt says."""
        self._networks.append(name)
        self.docker("network", "create", "--driver=nuage", *(options or ipam_options()), *words, name)

    def addresses(self, network: str, *containers: str) -> set[str]:
        """Return the addresses of containers."""
        return {self.inspect(container, network, "IPAddress") for container in containers}

    def request_address(self) -> None:
        """Ask the plugin for an address as a Docker does that is killed then."""
        pool = Pool.at(PLACE, IPv4Network("10.21.59.0/24"))
        body = json.dumps({"PoolID": pool.id, "Address": "", "Options": {}})
        Control(self.host.plugin.socket).ask("POST", "/IpamDriver.RequestAddress", body)

    def test_addresses_from_the_vsd(self) -> None:
        """CIDR and gateway need not be said; what runs is held at the VSD, and given back, also after a kill."""
        self.create("n1")
        (config,) = json.loads(self.docker("network", "inspect", "-f", "{{json .IPAM.Config}}", "n1"))
        self.assertEqual(config["Subnet"], "10.21.59.0/24")
        for name in ("c1", "c2"):
            self.run_container(name, "n1")
        self.assertEqual(len(self.addresses("n1", "c1", "c2")), 2)
        self.assertEqual(self.addresses("n1", "c1", "c2"), self.vsd.held())
        self.assert_reaches("c1", self.inspect("c2", "n1", "IPAddress"))
        self.assertIn("default via 10.21.59.1 ", self.inside("c1", "ip", "route"))
        self.request_address()
        self.host.plugin.stop(signal.SIGKILL)
        self.start_plugin()
        self.remove_container("c1")
        self.assertEqual(len(self.vsd.held() - self.addresses("n1", "c2")), 1)
        done = self.host.plugin.ask("ipam", "check", "--release", "--yes")
        self.assertEqual((done.returncode, done.stderr), (0, "1 address given back\n"), done.stdout)
        self.assertEqual(self.addresses("n1", "c2"), self.vsd.held())
        self.assertEqual(self.host.plugin.ask("ipam", "check").returncode, 0)

    def test_what_the_user_gives(self) -> None:
        """It has to agree; what is asked for is granted once, and what is set aside is held."""
        for words, reason in (
            (["--subnet=10.21.59.0/25"], "give --subnet=10.21.59.0/24"),
            (["--subnet=10.21.59.0/24", "--gateway=10.21.59.9"], "give --gateway=10.21.59.1"),
            (["-o", "zone=Backend"], "contradict each other"),
        ):
            refused = self.refused("network", "create", "--driver=nuage", *ipam_options(), *words, "n1")
            self.assertIn(reason, refused)
        self.assertEqual(self.vsd.held(), set())
        self.create("n1", "--subnet=10.21.59.0/24", "--ip-range=10.21.59.16/30", "--aux-address=printer=10.21.59.17")
        self.run_container("c1", "n1", "--ip=10.21.59.77")
        self.run_container("c2", "n1")
        self.assertLess(self.addresses("n1", "c2"), {f"10.21.59.{number}" for number in (16, 18, 19)})
        self.assertEqual(self.vsd.held(), {"10.21.59.17", *self.addresses("n1", "c1", "c2")})
        # Another organization has the same addresses.
        self.create("n2", options=ipam_options(organization="Acme"))
        self.run_container("c4", "n2")
        self.assertIn("default via 10.21.59.1 ", self.inside("c4", "ip", "route"))
        self._containers.append("c3")
        aside = self.refused("run", "--name=c3", "--net=n1", "--ip=10.21.59.17", IMAGE, "true")
        self.assertIn("10.21.59.17 is set aside by --aux-address", aside)
        self.docker("rm", "c3")
        taken = self.refused("run", "--name=c3", "--net=n1", "--ip=10.21.59.77", IMAGE, "true")
        self.assertIn('10.21.59.77 is taken by container "c1" on this host', taken)

    def test_containers_that_hold_addresses(self) -> None:
        """They have name and policy of the container; what an administrator changes is not undone."""
        self.configure(self.host, vsd_address_form="container")
        self.addCleanup(self.configure, self.host)
        self.create("n1")
        self.run_container("c1", "n1", "--label=nuage.policy-group=web")
        subnets = [f"subnets/{each['ID']}" for each in self.vsd.get("subnets")]
        (subnet,) = [each for each in subnets if self.vsd.get(f"{each}/containers")]
        containers, (vport,) = f"{subnet}/containers", self.vsd.get(f"{subnet}/vports")
        wait_until("it has its name", lambda: self.vsd.get(containers)[0]["name"] == "c1", 5)
        groups = f"vports/{vport['ID']}/policygroups"
        self.assertEqual([each["name"] for each in self.vsd.get(groups)], ["web"])
        self.vsd.assign(groups, "quarantine")
        self.docker("rename", "c1", "c2")
        self._containers.append("c2")
        self.host.plugin.process.send(signal.SIGUSR2)
        wait_until("it has its new name", lambda: self.vsd.get(containers)[0]["name"] == "c2", 15)
        self.assertEqual([each["name"] for each in self.vsd.get(groups)], ["quarantine"])
        self.assertEqual(self.host.plugin.ask("ipam", "check").returncode, 0)

    def test_the_vsd_and_docker_are_away(self) -> None:
        """Docker is told that what it gives back is, and it is in the end; a Docker that was killed gives all back."""
        self.create("n1")
        for name in ("c1", "c2"):
            self.run_container(name, "n1")
        self.host.vsc.leave_vsd()
        self.remove_container("c1")
        self.host.plugin.stop(signal.SIGKILL)
        self.start_plugin()
        self.host.vsc.come_back_vsd()
        self.vsd = Vsd(self.host.vsc)
        wait_until("the address is given back", lambda: self.vsd.held() == self.addresses("n1", "c2"), 45)
        self.run_container("always", "n1", "--restart=always")
        self.host.dockerd.kill()
        self.host.dockerd.kill_containers()
        self.host.dockerd.start()
        self.host.dockerd.wait()
        # What runs again has an address, perhaps another one.
        wait_until("it runs again", lambda: self.docker("ps", "-q", "--filter=name=always"), 15)
        wait_until("c2's is given back", lambda: self.vsd.held() == self.addresses("n1", "always"), 15)

    def test_compose(self) -> None:
        """A file says where addresses are from; what it starts, scales and ends has and gives back its own."""
        demand_programs(_COMPOSE)
        file = Path(self.mktemp())
        file.write_text(yaml.safe_dump(_STACK))

        def compose(*words: str) -> None:
            environment = f"DOCKER_HOST=unix://{self.host.dockerd.socket}"
            run("env", environment, _COMPOSE, "--project-name=shop", f"--file={file}", *words, timeout=100)

        self.addCleanup(compose, "down")
        compose("up", "-d", "--scale=web=3")
        webs = [f"shop_web_{number}" for number in (1, 2, 3)]
        self.assertEqual(self.vsd.held(), self.addresses("shop_front", *webs))
        self.assertEqual(len(self.vsd.held()), 3)
        self.assert_reaches("shop_web_1", "shop_web_3")
        compose("restart")
        self.assertEqual(self.vsd.held(), self.addresses("shop_front", *webs))
        compose("down")
        self.assertEqual(self.vsd.held(), set())
