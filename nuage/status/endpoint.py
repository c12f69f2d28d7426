"""What can be seen of the daemon, at a TCP address: for browsers and for Prometheus, which cannot use a unix socket.

There is no password, so nothing can be changed here. A page of another site could have a browser ask here by a name of
its own that it made mean this address (DNS rebinding), and read the answer. So only those are answered who ask for an
address, for ``localhost`` or for this machine by its name. The control socket does the same: a browser reaches it too,
where somebody forwards a port to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from nuage.libnetwork.server import PluginSite
from nuage.libnetwork.unix_server import Connections
from nuage.status.control import answer

#: Connections that are served at once. Docker needs the file descriptors that are left.
_MOST_CONNECTIONS = 100
#: Seconds that a client may take for a request, and between two of them.
_IDLE = 60.0
#: Seconds until an address is tried again that cannot be had. At boot it may not be there yet.
_AGAIN = 10.0

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::\d+)?", re.IGNORECASE)


class NamedSite(PluginSite):
    """HTTP for those who mean this machine.

    Args:
        resource: What answers them.
        reactor: Keeps the time.
        names: This machine's names.
    """

    def __init__(self, resource: IResource, reactor: Any, names: Collection[str]) -> None:
        super().__init__(resource, reactor)
        self._names = {"localhost", *(name.lower() for name in names)}

    def getResourceFor(self, request: Any) -> IResource:
        """See twisted.web.server.Site."""
        host = str(request.getHeader(b"host") or b"", "ascii", "replace")
        if not self._means_this_machine(host):
            return _Refusal(403, f"this machine is not called {host!r}; ask for its address, or for localhost")
        found: IResource = super().getResourceFor(request)
        return found

    def _means_this_machine(self, host: str) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        address, name = parts.groups()
        return _is_address(address or name) or (address is None and name.lower().rstrip(".") in self._names)


class StatusSite(NamedSite):
    """HTTP for those who only look.

    Args:
        resource: What there is to see.
        reactor: Measures how long a client is idle.
        names: This machine's names.
    """

    def __init__(self, resource: IResource, reactor: Any, names: Collection[str]) -> None:
        super().__init__(resource, reactor, names)
        self.timeOut = _IDLE

    def getResourceFor(self, request: Any) -> IResource:
        """See twisted.web.server.Site."""
        if request.method not in (b"GET", b"HEAD"):
            return _Refusal(405, "nothing can be changed here; use nuage-plugin on this machine")
        return super().getResourceFor(request)


class StatusEndpoint(Service):
    """Listens at a TCP address. If it cannot, that is logged and tried again: Docker is served all the same.

    Args:
        reactor: Listens, keeps the time.
        address: ``host:port``; an IPv6 address has brackets around it.
        site: Serves the connections.
    """

    _log = Logger()

    def __init__(self, reactor: Any, address: str, site: StatusSite) -> None:
        self._reactor = reactor
        self._address = address
        self._connections = _Few(site)
        self._port: IListeningPort | None = None
        self._next: IDelayedCall | None = None
        self._told = False

    def startService(self) -> None:
        """Listen."""
        super().startService()
        self._listen()

    def stopService(self) -> Deferred[Any]:
        """Listen no more, and close the connections."""
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        port, self._port = self._port, None
        stopping = maybeDeferred(port.stopListening) if port is not None else Deferred.fromCoroutine(_nothing())
        self._connections.close()
        return stopping

    def _listen(self) -> None:
        host, _, port = self._address.rpartition(":")
        try:
            self._port = self._reactor.listenTCP(int(port), self._connections, interface=host.strip("[]"))
        except CannotListenError as problem:
            if not self._told:
                self._told = True
                self._log.warn(
                    "status_endpoint: cannot listen on {address}: {problem}; end what uses the port, or name an "
                    "address that this machine has; it is tried again every {seconds:g} s",
                    address=self._address,
                    problem=getattr(problem.socketError, "strerror", None) or str(problem.socketError),
                    seconds=_AGAIN,
                )
            self._next = self._reactor.callLater(_AGAIN, self._listen)
        else:
            self._log.info("status: listening on http://{address}", address=self._address)


class _Few(Connections):
    """Serves some connections at once, and closes any more."""

    def buildProtocol(self, addr: Any) -> ProtocolWrapper | None:  # type: ignore[override]
        """See twisted.internet.interfaces.IProtocolFactory."""
        return super().buildProtocol(addr) if len(self.protocols) < _MOST_CONNECTIONS else None


class _Refusal(Resource):
    """Refuses a request."""

    isLeaf = True  # noqa: N815

    def __init__(self, status: int, reason: str) -> None:
        super().__init__()
        self._status = status
        self._reason = reason

    def render(self, request: IRequest) -> bytes:
        """See twisted.web.resource.IResource."""
        return answer(request, {"error": self._reason}, self._status)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _nothing() -> None:
    """Do nothing."""
