"""Where an OVSDB server is: OVS connection methods (ovsdb(7), "Active connection methods")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from nuage.ovsdb.errors import OvsdbError, RemoteUnusable
from nuage.ovsdb.tls import TlsAttempt, TlsFiles

__all__ = ["Remote", "TlsFiles", "parse_remote"]

#: Seconds for a connection to be established.
CONNECTING_TIME = 10.0

_FORMS = "unix:/path, tcp:host:port or ssl:host:port, an IPv6 address in brackets"
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")
#: How a TLS server says that what it got is not TLS: an alert (RFC 8446, section 5.1), of any version.
_TLS_ALERT = b"\x15\x03"


class Remote(Protocol):
    """An address of a server; ``str()`` of it is the OVS connection method."""

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """Return what connects there, as often as it is told to."""


@attrs.frozen(str=False)
class UnixRemote:
    """A Unix socket."""

    path: str

    def __str__(self) -> str:
        """Return the connection method."""
        return f"unix:{self.path}"

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """See Remote."""
        return UNIXClientEndpoint(reactor, self.path, timeout=CONNECTING_TIME)


@attrs.frozen(str=False)
class TcpRemote:
    """A TCP port, unencrypted."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the connection method."""
        return f"tcp:{_bracketed(self.host)}:{self.port}"

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """See Remote."""
        plain = HostnameEndpoint(reactor, self.host, self.port, timeout=CONNECTING_TIME)
        return _Explained(lambda: (plain, _explain_plain))


@attrs.frozen(str=False)
class TlsRemote:
    """A TCP port, encrypted and with certificates on both sides.

    The server's certificate must come from the CA. Its name is compared with ``server_name`` if that is given, and
    never with the host: the certificates that Open vSwitch's own tool makes (``ovs-pki``) have a name of the switch and
    no host name, and Open vSwitch does not compare either. Without a name the CA should be one that serves the switches
    alone.

    The files are read at each attempt to connect: renewed files are used from the next one on.
    """

    host: str
    port: int
    files: TlsFiles
    server_name: str | None = None

    def __str__(self) -> str:
        """Return the connection method."""
        return f"ssl:{_bracketed(self.host)}:{self.port}"

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """See Remote."""
        plain = HostnameEndpoint(reactor, self.host, self.port, timeout=CONNECTING_TIME)

        def begin() -> tuple[IStreamClientEndpoint, Explanation]:
            attempt = TlsAttempt(self.files, self.server_name)
            return wrapClientTLS(attempt, plain, clock=reactor), lambda problem, _: attempt.explain(problem)

        return _Explained(begin)


#: Says in words why a connection ended, given whether anything was heard; empty if there is no more to say.
Explanation = Callable[[BaseException | None, bool], str]


def _explain_plain(problem: BaseException | None, heard: bool) -> str:
    if heard or not isinstance(problem, ConnectionDone | ConnectionLost):
        return ""
    return "the server closed the connection without a word; if it speaks TLS, write ssl: instead of tcp:"


@implementer(IStreamClientEndpoint)
class _Explained:
    """Connects, and says in words why a connection ended.

    Args:
        begin: Returns the endpoint for one attempt and what explains its end.
    """

    def __init__(self, begin: Callable[[], tuple[IStreamClientEndpoint, Explanation]]) -> None:
        self._begin = begin

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect once. If that is impossible, only this attempt fails, not those that come later."""
        try:
            endpoint, explain = self._begin()
        except RemoteUnusable:
            return fail()
        connecting: Deferred[Any] = endpoint.connect(_Listeners(factory, explain))
        return connecting.addCallback(lambda listener: listener.wrappedProtocol)


class _Listener(ProtocolWrapper):
    """Stands between a connection and its user."""

    factory: _Listeners
    _heard = False
    _refusal = ""

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on, unless they begin as those of a server that speaks TLS. Twisted's name."""
        if not self._heard and data.startswith(_TLS_ALERT):
            self._refusal = "the server speaks TLS; write ssl: instead of tcp:"
            self.loseConnection()
        self._heard = True
        if not self._refusal:
            super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass the end on. Twisted's name."""
        words = self._refusal or self.factory.explain(reason.value, self._heard)
        super().connectionLost(Failure(OvsdbError(words)) if words else reason)


class _Listeners(WrappingFactory):
    protocol = _Listener
    noisy = False

    def __init__(self, factory: IProtocolFactory, explain: Explanation) -> None:
        super().__init__(factory)
        self.explain = explain


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_remote(text: str, tls: TlsFiles | None = None, server_name: str | None = None) -> Remote:
    """Return the remote that an OVS connection method names.

    :param tls: the files for ``ssl:``.
    :param server_name: the name that the server's certificate must have, for ``ssl:``; None for any.
    :raises RemoteUnusable: when ``text`` is not a connection method, or ``ssl:`` comes without files or with files
        that cannot be used.
    """
    scheme, _, address = text.partition(":")
    if scheme == "unix" and address.startswith("/"):
        return UnixRemote(address)
    match = _HOST_AND_PORT.fullmatch(address)
    if scheme not in ("tcp", "ssl") or match is None or not 0 < int(match["port"]) < 65536:
        raise RemoteUnusable(f"{text!r} is not the address of an OVSDB server: write {_FORMS}")
    host, port = match["v6"] or match["host"], int(match["port"])
    if scheme == "tcp":
        return TcpRemote(host, port)
    if tls is None:
        raise RemoteUnusable(f"{text!r} needs the files of a private key, a certificate and a CA certificate")
    # Report files that cannot be used at the start, although each connection reads them again.
    TlsAttempt(tls, server_name)
    return TlsRemote(host, port, tls, server_name)
