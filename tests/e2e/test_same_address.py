"""A container takes the place of another one, or of itself, under the same address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from lab.host import Host
from lab.shell import wait_until
from tests.e2e.topology_support import Place, TopologyTestCase

_SUBNET = Place(
    host="a", organization="Enterprise", domain="Domain", zone="Zone", subnet="Subnet 2", pool="10.21.59.0/24"
)
#: Seconds in which a container that has started has to be reached by those that talked to it before.
_GAP = 1.0
#: Seconds in which Docker has to have started its containers again, once it answers.
_BACK = 15.0


def _at(host: str, number: int) -> Place:
    return attrs.evolve(_SUBNET, host=host, address=f"10.21.59.{number}")


class NeighbourTests(TopologyTestCase):
    """Whoever talked to a container goes on talking to it when it has been restarted or replaced."""

    def setUp(self) -> None:
        """Run a container and, on each host, one that pings it ten times a second."""
        super().setUp()
        self.places = {"web": _at("a", 50), "near": _at("a", 51), "far": _at("b", 52)}
        for name, place in self.places.items():
            self.run_container(name, place, "--stop-signal=SIGKILL")
        self._logs = {name: self._ping(name) for name in ("near", "far")}
        self.assert_answered()

    def test_restarted(self) -> None:
        """By docker restart."""
        self.hosts["a"].docker("restart", "web")
        self.assert_answered()

    def test_replaced(self) -> None:
        """By another container with the same address, as an update of an image does it."""
        self.hosts["a"].docker("rm", "-f", "web")
        self.run_container("web", self.places["web"])
        self.assert_answered()

    def _ping(self, name: str) -> Path:
        """Begin to ping, and return the file in which the answers stand."""
        host = self.hosts[self.places[name].host]
        address = self.places["web"].address
        host.docker("exec", "-d", name, "sh", "-c", f"ping -i 0.1 {address} >/tmp/ping.log")
        pid = host.docker("inspect", "-f={{.State.Pid}}", name).stdout.strip()
        return Path("/proc", pid, "root/tmp/ping.log")

    def assert_answered(self) -> None:
        """Assert that each ping gets an answer from now on."""
        before = {name: self._answers(name) for name in self._logs}
        for name in self._logs:
            wait_until(f"{name} gets an answer", lambda name=name: self._answers(name) > before[name], _GAP)  # type: ignore[misc]

    def _answers(self, name: str) -> int:
        return self._logs[name].read_text().count("seq=") if self._logs[name].exists() else 0


class CrashTests(TopologyTestCase):
    """Docker crashes, forgets the endpoints of its containers, and gives their addresses to new ones."""

    timeout = 240

    def tearDown(self) -> None:
        """Whatever the test did, dockerd runs for the next one."""
        if self.dockerd.process.pid is None:
            self.dockerd.start()
        self.dockerd.wait()
        super().tearDown()

    def setUp(self) -> None:
        """Have containers that Docker has to start again, with addresses of the user's choice and of Docker's."""
        super().setUp()
        self.host: Host = self.hosts["a"]
        self.dockerd = self.host.dockerd
        self.names = ("one", "two", "three", "any")
        places = (*(_at("a", number) for number in (50, 51, 52)), _SUBNET)
        for name, place in zip(self.names, places, strict=True):
            self.run_container(name, place, "--restart=always", "--stop-signal=SIGKILL")
        self.run_container("far", _at("b", 60))
        self.old = self.endpoints()

    def test_containers_killed(self) -> None:
        """With all that runs in them."""
        self.crash(self.dockerd.kill, self.dockerd.kill_containers)

    def test_containers_survive(self) -> None:
        """The new daemon ends what the old one left, and starts it anew."""
        self.crash(self.dockerd.kill)

    def crash(self, *steps: Callable[[], None]) -> None:
        """Crash dockerd and start it again: all come back, and nothing of the old endpoints stays."""
        for step in steps:
            step()
        self.dockerd.start()
        self.dockerd.wait()
        wait_until("all containers run", lambda: self.running() >= set(self.names), _BACK)
        new = self.endpoints()
        self.assertEqual(set(self.old) & set(new), set())
        self.assertEqual(sorted(row["vm_uuid"] for row in self.host.switch.rows("Nuage_VM_Table")), sorted(new))
        ports = sorted(f"nu{endpoint_id[:13]}" for endpoint_id in new)
        self.assertEqual(sorted(row["name"] for row in self.host.switch.rows("Nuage_Port_Table")), ports)
        self.assertEqual(sorted(port for port in self.host.switch.ports() if port.startswith("nu")), ports)
        self.assertEqual(self.reached("far", map(self.address, self.names)), set(map(self.address, self.names)))

    def running(self) -> set[str]:
        """Return the names of the containers that run."""
        return set(self.host.docker("ps", "--format={{.Names}}").stdout.split())

    def endpoints(self) -> list[str]:
        """Return the ids of the containers' endpoints."""
        return [self.endpoint_id(name) for name in self.names]
