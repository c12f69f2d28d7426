"""The libnetwork protocol as a Klein resource: the routes, the decoding of requests, the form of answers and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from nuage.errors import MalformedRequest, NuageError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body, decode
from nuage.libnetwork.calls import Answer, Calls
from nuage.model import NetworkRequest

#: The media type of Docker's plugin protocol (moby ``pkg/plugins/transport``).
_MEDIA_TYPE = b"application/vnd.docker.plugins.v1.2+json"

Request = TypeVar("Request")


class NetworkDriver(Protocol):
    """What carries the calls out: :class:`nuage.driver.driver.Driver`."""

    async def capabilities(self) -> payloads.Capabilities: ...
    async def check_gateway(self, request: payloads.GatewayCheck, /) -> payloads.GatewayNeeded: ...
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
    return payloads.Activation()


class Libnetwork:
    """The resource that Docker posts its calls to.

    Args:
        driver: Carries the calls out.
        calls: Keeps their deadlines.
    """

    _app = Klein()
    _log = Logger()

    def __init__(self, driver: NetworkDriver, calls: Calls) -> None:
        self._driver = driver
        self._calls = calls

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

    @_app.route("/NetworkDriver.GwAllocCheck", methods=["POST"])
    async def gw_alloc_check(self, request: IRequest) -> bytes:
        """Tell whether a network needs an address for its gateway."""
        return await self._call(request, payloads.GatewayCheck.from_body, self._driver.check_gateway)

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

    @_app.handle_errors(HTTPException)
    def refuse_route(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a call that this driver does not implement; Docker takes 404 for exactly that."""
        method = request.path.decode("ascii", "replace").lstrip("/")
        if failure.check(MethodNotAllowed):
            return _refusal(request, 405, f"{method} has to be posted")
        return _refusal(request, 404, f"{method} is not implemented by this driver")

    @_app.handle_errors(MalformedRequest)
    def refuse_body(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a request that cannot be decoded."""
        message = failure.getErrorMessage()
        self._log.warn("{path}: {problem}", path=request.path.decode("ascii", "replace"), problem=message)
        return _refusal(request, 400, message)

    @_app.handle_errors(NuageError)
    def tell_failure(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a call that was understood and failed; libnetwork expects that with status 200."""
        return _refusal(request, 200, failure.getErrorMessage())

    @_app.handle_errors(Exception)
    def hide_bug(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a call that hit a bug. Its traceback goes into the log, and nowhere else."""
        if not failure.check(CancelledError):
            self._log.failure("{path}", failure, path=request.path.decode("ascii", "replace"))
        return _refusal(request, 500, "the nuage plugin has a bug; its log says more")

    async def _without_body(self, request: IRequest, method: str, work: Coroutine[Any, Any, Answer]) -> bytes:
        return _answer(request, await self._calls.carry_out(method, None, work))

    async def _call(
        self,
        request: IRequest,
        read: Callable[[Body], Request],
        work: Callable[[Request], Coroutine[Any, Any, Answer]],
        repeated: Answer | None = None,
    ) -> bytes:
        """Decode the request, ``read`` it and have it carried out by ``work``.

        ``repeated`` is the answer to a request without a body, which Docker sends after a connection broke. Calls that
        do nothing have one, since they cannot fail. Without ``repeated``, such a request is refused.
        """
        content = request.content.read()
        method = request.path.decode("ascii").lstrip("/")
        if repeated is not None and not content.strip():
            return await self._without_body(request, method, _given(repeated))
        decoded = read(Body(decode(content)))
        return _answer(request, await self._calls.carry_out(method, decoded, work(decoded)))


async def _given(answer: Answer) -> Answer:
    return answer


def _answer(request: IRequest, answer: Answer) -> bytes:
    return _json(request, 200, answer.to_json())


def _refusal(request: IRequest, status: int, message: str) -> bytes:
    return _json(request, status, {"Err": message})


def _json(request: IRequest, status: int, content: dict[str, Any]) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", _MEDIA_TYPE)
    return json.dumps(content).encode("ascii") + b"\n"
