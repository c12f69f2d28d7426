"""A swarm of two hosts with the managed plugin, joined as in the topology, and what its services look like."""

from __future__ import annotations

import contextlib
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lab.dockerd import IMAGE
from lab.host import Host
from lab.managed import NAME
from lab.shell import NeverHappened, wait_until
from lab.swarm import Swarm, Task
from tests.e2e.host_support import demand_programs, marks, of_this_run, place_options
from tests.e2e.managed_support import audit, managed_plugin
from tests.e2e.topology_support import pair_of

ROOT = Path(tempfile.gettempdir()) / "nuage-e2e-swarms"
#: An end of a container is not what is tested: it ends at once, and Swarm does not watch it for seconds.
_QUICK = ("--stop-signal=SIGKILL", "--update-monitor=100ms", "--update-parallelism=0", "--no-resolve-image")
#: Seconds until a swarm has done what it was told. On two nodes it starts some five containers a second.
_CONVERGED = 90.0


@cache
def demand_swarm() -> Swarm:
    """Return the running swarm; see topology_support.demand_pair."""
    demand_programs("debootstrap")
    swarm = of_this_run(ROOT, "s", lambda name: Swarm(pair_of(name, ROOT)))
    swarm.start(managed_plugin(), "NUAGE_AUDIT_INTERVAL=2")
    return swarm


class SwarmTestCase(SynchronousTestCase):
    """A test on the swarm. It has to leave both hosts as it found them."""

    timeout = 400

    def setUp(self) -> None:
        """Start the swarm unless it runs, and remember how its hosts look."""
        self.swarm = demand_swarm()
        self.hosts = self.manager, self.worker = self.swarm.manager, self.swarm.worker
        self._before = self.state()
        self._services: list[str] = []
        self._networks: list[str] = []

    def tearDown(self) -> None:
        """Remove what the test made. Nothing of it may be left anywhere."""
        for service in self._services:
            self.manager.docker("service", "rm", service, check=False)
        for network in self._networks:
            wait_until(f"{network} is removed", partial(self._removed, "network", network), 30)
        for host in self.hosts:
            # The manager's plugin may have learnt a network of which no task is left there.
            audit(host)
        with contextlib.suppress(NeverHappened):
            wait_until("the hosts look as before", lambda: self.state() == self._before, 30)
        self.assertEqual(self.state(), self._before)

    def state(self) -> list[dict[str, Any]]:
        """Return all that an endpoint or a network leaves its marks in, of both hosts, and the networks themselves."""
        networks = ("network", "ls", "--quiet", f"--filter=driver={NAME}")
        return [{**marks(host), "networks": sorted(host.docker(*networks).stdout.split())} for host in self.hosts]

    def records(self) -> list[list[str]]:
        """Return the keys of the records of both hosts."""
        return [marks(host)["records"] for host in self.hosts]

    def docker(self, *words: str) -> str:
        """Run a docker command on the manager that has to succeed, and return what it prints."""
        return self.manager.docker(*words, timeout=120).stdout.strip()

    def create_network(self, name: str, *words: str, **options: str) -> str:
        """Create a network for the swarm and return its id; ``options`` replace those of PLACE, empty ones go."""
        self._networks.append(name)
        pool = ("--subnet=10.21.59.0/24", "--gateway=10.21.59.1")
        return self.docker("network", "create", f"--driver={NAME}", *place_options(**options), *pool, *words, name)

    def create_service(self, name: str, network: str, replicas: int, *words: str) -> None:
        """Create a service, without waiting until it runs. ``network`` is its ``--network``."""
        self._services.append(name)
        usual = ("--detach", "--name", name, "--network", network, "--replicas", str(replicas), *_QUICK)
        self.docker("service", "create", *usual, "--endpoint-mode=dnsrr", *words, IMAGE, "sleep", "10000")

    def deploy(self, file: Path, name: str) -> None:
        """Deploy a stack, which is removed after the test, without waiting until it runs."""
        self.addCleanup(wait_until, f"stack {name} is removed", partial(self._removed, "stack", name))
        self.docker("stack", "deploy", "--resolve-image=never", f"--compose-file={file}", name)

    def remove_service(self, name: str) -> None:
        """Remove a service."""
        self._services.remove(name)
        self.docker("service", "rm", name)

    def wait_for_tasks(self, service: str, count: int) -> list[Task]:
        """Wait until so many tasks run and no others do, and each is attached; return them."""
        tasks: list[Task] = []

        def settled() -> bool:
            tasks[:] = self.swarm.tasks(service)
            states = self.docker("service", "ps", "--format={{.DesiredState}} {{.CurrentState}}", service).splitlines()
            wanted = [state for state in states if state.startswith("Running ")]
            up = [state for state in wanted if state.startswith("Running Running ")]
            return len(up) == len(wanted) == count == len(tasks) == len(self.swarm.containers(service))

        try:
            wait_until(f"{service} has {count} tasks", settled, _CONVERGED)
        except NeverHappened as problem:
            seen = self.docker("service", "ps", "--no-trunc", service)
            # Why an allocation failed, Swarm tells its log alone.
            raise AssertionError(f"{problem}\n{seen}\n{self.manager.dockerd.process.tail(60)}") from problem
        return tasks

    def settle(self, service: str, count: int) -> list[Task]:
        """Wait for the tasks of the only service. They, and no others, are attached, and they reach each other."""
        tasks = self.wait_for_tasks(service, count)

        def alone() -> bool:
            # Swarm may have replaced one since.
            tasks[:] = self.swarm.tasks(service)
            return self._entities() == [_names(tasks, host) for host in self.hosts]

        with contextlib.suppress(NeverHappened):
            wait_until("the others are gone", alone)
        self.assertEqual(len(tasks), count)
        self.assertEqual(self._entities(), [_names(tasks, host) for host in self.hosts])
        for host in self.hosts:
            resolved = {row["ip_addr"] for row in host.switch.rows("Nuage_Port_Table")}
            self.assertEqual(resolved, {task.address for task in tasks if task.host is host})
        self.assert_all_reach_all(tasks[:2] + tasks[-2:])
        return tasks

    def _entities(self) -> list[dict[str, str]]:
        rows = (host.switch.rows("Nuage_VM_Table") for host in self.hosts)
        return [{row["vm_uuid"]: row["vm_name"] for row in entities} for entities in rows]

    def node_id(self, host: Host) -> str:
        """Return the id that the swarm has for a host."""
        return host.docker("info", "--format={{.Swarm.NodeID}}").stdout.strip()

    def assert_all_reach_all(self, tasks: list[Task]) -> None:
        """Assert that each task gets an answer from each, itself included."""
        addresses = {task.address for task in tasks}
        script = "; ".join(f"ping -c 1 -w 5 {address} >/dev/null && echo {address}" for address in sorted(addresses))
        for task in tasks:
            reached = task.host.docker("exec", task.container, "sh", "-c", script, check=False).stdout.split()
            self.assertEqual(set(reached), addresses, f"{task.name} on {task.host.name}")

    def _removed(self, kind: str, name: str) -> bool:
        # Swarm removes a service's tasks in the background. As long as one is there, its network is in use, and neither
        # that nor its stack can be removed.
        done = self.manager.docker(kind, "rm", name, check=False)
        return done.returncode == 0 or "not found" in done.stderr


def _names(tasks: list[Task], host: Host) -> dict[str, str]:
    """Return the names of a host's tasks by their endpoints."""
    return {task.endpoint: task.name for task in tasks if task.host is host}
