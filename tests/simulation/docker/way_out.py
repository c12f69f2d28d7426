"""Which endpoint of a container has the way out (moby libnetwork/endpoint.go, default_gateway.go)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.networks import Networks
from tests.simulation.docker.releases import Release
from tests.simulation.docker.store import Endpoint, Network, Sandbox, Store

#: Where containers without a gateway get a place besides their networks, and its gateway.
_BRIDGE = Network(id="docker_gwbridge", name="docker_gwbridge", driver="bridge")
_GATEWAY = "172.18.0.1"


@attrs.frozen
class Gateways:
    """The endpoints that give a container its default routes. Before Docker 28 only that of IPv4 is one."""

    v4: Endpoint | None
    v6: Endpoint | None

    @property
    def apart(self) -> bool:
        """Whether they are two. That of IPv4 then has to leave IPv6 to the other one."""
        return self.v4 is not None and self.v6 is not None and self.v4 is not self.v6


class WayOut:
    """Tells drivers which endpoint has the way out.

    Args:
        release: Which Docker this is.
        store: What is on the disk.
        networks: Knows the drivers.
        warn: Is told what the real one only logs.
    """

    def __init__(self, release: Release, store: Store, networks: Networks, warn: Callable[[str], None]) -> None:
        self._release = release
        self._store = store
        self._networks = networks
        self._warn = warn

    def of(self, sandbox: Sandbox) -> Gateways:
        """Return the gateways of a container."""
        endpoints = [*sandbox.endpoints, *([sandbox.bridged] if sandbox.bridged else [])]
        v4 = next((each for each in endpoints if each.gateway), None)
        if not self._release.gateways_of_ipv6:
            return Gateways(v4, None)
        # One of both families is preferred even to those of a higher priority.
        both = next((each for each in endpoints if each.gateway and each.gateway_v6), None)
        return Gateways(both or v4, both or next((each for each in endpoints if each.gateway_v6), None))

    def rank(self, endpoint: Endpoint) -> tuple[int, bool, int, str]:
        """Return what a container's endpoints are sorted by: its gateway is rather one of the first."""
        network = endpoint.network
        weight_of_ipv6 = 1 if self._release.gateways_of_ipv6 else 2
        gateways = bool(endpoint.gateway) + weight_of_ipv6 * bool(endpoint.gateway_v6)
        return -endpoint.priority, network.internal, -gateways, network.name

    async def joined(self, endpoint: Endpoint, sandbox: Sandbox, before: Gateways) -> None:
        """Give the way out to an endpoint that is new, if it comes before those that have it.

        Raises:
            DockerError: A driver refuses that. Those that had it have it again.
        """
        if self._bridge(sandbox):
            return
        after = self.of(sandbox)
        if endpoint in (after.v4, after.v6):
            await self._replace(endpoint, sandbox, before, after)
        self._unbridge(sandbox)

    async def left(self, endpoint: Endpoint, sandbox: Sandbox, before: Gateways) -> None:
        """Give the way out to others, after an endpoint has left. A refusal is only logged."""
        if not sandbox.ending and self._bridge(sandbox):
            return
        after = self.of(sandbox)
        if after.v4 is not None and after.v4 is before.v4 and before.v6 is endpoint and after.v6 is None:
            if await self.revoke(after.v4):
                await self._program_again(after.v4, sandbox, no_proxy=False)
        elif after.v4 is not None and before.v4 is endpoint:
            await self._program_again(after.v4, sandbox, no_proxy=after.apart)
        if after.v6 is not None and after.v6 is not after.v4 and before.v6 is endpoint:
            await self._program_again(after.v6, sandbox, no_proxy=None)
        self._unbridge(sandbox)

    async def revoke(self, endpoint: Endpoint) -> bool:
        """Take the way out from an endpoint, and tell whether that worked."""
        try:
            await self._revoke(endpoint)
        except DockerError as problem:
            self._warn(str(problem))
            return False
        return True

    async def _replace(self, endpoint: Endpoint, sandbox: Sandbox, before: Gateways, after: Gateways) -> None:
        """Let an endpoint have the way out instead of those that had it before."""
        replaced: list[tuple[Endpoint, bool | None]] = []
        if before.v4 is not None and endpoint is after.v4:
            replaced.append((before.v4, before.apart))
        elif before.v4 is not None and before.apart != after.apart:
            await self._revoke(before.v4)
            await self._program_again(before.v4, sandbox, no_proxy=after.apart)
        if before.v6 is not None and endpoint is after.v6 and before.v6 is not before.v4:
            replaced.append((before.v6, None))
        revoked: list[tuple[Endpoint, bool | None]] = []
        try:
            for former in replaced:
                await self._revoke(former[0])
                revoked.append(former)
            if not endpoint.network.internal:
                await self._program(endpoint, sandbox, no_proxy=after.apart)
        except DockerError:
            for each, no_proxy in reversed(revoked):
                await self._program_again(each, sandbox, no_proxy=no_proxy)
            raise

    def _bridge(self, sandbox: Sandbox) -> bool:
        """Put a container on Docker's own bridge if it needs that and is not there; tell whether that was so."""
        needed = self._needs_bridge(sandbox.endpoints) and sandbox.bridged is None
        if needed:
            self._store.bridge = self._store.bridge or self._store.pools.take()
            name = f"gateway_{sandbox.id[:12]}"
            sandbox.bridged = Endpoint(id=name, name=name, network=_BRIDGE, options={}, gateway=_GATEWAY)
        return needed

    def _unbridge(self, sandbox: Sandbox) -> None:
        if not self._needs_bridge(sandbox.endpoints):
            sandbox.bridged = None

    def _needs_bridge(self, endpoints: Sequence[Endpoint]) -> bool:
        asking = [each for each in endpoints if not (each.network.internal or each.declines_bridge)]
        return bool(asking) and not any(
            each.gateway or (self._release.gateways_of_ipv6 and each.gateway_v6) for each in asking
        )

    async def _revoke(self, endpoint: Endpoint) -> None:
        try:
            await (await self._networks.driver(endpoint.network)).revoke(endpoint)
        except DockerError as problem:
            raise DockerError(
                f"driver failed revoking external connectivity on {_shown(endpoint)}: {problem}"
            ) from None

    async def _program(self, endpoint: Endpoint, sandbox: Sandbox, *, no_proxy: bool | None) -> None:
        try:
            await (await self._networks.driver(endpoint.network)).program(endpoint, sandbox, no_proxy=no_proxy)
        except DockerError as problem:
            raise DockerError(
                f"driver failed programming external connectivity on {_shown(endpoint)}: {problem}"
            ) from None

    async def _program_again(self, endpoint: Endpoint, sandbox: Sandbox, *, no_proxy: bool | None) -> None:
        try:
            await self._program(endpoint, sandbox, no_proxy=no_proxy)
        except DockerError as problem:
            self._warn(str(problem))


def _shown(endpoint: Endpoint) -> str:
    return f"endpoint {endpoint.name} ({endpoint.id})"
