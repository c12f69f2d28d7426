"""Networks, made and lost at once, over a switch in memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.cleanup import Cleanup
from nuage.driver.networks import Networks
from nuage.driver.options import network_of
from nuage.driver.turns import Turns
from nuage.errors import SwitchError
from nuage.model import Network, NetworkRequest
from tests.driver_support import NETWORK, PlayedDocker, network_request


@attrs.define
class MemorySwitch:
    """A switch that remembers networks."""

    known: dict[str, Network] = attrs.field(factory=dict)
    away: bool = False

    async def ready(self) -> None:
        """See nuage.vrs.switch.Switch."""

    async def loaded(self) -> None:
        """See nuage.vrs.switch.Switch."""

    def network(self, network_id: str) -> Network | None:
        """See nuage.vrs.switch.Switch."""
        return self.known.get(network_id)

    def networks(self) -> Iterator[Network]:
        """See nuage.vrs.switch.Switch."""
        yield from self.known.values()

    def foreign_networks(self) -> Iterator[Network]:
        """See nuage.vrs.switch.Switch."""
        yield from ()

    def endpoints_of(self, _network_id: str) -> list[str]:
        """See nuage.vrs.switch.Switch."""
        return []

    async def remember_network(self, network: Network) -> None:
        """See nuage.vrs.switch.Switch."""
        self.work()
        self.known[network.id] = network

    async def forget_network(self, network_id: str, _pools: object = None) -> None:
        """See nuage.vrs.switch.Switch."""
        self.work()
        self.known.pop(network_id, None)

    def work(self) -> None:
        """Fail if it is away."""
        if self.away:
            raise SwitchError("the switch is away")


@attrs.define
class SlowPools:
    """Pools of our own IPAM, and a switch that is slow to forget them."""

    forgotten: Deferred[None] = attrs.field(factory=Deferred)

    async def completed(self, request: NetworkRequest) -> NetworkRequest:
        """See nuage.driver.networks.Pools."""
        return attrs.evolve(request, ipam=True)

    async def used(self, _network: Network) -> None:
        """See nuage.driver.networks.Pools."""
        await self.forgotten


class WhileItIsMade(SynchronousTestCase):
    """The switch has a network already, and Docker, which was not answered yet, does not."""

    def setUp(self) -> None:
        self.clock = Clock()
        turns = Turns(self.clock)
        self.docker, self.pools, self.switch = PlayedDocker(), SlowPools(), MemorySwitch()
        self.networks = Networks(
            self.clock,
            switch=cast("Any", self.switch),
            find_network=self.docker.find_network,
            endpoints=cast("Any", None),
            cleanup=Cleanup(self.clock, turns),
            turns=turns,
            pools=self.pools,
        )
        self.creation = Deferred.fromCoroutine(self.networks.create_network(network_request()))
        self.assertNoResult(self.creation)
        self.assertIn(NETWORK, self.switch.known)

    def test_it_is_not_taken_for_lost(self) -> None:
        """An audit waits for the answer, and until Docker has stored the network."""
        lost = Deferred.fromCoroutine(self.networks.forget_lost_network(NETWORK))
        self.clock.pump([1] * 10)
        self.assertIn(NETWORK, self.switch.known)
        self.pools.forgotten.callback(None)
        self.successResultOf(self.creation)
        self.clock.advance(0)
        self.docker.networks[NETWORK] = network_request()
        self.clock.advance(1)
        self.assertFalse(self.successResultOf(lost))
        self.assertIn(NETWORK, self.switch.known)

    def test_it_is_undone_if_it_is_given_up(self) -> None:
        """Docker is told that it failed, and does not have it."""
        self.creation.cancel()
        self.failureResultOf(self.creation, CancelledError)
        self.assertEqual(self.switch.known, {})


class WhileTheSwitchIsAway(SynchronousTestCase):
    """A network is to be kept, and the switch cannot. It may do so later all the same."""

    def setUp(self) -> None:
        self.clock = Clock()
        turns = Turns(self.clock)
        self.switch, self.cleanup = MemorySwitch(away=True), Cleanup(self.clock, turns)
        self.networks = Networks(
            self.clock,
            switch=cast("Any", self.switch),
            find_network=PlayedDocker().find_network,
            endpoints=cast("Any", None),
            cleanup=self.cleanup,
            turns=turns,
        )

    def keep(self, calling: Callable[[NetworkRequest], Coroutine[Any, Any, None]]) -> None:
        """Have a network kept, and the switch come back after it has done what it was asked for at last."""
        failing = Deferred.fromCoroutine(calling(network_request()))
        self.clock.advance(1)
        self.failureResultOf(failing, SwitchError)
        self.switch.away = False
        self.switch.known[NETWORK] = network_of(network_request())
        self.cleanup.resume()
        self.clock.advance(60)

    def test_one_that_docker_makes(self) -> None:
        """Docker is told that it failed, and does not have it."""
        self.keep(self.networks.create_network)
        self.assertEqual(self.switch.known, {})

    def test_one_that_docker_has(self) -> None:
        """The next audit would have to learn it again."""
        self.keep(self.networks.learn_network)
        self.assertIn(NETWORK, self.switch.known)
