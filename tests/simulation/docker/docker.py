"""A Docker host: what happens to its daemon, and what can be seen of it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Sequence

import attrs
from twisted.internet.defer import Deferred

from tests.simulation.chance import Chance
from tests.simulation.docker.addressing import Pools
from tests.simulation.docker.commands import Commands, Outcome
from tests.simulation.docker.dockerd import Dockerd, Settings
from tests.simulation.docker.kernel import Namespaces, NoNamespaces
from tests.simulation.docker.plugin import Call
from tests.simulation.docker.store import Container, Endpoint, Network, Store
from tests.simulation.docker.user_commands import UserCommands
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor


class Docker(UserCommands):
    """A Docker host.

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
        super().__init__(chance, settings or Settings())
        self._reactor = reactor
        self._history = history
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
        """Return the endpoints of running containers, as Docker sees them.

        A container may name one that its network has no more: a dockerd that ended has not come to take it out there.
        And it may not name one that its sandbox has: a dockerd that ended has not come to write it down.
        """
        return {
            endpoint: container
            for container in self.store.containers.values()
            if container.running
            for endpoint in _endpoints(container)
            if endpoint.id in endpoint.network.endpoints
        }

    def left_behind(self) -> Iterator[Endpoint]:
        """Yield the endpoints that Docker has of containers which do not run, and some of which are gone.

        They were connected while they waited for their restart, which did not come: no process has been there. Or
        their driver was not to be had when they ended.
        """
        used = self.attached()
        for network in self.store.networks.values():
            for endpoint in network.endpoints.values():
                if endpoint not in used and endpoint.sandbox is not None and not endpoint.sandbox.exists:
                    yield endpoint

    def overdue(self) -> Sequence[Call]:
        """Return the calls that the plugin should have answered by now."""
        return self.dockerd.plugin.overdue() if self.dockerd is not None else ()

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

    def _note(self, what: str) -> None:
        self._history.add(self._reactor.seconds(), "docker", what)


def _endpoints(container: Container) -> Iterator[Endpoint]:
    """Yield the endpoints that a container names, and those that its sandbox has."""
    for each in container.attachments.values():
        if each.endpoint is not None:
            yield each.endpoint
    if container.sandbox is not None:
        yield from container.sandbox.endpoints
