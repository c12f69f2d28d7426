"""Swarm mode: services on Nuage networks, on a manager and a worker that both have the managed plugin."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lab.dockerd import IMAGE
from lab.host import Host
from lab.managed import NAME
from lab.shell import wait_until
from nuage.vrs.tables import NETWORK_RECORD
from tests.e2e.host_support import PLACE
from tests.e2e.ipam_support import Vsd
from tests.e2e.managed_support import audit, command
from tests.e2e.swarm_support import SwarmTestCase

STACK = Path(__file__).parent.parent.parent / "examples" / "stack.yaml"


class ServiceTests(SwarmTestCase):
    """The life of a service."""

    def test_service_on_both_nodes(self) -> None:
        """What the manager was told of the network holds on the worker, and all tasks reach each other."""
        network_id = self.create_network("SwarmNet")
        self.assertRegex(network_id, r"\A[0-9a-z]{25}\Z")
        self.create_service("web", "SwarmNet", 4)
        tasks = self.settle("web", 4)
        self.assertEqual({task.host for task in tasks}, set(self.hosts))
        (network,) = json.loads(self.worker.docker("network", "inspect", "SwarmNet").stdout)
        self.assertEqual((network["Driver"], network["Scope"]), (NAME, "swarm"))
        (port, *_) = self.worker.switch.rows("Nuage_Port_Table")
        place = [port[f"nuage_{column}"] for column in ("domain", "zone", "network")]
        self.assertEqual(place, ["Domain", "Zone", "Subnet 2"])
        for task in tasks:
            route = task.host.docker("exec", task.container, "ip", "route").stdout
            self.assertIn("default via 10.21.59.1 dev eth0", route)
            self.assertEqual(route.count("default"), 1)
            names = task.host.docker("exec", task.container, "nslookup", "web", check=False).stdout
            for other in tasks:
                self.assertIn(f"Address: {other.address}\n", names)

    def test_a_network_without_tasks(self) -> None:
        """The manager's Docker lists it, so an audit there learns it; the worker's Docker has not heard of it.

        Its removal leaves nothing either, which is asserted after each test.
        """
        network_id = self.create_network("IdleNet")
        driver = ("network", "inspect", "--format={{.Driver}}", "IdleNet")
        # Swarm allocates it in the background; until then it has no driver.
        wait_until("Docker says whose it is", lambda: self.docker(*driver) == NAME, 20)
        for host in self.hosts:
            audit(host)
        wait_until("the manager's plugin learns it", lambda: self.records()[0], 20)
        # From then on audits do not ask Docker.
        wait_until("an audit finds nothing to do", lambda: command(self.manager, "audit").returncode == 0, 20)
        self.assertEqual(self.records(), [[NETWORK_RECORD + network_id], []])

    def test_update_scale_and_drain(self) -> None:
        """After each change exactly the tasks that run are in the switches, and they reach each other."""
        self.create_network("SwarmNet")
        self.create_service("web", "SwarmNet", 3)
        former = {task.container for task in self.settle("web", 3)}
        self.docker("service", "update", "--detach", "--force", "web")
        wait_until("the tasks are replaced", lambda: former.isdisjoint(self.swarm.containers("web")), 60)
        self.settle("web", 3)
        for count in (20, 2):
            self.docker("service", "scale", "--detach", f"web={count}")
            self.settle("web", count)
        self.docker("node", "update", "--availability=drain", self.node_id(self.worker))
        self.addCleanup(self.docker, "node", "update", "--availability=active", self.node_id(self.worker))
        wait_until("the worker is empty", lambda: not self.worker.docker("ps", "-q").stdout, 60)
        self.assertEqual({task.host for task in self.settle("web", 2)}, {self.manager})
        self.remove_service("web")

    def test_worker_restarted(self) -> None:
        """The tasks of a worker whose Docker is killed, and which comes back, are replaced, and nothing is left."""
        self.create_network("SwarmNet")
        self.create_service("web", "SwarmNet", 4)
        former = {task.container for task in self.settle("web", 4)}
        self.worker.dockerd.kill()
        self.worker.dockerd.kill_containers()
        self.worker.dockerd.start()
        self.worker.dockerd.wait()
        wait_until("the worker's tasks are replaced", lambda: not former >= set(self.swarm.containers("web")), 60)
        self.settle("web", 4)


class OptionTests(SwarmTestCase):
    """What is told by options."""

    def test_policy_groups(self) -> None:
        """They are given by the service's network, or by a label of its containers."""
        network_id = self.create_network("SwarmNet")
        self.create_service("web", f"name={network_id},driver-opt=nuage.policy-group=web", 2)
        self.create_service("db", "SwarmNet", 2, "--container-label=nuage.policy-group=db")
        groups = {task.endpoint: service for service in ("web", "db") for task in self.wait_for_tasks(service, 2)}
        rows = [row for host in self.hosts for row in host.switch.rows("Nuage_VM_Table")]
        ports = {row["name"]: row for host in self.hosts for row in host.switch.rows("Nuage_Port_Table")}
        told = {row["vm_uuid"]: ports[row["ports"]]["metadata"].get("nuage-policy-group") for row in rows}
        self.assertEqual(told, groups)

    def test_bad_options(self) -> None:
        """The tasks are refused, and the service shows which option is wrong."""
        self.create_network("BadNet", organization="", zone="")
        self.create_service("web", "BadNet", 1)

        def told() -> str:
            return self.docker("service", "ps", "--no-trunc", "--format={{.Error}}", "web")

        wait_until("the service shows an error", told, 60)
        self.assertIn('option "organization" is missing; add -o organization=', told())
        self.assertIn('option "subnet" (Subnet 2) needs "zone" with it', told())

    def test_attachable(self) -> None:
        """A container without a service joins an attachable network, on the worker as well."""
        self.create_network("OpenNet", "--attachable")
        self.create_service("web", "OpenNet", 2)
        (first, *_) = self.wait_for_tasks("web", 2)
        self.addCleanup(self.worker.docker, "rm", "-f", "alone", check=False)
        self.worker.docker("run", "-d", "--name=alone", "--network=OpenNet", IMAGE, "sleep", "1000")
        self.worker.docker("exec", "alone", "ping", "-c", "1", "-w", "5", first.address)
        self.assertIn("alone", {row["vm_name"] for row in self.worker.switch.rows("Nuage_VM_Table")})
        self.worker.docker("rm", "-f", "alone")

    def test_stack(self) -> None:
        """A stack makes its network itself, and its services find each other by name."""
        os.environ["IMAGE"] = IMAGE
        self.addCleanup(os.environ.pop, "IMAGE")
        self.deploy(STACK, "shop")
        (web, *_), (db,) = (self.wait_for_tasks(f"shop_{name}", count) for name, count in (("web", 3), ("db", 1)))
        web.host.docker("exec", web.container, "ping", "-c", "1", "-w", "5", "db")
        db.host.docker("exec", db.container, "ping", "-c", "1", "-w", "5", "tasks.web")


class AddressTests(SwarmTestCase):
    """Addresses from the VSD, which the manager takes and the nodes use."""

    def setUp(self) -> None:
        """Have both plugins know the VSD."""
        super().setUp()
        vsc = self.swarm.pair.vsc
        self.vsd = Vsd(vsc)
        password = self.swarm.pair.folder / "vsd-password"
        password.write_text(f"{vsc.vsd.password}\n")
        password.chmod(0o600)
        keys = ("URL", "USER", "PASSWORD_FILE", "CA_CERTIFICATE")
        without = ("vsd-password.source=/dev/null", "vsd-ca.source=/dev/null", *(f"NUAGE_VSD_{key}=" for key in keys))
        for host in self.hosts:
            self.addCleanup(self.configure, host, *without)
            self.configure(
                host,
                f"vsd-password.source={password}",
                f"vsd-ca.source={vsc.vsd.ca}",
                f"NUAGE_VSD_URL={vsc.vsd.url}",
                f"NUAGE_VSD_USER={vsc.vsd.user}",
                f"NUAGE_VSD_ORGANIZATION={vsc.vsd.organization}",
                "NUAGE_VSD_PASSWORD_FILE=/run/vsd/password",
                "NUAGE_VSD_CA_CERTIFICATE=/run/vsd/ca.pem",
            )

    def configure(self, host: Host, *settings: str) -> None:
        """Change a host's plugin."""
        host.docker("plugin", "disable", "--force", NAME)
        host.docker("plugin", "set", NAME, *settings)
        host.docker("plugin", "enable", NAME)

    def test_twenty_tasks(self) -> None:
        """All have addresses of their own, which are held as long as they run, and are all given back."""
        self._networks.append("VsdNet")
        options = [f"--ipam-opt={key}={value}" for key, value in PLACE.items()]
        self.docker("network", "create", f"--driver={NAME}", f"--ipam-driver={NAME}", *options, "VsdNet")
        self.create_service("web", "VsdNet", 20)
        tasks = self.settle("web", 20)
        self.assertEqual({task.host for task in tasks}, set(self.hosts))
        self.assertEqual(
            (len({task.address for task in tasks}), {task.address for task in tasks}), (20, self.vsd.held())
        )
        self.docker("service", "scale", "--detach", "web=2")
        tasks = self.settle("web", 2)
        wait_until("the others' are given back", lambda: self.vsd.held() == {task.address for task in tasks}, 20)
        self.remove_service("web")
        wait_until("all are given back", lambda: not self.vsd.held(), 20)
