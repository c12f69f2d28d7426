"""A unix socket that this process serves: how it is made and removed, or taken from systemd."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure

from nuage.errors import ConfigurationError
from nuage.libnetwork.passed_socket import PassedSocket

_SOCKET_MODE = 0o600
_SOCKET_UMASK = 0o177
_FOLDER_MODE = 0o700


def make_room(key: str, path: Path) -> None:
    """Make the folder of a socket, and remove a socket that nobody listens on.

    Args:
        key: The key of the configuration that names the socket, for messages.
        path: The socket.

    Raises:
        ConfigurationError: Somebody listens on it, or it is not a socket, or the folder cannot be made.
    """
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as problem:
        raise ConfigurationError(f"{key}: {path.parent} cannot be used: {problem.strerror}") from problem
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"{key}: {path} exists and is not a socket; remove it or name another path")
    if _answers(path):
        raise ConfigurationError(f"{key}: another process listens on {path}; stop it or name another path")
    try:
        path.unlink()
    except OSError as problem:
        raise ConfigurationError(f"{key}: {path} cannot be removed: {problem.strerror}") from problem


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        # A full backlog (EAGAIN) is a listener too.
        return probe.connect_ex(str(path)) in (0, errno.EAGAIN, errno.EINPROGRESS)


class Connections(WrappingFactory):
    """Knows the open connections, so that they can be closed at the end."""

    noisy = False

    def close(self) -> None:
        """Close what is open. Call this when no request is in flight."""
        for connection in list(self.protocols):
            # A transport does not close before its producer says so, and HTTP's never does.
            connection.unregisterProducer()
            connection.loseConnection()


class UnixServer(Service):
    """Listens on a unix socket.

    Args:
        reactor: Listens.
        key: The key of the configuration that names the socket, for messages.
        path: Where the socket is made.
        factory: Serves the connections.
        passed: The socket if systemd made it; systemd keeps it when this process ends.
        make_room: Called with ``key`` and ``path`` before the socket is made; see :func:`make_room`.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        key: str,
        path: Path,
        factory: IProtocolFactory,
        passed: socket.socket | None = None,
        make_room: Callable[[str, Path], None] = make_room,
    ) -> None:
        self._reactor = reactor
        self._key = key
        self._path = path
        self._connections = Connections(factory)
        self._passed = passed
        self._make_room = make_room
        self._accepting: PassedSocket | None = None
        self._port: IListeningPort | None = None
        self._failure: Failure | None = None

    def privilegedStartService(self) -> None:
        """Listen.

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
        self._make_room(self._key, self._path)
        endpoint = UNIXServerEndpoint(self._reactor, str(self._path), mode=_SOCKET_MODE)
        # The mode has to be right from the start: between bind and a later chmod anybody could connect.
        former = os.umask(_SOCKET_UMASK)
        try:
            listening = endpoint.listen(self._connections)
        finally:
            os.umask(former)
        listening.addCallbacks(self._listening, self._failed)
        if self._failure is not None:
            raise ConfigurationError(f"{self._key}: {self._path} cannot be made: {self._failure.getErrorMessage()}")

    async def _stop(self) -> None:
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            accepting.stop()
        port, self._port = self._port, None
        if port is not None:
            # This removes the socket's file as well: no socket at all is better than a dead one.
            await maybeDeferred(port.stopListening)
        await self.finish()
        self._connections.close()

    async def finish(self) -> None:
        """Wait until the connections may be closed. Derived classes do; this one closes them at once."""

    def stopService(self) -> Deferred[None]:
        """Listen no more, finish what has to be finished, then close the connections."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def _listening(self, port: IListeningPort) -> None:
        self._port = port
        self._log.info("listening on {path}", path=str(self._path))

    def _failed(self, failure: Failure) -> None:
        self._failure = failure
