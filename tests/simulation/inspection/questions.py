"""Questions to the control socket. Bytes take no time there, so that all the time is the daemon's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.simulation.docker.answer import Answer, AnswerReader


class Question(Protocol):
    """Asks once.

    Args:
        path: What is asked.
        answered: Is told the answer, None if the connection breaks before it is complete. That is told once.
        received: Is told the bytes of the answer as they come.
    """

    transport: Any

    def __init__(
        self,
        path: str,
        answered: Callable[[Answer | None], None],
        received: Callable[[bytes], None] | None = None,
    ) -> None:
        self.path = path
        self._answered: Callable[[Answer | None], None] | None = answered
        self._received = received
        self._reader = AnswerReader()

    @property
    def open(self) -> bool:
        """Whether there is no answer yet."""
        return self._answered is not None

    def connectionMade(self) -> None:
        self.transport.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    def dataReceived(self, data: bytes) -> None:
        if self._received is not None:
            self._received(data)
            return
        answer = self._reader.feed(data)
        if answer is not None:
            self._end(answer)
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(None)

    def refused(self) -> None:
        """Note that nobody listens."""
        self._end(None)

    def _end(self, answer: Answer | None) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(answer)


class Asking(ClientFactory):
    """Connects a question.

    Args:
        question: It.
    """

    noisy = False

    def __init__(self, question: Question) -> None:
        self._question = question

    def buildProtocol(self, _address: Any) -> Question:
        return self._question

    def clientConnectionFailed(self, _connector: Any, _reason: Failure) -> None:
        self._question.refused()
