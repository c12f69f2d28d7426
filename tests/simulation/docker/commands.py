"""Commands on their way to dockerd and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.simulation.chance import Chance
from tests.simulation.docker.dockerd import Dockerd
from tests.simulation.docker.errors import DockerError
from tests.simulation.history import History

_AWAY = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
_BROKEN = "error during connect: EOF"
#: Seconds from a command to dockerd.
_WAY = (0.005, 0.03)


@attrs.frozen
class Outcome:
    """How a command ended: its exit status, and what it printed."""

    code: int
    message: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0


class Commands:
    """The commands that have not ended.

    Args:
        reactor: That of the world.
        chance: Draws how long a command is on its way.
        history: Is told of each command, and how it ended.
    """

    def __init__(self, reactor: Any, chance: Chance, history: History) -> None:
        self._reactor = reactor
        self._chance = chance
        self._history = history
        self._open: dict[Deferred[Outcome], str] = {}

    @property
    def words(self) -> list[str]:
        """What they are."""
        return list(self._open.values())

    def give(
        self, dockerd: Dockerd | None, words: str, work: Callable[[Dockerd], Awaitable[str | None]], failure: int = 1
    ) -> Deferred[Outcome]:
        """Give a command to a daemon that may be away.

        Args:
            dockerd: The daemon.
            words: The command, for the history.
            work: Carries it out, and returns what it prints. It raises DockerError.
            failure: The exit status of a failure.
        """
        outcome: Deferred[Outcome] = Deferred()
        self._open[outcome] = words
        self._note(f"$ docker {words}")
        if dockerd is None or dockerd.containers.shutting_down:
            self._reactor.callLater(0.0, self._ended, outcome, Outcome(failure, _AWAY))
        else:
            dockerd.reactor.callLater(self._chance.delay(*_WAY), self._begin, dockerd, outcome, work, failure)
        return outcome

    def break_off(self) -> None:
        """Let all commands fail whose daemon is gone."""
        for outcome in list(self._open):
            self._ended(outcome, Outcome(1, _BROKEN))

    def _begin(
        self,
        dockerd: Dockerd,
        outcome: Deferred[Outcome],
        work: Callable[[Dockerd], Awaitable[str | None]],
        failure: int,
    ) -> None:
        async def carry_out() -> Outcome:
            await dockerd.ready()
            try:
                return Outcome(0, await work(dockerd) or "")
            except DockerError as problem:
                return Outcome(failure, f"Error response from daemon: {problem}")

        done = Deferred.fromCoroutine(carry_out())
        done.addCallback(lambda result: self._ended(outcome, result)).addErrback(self._failed)

    def _ended(self, outcome: Deferred[Outcome], result: Outcome) -> None:
        words = self._open.pop(outcome, None)
        if words is not None:
            self._history.count("outcome ok" if result.ok else "outcome refused")
            self._note(f"docker {words}: {'ok' if result.ok else result.message}")
            outcome.callback(result)

    def _failed(self, problem: Failure) -> None:
        self._history.violate(self._reactor.seconds(), "docker", f"the simulation itself failed: {problem}")

    def _note(self, what: str) -> None:
        self._history.add(self._reactor.seconds(), "docker", what)
