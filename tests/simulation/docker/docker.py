"""A Docker host: the commands of its CLI, and what happens to its daemon."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.simulation.chance import Chance
from tests.simulation.docker.addressing import Pools
from tests.simulation.docker.commands import Commands, Outcome
from tests.simulation.docker.dockerd import Dockerd, Settings
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.kernel import Namespaces, NoNamespaces
from tests.simulation.docker.networks import NetworkRequest
from tests.simulation.docker.plugin import Call
from tests.simulation.docker.store import Attachment, Container, Endpoint, Network, PoolRequest, Store
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor

#: Seconds between the making of a container and its start.
_BETWEEN = (0.005, 0.03)


class Docker:
    """A Docker host. Each command returns its :class:`Outcome` later.

    Args:
        reactor: That of the world; each dockerd gets one of its own.
        chance: Draws how long things take, and all ids.
        history: Is told what happens.
        settings: How dockerd is configured.
        namespaces: Those of containers, in the world's kernel.

    Attributes:
        store: The networks, sandboxes and containers.
        calls: All calls to the plugin so far, in their order.
        dockerd: The running process, or None.
        ended: When such a process ended last, in seconds of the world.
    """

    def __init__(
        self,
        reactor: SimReactor,
        chance: Chance,
        history: History,
        settings: Settings | None = None,
        namespaces: Namespaces | None = None,
    ) -> None:
        self._reactor = reactor
        self._chance = chance
        self._history = history
        self.settings = settings or Settings()
        self._namespaces = namespaces or NoNamespaces()
        self.store = self._empty_store()
        self.calls: list[Call] = []
        self.dockerd: Dockerd | None = None
        self.ended = -math.inf
        self._commands = Commands(reactor, chance, history)

    # What happens to the daemon.

    def start_dockerd(self) -> None:
        """Start the daemon. Its containers with a restart policy come first, then its API answers."""
        assert self.dockerd is None
        self._note("dockerd starts")
        reactor = self._reactor.spawn("dockerd")
        self.dockerd = Dockerd(
            reactor,
            self._chance,
            self._history,
            self.settings,
            self.store,
            self._namespaces,
            self._new_id,
            self.calls,
        )
        self.dockerd.start()

    def stop_dockerd(self) -> Deferred[None]:
        """End the daemon with SIGTERM; the result comes when it has ended."""
        dockerd = self.dockerd
        assert dockerd is not None
        self._note("dockerd gets SIGTERM")
        self._commands.break_off()
        ended: Deferred[None] = Deferred()

        def end(_result: object) -> None:
            if self.dockerd is dockerd:
                self._note("dockerd has ended")
                self.dockerd = None
                self._bury(dockerd)
            ended.callback(None)

        Deferred.fromCoroutine(dockerd.shut_down()).addBoth(end)
        return ended

    def kill_dockerd(self) -> None:
        """End the daemon with SIGKILL. The processes of containers go on."""
        dockerd, self.dockerd = self.dockerd, None
        assert dockerd is not None
        self._note("dockerd is killed")
        self._bury(dockerd)
        self._commands.break_off()

    def lose_power(self) -> None:
        """End everything at once: the daemon, and all containers with their namespaces."""
        if self.dockerd is not None:
            self.kill_dockerd()
        for container in self.store.containers.values():
            container.process = False
        for sandbox in self.store.sandboxes.values():
            sandbox.exists = False

    def lose_data(self) -> None:
        """Lose all that the daemon has on its disk, with the containers. It has to be away."""
        assert self.dockerd is None
        self._note("all of Docker's data is lost")
        for container in self.store.containers.values():
            container.process = False
        for sandbox in self.store.sandboxes.values():
            if sandbox.exists:
                self._namespaces.destroy(sandbox.key)
        self.store = self._empty_store()

    def container_ends(self, name: str, code: int = 0) -> None:
        """Let the process of a container end by itself."""
        container = self.container(name)
        if container is None or not container.process:
            return
        self._note(f"the process of {name} ends with {code}")
        if self.dockerd is None:
            container.process, container.exit_code = False, code
        else:
            self.dockerd.containers.process_ends(container, code)

    def learn(self, network: Network) -> None:
        """See a network that another host of the cluster has made. Its driver is not told of it here."""
        self.store.networks[network.id] = attrs.evolve(network, endpoints={})

    def forget(self, network_id: str) -> None:
        """See that another host of the cluster has removed a network."""
        self.store.networks.pop(network_id, None)

    # What can be looked at.

    @property
    def busy(self) -> Sequence[str]:
        """The commands that have not ended."""
        return self._commands.words

    def container(self, name: str) -> Container | None:
        """Return a container by its name."""
        return next((each for each in self.store.containers.values() if each.name == name), None)

    def network(self, name: str) -> Network | None:
        """Return a network by its name."""
        return next((each for each in self.store.known_networks if each.name == name), None)

    def attached(self) -> dict[Endpoint, Container]:
        """Return the endpoints of running containers, as Docker sees them."""
        return {
            each.endpoint: container
            for container in self.store.containers.values()
            if container.running
            for each in container.attachments.values()
            if each.endpoint is not None
        }

    def left_behind(self) -> Iterator[Endpoint]:
        """Yield the endpoints that Docker has of containers which do not run, and some of which are gone.

        They were connected while they waited for their restart, which did not come: no process has been there.
        """
        used = self.attached()
        for network in self.store.networks.values():
            for endpoint in network.endpoints.values():
                if endpoint not in used and endpoint.sandbox is not None and not endpoint.sandbox.exists:
                    yield endpoint

    def overdue(self) -> Sequence[Call]:
        """Return the calls that the plugin should have answered by now."""
        return self.dockerd.plugin.overdue() if self.dockerd is not None else ()

    # The commands.

    def create_network(
        self,
        name: str,
        *,
        driver: str | None = None,
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        pools: Sequence[PoolRequest] = (),
        internal: bool = False,
        ipv6: bool = False,
        scope: str = "local",
        ipam: str = "default",
        ipam_options: Mapping[str, str] | None = None,
    ) -> Deferred[Outcome]:
        """``docker network create``."""
        request = NetworkRequest(
            name=name,
            driver=driver or self.settings.plugin,
            options=options or {},
            labels=labels or {},
            internal=internal,
            ipv6=ipv6,
            scope=scope,
            pools=tuple(pools),
            ipam=ipam,
            ipam_options=ipam_options or {},
        )

        async def create(dockerd: Dockerd) -> str:
            return (await dockerd.networks.create(request)).id

        return self._give(f"network create {name}", create)

    def remove_network(self, name: str) -> Deferred[Outcome]:
        """``docker network rm``."""
        return self._give(f"network rm {name}", lambda dockerd: dockerd.networks.remove(name))

    def create(self, name: str, network: str, attachment: Attachment | None = None, **given: Any) -> Deferred[Outcome]:
        """``docker create``.

        Args:
            name: The container's name.
            network: The name of its network.
            attachment: What it is to have there.
            given: Further fields of :class:`tests.simulation.docker.store.Container`, such as ``labels``.
        """
        make = self._making(name, network, attachment, given)

        async def create(dockerd: Dockerd) -> str:
            return make(dockerd).id

        return self._give(f"create {name} on {network}", create)

    def run(self, name: str, network: str, attachment: Attachment | None = None, **given: Any) -> Deferred[Outcome]:
        """``docker run -d``; see :meth:`create`. A container that does not start stays, as with the real one."""
        make = self._making(name, network, attachment, given)

        async def create_and_start(dockerd: Dockerd) -> str:
            container = make(dockerd)
            await deferLater(dockerd.reactor, self._chance.delay(*_BETWEEN))
            await dockerd.containers.start(container)
            return container.id

        return self._give(f"run {name} on {network}", create_and_start, failure=125)

    def start(self, name: str) -> Deferred[Outcome]:
        """``docker start``."""
        return self._on_container(f"start {name}", name, lambda dockerd, one: dockerd.containers.start(one))

    def stop(self, name: str) -> Deferred[Outcome]:
        """``docker stop``."""
        return self._on_container(f"stop {name}", name, lambda dockerd, one: dockerd.containers.stop(one, early=True))

    def kill(self, name: str) -> Deferred[Outcome]:
        """``docker kill``."""

        async def kill(dockerd: Dockerd, container: Container) -> None:
            if not container.running:
                raise DockerError(f"Cannot kill container: {name}: Container {container.id} is not running", 409)
            await dockerd.containers.stop(container)

        return self._on_container(f"kill {name}", name, kill)

    def restart(self, name: str) -> Deferred[Outcome]:
        """``docker restart``."""
        return self._on_container(f"restart {name}", name, lambda dockerd, one: dockerd.containers.restart(one))

    def remove(self, name: str, *, force: bool = True) -> Deferred[Outcome]:
        """``docker rm``, or ``docker rm -f``."""

        async def remove(dockerd: Dockerd) -> None:
            try:
                await dockerd.containers.remove(dockerd.containers.find(name), force=force)
            except DockerError as problem:
                # The CLI takes a forced removal of what is not there for done.
                if not (force and problem.status == 404):
                    raise

        return self._give(f"rm {'-f ' if force else ''}{name}", remove)

    def rename(self, name: str, new_name: str) -> Deferred[Outcome]:
        """``docker rename``."""
        words = f"rename {name} {new_name}"
        return self._on_container(words, name, lambda dockerd, one: dockerd.containers.rename(one, new_name))

    def connect(self, network: str, name: str, attachment: Attachment | None = None) -> Deferred[Outcome]:
        """``docker network connect``."""

        async def connect(dockerd: Dockerd, container: Container) -> None:
            await dockerd.containers.connect(container, network, attachment or Attachment())

        return self._on_container(f"network connect {network} {name}", name, connect)

    def disconnect(self, network: str, name: str, *, force: bool = False) -> Deferred[Outcome]:
        """``docker network disconnect``; if it is forced, the container may be gone."""

        async def disconnect(dockerd: Dockerd) -> None:
            if force and self.container(name) is None:
                await dockerd.containers.disconnect_by_force(name, network)
            else:
                await dockerd.containers.disconnect(dockerd.containers.find(name), network)

        return self._give(f"network disconnect {'-f ' if force else ''}{network} {name}", disconnect)

    def _making(
        self, name: str, network: str, attachment: Attachment | None, given: dict[str, Any]
    ) -> Callable[[Dockerd], Container]:
        def make(dockerd: Dockerd) -> Container:
            wanted = attachment or Attachment()
            container = Container(
                id=self._new_id(),
                name=name,
                attachments={network: wanted},
                main_network=network,
                mac=wanted.mac,
                **given,
            )
            dockerd.containers.add(container)
            return container

        return make

    def _on_container(
        self, words: str, name: str, work: Callable[[Dockerd, Container], Awaitable[None]]
    ) -> Deferred[Outcome]:
        return self._give(words, lambda dockerd: work(dockerd, dockerd.containers.find(name)))

    def _give(
        self, words: str, work: Callable[[Dockerd], Awaitable[str | None]], failure: int = 1
    ) -> Deferred[Outcome]:
        return self._commands.give(self.dockerd, words, work, failure)

    def _bury(self, dockerd: Dockerd) -> None:
        self.ended = self._reactor.seconds()
        dockerd.reactor.process.remains.append(dockerd)
        dockerd.reactor.kill()

    def _empty_store(self) -> Store:
        return Store(pools=Pools(rotating=self.settings.release.rotates_pools))

    def _new_id(self) -> str:
        return self._chance.hexadecimal(64)

    def _note(self, what: str) -> None:
        self._history.add(self._reactor.seconds(), "docker", what)
