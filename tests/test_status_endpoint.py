"""The TCP address at which the page and the metrics can be had: who is answered, and what cannot be done there."""

from __future__ import annotations

import errno
import os
import signal
import socket
from typing import Any, cast

import treq
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from nuage.status.endpoint import NamedSite, StatusEndpoint, StatusSite
from tests.http_support import Answer, Wire, asynchronous, connect, read_answers
from tests.test_tap import CommandCase

ADDRESS = IPv4Address("TCP", "127.0.0.1", 40000)


class _Seen(Resource):
    """Answers everything, and notes what was asked."""

    isLeaf = True  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def render(self, request: Any) -> bytes | int:
        self.asked.append(request.method + b" " + request.path)
        if request.path == b"/events":
            return NOT_DONE_YET
        return b"seen"


class _Reactor(MemoryReactorClock):
    """A reactor whose addresses can be taken by others."""

    problem: OSError | None = None

    def listenTCP(self, *arguments: Any, **options: Any) -> Any:
        if self.problem is not None:
            raise CannotListenError(options["interface"], arguments[0], self.problem)
        return super().listenTCP(*arguments, **options)


class EndpointCase(SynchronousTestCase):
    """An endpoint on a reactor in memory."""

    def setUp(self) -> None:
        self.reactor = _Reactor()
        self.seen = _Seen()
        self.site = StatusSite(cast(IResource, self.seen), self.reactor, ["Host7"])
        self.endpoint = StatusEndpoint(self.reactor, "127.0.0.1:9680", self.site)
        self.events: list[dict[str, Any]] = []
        observer: Any = self.events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def told(self, level: LogLevel) -> list[str]:
        """Return what the log has of a level."""
        return [formatEvent(event) for event in self.events if event["log_level"] is level]

    def connect(self) -> tuple[Any, StringTransport] | None:
        """Return a connection, None if it is closed at once."""
        protocol = cast(Any, self.reactor.tcpServers[-1][1]).buildProtocol(ADDRESS)
        if protocol is None:
            return None
        transport = StringTransport(ADDRESS, ADDRESS)
        protocol.makeConnection(transport)
        return protocol, transport

    def send(self, data: bytes) -> list[Answer]:
        """Send bytes on a connection of their own, and return the answers."""
        connection = self.connect()
        assert connection is not None
        connection[0].dataReceived(data)
        return read_answers(connection[1].value())

    def ask(self, *, host: str, method: str = "GET", path: str = "/metrics") -> int:
        """Ask by a name for this machine, and return the status of the answer."""
        (answer,) = self.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return answer.status


class WhoIsAnswered(EndpointCase):
    """By the name that was asked for."""

    def setUp(self) -> None:
        super().setUp()
        self.endpoint.startService()

    def test_names_of_this_machine(self) -> None:
        """And any address: a name that was made to mean this address is not among them."""
        hosts = ("127.0.0.1:9680", "127.0.0.1", "[::1]:9680", "10.0.0.7:80", "localhost:9680", "LOCALHOST", "host7.")
        self.assertEqual([self.ask(host=host) for host in hosts], [200] * len(hosts))
        self.assertEqual(self.seen.asked, [b"GET /metrics"] * len(hosts))

    def test_other_names(self) -> None:
        """They are refused, and nothing is read for them."""
        hosts = ["evil.example", "localhost.evil.example", "host7.evil.example:9680", "127.0.0.1.evil.example"]
        hosts += ["", "[", "[localhost]", "127.0.0.1:x", "a:1:2", "evil.example@127.0.0.1"]
        self.assertEqual([self.ask(host=host) for host in hosts], [403] * len(hosts))
        self.assertEqual(self.seen.asked, [])
        (answer,) = self.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        self.assertIn("ask for its address", answer.json()["error"])

    def test_nothing_can_be_changed(self) -> None:
        """Whoever asks."""
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.assertEqual(self.ask(host="localhost", method=method, path="/log-level"), 405)
        self.assertEqual(self.seen.asked, [])

    def test_the_control_socket(self) -> None:
        """It looks at the name too, and answers all methods."""
        for host, expected in (("localhost:8080", 200), ("evil.example:8080", 403)):
            site = NamedSite(cast(IResource, self.seen), self.reactor, [])
            (answer,) = Wire(site).send(f"PUT /log-level HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            self.assertEqual(answer.status, expected)
        self.assertEqual(self.seen.asked, [b"PUT /log-level"])

    def test_too_many_connections(self) -> None:
        """Docker needs the descriptors that are left: more are closed at once, until others are."""
        connections = [self.connect() for _ in range(100)]
        self.assertNotIn(None, connections)
        self.assertIsNone(self.connect())
        first = cast(Any, connections[0])[0]
        first.connectionLost(None)
        self.assertIsNotNone(self.connect())

    def test_idle_connections(self) -> None:
        """They are closed, unless an answer is still being given."""
        idle, listens = self.connect(), self.connect()
        assert idle is not None
        assert listens is not None
        listens[0].dataReceived(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(70):
            self.reactor.advance(1)
        self.assertTrue(idle[1].disconnecting)
        self.assertFalse(listens[1].disconnecting)


class Listening(EndpointCase):
    """When it listens, and what becomes of it if it cannot."""

    def test_address(self) -> None:
        """Of IPv4 and of IPv6."""
        self.endpoint.startService()
        StatusEndpoint(self.reactor, "[::1]:9681", self.site).startService()
        self.assertEqual(
            [(port, at) for port, _, _, at in self.reactor.tcpServers], [(9680, "127.0.0.1"), (9681, "::1")]
        )

    def test_end(self) -> None:
        """Connections are closed, those too that an answer is still being given on."""
        self.endpoint.startService()
        connection = self.connect()
        assert connection is not None
        connection[0].dataReceived(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.successResultOf(self.endpoint.stopService())
        self.assertTrue(connection[1].disconnecting)

    def test_address_that_is_taken(self) -> None:
        """That is told once, with a remedy, and it is tried until it works."""
        self.reactor.problem = OSError(errno.EADDRINUSE, "Address already in use")
        self.endpoint.startService()
        self.reactor.pump([10.0] * 3)
        (warning,) = self.told(LogLevel.warn)
        for words in ("status_endpoint", "127.0.0.1:9680", "Address already in use", "end what uses the port"):
            self.assertIn(words, warning)
        self.reactor.problem = None
        self.reactor.advance(10)
        self.assertEqual(len(self.reactor.tcpServers), 1)
        self.assertEqual(self.told(LogLevel.warn), [warning])

    def test_end_while_it_is_tried(self) -> None:
        """Nothing is left."""
        self.reactor.problem = OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        self.endpoint.startService()
        self.successResultOf(self.endpoint.stopService())
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class Daemon(CommandCase):
    """The daemon itself."""

    @asynchronous
    async def test_what_is_served(self) -> None:
        """Metrics, with what has just happened, and the status, and nothing else: that has the control socket."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.configure(status_endpoint=port)
        daemon = await self.started()
        url = f"http://127.0.0.1:{port}"
        metrics = await self._get(f"{url}/metrics")
        self.assertIn('nuage_calls_total{method="Plugin.Activate",outcome="ok"} 1.0', metrics)
        self.assertIn("nuage_vrs_connected 0.0", metrics)
        self.assertIn('"scope": "global"', await self._get(f"{url}/status"))
        changing = await treq.put(f"{url}/log-level", b"{}", persistent=False)
        self.assertEqual(changing.code, 405)
        for path in ("log-level", "audit", "explain/web", "diagnose", "ipam", "ipam/release"):
            self.assertIn("Not Found", await self._get(f"{url}/{path}", 404))
        control = self.folder / "control.sock"
        self.assertEqual((control.stat().st_mode & 0o777, control.stat().st_uid), (0o600, os.geteuid()))
        for host, expected in (("localhost", b"200"), ("evil.example", b"403")):
            client = await connect(reactor, control)
            request = f"GET /log-level HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            cast(Any, client.transport).write(request.encode())
            await client.lost
            self.assertEqual(client.received.split()[1], expected)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(await daemon.ended, signal.SIGTERM, daemon.output)

    async def _get(self, url: str, status: int = 200) -> str:
        response = await treq.get(url, persistent=False)
        self.assertEqual(response.code, status, url)
        text: str = await response.text()
        return text
