"""The unix socket that Docker finds the plugin by, and HTTP on it."""

from __future__ import annotations

import errno
import os
import socket
import stat
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from nuage.errors import ConfigurationError
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.passed_socket import PassedSocket

#: Bytes of a request's body. The largest that Docker sends is that of a Swarm network with all its options: a few KiB.
BODY_LIMIT = 1 << 20

_TOO_LARGE = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_SOCKET_MODE = 0o600
_SOCKET_UMASK = 0o177
_FOLDER_MODE = 0o700


class BoundedRequest(Request):
    """A request whose body is refused as soon as it is too long, before it is kept."""

    _received = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        """See twisted.web.http.Request. The body is kept in memory: the limit bounds it, and no disk is waited for."""
        self.content = BytesIO()
        if length is not None and length > BODY_LIMIT:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """See twisted.web.http.Request."""
        self._received += len(data)
        if self._received > BODY_LIMIT:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """See twisted.web.http.Request. The end of a refused body may come together with its middle."""
        if not self._refused:
            super().requestReceived(command, path, version)

    def getRequestHostname(self) -> bytes:
        """See twisted.web.http.Request. Docker names no host, or a path; routing does not need it."""
        return b"localhost"

    def _refuse(self) -> None:
        # The rest of the body follows on this connection, and is not a request.
        if not self._refused:
            self._refused = True
            self.channel.transport.write(_TOO_LARGE)  # type: ignore[union-attr]
            self.channel.loseConnection()


class PluginSite(Site):
    """HTTP for Docker.

    Idle connections are never closed: if a connection breaks, Docker sends the request again, without its body.
    """

    noisy = False
    requestFactory = BoundedRequest  # noqa: N815

    def __init__(self, resource: IResource, reactor: Any) -> None:
        super().__init__(resource, reactor=reactor, timeout=None)
        self.displayTracebacks = False

    def log(self, request: Any) -> None:
        """Write no access log: the calls log themselves."""


class _Connections(WrappingFactory):
    """Knows the open connections, so that they can be closed at the end."""

    noisy = False

    def close(self) -> None:
        """Close what is open. Call this when no request is in flight."""
        for connection in list(self.protocols):
            # A transport does not close before its producer says so, and HTTP's never does.
            connection.unregisterProducer()
            connection.loseConnection()


class PluginServer(Service):
    """Listens on the plugin's socket.

    Args:
        reactor: Listens.
        path: Where the socket is made.
        site: Serves the connections.
        calls: The calls in flight, which may finish at the end.
        passed: The socket if systemd made it; systemd keeps it when this process ends.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, path: Path, site: PluginSite, calls: Calls, passed: socket.socket | None = None
    ) -> None:
        self._reactor = reactor
        self._path = path
        self._connections = _Connections(site)
        self._calls = calls
        self._passed = passed
        self._accepting: PassedSocket | None = None
        self._port: IListeningPort | None = None
        self._failure: Failure | None = None

    def privilegedStartService(self) -> None:
        """Listen. What this daemon needs may still be away: early calls wait for it.

        Raises:
            ConfigurationError: Another process listens on the socket, or it cannot be made.
        """
        super().privilegedStartService()
        if self._passed is None:
            self._make_socket()
        else:
            self._accepting = PassedSocket(self._reactor, self._passed, self._connections)
            self._accepting.start()
            self._log.info("listening on {path}, which systemd passed", path=str(self._path))

    def _make_socket(self) -> None:
        make_room(self._path)
        endpoint = UNIXServerEndpoint(self._reactor, str(self._path), mode=_SOCKET_MODE)
        # The mode has to be right from the start: between bind and a later chmod anybody could connect.
        former = os.umask(_SOCKET_UMASK)
        try:
            listening = endpoint.listen(self._connections)
        finally:
            os.umask(former)
        listening.addCallbacks(self._listening, self._failed)
        if self._failure is not None:
            raise ConfigurationError(f"plugin_socket: {self._path} cannot be made: {self._failure.getErrorMessage()}")

    async def _stop(self) -> None:
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            accepting.stop()
        port, self._port = self._port, None
        if port is not None:
            # This removes the socket's file as well: no socket at all is better than a dead one.
            await maybeDeferred(port.stopListening)
        await self._calls.finish()
        self._connections.close()

    def stopService(self) -> Deferred[None]:
        """Listen no more, finish the calls in flight, then close the connections."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def _listening(self, port: IListeningPort) -> None:
        self._port = port
        self._log.info("listening on {path}", path=str(self._path))

    def _failed(self, failure: Failure) -> None:
        self._failure = failure


def make_room(path: Path) -> None:
    """Make the folder of a socket, and remove a socket that nobody listens on.

    Raises:
        ConfigurationError: Somebody listens on it, or it is not a socket, or the folder cannot be made.
    """
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as problem:
        raise ConfigurationError(f"plugin_socket: {path.parent} cannot be used: {problem.strerror}") from problem
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"plugin_socket: {path} exists and is not a socket; remove it or name another path")
    if _answers(path):
        raise ConfigurationError(f"plugin_socket: another process listens on {path}; stop it or name another path")
    try:
        path.unlink()
    except OSError as problem:
        raise ConfigurationError(f"plugin_socket: {path} cannot be removed: {problem.strerror}") from problem


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        # A full backlog (EAGAIN) is a listener too.
        return probe.connect_ex(str(path)) in (0, errno.EAGAIN, errno.EINPROGRESS)
