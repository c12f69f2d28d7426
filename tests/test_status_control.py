"""The control socket: what it answers, what it costs others, and how its listeners are told what changes."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nuage.errors import NuageError
from nuage.libnetwork.calls import Calls, Ended
from nuage.libnetwork.payloads import Empty, EndpointCall
from nuage.libnetwork.server import PluginSite
from nuage.status.alarms import Alarms
from nuage.status.control import ControlServer, Status, tree
from nuage.status.difference import difference
from nuage.status.events import Events
from nuage.status.report import Problem, Report, State
from nuage.status.times import Times
from nuage.status.watched import Watch, Watched
from tests.driver_support import ENDPOINT, NETWORK
from tests.http_support import Wire, asynchronous, connect
from tests.report_support import DOCKER, ENDPOINT_SEEN, NETWORK_SEEN, NOW, PARTS, PROBLEM, VRS, many, report

reactor = cast(Any, _reactor)


def get(path: str) -> bytes:
    """Return a request."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


class Answers(TestCase):
    """The routes."""

    def setUp(self) -> None:
        self.report = report()
        events = Events(Clock(), lambda: self.report)
        site = PluginSite(tree(Status(lambda: self.report), {"events": events.resource()}), Clock())
        self.connection = Wire(site)

    def ask(self, path: str) -> tuple[int, Any]:
        """Return the status and the content of an answer."""
        answer = self.connection.send(get(path))[-1]
        return answer.status, answer.json()

    def test_status(self) -> None:
        """All that is known, with counts."""
        status, content = self.ask("/status")
        self.assertEqual((status, content), (200, self.report.to_json()))
        self.assertEqual(content["endpoint_states"]["resolved"], 1)
        self.assertEqual(content["endpoints"][0]["state"], "resolved")
        self.assertEqual(self.ask("/endpoints")[1], content["endpoints"])
        self.assertEqual(self.ask("/networks")[1], content["networks"])

    def test_health(self) -> None:
        """It answers, so it is healthy; it is ready if nothing is away, and nothing is unknown."""
        self.assertEqual(self.ask("/healthz"), (200, {"healthy": True}))
        self.assertEqual(self.ask("/readyz"), (200, {"ready": True, "away": {}}))
        for there in (False, None):
            self.report = report(parts=(VRS, attrs.evolve(DOCKER, there=there, status="no answer")))
            self.assertEqual(self.ask("/readyz"), (503, {"ready": False, "away": {"docker": "no answer"}}))

    def test_no_such_thing(self) -> None:
        """404, below what there is too, and 405 for a method."""
        for path in ("/", "/nothing", "/status/more", "/%ff"):
            self.assertIn(self.connection.send(get(path))[-1].status, (400, 404), path)
        self.assertEqual(self.connection.send(b"DELETE /status HTTP/1.1\r\nHost: x\r\n\r\n")[-1].status, 405)


class Socket(TestCase):
    """Its file."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="nuage")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "run" / "control.sock"

    def server(self) -> ControlServer:
        """Return a server that has been started."""
        server = ControlServer(reactor, self.path, PluginSite(tree(Status(report), {}), reactor))
        server.privilegedStartService()
        server.startService()
        self.addCleanup(lambda: server.stopService() if server.running else None)
        return server

    @asynchronous
    async def test_mode(self) -> None:
        """Only root may open it, it serves, and it is gone at the end."""
        server = self.server()
        self.assertEqual((self.path.stat().st_mode & 0o777, self.path.parent.stat().st_mode & 0o777), (0o600, 0o700))
        client = await connect(reactor, self.path)
        assert (await client.ask(get("/healthz"))).status == 200
        await server.stopService()
        self.assertEqual([*self.path.parent.iterdir()], [])

    @asynchronous
    async def test_taken(self) -> None:
        """Without it the daemon goes on, and the log says what to do."""
        self.path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as other, capturedLogs() as events:
            other.bind(str(self.path))
            other.listen()
            await self.server().stopService()
        (told,) = (formatEvent(event) for event in events if event["log_level"] is LogLevel.error)
        self.assertIn(f"control_socket: another process listens on {self.path}; stop it or name another path", told)
        self.assertTrue(self.path.is_socket())


class Differences(SynchronousTestCase):
    """What is new in a report."""

    def test_nothing(self) -> None:
        """The time alone is nothing."""
        self.assertEqual(difference(report(), report(time=NOW + 9)), {})

    def test_endpoints(self) -> None:
        """Those that changed, came and went."""
        waiting = attrs.evolve(ENDPOINT_SEEN, state=State.WAITING)
        former = report(endpoints=(ENDPOINT_SEEN, *many(2)))
        now = report(time=NOW + 1, endpoints=(waiting, *many(3)[1:]))
        found = difference(former, now)
        self.assertEqual({*found}, {"time", "ready", "endpoint_states", "endpoints"})
        self.assertEqual(found["endpoint_states"]["waiting"], 1)
        self.assertEqual([each["id"] for each in found["endpoints"]["changed"]], [ENDPOINT, f"{2:064x}"])
        self.assertEqual(found["endpoints"]["removed"], [f"{0:064x}"])

    def test_others(self) -> None:
        """A network, a part, problems."""
        network = attrs.evolve(NETWORK_SEEN, endpoints={})
        found = difference(
            report(), report(networks=(network,), parts=PARTS[:1], problems=(PROBLEM,), log_level="Warn")
        )
        self.assertEqual(
            {*found} - {"time", "ready", "endpoint_states"}, {"networks", "parts", "problems", "log_level"}
        )
        self.assertEqual(
            found["networks"], {"changed": [report(networks=(network,)).to_json()["networks"][0]], "removed": []}
        )


class EventsCase(TestCase):
    """Listeners, whose clock the test moves."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.report = report()
        self.made = 0
        self.failure: Exception | None = None
        events = Events(self.clock, self.make)
        self.site = PluginSite(tree(Status(self.make), {"events": events.resource()}), Clock())

    def make(self) -> Report:
        """Count and return the report."""
        self.made += 1
        if self.failure:
            raise self.failure
        return self.report

    def listen(self) -> Wire:
        """Begin to listen."""
        connection = Wire(self.site)
        self.addCleanup(connection.hang_up)
        connection.protocol.dataReceived(get("/events"))
        return connection

    def told(self, connection: Wire) -> list[tuple[str, Any]]:
        """Return the names and contents of the events that came so far."""
        found = []
        for part in connection.transport.value().decode().split("event: ")[1:]:
            name, _, data = part.partition("\ndata: ")
            found.append((name, json.loads(data.partition("\n")[0])))
        return found


class Listening(EventsCase):
    """What they are told."""

    def test_changes(self) -> None:
        """First everything, then what is new, and nothing while nothing is."""
        listener = self.listen()
        self.assertIn(b"Content-Type: text/event-stream", listener.transport.value())
        self.assertEqual(self.told(listener), [("report", self.report.to_json())])
        self.clock.pump([0.5] * 4)
        self.assertEqual(len(self.told(listener)), 1)
        former, self.report = self.report, report(endpoints=())
        self.clock.advance(0.5)
        self.assertEqual(self.told(listener)[1:], [("change", difference(former, self.report))])

    def test_one_computation(self) -> None:
        """For a hundred listeners; one more is refused, until another has gone."""
        listeners = [self.listen() for _ in range(100)]
        made = self.made
        self.report = report(endpoints=())
        self.clock.advance(0.5)
        self.assertEqual(self.made, made + 1)
        self.assertEqual({len(self.told(each)) for each in listeners}, {2})
        late = Wire(self.site)
        self.assertEqual(late.send(get("/events"))[-1].status, 503)
        listeners[0].hang_up()
        self.assertEqual(len(self.told(self.listen())), 1)

    def test_nobody_listens(self) -> None:
        """Then nothing is computed, and no timer is left."""
        listener = self.listen()
        listener.hang_up()
        made = self.made
        self.clock.advance(5)
        self.assertEqual((self.made, self.clock.getDelayedCalls()), (made, []))

    def test_newcomer(self) -> None:
        """Its first report and the next change fit together."""
        self.listen()
        self.report = report(endpoints=())
        newcomer = self.listen()
        self.assertEqual(self.told(newcomer)[0][1]["endpoints"], [])
        self.clock.advance(0.5)
        self.assertEqual(len(self.told(newcomer)), 1)

    def test_silence(self) -> None:
        """A comment shows that the connection is alive."""
        listener = self.listen()
        self.clock.pump([0.5] * 31)
        self.assertIn(b": nothing is new\n\n", listener.transport.value())

    def test_report_that_fails(self) -> None:
        """It is logged once; listeners hear of what happened meanwhile when there is a report again."""
        listener = self.listen()
        self.failure = RuntimeError("no report")
        self.clock.pump([0.5] * 4)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.failure, self.report = None, report(endpoints=())
        self.clock.advance(0.5)
        self.assertEqual([name for name, _ in self.told(listener)], ["report", "change"])


class RealListeners(EventsCase):
    """On a connection that takes only so much at once, or is not read."""

    timeout = 20

    async def connected(self) -> tuple[Any, ControlServer]:
        """Return a client that listens, and its server."""
        folder = tempfile.TemporaryDirectory(prefix="nuage")
        self.addCleanup(folder.cleanup)
        server = ControlServer(reactor, Path(folder.name) / "control.sock", self.site)
        server.privilegedStartService()
        server.startService()
        self.addCleanup(server.stopService)
        client = await connect(reactor, Path(folder.name) / "control.sock")
        cast(Any, client.transport).write(get("/events"))
        await until(lambda: b"event: report" in client.received)
        return client, server

    @asynchronous
    async def test_large(self) -> None:
        """A report that is larger than what a connection takes at once is sent once, and then what changes."""
        self.report = report(endpoints=many(1000))
        client, _ = await self.connected()
        await until(lambda: client.received.endswith(b"\n\n\r\n"))
        self.report = report(endpoints=many(999))
        self.clock.advance(0.5)
        await until(lambda: b"event: change" in client.received)
        assert client.received.count(b"event: report") == 1
        client.hang_up()

    @asynchronous
    async def test_slow(self) -> None:
        """It costs no memory, and gets a whole report when it reads again."""
        client, server = await self.connected()
        transport = client.transport
        transport.pauseProducing()
        for number in range(60):
            self.report = report(endpoints=many(1000 + number % 2))
            self.clock.advance(0.5)
            await pause()
        (connection,) = server._connections.protocols
        self.assertLess(
            sum(map(len, connection.transport._tempDataBuffer)) + len(connection.transport.dataBuffer), 5 << 20
        )
        transport.resumeProducing()
        await until(lambda: client.received.count(b"event: report") == 2)
        client.hang_up()


async def until(condition: Callable[[], bool]) -> None:
    """Let the reactor go on until a condition holds; trial's time-out is the bound."""
    while not condition():
        await pause()


def pause() -> Deferred[None]:
    """Return what fires in the reactor's next turns."""
    waiter: Deferred[None] = Deferred()
    reactor.callLater(0.01, waiter.callback, None)
    return waiter


class Watchers(TestCase):
    """Those who watch Docker's calls."""

    async def test_told(self) -> None:
        """How each call ended."""
        clock, ended = Clock(), list[Ended]()
        calls = Calls(clock, 10)
        calls.watch(ended.append)

        async def work(problem: Exception | None) -> Empty:
            clock.advance(0.25)
            if problem:
                raise problem
            return Empty()

        request = EndpointCall(NETWORK, ENDPOINT)
        for problem in (None, NuageError("no"), RuntimeError("bug")):
            running = Deferred.fromCoroutine(calls.carry_out("NetworkDriver.Join", request, work(problem)))
            running.addErrback(lambda failure: failure.trap(NuageError, RuntimeError))
            await running
        self.assertEqual(
            [(each.outcome, each.problem) for each in ended],
            [("ok", ""), ("failed", "no"), ("bug", "RuntimeError('bug')")],
        )
        self.assertEqual((ended[0].endpoint_id, ended[0].seconds, calls.in_flight), (ENDPOINT, 0.25, 0))

    async def test_one_that_fails(self) -> None:
        """The call has its answer, the other watchers hear of it, and the log has the traceback."""
        ended = list[Ended]()
        calls = Calls(Clock(), 10)

        def fail(_: Ended) -> None:
            raise RuntimeError("a watcher")

        calls.watch(fail)
        calls.watch(ended.append)

        async def work() -> Empty:
            return Empty()

        self.assertEqual(await calls.carry_out("NetworkDriver.Leave", None, work()), Empty())
        self.assertEqual([each.method for each in ended], ["NetworkDriver.Leave"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class Watches(SynchronousTestCase):
    """Since when something is there."""

    def setUp(self) -> None:
        self.there: bool | None = False
        self.time = 100.0
        self.arrivals = 0
        self.watched = Watched(key="x", name="x", there=lambda: self.there, status=lambda: "so", remedy="do")

    def at(self, time: float, watch: Watch, there: bool | None) -> tuple[bool | None, float, int, float | None]:
        """Look at a time, and return what is shown."""
        self.time, self.there = time, there
        part = watch.part()
        return part.there, part.since, part.returns, part.returned

    def test_outages(self) -> None:
        """The first arrival is no return; what nobody knows is neither an end nor a return."""
        watch = Watch(self.watched, lambda: self.time)
        self.assertEqual(self.at(101, watch, False), (False, 100, 0, None))
        self.assertEqual(self.at(102, watch, True), (True, 102, 0, None))
        self.assertEqual(self.at(103, watch, None), (None, 103, 0, None))
        self.assertEqual(self.at(104, watch, True), (True, 104, 0, None))
        self.assertEqual(self.at(105, watch, False), (False, 105, 0, None))
        self.assertEqual(self.at(106, watch, True), (True, 106, 1, 106))

    def test_counted(self) -> None:
        """What is too fast to be seen is counted elsewhere."""
        watch = Watch(attrs.evolve(self.watched, arrivals=lambda: self.arrivals), lambda: self.time)
        self.arrivals = 1
        self.assertEqual(self.at(101, watch, True), (True, 101, 0, None))
        self.arrivals = 3
        self.assertEqual(self.at(102, watch, True), (True, 102, 2, 102))


class Warnings(SynchronousTestCase):
    """What the log is told of what lasts."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.problems: tuple[Problem, ...] = ()
        self.failure: Exception | None = None
        alarms = Alarms(self.clock, self.make)
        alarms.startService()
        self.addCleanup(alarms.stopService)

    def make(self) -> Report:
        """Return a report with an endpoint that waits."""
        if self.failure:
            raise self.failure
        return report(problems=self.problems, endpoints=(attrs.evolve(ENDPOINT_SEEN, state=State.WAITING),))

    def logged(self, seconds: int) -> list[tuple[LogLevel, str]]:
        """Let time pass, and return what is logged."""
        with capturedLogs() as events:
            self.clock.pump([1] * seconds)
        return [(event["log_level"], formatEvent(event)) for event in events]

    def test_once_and_once_again(self) -> None:
        """When it begins and when it is over; what others log is left to them."""
        waits = Problem(subject=ENDPOINT, text="web: its labels are unknown", remedy="wait")
        audit = Problem(subject="audit", text="the last audit failed: no", remedy="wait")
        self.problems = (waits, PROBLEM)
        told = [(LogLevel.warn, "web: its labels are unknown; wait")]
        self.assertEqual(self.logged(60), told)
        self.problems = (audit,)
        self.assertEqual(
            {*self.logged(60)},
            {
                (LogLevel.info, "it is over: web: its labels are unknown"),
                (LogLevel.warn, "the last audit failed: no; wait"),
            },
        )
        self.problems = ()
        self.assertEqual(self.logged(60), [(LogLevel.info, "it is over: the last audit failed: no")])

    def test_report_that_fails(self) -> None:
        """It is logged once, and looked at again."""
        self.failure = RuntimeError("no report")
        self.logged(60)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.failure = None
        self.problems = (Problem(subject="audit", text="failed", remedy="wait"),)
        self.assertEqual(self.logged(10), [(LogLevel.warn, "failed; wait")])


class TimesTests(SynchronousTestCase):
    """The time."""

    def test_steady(self) -> None:
        """It goes by the clock alone."""
        clock = Clock()
        times = Times(clock, lambda: 5000.0)
        clock.advance(2.5)
        self.assertEqual((times.now(), times.at(1)), (5002.5, 5001))
