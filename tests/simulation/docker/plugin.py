"""Calls to a plugin, with Docker's rules of what is tried again and of what is an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.internet.task import deferLater

from tests.simulation.docker.answer import Answer
from tests.simulation.docker.errors import CallFailed
from tests.simulation.docker.releases import Release
from tests.simulation.docker.transport import BrokenConnection, Transport
from tests.simulation.history import History

_MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"
#: Seconds after which Docker gives up (moby pkg/plugins, defaultTimeOut).
_PATIENCE = 30.0

#: Is told of each answer: the method, the request, when it was asked, the content (None of a refusal), and the reason.
Heard = Callable[[str, "Mapping[str, Any] | None", float, "Mapping[str, Any] | None", str], None]


@attrs.frozen(kw_only=True, eq=False)
class Call:
    """A call that was sent; a repetition is one of its own. ``answer`` is what came, None while nothing has."""

    method: str
    request: Mapping[str, Any] | None
    repeated: bool
    began: float


class Plugin:
    """A plugin as dockerd knows it.

    Args:
        reactor: Of the process of dockerd.
        path: The plugin's socket.
        release: Which Docker this is.
        history: Is told of each call, and of what a plugin must never do.
        deadline: Seconds within which each call has to be answered.
        heard: Is told of each answer.

    Attributes:
        calls: All calls so far, in their order.
        open: Those that are not answered.
    """

    def __init__(
        self,
        reactor: Any,
        path: str,
        release: Release,
        history: History,
        deadline: float,
        calls: list[Call],
        heard: Heard = lambda *_: None,
    ) -> None:
        self._reactor = reactor
        self._release = release
        self._history = history
        self._deadline = deadline
        self._transport = Transport(reactor, path, self._unasked)
        self._heard = heard
        self.calls = calls
        self.open: dict[Call, None] = {}

    async def call(self, method: str, request: Mapping[str, Any] | None) -> dict[str, Any]:
        """Call a method, again and again if connections break, and return what it answers.

        Raises:
            CallFailed: The plugin answered with an error, or with nonsense, or not at all.
        """
        began = self._reactor.seconds()
        body = b"" if request is None else json.dumps(request).encode() + b"\n"
        pause = 1.0
        while True:
            try:
                answer = await self._ask(method, request, body)
            except BrokenConnection as problem:  # noqa: PERF203
                self._note(f"{method}: {problem}")
                if pause + self._reactor.seconds() - began >= _PATIENCE:
                    raise CallFailed(f'Post "http://plugin/{method}": {problem}') from None
                if problem.sent:
                    # The reader of the body is used up: what is repeated has none.
                    body = b""
                await deferLater(self._reactor, pause)
                pause *= 2
            else:
                return self._told(method, request, began, answer, body)

    def overdue(self) -> list[Call]:
        """Return the calls that should have been answered by now."""
        latest = self._reactor.seconds() - self._deadline
        return [call for call in self.open if call.began < latest]

    async def _ask(self, method: str, request: Mapping[str, Any] | None, body: bytes) -> Answer:
        call = Call(
            method=method,
            request=request,
            repeated=request is not None and not body,
            began=self._reactor.seconds(),
        )
        self.calls.append(call)
        self.open[call] = None
        self._history.count(f"call {method}")
        self._note(f"{method}{' again, without a body' if call.repeated else ''}{_subject(request)}")
        try:
            answer = await self._transport.ask(self._request(method, body))
        finally:
            del self.open[call]
        took = self._reactor.seconds() - call.began
        if took > self._deadline:
            self._violate(f"{method}{_subject(request)} was answered after {took:.1f} s, not within {self._deadline:g}")
        return answer

    def _told(
        self, method: str, request: Mapping[str, Any] | None, began: float, answer: Answer, body: bytes
    ) -> dict[str, Any]:
        try:
            content = self._understood(method, answer, body)
        except CallFailed as problem:
            # A plugin may not know a method.
            if not problem.not_implemented:
                self._heard(method, request, began, None, str(problem))
            raise
        self._heard(method, request, began, content, "")
        return content

    def _request(self, method: str, body: bytes) -> bytes:
        return (
            f"POST /{method} HTTP/1.1\r\nHost: {self._release.host}\r\nUser-Agent: Go-http-client/1.1\r\n"
            f"Content-Length: {len(body)}\r\nAccept: {_MEDIA_TYPE}\r\n\r\n"
        ).encode() + body

    def _understood(self, method: str, answer: Answer, body: bytes) -> dict[str, Any]:
        """Return the object of an answer; see moby's pkg/plugins/client.go."""
        if answer.status != 200:
            self._judge_refusal(method, answer, body)
            raise CallFailed(f"{method}: {_message(answer)}", not_implemented=answer.status == 404)
        try:
            content = json.loads(answer.body)
        except ValueError:
            if answer.whole:
                self._violate(f"{method}: the answer is not JSON: {answer.body[:80]!r}")
            raise CallFailed(f"{method}: unexpected EOF") from None
        if not isinstance(content, dict):
            self._violate(f"{method}: the answer is no object: {answer.body[:80]!r}")
            raise CallFailed(f"{method}: cannot unmarshal the answer")
        if problem := content.get("Error" if method.startswith("IpamDriver.") else "Err"):
            self._note(f"{method}: {problem}")
            self._history.count(f"refusal {method}")
            raise CallFailed(f"remote: {problem}")
        return content

    def _judge_refusal(self, method: str, answer: Answer, body: bytes) -> None:
        """A plugin may not know a method, and cannot know what a request without its body is about."""
        self._note(f"{method}: status {answer.status}: {_message(answer)}")
        if answer.status >= 500 or (answer.status != 404 and body):
            self._violate(f"{method} was answered with status {answer.status}: {_message(answer)}")

    def _unasked(self, data: bytes) -> None:
        self._violate(f"an answer that nobody asked for: {data[:80]!r}")

    def _note(self, what: str) -> None:
        self._history.add(self._reactor.seconds(), "docker", what)

    def _violate(self, what: str) -> None:
        self._history.violate(self._reactor.seconds(), "docker", what)


def _message(answer: Answer) -> str:
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    told = content.get("Err") if isinstance(content, dict) else None
    return str(told or answer.body.decode("utf-8", "replace").strip())


def _subject(request: Mapping[str, Any] | None) -> str:
    ids = [request[key][:12] for key in ("NetworkID", "EndpointID") if key in request] if request else []
    return "".join(f" {each}" for each in ids)
