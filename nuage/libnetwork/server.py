"""The unix socket that Docker finds the plugin by, and HTTP on it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from nuage.libnetwork.calls import Calls
from nuage.libnetwork.unix_server import UnixServer, make_room

#: Bytes of a request's body. The largest that Docker sends is that of a Swarm network with all its options: a few KiB.
BODY_LIMIT = 1 << 20

_TOO_LARGE = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


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


class PluginServer(UnixServer):
    """Serves Docker. What the daemon needs may still be away: early calls wait for it.

    Args:
        reactor: Listens.
        path: Where the socket is made.
        site: Serves the connections.
        calls: The calls in flight, which may finish at the end.
        passed: The socket if systemd made it; systemd keeps it when this process ends.
        make_room: Called before the socket is made; see :func:`nuage.libnetwork.unix_server.make_room`.
    """

    def __init__(
        self,
        reactor: Any,
        path: Path,
        site: PluginSite,
        calls: Calls,
        passed: socket.socket | None = None,
        make_room: Callable[[str, Path], None] = make_room,
    ) -> None:
        super().__init__(reactor, "plugin_socket", path, site, passed, make_room)
        self._calls = calls

    async def finish(self) -> None:
        """Finish the calls in flight: their connections are needed."""
        await self._calls.finish()
