"""The real daemon as a process of the world: started, stopped in order, killed at any instant, started again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from nuage.config.settings import Config
from nuage.errors import ConfigurationError
from nuage.service.ending import GRACE
from nuage.service.logs import Log
from nuage.service.machine import Machine
from nuage.service.plugin import NuagePlugin
from tests.simulation.chance import Chance
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor

#: Seconds after which a process that has not ended in order is ended by force: see nuage.service.ending.
_PATIENCE = GRACE + 0.001


class DaemonProcess:
    """The daemon, which is at most one process at a time.

    Args:
        world: The reactor that each of its processes is spawned from.
        config: What the user configured.
        machine: Returns where it runs, given the reactor of its process and its chance.
        chance: Draws what the daemon draws.
        history: Is told of its starts and ends.

    Attributes:
        plugin: The running daemon; None while there is none.
        reactor: That of the running daemon, or of the last one.
    """

    def __init__(
        self,
        world: SimReactor,
        config: Config,
        machine: Callable[[SimReactor, Chance], Machine],
        chance: Chance,
        history: History,
    ) -> None:
        self.plugin: NuagePlugin | None = None
        self.reactor = world
        self._world = world
        self._config = config
        self._machine = machine
        self._chance = chance
        self._history = history
        self._starts = 0
        self._stopping = False

    @property
    def running(self) -> bool:
        """Whether there is a process, be it one that ends."""
        return self.plugin is not None

    def start(self) -> None:
        """Start the daemon. Do nothing if it runs."""
        if self.plugin is not None:
            return
        self._starts += 1
        self._stopping = False
        self.reactor = self._world.spawn(f"nuage-plugin {self._starts}")
        self._note("starts")
        machine = self._machine(self.reactor, self._chance.part(str(self._starts)))
        self.plugin = NuagePlugin(self.reactor, self._config, {}, Log({"nodaemon": True}, "Info"), machine)
        # As a reactor that has just begun to run does it.
        self.reactor.callLater(0.0, self._start, self.plugin)

    def stop(self) -> None:
        """End the daemon in order, as SIGTERM does. Do nothing if there is none, or one that ends already."""
        if self.plugin is None or self._stopping:
            return
        self._stopping = True
        self._note("is to stop")
        stopped: Deferred[Any] = self.plugin.stopService()
        stopped.addErrback(self._failed)
        stopped.addCallback(self._ended, self.reactor, "has stopped")
        self._world.callLater(self._config.call_timeout + _PATIENCE, self._force, self.reactor)

    def kill(self) -> None:
        """End the daemon at once. Do nothing if there is none."""
        if self.plugin is not None:
            self._ended(None, self.reactor, "is killed")

    def knows(self, network_id: str) -> bool:
        """Tell whether the daemon runs, is connected to the switch, and has found a network there."""
        daemon = None if self.plugin is None else self.plugin._daemon
        return daemon is not None and daemon.client.synced and daemon.switch.network(network_id) is not None

    def audit(self) -> None:
        """Have the daemon audit now, as SIGUSR2 does. Do nothing if there is none."""
        if self.plugin is not None:
            self.plugin.audit()

    def kill_after(self, steps: int) -> None:
        """End the daemon between two of its steps, after so many of them."""
        if self.plugin is not None:
            self.reactor.process.after_steps(steps, self.kill)

    def _start(self, plugin: NuagePlugin) -> None:
        try:
            plugin.privilegedStartService()
        except ConfigurationError as problem:
            self._history.violate(self._world.seconds(), "nuage-plugin", f"does not start: {problem}")
            self._ended(None, self.reactor, "ends")
            return
        plugin.startService()

    def _force(self, reactor: SimReactor) -> None:
        if self.plugin is None or self.reactor is not reactor:
            return
        if reactor.process.frozen:
            # It can do nothing, and may end once it goes on.
            self._world.callLater(self._config.call_timeout + _PATIENCE, self._force, reactor)
            return
        self._history.violate(self._world.seconds(), "nuage-plugin", "does not end in time")
        self.kill()

    def _failed(self, failure: Failure) -> None:
        self._history.violate(self._world.seconds(), "nuage-plugin", f"fails to stop: {failure.getErrorMessage()}")

    def _ended(self, _: Any, reactor: SimReactor, how: str) -> None:
        if self.reactor is reactor and self.plugin is not None:
            self._note(how)
            reactor.process.remains.append(self.plugin)
            self.plugin = None
            reactor.kill()

    def _note(self, what: str) -> None:
        self._history.add(self._world.seconds(), "nuage-plugin", what)


def make_room(reactor: SimReactor, path: Path) -> None:
    """Remove the file of a unix socket that nobody listens on, as the daemon does before it listens.

    Raises:
        ConfigurationError: Somebody listens there.
    """
    port = reactor.port(path)
    if port is None:
        return
    if port.accepting:
        raise ConfigurationError(f"another process listens on {path}")
    del reactor.network.ports[reactor.address(path)]
