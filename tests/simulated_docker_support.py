"""A simulated Docker host with a small plugin, for the tests of both."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from nuage.docker.engine import Engine, connect
from tests.simulation.chance import Chance
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.docker import Docker
from tests.simulation.docker.dockerd import Settings
from tests.simulation.docker.kernel import Device, LinkUnusable
from tests.simulation.docker.releases import DOCKER_20_10, Release
from tests.simulation.docker.small_plugin import SmallPlugin, SmallPluginConnection, SmallPluginFactory
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor


class Namespaces:
    """The links in the namespaces of containers.

    Attributes:
        missing: Whether no link is where it should be.
        inside: By namespace and device, what the link was called before.
    """

    def __init__(self) -> None:
        self.missing = False
        self.inside: dict[tuple[str, str], str] = {}

    def move(self, name: str, namespace: str, device: Device) -> None:
        """See tests.simulation.docker.kernel.Namespaces."""
        if self.missing:
            raise LinkUnusable("no such device")
        self.inside[namespace, device.name] = name

    def give_back(self, namespace: str, device: str, _name: str) -> None:
        """See tests.simulation.docker.kernel.Namespaces."""
        del self.inside[namespace, device]

    def destroy(self, namespace: str) -> None:
        """See tests.simulation.docker.kernel.Namespaces."""
        self.inside = {key: name for key, name in self.inside.items() if key[0] != namespace}


class World:
    """A simulated Docker host with a small plugin.

    Attributes:
        heard: Each call that the plugin got, and its request.
    """

    def __init__(
        self,
        release: Release = DOCKER_20_10,
        kinds: Sequence[str] = ("NetworkDriver", "IpamDriver"),
        seed: int = 1,
        **settings: Any,
    ) -> None:
        self.reactor = SimReactor(Chance(seed))
        self.history = History()
        self.heard: list[tuple[str, Any]] = []
        #: What is done instead of answering the next call of a method.
        self.instead: dict[str, Callable[[Any, bytes], None]] = {}
        self.namespaces = Namespaces()
        self.docker = Docker(
            self.reactor,
            Chance(seed).part("docker"),
            self.history,
            Settings(release=release, **settings),
            self.namespaces,
        )
        self.plugin = SmallPlugin(lambda method, request: self.heard.append((method, request)), kinds)
        self.serve()
        self.docker.start_dockerd()

    def serve(self) -> None:
        """Let the plugin listen, as a process of its own."""
        self.process = self.reactor.spawn("plugin")
        self.process.listenUNIX(self.docker.settings.plugin_socket, _Scripted(self))

    def client(self, timeout: float = 5.0) -> Engine:
        """Return the client of the Engine API that the product has."""
        return connect(self.reactor.spawn("client"), f"unix://{self.docker.settings.socket}", timeout)

    def result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Let a coroutine end, and return its result."""
        results: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(results.append)
        assert self.reactor.run_until(lambda: bool(results), 120)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def until(self, method: str) -> None:
        """Let things happen until the plugin gets a call."""
        before = len(self.heard)
        assert self.reactor.run_until(lambda: any(method in each for each, _ in self.heard[before:]), 120)

    def done(self, *commands: Deferred[Outcome]) -> list[Outcome]:
        """Let commands end, and return how."""
        outcomes: list[Outcome] = []
        for command in commands:
            command.addCallback(outcomes.append)
        assert self.reactor.run_until(lambda: len(outcomes) == len(commands), 120), self.history.text
        return outcomes

    def ok(self, *commands: Deferred[Outcome]) -> None:
        """Let commands end, which have to succeed."""
        for outcome in self.done(*commands):
            assert outcome.ok, f"{outcome.message}\n{self.history.text}"

    def methods(self, since: int = 0) -> list[str]:
        """Return the names of the calls that the plugin got, without those that say nothing."""
        names = [method.rpartition(".")[2] for method, _request in self.heard[since:]]
        return [name for name in names if name != "EndpointOperInfo"]


class _Scripted(SmallPluginFactory):
    """Serves the plugin of a world, except for what is to be done instead."""

    def __init__(self, world: World) -> None:
        super().__init__(world.plugin)
        self._world = world

    def buildProtocol(self, _address: Any) -> SmallPluginConnection:
        return _ScriptedConnection(self._world)


class _ScriptedConnection(SmallPluginConnection):
    def __init__(self, world: World) -> None:
        super().__init__(world.plugin)
        self._world = world

    def answer(self, path: str, content: bytes) -> None:
        instead = self._world.instead.pop(path.rpartition(".")[2], None)
        if instead is None:
            super().answer(path, content)
        else:
            instead(self, content)


def hang(_connection: SmallPluginConnection, _content: bytes) -> None:
    """Do not answer."""


def cut(connection: SmallPluginConnection, _content: bytes) -> None:
    connection.transport.abortConnection()


def refuse(connection: SmallPluginConnection, _content: bytes) -> None:
    SmallPluginConnection.answer(connection, "", b'{"Err": "not today"}')


def later(world: World, seconds: float, connection: SmallPluginConnection, content: bytes) -> None:
    """Answer a call after some seconds."""
    world.process.callLater(seconds, SmallPluginConnection.answer, connection, "", content)
