"""The simulated Docker: containers that are removed at their end (``--rm``)."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.simulated_docker_support import World, hang
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, DOCKER_28_5
from tests.simulation.docker.store import Attachment, PoolRequest


class RemovalTests(SynchronousTestCase):
    """A container with ``--rm``."""

    def world_with(self, **settings: Any) -> World:
        """Return a world with a network and such a container."""
        world = World(**settings)
        world.ok(world.docker.create_network("net", pools=[PoolRequest(subnet="10.0.0.0/24")]))
        world.ok(world.docker.run("c", "net", auto_remove=True))
        return world

    def left(self, world: World) -> list[str]:
        """Return the containers that are there after some seconds."""
        world.reactor.run_for(20)
        return [each.name for each in world.docker.store.containers.values()]

    def test_its_end(self) -> None:
        """However it comes."""
        for command in ("stop", "kill", "remove"):
            world = self.world_with()
            world.ok(getattr(world.docker, command)("c"))
            self.assertEqual(self.left(world), [], command)
            self.assertEqual(world.methods()[-2:], ["Leave", "DeleteEndpoint"])
        world = self.world_with()
        world.docker.container_ends("c", 1)
        self.assertEqual(self.left(world), [])

    def test_it_is_removed_once_its_network_is_released(self) -> None:
        world = self.world_with()
        world.instead["Leave"] = hang
        world.docker.stop("c")
        self.assertEqual(self.left(world), ["c"])

    def test_a_restart(self) -> None:
        """Does not remove it."""
        world = self.world_with()
        world.ok(world.docker.restart("c"))
        self.assertEqual(self.left(world), ["c"])
        world.ok(world.docker.stop("c"))
        self.assertEqual(self.left(world), [])

    def test_a_restart_that_a_kill_cuts_off(self) -> None:
        """The next daemon knows nothing of it."""
        world = self.world_with(release=DOCKER_26_1, live_restore=True)
        world.docker.restart("c")
        world.reactor.run_for(0.04)
        world.docker.kill_dockerd()
        container = world.docker.container("c")
        self.assertTrue(container and container.restarting_by_hand)
        world.docker.start_dockerd()
        world.ok(world.docker.stop("c"))
        self.assertEqual(self.left(world), [])

    def test_one_that_does_not_start(self) -> None:
        """Is gone before its command comes back."""
        world = self.world_with()
        (outcome,) = world.done(world.docker.run("d", "net", Attachment(ip="10.0.0.99"), auto_remove=True))
        self.assertEqual(outcome.code, 125)
        self.assertIsNone(world.docker.container("d"))

    def test_the_start_of_the_daemon(self) -> None:
        """Removes it, unless it has outlived the former daemon; the oldest release ends it even then."""
        for live_restore in (False, True):
            for release in (DOCKER_20_10, DOCKER_26_1, DOCKER_28_5):
                world = self.world_with(release=release, live_restore=live_restore)
                world.docker.kill_dockerd()
                world.docker.start_dockerd()
                expected = ["c"] if live_restore and release is not DOCKER_20_10 else []
                self.assertEqual(self.left(world), expected, (release.version, live_restore))

    def test_the_end_of_the_daemon(self) -> None:
        """Removes it as well."""
        world = self.world_with()
        world.docker.stop_dockerd()
        self.assertEqual(self.left(world), [])
