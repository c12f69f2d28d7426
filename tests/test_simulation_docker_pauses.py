"""The simulated Docker: commands about a container that has crashed and waits for its restart."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.simulated_docker_support import World, later
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, DOCKER_28_5
from tests.simulation.docker.store import Container, PoolRequest

#: The calls about an endpoint that comes, and goes.
_COMES = ["CreateEndpoint", "Join", "ProgramExternalConnectivity"]
_GOES = ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"]
#: Crashes after which a container waits for three seconds.
_CRASHES = 6


class PauseTests(SynchronousTestCase):
    """moby counts such a container as running (container.State.SetRestarting)."""

    def begin(self, **settings: Any) -> None:
        """Make a world with two networks and a container that waits."""
        self.world = World(**settings)
        self.docker = self.world.docker
        for number in (1, 2):
            pool = PoolRequest(subnet=f"10.0.{number}.0/24")
            self.world.ok(self.docker.create_network(f"n{number}", pools=[pool]))
        self.world.ok(self.docker.run("c", "n1", restart="always"))
        self.container = self.of("c")
        for _ in range(_CRASHES):
            self.crash()
        self.since = len(self.world.heard)

    def of(self, name: str) -> Container:
        """Return a container."""
        container = self.docker.container(name)
        assert container is not None
        return container

    def crash(self) -> None:
        """Let the container run, and crash."""
        assert self.world.reactor.run_until(lambda: self.container.process, 60)
        self.docker.container_ends("c", 1)
        assert self.world.reactor.run_until(lambda: self.container.sandbox is None, 60)
        self.world.reactor.run_for(0.05)

    def calls(self) -> list[str]:
        """Return the calls since the last time."""
        since, self.since = self.since, len(self.world.heard)
        return self.world.methods(since)

    def calls_of_the_restart(self) -> list[str]:
        """Let the container run again."""
        assert self.world.reactor.run_until(lambda: self.container.process, 60)
        return self.calls()

    def connect(self, network: str = "n2") -> Outcome:
        """Connect the container."""
        (outcome,) = self.world.done(self.docker.connect(network, "c"))
        return outcome

    def test_a_start(self) -> None:
        """Does nothing: it comes when its time has come."""
        self.begin()
        self.world.ok(self.docker.start("c"))
        self.assertEqual((self.container.state, self.calls()), ("restarting", []))
        self.assertEqual(self.calls_of_the_restart(), _COMES)

    def test_a_stop(self) -> None:
        """It does not start any more, however much happens before its time would have come."""
        self.begin()
        self.world.ok(self.docker.stop("c"))
        self.world.ok(self.docker.start("c"))
        self.crash()
        self.assertEqual(self.container.restarts, 0, "a start by hand begins anew")
        self.world.ok(self.docker.stop("c"))
        self.world.reactor.run_for(30)
        self.assertEqual(self.calls(), [*_COMES, *_GOES])

    def test_a_connection(self) -> None:
        """Is made at once, in a sandbox that the restart removes; the newest release has none then."""
        for release in (DOCKER_20_10, DOCKER_26_1):
            self.begin(release=release)
            self.assertTrue(self.connect().ok)
            self.assertEqual(self.calls(), _COMES)
            self.assertEqual([each.network.name for each in self.docker.attached()], ["n2"])
            self.assertEqual(self.calls_of_the_restart()[:3], _GOES, release.version)
            self.assertEqual({each.network.name for each in self.docker.attached()}, {"n1", "n2"})
        self.begin(release=DOCKER_28_5)
        self.assertIn("network sandbox for container", self.connect().message)
        self.assertEqual(self.calls(), [])
        self.calls_of_the_restart()
        self.assertEqual({each.network.name for each in self.docker.attached()}, {"n1", "n2"}, "the wish stays")

    def test_a_disconnection(self) -> None:
        """Is refused, and the network stays the container's."""
        self.begin()
        (outcome,) = self.world.done(self.docker.disconnect("n1", "c"))
        self.assertIn("is not connected to network n1", outcome.message)
        self.assertEqual(self.calls_of_the_restart(), _COMES)

    def test_another_name(self) -> None:
        """The oldest release looks for the sandbox that the container had."""
        for release, expected in ((DOCKER_20_10, "c"), (DOCKER_26_1, "d"), (DOCKER_28_5, "d")):
            self.begin(release=release)
            self.world.done(self.docker.rename("c", "d"))
            self.assertEqual(self.container.name, expected, release.version)

    def test_what_a_removal_leaves(self) -> None:
        """The endpoint of a connection stays, and nobody but a user takes it out."""
        self.begin()
        self.connect()
        self.world.ok(self.docker.remove("c"))
        self.assertEqual(self.calls(), _COMES)
        (left,) = self.docker.left_behind()
        self.assertEqual((left.name, left.network.name, self.docker.attached()), ("c", "n2", {}))
        (outcome,) = self.world.done(self.docker.remove_network("n2"))
        self.assertIn("has active endpoints", outcome.message)
        self.world.ok(self.docker.disconnect("n2", "c", force=True))
        self.assertEqual((self.calls(), list(self.docker.left_behind())), (_GOES, []))
        self.world.ok(self.docker.remove_network("n2"))
        (outcome,) = self.world.done(self.docker.disconnect("n1", "c", force=True))
        self.assertIn("endpoint c not found", outcome.message)

    def test_what_a_stop_leaves(self) -> None:
        """The next start removes it."""
        self.begin()
        self.connect()
        self.world.ok(self.docker.stop("c"))
        self.assertEqual((self.calls(), len(list(self.docker.left_behind()))), (_COMES, 1))
        self.world.ok(self.docker.start("c"))
        self.assertEqual(self.calls()[:3], _GOES)
        self.assertEqual(list(self.docker.left_behind()), [])

    def test_a_removal_during_the_restart(self) -> None:
        """Waits for it, and ends the container. What comes meanwhile is refused, and nothing is left."""
        self.begin()
        self.world.instead["Join"] = partial(later, self.world, 20.0)
        self.world.until("Join")
        commands = self.docker.remove("c"), self.docker.start("c"), self.docker.connect("n2", "c")
        outcomes = self.world.done(*commands)
        refused = [each.message for each in outcomes if not each.ok]
        self.assertEqual([message for message in refused if "is marked for removal" not in message], [])
        self.assertEqual((self.docker.store.containers, self.docker.store.sandboxes), ({}, {}))
        self.assertEqual(list(self.docker.left_behind()), [])

    def test_a_removal_before_the_restart(self) -> None:
        """It does not come."""
        self.begin()
        self.world.ok(self.docker.remove("c"))
        self.world.reactor.run_for(30)
        self.assertEqual((self.calls(), self.docker.store.containers), ([], {}))
