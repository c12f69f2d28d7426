"""The simulated Docker, held to the conversations that were recorded with real ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.chance import Chance
from tests.simulation.docker.docker import Docker, Outcome
from tests.simulation.docker.dockerd import Settings
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, Release
from tests.simulation.docker.small_plugin import SmallPlugin, SmallPluginFactory
from tests.simulation.docker.store import Attachment, PoolRequest
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor

RECORDED = Path(__file__).parent / "recorded"
#: The calls that Docker makes before it knows what a plugin is.
BOTH_KINDS = ("NetworkDriver", "IpamDriver")
PLACE = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "user": "admin"}


class World:
    """A simulated Docker host with a small plugin.

    Attributes:
        heard: Each call that the plugin got, and its request.
    """

    def __init__(
        self, release: Release = DOCKER_20_10, kinds: Sequence[str] = ("NetworkDriver",), seed: int = 1, **settings: Any
    ) -> None:
        self.reactor = SimReactor(Chance(seed))
        self.history = History()
        self.heard: list[tuple[str, Any]] = []
        self.docker = Docker(
            self.reactor, Chance(seed).part("docker"), self.history, Settings(release=release, **settings)
        )
        self.plugin = SmallPlugin(lambda method, request: self.heard.append((method, request)), kinds)
        self.serve()
        self.docker.start_dockerd()

    def serve(self) -> None:
        """Let the plugin listen, as a process of its own."""
        self.plugin_process = self.reactor.spawn("plugin")
        self.plugin_process.listenUNIX(self.docker.settings.plugin_socket, SmallPluginFactory(self.plugin))

    def done(self, *commands: Deferred[Outcome]) -> list[Outcome]:
        """Let commands end, and return how."""
        outcomes: list[Outcome] = []
        for command in commands:
            command.addCallback(outcomes.append)
        assert self.reactor.run_until(lambda: len(outcomes) == len(commands), 120), self.history.text
        return outcomes

    def ok(self, *commands: Deferred[Outcome]) -> None:
        """Let commands end, which have to succeed."""
        for outcome in self.done(*commands):
            assert outcome.ok, f"{outcome.message}\n{self.history.text}"

    def methods(self, since: int = 0) -> list[str]:
        """Return the names of the calls that the plugin got, without those that say nothing."""
        names = [method.rpartition(".")[2] for method, _request in self.heard[since:]]
        return [name for name in names if name != "EndpointOperInfo"]


def recorded(version: str) -> list[tuple[str, Any]]:
    """Return the recorded calls of a version and their requests."""
    lines = (RECORDED / f"docker-{version}.jsonl").read_text().splitlines()
    return [(call["method"], call["request"]) for call in map(json.loads, lines)]


def comparable(calls: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Replace the ids of networks, endpoints and sandboxes with numbers, in the order of their coming."""
    numbers: dict[str, str] = {}

    def numbered(request: Any) -> Any:
        if request is None:
            return None
        return {
            key: numbers.setdefault(value, f"{key} {len(numbers)}") if key in IDS else value
            for key, value in request.items()
        }

    return [(method, numbered(request)) for method, request in calls]


IDS = ("NetworkID", "EndpointID", "SandboxKey")


def live(world: World, mac: str = "") -> None:
    """Live the life that was recorded. ``mac`` is for a container whose release can be told one per network."""
    docker = world.docker
    first = PoolRequest(subnet="10.21.59.0/24", gateway="10.21.59.1", auxiliary={"dhcp": "10.21.59.3"})
    second = PoolRequest(subnet="10.21.60.0/24", ip_range="10.21.60.128/25")
    world.ok(docker.create_network("one", options={**PLACE, "subnet": "Subnet 2"}, pools=[first]))
    world.ok(
        docker.create_network(
            "dual",
            options={**PLACE, "subnet": "Subnet 3"},
            pools=[second, PoolRequest(subnet="fd00:60::/64")],
            ipv6=True,
        )
    )
    world.ok(docker.create_network("inside", options={"organization": "Enterprise"}, internal=True))
    world.ok(docker.run("a", "one", published=[(8080, 80)]))
    world.ok(docker.remove("a"))
    db = {"nuage.policy-group": "db"}
    world.ok(docker.run("b", "dual", Attachment(ip="10.21.60.200", driver_options=db, mac=mac)))
    world.ok(docker.run("c", "one", Attachment(ip="10.21.59.77", mac="7a:42:0a:0b:0c:0d")))
    world.ok(docker.connect("dual", "c", Attachment(ip="10.21.60.201", driver_options=db)))
    world.ok(docker.disconnect("dual", "c"))
    world.ok(docker.restart("c"))
    world.ok(docker.restart("b"))
    world.ok(docker.remove("c"), docker.remove("b"))
    for network in ("one", "dual", "inside"):
        world.ok(docker.remove_network(network))


class RecordedLifeTests(SynchronousTestCase):
    """Driven through the life of a recorded conversation, the simulated Docker says the same."""

    def test_docker_20_10(self) -> None:
        world = World(DOCKER_20_10, BOTH_KINDS)
        live(world)
        self.assert_same(world, recorded("20.10.24"))

    def test_docker_26_1(self) -> None:
        world = World(DOCKER_26_1, BOTH_KINDS)
        live(world, mac="7a:42:01:02:03:04")
        self.assert_same(world, recorded("26.1.5"))

    def assert_same(self, world: World, expected: Sequence[tuple[str, Any]]) -> None:
        """Assert that all calls are the same. What two commands at once did is compared without its order."""
        for ours, theirs in zip(self._before_the_end(world.heard), self._before_the_end(expected), strict=True):
            self.assertEqual(ours, theirs)
        self.assertEqual(sorted(self._end(world.heard)), sorted(self._end(expected)))
        self.assertEqual(world.history.violations, [])

    def _before_the_end(self, calls: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return comparable(calls)[:-9]

    def _end(self, calls: Sequence[tuple[str, Any]]) -> list[str]:
        return [json.dumps(call, sort_keys=True) for call in comparable(calls)[-9:]]
