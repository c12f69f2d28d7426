"""The simulated Docker, held to the conversations that were recorded with real ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.simulated_docker_support import World
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1
from tests.simulation.docker.store import Attachment, PoolRequest

RECORDED = Path(__file__).parent / "recorded"
PLACE = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "user": "admin"}


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
    world.ok(docker.run("a", "one", published=((8080, 80),)))
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
        world = World(DOCKER_20_10)
        live(world)
        self.assert_same(world, recorded("20.10.24"))

    def test_docker_26_1(self) -> None:
        world = World(DOCKER_26_1)
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


class SameSeedTests(SynchronousTestCase):
    """The same seed tells the same story."""

    def test_histories(self) -> None:
        stories = []
        for seed in (1, 1, 2):
            world = World(seed=seed)
            live(world)
            stories.append(world.history.text)
        self.assertEqual(stories[0], stories[1])
        self.assertNotEqual(stories[1], stories[2])
