"""A host whose daemons the tests end, in its default configuration, and what is seen of it then."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
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
#: Options of a container that Docker has to start again. It ends at once when it is told to.
ALWAYS = ("--restart=always", "--stop-signal=SIGKILL")
#: The addresses of the lasting containers that have one of choice.
FIXED = {"fixed-1": "10.21.59.101", "fixed-2": "10.21.59.102"}
#: Seconds after the start of the last daemon within which containers have to run again.
SOON = 10.0
#: Seconds that the last look whether they do may take.
_LOOK = 0.5
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


@attrs.frozen
class Return:
    """Which containers were missing after a start of the daemons, and the seconds that the others took."""

    missing: tuple[str, ...]
    seconds: float


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

    def run_lasting(self, network: str) -> list[str]:
        """Run four containers with a restart policy, two of them with an address of choice; return their names."""
        names = ["any-1", "any-2", "fixed-1", "fixed-2"]
        for name in names:
            self.run_container(name, network, *ALWAYS, *(() if name not in FIXED else (f"--ip={FIXED[name]}",)))
        return names

    def assert_lasting(self, names: Sequence[str], network: str) -> None:
        """Assert that they reach each other, and have the addresses that were chosen for them."""
        self.assert_connected(names, network)
        self.assertEqual({name: self.inspect(name, network, "IPAddress") for name in FIXED}, FIXED)

    def assert_running(self, names: Sequence[str]) -> None:
        """Assert that all run, or come to run in a moment."""
        with contextlib.suppress(NeverHappened):
            wait_until("all containers run", lambda: self.running() >= set(names), 15)
        self.assertLessEqual(set(names), self.running())

    def note_return(self, what: str, names: Sequence[str], begin: float) -> Return:
        """Wait until containers run again, and report how many do and when; those that do not are started by hand.

        Args:
            what: What happened to them.
            names: The containers.
            begin: When the last daemon was started, by the monotonic clock. They have SOON from then on.
        """
        remaining = begin + SOON - time.monotonic()
        with contextlib.suppress(NeverHappened):
            wait_until("all containers run", lambda: self.running() >= set(names), max(remaining, 0))
        seconds = time.monotonic() - begin
        missing = sorted(set(names) - self.running())
        self.report(what, back=f"{len(names) - len(missing)} of {len(names)}", seconds=seconds)
        if missing:
            self.host.docker("start", *missing, check=False)
        return Return(tuple(missing), seconds)

    def assert_all_returned(self, what: str, returns: Sequence[Return]) -> None:
        """Assert that in each round all containers were back in time, and report all rounds together."""
        seconds = [each.seconds for each in returns]
        incomplete = [each for each in returns if each.missing or each.seconds > SOON + _LOOK]
        self.report(
            what,
            rounds=len(returns),
            incomplete=len(incomplete),
            median=statistics.median(seconds),
            longest=max(seconds),
        )
        self.assertEqual(incomplete, [])

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
