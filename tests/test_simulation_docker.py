"""The simulated Docker, held to the conversations that were recorded with real ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.e2e import recording
from tests.simulated_docker_support import World
from tests.simulation.docker.cli import carry_out
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, DOCKER_28_5
from tests.simulation.docker.small_plugin import SmallPluginConnection

RECORDED = Path(__file__).parent / "recorded"
IDS = ("NetworkID", "EndpointID", "SandboxKey")
#: Ports come in any order: Go goes through a map.
PORTS = "com.docker.network.endpoint.exposedports"
RELEASES = {release.version: release for release in (DOCKER_20_10, DOCKER_26_1, DOCKER_28_5)}


def recorded(version: str) -> list[tuple[str, Any]]:
    """Return the recorded calls of a version and their requests."""
    lines = (RECORDED / f"docker-{version}.jsonl").read_text().splitlines()
    return [(call["method"], call["request"]) for call in map(json.loads, lines)]


def comparable(calls: Sequence[tuple[str, Any]]) -> list[str]:
    """Make a line of text of each call. The ids become numbers, in the order of their coming."""
    numbers: dict[str, str] = {}

    def readable(method: str, request: Any) -> str:
        told = dict(request or {})
        for key in IDS:
            if key in told:
                told[key] = numbers.setdefault(told[key], f"{key} {len(numbers)}")
        if PORTS in told.get("Options", {}):
            told["Options"] = {**told["Options"], PORTS: sorted(map(str, told["Options"][PORTS]))}
        return f"{method} {json.dumps(told, sort_keys=True)}"

    return [readable(*call) for call in calls]


class SimulatedCli:
    """Gives the commands of a recording to the simulated Docker."""

    def __init__(self, world: World) -> None:
        self._world = world

    def docker(self, *words: str, check: bool = True) -> CompletedProcess[str]:
        """See tests.e2e.recording.Cli."""
        if words[0] == "version":
            return CompletedProcess(words, 0, self._world.docker.settings.release.version)
        if words[:2] == ("network", "inspect"):
            return CompletedProcess(words, 0, "")
        (outcome,) = self._world.done(carry_out(self._world.docker, words))
        # Some commands come back before their last call.
        self._world.reactor.run_for(1)
        assert outcome.ok or not check, outcome.message
        return CompletedProcess(words, outcome.code, outcome.message)


def live(world: World) -> None:
    """Live the life that was recorded, without its end."""
    world.instead["RequestPool"] = lambda connection, _content: SmallPluginConnection.answer(
        connection, "", b'{"Error": "no VSD is configured"}'
    )
    recording.live(SimulatedCli(world))


class RecordedLifeTests(SynchronousTestCase):
    """Driven through the life of a recorded conversation, the simulated Docker says the same."""

    maxDiff = None

    def test_docker_20_10(self) -> None:
        self.assert_same("20.10.24", seed=2)

    def test_docker_26_1(self) -> None:
        self.assert_same("26.1.5", seed=2)

    def test_docker_28_5(self) -> None:
        self.assert_same("28.5.2", seed=3)

    def assert_same(self, version: str, seed: int) -> None:
        """Assert that all calls are the same.

        What commands do that come at the same time has no order.

        Args:
            version: The release.
            seed: One with which a restarted container is attached to its networks in the recorded order.
        """
        world = World(RELEASES[version], seed=seed)
        live(world)
        length = len(world.heard)
        recording.remove(SimulatedCli(world))
        ours, theirs = comparable(world.heard), comparable(recorded(version))
        self.assertEqual("\n".join(ours[:length]), "\n".join(theirs[:length]))
        self.assertEqual(sorted(ours[length:]), sorted(theirs[length:]))
        self.assertEqual(world.history.violations, [])


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
