"""A container takes the place of another one, or of itself, under the same address."""

from __future__ import annotations

from pathlib import Path

import attrs

from lab.shell import wait_until
from tests.e2e.topology_support import Place, TopologyTestCase

_SUBNET = Place(
    host="a", organization="Enterprise", domain="Domain", zone="Zone", subnet="Subnet 2", pool="10.21.59.0/24"
)
#: Seconds in which a container that has started has to be reached by those that talked to it before.
_GAP = 1.0


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
