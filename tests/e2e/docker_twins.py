"""The simulated Docker host and a real one, which are given the same commands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
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
from tests.simulation.docker.lives import NETWORKS
from tests.simulation.docker.releases import RELEASES
from tests.simulation.docker.small_plugin import SmallPlugin, SmallPluginFactory
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor

#: The fields of a call whose values are drawn.
_IDS = ("NetworkID", "EndpointID", "SandboxKey")
#: Seconds in which the real one's last calls come, after a command has ended.
_LATE = 5.0
#: Seconds without a call after which none is expected any more.
_QUIET = 1.0
#: The status of a process that was killed.
_KILLED = 137

#: What Docker says of a network that is not there.
_MISSING = re.compile(r"network (\S+) not found")

#: What the plugin says, and what is said of things that are not there; the CLI has its own words for some.
_REMARKS = (re.compile(" here"), re.compile("not found|No such"))

Calls = Sequence[tuple[str, Any]]


@attrs.frozen
class Seen:
    """What a command led to: how it ended, and the calls of the plugin as lines of text."""

    code: int
    message: str
    calls: str


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
        self.chance = _Ordered(1)
        release = RELEASES[os.environ.get("LAB_DOCKER", "")]
        self.docker = Docker(self.reactor, self.chance, History(), Settings(release=release, plugin=DRIVER))
        self.heard: list[tuple[str, Any]] = []
        plugin = SmallPlugin(lambda method, request: self.heard.append((method, request)))
        self.reactor.spawn("plugin").listenUNIX(self.docker.settings.plugin_socket, SmallPluginFactory(plugin))
        self.docker.start_dockerd()

    def command(self, words: Sequence[str], late: float = 10) -> Outcome:
        """Carry a command out. Some come back before their last call, which may be so many seconds late."""
        outcomes: list[Outcome] = []
        carry_out(self.docker, words).addCallback(outcomes.append)
        assert self.reactor.run_until(lambda: bool(outcomes), 600), f"{words} does not end"
        self.reactor.run_for(late)
        return outcomes[0]

    def crash(self, name: str) -> None:
        """Kill the process of a container, which then waits for its restart."""
        container = self.docker.container(name)
        assert container is not None
        assert self.reactor.run_until(lambda: container.process, 60)
        self.docker.container_ends(name, _KILLED)
        assert self.reactor.run_until(lambda: not container.process, 1)

    def end(self) -> None:
        """End dockerd with SIGTERM, and wait until it has ended."""
        self.docker.stop_dockerd()
        assert self.reactor.run_until(lambda: self.docker.dockerd is None, 60)


class _Names:
    """Gives networks and endpoints names that are the same in both Dockers."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def readable(self, calls: Calls) -> str:
        """Return calls as lines of text."""
        return "\n".join(self._line(*call) for call in calls)

    def _line(self, method: str, request: Any) -> str:
        if request is None:
            return method
        told = {key: self._name(key, value) if key in _IDS else value for key, value in request.items()}
        return f"{method} {json.dumps(told, sort_keys=True)}"

    def _name(self, key: str, value: str) -> str:
        count = sum(name.startswith(key) for name in self._names.values())
        return self._names.setdefault(value, f"{key} {count}")


class Twins:
    """Both hosts. The real one is started, and removed when the tests are over.

    Attributes:
        agree: Whether they have done the same so far. Later commands to those that do not would tell nothing.
    """

    def __init__(self) -> None:
        self.real = of_this_run(ROOT, "e2e-bare-", lambda name: BareHost(name, ROOT))
        self.real.start()
        self.simulated = Simulated()
        self.agree = True
        self._names = (_Names(), _Names())
        #: How many calls of the simulated one, and of the real one, were compared.
        self._ours = self._theirs = 0
        #: The names of the real one's networks, by their ids.
        self._networks: dict[str, str] = {}

    def command(self, words: Sequence[str]) -> tuple[Seen, Seen]:
        """Give both a command; return what it led to in the simulated one and in the real one."""
        real = self.real.command(words)
        self.simulated.chance.order = self._order(words, real.stderr)
        simulated = self.simulated.command(words)
        ours, theirs = self.calls()
        names, other_names = self._names
        return (
            Seen(simulated.code, simulated.message, names.readable(ours)),
            Seen(real.returncode, real.stderr, other_names.readable(theirs)),
        )

    def crash(self, names: Sequence[str], times: int) -> None:
        """Let containers of both crash again and again, until they wait for the last of their restarts."""
        for _ in range(times):
            for name in names:
                wait_until(f"{name} runs", partial(self.real.pid_of, name))
            for name in names:
                os.kill(self.real.pid_of(name), signal.SIGKILL)
            for name in names:
                self.simulated.crash(name)

    def calls(self) -> tuple[Calls, Calls]:
        """Return the calls of the simulated one and of the real one since the last time."""
        ours = self.simulated.heard[self._ours :]
        with contextlib.suppress(NeverHappened):
            wait_until("the calls are there", lambda: len(self.real.calls()) >= self._theirs + len(ours), _LATE)
        theirs = self.real.calls()[self._theirs :]
        self._ours += len(ours)
        self._theirs += len(theirs)
        return ours, theirs

    def settle(self) -> None:
        """Wait until the real one has called nobody for a while: how many calls it has left to do is not known."""
        seen = -1
        while seen != len(self.real.calls()):
            seen = len(self.real.calls())
            time.sleep(_QUIET)

    def _order(self, words: Sequence[str], message: str) -> list[str]:
        """Return the networks that a command of the real one came to, in their order; the last one may be gone."""
        calls = self.real.calls()[self._theirs :]
        if tuple(words[:2]) == ("network", "create"):
            self._networks.update({request["NetworkID"]: words[-1] for request in _of("CreateNetwork", calls)})
        ids = [request["NetworkID"] for request in _of("CreateEndpoint", calls)]
        return [self._networks.get(each, each) for each in (*ids, *_MISSING.findall(message))]


def _of(method: str, calls: Calls) -> Sequence[Any]:
    """Return the requests of a method of the network driver."""
    return [request for name, request in calls if name == f"NetworkDriver.{method}"]


class TwinsTestCase(SynchronousTestCase):
    """A test of both, which all tests share. It removes what it has made."""

    timeout = 300
    maxDiff = None

    def setUp(self) -> None:
        """Start both, unless they run."""
        demand_programs()
        self.twins = _twins()
        self.story: list[str] = []

    def tearDown(self) -> None:
        """Remove all containers and networks, which is compared as well."""
        store = self.twins.simulated.docker.store
        if self.twins.agree:
            for container in list(store.containers.values()):
                self.compare("rm", "-f", container.name)
            for network in list(store.networks.values()):
                self.compare("network", "rm", network.name)

    def create(self, network: str) -> None:
        """Create one of NETWORKS in both."""
        self.compare("network", "create", f"--driver={DRIVER}", *NETWORKS[network], network)

    def run_in(self, container: str, network: str, *options: str) -> None:
        """Run a container in both."""
        self.compare("run", "-d", f"--name={container}", f"--network={network}", *options, IMAGE, "sleep", "1000")

    def compare(self, *words: str) -> None:
        """Give both a command, and assert that it leads to the same."""
        self.twins.agree = False
        self.story.append(" ".join(words))
        ours, theirs = self.twins.command(words)
        told = "\n".join(("after", *self.story, "real:", theirs.message, "simulated:", ours.message))
        self.assertEqual(ours.calls, theirs.calls, told)
        self.assertEqual(ours.code, theirs.code, told)
        if ours.code:
            self._same_reason(ours.message, theirs.message, told)
        self.twins.agree = True

    def compare_by_endpoint(self, what: str, without: str = "") -> None:
        """Compare the calls about each endpoint; those about several come in any order. A method may be left out."""
        if without:
            # One of them that comes later would be taken for a part of the next command.
            self.twins.settle()
        ours, theirs = self.twins.calls()
        self.assertEqual(_by_endpoint(ours, without), _by_endpoint(theirs, without), what)

    def _same_reason(self, ours: str, theirs: str, told: str) -> None:
        """Assert that both messages say that it was the plugin, or that something is not there, or neither does."""
        for remark in _REMARKS:
            self.assertEqual(bool(remark.search(ours)), bool(remark.search(theirs)), told)


def _by_endpoint(calls: Calls, without: str) -> list[list[str]]:
    """Return the methods called about each endpoint, in their order, in any order of the endpoints."""
    found: dict[str, list[str]] = {}
    for method, request in calls:
        if method != without:
            found.setdefault((request or {}).get("EndpointID", ""), []).append(method)
    return sorted(found.values())


_running: list[Twins] = []


def _twins() -> Twins:
    """Return those that run, or new ones once they do not agree any more."""
    if _running and not _running[0].agree:
        _running.pop().real.remove()
    if not _running:
        _running.append(Twins())
    return _running[0]
