"""What the VSD is told of an endpoint whose address is from Nuage.

The VRS tells it of most ports. If a port is activated in the split way, the plugin tells it instead.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.errors import NuageError, VsdUnavailable
from nuage.model import Container, Endpoint, Network
from nuage.vrs import tables
from nuage.vrs.policy import ORCHESTRATION_ID, named_policy
from nuage.vrs.switch import Switch


class VsdPorts(Protocol):
    """What tells the VSD of ports whose addresses are from Nuage: :class:`nuage.ipam.ports.Ports`."""

    async def bind(self, network: Network, address: IPv4Address, *, mac: str, endpoint_id: str) -> bool:
        """Tell which endpoint has an address; return whether the VRS is to be told in the split way."""

    async def assign(self, network: Network, address: IPv4Address, group: str | None, target: str | None) -> None:
        """Assign a policy to the vPort of an address; this replaces what is assigned."""

    async def name(self, network: Network, address: IPv4Address, *, name: str, orchestration_id: str) -> None:
        """Tell the name of the container that has an address."""


class Vports:
    """Tells the VSD of endpoints. Those whose addresses are not from Nuage are passed over.

    Args:
        ports: Tells it; None if Docker's IPAM gives all addresses.
        switch: The VRS, whose records say how it was told of an endpoint.
    """

    _log = Logger()

    def __init__(self, ports: VsdPorts | None, switch: Switch) -> None:
        self._ports = ports
        self._switch = switch

    async def bound(self, network: Network, endpoint: Endpoint) -> Endpoint:
        """Have the VSD know whose an address of Nuage's is, and return the endpoint as the VRS is to be told of it."""
        if self._ports is None or not network.ipam or endpoint.address is None:
            return endpoint
        address = endpoint.address.ip
        split = await self._ports.bind(network, address, mac=endpoint.mac, endpoint_id=endpoint.id)
        return attrs.evolve(endpoint, split=split)

    async def bound_again(self, network: Network, endpoint: Endpoint) -> Endpoint:
        """Bind an endpoint that is in use. While the VSD is away, its record tells how the VRS was told of it."""
        try:
            return await self.bound(network, endpoint)
        except VsdUnavailable:
            known = self._switch.endpoint(endpoint.id)
            if known is None:
                raise
            return attrs.evolve(endpoint, split=known.split)

    async def assign(self, network: Network, endpoint: Endpoint, container: Container | None) -> None:
        """Have the VSD assign the policy of an endpoint, if it does not take it from the VRS."""
        policy = named_policy(network, endpoint, container)
        if policy and endpoint.split and self._ports is not None and endpoint.address is not None:
            group, target = policy.get(tables.POLICY_GROUP), policy.get(tables.REDIRECTION_TARGET)
            await self._ports.assign(network, endpoint.address.ip, group, target)

    def name(self, network: Network, endpoint: Endpoint, container: Container | None) -> None:
        """Have the VSD know the name of an endpoint's container, if it does not learn it from the VRS. Nobody waits."""
        if container is None or not endpoint.split or self._ports is None or endpoint.address is None:
            return
        orchestration_id = container.labels.get(ORCHESTRATION_ID, container.name)
        telling = self._ports.name(network, endpoint.address.ip, name=container.name, orchestration_id=orchestration_id)
        Deferred.fromCoroutine(telling).addErrback(self._untold, container.name)

    def _untold(self, failure: Failure, name: str) -> None:
        # At the end of the plugin, nobody asks the VSD.
        if failure.trap(NuageError, CancelledError) is CancelledError:
            return
        problem = failure.getErrorMessage()
        self._log.info("the VSD does not know the name of container {name}: {problem}", name=name, problem=problem)
