"""Where an OVSDB server is: OVS connection methods (ovsdb(7), "Active connection methods")."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

import attrs
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, X509, load_certificate, load_privatekey
from OpenSSL.crypto import Error as CryptoError
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import Certificate, CertificateOptions, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from nuage.errors import ConfigurationError

#: Seconds for a connection to be established.
CONNECTING_TIME = 10.0

_FORMS = "unix:/path, tcp:host:port or ssl:host:port, an IPv6 address in brackets"
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Remote(Protocol):
    """An address of a server; ``str()`` of it is the OVS connection method."""

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """Return what connects there.

        :raises ConfigurationError: when files that are needed for it cannot be used.
        """


@attrs.frozen
class TlsFiles:
    """The PEM files of the client's end of a TLS connection: its private key, its certificate, and the CA's."""

    private_key: Path
    certificate: Path
    ca_certificate: Path


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
        return HostnameEndpoint(reactor, self.host, self.port, timeout=CONNECTING_TIME)


@attrs.frozen(str=False)
class TlsRemote:
    """A TCP port, encrypted and with certificates on both sides.

    The server's certificate must come from the CA. Its name is **not** compared with the host: the certificates that
    Open vSwitch's own tool makes (``ovs-pki``) bear a name of the switch and no host name, and Open vSwitch does not
    compare either. The CA should therefore be one that serves the switches alone.
    """

    host: str
    port: int
    files: TlsFiles

    def __str__(self) -> str:
        """Return the connection method."""
        return f"ssl:{_bracketed(self.host)}:{self.port}"

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """See Remote."""
        plain = HostnameEndpoint(reactor, self.host, self.port, timeout=CONNECTING_TIME)
        return wrapClientTLS(_ChainVerification(_options(self.files)), plain)


@implementer(IOpenSSLClientConnectionCreator)
class _ChainVerification:
    """Makes TLS connections that verify the server's chain and not its name."""

    def __init__(self, options: CertificateOptions) -> None:
        self._options = options

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002
        return SSL.Connection(self._options.getContext(), None)


def _options(files: TlsFiles) -> CertificateOptions:
    key = load_privatekey(FILETYPE_PEM, files.private_key.read_bytes())
    certificate, *intermediate = _certificates(files.certificate)
    roots = [Certificate(pem) for pem in _certificates(files.ca_certificate)]
    trust = trustRootFromCertificates(roots)
    return CertificateOptions(key, certificate, extraCertChain=intermediate, trustRoot=trust)


def _certificates(path: Path) -> list[X509]:
    found = [load_certificate(FILETYPE_PEM, pem) for pem in _PEM_CERTIFICATE.findall(path.read_bytes())]
    if not found:
        raise ValueError(f"{path} holds no PEM certificate")
    return found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_remote(text: str, tls: TlsFiles | None = None) -> Remote:
    """Return the remote that an OVS connection method names.

    :param tls: the files for ``ssl:``.
    :raises ConfigurationError: when ``text`` is not a connection method, or ``ssl:`` comes without files or with files
        that cannot be used.
    """
    scheme, _, address = text.partition(":")
    if scheme == "unix" and address.startswith("/"):
        return UnixRemote(address)
    match = _HOST_AND_PORT.fullmatch(address)
    if scheme not in ("tcp", "ssl") or match is None or not 0 < int(match["port"]) < 65536:
        raise ConfigurationError(f"{text!r} is not the address of an OVSDB server: write {_FORMS}")
    host, port = match["v6"] or match["host"], int(match["port"])
    if scheme == "tcp":
        return TcpRemote(host, port)
    if tls is None:
        raise ConfigurationError(f"{text!r} needs the files of a private key, a certificate and a CA certificate")
    _check_files(tls)
    return TlsRemote(host, port, tls)


def _check_files(files: TlsFiles) -> None:
    try:
        _options(files)
    except (OSError, ValueError, CryptoError, SSL.Error) as error:
        raise ConfigurationError(
            f"the TLS files {files.private_key}, {files.certificate} and {files.ca_certificate} cannot be used: {error}"
        ) from error
