"""What each libnetwork call does.

Every call may come twice, also after a restart of the daemon. It takes effect wholly or not at all: if a step fails,
what was done before it is undone. Calls about one endpoint, or about one network, run one after the other.
"""

from __future__ import annotations

from nuage import names
from nuage.driver.endpoints import Endpoints
from nuage.driver.networks import Networks
from nuage.driver.oper_info import oper_info
from nuage.libnetwork import payloads
from nuage.model import NetworkRequest
from nuage.vrs.switch import Switch


class Driver:
    """Answers the calls of libnetwork.

    Args:
        scope: "local" or "global"; see :class:`nuage.libnetwork.payloads.Capabilities`.
        switch: The VRS. Nothing is read from it before it is there.
        networks: Makes and removes networks.
        endpoints: Makes, attaches and removes endpoints.

    Its methods are named after the calls. They raise :class:`nuage.errors.NuageError`.
    """

    def __init__(self, *, scope: str, switch: Switch, networks: Networks, endpoints: Endpoints) -> None:
        self._scope = scope
        self._switch = switch
        self._networks = networks
        self._endpoints = endpoints

    async def capabilities(self) -> payloads.Capabilities:
        """Tell the scope of this driver's networks."""
        return payloads.Capabilities(self._scope)

    async def allocate_network(self, request: payloads.AllocateNetwork) -> payloads.Allocation:
        """Return the options, which Swarm hands on to CreateNetwork on every node: what is not returned is lost.

        They are not checked here. Swarm shows nobody an error of this call, and leaves a service's tasks waiting. It
        shows an error of CreateNetwork with the task.
        """
        return payloads.Allocation(request.options)

    async def free_network(self, _request: payloads.NetworkCall) -> payloads.Empty:
        """Do nothing: nothing was set aside."""
        return payloads.Empty()

    async def create_network(self, request: NetworkRequest) -> payloads.Empty:
        """Check the network and keep it."""
        await self._networks.create_network(request)
        return payloads.Empty()

    async def delete_network(self, request: payloads.NetworkCall) -> payloads.Empty:
        """Forget the network, and whatever Docker did not remove before."""
        await self._networks.forget_network(request.network_id)
        return payloads.Empty()

    async def create_endpoint(self, request: payloads.CreateEndpoint) -> payloads.CreatedEndpoint:
        """Check the endpoint and keep it; the container is attached by Join."""
        await self._switch.ready()
        network = await self._networks.get(request.network_id)
        endpoint = await self._endpoints.create_endpoint(network, request)
        return payloads.CreatedEndpoint(None if request.mac else endpoint.mac)

    async def join(self, request: payloads.EndpointCall) -> payloads.Joined:
        """Make the container's link and attach it to the switch."""
        await self._switch.ready()
        network = await self._networks.get(request.network_id)
        endpoint, gateway = await self._endpoints.attach_endpoint(network, request.endpoint_id)
        routed = not (network.internal or network.gwbridge)
        return payloads.Joined(
            source=names.container_end_name(request.endpoint_id),
            gateway=gateway if routed else None,
            gateway_v6=network.gateway_v6 if routed else None,
            name=endpoint.interface_name,
            gwbridge=network.gwbridge,
        )

    async def endpoint_oper_info(self, request: payloads.EndpointCall) -> payloads.OperationalInfo:
        """Tell how the endpoint is attached and what the VRS made of it."""
        await self._switch.loaded()
        return payloads.OperationalInfo(oper_info(self._switch, request.endpoint_id))

    async def leave(self, request: payloads.EndpointCall) -> payloads.Empty:
        """Undo Join. The endpoint stays known: it may be joined again."""
        await self._endpoints.detach_endpoint(request.endpoint_id)
        return payloads.Empty()

    async def delete_endpoint(self, request: payloads.EndpointCall) -> payloads.Empty:
        """Undo all of the endpoint: a Join that failed is not followed by a Leave."""
        await self._endpoints.forget_endpoint(request.endpoint_id)
        return payloads.Empty()

    async def program_external_connectivity(self, _request: payloads.EndpointCall) -> payloads.Empty:
        """Do nothing: a Nuage subnet makes the container reachable by its own address."""
        return payloads.Empty()

    async def revoke_external_connectivity(self, _request: payloads.EndpointCall) -> payloads.Empty:
        """Do nothing; see :meth:`program_external_connectivity`."""
        return payloads.Empty()

    async def discover(self, _request: payloads.Discovery) -> payloads.Empty:
        """Do nothing: the VRS learns of other hosts from its controller."""
        return payloads.Empty()
