"""What a Docker daemon, or a proxy before it, may answer with: raw bytes, one connection each.

Whatever it is, the outcome is an answer or a DockerUnavailable that names the key, the path and what came.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from nuage.docker.engine import connect
from nuage.errors import DockerUnavailable
from tests.test_docker_engine import BARE, Daemon, failure_of

reactor = cast(Any, _reactor)

NETWORKS = json.dumps([BARE]).encode()
NO_HTTP = "not understood: it answered something that is not HTTP"
CLOSED = "no answer: it closed the connection without an HTTP response"
BROKEN = "no answer: it closed the connection before its answer was complete"
UNEXPECTED = "not understood: it answered 200 with something unexpected"
TOO_LONG = "not understood: its answer is longer than 65536 bytes"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
PACKED = gzip.compress(NETWORKS)

#: Answers that are whole: the close of the connection is their end, or a length or a chunk tells it.
WHOLE = {
    "ends by closing, HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + NETWORKS,
    "ends by closing, HTTP/1.1": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + NETWORKS,
    "in chunks": CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(NETWORKS), NETWORKS),
    "continued first": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n" + NETWORKS,
    "packed": GZIPPED % (len(PACKED), PACKED),
}

#: Answers that are no good, and what is said of them.
BAD = {
    "refused by a proxy": (b"HTTP/1.0 403 Forbidden\r\n\r\n", "it answered 403 Forbidden"),
    "refused with a page": (
        b"HTTP/1.0 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html><body><h1>403\n Forbidden</h1></body></html>",
        "it answered 403 Forbidden: <html><body><h1>403 Forbidden</h1></body></html>",
    ),
    "refused in words of JSON": (
        b'HTTP/1.1 403 Forbidden\r\n\r\n{"message":"no entry"}',
        "it answered 403: no entry",
    ),
    "refused in lines of JSON": (
        b'HTTP/1.1 403 Forbidden\r\n\r\n{"message":"no\\nentry\\u001b"}',
        "it answered 403: no entry",
    ),
    "refused in many words": (
        b'HTTP/1.1 403 Forbidden\r\n\r\n{"message":"' + b"x" * 5000 + b'"}',
        f"it answered 403: {'x' * 200}…",
    ),
    "no reason": (b"HTTP/1.1 503\r\n\r\n", "it answered 503"),
    "speaks TLS": (
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        "it answered 400 Bad Request: Client sent an HTTP request to an HTTPS server.",
    ),
    "a TLS alert": (b"\x15\x03\x01\x00\x02\x02\x46", CLOSED),
    "redirected": (
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
        "it answered 307 Temporary Redirect",
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "it answered 204 No Content"),
    "empty": (b"HTTP/1.0 200 OK\r\n\r\n", f"{UNEXPECTED}: b''"),
    "closed within the list": (b"HTTP/1.0 200 OK\r\n\r\n" + NETWORKS[:-5], UNEXPECTED),
    "closed within a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + NETWORKS, BROKEN),
    "closed within a chunk": (CHUNKED + b"fff\r\n" + NETWORKS, BROKEN),
    "closed before the last chunk": (CHUNKED + b"2\r\n[]\r\n", BROKEN),
    "a chunk without a length": (CHUNKED + b"zz\r\n", NO_HTTP),
    "closed within the headers": (b"HTTP/1.1 200 OK\r\nContent-Ty", CLOSED),
    "closed at once": (b"", CLOSED),
    "not HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", NO_HTTP),
    "no status": (b"HTTP/1.1 fine\r\n\r\n", NO_HTTP),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
        NO_HTTP,
    ),
    "a length of nothing": (
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n[]",
        NO_HTTP,
    ),
    "garbage for headers": (b"HTTP/1.1 200 OK\r\n\xff\xfe\r\n: \r\nno colon\r\n\r\n[]", ""),
    "an endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, ""),
    "not packed as it says": (GZIPPED % (9, b"not gzip!"), f"{UNEXPECTED}: b''"),
    "longer than is taken": (b"HTTP/1.0 200 OK\r\n\r\n[" + b" " * 100_000, TOO_LONG),
    "packed to more than is taken": (
        GZIPPED % (len(gzip.compress(b" " * 100_000)), gzip.compress(b" " * 100_000)),
        TOO_LONG,
    ),
}


class Answers(TestCase):
    """One question to a server that answers with raw bytes and closes."""

    timeout = 20

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.answer = b""
        self.daemon = Daemon(lambda _: self.answer)
        port = reactor.listenUNIX(str(self.path), self.daemon)
        self.addCleanup(port.stopListening)
        self.engine = connect(reactor, f"unix://{self.path}", 2.0, clock=self.clock, largest=65536)

    def closed(self) -> None:
        """Nothing is left of a question: no timer and, on this end, no connection."""
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_whole(self) -> None:
        for name, answer in WHOLE.items():
            with self.subTest(name):
                self.answer = answer
                self.assertEqual([network.name for network in await self.engine.networks(bool)], ["none"])
                self.closed()

    async def test_bad(self) -> None:
        for name, (answer, reason) in BAD.items():
            with self.subTest(name):
                self.answer = answer
                problem = str(await failure_of(self.engine.networks(bool), DockerUnavailable))
                self.assertIn(f"Docker at unix://{self.path} (DockerEndpoint): GET /v1.41/networks: ", problem)
                self.assertIn(reason, problem)
                self.assertLess(len(problem), 400)
                self.assertNotIn("\n", problem)
                for raw in ("Failure", "Traceback", "twisted.", "<class", "[("):
                    self.assertNotIn(raw, problem)
                self.closed()

    async def test_nobody_there(self) -> None:
        """The reason is the kernel's, in its words."""
        plain = Path(self.mktemp())
        plain.write_text("no socket")
        for address, reason in (
            ("unix:///nowhere.sock", "no answer: cannot connect: No such file or directory"),
            (f"unix://{plain}", "no answer: cannot connect: Connection refused"),
            ("tcp://127.0.0.1:1", "no answer: cannot connect: Connection refused"),
        ):
            engine = connect(reactor, address, 2.0)
            problem = str(await failure_of(engine.networks(bool), DockerUnavailable))
            self.assertEqual(problem, f"Docker at {address} (DockerEndpoint): GET /_ping: {reason}")

    async def test_the_first_connection_is_cut_when_too_much_comes(self) -> None:
        """A daemon that sends without an end is not listened to until the time is over."""
        daemon = self.daemon
        self.daemon.answer = lambda _: None
        asked, closed = daemon.event(daemon.asked), daemon.event(daemon.closed)
        outcome = Deferred.fromCoroutine(self.engine.networks(bool))
        await asked
        transport = cast(Any, daemon.connections[0].transport)
        transport.write(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 70_000)
        self.assertIn("longer than", str(await failure_of(outcome, DockerUnavailable)))
        await closed
        self.closed()

    async def test_cancelled_within_the_answer(self) -> None:
        """It is a cancellation still, and the connection is cut."""
        daemon = self.daemon
        for beginning in (b"", b"HTTP/1.1 200 OK\r\n\r\n["):
            with self.subTest(beginning):
                self.daemon.answer = lambda _: None
                asked, closed = daemon.event(daemon.asked), daemon.event(daemon.closed)
                outcome = Deferred.fromCoroutine(self.engine.networks(bool))
                await asked
                cast(Any, daemon.connections[0].transport).write(beginning)
                outcome.cancel()
                await failure_of(outcome, CancelledError)
                await closed
                self.closed()
