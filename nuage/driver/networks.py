"""The networks: those that this host was told of, and those that were made on another host of the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from nuage.driver.cleanup import Cleanup
from nuage.driver.endpoints import Endpoints
from nuage.driver.options import network_of
from nuage.driver.places import Places
from nuage.driver.turns import Turns
from nuage.errors import DockerUnavailable, Refused
from nuage.model import Network, NetworkRequest
from nuage.vrs.switch import Switch
from nuage.vrs.tables import NETWORK_RECORD

#: Finds a network that this host was not told of, as the request that would have created it; None if there is none.
NetworkFinder = Callable[[str], Awaitable[NetworkRequest | None]]

#: Seconds after which Docker is asked again about a network that it does not know. It stores a network only after
#: CreateNetwork has been answered, and says until then that there is none.
_STORING_TIME = 1.0


class Pools(Protocol):
    """What knows the pools that our own IPAM handed out: :class:`nuage.ipam.handed_out.HandedOut`."""

    async def completed(self, request: NetworkRequest) -> NetworkRequest:
        """Return a request with what its pool says of the network's place."""

    async def used(self, network: Network) -> None:
        """Note that a network was made."""


class AbandonedPools(Protocol):
    """What knows the pools in which something is held: :class:`nuage.ipam.abandoned.Abandoned`."""

    async def left_by(self, network: Network) -> Mapping[str, str]:
        """Return what is to be remembered of the pools of a network that goes."""


class Networks:
    """Makes and removes networks, and knows them.

    Args:
        clock: Measures the time that Docker has for storing a network.
        switch: Remembers networks.
        find_network: Asks Docker for those that it does not.
        endpoints: Removes those of a network that is removed.
        cleanup: Finishes what the switch could not do at once.
        turns: Keeps calls about one network, and about one place in the topology, apart; shared with ``cleanup``.
        pools: Knows the pools of networks whose addresses are from Nuage; None if Docker's IPAM gives all of them.
        abandoned: Knows in which of those pools something is held; None likewise.
        places: Compares networks with the VSD; None without a VSD.
    """

    def __init__(
        self,
        clock: IReactorTime,
        *,
        switch: Switch,
        find_network: NetworkFinder,
        endpoints: Endpoints,
        cleanup: Cleanup,
        turns: Turns,
        pools: Pools | None = None,
        abandoned: AbandonedPools | None = None,
        places: Places | None = None,
    ) -> None:
        self._clock = clock
        self._switch = switch
        self._find_network = find_network
        self._endpoints = endpoints
        self._cleanup = cleanup
        self._turns = turns
        self._pools = pools
        self._abandoned = abandoned
        self._places = places

    async def create_network(self, request: NetworkRequest) -> None:
        """Check a network and keep it."""
        async with self._accepted(request) as network:
            # Its endpoints are not undone with it: it may be one whose record was lost, and containers run on it.
            undo, new = partial(self._drop, network.id), self._switch.network(network.id) is None
            async with self._cleanup.undone_by(network.id, undo, new=new):
                await self._keep(network)

    async def learn_network(self, request: NetworkRequest) -> None:
        """Check a network that Docker has, and keep it. Nothing is undone if that fails: it stays Docker's."""
        async with self._accepted(request) as network:
            await self._keep(network)

    async def forget_network(self, network_id: str) -> None:
        """Forget a network, and whatever Docker did not remove of it before."""
        async with self._turns.turn(network_id):
            await self._cleanup.finish(network_id, partial(self._forget_network, network_id))

    async def forget_lost_network(self, network_id: str) -> bool:
        """Forget a network that Docker has dropped without a word; return False if Docker has it.

        Docker is asked here once more: Swarm makes a network anew, with the same id, for each task that comes to a host
        where there was none.
        """
        async with self._turns.turn(network_id):
            if not await self._is_gone(network_id):
                return False
            await self._cleanup.finish(network_id, partial(self._forget_network, network_id))
            return True

    async def get(self, network_id: str) -> Network:
        """Return a network; one that was made on another host of the cluster is learnt from Docker.

        Docker uses it: what would remove it, and was put off, is not done any more.
        """
        network = self._switch.network(network_id)
        if network is None:
            network = await self._learnt_network(network_id)
            async with self._placed(network):
                await self._switch.remember_network(network)
        self._cleanup.cancel(network.id)
        return network

    @asynccontextmanager
    async def _accepted(self, request: NetworkRequest) -> AsyncIterator[Network]:
        """Hold the turns of the network that a request describes, and yield it, if nothing is wrong with it."""
        network = await self._described(request)
        await self._switch.ready()
        if self._places is not None:
            network = await self._places.checked(network)
        async with self._placed(network):
            self._cleanup.cancel(network.id)
            yield network

    async def _keep(self, network: Network) -> None:
        await self._switch.remember_network(network)
        # Still in its turn: to an audit it is lost, because Docker stores it only after the answer.
        if self._pools is not None and network.ipam:
            await self._pools.used(network)

    @asynccontextmanager
    async def _placed(self, network: Network) -> AsyncIterator[None]:
        """Hold the turns of the network and of its place, so that no other network is accepted there meanwhile.

        The place's turn comes first: whoever holds a network's turn waits only for the turns of endpoints.

        Raises:
            Refused: The place has a network already; the message names it.
        """
        async with self._turns.turn(network.place()):
            await self._demand_subnet_of_its_own(network)
            async with self._turns.turn(network.id):
                yield

    async def _forget_network(self, network_id: str) -> None:
        await self._forget_endpoints(network_id)
        await self._drop(network_id)

    async def _forget_endpoints(self, network_id: str) -> None:
        await self._switch.loaded()
        for endpoint_id in self._switch.endpoints_of(network_id):
            await self._endpoints.forget_endpoint(endpoint_id)

    async def _drop(self, network_id: str) -> None:
        """Forget a network. What is held in its pools is still to be found after that."""
        network, abandoned = self._switch.network(network_id), self._abandoned
        held = await abandoned.left_by(network) if abandoned and network and network.ipam else None
        await self._switch.forget_network(network_id, held)

    async def _demand_subnet_of_its_own(self, network: Network) -> None:
        """Make sure that no other network assigns the addresses of the same Nuage subnet.

        A network that Docker no longer knows is forgotten instead: Docker does not always say when it drops one. A
        network of another plugin on this switch is not ours to judge.
        """
        for other in self._switch.foreign_networks():
            if other.id != network.id and other.competes_with(network):
                raise Refused(
                    f"network {other.id} of the plugin {other.owner} stands for {other.place()} already, with the "
                    f"subnet {other.pool}: use that network, or remove it first; if that plugin is gone, run "
                    f"ovs-vsctl remove bridge {self._switch.bridge} external_ids {NETWORK_RECORD}{other.id}"
                )
        for other in list(self._switch.networks()):
            if other.id != network.id and other.competes_with(network):
                if not await self._is_gone(other.id):
                    raise Refused(
                        f"network {other.id} stands for {other.place()} already, with the subnet {other.pool}: "
                        "use that network, or remove it first"
                    )
                async with self._turns.turn(other.id):
                    await self._drop(other.id)

    async def _is_gone(self, network_id: str) -> bool:
        if await self._is_known(network_id):
            return False
        await deferLater(self._clock, _STORING_TIME)
        return not await self._is_known(network_id)

    async def _is_known(self, network_id: str) -> bool:
        """Tell whether Docker has a network, or did not say that it has not."""
        try:
            return await self._find_network(network_id) is not None
        except (DockerUnavailable, Refused):
            # Docker has a network of which it says something that cannot be read.
            return True

    async def _learnt_network(self, network_id: str) -> Network:
        try:
            request = await self._find_network(network_id)
        except DockerUnavailable as problem:
            raise Refused(f"network {network_id} is not known here, and asking Docker failed: {problem}") from problem
        if request is None:
            raise Refused(f"network {network_id} is known neither here nor to Docker; remove it and create it again")
        return await self._described(request)

    async def _described(self, request: NetworkRequest) -> Network:
        """Return the network that a request describes, with what its pool says of it."""
        return network_of(request if self._pools is None else await self._pools.completed(request))
