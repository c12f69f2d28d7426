"""A listening unix socket that another process made and keeps."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IProtocolFactory, IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

#: Connections that are accepted before other work gets its turn.
_AT_ONCE = 32
#: Seconds before the next try after accepting failed, for instance for lack of file descriptors: it would fail again.
_PAUSE = 1.0


@implementer(IReadDescriptor)
class PassedSocket:
    """Accepts connections, and leaves the socket's file as it is.

    ``adoptStreamPort``, the reactor's own way, would let everybody connect, and would remove the file at the end.

    Args:
        reactor: Tells when somebody connects, and takes the connections.
        listening: The socket, which must not block.
        factory: Serves the connections.
    """

    _log = Logger()

    def __init__(self, reactor: Any, listening: socket.socket, factory: IProtocolFactory) -> None:
        self._reactor = reactor
        self._socket = listening
        self._factory = factory
        self._pause: IDelayedCall | None = None
        self._failing = False

    def start(self) -> None:
        """Begin to accept."""
        self._factory.doStart()
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Accept no more. Clients that connect from now on wait for the next process that gets the socket."""
        self._reactor.removeReader(self)
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        self._socket.close()
        self._factory.doStop()

    def fileno(self) -> int:
        """See IReadDescriptor."""
        return self._socket.fileno()

    def doRead(self) -> None:
        """See IReadDescriptor: somebody has connected."""
        try:
            for _ in range(_AT_ONCE):
                connection, _address = self._socket.accept()
                with connection:
                    # The reactor makes a duplicate for itself.
                    connection.setblocking(False)
                    self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, self._factory)
                self._tell_end()
        except BlockingIOError:
            return
        except OSError as problem:
            if not self._failing:
                self._failing = True
                self._log.error("no connection can be accepted: {problem}", problem=str(problem))
            self._reactor.removeReader(self)
            self._pause = self._reactor.callLater(_PAUSE, self._reactor.addReader, self)

    def _tell_end(self) -> None:
        if self._failing:
            self._failing = False
            self._log.info("connections are accepted again")

    def connectionLost(self, reason: Any) -> None:  # noqa: ARG002
        """See IReadDescriptor: the reactor has ended."""
        self._socket.close()

    def logPrefix(self) -> str:
        """See ILoggingContext."""
        return "PassedSocket"
