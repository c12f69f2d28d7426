"""The control socket's tree of resources. Each part of it is a small resource of its own.

``/status``, ``/endpoints`` and ``/networks`` answer from a report. What else there is, is handed in by its path.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from werkzeug.exceptions import HTTPException

from nuage.errors import ConfigurationError, MalformedRequest, NuageError
from nuage.libnetwork.server import PluginSite
from nuage.libnetwork.unix_server import UnixServer, make_room
from nuage.ovsdb.garbage import collection_paused
from nuage.status.report import Report, as_json

#: What makes a report: :meth:`nuage.status.reporter.Reporter.report`.
MakeReport = Callable[[], Report]


def answer(request: IRequest, content: Any, status: int = 200) -> bytes:
    """Return the body of an answer in JSON, and set its status and its headers."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Cache-Control", b"no-store")
    return json.dumps(content).encode("ascii") + b"\n"


class Small:
    """A resource with routes of Klein and with answers for what goes wrong in them. Derive from it.

    A derived class has ``_app = Small.routes()`` and its routes. An error of :mod:`nuage.errors` becomes an answer with
    its message; any other is logged, and costs nobody but its client anything.
    """

    _app: Klein
    _log = Logger()

    @staticmethod
    def routes() -> Klein:
        """Return an empty set of routes that answers errors."""
        app = Klein()
        app.handle_errors(HTTPException)(Small._no_route)
        app.handle_errors(MalformedRequest)(Small._bad_request)
        app.handle_errors(NuageError)(Small._failed)
        app.handle_errors(Exception)(Small._bug)
        return app

    def resource(self) -> IResource:
        """Return the resource for the tree."""
        return self._app.resource()

    def _no_route(self, request: IRequest, failure: Failure) -> bytes:
        problem = failure.value
        assert isinstance(problem, HTTPException)
        return answer(request, {"error": f"{_path(request)}: {problem.name}"}, problem.code or 404)

    def _bad_request(self, request: IRequest, failure: Failure) -> bytes:
        return answer(request, {"error": failure.getErrorMessage()}, 400)

    def _failed(self, request: IRequest, failure: Failure) -> bytes:
        return answer(request, {"error": failure.getErrorMessage()}, 503)

    def _bug(self, request: IRequest, failure: Failure) -> bytes:
        if not failure.check(CancelledError):
            self._log.failure("{path}", failure, path=_path(request))
        return answer(request, {"error": "the nuage plugin has a bug; its log says more"}, 500)


class Status(Small):
    """Answers from a report, made at this moment.

    Args:
        report: Makes it.
    """

    _app = Small.routes()

    def __init__(self, report: MakeReport) -> None:
        self._report = report

    @_app.route("/status", methods=["GET"])
    def status(self, request: IRequest) -> bytes:
        """Tell all that is known."""
        # Of what is made for an answer, nothing is garbage before it is sent.
        with collection_paused():
            return answer(request, self._report().to_json())

    @_app.route("/healthz", methods=["GET"])
    def healthz(self, request: IRequest) -> bytes:
        """Tell that the daemon answers."""
        return answer(request, {"healthy": True})

    @_app.route("/readyz", methods=["GET"])
    def readyz(self, request: IRequest) -> bytes:
        """Tell whether all that it works with is there; the status of the answer is 503 if something is not."""
        report = self._report()
        away = {part.key: part.status for part in report.parts if not part.there}
        return answer(request, {"ready": report.ready, "away": away}, 200 if report.ready else 503)

    @_app.route("/endpoints", methods=["GET"])
    def endpoints(self, request: IRequest) -> bytes:
        """Tell the endpoints alone."""
        return answer(request, as_json(self._report().endpoints))

    @_app.route("/networks", methods=["GET"])
    def networks(self, request: IRequest) -> bytes:
        """Tell the networks alone."""
        return answer(request, as_json(self._report().networks))


def tree(status: Status, others: Mapping[str, IResource]) -> IResource:
    """Return the root of the control socket.

    Args:
        status: Answers what no other does.
        others: The first part of a path, such as ``metrics``, and what answers it and all below it. "" is the root.
    """
    return _Root(status.resource(), {name.encode("ascii"): resource for name, resource in others.items()})


class _Root(Resource):
    """Hands each request to the resource that is named first in its path."""

    def __init__(self, default: IResource, others: Mapping[bytes, IResource]) -> None:
        super().__init__()
        self._default = default
        self._others = others

    def getChild(self, path: bytes, request: Any) -> IResource:
        """See twisted.web.resource.Resource. The resource sees its own name in the path, as routes of Klein do."""
        request.prepath.pop()
        request.postpath.insert(0, path)
        try:
            b"/".join(request.postpath).decode()
        except UnicodeDecodeError:
            # Klein would log this as if it were a bug of ours.
            return notFound()
        return self._others.get(path, self._default)


class ControlServer(UnixServer):
    """Serves the control socket. Docker is served without it too: if it cannot be made, the log says so.

    Args:
        reactor: Listens.
        path: Where the socket is made.
        site: Serves the connections.
        passed: The socket if systemd made it; systemd keeps it when this process ends.
        make_room: Called before the socket is made; see :func:`nuage.libnetwork.unix_server.make_room`.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        path: Path,
        site: PluginSite,
        passed: socket.socket | None = None,
        make_room: Callable[[str, Path], None] = make_room,
    ) -> None:
        super().__init__(reactor, "control_socket", path, site, passed, make_room)

    def privilegedStartService(self) -> None:
        """Listen if that is possible."""
        try:
            super().privilegedStartService()
        except ConfigurationError as problem:
            self._log.error("{problem}; nuage-plugin status and the like do not work", problem=str(problem))


def _path(request: IRequest) -> str:
    return str(request.path, "ascii", "replace")
