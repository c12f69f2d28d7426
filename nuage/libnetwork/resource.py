"""The protocol of network drivers as a Klein resource: the routes."""

from __future__ import annotations

from typing import Protocol

from klein import Klein
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from nuage.libnetwork import payloads
from nuage.libnetwork.answering import Answering, answers_errors
from nuage.libnetwork.calls import Calls
from nuage.model import NetworkRequest


class NetworkDriver(Protocol):
    """What carries the calls out: :class:`nuage.driver.driver.Driver`."""

    async def capabilities(self) -> payloads.Capabilities: ...
    async def allocate_network(self, request: payloads.AllocateNetwork, /) -> payloads.Allocation: ...
    async def free_network(self, request: payloads.NetworkCall, /) -> payloads.Empty: ...
    async def create_network(self, request: NetworkRequest, /) -> payloads.Empty: ...
    async def delete_network(self, request: payloads.NetworkCall, /) -> payloads.Empty: ...
    async def create_endpoint(self, request: payloads.CreateEndpoint, /) -> payloads.CreatedEndpoint: ...
    async def endpoint_oper_info(self, request: payloads.EndpointCall, /) -> payloads.OperationalInfo: ...
    async def delete_endpoint(self, request: payloads.EndpointCall, /) -> payloads.Empty: ...
    async def join(self, request: payloads.EndpointCall, /) -> payloads.Joined: ...
    async def leave(self, request: payloads.EndpointCall, /) -> payloads.Empty: ...
    async def program_external_connectivity(self, request: payloads.EndpointCall, /) -> payloads.Empty: ...
    async def revoke_external_connectivity(self, request: payloads.EndpointCall, /) -> payloads.Empty: ...
    async def discover(self, request: payloads.Discovery, /) -> payloads.Empty: ...


async def _activation() -> payloads.Activation:
    return payloads.Activation((payloads.NETWORK_DRIVER, payloads.IPAM_DRIVER))


class Libnetwork(Answering):
    """The resource that Docker posts its calls to.

    Args:
        driver: Carries the calls out.
        calls: Keeps their deadlines.
    """

    _app = answers_errors(Klein())

    def __init__(self, driver: NetworkDriver, calls: Calls) -> None:
        super().__init__(calls)
        self._driver = driver

    def resource(self) -> IResource:
        """Return the resource for a site."""
        return self._app.resource()

    @_app.route("/Plugin.Activate", methods=["POST"])
    async def activate(self, request: IRequest) -> bytes:
        """Tell what this plugin is."""
        return await self._without_body(request, "Plugin.Activate", _activation())

    @_app.route("/NetworkDriver.GetCapabilities", methods=["POST"])
    async def get_capabilities(self, request: IRequest) -> bytes:
        """Tell what this driver can do."""
        return await self._without_body(request, "NetworkDriver.GetCapabilities", self._driver.capabilities())

    @_app.route("/NetworkDriver.AllocateNetwork", methods=["POST"])
    async def allocate_network(self, request: IRequest) -> bytes:
        """See :class:`nuage.libnetwork.payloads.AllocateNetwork`."""
        return await self._call(request, payloads.AllocateNetwork.from_body, self._driver.allocate_network)

    @_app.route("/NetworkDriver.FreeNetwork", methods=["POST"])
    async def free_network(self, request: IRequest) -> bytes:
        """Undo AllocateNetwork."""
        return await self._call(request, payloads.NetworkCall.from_body, self._driver.free_network)

    @_app.route("/NetworkDriver.CreateNetwork", methods=["POST"])
    async def create_network(self, request: IRequest) -> bytes:
        """See :func:`nuage.libnetwork.payloads.network_request`."""
        return await self._call(request, payloads.network_request, self._driver.create_network)

    @_app.route("/NetworkDriver.DeleteNetwork", methods=["POST"])
    async def delete_network(self, request: IRequest) -> bytes:
        """Undo CreateNetwork."""
        return await self._call(request, payloads.NetworkCall.from_body, self._driver.delete_network)

    @_app.route("/NetworkDriver.CreateEndpoint", methods=["POST"])
    async def create_endpoint(self, request: IRequest) -> bytes:
        """See :class:`nuage.libnetwork.payloads.CreateEndpoint`."""
        return await self._call(request, payloads.CreateEndpoint.from_body, self._driver.create_endpoint)

    @_app.route("/NetworkDriver.EndpointOperInfo", methods=["POST"])
    async def endpoint_oper_info(self, request: IRequest) -> bytes:
        """Show an endpoint to an operator."""
        nothing = payloads.OperationalInfo({})
        return await self._call(
            request, payloads.EndpointCall.from_body, self._driver.endpoint_oper_info, repeated=nothing
        )

    @_app.route("/NetworkDriver.DeleteEndpoint", methods=["POST"])
    async def delete_endpoint(self, request: IRequest) -> bytes:
        """Undo CreateEndpoint, and also Join if no Leave came."""
        return await self._call(request, payloads.EndpointCall.from_body, self._driver.delete_endpoint)

    @_app.route("/NetworkDriver.Join", methods=["POST"])
    async def join(self, request: IRequest) -> bytes:
        """Attach the endpoint; Docker then moves it into the container's sandbox."""
        return await self._call(request, payloads.EndpointCall.from_body, self._driver.join)

    @_app.route("/NetworkDriver.Leave", methods=["POST"])
    async def leave(self, request: IRequest) -> bytes:
        """Undo Join."""
        return await self._call(request, payloads.EndpointCall.from_body, self._driver.leave)

    @_app.route("/NetworkDriver.ProgramExternalConnectivity", methods=["POST"])
    async def program_external_connectivity(self, request: IRequest) -> bytes:
        """Publish ports."""
        program = self._driver.program_external_connectivity
        return await self._call(request, payloads.EndpointCall.from_body, program, repeated=payloads.Empty())

    @_app.route("/NetworkDriver.RevokeExternalConnectivity", methods=["POST"])
    async def revoke_external_connectivity(self, request: IRequest) -> bytes:
        """Withdraw published ports."""
        revoke = self._driver.revoke_external_connectivity
        return await self._call(request, payloads.EndpointCall.from_body, revoke, repeated=payloads.Empty())

    @_app.route("/NetworkDriver.DiscoverNew", methods=["POST"])
    async def discover_new(self, request: IRequest) -> bytes:
        """Learn of a new node."""
        return await self._call(request, payloads.Discovery.from_body, self._driver.discover)

    @_app.route("/NetworkDriver.DiscoverDelete", methods=["POST"])
    async def discover_delete(self, request: IRequest) -> bytes:
        """Learn that a node is gone."""
        return await self._call(request, payloads.Discovery.from_body, self._driver.discover)
