"""The calls to a network driver, and what Docker makes of their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tests.simulation.docker.errors import CallFailed
from tests.simulation.docker.releases import Release
from tests.simulation.docker.store import Endpoint, GivenPool, Network, Sandbox

#: The address space of networks of local scope, and of those that a cluster shares.
_ADDRESS_SPACES = {"local": "LocalDefault", "global": "GlobalDefault"}

_NO_PROXY = "com.docker.network.driver.private.no_proxy_6to4"


class Driver(Protocol):
    """A network driver as libnetwork calls it."""

    async def create_network(self, network: Network) -> None: ...
    async def delete_network(self, network: Network) -> None: ...
    async def create_endpoint(self, endpoint: Endpoint) -> None: ...
    async def delete_endpoint(self, endpoint: Endpoint) -> None: ...
    async def join(self, endpoint: Endpoint, sandbox: Sandbox) -> None: ...
    async def leave(self, endpoint: Endpoint) -> None: ...
    async def program(self, endpoint: Endpoint, sandbox: Sandbox, *, no_proxy: bool | None) -> None: ...
    async def revoke(self, endpoint: Endpoint) -> None: ...
    async def oper_info(self, endpoint: Endpoint) -> dict[str, Any]: ...


class RemoteDriver:
    """A driver that is a plugin.

    Args:
        release: Which Docker calls it.
        call: Calls a method of the plugin.
        violate: Is told of what a driver must never answer.
    """

    def __init__(
        self,
        release: Release,
        call: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]],
        violate: Callable[[str], None],
    ) -> None:
        self._release = release
        self._call = call
        self._violate = violate

    async def create_network(self, network: Network) -> None:
        """Call CreateNetwork."""
        options: dict[str, Any] = {"com.docker.network.enable_ipv4": True} if self._release.tells_ipv4 else {}
        options["com.docker.network.enable_ipv6"] = network.ipv6
        options["com.docker.network.generic"] = _sorted(network.options)
        if network.internal:
            options["com.docker.network.internal"] = True
        await self._ask(
            "CreateNetwork",
            {
                "NetworkID": network.id,
                "Options": options,
                "IPv4Data": [_pool(network, each) for each in network.pools],
                "IPv6Data": [_pool(network, each) for each in network.pools_v6],
            },
        )

    async def delete_network(self, network: Network) -> None:
        """Call DeleteNetwork."""
        await self._ask("DeleteNetwork", {"NetworkID": network.id})

    async def create_endpoint(self, endpoint: Endpoint) -> None:
        """Call CreateEndpoint; the plugin may answer with what Docker has not assigned."""
        given = {"Address": endpoint.address, "AddressIPv6": endpoint.address_v6, "MacAddress": endpoint.mac}
        answer = await self._ask(
            "CreateEndpoint", {**_ids(endpoint), "Interface": given, "Options": _sorted(endpoint.options)}
        )
        assigned = answer.get("Interface") or {}
        for key, former in given.items():
            if former and assigned.get(key):
                self._violate(f"CreateEndpoint {endpoint.id[:12]}: the answer has {key}, which the request had")
                await self.delete_endpoint(endpoint)
                raise CallFailed(f"driver modified interface {key}: cannot be changed")
        endpoint.mac = endpoint.mac or assigned.get("MacAddress", "")

    async def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Call DeleteEndpoint."""
        await self._ask("DeleteEndpoint", _ids(endpoint))

    async def join(self, endpoint: Endpoint, sandbox: Sandbox) -> None:
        """Call Join, and note what the container is to get."""
        answer = await self._ask("Join", {**_ids(endpoint), "SandboxKey": sandbox.key, "Options": dict(sandbox.labels)})
        interface = answer.get("InterfaceName") or {}
        endpoint.source, endpoint.prefix = interface.get("SrcName", ""), interface.get("DstPrefix", "eth")
        endpoint.gateway, endpoint.gateway_v6 = answer.get("Gateway", ""), answer.get("GatewayIPv6", "")
        endpoint.declines_bridge = bool(answer.get("DisableGatewayService"))
        if not endpoint.source:
            self._violate(f"Join {endpoint.id[:12]}: the answer names no link")

    async def leave(self, endpoint: Endpoint) -> None:
        """Call Leave."""
        await self._ask("Leave", _ids(endpoint))

    async def program(self, endpoint: Endpoint, sandbox: Sandbox, *, no_proxy: bool | None) -> None:
        """Call ProgramExternalConnectivity, which a driver need not know.

        Args:
            endpoint: Gets the way out.
            sandbox: The container's.
            no_proxy: Whether published ports of IPv6 belong to another endpoint, None where Docker does not say so.
        """
        told = {_NO_PROXY: no_proxy} if self._release.tells_proxy and no_proxy is not None else {}
        options = {**told, **sandbox.labels}
        await self._optional("ProgramExternalConnectivity", {**_ids(endpoint), "Options": options})

    async def revoke(self, endpoint: Endpoint) -> None:
        """Call RevokeExternalConnectivity, which a driver need not know."""
        await self._optional("RevokeExternalConnectivity", _ids(endpoint))

    async def oper_info(self, endpoint: Endpoint) -> dict[str, Any]:
        """Call EndpointOperInfo."""
        return (await self._ask("EndpointOperInfo", _ids(endpoint))).get("Value") or {}

    async def _ask(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        return await self._call(f"NetworkDriver.{method}", request)

    async def _optional(self, method: str, request: dict[str, Any]) -> None:
        try:
            await self._ask(method, request)
        except CallFailed as problem:
            if not problem.not_implemented:
                raise


class BridgeDriver:
    """Docker's own driver of bridges, whose containers are nobody else's business."""

    async def create_network(self, network: Network) -> None:
        """See :class:`Driver`."""

    async def delete_network(self, network: Network) -> None:
        """See :class:`Driver`."""

    async def create_endpoint(self, endpoint: Endpoint) -> None:
        """See :class:`Driver`. It makes the MAC address out of the address, as the real one does."""
        numbers = [int(each) for each in endpoint.address.partition("/")[0].split(".")]
        endpoint.mac = endpoint.mac or "02:42:" + ":".join(f"{each:02x}" for each in numbers)

    async def delete_endpoint(self, endpoint: Endpoint) -> None:
        """See :class:`Driver`."""

    async def join(self, endpoint: Endpoint, sandbox: Sandbox) -> None:
        """See :class:`Driver`."""
        endpoint.gateway = endpoint.network.pools[0].gateway.partition("/")[0]

    async def leave(self, endpoint: Endpoint) -> None:
        """See :class:`Driver`."""

    async def program(self, endpoint: Endpoint, sandbox: Sandbox, *, no_proxy: bool | None) -> None:
        """See :class:`Driver`."""

    async def revoke(self, endpoint: Endpoint) -> None:
        """See :class:`Driver`."""

    async def oper_info(self, endpoint: Endpoint) -> dict[str, Any]:
        """See :class:`Driver`."""
        return {}


def _sorted(options: Mapping[str, object]) -> dict[str, Any]:
    """Return options in the order in which Go writes a map."""
    return dict(sorted(options.items()))


def _ids(endpoint: Endpoint) -> dict[str, Any]:
    return {"NetworkID": endpoint.network.id, "EndpointID": endpoint.id}


def _pool(network: Network, given: GivenPool) -> dict[str, Any]:
    told: dict[str, Any] = {"AddressSpace": network.address_space or _ADDRESS_SPACES[network.scope]}
    if given.auxiliary:
        told["AuxAddresses"] = dict(given.auxiliary)
    return {**told, "Gateway": given.gateway, "Pool": str(given.pool.subnet)}
