"""How dockerd puts containers into networks and takes them out (moby libnetwork/endpoint.go, sandbox.go)."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.docker.driver import Driver
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.kernel import Device, LinkUnusable, Namespaces
from tests.simulation.docker.locks import Locks
from tests.simulation.docker.networks import Networks, port_options
from tests.simulation.docker.releases import Release
from tests.simulation.docker.store import Container, Endpoint, Sandbox, Store
from tests.simulation.docker.way_out import WayOut


class Sandboxes:
    """The sandboxes of one process of dockerd.

    Args:
        release: Which Docker this is.
        store: What is on the disk.
        way_out: Tells drivers which endpoint has it.
        networks: Knows the drivers.
        namespaces: Has the links.
        new_id: Returns a new id.
        warn: Is told what the real one only logs.
    """

    def __init__(
        self,
        release: Release,
        store: Store,
        way_out: WayOut,
        networks: Networks,
        namespaces: Namespaces,
        new_id: Callable[[], str],
        warn: Callable[[str], None],
    ) -> None:
        self._release = release
        self._store = store
        self._way_out = way_out
        self._networks = networks
        self._namespaces = namespaces
        self._new_id = new_id
        self._warn = warn
        self._locks = Locks()

    def make(self, container: Container, *, exists: bool) -> Sandbox:
        """Make a container's sandbox; ``exists`` tells whether its namespace does already."""
        sandbox = Sandbox(id=self._new_id(), container_id=container.id, labels=port_options(container), exists=exists)
        self._store.sandboxes[sandbox.id] = sandbox
        return sandbox

    async def join(self, endpoint: Endpoint, sandbox: Sandbox) -> None:
        """Attach a sandbox to an endpoint.

        Raises:
            DockerError: The driver refuses it, or its link cannot be used.
        """
        async with self._locks[sandbox.id]:
            driver = await self._networks.driver(endpoint.network)
            await driver.join(endpoint, sandbox)
            before = self._way_out.of(sandbox)
            sandbox.add(endpoint, self._way_out.rank)
            endpoint.sandbox = sandbox
            try:
                if sandbox.exists:
                    self._move(endpoint, sandbox)
                await self._way_out.joined(endpoint, sandbox, before)
            except DockerError:
                sandbox.endpoints.remove(endpoint)
                endpoint.sandbox = None
                await self._told("driver leave failed while rolling back join", driver, endpoint)
                raise

    async def leave(self, endpoint: Endpoint, sandbox: Sandbox) -> None:
        """Detach a sandbox from an endpoint. What drivers say against it is only logged.

        Raises:
            DockerError: The driver of the endpoint is not to be had.
        """
        async with self._locks[sandbox.id]:
            driver = await self._networks.driver(endpoint.network)
            before = self._way_out.of(sandbox)
            if endpoint in (before.v4, before.v6):
                await self._way_out.revoke(endpoint)
            await self._told(f"driver error disconnecting container {endpoint.name}", driver, endpoint)
            self._take_out(endpoint, sandbox)
            # Only now the disk knows: "Update the store about the sandbox detach" (libnetwork, endpoint.go).
            endpoint.sandbox = None
            await self._way_out.left(endpoint, sandbox, before)

    def enter(self, sandbox: Sandbox) -> None:
        """Move all links into the namespace, which the container's process has made now.

        Raises:
            DockerError: A link cannot be used.
        """
        sandbox.exists = True
        for endpoint in sandbox.endpoints:
            self._move(endpoint, sandbox)

    async def delete(self, sandbox: Sandbox) -> None:
        """Detach a sandbox from all endpoints, remove them, and then the sandbox.

        An endpoint whose driver is not to be had stays, and only its removal by force or the next start takes it away.
        """
        sandbox.ending = True
        for endpoint in list(sandbox.endpoints):
            try:
                await self.leave(endpoint, sandbox)
            except DockerError as problem:
                self._warn(f"failed detaching sandbox {sandbox.id[:12]} from endpoint {endpoint.name}: {problem}")
            try:
                await self._networks.delete_endpoint(endpoint)
            except DockerError as problem:
                self._warn(f"failed deleting endpoint {endpoint.name}: {problem}")
        self._destroy(sandbox)

    async def drop(self, sandbox: Sandbox) -> None:
        """Remove a stale sandbox with its endpoints. Only network drivers that this process has met are told."""
        sandbox.ending = True
        if sandbox.exists:
            # Before all else it is made anew (osl.NewSandbox).
            self._namespaces.destroy(sandbox.key)
            sandbox.exists = False
        for endpoint in list(sandbox.endpoints):
            endpoint.device = ""
            await self.force_out(endpoint, sandbox)
        self._destroy(sandbox)

    async def force_out(self, endpoint: Endpoint, sandbox: Sandbox) -> None:
        """Remove an endpoint from a sandbox, which may be gone (Endpoint.Delete by force)."""
        if sandbox.id in self._store.sandboxes and self._networks.has_met_driver(endpoint.network):
            await self.leave(endpoint, sandbox)
        # dockerd may end while it waits for a driver.
        await self._networks.forget_endpoint(endpoint)
        if endpoint in sandbox.endpoints:
            sandbox.endpoints.remove(endpoint)

    async def look(self, sandbox: Sandbox) -> None:
        """Ask the drivers of all endpoints for the published ports, as ``docker ps`` shows them."""
        for endpoint in list(sandbox.endpoints):
            try:
                await self.look_at(endpoint)
            except DockerError as problem:  # noqa: PERF203
                self._warn(f"no ports of endpoint {endpoint.name}: {problem}")

    async def look_at(self, endpoint: Endpoint) -> None:
        """Ask the driver of an endpoint for its published ports."""
        bridged = endpoint.sandbox is not None and endpoint.sandbox.bridged is not None
        if self._release.looks_beside_bridge or not bridged:
            await (await self._networks.driver(endpoint.network)).oper_info(endpoint)

    async def _told(self, what: str, driver: Driver, endpoint: Endpoint) -> None:
        try:
            await driver.leave(endpoint)
        except DockerError as problem:
            self._warn(f"{what}: {problem}")

    def _move(self, endpoint: Endpoint, sandbox: Sandbox) -> None:
        if not endpoint.source:
            return
        name = f"{endpoint.prefix}{sandbox.devices}"
        addresses = [each for each in (endpoint.address, endpoint.address_v6) if each]
        try:
            self._namespaces.move(
                endpoint.source, sandbox.key, Device(name=name, mac=endpoint.mac, addresses=addresses)
            )
        except LinkUnusable as problem:
            raise DockerError(f"failed to add interface {endpoint.source} to sandbox: {problem}") from None
        sandbox.devices += 1
        endpoint.device = name

    def _take_out(self, endpoint: Endpoint, sandbox: Sandbox) -> None:
        sandbox.endpoints.remove(endpoint)
        if endpoint.device:
            self._namespaces.give_back(sandbox.key, endpoint.device, endpoint.source)
            endpoint.device = ""

    def _destroy(self, sandbox: Sandbox) -> None:
        for endpoint in sandbox.endpoints:
            endpoint.device = ""
        if sandbox.exists:
            self._namespaces.destroy(sandbox.key)
            sandbox.exists = False
        self._store.sandboxes.pop(sandbox.id, None)
        self._locks.forget(sandbox.id)
