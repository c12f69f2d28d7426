"""The networks: those that this host was told of, and those that were made on another host of the cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nuage.errors import DockerUnavailable, Refused
from nuage.libnetwork import payloads
from nuage.model import Network
from nuage.options import network_of
from nuage.serial import Turns
from nuage.vrs.switch import Switch
from nuage.vrs.tables import NETWORK_RECORD

#: Finds a network that this host was not told of, as the request that would have created it; None where there is none.
NetworkFinder = Callable[[str], Awaitable[payloads.CreateNetwork | None]]


class Networks:
    """Knows the networks.

    Args:
        switch: Remembers networks.
        find_network: Asks Docker for those that it does not.
        turns: Keeps calls about one network apart.
    """

    def __init__(self, switch: Switch, find_network: NetworkFinder, turns: Turns) -> None:
        self._switch = switch
        self._find_network = find_network
        self._turns = turns

    async def get(self, network_id: str) -> Network:
        """Return a network; one that was made on another host of the cluster is learnt from Docker."""
        network = self._switch.network(network_id)
        if network is None:
            network = await self._learnt_network(network_id)
            async with self._turns.turn(network_id):
                await self._switch.remember_network(network)
        return network

    async def demand_subnet_of_its_own(self, network: Network) -> None:
        """Make sure that no other network assigns the addresses of the same Nuage subnet.

        One that Docker does not know any more is forgotten instead: Docker does not always say when it drops one. That
        of another plugin on this switch is not ours to judge.
        """
        for other in self._switch.foreign_networks():
            if other.id != network.id and other.competes_with(network):
                raise Refused(
                    f"network {other.id} of the plugin {other.owner} stands for {other.place()} already, with the "
                    f"subnet {other.pool}: use that network, or remove it first; if that plugin is there no more, "
                    f"ovs-vsctl remove bridge {self._switch.bridge} external_ids {NETWORK_RECORD}{other.id}"
                )
        for other in self._switch.networks():
            if other.id != network.id and other.competes_with(network):
                if not await self._is_gone(other.id):
                    raise Refused(
                        f"network {other.id} stands for {other.place()} already, with the subnet {other.pool}: "
                        "use that network, or remove it first"
                    )
                await self._switch.forget_network(other.id)

    async def _is_gone(self, network_id: str) -> bool:
        try:
            return await self._find_network(network_id) is None
        except (DockerUnavailable, Refused):
            # Docker has it where what it says of it cannot be read.
            return False

    async def _learnt_network(self, network_id: str) -> Network:
        try:
            request = await self._find_network(network_id)
        except DockerUnavailable as problem:
            raise Refused(f"network {network_id} is not known here, and Docker did not tell: {problem}") from problem
        if request is None:
            raise Refused(f"network {network_id} is not known here nor to Docker; remove it and create it again")
        return network_of(request)
