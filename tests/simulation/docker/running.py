"""How dockerd starts and ends the processes of containers (moby daemon/start.go, stop.go, monitor.go)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tests.simulation.chance import Chance
from tests.simulation.docker import restarting
from tests.simulation.docker.attaching import Attaching
from tests.simulation.docker.descriptions import listed
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.locks import Locks
from tests.simulation.docker.releases import Release
from tests.simulation.docker.sandboxes import Sandboxes
from tests.simulation.docker.store import Attachment, Container, Store

#: Seconds that a container's process takes to begin.
_BEGINNING = (0.03, 0.3)
#: Seconds that one takes to end after SIGTERM or SIGKILL.
_ENDING = (0.01, 0.4)
#: The status of a container that did not start, and that of a process that was killed.
_NOT_STARTED, _KILLED = 128, 137


@attrs.frozen(kw_only=True)
class Surroundings:
    """What the containers of a process of dockerd live in.

    Attributes:
        warn: Is told what the real one only logs.
        broken: Is told of an error of the simulation itself.
    """

    reactor: Any
    chance: Chance
    release: Release
    store: Store
    warn: Callable[[str], None]
    broken: Callable[[Failure], None]


class Running(ABC):
    """What becomes of the containers of one process of dockerd between their making and their removal.

    Args:
        surroundings: What they live in.
        sandboxes: Those of containers that run.
        attaching: Puts them into networks.
    """

    def __init__(self, surroundings: Surroundings, sandboxes: Sandboxes, attaching: Attaching) -> None:
        self._reactor = surroundings.reactor
        self._chance = surroundings.chance
        self._behaviour = surroundings.release
        self._store = surroundings.store
        self._warn = surroundings.warn
        self._broken = surroundings.broken
        self._sandboxes = sandboxes
        self._attaching = attaching
        self._locks = Locks()
        self._ends: dict[str, list[Deferred[None]]] = {}
        self.shutting_down = False
        #: Whether dockerd looks at what becomes of processes: from when it restores containers.
        self.attending = False

    @abstractmethod
    async def remove(self, container: Container, *, force: bool) -> None:
        """Remove a container.

        Raises:
            DockerError: It runs, and is not to be forced.
        """

    async def start(self, container: Container) -> None:
        """Start a container, unless it runs.

        Raises:
            DockerError: It cannot be started.
        """
        async with self._locks[container.id]:
            if container.running:
                return
            _demand_no_removal(container)
            container.restarts = 0
            try:
                await self._start(container)
            except DockerError as problem:
                failure = problem
            else:
                return
        await self._auto_remove(container)
        raise failure

    async def restart(self, container: Container) -> None:
        """Stop a container and start it again, which is no end that it would be removed at.

        Raises:
            DockerError: It cannot be started.
        """
        container.restarting_by_hand = True
        try:
            await self.stop(container)
        finally:
            container.restarting_by_hand = False
        await self.start(container)

    async def stop(self, container: Container, *, by_hand: bool = True, early: bool = False) -> None:
        """End a container's process, and wait until its network is released.

        ``docker stop`` comes back as ``early`` as the release allows; all else waits.
        """
        await self._settled(container)
        if not container.running:
            return
        container.stopped_by_hand = by_hand or container.stopped_by_hand
        if container.awaits_restart:
            # Nothing runs; what was to be started is not.
            container.state = "exited"
            self.checkpoint(container)
            return
        ended: Deferred[None] = Deferred()
        self._ends.setdefault(container.id, []).append(ended)
        self.process_ends(container, _KILLED, self._chance.delay(*_ENDING))
        await ended
        if not (early and self._behaviour.stops_early):
            await self._settled(container)

    def process_ends(self, container: Container, code: int, delay: float = 0.0) -> None:
        """Let a container's process end after some seconds."""
        self._reactor.callLater(delay, self._process_ended, container, code)

    async def autostart(self, container: Container) -> None:
        """Start a container when dockerd starts, if its restart policy says so."""
        try:
            await self.start(container)
        except DockerError as problem:
            self._warn(f"failed to start container {container.name}: {problem}")

    def checkpoint(self, container: Container) -> None:
        """Write a container to the disk; from now on lists show it so."""
        container.listed = listed(container)
        container.written = _copies(container.attachments)

    def load(self, container: Container) -> None:
        """Read of a container from the disk what networks it has."""
        container.attachments = _copies(container.written)

    async def _start(self, container: Container) -> None:
        container.error = ""
        try:
            await self._begin(container)
        except DockerError as problem:
            container.error, container.exit_code = str(problem), container.exit_code or _NOT_STARTED
            self.checkpoint(container)
            await self._attaching.release(container)
            raise
        container.state, container.process = "running", True
        container.exit_code, container.stopped_by_hand, container.started_before = 0, False, True
        container.started_at = self._reactor.seconds()
        self.checkpoint(container)

    async def _begin(self, container: Container) -> None:
        # Such as that of a network which the container was connected to while it waited for its restart.
        for stale in [each for each in self._store.sandboxes.values() if each.container_id == container.id]:
            await self._sandboxes.delete(stale)
        self._attaching.forget(container)
        if self._behaviour.namespace_at_join:
            await self._make_process(container)
            container.sandbox = self._sandboxes.make(container, exists=True)
            await self._attaching.attach_all(container)
        else:
            await self._attaching.attach_all(container)
            if container.sandbox is None:
                # A container without networks has one too, which is connected to networks later.
                container.sandbox = self._sandboxes.make(container, exists=False)
            await self._make_process(container)
            self._sandboxes.enter(container.sandbox)

    async def _make_process(self, container: Container) -> None:
        await self._sleep(*_BEGINNING)
        if not container.program:
            raise DockerError("failed to create task: OCI runtime create failed: no such file or directory", 400)

    def _process_ended(self, container: Container, code: int) -> None:
        if container.process:
            container.process = False
            if self.attending:
                Deferred.fromCoroutine(self._ended(container, code)).addErrback(self._broken)

    async def _ended(self, container: Container, code: int) -> None:
        async with self._locks[container.id]:
            now = self._reactor.seconds()
            container.exit_code, container.finished_at = code, now
            held = self.shutting_down or container.stopped_by_hand
            again = not held and restarting.wanted(container)
            if self._behaviour.stops_early:
                self._stopped(container, again=again)
            await self._attaching.release(container)
            self._stopped(container, again=again)
            by_hand = container.restarting_by_hand
            self.checkpoint(container)
        if again:
            await self._restart_later(container)
        elif not by_hand:
            await self._auto_remove(container)

    async def _auto_remove(self, container: Container) -> None:
        if container.auto_remove:
            try:
                await self.remove(container, force=True)
            except DockerError as problem:
                self._warn(f"error removing container {container.name}: {problem}")

    def _stopped(self, container: Container, *, again: bool) -> None:
        container.state = "restarting" if again else "exited"
        for waiter in self._ends.pop(container.id, ()):
            # Others go on once this container's lock is free or they do not need it.
            self._reactor.callLater(0.0, waiter.callback, None)

    async def _restart_later(self, container: Container) -> None:
        if container.finished_at - container.started_at >= restarting.STEADY:
            container.restarts = 0
        end = container.finished_at
        await deferLater(self._reactor, restarting.pause(container))
        if self.shutting_down:
            return
        try:
            async with self._locks[container.id]:
                # It may have been stopped meanwhile, and even have been started.
                if container.awaits_restart and container.finished_at == end:
                    _demand_no_removal(container)
                    container.restarts += 1
                    await self._start(container)
        except DockerError as problem:
            self._warn(f"failed to restart container {container.name}: {problem}")
            container.state = "exited"
            self.checkpoint(container)

    async def _settled(self, container: Container) -> None:
        """Wait for a change that is under way: who looks at a container's state needs its lock (State.IsRunning)."""
        async with self._locks[container.id]:
            pass

    async def _sleep(self, low: float, high: float) -> None:
        await deferLater(self._reactor, self._chance.delay(low, high))


def _copies(attachments: Mapping[str, Attachment]) -> dict[str, Attachment]:
    return {name: attrs.evolve(each) for name, each in attachments.items()}


def _demand_no_removal(container: Container) -> None:
    if container.removed or container.removing:
        raise DockerError("container is marked for removal and cannot be started", 409)
