"""TLS for a client of an OVSDB server: the files, whom to trust, and why a connection failed, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, X509, PKey, load_certificate, load_privatekey
from OpenSSL.crypto import Error as CryptoError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, CertificateOptions, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from nuage.ovsdb.errors import RemoteUnusable

_PEM_BEGIN, _PEM_END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
#: RFC 5280, section 4.2.1.6.
_SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
#: What ``ovs-pki`` puts between the name that it was given and a part that makes it unique.
_OVS_PKI_UNIQUE = " id:"

_EXPIRED = SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED
_NOT_YET_VALID = SSL.X509VerificationCodes.ERR_CERT_NOT_YET_VALID
_UNKNOWN_ISSUER = (
    SSL.X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
    SSL.X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE,
)
#: OpenSSL's reasons for bytes that are not TLS. It has no other kind of code here.
_NOT_TLS = (
    "wrong version number",
    "packet length too long",
    "unknown protocol",
    "http request",
    "record layer failure",
)


@attrs.frozen
class TlsFiles:
    """The PEM files of a TLS client: its private key, its certificate, and the certificate of the CA."""

    private_key: Path
    certificate: Path
    ca_certificate: Path


@implementer(IOpenSSLClientConnectionCreator)
class TlsAttempt:
    """One attempt to connect, with the files as they are at this moment.

    Args:
        files: The files. They are small, and read in the reactor's thread.
        server_name: The name that the server's certificate must have, None for any.

    Raises:
        RemoteUnusable: One of them cannot be used, or the key does not belong to the certificate.
    """

    def __init__(self, files: TlsFiles, server_name: str | None = None) -> None:
        self._files = files
        self._server_name = server_name
        self._context, self._certificate = _context(files)
        self._refusal = ""
        self._shown = False

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002
        """Make the connection. Twisted's name."""
        connection = SSL.Connection(self._context, None)
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return connection

    def explain(self, problem: BaseException | None) -> str:
        """Return why the connection ended, in words; nothing if TLS has no part in it."""
        if self._refusal:
            return self._refusal
        if isinstance(problem, SSL.Error):
            return self._explained(" / ".join(_reasons(problem)))
        if isinstance(problem, ConnectionDone | ConnectionLost) and not self._shown:
            return (
                "the server closed the connection before it showed a certificate; "
                "if it does not speak TLS, write tcp: instead of ssl:"
            )
        return ""

    def _explained(self, reason: str) -> str:
        if any(text in reason for text in _NOT_TLS):
            return "the server does not speak TLS; write tcp: instead of ssl:"
        if "alert" not in reason:
            return f"TLS failed: {reason}"
        expired = ", which has expired" if self._certificate.has_expired() else ""
        return f"the server refused the certificate {self._files.certificate}{expired}: {reason}"

    def _verify(self, _connection: SSL.Connection, certificate: X509, error: int, depth: int, good: int) -> bool:
        """Judge one certificate of the server's chain, its own being the last and at depth 0."""
        self._shown = True
        if not good:
            self._refusal = self._objection(certificate, error, depth)
        elif depth == 0 and self._server_name is not None and not _bears(certificate, self._server_name):
            names = ", ".join(f'"{name}"' for name in _names(certificate)) or "no name"
            self._refusal = f'the certificate of the server has {names}, not "{self._server_name}"'
        return not self._refusal

    def _objection(self, certificate: X509, error: int, depth: int) -> str:
        whose = "the server's certificate" if depth == 0 else f'the certificate of "{certificate.get_subject().CN}"'
        if error in _UNKNOWN_ISSUER:
            issuer = certificate.get_issuer().CN
            if certificate.get_subject() == certificate.get_issuer():
                # The authority's own certificate, which Open vSwitch sends along.
                whose = "the server's certificate"
            return f'{whose} comes from "{issuer}", which is not in {self._files.ca_certificate}'
        if error == _EXPIRED:
            return f"{whose} expired on {_date(certificate.get_notAfter())}"
        if error == _NOT_YET_VALID:
            return f"{whose} is not valid before {_date(certificate.get_notBefore())}; check this host's clock"
        return f"{whose} is not accepted: error {error} of OpenSSL's X509_verify_cert"


def _context(files: TlsFiles) -> tuple[SSL.Context, X509]:
    """Return the context that connections are made with, and the client's own certificate."""
    key = _private_key(files.private_key)
    certificate, *intermediate = _certificates(files.certificate)
    trust = trustRootFromCertificates([Certificate(each) for each in _certificates(files.ca_certificate)])
    options = CertificateOptions(key, certificate, extraCertChain=intermediate, trustRoot=trust)
    try:
        return options.getContext(), certificate
    except SSL.Error as problem:
        raise RemoteUnusable(
            f"the private key {files.private_key} does not belong to the certificate {files.certificate}: "
            f"{' / '.join(_reasons(problem))}"
        ) from problem


def _private_key(path: Path) -> PKey:
    content = _read(path)
    try:
        # Without a passphrase OpenSSL asks the terminal for one.
        return load_privatekey(FILETYPE_PEM, content, b"")
    except (CryptoError, ValueError, TypeError) as problem:
        reason = (
            "it is encrypted: remove the passphrase" if b"ENCRYPTED" in content else "it holds no private key in PEM"
        )
        raise RemoteUnusable(f"the private key {path} cannot be used: {reason}") from problem


def _certificates(path: Path) -> list[X509]:
    try:
        found = [load_certificate(FILETYPE_PEM, pem) for pem in _pem_blocks(_read(path))]
    except CryptoError as problem:
        raise RemoteUnusable(f"{path} cannot be used: it holds a certificate that cannot be read") from problem
    if not found:
        raise RemoteUnusable(f"{path} cannot be used: it holds no certificate in PEM")
    return found


def _pem_blocks(content: bytes) -> Iterator[bytes]:
    for block in content.split(_PEM_BEGIN)[1:]:
        yield _PEM_BEGIN + block.partition(_PEM_END)[0] + _PEM_END


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise RemoteUnusable(f"{path} cannot be read: {problem.strerror}") from problem


def _bears(certificate: X509, wanted: str) -> bool:
    """Tell whether a certificate has a name: a host name, an address, or one that was given to ``ovs-pki``."""
    return any(_fits(name.lower(), wanted.lower()) for name in _names(certificate))


def _fits(name: str, wanted: str) -> bool:
    if name.startswith("*."):
        # RFC 6125, section 6.4.3: it stands for one label.
        return wanted.partition(".")[2] == name[2:]
    return wanted in (name, name.partition(_OVS_PKI_UNIQUE)[0])


def _names(certificate: X509) -> list[str]:
    """Return the alternative names of a certificate, or the common name if it has none (RFC 6125, section 6.4.4)."""
    extensions: Any = certificate.to_cryptography().extensions
    found = [
        str(name.value)
        for extension in extensions
        if extension.oid.dotted_string == _SUBJECT_ALTERNATIVE_NAME
        for name in extension.value
    ]
    return found or [name for name in [certificate.get_subject().CN] if name]


def _reasons(problem: SSL.Error) -> list[str]:
    """Return the reasons of an OpenSSL error, which come as tuples of library, function and reason."""
    queue = problem.args[0] if problem.args and isinstance(problem.args[0], list) else []
    return (
        [str(entry[-1]) for entry in queue] or [str(argument) for argument in problem.args] or [type(problem).__name__]
    )


def _date(moment: bytes | None) -> str:
    """Return an ASN.1 time to the minute. Certificates have it in UTC."""
    digits = (moment or b"").decode()
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]} {digits[8:10]}:{digits[10:12]} UTC"
