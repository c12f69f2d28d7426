"""The clock, the processes and the connections of the simulated world."""

from __future__ import annotations

import errno
from io import BytesIO
from typing import Any

from twisted.internet.error import (
    AlreadyCalled,
    AlreadyCancelled,
    CannotListenError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
)
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.internet.task import Cooperator
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.simulation.chance import Chance
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor

ADDRESS = "unix:/run/there"


class Told(Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.made = False
        self.reason: BaseException | None = None

    def connectionMade(self) -> None:
        self.made = True

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason.value

    @property
    def received(self) -> bytes:
        return b"".join(self.pieces)


class Client(ClientFactory):
    """Keeps its connection, or why there is none."""

    noisy = False

    def __init__(self) -> None:
        self.protocol_made = Told()
        self.problem: Any = None

    def buildProtocol(self, addr: Any) -> Told:
        return self.protocol_made

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.problem = reason.value


class Server(Factory):
    """Keeps its connections."""

    noisy = False

    def __init__(self) -> None:
        self.all: list[Told] = []

    def buildProtocol(self, addr: Any) -> Told:
        self.all.append(Told())
        return self.all[-1]


class ChanceTest(SynchronousTestCase):
    """What is drawn from a seed."""

    def test_the_same_everywhere(self) -> None:
        """These values are those of each machine and each Python."""
        chance = Chance(7)
        drawn = [chance.number(1, 100), chance.pick("abcdef"), chance.hexadecimal(4), chance.shuffled([1, 2, 3, 4])]
        self.assertEqual(drawn, [72, "f", "f364", [1, 4, 2, 3]])

    def test_parts(self) -> None:
        """What one part draws does not shift what another one draws."""
        lone = Chance(7).part("kernel").fraction()
        chance = Chance(7)
        chance.fraction()
        chance.part("docker").fraction()
        self.assertEqual(chance.part("kernel").fraction(), lone)
        self.assertNotEqual(chance.part("docker").fraction(), lone)


class TimeTest(SynchronousTestCase):
    """Events and the processes that they belong to."""

    def setUp(self) -> None:
        self.reactor = SimReactor(Chance(1))
        self.seen: list[Any] = []

    def test_order(self) -> None:
        """Events come in the order of their time, those of one instant in the order in which they were asked for."""
        for delay, what in (2.0, "c"), (1.0, "a"), (1.0, "b"), (0.0, "now"):
            self.reactor.callLater(delay, self.seen.append, what)
        self.reactor.run_for(1.5)
        self.assertEqual((self.seen, self.reactor.seconds()), (["now", "a", "b"], 1.5))
        self.reactor.run_for(1)
        self.assertEqual(self.seen[-1], "c")

    def test_changes(self) -> None:
        """An event can be cancelled, and be put off, as that of each reactor."""
        moved = self.reactor.callLater(1, self.seen.append, "moved")
        cancelled = self.reactor.callLater(1, self.seen.append, "cancelled")
        moved.reset(3)
        moved.delay(1)
        cancelled.cancel()
        self.reactor.run_for(3.5)
        self.assertEqual((self.seen, self.reactor.getDelayedCalls()), ([], [moved]))
        moved.reset(0.1)
        self.reactor.run_for(0.2)
        self.assertEqual((self.seen, self.reactor.getDelayedCalls()), (["moved"], []))
        self.assertRaises(AlreadyCalled, moved.cancel)
        self.assertRaises(AlreadyCancelled, cancelled.reset, 1)

    def test_a_killed_process(self) -> None:
        """Nothing of it happens any more, nor what it asks for later."""
        daemon, other = self.reactor.spawn("daemon"), self.reactor.spawn("other")
        daemon.callLater(1, self.seen.append, "daemon")
        other.callLater(1, self.seen.append, "other")
        self.reactor.callLater(0.5, daemon.kill)
        self.reactor.callLater(0.6, daemon.callLater, 0.1, self.seen.append, "a late wish")
        self.reactor.run_for(5)
        self.assertEqual(self.seen, ["other"])

    def test_killed_between_two_steps(self) -> None:
        """Also between two that happen at the same instant."""
        daemon = self.reactor.spawn("daemon")
        for number in range(5):
            daemon.callLater(1, self.seen.append, number)
        daemon.process.after_steps(3, daemon.kill)
        self.reactor.run_for(5)
        self.assertEqual(self.seen, [0, 1, 2])

    def test_a_frozen_process(self) -> None:
        """What was missed happens once it goes on, in its order."""
        daemon = self.reactor.spawn("daemon")
        for delay in 1, 2, 9:
            daemon.callLater(delay, lambda: self.seen.append(round(daemon.seconds(), 3)))
        daemon.freeze()
        self.reactor.run_for(5)
        self.assertEqual(self.seen, [])
        daemon.thaw()
        self.reactor.run_for(5)
        self.assertEqual(self.seen, [5, 5, 9])

    def test_a_process_that_is_killed_while_frozen(self) -> None:
        """It does not go on."""
        daemon = self.reactor.spawn("daemon")
        daemon.callLater(1, self.seen.append, "too late")
        daemon.freeze()
        self.reactor.run_for(2)
        daemon.kill()
        daemon.thaw()
        self.reactor.run_for(2)
        self.assertEqual(self.seen, [])

    def test_a_failure(self) -> None:
        """What an event raises goes to the log, and time goes on."""
        self.reactor.callLater(1, lambda: 1 / 0)
        self.reactor.callLater(2, self.seen.append, "later")
        self.reactor.run_for(3)
        self.assertEqual((self.seen, len(self.flushLoggedErrors(ZeroDivisionError))), (["later"], 1))

    def test_time_never_stands_still(self) -> None:
        """Somebody waits for a moment that rounding puts before now."""

        def wait() -> None:
            self.seen.append(self.reactor.seconds())
            if self.reactor.seconds() < 5.000001:
                self.reactor.callLater(1e-16, wait)

        self.reactor.callLater(5, wait)
        self.assertFalse(self.reactor.run_until(lambda: len(self.seen) > 3, 6))

    def test_until(self) -> None:
        """Time stops as soon as something is reached."""
        self.reactor.callLater(1, self.seen.append, "it")
        self.assertTrue(self.reactor.run_until(lambda: bool(self.seen), 5))
        self.assertAlmostEqual(self.reactor.seconds(), 1, 3)
        self.assertFalse(self.reactor.run_until(lambda: len(self.seen) > 1, 5))
        self.assertAlmostEqual(self.reactor.seconds(), 6, 3)


class StreamTest(SynchronousTestCase):
    """Connections between two processes."""

    def setUp(self) -> None:
        self.begin(1)

    def begin(self, seed: int) -> None:
        self.reactor = SimReactor(Chance(seed))
        self.there = self.reactor.spawn("server")
        self.here = self.reactor.spawn("client")
        self.server = Server()
        self.port = self.there.network.listen(ADDRESS, self.server)

    def connect(self) -> Client:
        client = Client()
        self.here.connectUNIX("/run/there", client, timeout=10)
        return client

    def connected(self) -> tuple[Any, Any]:
        """Return the protocols of both sides of a new connection."""
        client, before = self.connect(), len(self.server.all)
        self.assertTrue(self.reactor.run_until(lambda: len(self.server.all) > before, 1))
        self.reactor.run_for(0.1)
        return client.protocol_made, self.server.all[-1]

    def test_bytes(self) -> None:
        """All bytes arrive later, in their order, cut and merged at different places with different seeds."""
        wholes = set()
        for seed in range(20):
            self.begin(seed)
            client, server = self.connected()
            for number in range(30):
                self.here.callLater(number / 10000, client.transport.write, b"%d." % number)
            began = self.reactor.seconds()
            self.assertTrue(self.reactor.run_until(lambda: bool(server.pieces), 1))  # noqa: B023
            self.assertGreater(self.reactor.seconds(), began)
            self.reactor.run_for(1)
            self.assertEqual(server.received, b"".join(b"%d." % number for number in range(30)))
            wholes.add(tuple(server.pieces))
        self.assertGreater(len(wholes), 15)

    def test_nobody_there(self) -> None:
        """The error is the one of the kernel, without a listener, and with the file that a killed one left."""
        client = Client()
        self.here.connectUNIX("/run/elsewhere", client)
        self.there.kill()
        late = self.connect()
        self.reactor.run_for(1)
        self.assertEqual((client.problem.osError, late.problem.osError), (errno.ENOENT, errno.ECONNREFUSED))

    def test_taken(self) -> None:
        """Two processes do not listen at one address; a new one takes that of a dead one."""
        self.assertRaises(CannotListenError, self.here.network.listen, ADDRESS, Server())
        self.there.kill()
        self.here.network.listen(ADDRESS, Server())

    def test_closed(self) -> None:
        """What was written before arrives."""
        client, server = self.connected()
        client.transport.write(b"all of it")
        client.transport.loseConnection()
        self.reactor.run_for(1)
        self.assertEqual(server.received, b"all of it")
        self.assertIsInstance(client.reason, ConnectionDone)
        self.assertIsInstance(server.reason, ConnectionDone)
        self.assertEqual((self.here.network.ends(), self.there.network.ends(), self.port.connections), ([], [], []))

    def test_cut(self) -> None:
        """Each part of what was under way may have arrived, and nothing else."""
        lengths = set()
        for seed in range(60):
            self.begin(seed)
            client, server = self.connected()
            client.transport.write(b"0123456")
            self.port.connections[0].cut()
            self.reactor.run_for(1)
            self.assertTrue(b"0123456".startswith(server.received))
            self.assertIsInstance(client.reason, ConnectionLost)
            self.assertIsInstance(server.reason, ConnectionLost)
            lengths.add(len(server.received))
        self.assertEqual(lengths, set(range(8)))

    def test_killed(self) -> None:
        """The other side is told; the dead one is not."""
        client, server = self.connected()
        self.there.kill()
        self.reactor.run_for(1)
        self.assertIsInstance(client.reason, ConnectionDone)
        self.assertIsNone(server.reason)
        server.transport.write(b"from beyond")
        self.reactor.run_for(1)
        self.assertEqual(client.received, b"")

    def test_half_open(self) -> None:
        """Who has lost the other end without a word hears nothing, and can only close its own."""
        client, server = self.connected()
        client.transport.lose_peer()
        client.transport.write(b"anybody there?")
        self.reactor.run_for(100)
        self.assertIsInstance(server.reason, ConnectionLost)
        self.assertEqual((server.received, client.reason), (b"", None))
        client.transport.abortConnection()
        self.reactor.run_for(1)
        self.assertIsInstance(client.reason, ConnectionAborted)

    def test_silent(self) -> None:
        """A frozen server has its connections made, and takes what came as soon as it goes on."""
        self.there.freeze()
        client = self.connect()
        self.reactor.run_for(1)
        self.assertTrue(client.protocol_made.made)
        assert client.protocol_made.transport is not None
        client.protocol_made.transport.write(b"hello")
        self.reactor.run_for(1)
        self.assertEqual(self.server.all, [])
        self.there.thaw()
        self.reactor.run_for(1)
        self.assertEqual(self.server.all[0].received, b"hello")

    def test_refused(self) -> None:
        """A server can refuse connections for a while."""
        self.port.accepting = False
        refused = self.connect()
        self.reactor.run_for(1)
        self.assertEqual(refused.problem.osError, errno.ECONNREFUSED)
        self.port.accepting = True
        self.connected()

    def test_slow(self) -> None:
        """Bytes of a slow server take longer."""
        self.port.change_pace(1000.0)
        client, server = Client(), self.server
        self.here.connectUNIX("/run/there", client, timeout=10)
        self.reactor.run_until(lambda: client.protocol_made.made, 1)
        client.protocol_made.transport.write(b"hello")  # type: ignore[union-attr]
        self.reactor.run_for(0.015)
        self.assertEqual(server.all, [])
        self.reactor.run_for(100)
        self.assertEqual(server.all[0].received, b"hello")

    def test_quick_again(self) -> None:
        """What is still under way to and from a server that was slow comes as soon as anything else."""
        for seed in range(20):
            self.begin(seed)
            client, server = self.connected()
            self.port.change_pace(10_000.0)
            client.transport.write(b"hello")
            server.transport.write(b"welcome")
            new = self.connect()
            self.reactor.run_for(0.05)
            self.port.change_pace(1.0)
            # Bytes may be cut in two.
            self.reactor.run_for(0.1)
            self.assertEqual((server.received, client.received), (b"hello", b"welcome"))
            self.assertTrue(new.protocol_made.made)
            self.assertEqual(len(self.server.all), 2)

    def test_a_reader_that_pauses(self) -> None:
        """It gets nothing meanwhile; a writer of much is asked to pause until it reads."""
        client, server = self.connected()
        producer = Producer()
        client.transport.registerProducer(producer, True)
        server.transport.pauseProducing()
        client.transport.write(b"x" * 300_000)
        self.reactor.run_for(1)
        self.assertEqual((server.received, producer.told), (b"", ["pause"]))
        server.transport.resumeProducing()
        self.reactor.run_for(1)
        self.assertEqual((len(server.received), producer.told), (300_000, ["pause", "resume"]))

    def test_a_protocol_that_fails(self) -> None:
        """Its error goes to the log, and its connection ends."""
        client, server = self.connected()
        server.dataReceived = lambda data: 1 / 0
        client.transport.write(b"hello")
        self.reactor.run_for(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIsNotNone(client.reason)


class Producer:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class Echo(Resource):
    """Answers with the body of the request."""

    isLeaf = True  # noqa: N815

    def render_POST(self, request: Any) -> bytes:
        body: bytes = request.content.read()
        return body * 1000


class HttpTest(SynchronousTestCase):
    """Twisted's own HTTP on it."""

    def test_requests(self) -> None:
        """Twisted's client and server understand each other, by a unix socket and by TCP with a name."""
        history = self.asked(5)
        self.assertEqual(history, self.asked(5))
        self.assertNotEqual(history, self.asked(6))

    def asked(self, seed: int) -> str:
        reactor = SimReactor(Chance(seed))
        there, here, history = reactor.spawn("server"), reactor.spawn("client"), History()
        there.network.listen("tcp:example:80", Site(Echo(), reactor=there))
        agent = Agent(here)
        answers: list[bytes] = []

        cooperator = Cooperator(scheduler=lambda work: here.callLater(0.00001, work))

        def note(body: bytes) -> None:
            answers.append(body)
            history.add(here.seconds(), "client", f"{len(body)} bytes")

        for number in range(5):
            producer = FileBodyProducer(BytesIO(b"%d " % number), cooperator)
            asking = agent.request(b"POST", b"http://example/", bodyProducer=producer)
            asking.addCallback(readBody).addCallback(note)
        reactor.run_for(30)
        self.assertEqual(sorted(answers), [b"%d " % number * 1000 for number in range(5)])
        there.network.ports["tcp:example:80"].stopListening()
        self.assertEqual(here.getDelayedCalls(), [])
        return history.text
