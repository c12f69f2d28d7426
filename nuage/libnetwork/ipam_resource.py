"""The protocol of IPAM drivers as a Klein resource, and the resource that serves it beside that of network drivers."""

from __future__ import annotations

from typing import Protocol

from klein import Klein
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from nuage.libnetwork import ipam_payloads, payloads
from nuage.libnetwork.answering import Answering, answers_errors
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.resource import Libnetwork, NetworkDriver

#: What the paths of its calls start with.
_PREFIX = b"/IpamDriver."


class IpamDriver(Protocol):
    """What carries the calls out: :class:`nuage.ipam.driver.Ipam`."""

    async def capabilities(self) -> ipam_payloads.IpamCapabilities: ...
    async def address_spaces(self) -> ipam_payloads.AddressSpaces: ...
    async def request_pool(self, request: ipam_payloads.RequestPool, /) -> ipam_payloads.GivenPool: ...
    async def release_pool(self, request: ipam_payloads.PoolCall, /) -> payloads.Empty: ...
    async def request_address(self, request: ipam_payloads.RequestAddress, /) -> ipam_payloads.GivenAddress: ...
    async def release_address(self, request: ipam_payloads.ReleaseAddress, /) -> payloads.Empty: ...


class IpamResource(Answering):
    """The resource that Docker posts its calls for addresses to.

    Docker repeats a call whose connection broke, without its body where it is an older release. Such a repetition is
    refused: nothing says which pool or address is meant. What the first call made is undone, since nobody heard of it.

    Args:
        driver: Carries the calls out.
        calls: Keeps their deadlines.
    """

    _app = answers_errors(Klein())
    error_keys = ("Error", "Err")

    def __init__(self, driver: IpamDriver, calls: Calls) -> None:
        super().__init__(calls)
        self._driver = driver

    def resource(self) -> IResource:
        """Return the resource for a site."""
        return self._app.resource()

    @_app.route("/IpamDriver.GetCapabilities", methods=["POST"])
    async def get_capabilities(self, request: IRequest) -> bytes:
        """Tell what this driver needs to be told."""
        return await self._without_body(request, "IpamDriver.GetCapabilities", self._driver.capabilities())

    @_app.route("/IpamDriver.GetDefaultAddressSpaces", methods=["POST"])
    async def get_default_address_spaces(self, request: IRequest) -> bytes:
        """Name the address spaces."""
        spaces = self._driver.address_spaces()
        return await self._without_body(request, "IpamDriver.GetDefaultAddressSpaces", spaces)

    @_app.route("/IpamDriver.RequestPool", methods=["POST"])
    async def request_pool(self, request: IRequest) -> bytes:
        """See :class:`nuage.libnetwork.ipam_payloads.RequestPool`."""
        return await self._call(request, ipam_payloads.RequestPool.from_body, self._driver.request_pool)

    @_app.route("/IpamDriver.ReleasePool", methods=["POST"])
    async def release_pool(self, request: IRequest) -> bytes:
        """Undo RequestPool."""
        return await self._call(request, ipam_payloads.PoolCall.from_body, self._driver.release_pool)

    @_app.route("/IpamDriver.RequestAddress", methods=["POST"])
    async def request_address(self, request: IRequest) -> bytes:
        """See :class:`nuage.libnetwork.ipam_payloads.RequestAddress`."""
        return await self._call(request, ipam_payloads.RequestAddress.from_body, self._driver.request_address)

    @_app.route("/IpamDriver.ReleaseAddress", methods=["POST"])
    async def release_address(self, request: IRequest) -> bytes:
        """Undo RequestAddress."""
        return await self._call(request, ipam_payloads.ReleaseAddress.from_body, self._driver.release_address)


def resource_of(driver: NetworkDriver, ipam: IpamDriver, calls: Calls) -> IResource:
    """Return the resource of a plugin.

    Args:
        driver: Carries the calls of network drivers out.
        ipam: Carries those of IPAM drivers out.
        calls: Keeps the deadlines of both.
    """
    return _Both(Libnetwork(driver, calls).resource(), IpamResource(ipam, calls).resource())


def methods_of(ipam: IpamDriver | None) -> tuple[str, ...]:
    """Return the names of the calls that the resource of a plugin answers; see :func:`resource_of`."""
    return Libnetwork.methods() + (IpamResource.methods() if ipam is not None else ())


class _Both(Resource):
    """Has each call answered by the resource of its driver.

    Args:
        network: Answers the calls of network drivers, and all that is neither's.
        ipam: Answers those of IPAM drivers.
    """

    isLeaf = True  # noqa: N815

    def __init__(self, network: IResource, ipam: IResource) -> None:
        super().__init__()
        self._network = network
        self._ipam = ipam

    def render(self, request: IRequest) -> object:
        """See twisted.web.resource.Resource."""
        return (self._ipam if request.path.startswith(_PREFIX) else self._network).render(request)
