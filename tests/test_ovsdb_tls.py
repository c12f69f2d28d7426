"""TLS with a real ovsdb-server: renewed files, files that do not fit, names, and what is said when it fails."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

from OpenSSL.crypto import FILETYPE_PEM, load_certificate
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.errors import RemoteUnusable
from nuage.ovsdb.remote import TlsFiles, parse_remote
from nuage.ovsdb.tls import _bears
from tests.test_ovsdb_contract import ContractCase
from tests.tls_support import DAY, Authority, now

reactor = cast(Any, _reactor)


async def told(client: OvsdbClient, *expected: str) -> None:
    """Wait until a client's status has all these parts."""
    limit = reactor.seconds() + 10
    while not all(part in client.status for part in expected):
        assert reactor.seconds() < limit, client.status
        await deferLater(reactor, 0.02)


class Files(SynchronousTestCase):
    """What is refused at the start: the file is named, and what is wrong with it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = Authority(self.folder, "CA", "ca.pem")
        self.files = self.authority.issue("client")

    def refusal(self, files: TlsFiles | None = None) -> str:
        with self.assertRaises(RemoteUnusable) as caught:
            parse_remote("ssl:host:6640", files or self.files)
        self.assertNotIn("[(", str(caught.exception))
        return str(caught.exception)

    def test_another_key(self) -> None:
        """Both files are named."""
        other = self.authority.issue("other", "other-")
        told = self.refusal(TlsFiles(other.private_key, self.files.certificate, self.files.ca_certificate))
        self.assertIn(
            f"the private key {other.private_key} does not belong to the certificate {self.files.certificate}", told
        )

    def test_each_file(self) -> None:
        """One that is missing, empty, no PEM, of another kind, cut off."""
        for name in ("private_key", "certificate", "ca_certificate"):
            path: Path = getattr(self.files, name)
            good = path.read_bytes()
            other = self.files.certificate if name == "private_key" else self.files.private_key
            for content in (None, b"", b"no PEM", other.read_bytes(), good[: len(good) // 2]):
                with self.subTest(name=name, content=content):
                    if content is None:
                        path.unlink()
                    else:
                        path.write_bytes(content)
                    self.assertIn(str(path), self.refusal())
                    self.assertNotIn("Errno", self.refusal())
            path.write_bytes(good)
        parse_remote("ssl:host:6640", self.files)

    def test_an_encrypted_key(self) -> None:
        """Nobody is asked for the passphrase."""
        files = self.authority.issue("client", passphrase=b"secret")
        self.assertIn("is encrypted: remove the passphrase", self.refusal(files))


class Names(SynchronousTestCase):
    """Which names a certificate bears."""

    def test_names(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        authority = Authority(folder, "CA", "ca.pem")
        for common, alternatives, borne, foreign in (
            ("switch1", (), ("switch1", "SWITCH1"), ("switch", "switch12", "")),
            ("sw id:8f6d-12", (), ("sw", "sw id:8f6d-12"), ("s", "8f6d-12", "id")),
            ("ignored", ("sw id:8f6d-12",), ("sw",), ("ignored",)),
            (
                "ignored",
                ("a.example.net", "b.example.net"),
                ("a.example.net", "b.example.net"),
                ("ignored", "example.net"),
            ),
            ("x", ("*.example.net",), ("a.example.net",), ("example.net", "a.b.example.net", "x", "*.net")),
            ("x", (IPv4Address("10.0.0.1"),), ("10.0.0.1",), ("10.0.0.11", "x")),
        ):
            path = authority.issue(common, alternatives=alternatives).certificate
            certificate = load_certificate(FILETYPE_PEM, path.read_bytes())
            for name in borne:
                self.assertTrue(_bears(certificate, name), name)
            for name in foreign:
                self.assertFalse(_bears(certificate, name), name)


class WithServer(ContractCase):
    """A server that speaks TLS on a port of its own, and a client of it."""

    options = (
        "--private-key={folder}/server-key.pem",
        "--certificate={folder}/server-certificate.pem",
        "--ca-cert={folder}/ca.pem",
        "--remote=pssl:0:127.0.0.1",
    )

    def prepare(self) -> None:
        """Make the certificates of both ends."""
        self.authority = Authority(self.folder, "the CA", "ca.pem")
        self.authority.issue("sw1 id:0815", "server-")
        self.files = self.authority.issue("client")

    def start(self, files: TlsFiles | None = None, scheme: str = "ssl", server_name: str | None = None) -> OvsdbClient:
        """Start a client."""
        named = {} if server_name is None else {"server_name": server_name}
        remote = parse_remote(f"{scheme}:127.0.0.1:{self.server.port()}", files or self.files, **named)
        client = OvsdbClient(reactor, remote, "Open_vSwitch", [], max_retry_delay=0.1)
        client.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(client.stop()))
        return client

    async def told(self, client: OvsdbClient, *expected: str) -> None:
        """Wait until the status of a client that connects in vain has all these parts; no part of it may be raw."""
        await told(client, *expected)
        for raw in ("[(", "OpenSSL.", "SSL routines", "Failure", "Error("):
            self.assertNotIn(raw, client.status)
        self.assertFalse(client.synced)

    def restart(self) -> None:
        """End the server and start it on its port, with the files that are there."""
        self.server.options = (*self.server.options[:3], f"--remote=pssl:{self.server.port()}:127.0.0.1")
        self.server.stop()
        self.server.start()

    async def test_renewed(self) -> None:
        """A certificate that was renewed on disk is used once the old one has expired and the connection is lost."""
        expiry = now() + timedelta(seconds=2)
        client = self.start(self.authority.issue("client", until=expiry))
        await client.when_synced(5)
        self.authority.issue("client")
        while now() <= expiry + timedelta(seconds=1):
            await deferLater(reactor, 0.05)
        self.restart()
        await self.lost_and_found(client)

    async def lost_and_found(self, client: OvsdbClient) -> None:
        """Wait until a client that was connected notices that it is not, and is again."""
        while client.synced:
            await deferLater(reactor, 0.01)
        await client.when_synced(5)

    async def test_renewed_authority(self) -> None:
        """So is the CA's."""
        client = self.start()
        await client.when_synced(5)
        self.prepare()
        self.restart()
        await self.lost_and_found(client)

    async def test_files_that_do_not_fit_for_a_while(self) -> None:
        """A key that is written before its certificate: the attempts go on, the status tells, and then it connects."""
        client = self.start()
        await client.when_synced(5)
        certificate = self.files.certificate.read_bytes()
        self.authority.issue("client")
        renewed = self.files.certificate.read_bytes()
        self.files.certificate.write_bytes(certificate)
        self.restart()
        while client.synced:
            await deferLater(reactor, 0.01)
        await self.told(client, "does not belong to the certificate")
        self.files.certificate.unlink()
        await self.told(client, "cannot be read: No such file")
        self.files.certificate.write_bytes(renewed)
        await client.when_synced(5)

    async def test_name(self) -> None:
        """The right one connects, with the part that ovs-pki adds or without; another is told."""
        for name in ("sw1", "sw1 id:0815"):
            await self.start(server_name=name).when_synced(5)
        await self.told(self.start(server_name="sw2"), 'the certificate of the server has "sw1 id:0815", not "sw2"')

    async def test_expired_server(self) -> None:
        """The day is told."""
        until = now() - timedelta(hours=1)
        self.authority.issue("sw1", "server-", since=until - DAY, until=until)
        self.restart()
        await self.told(self.start(), f"the server's certificate expired on {until:%Y-%m-%d %H:%M} UTC")

    async def test_authority_of_another(self) -> None:
        """The authority that certified the server's own has to be known as well; the one that is not is named."""
        between = Authority(self.folder, "between", "between.pem", Authority(self.folder, "root", "root.pem"))
        client, _server = self.files, between.issue("sw1", "server-")
        self.restart()
        only = TlsFiles(client.private_key, client.certificate, between.file)
        told = f'the certificate of "between" comes from "root", which is not in {between.file}'
        await self.told(self.start(only), told)
        both = self.folder / "both.pem"
        both.write_bytes((self.folder / "root.pem").read_bytes() + between.file.read_bytes())
        await self.start(TlsFiles(client.private_key, client.certificate, both)).when_synced(5)

    async def test_server_that_is_not_valid_yet(self) -> None:
        """It may be the clock."""
        self.authority.issue("sw1", "server-", since=now() + DAY, until=now() + 2 * DAY)
        self.restart()
        await self.told(self.start(), "is not valid before", "check this host's clock")

    async def test_unknown_authority(self) -> None:
        """Its name is told, and where it should be."""
        other = Authority(self.folder, "another CA", "other.pem")
        files = TlsFiles(self.files.private_key, self.files.certificate, other.file)
        await self.told(
            self.start(files), f'the server\'s certificate comes from "the CA", which is not in {other.file}'
        )

    async def test_client_that_the_server_refuses(self) -> None:
        """It is the certificate of this end, and its file is told."""
        other = Authority(self.folder, "another CA", "other.pem").issue("client", "refused-")
        files = TlsFiles(other.private_key, other.certificate, self.files.ca_certificate)
        await self.told(self.start(files), f"the server refused the certificate {files.certificate}: ")
        until = now() - timedelta(hours=1)
        expired = self.authority.issue("client", "expired-", since=until - DAY, until=until)
        await self.told(self.start(expired), f"refused the certificate {expired.certificate}, which has expired: ")

    async def test_plain_client(self) -> None:
        """Of a server that speaks TLS and closes."""
        await self.told(self.start(scheme="tcp"), "if it speaks TLS, write ssl:")

    async def test_plain_server(self) -> None:
        """Of a client that speaks TLS."""
        self.server.options = ("--remote=ptcp:0:127.0.0.1",)
        self.server.stop()
        self.server.start()
        await self.told(self.start(), "if it does not speak TLS, write tcp:")


class MixedUp(TestCase):
    """Servers that say clearly that they were taken for others."""

    timeout = 20

    async def check(self, scheme: str, answer: bytes, expected: str) -> None:
        """Check what is said of a server that answers so and closes."""
        folder = Path(self.mktemp())
        folder.mkdir()
        files = Authority(folder, "CA", "ca.pem").issue("client")

        class Server(Protocol):
            def dataReceived(self, _data: bytes) -> None:
                cast(Any, self.transport).write(answer)
                cast(Any, self.transport).loseConnection()

        port = reactor.listenTCP(0, Factory.forProtocol(Server), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        client = OvsdbClient(reactor, parse_remote(f"{scheme}:127.0.0.1:{port.getHost().port}", files), "x", [])
        client.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(client.stop()))
        await told(client, expected)

    async def test_alert(self) -> None:
        """A TLS server that refuses what is no TLS."""
        await self.check("tcp", b"\x15\x03\x01\x00\x02\x02\x46", "the server speaks TLS; write ssl: instead of tcp:")

    async def test_text(self) -> None:
        """A server that answers a handshake with text."""
        await self.check(
            "ssl", b"HTTP/1.1 400 Bad Request\r\n\r\n", "the server does not speak TLS; write tcp: instead of ssl:"
        )
        await self.check(
            "ssl",
            b'{"id":null,"error":"what?","result":null}',
            "the server does not speak TLS; write tcp: instead of ssl:",
        )
