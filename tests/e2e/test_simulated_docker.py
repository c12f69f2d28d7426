"""The simulated Docker side by side with a real one: the same commands, the same outcomes, the same calls.

SIMULATED_DOCKER_SEED and SIMULATED_DOCKER_SECONDS draw other commands, and more of them. LAB_DOCKER names the real one.
"""

from __future__ import annotations

import os
import time

from tests.e2e.bare_host import DRIVER
from tests.e2e.docker_twins import Calls, TwinsTestCase
from tests.simulation.chance import Chance
from tests.simulation.docker.lives import Life

#: Seconds that the commands may take.
_SECONDS = float(os.environ.get("SIMULATED_DOCKER_SECONDS", "20"))
_SEED = int(os.environ.get("SIMULATED_DOCKER_SEED", "1"))


class CommandTests(TwinsTestCase):
    """A drawn sequence of commands is given to both."""

    def test_the_same_commands(self) -> None:
        """Outcomes and calls are the same."""
        life = Life(Chance(_SEED), self.twins.simulated.docker, DRIVER)
        end = time.monotonic() + _SECONDS
        self.story.append(f"seed {_SEED}")
        while time.monotonic() < end:
            self.compare(*life.next())
        self.assertGreater(len(self.story), _SECONDS / 2, "hardly anything was compared")

    def test_ways_out(self) -> None:
        """They move as networks with gateways of both families, of one, and of none come and go."""
        for name in ("m", "s", "t", "v"):
            self.create(name)
        self.run_in("k1", "t")
        for name in ("s", "m", "v"):
            self.compare("network", "connect", name, "k1")
        for name in ("v", "s", "m", "t"):
            self.compare("network", "disconnect", name, "k1")
        self.run_in("k2", "m")
        for name in ("s", "t"):
            self.compare("network", "connect", name, "k2")
        self.compare("network", "disconnect", "m", "k2")


class DaemonTests(TwinsTestCase):
    """The daemon ends, and starts again."""

    def test_the_ends_of_the_daemon(self) -> None:
        """After each, containers with a restart policy come again, and stale endpoints go."""
        self._live_on_networks()
        self.twins.agree = False
        self.twins.real.dockerd.kill()
        self.twins.simulated.docker.kill_dockerd()
        self._start("SIGKILL")
        self.run_in("k6", "m", "--rm", "--stop-signal=SIGKILL")
        self.twins.agree = False
        self.twins.real.dockerd.process.stop()
        self.twins.simulated.end()
        self._compare_by_endpoint("SIGTERM")
        self._start("a restart")
        self.twins.agree = True

    def _live_on_networks(self) -> None:
        """Run containers with all restart policies, and one that is removed at its end."""
        for name in ("m", "v", "i"):
            self.create(name)
        policies = {"k1": "no", "k2": "always", "k3": "unless-stopped", "k4": "on-failure", "k5": "unless-stopped"}
        for (container, policy), network in zip(policies.items(), "mvimm", strict=True):
            self.run_in(container, network, f"--restart={policy}", "--stop-signal=SIGKILL")
        self.compare("stop", "k5")
        self.run_in("k6", "m", "--rm")

    def _start(self, what: str) -> None:
        """Start both daemons, and compare what they do."""
        self.twins.real.dockerd.start()
        self.twins.real.dockerd.wait()
        self.twins.simulated.docker.start_dockerd()
        self.twins.simulated.reactor.run_for(30)
        self._compare_by_endpoint(what)
        containers = self.twins.simulated.docker.store.containers.values()
        for option, ours in (("--all=false", [each for each in containers if each.running]), ("--all", [*containers])):
            theirs = self.twins.real.docker("ps", option, "--format={{.Names}}").stdout.split()
            self.assertEqual(sorted(each.name for each in ours), sorted(theirs), what)

    def _compare_by_endpoint(self, what: str) -> None:
        """Compare the calls about each endpoint; those about several come in any order."""
        ours, theirs = self.twins.calls()
        self.assertEqual(_by_endpoint(ours), _by_endpoint(theirs), what)


def _by_endpoint(calls: Calls) -> list[list[str]]:
    """Return the methods called about each endpoint, in their order, in any order of the endpoints."""
    found: dict[str, list[str]] = {}
    for method, request in calls:
        found.setdefault((request or {}).get("EndpointID", ""), []).append(method)
    return sorted(found.values())
