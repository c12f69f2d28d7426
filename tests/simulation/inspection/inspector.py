"""Somebody who asks the daemon again and again how it does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.simulation.chance import Chance
from tests.simulation.docker.answer import Answer
from tests.simulation.inspection.follower import Follower
from tests.simulation.inspection.questions import Asking, Question
from tests.simulation.streams import Calm

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds within which each question is answered.
_SOON = 0.05
#: Seconds between two questions.
_PAUSE = (0.5, 20.0)
#: Part of the hosts on which somebody listens to what changes.
_FOLLOWED = 0.25
#: What is asked, and the statuses that may be answered.
_PATHS = {
    "/healthz": (200,),
    "/readyz": (200, 503),
    "/status": (200,),
    "/endpoints": (200,),
    "/networks": (200,),
    "/metrics": (200,),
    "/": (200,),
}


class Inspector:
    """Asks one of all questions after the other, and may listen to what changes.

    Args:
        world: That of the daemon.
        chance: Draws what is asked, and when.

    Attributes:
        follower: Who listens, None if nobody does.
    """

    def __init__(self, world: World, chance: Chance) -> None:
        self._world = world
        self._chance = chance
        self._reactor = world.reactor.spawn("inspector")
        self._reactor.network.weather = Calm(chance.part("streams"))
        self._socket = str(world.config.control_socket)
        self.follower = Follower(self._ask, self._reactor) if chance.happens(_FOLLOWED) else None

    def start(self) -> None:
        """Begin to ask."""
        self._reactor.callLater(self._chance.delay(*_PAUSE), self._ask_next)
        if self.follower is not None:
            self.follower.start()

    def learn(self, path: str, seconds: float = _SOON) -> Any:
        """Ask now and wait for the answer, so many seconds; return what it says, None if there is none."""
        told: list[Answer | None] = []
        self._ask(Question(path, told.append))
        self._reactor.run_for(seconds)
        answer = told[0] if told else None
        if answer is None or answer.status != 200:
            self._violate(f"{path} is answered with {answer}")
            return None
        return json.loads(answer.body) if answer.body.startswith((b"{", b"[")) else answer.body.decode()

    def _ask_next(self) -> None:
        self._reactor.callLater(self._chance.delay(*_PAUSE), self._ask_next)
        path = self._chance.pick(list(_PATHS))
        question = Question(path, lambda answer: self._judge(path, answer))
        self._ask(question)
        self._reactor.callLater(_SOON, self._check_answered, question, self._world.daemon.reactor)

    def _ask(self, question: Question) -> None:
        self._reactor.connectUNIX(self._socket, Asking(question))

    def _judge(self, path: str, answer: Answer | None) -> None:
        if answer is not None:
            self._world.history.count(f"question {path} {answer.status}")
            if answer.status not in _PATHS[path]:
                self._violate(f"{path} is answered with {answer.status}: {answer.body[:200]!r}")
            elif path == "/status":
                self._world.promises.audited(json.loads(answer.body)["audit"]["problem"])

    def _check_answered(self, question: Question, daemon: Any) -> None:
        """A daemon that is alive and not frozen has to have answered. One that begins or ends does not listen."""
        if question.open and daemon.process.alive and not daemon.process.frozen:
            self._violate(f"{question.path} is not answered within {_SOON:g} s")

    def _violate(self, what: str) -> None:
        self._world.history.violate(self._reactor.seconds(), "inspector", what)
