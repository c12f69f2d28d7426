"""What is said of errors that others raise."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, cast

from twisted.internet import error
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nuage import http
from nuage.docker.engine import connect
from nuage.errors import DockerUnavailable
from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.errors import NotConnected
from nuage.ovsdb.reasons import in_words
from nuage.ovsdb.remote import parse_remote
from nuage.text import joined
from tests.test_docker_engine import failure_of

reactor = cast(Any, _reactor)


class Words(SynchronousTestCase):
    """in_words and joined."""

    def test_in_words(self) -> None:
        """The kernel's words, once, and no full stop."""
        for problem, words in (
            (error.ConnectError(2, "No such file or directory"), "No such file or directory"),
            (error.ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
            (error.ConnectError(string=Failure(error.ConnectionDone())), "no more connections are accepted"),
            (error.ConnectionDone(), "the connection was closed"),
            (error.ConnectionLost(), "the connection was lost"),
            (
                error.DNSLookupError("no results for hostname lookup: x."),
                "DNS lookup failed: no results for hostname lookup: x",
            ),
            (ValueError(), "ValueError"),
        ):
            self.assertEqual(in_words(problem), words)
            if isinstance(problem, error.ConnectError | error.DNSLookupError):
                self.assertEqual(http.in_words(problem), words)

    def test_joined(self) -> None:
        """One semicolon between two, whatever the first ends with; nothing for nothing."""
        self.assertEqual(joined("a.", "b;", "", "c"), "a; b; c")


class FullQueue(TestCase):
    """A server that does not accept connections, with as many waiting as the kernel lets."""

    timeout = 20

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(str(self.path))
        server.listen(0)
        while self.waits():
            pass

    def waits(self) -> bool:
        """Add a connection to the queue; return whether it found a place."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.setblocking(False)
        return client.connect_ex(str(self.path)) == 0

    async def test_database(self) -> None:
        """Status, log and error say it in words."""
        client = OvsdbClient(reactor, parse_remote(f"unix:{self.path.absolute()}"), "Open_vSwitch", [])
        self.addCleanup(lambda: Deferred.fromCoroutine(client.stop()))
        with capturedLogs() as events:
            client.start()
            problem = await failure_of(client.when_synced(0.1), NotConnected)
        (warning,) = (formatEvent(event) for event in events if event["log_level"] is LogLevel.warn)
        for told in (str(problem), client.status, warning):
            self.assertIn(": no more connections are accepted", told)
            self.assertNotIn("Failure", told)

    async def test_docker(self) -> None:
        """So does what Docker is asked."""
        problem = await failure_of(connect(reactor, f"unix://{self.path}", 2.0).networks(bool), DockerUnavailable)
        self.assertIn("GET /_ping: no answer: cannot connect: no more connections are accepted", str(problem))
