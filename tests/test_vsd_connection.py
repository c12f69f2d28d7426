"""The connection to the VSD over real TLS: whom it trusts, what it keeps, and what is said of what it does not take."""

from __future__ import annotations

import gzip
import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import attrs
from twisted.internet import reactor as _reactor
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from nuage.errors import ConfigurationError, VsdUnavailable
from nuage.ovsdb.remote import TlsFiles
from nuage.vsd.connection import Settings, connect
from nuage.vsd.session import Session
from nuage.vsd.tls import Trust
from tests.http_support import asynchronous
from tests.played_vsd import Hurried, basic
from tests.test_docker_engine import failure_of
from tests.tls_support import DAY, Authority, now

reactor = cast(Any, _reactor)

ME = json.dumps([{"ID": "me", "APIKey": "key-1"}]).encode()
LOCAL = IPv4Address("127.0.0.1")
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = gzip.compress(b" " * 100_000)

#: Answers that are of no use, and what is said of them.
BAD = {
    "no JSON": (HEAD + b"Content-Length: 2\r\n\r\nno", "not understood: it answered 200 with something unexpected: no"),
    "nothing": (
        HEAD + b"Content-Length: 0\r\n\r\n",
        "not understood: it answered 200 with something unexpected: nothing",
    ),
    "closed at once": (b"", "no answer: it closed the connection without an HTTP response"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "not understood: it answered something that is not HTTP"),
    "broken off": (
        HEAD + b"Content-Length: 99\r\n\r\n[",
        "no answer: it closed the connection before its answer was complete",
    ),
    "too long": (HEAD + b"\r\n[" + b" " * 100_000, "not understood: its answer is longer than 65536 bytes"),
    "packed to too much": (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED),
        "not understood: its answer is longer than 65536 bytes",
    ),
    "a chunk without a length": (CHUNKED + b"zz\r\n", "not understood: it answered something that is not HTTP"),
    "redirected": (
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
        "it answered 302",
    ),
    "a proxy's words": (b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n<b>no</b>", "it answered 503: Busy <b>no</b>"),
}


class Me(Resource):
    """Logs everybody in, and notes the requests."""

    def __init__(self) -> None:
        super().__init__()
        self.isLeaf = True
        self.asked: list[tuple[bytes, str]] = []
        self.cookies: list[str | None] = []
        self.peers: set[int] = set()

    def render_GET(self, request: Any) -> bytes:
        """Answer. Twisted's name."""
        self.asked.append((request.path, request.getHeader("authorization")))
        self.peers.add(request.client.port)
        self.cookies.append(request.getHeader("cookie"))
        request.addCookie("JSESSIONID", "x", path="/")
        return ME


class Raw(Protocol):
    """Answers with raw bytes, and closes."""

    def dataReceived(self, data: bytes) -> None:
        """Answer. Twisted's name."""
        transport = cast(Any, self.transport)
        transport.write(cast(Any, self.factory).answer)
        transport.loseConnection()


class ConnectionCase(TestCase):
    """A server over TLS, and sessions with it."""

    timeout = 20

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = Authority(self.folder, "the lab's CA", "ca.pem")
        self.me = Me()

    def listen(self, files: TlsFiles, factory: Any = None, ca: Path | None = None, interface: str = "127.0.0.1") -> int:
        """Serve with a certificate, and demand one of ``ca`` if it is given; return the port."""
        own = ssl.PrivateCertificate.loadPEM(files.certificate.read_bytes() + files.private_key.read_bytes())
        options = own.options(*([ssl.Certificate.loadPEM(ca.read_bytes())] if ca else []))
        port = reactor.listenSSL(0, factory or Site(self.me, reactor=Clock()), options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def session(self, port: int, host: str = "127.0.0.1", **changes: Any) -> Session:
        """Return a session with a server."""
        settings = Settings(
            urls=(f"https://{host}:{port}",),
            version="v6",
            organization="csp",
            user="csproot",
            password="s3cret",
            trust=Trust(ca_certificate=self.authority.file),
            timeout=5,
        )
        session = connect(reactor, attrs.evolve(settings, **changes), clock=Hurried(), largest=65536)
        self.addCleanup(lambda: Deferred.fromCoroutine(session.stop()))
        return session

    async def problem(self, session: Session) -> str:
        """Return what is said of a session that fails."""
        problem = str(await failure_of(session.get("/enterprises"), VsdUnavailable))
        self.assertIn("(vsd_url): GET /", problem)
        self.assertLess(len(problem), 500)
        for raw in ("Failure", "Traceback", "twisted.", "<class", "[(", "s3cret", "\n"):
            self.assertNotIn(raw, problem)
        return problem


class Tls(ConnectionCase):
    """Whom the session trusts."""

    @asynchronous
    async def test_the_certificate_of_the_authority(self) -> None:
        """Its address or its host name is in it; one connection serves many questions."""
        for host in ("127.0.0.1", "localhost"):
            self.me.peers.clear()
            session = self.session(self.listen(self.authority.issue("vsd", alternatives=[LOCAL, "localhost"])), host)
            for _ in range(3):
                await session.get("/enterprises")
            self.assertEqual(len(self.me.peers), 1)
        self.assertEqual(
            self.me.asked[:2],
            [
                (b"/nuage/api/v6/me", basic("csproot", "s3cret")),
                (b"/nuage/api/v6/enterprises", basic("csproot", "key-1")),
            ],
        )

    @asynchronous
    async def test_no_cookies(self) -> None:
        """They are of no use, and a server could fill the memory with them."""
        session = self.session(self.listen(self.authority.issue("vsd", alternatives=[LOCAL])))
        await session.get("/enterprises")
        self.assertEqual(self.me.cookies, [None, None])

    @asynchronous
    async def test_another_name(self) -> None:
        for alternatives in ([IPv4Address("127.0.0.2")], ["vsd.example.net"]):
            session = self.session(self.listen(self.authority.issue("vsd", alternatives=alternatives)))
            self.assertIn("its certificate bears another name", await self.problem(session))

    @asynchronous
    async def test_another_authority(self) -> None:
        other = Authority(self.folder, "another CA", "other.pem")
        port = self.listen(other.issue("vsd", alternatives=[LOCAL]))
        problem = await self.problem(self.session(port))
        self.assertIn(f"comes from none of the authorities in {self.authority.file} (vsd_ca_certificate)", problem)
        problem = await self.problem(self.session(port, trust=Trust()))
        self.assertIn("comes from none of the authorities in those that the system trusts", problem)
        self.assertEqual(self.me.asked, [])

    @asynchronous
    async def test_out_of_date(self) -> None:
        files = self.authority.issue("vsd", alternatives=[LOCAL], since=now() - 2 * DAY, until=now() - DAY)
        self.assertIn("its certificate is out of date", await self.problem(self.session(self.listen(files))))

    @asynchronous
    async def test_any_certificate(self) -> None:
        """If the user says so."""
        other = Authority(self.folder, "another CA", "other.pem")
        for host in ("127.0.0.1", "localhost"):
            session = self.session(self.listen(other.issue("x")), host, trust=Trust(any_certificate=True))
            self.assertEqual(len(await session.get("/enterprises")), 1)

    @asynchronous
    async def test_our_own_certificate(self) -> None:
        """It takes the place of the password."""
        own = self.authority.issue("csproot", "own-")
        port = self.listen(self.authority.issue("vsd", alternatives=[LOCAL]), ca=self.authority.file)
        for any_certificate in (False, True):
            trust = Trust(
                ca_certificate=None if any_certificate else self.authority.file,
                any_certificate=any_certificate,
                certificate=own.certificate,
                private_key=own.private_key,
            )
            await self.session(port, password=None, trust=trust).get("/enterprises")
        self.assertEqual(self.me.asked[0], (b"/nuage/api/v6/me", basic("csproot", "")))
        problem = await self.problem(self.session(port))
        self.assertIn("TLS failed", problem)

    @asynchronous
    async def test_files_that_are_renewed(self) -> None:
        """They count from the next connection on; those that cannot be used are named."""
        session = self.session(self.listen(self.authority.issue("vsd", alternatives=[LOCAL])))
        good = self.authority.file.read_bytes()
        for content, reason in ((b"", "holds no certificate in PEM form"), (None, "cannot be read: No such file")):
            if content is None:
                self.authority.file.unlink()
            else:
                self.authority.file.write_bytes(content)
            self.assertIn(f"{self.authority.file} {reason}", await self.problem(session))
        self.authority.file.write_bytes(good)
        self.assertEqual(len(await session.get("/enterprises")), 1)

    def test_files_that_are_of_no_use(self) -> None:
        """The daemon does not start with them."""
        garbage = self.folder / "garbage.pem"
        garbage.write_bytes(b"-----BEGIN CERTIFICATE-----\nx\n")
        own = self.authority.issue("csproot", "own-")
        other = self.authority.issue("csproot", "other-")
        for trust in (
            Trust(ca_certificate=garbage),
            Trust(certificate=garbage, private_key=own.private_key),
            Trust(certificate=own.certificate, private_key=garbage),
            Trust(certificate=own.certificate, private_key=other.private_key),
        ):
            self.assertRaises(ConfigurationError, self.session, 1, trust=trust)
        problem = self.assertRaises(ConfigurationError, self.session, 1, "my_vsd")
        self.assertIn('no certificate can bear the name "my_vsd" (vsd_url)', str(problem))


class Http(ConnectionCase):
    """What the server answers, or does not."""

    @asynchronous
    async def test_bad_answers(self) -> None:
        factory: Any = Factory.forProtocol(Raw)
        session = self.session(self.listen(self.authority.issue("vsd", alternatives=[LOCAL]), factory))
        for name, (raw, reason) in BAD.items():
            with self.subTest(name):
                factory.answer = raw
                self.assertIn(reason, await self.problem(session))

    @asynchronous
    async def test_nobody_there(self) -> None:
        self.assertIn("GET /me: no answer: cannot connect: Connection refused", await self.problem(self.session(1)))

    @asynchronous
    async def test_no_tls(self) -> None:
        factory: Any = Factory.forProtocol(Raw)
        factory.answer = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.assertIn("does it speak TLS there?", await self.problem(self.session(port.getHost().port)))

    @asynchronous
    async def test_the_password_file(self) -> None:
        """Its first line counts, and it is read at each login."""
        path = self.folder / "secret"
        port = self.listen(self.authority.issue("vsd", alternatives=[LOCAL]))
        for content, secret in ((b"one\n", "one"), (b"two\r\nmore\n", "two"), ("dreißig".encode(), "dreißig")):
            path.write_bytes(content)
            await self.session(port, password=None, password_file=path).get("/enterprises")
            self.assertEqual(self.me.asked[-2][1], basic("csproot", secret))
        session = self.session(port, password=None, password_file=path)
        path.write_bytes(b"\xff")
        self.assertEqual(
            str(await failure_of(session.get("/enterprises"), VsdUnavailable)),
            f"{path} (vsd_password_file) cannot be read: it is not in UTF-8",
        )
        path.unlink()
        problem = await failure_of(session.get("/enterprises"), VsdUnavailable)
        self.assertIn("(vsd_password_file) cannot be read: No such file", str(problem))

    def test_secrets(self) -> None:
        settings = Settings(urls=(), version="v6", organization="csp", user="x", password="s3cret", timeout=1)
        self.assertNotIn("s3cret", repr(settings))
