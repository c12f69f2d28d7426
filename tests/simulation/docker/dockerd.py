"""One process of dockerd: how it starts, what it asks a plugin that it meets for the first time, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.defer import TimeoutError as WaitedTooLong
from twisted.python.failure import Failure

from tests.simulation.chance import Chance
from tests.simulation.docker import descriptions, restarting
from tests.simulation.docker.attaching import Attaching
from tests.simulation.docker.containers import Containers
from tests.simulation.docker.driver import BridgeDriver, Driver, RemoteDriver
from tests.simulation.docker.engine_api import EngineApi, EngineFactory
from tests.simulation.docker.errors import CallFailed, DockerError
from tests.simulation.docker.ipam import Ipam, LocalIpam, RemoteIpam
from tests.simulation.docker.kernel import Namespaces
from tests.simulation.docker.leases import Leases
from tests.simulation.docker.locks import Lock
from tests.simulation.docker.networks import Networks
from tests.simulation.docker.plugin import Call, Heard, Plugin
from tests.simulation.docker.releases import DOCKER_20_10, Release
from tests.simulation.docker.running import Surroundings
from tests.simulation.docker.sandboxes import Sandboxes
from tests.simulation.docker.store import Container, Store
from tests.simulation.docker.way_out import WayOut
from tests.simulation.history import History

#: Seconds that dockerd takes before it looks at its containers.
_STARTING = (0.5, 3.0)
#: Seconds that it waits for its containers when it ends.
_ENDING = 15.0
#: The status of a container that dockerd killed, and that of one that died while dockerd was away.
_KILLED, _UNKNOWN = 137, 255


@attrs.frozen(kw_only=True)
class Settings:
    """How dockerd is configured.

    Attributes:
        release: Which Docker it is.
        plugin: The plugin's name, which is that of its networks' driver.
        plugin_socket: Where it listens.
        socket: Where dockerd itself listens.
        live_restore: Whether containers outlive dockerd.
        deadline: Seconds within which the plugin has to answer each call.
        heard: Is told of each answer of the plugin.
    """

    release: Release = DOCKER_20_10
    plugin: str = "nuage"
    plugin_socket: str = "/run/docker/plugins/nuage.sock"
    socket: str = "/var/run/docker.sock"
    live_restore: bool = False
    deadline: float = 60.0
    heard: Heard = lambda *_: None

    def managed(self) -> Sequence[Any]:
        """Describe the plugin if Docker manages it; its name then has a tag."""
        socket = self.plugin_socket.rpartition("/")[2]
        return [descriptions.plugin(self.plugin, socket)] if ":" in self.plugin else []


class Dockerd:
    """A process of dockerd.

    Args:
        reactor: That of the process.
        chance: Draws how long things take.
        history: Is told what happens.
        settings: The configuration.
        store: What is on the disk.
        namespaces: Those of containers.
        new_id: Returns a new id.
        calls: Where the calls to the plugin are noted.
    """

    def __init__(
        self,
        reactor: Any,
        chance: Chance,
        history: History,
        settings: Settings,
        store: Store,
        namespaces: Namespaces,
        new_id: Callable[[], str],
        calls: list[Call],
    ) -> None:
        self.reactor = reactor
        self._chance = chance
        self._history = history
        self._settings = settings
        self._store = store
        self._drivers: dict[str, Driver] = {"bridge": BridgeDriver()}
        self._ipams: dict[str, Ipam] = {"default": LocalIpam(store.pools)}
        self._activating = Lock()
        self._waiting: list[Deferred[None]] | None = []
        self._serving: Any = None
        self.plugin = Plugin(
            reactor, settings.plugin_socket, settings.release, history, settings.deadline, calls, settings.heard
        )
        self.networks = Networks(
            settings.release,
            store,
            self._driver,
            self._drivers.__contains__,
            Leases(self._ipam, self._warn),
            new_id,
            self._warn,
        )
        way_out = WayOut(settings.release, store, self.networks, self._warn)
        self.sandboxes = Sandboxes(settings.release, store, way_out, self.networks, namespaces, new_id, self._warn)
        release = settings.release
        surroundings = Surroundings(
            reactor=reactor, chance=chance, release=release, store=store, warn=self._warn, broken=self._broken
        )
        attaching = Attaching(reactor, chance, release, self.networks, self.sandboxes)
        self.containers = Containers(surroundings, self.sandboxes, attaching)
        self._api = EngineApi(settings.release, store, self.networks, self.containers, self.ready, settings.managed())

    @property
    def started(self) -> bool:
        """Whether its API answers."""
        return self._waiting is None and not self.containers.shutting_down

    def start(self) -> None:
        """Start: the socket is there at once, and answers later."""
        self._serving = self.reactor.listenUNIX(self._settings.socket, EngineFactory(self._api))
        self.reactor.callLater(self._chance.delay(*_STARTING), self._begin)

    async def ready(self) -> None:
        """Wait until it has started."""
        if self._waiting is not None:
            waiter: Deferred[None] = Deferred()
            self._waiting.append(waiter)
            await waiter

    async def shut_down(self) -> None:
        """End as after SIGTERM: the socket goes first, then the containers, unless they outlive it."""
        self.containers.shutting_down = True
        await self._serving.stopListening()
        if self._settings.live_restore:
            return
        running = [each for each in self._store.containers.values() if each.running]
        ends = [Deferred.fromCoroutine(self.containers.stop(each, by_hand=False)) for each in running]
        try:
            await gatherResults(ends, consumeErrors=True).addTimeout(_ENDING, self.reactor)
        except WaitedTooLong:
            self._warn("containers did not end in time")

    def _begin(self) -> None:
        Deferred.fromCoroutine(self._restore()).addErrback(self._broken)

    async def _restore(self) -> None:
        self.containers.attending = True
        await self._forget_the_dead()
        await self.networks.finish_removals()
        await self._look_at_the_living()
        again = [each for each in self._store.containers.values() if self._starts(each)]
        await gatherResults([Deferred.fromCoroutine(self.containers.autostart(each)) for each in again])
        await self.containers.remove_ended()
        self._started()

    def _starts(self, container: Container) -> bool:
        return not container.running and restarting.wanted_at_start(container)

    def _started(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        self._history.add(self.reactor.seconds(), "docker", "dockerd has started")
        for waiter in waiting:
            waiter.callback(None)

    async def _forget_the_dead(self) -> None:
        """Drop what containers have that do not run any more."""
        for container in self._store.containers.values():
            container.removing = container.restarting_by_hand = False
            self.containers.load(container)
            if not (container.process and self._settings.live_restore):
                self._end(container)
        # A container that ends while the plugin is met takes its sandbox away itself.
        kept = [each.sandbox for each in self._store.containers.values()]
        await self._meet_ipams()
        for sandbox in list(self._store.sandboxes.values()):
            if sandbox not in kept:
                await self.sandboxes.drop(sandbox)
        endpoints = [each for network in self._store.networks.values() for each in network.endpoints.values()]
        used = {each for sandbox in self._store.sandboxes.values() for each in sandbox.endpoints}
        for endpoint in endpoints:
            if endpoint not in used:
                await self.networks.forget_endpoint(endpoint)
        self._store.count_addresses()

    async def _meet_ipams(self) -> None:
        """Ask for the IPAM drivers of all networks (Controller.reservePools). A plugin may be their driver as well."""
        for network in list(self._store.networks.values()):
            try:
                await self._ipam(network.ipam)
            except DockerError as problem:  # noqa: PERF203
                self._warn(f"failed to retrieve ipam driver for network {network.name}: {problem}")

    async def _look_at_the_living(self) -> None:
        if self._settings.release.looks_when_restored:
            for sandbox in list(self._store.sandboxes.values()):
                await self.sandboxes.look(sandbox)

    def _end(self, container: Container) -> None:
        container.sandbox = None
        for attachment in container.attachments.values():
            attachment.endpoint = None
        if container.process or container.state in ("running", "restarting"):
            if container.process:
                # What dockerd ends itself counts as stopped by hand, even now.
                container.stopped_by_hand, container.exit_code = True, _KILLED
            container.process, container.state, container.exit_code = False, "exited", container.exit_code or _UNKNOWN
        self.containers.checkpoint(container)

    async def _driver(self, name: str) -> Driver:
        """Return a network driver. A plugin is asked what it is when it is met for the first time."""
        if name not in self._drivers:
            await self._activate(name)
        return self._drivers[name]

    async def _ipam(self, name: str) -> Ipam:
        """Return an IPAM driver, likewise."""
        if name not in self._ipams:
            await self._activate(name)
        if name not in self._ipams:
            raise DockerError(f"plugin {name} does not implement IpamDriver", 404)
        return self._ipams[name]

    async def _activate(self, name: str) -> None:
        if name != self._settings.plugin:
            raise DockerError(f'could not find plugin "{name}"', 404)
        async with self._activating:
            if name not in self._drivers:
                try:
                    await self._ask(name)
                except CallFailed as problem:
                    raise DockerError(f"error looking up plugin {name}: {problem}") from None

    async def _ask(self, name: str) -> None:
        kinds = (await self.plugin.call("Plugin.Activate", None)).get("Implements") or []
        if "NetworkDriver" not in kinds:
            raise DockerError("plugin does not implement NetworkDriver")
        scope = (await self.plugin.call("NetworkDriver.GetCapabilities", None)).get("Scope")
        if scope not in ("local", "global"):
            raise DockerError(f"error getting capability: expecting 'local' or 'global', got {scope}")
        release = self._settings.release
        if "IpamDriver" in kinds:
            await self._ipam_capabilities()
            asked = release.asks_address_spaces
            spaces = await self.plugin.call("IpamDriver.GetDefaultAddressSpaces", None) if asked else None
            self._ipams[name] = RemoteIpam(release, self._call, spaces, self._violate)
        self._drivers[name] = RemoteDriver(release, self._call, self._violate)

    async def _ipam_capabilities(self) -> None:
        try:
            await self.plugin.call("IpamDriver.GetCapabilities", None)
        except CallFailed as problem:
            # A driver without special wishes need not know this.
            if not problem.not_implemented:
                raise

    async def _call(self, method: str, request: Mapping[str, Any] | None) -> dict[str, Any]:
        return await self.plugin.call(method, request)

    def _warn(self, what: str) -> None:
        self._history.add(self.reactor.seconds(), "docker", f"warning: {what}")

    def _broken(self, failure: Failure) -> None:
        self._violate(f"the simulation itself failed: {failure}")

    def _violate(self, what: str) -> None:
        self._history.violate(self.reactor.seconds(), "docker", what)
