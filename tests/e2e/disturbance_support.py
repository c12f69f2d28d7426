"""A host whose daemons the tests end, in its default configuration, and what is seen of it then."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import attrs

from lab.controlled import ControlledHost
from lab.shell import NeverHappened, wait_until
from tests.e2e.host_support import HostTestCase, controlled_host, demand_programs

#: Seconds between two pings of a container that is watched.
_PING_INTERVAL = 0.1
#: Seconds for what a crash left to be removed: that takes audits, which come every 30 s.
_AUDITED = 75.0


def rounds(variable: str, default: int) -> int:
    """Return how often something is done: what a variable of the environment says, for figures, or the default."""
    return int(os.environ.get(variable, str(default)))


@cache
def _host() -> ControlledHost:
    host = controlled_host("rough-")
    host.start()
    return host


@attrs.frozen
class Pings:
    """What became of the pings of a container: how many were sent, how many lost, and the longest gap in seconds."""

    sent: int
    lost: int
    gap: float


class DisturbedTestCase(HostTestCase):
    """A test that ends daemons of a host of these tests' own: they would be missed by others.

    The host has a controller and the default configuration, but for ``configuration``. A class that has some says why.
    """

    timeout = 300
    configuration: Mapping[str, object] = {}

    def setUp(self) -> None:
        """Have the plugin configured as this class wants it."""
        super().setUp()
        if self.configuration:
            self.addCleanup(self.configure)
            self.configure(**self.configuration)

    def demand_host(self) -> ControlledHost:
        """Return the host that these tests share."""
        demand_programs()
        return _host()

    def configure(self, **configuration: object) -> None:
        """Restart the plugin in another configuration."""
        self.host.plugin.stop()
        self.host.plugin.configure(**configuration)
        self.start_plugin()

    def tearDown(self) -> None:
        """Have everything running again for the next test, whatever this one did."""
        if self.host.switch.database.pid is None:
            self.host.switch.start_database()
        if self.host.switch.daemon.pid is None:
            self.host.switch.start_daemon()
        if self.host.plugin.process.pid is None:
            self.start_plugin()
        if self.host.dockerd.process.pid is None:
            self.host.dockerd.start()
        self.host.dockerd.wait()
        super().tearDown()

    def assert_nothing_left(self) -> None:
        """Assert that the host looks as at the start. What a crash left may need the audit, which is asked for."""
        with contextlib.suppress(NeverHappened):
            wait_until("what is under way ends", lambda: self.state() == self._before, 5)
            return
        self.host.plugin.process.send(signal.SIGUSR2)
        with contextlib.suppress(NeverHappened):
            wait_until("audits", lambda: self.state() == self._before, _AUDITED)
        super().assert_nothing_left()

    def running(self) -> set[str]:
        """Return the names of the containers that run."""
        return set(self.docker("ps", "--format={{.Names}}").split())

    def assert_running(self, names: Sequence[str], timeout: float = 15) -> float:
        """Assert that all run, or come to run in time; return the seconds that it took from now."""
        start = time.monotonic()
        with contextlib.suppress(NeverHappened):
            wait_until("all containers run", lambda: self.running() >= set(names), timeout)
        self.assertLessEqual(set(names), self.running())
        return time.monotonic() - start

    def assert_connected(self, names: Sequence[str], network: str) -> None:
        """Assert that each container reaches the next one."""
        for name, peer in zip(names, [*names[1:], names[0]], strict=True):
            self.assert_reaches(name, self.inspect(peer, network, "IPAddress"))

    def run_pinging(self, name: str, network: str, target: str) -> None:
        """Run a container that pings another one all the time."""
        address = self.inspect(target, network, "IPAddress")
        self.run_container(name, network, command=f"ping -i {_PING_INTERVAL} {address}")

    def end_pings(self, name: str) -> Pings:
        """End the pings and return what became of them."""
        self.docker("kill", "--signal=INT", name)
        self.docker("wait", name)
        log = self.docker("logs", name)
        sent, received = map(int, re.findall(r"(\d+) packets", log))
        answered = [-1, *(int(number) for number in re.findall(r"seq=(\d+)", log)), sent]
        longest = max(after - before - 1 for before, after in pairwise(answered))
        return Pings(sent, sent - received, longest * _PING_INTERVAL)

    def report(self, what: str, **figures: object) -> None:
        """Print figures, and keep them where TEST_FIGURES names a file for them."""
        line = f"{what}: " + ", ".join(
            f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}" for name, value in figures.items()
        )
        print(line)
        if path := os.environ.get("TEST_FIGURES"):
            with Path(path).open("a") as file:
                file.write(f"{line}\n")
