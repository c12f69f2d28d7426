"""One request over HTTP and its answer, bounded in time and in size.

Whatever goes wrong between connecting and the last byte is a :class:`NoAnswer`. Proxies speak HTTP in many ways, and
something that does not speak HTTP at all may listen at the address. The text of the error says which it was:

- "no answer": nobody listens there, or the connection closed too early.
- "late": no complete answer came in time.
- "not understood": what came is not HTTP, or too long.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import attrs
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectingTimedOut
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

#: Characters of an answer that are shown in a message.
_EXCERPT = 80

_CANCELLED = (CancelledError, ConnectingCancelledError)
_NOT_CONNECTED = (ConnectError, DNSLookupError, ConnectingTimedOut)

#: Says in words why a request failed, None if it does not know.
Explanation = Callable[[Exception], str | None]


class NoAnswer(Exception):
    """There was no whole answer. The text is the reason, for a message that says what was asked.

    Attributes:
        connected: Whether there was a connection; if not, the request was never sent.
    """

    def __init__(self, reason: str, *, connected: bool = True) -> None:
        super().__init__(reason)
        self.connected = connected


class Late(NoAnswer):
    """No complete answer came in time."""


@attrs.frozen
class Response:
    """What was answered, whatever it is."""

    status: int
    phrase: str
    body: bytes
    headers: Headers = attrs.field(factory=Headers)

    def header(self, name: str) -> str:
        """Return the value of a header, of the first one if there are several, empty if there is none.

        It may be any bytes: what is not UTF-8 in it is replaced.
        """
        (first, *_) = self.headers.getRawHeaders(name.encode()) or [b""]
        return first.decode(errors="replace")


class Requests:
    """Sends requests.

    Args:
        agent: Makes the connections.
        clock: Measures the time-outs.
        largest: Bytes that an answer may have.
        explain: Says why a request failed, if it knows better.
    """

    def __init__(
        self, agent: IAgent, clock: IReactorTime, largest: int, explain: Explanation = lambda _problem: None
    ) -> None:
        # Cookies are of no use here, and there is no end to what a server may send of them.
        no_cookies: Any = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._http = HTTPClient(agent, no_cookies)
        self._clock = clock
        self._largest = largest
        self._explain = explain

    async def ask(
        self, method: str, url: str, timeout: float, *, data: bytes | None = None, **details: Any
    ) -> Response:
        """Send a request, and return the answer, whatever its status is. Redirections are not followed.

        Args:
            method: HTTP's method.
            url: What is asked.
            timeout: Seconds that it may take, from connecting to the last byte of the answer.
            data: The body of the request.
            details: Such as ``params`` and ``headers``, as treq takes them.

        Raises:
            NoAnswer: There was no answer, not in time, not in HTTP, or too long a one.
        """
        content = None if data is None else _Content(data)
        asking = Deferred.fromCoroutine(self._ask(method, url, {"data": content, **details}))
        return await asking.addTimeout(timeout, self._clock, onTimeoutCancel=_timed_out)

    async def _ask(self, method: str, url: str, details: Mapping[str, Any]) -> Response:
        try:
            response = await self._http.request(method, url, unbuffered=True, allow_redirects=False, **details)
        except Exception as problem:
            raise self._failed(problem, "it closed the connection without an HTTP response") from problem
        body = _Body(self._largest)
        try:
            response.deliverBody(body)
            content = await body.whole
        except Exception as problem:
            raise self._failed(problem, "it closed the connection before its answer was complete") from problem
        phrase = excerpt(bytes(response.phrase).decode(errors="replace"))
        return Response(response.code, phrase, content, response.headers)

    def _failed(self, problem: Exception, closed: str) -> Exception:
        """Return the error for what ended a request; ``closed`` is what is said when the connection was closed."""
        causes = list(_causes(problem))
        if any(isinstance(cause, _CANCELLED) for cause in causes):
            return CancelledError()
        if explained := next(filter(None, map(self._explain, causes)), None):
            return NoAnswer(explained, connected=False)
        if any(isinstance(cause, ConnectionClosed) for cause in causes):
            return NoAnswer(f"no answer: {closed}")
        return NoAnswer(_told(causes[0]), connected=not isinstance(causes[0], _NOT_CONNECTED))


def excerpt(text: str, longest: int = _EXCERPT) -> str:
    """Return the beginning of a text from outside, up to ``longest`` printable characters in one line."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * longest]).split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def in_words(problem: Exception) -> str:
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


@implementer(IBodyProducer)
class _Content:
    """The body of a request, sent at once: it is short.

    treq would have it sent piece by piece, by the global reactor.
    """

    def __init__(self, content: bytes) -> None:
        self.length = len(content)
        self._content = content

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """See IBodyProducer."""
        consumer.write(self._content)
        return succeed(None)

    def pauseProducing(self) -> None:
        """See IBodyProducer."""

    def resumeProducing(self) -> None:
        """See IBodyProducer."""

    def stopProducing(self) -> None:
        """See IBodyProducer."""


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


def _timed_out(_outcome: Any, seconds: float) -> Any:
    raise Late(f"late: it did not answer within {seconds:g} seconds")


def _causes(problem: Exception) -> Iterator[Exception]:
    """Yield the causes: a failed request or response only wraps them."""
    reasons = getattr(problem, "reasons", None)
    if not reasons:
        yield problem
    for reason in reasons or ():
        yield from _causes(reason.value)


def _told(cause: Exception) -> str:
    """Say in words what ended a request, other than a closed connection."""
    if isinstance(cause, _NOT_CONNECTED):
        return f"no answer: cannot connect: {in_words(cause)}"
    if isinstance(cause, _TooLong):
        return f"not understood: {cause}"
    return f"not understood: it answered something that is not HTTP ({type(cause).__name__.strip('_')})"
