"""Certificates as ``ovs-pki`` makes them, for servers and clients of a test."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nuage.ovsdb.remote import TlsFiles

DAY = datetime.timedelta(days=1)


def now() -> datetime.datetime:
    """Return the time as certificates have it."""
    return datetime.datetime.now(datetime.timezone.utc)


class Authority:
    """A CA that is thrown away with the test; ``file`` is its certificate, which comes from ``parent`` or itself."""

    def __init__(self, folder: Path, name: str, file: str, parent: Authority | None = None) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _named(name)
        self.file = folder / file
        signed = (parent or self)._signed(self._subject, self._key, now() - DAY, now() + DAY, (), authority=True)
        self._write(self.file, signed)

    def issue(
        self,
        name: str,
        stem: str = "",
        *,
        alternatives: Sequence[str | IPv4Address] = (),
        since: datetime.datetime | None = None,
        until: datetime.datetime | None = None,
        passphrase: bytes = b"",
    ) -> TlsFiles:
        """Make a key and a certificate, ``stem`` + key.pem and certificate.pem; what is there is overwritten."""
        key = ec.generate_private_key(ec.SECP256R1())
        files = TlsFiles(self._folder / f"{stem}key.pem", self._folder / f"{stem}certificate.pem", self.file)
        lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        files.private_key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
        )
        signed = self._signed(_named(name), key, since or now() - DAY, until or now() + DAY, alternatives)
        self._write(files.certificate, signed)
        return files

    def _signed(
        self,
        subject: x509.Name,
        key: Any,
        since: datetime.datetime,
        until: datetime.datetime,
        alternatives: Sequence[str | IPv4Address],
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if alternatives:
            names = [x509.DNSName(each) if isinstance(each, str) else x509.IPAddress(each) for each in alternatives]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def certificates(folder: Path) -> TlsFiles:
    """Make a throw-away CA and a key with a certificate of it; a second, unrelated CA is in ``other.pem``."""
    Authority(folder, "unrelated CA", "other.pem")
    return Authority(folder, "throw-away CA", "ca.pem").issue("a switch, not a host name")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
