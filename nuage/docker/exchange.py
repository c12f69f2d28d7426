"""One question to the Docker Engine API and its answer, bounded in time and in size.

Whatever goes wrong between connecting and the last byte is a :class:`nuage.errors.DockerUnavailable`. Proxies in front
of Docker's socket speak HTTP in many ways, and something that does not speak HTTP at all may listen at the address. The
message says which it was:

- "no answer": nobody listens there, or the connection closed too early.
- "late": no complete answer came in time.
- "not understood": what came is not HTTP, not what Docker answers, or too long.
- "it answered 403 Forbidden": Docker, or a proxy in front of it, answered with an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from nuage.errors import DockerRefused, DockerUnavailable, DockerUnreachable

#: Bytes that an answer may have. A list of 10,000 containers has some 20 MB.
LARGEST_ANSWER = 64 << 20
#: Characters of an answer that are shown in a message.
_EXCERPT = 80

_CANCELLED = (CancelledError, ConnectingCancelledError)


@attrs.frozen
class Answer:
    """What Docker answered.

    ``server`` is the program that answered and its version, as it says; ``seconds`` is how long it took.
    """

    status: int
    phrase: str
    body: bytes
    server: str = ""
    seconds: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether the question was refused. An error of the daemon itself may go away by itself."""
        return 400 <= self.status < 500

    @property
    def unknown(self) -> bool:
        """Whether Docker says that it has no such thing. A proxy may answer 404 too, which proves nothing."""
        return self.status == 404 and bool(self.message)

    @property
    def message(self) -> str:
        """The ``message`` of Docker's own form of an error, empty if it is in another form."""
        try:
            message = json.loads(self.body)["message"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return ""
        return message if isinstance(message, str) else ""

    def refusal(self) -> str:
        """Return what a message says of an answer that is an error, in the words of Docker or of a proxy."""
        if self.message:
            return f"it answered {self.status}: {self.message}"
        words = excerpt(self.body.decode(errors="replace"))
        return f"it answered {self.status} {self.phrase}".rstrip() + (f": {words}" if words else "")


class Exchange:
    """Asks one Docker daemon.

    Each question has a connection of its own: a daemon that has to stop waits for open connections, and on a unix
    socket a new one costs next to nothing.

    Args:
        reactor: Makes the connections.
        address: The daemon's address, ``unix:///path`` or ``tcp://host:port``.
        clock: Measures the time-outs.
        timeout: Seconds that one question may take, from connecting to the last byte of the answer.
        largest: Bytes that an answer may have.
    """

    def __init__(self, reactor: Any, address: str, clock: IReactorTime, timeout: float, largest: int) -> None:
        self._http = HTTPClient(Agent.usingEndpointFactory(reactor, _Always(_endpoint(reactor, address))))
        self.address = address
        self._clock = clock
        self._timeout = timeout
        self._largest = largest

    async def get(self, path: str, query: Mapping[str, str]) -> Answer:
        """Ask, and return the answer, whatever its status.

        Raises:
            DockerUnreachable: Nobody listens there.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        asking = Deferred.fromCoroutine(self._ask(path, query))
        return await asking.addTimeout(self._timeout, self._clock, onTimeoutCancel=self._timed_out(path))

    def refusal(self, path: str, answer: Answer) -> DockerUnavailable:
        """Return the error of a question about ``path`` whose answer is an error."""
        return self.unavailable(path, answer.refusal(), DockerRefused if answer.refused else DockerUnavailable)

    def unavailable(
        self, path: str, reason: str, kind: type[DockerUnavailable] = DockerUnavailable
    ) -> DockerUnavailable:
        """Return the error of a question about ``path``."""
        return kind(f"Docker at {self.address} (DockerEndpoint): GET {path}: {reason}")

    async def _ask(self, path: str, query: Mapping[str, str]) -> Answer:
        began = self._clock.seconds()
        try:
            response = await self._http.get(
                f"http://docker{path}", params=query, unbuffered=True, allow_redirects=False
            )
        except Exception as problem:
            raise self._failed(path, problem, "it closed the connection without an HTTP response") from problem
        body = _Body(self._largest)
        try:
            response.deliverBody(body)
            content = await body.whole
        except Exception as problem:
            raise self._failed(path, problem, "it closed the connection before its answer was complete") from problem
        took = self._clock.seconds() - began
        return Answer(response.code, excerpt(_phrase(response)), content, excerpt(_server(response)), took)

    def _failed(self, path: str, problem: Exception, closed: str) -> Exception:
        """Return the error for what ended a question; ``closed`` says when the connection was closed."""
        causes = list(_causes(problem))
        if any(isinstance(cause, _CANCELLED) for cause in causes):
            return CancelledError()
        if any(isinstance(cause, ConnectionClosed) for cause in causes):
            return self.unavailable(path, f"no answer: {closed}")
        kind = DockerUnreachable if isinstance(causes[0], ConnectError | DNSLookupError) else DockerUnavailable
        return self.unavailable(path, _told(causes[0]), kind)

    def _timed_out(self, path: str) -> Callable[[Any, float], Any]:
        def report(_outcome: Any, seconds: float) -> Any:
            reason = f"late: it did not answer within docker_timeout, {seconds:g} seconds"
            raise self.unavailable(path, f"{reason}; raise that if Docker only needs longer")

        return report


class _TooLong(Exception):
    """An answer is too long."""


class _Body(Protocol):
    """Takes the body of an answer. If nothing says how long it is, it ends when the connection is closed.

    Decoding then shows whether that was all of it.
    """

    def __init__(self, largest: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._cut())
        self._largest = largest
        self._received = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > self._largest:
            self._cut()
            self._received.clear()
            self._end(Failure(_TooLong(f"its answer is longer than {self._largest} bytes")))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(bytes(self._received) if reason.check(ResponseDone, PotentialDataLoss) else reason)

    def _cut(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()

    def _end(self, outcome: bytes | Failure) -> None:
        if not self.whole.called:
            self.whole.callback(outcome)


@implementer(IAgentEndpointFactory)
@attrs.frozen
class _Always:
    """Connects to the daemon, whatever the address in the request says."""

    endpoint: IStreamClientEndpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: ARG002
        return self.endpoint


def excerpt(text: str) -> str:
    """Return the beginning of a text from outside, in one line of printable characters."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * _EXCERPT]).split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"


def _endpoint(reactor: Any, address: str) -> IStreamClientEndpoint:
    scheme, _, place = address.partition("://")
    if scheme == "unix":
        return UNIXClientEndpoint(reactor, place)
    host, _, port = place.rpartition(":")
    return HostnameEndpoint(reactor, host.strip("[]"), int(port))


def _phrase(response: IResponse) -> str:
    return bytes(response.phrase).decode(errors="replace")


def _server(response: IResponse) -> str:
    servers: list[str] = response.headers.getRawHeaders("server") or [""]
    return servers[0]


def _causes(problem: Exception) -> Iterator[Exception]:
    """Yield the causes: a failed request or response only wraps them."""
    reasons = getattr(problem, "reasons", None)
    if not reasons:
        yield problem
    for reason in reasons or ():
        yield from _causes(reason.value)


def _told(cause: Exception) -> str:
    """Say in words what ended a question, other than a closed connection."""
    if isinstance(cause, ConnectError | DNSLookupError):
        return f"no answer: cannot connect: {in_words(cause)}"
    if isinstance(cause, _TooLong):
        return f"not understood: {cause}"
    return f"not understood: it answered something that is not HTTP ({type(cause).__name__.strip('_')})"


def in_words(problem: ConnectError | DNSLookupError) -> str:
    """Return why a connection was not made, in the kernel's words if it has any.

    Twisted says the same in sentences of its own, twice, or puts a whole Failure there: it says that a connection to a
    unix socket whose queue is full "was closed cleanly" before it was made.
    """
    number = getattr(problem, "osError", None)
    if isinstance(number, int):
        return os.strerror(number)
    if any(isinstance(argument, Failure) for argument in problem.args):
        return "no more connections are accepted"
    return str(problem).strip().rstrip(".")
