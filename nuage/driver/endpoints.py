"""The endpoints: what is made for a container, and what becomes of it.

The life of an endpoint::

    forgotten --CreateEndpoint--> created --Join--> shut --labels are known--> announced --VRS answers--> resolved
        ^                         ^  |                |                            |                         |
        |                         +--|----------------+---------- Leave -----------+-------------------------+
        |                            |                |                            |                         |
        +----------------------------+-------- DeleteEndpoint, or an audit --------+-------------------------+

A Join goes from created to resolved in one call if Docker tells the labels in time, and back to created if the VRS
does not answer. With the label policy "late" no endpoint is shut. An audit forgets an endpoint that Docker has
forgotten, and puts back what the switch lacks of one that a container uses. Leave and DeleteEndpoint succeed outwardly
while the switch is away; the rest is done later (:mod:`nuage.driver.cleanup`). Only the switch's database shows which
state an endpoint is in:

- a created endpoint is a record at the bridge,
- a shut one is a port of the bridge, with the record at its interface,
- an announced one also has rows in the VRS's two tables,
- a resolved one has the VRS's answer in the row of its port.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address, IPv4Interface
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from nuage import names
from nuage.driver.cleanup import Cleanup
from nuage.driver.containers import Containers
from nuage.driver.endpoint_options import check_spelling, endpoint_options, interface_name
from nuage.driver.mac import mac_of
from nuage.driver.places import Places
from nuage.driver.resolving import Resolving
from nuage.driver.turns import Turns
from nuage.driver.vports import Vports, VsdPorts
from nuage.errors import Refused
from nuage.libnetwork.payloads import CreateEndpoint
from nuage.links.veth import Link
from nuage.model import Container, Endpoint, Network
from nuage.vrs.policy import check_labels
from nuage.vrs.switch import Switch


class LinkMaker(Protocol):
    """What makes and removes the links: :class:`nuage.links.links.Links`."""

    async def create_pair(self, host_name: str, container_name: str, *, mac: str, mtu: int, alias: str) -> None:
        """Make a pair, or see that it is there."""

    async def pair(self, host_name: str, alias: str) -> Link | None:
        """Return the host end of a pair, None if it is not there or is about to be removed."""

    def remove_soon(self, host_name: str, alias: str) -> None:
        """Remove a pair in the background."""


class Endpoints:
    """Makes, attaches and removes endpoints, one call about each after the other.

    Args:
        mtu: MTU of networks that have none of their own, in bytes.
        resolve_timeout: Seconds that a Join waits for the VRS to resolve the port; 0 does not wait.
        label_policy: With "strict", a port waits for its container's labels, which Docker does not always tell in time.
            With "late", it is opened at once, and gets the policy that they name when they are known.
        switch: The VRS.
        links: Makes veth pairs.
        containers: Knows which container an endpoint belongs to.
        cleanup: Finishes what the switch could not do at once.
        turns: Keeps calls about one endpoint apart; shared with ``cleanup``.
        clock: Measures how long the VRS takes.
        ports: Tells the VSD of ports whose addresses are from Nuage; None if Docker's IPAM gives all of them.
        places: Knows why the VRS does not resolve a port; None without a VSD.

    Its methods raise :class:`nuage.errors.NuageError`. ``resolutions`` tells the seconds that the VRS took
    for each answer.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        mtu: int,
        resolve_timeout: float,
        label_policy: str,
        switch: Switch,
        links: LinkMaker,
        containers: Containers,
        cleanup: Cleanup,
        turns: Turns,
        clock: IReactorTime,
        ports: VsdPorts | None = None,
        places: Places | None = None,
    ) -> None:
        self._mtu = mtu
        self._label_policy = label_policy
        self._switch = switch
        self._links = links
        self._containers = containers
        self._cleanup = cleanup
        self._turns = turns
        self._vports = Vports(ports, switch)
        self._resolving = Resolving(switch, containers, clock, resolve_timeout, places)
        self.resolutions = self._resolving.answers

    async def create_endpoint(self, network: Network, request: CreateEndpoint) -> Endpoint:
        """Check an endpoint and keep it."""
        address = _checked_address(request, network)
        check_spelling(request.options)
        options, name = endpoint_options(request.options), interface_name(request.options)
        await self._free_addresses(request, network)
        async with self._turns.turn(request.endpoint_id):
            self._cleanup.cancel(request.endpoint_id)
            known = self._switch.endpoint(request.endpoint_id)
            endpoint = Endpoint(
                id=request.endpoint_id,
                network_id=network.id,
                mac=request.mac or (known.mac if known else mac_of(network, address.ip)),
                address=address,
                address_v6=request.address_v6,
                options=options,
                interface_name=name,
            )
            endpoint = await self._vports.bound(network, endpoint)
            undo = partial(self._forget_endpoint, endpoint.id)
            async with self._cleanup.undone_by(endpoint.id, undo, new=known is None):
                await self._switch.remember_endpoint(endpoint)
            self._containers.expect(network.id, endpoint.id)
        return endpoint

    async def attach_endpoint(self, network: Network, endpoint_id: str) -> tuple[Endpoint, IPv4Address | None]:
        """Make the container's link, attach it to the switch, and return the endpoint and its gateway."""
        async with self._turns.turn(endpoint_id):
            endpoint = self._switch.endpoint(endpoint_id)
            if endpoint is None:
                raise Refused(f"endpoint {endpoint_id} is not known here; start the container again")
            self._cleanup.cancel(endpoint.id)
            return endpoint, await self._attach(network, endpoint)

    async def detach_endpoint(self, endpoint_id: str) -> None:
        """Undo :meth:`attach_endpoint`. The endpoint stays known: it may be attached again."""
        async with self._turns.turn(endpoint_id):
            await self._cleanup.finish(endpoint_id, partial(self._unplug, endpoint_id))

    async def forget_endpoint(self, endpoint_id: str) -> None:
        """Remove all of an endpoint."""
        async with self._turns.turn(endpoint_id):
            self._containers.forget(endpoint_id)
            await self._cleanup.finish(endpoint_id, partial(self._forget_endpoint, endpoint_id))

    async def restore_endpoint(self, network: Network, endpoint: Endpoint, container: Container | None) -> bool:
        """Put back what the switch lacks of an endpoint that is in use.

        Return whether that was to be done: a call may have changed it meanwhile. Leave and DeleteEndpoint remove the
        link, even if the switch did not know the endpoint any more.
        """
        async with self._turns.turn(endpoint.id):
            if await self._link(endpoint.id) is None or self._switch.trace(endpoint.id).waiting:
                return False
            known = container or self._containers.known(endpoint.id)
            endpoint = await self._vports.bound_again(network, endpoint)
            await self._switch.adopt(endpoint, known)
            await self._open(network, endpoint, known)
            return True

    async def name_endpoint(self, endpoint_id: str, container: Container | None) -> None:
        """Tell the VRS the container of an endpoint that was attached without it.

        An endpoint that was shut until then is opened, also if it has no container (None).
        """
        async with self._turns.turn(endpoint_id):
            endpoint, trace = self._switch.endpoint(endpoint_id), self._switch.trace(endpoint_id)
            network = self._switch.network(endpoint.network_id) if endpoint else None
            if endpoint is None or network is None or not trace.attached:
                return
            container = self._accepted(container, running=trace.announced)
            if not trace.announced or (container is not None and trace.container_id is None):
                # Later the administrator may have assigned another policy.
                await self._vports.assign(network, endpoint, container)
            if not trace.announced:
                await self._open(network, endpoint, container)
            elif container is not None:
                await self._switch.rename(network, endpoint, container)
            self._vports.name(network, endpoint, container)

    def seek_containers(self) -> None:
        """Ask for the containers of endpoints that were attached without one, perhaps shut, by an earlier daemon."""
        for endpoint_id, trace in self._switch.survey().traces.items():
            if trace.attached and trace.container_id is None and trace.network_id:
                self._containers.expect(trace.network_id, endpoint_id)

    def end_searches(self) -> None:
        """Ask no more for containers of endpoints of which the switch has nothing, and which no call is about.

        Docker forgets endpoints without a word, and a switch may lose all that it has. No call comes for them any more.
        """
        for endpoint_id in self._containers.endpoints:
            trace = self._switch.trace(endpoint_id)
            if not (trace.waiting or trace.attached or trace.announced or self._turns.taken(endpoint_id)):
                self._containers.forget(endpoint_id)

    async def _open(self, network: Network, endpoint: Endpoint, container: Container | None) -> None:
        """Attach an endpoint whose container has been started. It is attached with its policy, or not at all."""
        container = self._accepted(container, running=False)
        await self._switch.attach(network, endpoint, container)
        # Nobody waits for the VRS's answer, and it must not hold up the endpoint's turn.
        self._resolving.watch(network, endpoint, container)

    def _accepted(self, container: Container | None, *, running: bool) -> Container | None:
        """Return a container whose labels can be followed.

        Raises:
            Refused: They are bad, and the container does not run yet.
        """
        if container is None or running or self._label_policy != "strict":
            return container and self._followed(container)
        check_labels(container)
        return container

    def _followed(self, container: Container) -> Container:
        """Return a running container, without its labels if they are bad: it is too late to refuse the container."""
        try:
            check_labels(container)
        except Refused as problem:
            self._log.warn("{problem}; its labels are ignored until it is started again", problem=str(problem))
            return attrs.evolve(container, labels={})
        return container

    async def _attach(self, network: Network, endpoint: Endpoint) -> IPv4Address | None:
        """Make the link, then the rows, and return the gateway. If one fails, neither stays."""
        known = self._switch.attachment(endpoint.id)
        async with self._cleanup.undone_by(endpoint.id, partial(self._unplug, endpoint.id), new=known is None):
            # Docker thinks while the kernel works.
            self._containers.ask_now(network.id, endpoint.id)
            await self._links.create_pair(
                names.port_name(endpoint.id),
                names.container_end_name(endpoint.id),
                mac=endpoint.mac,
                mtu=network.mtu or self._mtu,
                alias=names.link_alias(endpoint.id),
            )
            await self._containers.of(network.id, endpoint.id)
            if self._shut(endpoint.id):
                await self._switch.plug(endpoint)
            if self._shut(endpoint.id):
                self._log.info("endpoint={endpoint} is shut until Docker tells its labels", endpoint=endpoint.id[:12])
                return network.gateway
            await self._announce(network, endpoint)
            return await self._resolving.gateway(network, endpoint)

    def _shut(self, endpoint_id: str) -> bool:
        """Tell whether the endpoint's policy is not known yet and nothing may pass before it is."""
        if self._label_policy != "strict" or self._containers.settled(endpoint_id):
            return False
        return not self._switch.trace(endpoint_id).announced

    async def _announce(self, network: Network, endpoint: Endpoint) -> None:
        container = self._containers.known(endpoint.id)
        if container is not None:
            check_labels(container)
        await self._vports.assign(network, endpoint, container)
        await self._switch.attach(network, endpoint, container)
        late = self._containers.known(endpoint.id)
        if container is None and late is not None:
            check_labels(late)
            await self._vports.assign(network, endpoint, late)
            await self._switch.rename(network, endpoint, late)
        self._vports.name(network, endpoint, late)

    async def _free_addresses(self, request: CreateEndpoint, network: Network) -> None:
        """Remove older endpoints of the network that have an address which Docker now gives to another.

        Docker would not give it away if they were alive: it lost them in a crash, and tells nobody. Their ports would
        keep the VRS from resolving the new one. Each is removed in its own turn, before the new endpoint's turn: a call
        that waits for one turn while it holds another could wait forever.

        Endpoints of a network that is gone, where this one is now, are removed unless a container uses them: a Docker
        that lost its cluster store still runs them.
        """
        addresses = [interface.ip for interface in (request.address, request.address_v6) if interface]
        older_ones = self._switch.holders(network, addresses) - {request.endpoint_id}
        for stray in sorted(self._switch.strays(network, addresses)):
            link = await self._link(stray)
            if link is None or not link.carrier:
                older_ones.add(stray)
        for older in sorted(older_ones):
            self._log.info(
                "endpoint={older} is removed: Docker gives its address to endpoint={newer}",
                older=older[:12],
                newer=request.endpoint_id[:12],
            )
            await self.forget_endpoint(older)

    async def _forget_endpoint(self, endpoint_id: str) -> None:
        try:
            await self._switch.forget_endpoint(endpoint_id)
        finally:
            self._remove_link(endpoint_id)

    async def _unplug(self, endpoint_id: str) -> None:
        try:
            await self._switch.unplug(endpoint_id)
        finally:
            self._remove_link(endpoint_id)

    async def _link(self, endpoint_id: str) -> Link | None:
        return await self._links.pair(names.port_name(endpoint_id), names.link_alias(endpoint_id))

    def _remove_link(self, endpoint_id: str) -> None:
        self._links.remove_soon(names.port_name(endpoint_id), names.link_alias(endpoint_id))


def _checked_address(request: CreateEndpoint, network: Network) -> IPv4Interface:
    if request.address is None:
        raise Refused(f"endpoint {request.endpoint_id} has no IPv4 address; use an IPAM driver that gives one")
    if request.address.ip not in network.pool:
        raise Refused(f"address {request.address.ip} is not in the subnet {network.pool} of network {network.id}")
    if request.address.ip == network.gateway:
        raise Refused(f"address {request.address.ip} is the gateway of network {network.id}; choose another --ip")
    return request.address
