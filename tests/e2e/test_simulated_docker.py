"""The simulated Docker side by side with a real one: the same commands, the same outcomes, the same calls.

SIMULATED_DOCKER_SEED and SIMULATED_DOCKER_SECONDS draw other commands, and more of them. LAB_DOCKER names the real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lab.dockerd import IMAGE
from lab.shell import NeverHappened, wait_until
from tests.e2e.bare_host import DRIVER, BareHost
from tests.e2e.host_support import ROOT, demand_programs, of_this_run
from tests.simulation.chance import Chance
from tests.simulation.docker.cli import carry_out
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.docker import Docker
from tests.simulation.docker.dockerd import Settings
from tests.simulation.docker.lives import NETWORKS, Life
from tests.simulation.docker.releases import RELEASES
from tests.simulation.docker.small_plugin import SmallPlugin, SmallPluginFactory
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor

#: Seconds that the commands may take.
_SECONDS = float(os.environ.get("SIMULATED_DOCKER_SECONDS", "30"))
_SEED = int(os.environ.get("SIMULATED_DOCKER_SEED", "1"))


class _Ordered(Chance):
    """Draws the networks of a container in the order in which the real Docker took them."""

    order: Sequence[str] = ()

    def shuffled(self, items: Sequence[Any]) -> list[Any]:
        """See Chance."""
        return sorted(items, key=lambda each: self.order.index(each) if each in self.order else len(self.order))


class Simulated:
    """The simulated Docker host."""

    def __init__(self) -> None:
        self.reactor = SimReactor(Chance(1))
        self.history = History()
        self.chance = _Ordered(1)
        release = RELEASES[os.environ.get("LAB_DOCKER", "")]
        self.docker = Docker(self.reactor, self.chance, self.history, Settings(release=release, plugin=DRIVER))
        self.heard: list[tuple[str, Any]] = []
        plugin = SmallPlugin(lambda method, request: self.heard.append((method, request)))
        self.reactor.spawn("plugin").listenUNIX(self.docker.settings.plugin_socket, SmallPluginFactory(plugin))
        self.docker.start_dockerd()

    def command(self, words: Sequence[str]) -> Outcome:
        """Carry a command out."""
        outcomes: list[Outcome] = []
        carry_out(self.docker, words).addCallback(outcomes.append)
        assert self.reactor.run_until(lambda: bool(outcomes), 600), f"{words} does not end"
        # Some commands come back before their last call.
        self.reactor.run_for(10)
        return outcomes[0]

    def end(self) -> None:
        """End dockerd with SIGTERM, and wait until it has ended."""
        self.docker.stop_dockerd()
        assert self.reactor.run_until(lambda: self.docker.dockerd is None, 60)


class Names:
    """Gives networks and endpoints names that are the same in both Dockers."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def readable(self, method: str, request: Any) -> str:
        """Return a call as a line of text."""
        if request is None:
            return method
        told = dict(request)
        for key in ("NetworkID", "EndpointID", "SandboxKey"):
            if key in told:
                count = sum(name.startswith(key) for name in self._names.values())
                told[key] = self._names.setdefault(told[key], f"{key} {count}")
        return f"{method} {json.dumps(told, sort_keys=True)}"


def _by_endpoint(calls: Sequence[tuple[str, Any]]) -> list[list[str]]:
    """Return the methods called about each endpoint, in their order, in any order of the endpoints."""
    found: dict[str, list[str]] = {}
    for method, request in calls:
        found.setdefault((request or {}).get("EndpointID", ""), []).append(method)
    return sorted(found.values())


class DifferentialTests(SynchronousTestCase):
    """A drawn sequence of commands is given to both."""

    timeout = 300
    maxDiff = None

    def setUp(self) -> None:
        """Start both."""
        demand_programs()
        self.real = of_this_run(ROOT, "e2e-bare-", lambda name: BareHost(name, ROOT))
        self.real.start()
        self.addCleanup(self.real.remove)
        self.simulated = Simulated()
        self._names = (Names(), Names())
        self._compared = 0

    def test_the_same_commands(self) -> None:
        """Outcomes and calls are the same."""
        life = Life(Chance(_SEED), self.simulated.docker, DRIVER)
        end = time.monotonic() + _SECONDS
        story: list[str] = []
        while time.monotonic() < end:
            self._compare(life.next(), story)
        self.assertGreater(len(story), _SECONDS / 2, "hardly anything was compared")

    def test_the_ends_of_the_daemon(self) -> None:
        """After each, containers with a restart policy come again, and stale endpoints go."""
        self._live_on_networks()
        self.real.dockerd.kill()
        self.simulated.docker.kill_dockerd()
        self._restart("SIGKILL")
        self.real.dockerd.process.stop()
        self.simulated.end()
        self._compare_by_endpoint("SIGTERM")
        self._restart("a restart")

    def _live_on_networks(self) -> None:
        """Run containers with all restart policies."""
        story: list[str] = []
        for name in ("m", "v", "i"):
            self._compare(("network", "create", f"--driver={DRIVER}", *NETWORKS[name], name), story)
        policies = {"k1": "no", "k2": "always", "k3": "unless-stopped", "k4": "on-failure", "k5": "unless-stopped"}
        for (container, policy), network in zip(policies.items(), "mvimm", strict=True):
            options = (
                "-d",
                f"--name={container}",
                f"--network={network}",
                f"--restart={policy}",
                "--stop-signal=SIGKILL",
            )
            self._compare(("run", *options, IMAGE, "sleep", "1000"), story)
        self._compare(("stop", "k5"), story)

    def _restart(self, what: str) -> None:
        self.real.dockerd.start()
        self.real.dockerd.wait()
        self.simulated.docker.start_dockerd()
        self.simulated.reactor.run_for(30)
        self._compare_by_endpoint(what)
        running = self.real.docker("ps", "--format={{.Names}}").stdout.split()
        ours = [each.name for each in self.simulated.docker.store.containers.values() if each.running]
        self.assertEqual(sorted(running), sorted(ours), what)

    def _compare_by_endpoint(self, what: str) -> None:
        """Compare the calls about each endpoint; those about several come in any order."""
        ours = self.simulated.heard[self._compared :]
        with contextlib.suppress(NeverHappened):
            wait_until("the calls are there", lambda: len(self.real.calls()) >= self._compared + len(ours), 5)
        theirs = self.real.calls()[self._compared :]
        self._compared += len(ours)
        self.assertEqual(_by_endpoint(ours), _by_endpoint(theirs), what)

    def _compare(self, words: Sequence[str], story: list[str]) -> None:
        story.append(" ".join(words))
        real = self.real.command(words)
        self.simulated.chance.order = self._order()
        simulated = self.simulated.command(words)
        ours = self.simulated.heard[self._compared :]
        with contextlib.suppress(NeverHappened):
            wait_until("the calls are there", lambda: len(self.real.calls()) >= self._compared + len(ours), 3)
        theirs = self.real.calls()[self._compared :]
        self._compared += len(ours)
        told = "\n".join(("after", *story, f"seed {_SEED}", real.stderr, simulated.message))
        names, other_names = self._names
        self.assertEqual(
            "\n".join(names.readable(*call) for call in ours),
            "\n".join(other_names.readable(*call) for call in theirs),
            told,
        )
        self.assertEqual(simulated.code, real.returncode, told)
        if not simulated.ok:
            self._same_reason(simulated.message, real.stderr, told)

    def _same_reason(self, ours: str, theirs: str, told: str) -> None:
        """Assert that what the plugin said is in both messages, or in none."""
        for _, remark in ((" here", "here"), ("not found", "not found")):
            self.assertEqual(remark in ours, remark in theirs, told)

    def _order(self) -> list[str]:
        """Return the names of networks in which the real one made endpoints since the last comparison, in order."""
        networks = self.simulated.docker.store.networks.values()
        by_pool = {str(network.pools[0].pool.subnet): network.name for network in networks}
        pools = {
            request["NetworkID"]: request["IPv4Data"][0]["Pool"]
            for method, request in self.real.calls()
            if method.endswith(".CreateNetwork")
        }
        made = self.real.calls()[self._compared :]
        return [by_pool[pools[request["NetworkID"]]] for method, request in made if method.endswith(".CreateEndpoint")]
