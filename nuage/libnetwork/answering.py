"""What the resources of both drivers share: how a request is read and carried out, and what answers look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from nuage.errors import MalformedRequest, NuageError
from nuage.libnetwork.body import Body, decode
from nuage.libnetwork.calls import Answer, Calls

#: The media type of Docker's plugin protocol (moby ``pkg/plugins/transport``).
_MEDIA_TYPE = b"application/vnd.docker.plugins.v1.2+json"

Request = TypeVar("Request")


class Answering:
    """The part of a resource that does not depend on the driver.

    Args:
        calls: Keeps the deadlines of calls.
    """

    _log = Logger()

    #: Where Docker looks for the message of an error. Where the status is not 200, it looks for "Err" with any driver.
    error_keys: tuple[str, ...] = ("Err",)

    #: The routes of the derived class.
    _app: Klein

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @classmethod
    def methods(cls) -> tuple[str, ...]:
        """Return the names of all calls."""
        return tuple(rule.rule.removeprefix("/") for rule in cls._app.url_map.iter_rules())

    def refuse_route(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a call that this driver does not implement; Docker takes 404 for exactly that."""
        method = request.path.decode("ascii", "replace").lstrip("/")
        if failure.check(MethodNotAllowed):
            return self._refusal(request, 405, f"{method} has to be posted")
        return self._refusal(request, 404, f"{method} is not implemented by this driver")

    def refuse_body(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a request that cannot be decoded."""
        message = failure.getErrorMessage()
        self._log.warn("{path}: {problem}", path=request.path.decode("ascii", "replace"), problem=message)
        return self._refusal(request, 400, message)

    def tell_failure(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a call that was understood and failed; libnetwork expects that with status 200."""
        return self._refusal(request, 200, failure.getErrorMessage())

    def hide_bug(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a call that hit a bug. Its traceback goes into the log, and nowhere else."""
        if not failure.check(CancelledError):
            self._log.failure("{path}", failure, path=request.path.decode("ascii", "replace"))
        return self._refusal(request, 500, "the nuage plugin has a bug; its log says more")

    async def _without_body(self, request: IRequest, method: str, work: Coroutine[Any, Any, Answer]) -> bytes:
        return _answer(request, await self._calls.carry_out(method, None, work))

    async def _call(
        self,
        request: IRequest,
        read: Callable[[Body], Request],
        work: Callable[[Request], Coroutine[Any, Any, Answer]],
        repeated: Answer | None = None,
    ) -> bytes:
        """Decode the request, ``read`` it and have it carried out by ``work``.

        ``repeated`` is the answer to a request without a body, which Docker sends after a connection broke. Calls that
        do nothing have one, since they cannot fail. Without ``repeated``, such a request is refused.
        """
        content = request.content.read()
        method = request.path.decode("ascii").lstrip("/")
        if repeated is not None and not content.strip():
            return await self._without_body(request, method, _given(repeated))
        decoded = read(Body(decode(content)))
        return _answer(request, await self._calls.carry_out(method, decoded, work(decoded)))

    def _refusal(self, request: IRequest, status: int, message: str) -> bytes:
        return _json(request, status, dict.fromkeys(self.error_keys, message))


def answers_errors(app: Klein) -> Klein:
    """Have an application answer what goes wrong, as :class:`Answering` does it."""
    app.handle_errors(HTTPException)(Answering.refuse_route)
    app.handle_errors(MalformedRequest)(Answering.refuse_body)
    app.handle_errors(NuageError)(Answering.tell_failure)
    app.handle_errors(Exception)(Answering.hide_bug)
    return app


async def _given(answer: Answer) -> Answer:
    return answer


def _answer(request: IRequest, answer: Answer) -> bytes:
    return _json(request, 200, answer.to_json())


def _json(request: IRequest, status: int, content: dict[str, Any]) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", _MEDIA_TYPE)
    return json.dumps(content).encode("ascii") + b"\n"
