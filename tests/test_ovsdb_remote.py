"""Connection methods."""

from __future__ import annotations

from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from nuage.ovsdb.errors import RemoteUnusable
from nuage.ovsdb.remote import parse_remote


class Remotes(SynchronousTestCase):
    """parse_remote."""

    def test_round_trip(self) -> None:
        """str() gives the connection method back."""
        for text in ("unix:/var/run/openvswitch/db.sock", "tcp:10.0.0.1:6640", "tcp:[fe80::1]:6640", "tcp:switch-1:1"):
            self.assertEqual(str(parse_remote(text)), text)

    def test_endpoints(self) -> None:
        """Each kind connects to what it names."""
        reactor = MemoryReactorClock()
        self.assertIsInstance(parse_remote("unix:/x").endpoint(reactor), UNIXClientEndpoint)
        connecting = parse_remote("tcp:[::1]:6640").endpoint(reactor).connect(Factory.forProtocol(Protocol))
        self.assertEqual(reactor.tcpClients[0][1], 6640)
        connecting.addErrback(lambda failure: failure.trap(Exception)).cancel()
        self.flushWarnings()

    def test_refused(self) -> None:
        """What is no connection method is named, with what is allowed."""
        for text in (
            "",
            "unix:",
            "unix:relative",
            "tcp:host",
            "tcp:host:0",
            "tcp:host:65536",
            "tcp:fe80::1:6640",
            "tcp:[host]:1",
            "ptcp:6640",
            "/var/run/db.sock",
            "tcp:a b:1",
        ):
            with self.subTest(text=text), self.assertRaises(RemoteUnusable) as caught:
                parse_remote(text)
            self.assertIn(repr(text), str(caught.exception))
            self.assertIn("tcp:host:port", str(caught.exception))

    def test_tls_files(self) -> None:
        """TLS needs files."""
        with self.assertRaisesRegex(RemoteUnusable, "needs the files"):
            parse_remote("ssl:host:6640")
