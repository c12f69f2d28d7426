"""TLS as a client of the VSD speaks it: whom to trust, and in words why a connection failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from OpenSSL import SSL
from OpenSSL.crypto import Error as CryptoError
from service_identity import VerificationError
from twisted.internet.abstract import isIPAddress
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"


class Unusable(Exception):
    """A file or a name cannot be used for TLS. The text names it and says why."""


@implementer(IPolicyForHTTPS)
@attrs.frozen(kw_only=True)
class Trust:
    """Who the VSD has to be, and who we are.

    The files are read for each connection: what was renewed on disk is used from the next one on. They are small, and
    read within the reactor's thread.

    Attributes:
        ca_certificate: The authorities that may have signed the VSD's certificate, None for those of the system.
        any_certificate: Whether any certificate will do, with any name.
        certificate: Our own, None if a password says who we are.
        private_key: The key of our own certificate.
    """

    ca_certificate: Path | None = None
    any_certificate: bool = False
    certificate: Path | None = None
    private_key: Path | None = None

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:  # noqa: ARG002
        """Return what makes connections to a host. Twisted's name.

        Raises:
            Unusable: A file cannot be used, or no certificate can bear the host's name.
        """
        name = hostname.decode("ascii")
        if self.any_certificate:
            return _Unchecked(name, self._own())
        root, own = self._root(), self._own()
        try:
            creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(name, trustRoot=root, clientCertificate=own)
        except UnicodeError as problem:
            raise Unusable(f'no certificate can bear the name "{name}" (vsd_url): {problem}') from problem
        return creator

    def explain(self, problem: Exception) -> str | None:
        """Return in words why there is no connection, None if it is not because of TLS."""
        if isinstance(problem, Unusable):
            return str(problem)
        if isinstance(problem, VerificationError):
            return (
                "its certificate bears another name: vsd_url needs the name in the certificate, "
                "or the VSD a certificate for this one"
            )
        if isinstance(problem, SSL.Error):
            return self._explained(" / ".join(_reasons(problem)))
        return None

    def _explained(self, reason: str) -> str:
        if "certificate verify failed" in reason:
            signed = self.ca_certificate or "those that the system trusts"
            reason = f"its certificate is out of date, or comes from none of the authorities in {signed}"
            return f"{reason} (vsd_ca_certificate)"
        if "alert" in reason and self.certificate:
            return f"it refused the certificate {self.certificate} (vsd_certificate): {reason}"
        return f"TLS failed: {reason}; does it speak TLS there?"

    def _root(self) -> Any:
        """Return Twisted's IOpenSSLTrustRoot, which it does not publish."""
        if self.ca_certificate is None:
            return platformTrust()
        blocks = _read(self.ca_certificate).split(_PEM_BEGIN)[1:]
        try:
            found = [Certificate.loadPEM(_PEM_BEGIN + block) for block in blocks]
        except CryptoError as problem:
            raise Unusable(f"{self.ca_certificate} holds a certificate that cannot be read") from problem
        if not found:
            raise Unusable(f"{self.ca_certificate} holds no certificate in PEM form")
        return trustRootFromCertificates(found)

    def _own(self) -> PrivateCertificate | None:
        if self.certificate is None or self.private_key is None:
            return None
        pem = _read(self.certificate) + b"\n" + _read(self.private_key)
        try:
            own: PrivateCertificate = PrivateCertificate.loadPEM(pem)
        except (CryptoError, VerifyError) as problem:
            raise Unusable(
                f"{self.certificate} and {self.private_key} are not a certificate and its key in PEM form"
            ) from problem
        return own


@implementer(IOpenSSLClientConnectionCreator)
class _Unchecked:
    """Makes connections to anybody."""

    def __init__(self, name: str, own: PrivateCertificate | None) -> None:
        options = own.options() if own else CertificateOptions()
        options.verify = False
        self._context = options.getContext()
        self._name = name

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002
        """Make a connection. Twisted's name."""
        connection = SSL.Connection(self._context, None)
        if not isIPAddress(self._name):
            connection.set_tlsext_host_name(self._name.encode())
        return connection


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise Unusable(f"{path} cannot be read: {problem.strerror}") from problem


def _reasons(problem: SSL.Error) -> list[str]:
    """Return the reasons of an error of OpenSSL, which come as tuples of library, function and reason."""
    queue = problem.args[0] if problem.args and isinstance(problem.args[0], list) else []
    return [str(entry[-1]) for entry in queue] or [type(problem).__name__]
