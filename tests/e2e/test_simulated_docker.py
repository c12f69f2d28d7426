"""The simulated Docker side by side with a real one: the same commands, the same outcomes, the same calls."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lab.shell import NeverHappened, wait_until
from tests.e2e.bare_host import DRIVER, BareHost
from tests.e2e.host_support import ROOT, demand_programs, of_this_run
from tests.simulation.chance import Chance
from tests.simulation.docker.cli import carry_out
from tests.simulation.docker.docker import Docker, Outcome
from tests.simulation.docker.dockerd import Settings
from tests.simulation.docker.lives import Life
from tests.simulation.docker.releases import RELEASES
from tests.simulation.docker.small_plugin import SmallPlugin, SmallPluginFactory
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor

#: Seconds that the commands may take.
_SECONDS = float(os.environ.get("SIMULATED_DOCKER_SECONDS", "45"))
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
