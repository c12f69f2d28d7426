"""The simulated Docker: what a world leaves that nobody needs any more.

Its garbage is collected at any time, such as during the test of something else, which errors are counted against then.
"""

from __future__ import annotations

import gc
from collections.abc import Coroutine
from inspect import iscoroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.simulated_docker_support import World, hang
from tests.simulation.docker.locks import Lock
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, DOCKER_28_5, Release
from tests.simulation.docker.store import PoolRequest
from tests.simulation.run import take_apart

#: The calls of a life, each of which is never answered in a world of its own.
_CALLS = (
    *("CreateNetwork", "DeleteNetwork", "CreateEndpoint", "DeleteEndpoint", "Join", "Leave"),
    *("RequestPool", "ReleasePool", "RequestAddress", "ReleaseAddress"),
)


def _suspended() -> list[Coroutine[Any, Any, Any]]:
    """Return all coroutines that have not ended, the oldest first."""
    return [each for each in gc.get_objects() if iscoroutine(each) and each.cr_frame is not None]


class RemainsTests(SynchronousTestCase):
    """Taking a world apart makes no errors."""

    def assert_no_errors(self) -> None:
        """Collect all garbage, which nobody complains of."""
        take_apart()
        self.assertEqual(self.flushLoggedErrors(), [])

    def live(self, release: Release, hanging: str) -> World:
        """Return a world in which many commands wait for a call, and for each other, and clients for answers."""
        world = World(release)
        docker = world.docker
        for name in ("a", "b"):
            docker.create_network(name, pools=[PoolRequest(subnet="10.0.0.0/24")], ipam="nuage")
        world.reactor.run_for(10)
        docker.run("early", "a")
        world.reactor.run_for(10)
        world.instead[hanging] = hang
        docker.create_network("c", pools=[PoolRequest(subnet="10.1.0.0/24")], ipam="nuage")
        for number in range(3):
            docker.run(f"c{number}", "a")
            docker.connect("b", "early")
        docker.remove("early")
        docker.run("early", "a")
        for name in ("b", "a"):
            docker.remove_network(name)
        docker.create_network("a", pools=[PoolRequest(subnet="10.0.0.0/24")])
        world.reactor.run_for(1)
        for container in docker.store.containers.values():
            Deferred.fromCoroutine(world.client().failure_of(container.id)).addErrback(lambda _failure: None)
        world.reactor.run_for(1)
        return world

    def test_hanging_calls(self) -> None:
        """In whichever order what waits is thrown away. The collector has one of its own."""
        for order in (list, reversed):
            take_apart()
            before = {id(each) for each in _suspended()}
            worlds = [
                self.live(release, each) for release in (DOCKER_20_10, DOCKER_26_1, DOCKER_28_5) for each in _CALLS
            ]
            suspended = [each for each in _suspended() if id(each) not in before]
            self.assertGreater(len(suspended), len(worlds))
            for each in order(suspended):
                each.close()
            del worlds, suspended, each
            self.assert_no_errors()

    def test_a_lock(self) -> None:
        """One that is thrown away lets nobody in."""
        lock = Lock()

        async def hold() -> None:
            async with lock:
                await Deferred()

        holder, waiting = hold(), hold()
        for each in (holder, waiting):
            Deferred.fromCoroutine(each)
        waiting.close()
        holder.close()
        self.assert_no_errors()
