"""What systemd passes, what it is told, and what its units say."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogLevel, capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase
from twisted.web.resource import Resource

from lab.activation import Activation
from nuage.config.settings import Config
from nuage.errors import ConfigurationError
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.passed_socket import PassedSocket
from nuage.libnetwork.server import PluginServer, PluginSite
from nuage.service import systemd
from nuage.service.daemon import Daemon
from nuage.service.machine import Machine
from nuage.service.readiness import Readiness
from nuage.status.watched import Watch, Watched

UNITS = Path(__file__).parent.parent / "etc" / "systemd"
TWISTD = Path(sys.executable).parent / "twistd"
#: What systemd-analyze of systemd 252 computes, in tenths. A lower one is better.
EXPOSURE = 18


class _Sockets(SynchronousTestCase):
    """A folder that is short enough for the path of a socket."""

    def setUp(self) -> None:
        """Make the folder."""
        folder = tempfile.TemporaryDirectory(prefix="nuage-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "nuage.sock"

    def bound(self, kind: int, name: str | None = None) -> socket.socket:
        """Return a unix socket that is bound to a name."""
        made = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(made.close)
        made.bind(name or str(self.path))
        return made


class PassedSocketTests(_Sockets):
    """The side of sd_listen_fds(3)."""

    def setUp(self) -> None:
        """Expect both sockets."""
        super().setUp()
        self.expected = {"plugin_socket": self.path, "control_socket": self.path.with_name("control.sock")}

    def passed(self, given: socket.socket, **changes: str) -> socket.socket | None:
        """Have a socket passed under a number of its own, lest this process's third descriptor is taken."""
        descriptor = os.dup(given.fileno())
        self.patch(systemd, "_FIRST_DESCRIPTOR", descriptor)
        environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), **changes}
        try:
            found = systemd.passed_sockets(environ, os.getpid(), self.expected).get("plugin_socket")
        except ConfigurationError:
            os.close(descriptor)
            raise
        if found is None:
            os.close(descriptor)
        else:
            self.addCleanup(found.close)
        return found

    def test_taken(self) -> None:
        """A listening unix socket is taken, ready for a reactor."""
        listening = self.bound(socket.SOCK_STREAM)
        listening.listen()
        found = self.passed(listening)
        assert found is not None
        self.assertEqual(found.getsockname(), str(self.path))
        self.assertEqual((found.getblocking(), found.get_inheritable()), (False, False))

    def test_not_meant(self) -> None:
        """Variables for another process, or none at all, mean nothing."""
        listening = self.bound(socket.SOCK_STREAM)
        listening.listen()
        self.assertIsNone(self.passed(listening, LISTEN_PID="1"))
        self.assertEqual(systemd.passed_sockets({}, os.getpid(), self.expected), {})

    def test_wrong_number(self) -> None:
        """There has to be one, and there may be two."""
        listening = self.bound(socket.SOCK_STREAM)
        listening.listen()
        for count in ("3", "0", "", "x"):
            with self.assertRaisesRegex(ConfigurationError, "a ListenStream for plugin_socket"):
                self.passed(listening, LISTEN_FDS=count)

    def test_both(self) -> None:
        """They are told apart by the names of their files, whatever their order."""
        paths = [self.expected[key] for key in ("control_socket", "plugin_socket")]
        given = [self.bound(socket.SOCK_STREAM, str(path)) for path in paths]
        first = self.numbered(given)
        self.patch(systemd, "_FIRST_DESCRIPTOR", first)
        for each in given:
            each.listen()
        environ = {"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid())}
        found = systemd.passed_sockets(environ, os.getpid(), self.expected)
        for key, passed in found.items():
            self.addCleanup(passed.close)
            self.assertEqual(passed.getsockname(), str(self.expected[key]))
        self.assertEqual({*found}, {*self.expected})

    def numbered(self, given: list[socket.socket]) -> int:
        """Give sockets consecutive descriptors, and return the first."""
        first = 900
        for number, each in enumerate(given, first):
            os.dup2(each.fileno(), number)
        return first

    def test_not_listening(self) -> None:
        """A socket of another kind is refused."""
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with self.assertRaisesRegex(ConfigurationError, "not a listening unix socket"):
                self.passed(self.bound(kind))
            self.path.unlink()
        internet = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(internet.close)
        with self.assertRaisesRegex(ConfigurationError, "not a listening unix socket"):
            self.passed(internet)

    def test_another_name(self) -> None:
        """A socket by which Docker would find another driver is refused."""
        listening = self.bound(socket.SOCK_STREAM, f"{self.path}.other")
        listening.listen()
        with self.assertRaisesRegex(
            ConfigurationError, r"nuage\.sock\.other, but plugin_socket is .*nuage\.sock and control"
        ):
            self.passed(listening)

    def test_no_socket(self) -> None:
        """A descriptor of something else is refused."""
        with self.path.open("w") as file, self.assertRaisesRegex(ConfigurationError, "is not a socket"):
            self.passed(file)  # type: ignore[arg-type]

    def test_environment(self) -> None:
        """The environment is read as it was given, whatever was taken out of it since."""
        program = (
            "import os; from nuage.service.systemd import environment; del os.environ['LISTEN_FDS'];"
            "found = environment(); print(found['LISTEN_FDS'], found['EMPTY'] == '')"
        )
        environ = {"LISTEN_FDS": "1", "EMPTY": "", "PYTHONPATH": str(UNITS.parent.parent)}
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "1 True\n")


class ServedTests(TestCase):
    """A server on a socket that is not its own."""

    async def test_socket_stays(self) -> None:
        """It serves, and at its end leaves the file; a caller who comes then waits for the next server."""
        folder = tempfile.TemporaryDirectory(prefix="nuage-")
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "nuage.sock"
        with socket.socket(socket.AF_UNIX) as holder:
            holder.bind(str(path))
            path.chmod(0o600)
            holder.listen()
            holder.setblocking(False)
            await self.serve_once(path, holder.dup())
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            with socket.socket(socket.AF_UNIX) as early:
                early.connect(str(path))
                early.sendall(b"GET / HTTP/1.0\r\n\r\n")
                await self.serve_once(path, holder.dup())
                early.settimeout(5)
                self.assertEqual(early.recv(12), b"HTTP/1.0 404")

    async def serve_once(self, path: Path, passed: socket.socket) -> None:
        """Serve one request, then end."""
        calls = Calls(reactor, 5)
        server = PluginServer(reactor, path, PluginSite(Resource(), reactor), calls, passed)
        passed.setblocking(False)
        server.privilegedStartService()
        server.startService()
        await self.answered(path)
        await server.stopService()

    async def answered(self, path: Path) -> None:
        """Make a request and wait for the end of its answer."""
        ended: Deferred[None] = Deferred()

        class Client(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"GET / HTTP/1.0\r\n\r\n")

            def connectionLost(self, reason: Any = None) -> None:
                ended.callback(None)

        await UNIXClientEndpoint(reactor, str(path)).connect(Factory.forProtocol(Client))
        await ended


class StartTests(_Sockets):
    """The daemon as a process."""

    def test_wrong_socket(self) -> None:
        """A socket that is not the configured one ends the start with one message."""
        activation = Activation(self.path)
        self.addCleanup(activation.close)
        configuration = self.path.with_suffix(".yaml")
        configuration.write_text(f"plugin_socket: {self.path}.other\n")
        words = (*activation.wrapper, TWISTD, "-n", "--pidfile=", "nuage-plugin", "--config", configuration)
        done = subprocess.run(
            [str(word) for word in words], pass_fds=activation.descriptors, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 1)
        message = f"nuage-plugin: systemd passed the socket {self.path}, but plugin_socket is {self.path}.other and "
        self.assertTrue(done.stderr.startswith(message), done.stderr)


class AcceptTests(_Sockets):
    """Accepting connections."""

    def setUp(self) -> None:
        """Have a listening socket, and a reactor that only notes."""
        super().setUp()
        self.listening = self.bound(socket.SOCK_STREAM)
        self.listening.listen()
        self.listening.setblocking(False)
        self.reactor = _NotingReactor()
        self.accepting = PassedSocket(self.reactor, self.listening, ServerFactory())
        self.accepting.start()

    def test_accepts_all(self) -> None:
        """Who came is accepted, also one who has gone again; who did not come is not waited for."""
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.path))
        self.accepting.doRead()
        self.assertEqual(self.reactor.accepted, 3)
        self.assertEqual(self.reactor.readers, [self.accepting])
        self.accepting.stop()
        self.assertEqual(self.reactor.readers, [])

    def test_no_descriptors(self) -> None:
        """Where no connection can be accepted it pauses for a second instead of trying on, and says so once."""
        with capturedLogs() as events:
            for _ in range(3):
                self.fail_to_accept()
            self.reactor.failure = None
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.path))
                self.accepting.doRead()
        told = ["no connection can be accepted: [Errno 24] Too many open files", "connections are accepted again"]
        self.assertEqual([formatEvent(event) for event in events], told)
        self.accepting.stop()

    def fail_to_accept(self) -> None:
        """Have a connection fail, and the pause pass that follows."""
        self.reactor.failure = OSError(errno.EMFILE, "Too many open files")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))
            self.accepting.doRead()
        self.assertEqual(self.reactor.readers, [])
        self.reactor.advance(1)
        self.assertEqual(self.reactor.readers, [self.accepting])

    def test_stopped_in_pause(self) -> None:
        """A pause ends with the service."""
        self.test_no_descriptors_at_once()
        self.accepting.stop()
        self.assertEqual((self.reactor.readers, self.reactor.getDelayedCalls()), ([], []))

    def test_no_descriptors_at_once(self) -> None:
        """The listening socket itself may be what fails."""
        self.listening.close()
        self.accepting.doRead()
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)


class _NotingReactor(Clock):
    """The part of a reactor that accepting needs."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[object] = []
        self.accepted = 0
        self.failure: OSError | None = None

    def addReader(self, reader: object) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: object) -> None:
        self.readers = [each for each in self.readers if each is not reader]

    def adoptStreamConnection(self, descriptor: int, family: int, factory: ServerFactory) -> None:
        if self.failure is not None:
            raise self.failure
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            connection.getpeername()
        self.accepted += 1


class NoticesTests(_Sockets):
    """The side of sd_notify(3)."""

    def test_file(self) -> None:
        """Assignments go out in one datagram, each in a line of its own."""
        receiver = self.bound(socket.SOCK_DGRAM)
        systemd.Notices({"NOTIFY_SOCKET": str(self.path)}).send("READY=1", "STATUS=two\nlines\udc80")
        self.assertEqual(receiver.recv(100), b"READY=1\nSTATUS=two lines?")

    def test_abstract(self) -> None:
        """The socket may have an abstract name."""
        name = f"nuage-test-{os.getpid()}"
        receiver = self.bound(socket.SOCK_DGRAM, f"\0{name}")
        systemd.Notices({"NOTIFY_SOCKET": f"@{name}"}).send("READY=1")
        self.assertEqual(receiver.recv(100), b"READY=1")

    def test_lost(self) -> None:
        """Nobody there, nobody who takes it, nobody named: it neither fails nor waits."""
        systemd.Notices({}).send("READY=1")
        notices = systemd.Notices({"NOTIFY_SOCKET": str(self.path)})
        notices.send("READY=1")
        receiver = self.bound(socket.SOCK_DGRAM)
        for number in range(5000):
            notices.send(f"STATUS={number}")
        self.assertEqual(receiver.recv(100), b"STATUS=0")

    def test_watchdog_interval(self) -> None:
        """Signs of life are due twice as often as systemd misses them, if they are due from this process."""
        self.assertEqual(systemd.watchdog_interval({"WATCHDOG_USEC": "3000000"}, 7), 1.5)
        self.assertEqual(systemd.watchdog_interval({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 7), 1.5)
        for environ in (
            {},
            {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "soon"},
        ):
            self.assertIsNone(systemd.watchdog_interval(environ, 7))


class _Database:
    """A database that a test plays."""

    synced = False
    status = "not connected to unix:/db: refused"

    def watched(self) -> Watched:
        """Return it as the daemon watches it."""
        return Watched(
            key="vrs",
            name="the VRS",
            there=lambda: self.synced,
            status=lambda: self.status,
            remedy="start it",
            promise="Docker is served as soon as it is there",
            once=True,
        )


class _Controller:
    """A controller that a test plays."""

    connected: bool | None = None

    def watched(self) -> Watched:
        """Return it as the daemon watches it."""
        return Watched(
            key="controller",
            name="the controller",
            there=lambda: self.connected,
            status=lambda: "a controller is connected" if self.connected else "no controller",
            remedy="connect it",
            promise="containers start as soon as it is there",
            grace=6.0,
        )


class ReadinessTests(SynchronousTestCase):
    """When what is said."""

    def setUp(self) -> None:
        """Start the service."""
        self.clock = Clock()
        self.database = _Database()
        self.controller = _Controller()
        self.watched = [self.database.watched()]
        self.told: list[str] = []
        self.logged: list[tuple[Any, str]] = []
        observer = cast("ILogObserver", self.note)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def note(self, event: Any) -> None:
        """Keep an event of the log."""
        if event["log_namespace"].startswith("nuage."):
            self.logged.append((event["log_level"], formatEvent(event)))

    def started(self, watchdog: float | None = None) -> Readiness:
        """Return a service that has been started."""
        watches = [Watch(each, self.clock.seconds) for each in self.watched]
        readiness = Readiness(self.clock, watches, lambda *told: self.told.extend(told), watchdog)
        readiness.startService()
        return readiness

    def finish(self, readiness: Readiness) -> None:
        """End the service and see that it leaves nothing."""
        readiness.stopService()
        readiness.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_at_once(self) -> None:
        """Where the VRS is there, nothing is waited for: it is ready as soon as the tables are loaded."""
        readiness = self.started()
        self.database.synced, self.database.status = True, "the cache is current"
        readiness.look()
        self.assertEqual(self.told, ["STATUS=the cache is current", "READY=1"])
        self.clock.pump([1.0] * 5)
        self.assertEqual(self.told[2:], [])
        self.assertEqual(self.logged, [])
        self.finish(readiness)
        self.assertEqual(self.told[2], "STOPPING=1")
        readiness.look()
        self.assertEqual(len(self.told), 4)

    def test_waits(self) -> None:
        """Without a VRS it says so, once, and what is wrong, and says when it is there."""
        readiness = self.started()
        self.clock.pump([1.0] * 5)
        status = "waits for the VRS: not connected to unix:/db: refused"
        self.assertEqual(self.told, [f"STATUS={status}"])
        self.assertEqual(self.logged, [(LogLevel.warn, f"{status}; Docker is served as soon as it is there")])
        self.database.status = "this database is no VRS"
        self.clock.advance(1)
        self.assertEqual(self.told[1:], ["STATUS=waits for the VRS: this database is no VRS"])
        self.database.synced, self.database.status = True, "the cache is current"
        readiness.look()
        self.assertEqual(self.told[2:], ["STATUS=the cache is current", "READY=1"])
        self.assertEqual(self.logged[1:], [(LogLevel.info, "the VRS is there, after 5 s")])
        self.finish(readiness)

    def test_patience(self) -> None:
        """Docker's start is held up for half a minute, not for ever."""
        readiness = self.started()
        self.clock.pump([1.0] * 29)
        self.assertNotIn("READY=1", self.told)
        self.clock.advance(1)
        self.assertEqual(self.told[1:], ["READY=1"])
        self.finish(readiness)

    def test_outage(self) -> None:
        """A later outage is in the status; it is ready only once, and the log has it from elsewhere."""
        readiness = self.started()
        self.database.synced = True
        readiness.look()
        self.database.synced = False
        self.clock.advance(1)
        self.database.synced = True
        self.clock.advance(1)
        self.assertEqual(
            [told.partition("=")[2].partition(":")[0] for told in self.told if told.startswith("STATUS")],
            ["not connected to unix", "waits for the VRS", "not connected to unix"],
        )
        self.assertEqual(self.told.count("READY=1"), 1)
        self.assertEqual(self.logged, [])
        self.finish(readiness)

    def test_waits_for_the_controller(self) -> None:
        """It is ready once both are there. A role that is late is in the status, and not worth a line in the log."""
        self.watched.append(self.controller.watched())
        readiness = self.started()
        self.database.synced, self.database.status = True, "the cache is current"
        self.controller.connected = False
        readiness.look()
        self.assertEqual(self.told, ["STATUS=the cache is current; waits for the controller: no controller"])
        self.clock.pump([1.0] * 5)
        self.controller.connected = True
        self.clock.advance(1)
        self.assertEqual(self.told[1:], ["STATUS=the cache is current; a controller is connected", "READY=1"])
        self.assertEqual(self.logged, [])
        self.finish(readiness)

    def test_patience_with_the_controller(self) -> None:
        """Docker's start is not held up for longer than for the VRS, and both waits together are bounded."""
        self.watched.append(self.controller.watched())
        readiness = self.started()
        self.clock.pump([1.0] * 20)
        self.database.synced, self.controller.connected = True, False
        self.clock.pump([1.0] * 9)
        self.assertNotIn("READY=1", self.told)
        self.clock.advance(1)
        self.assertEqual(self.told[-1], "READY=1")
        self.finish(readiness)

    def test_lost_controller(self) -> None:
        """It is logged once when it goes and once when it comes. An outage of the database is not taken for one."""
        self.watched.append(self.controller.watched())
        self.database.synced = self.controller.connected = True
        readiness = self.started()
        readiness.look()
        self.database.synced, self.controller.connected = False, None
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.logged, [])
        self.database.synced, self.controller.connected = True, False
        self.clock.pump([1.0] * 20)
        away = "waits for the controller: no controller; containers start as soon as it is there"
        self.assertEqual(self.logged, [(LogLevel.warn, away)])
        self.controller.connected = None
        self.clock.advance(1)
        self.controller.connected = True
        self.clock.pump([1.0] * 5)
        self.assertEqual(self.logged[1:], [(LogLevel.info, "the controller is there, after 21 s")])
        self.controller.connected = False
        self.clock.pump([1.0] * 7)
        self.assertEqual(self.logged[2:], [(LogLevel.warn, away)])
        self.assertEqual(self.told.count("READY=1"), 1)
        self.finish(readiness)

    def test_what_is_not_needed(self) -> None:
        """It is in the status while it is away and keeps nothing from being ready. It has log lines of its own."""
        refused = "GET /networks: refused"
        there = False
        docker = Watched(
            key="docker", name="Docker", there=lambda: there, status=lambda: refused, remedy="do", needed=False
        )
        self.watched.append(docker)
        self.database.synced, self.database.status = True, "the cache is current."
        readiness = self.started()
        readiness.look()
        self.assertEqual(self.told, [f"STATUS=the cache is current; waits for Docker: {refused}", "READY=1"])
        there = True
        self.clock.advance(1)
        self.assertEqual(self.told[2:], ["STATUS=the cache is current"])
        self.assertEqual(self.logged, [])
        self.finish(readiness)

    def test_watchdog(self) -> None:
        """Signs of life are given from the start until the last call is finished."""
        readiness = self.started(watchdog=0.5)
        self.clock.pump([0.5] * 3)
        self.assertEqual(self.told.count("WATCHDOG=1"), 4)
        readiness.stopService()
        self.clock.advance(0.5)
        self.assertEqual(self.told.count("WATCHDOG=1"), 5)
        readiness.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class WatchedTests(SynchronousTestCase):
    """What the daemon looks at."""

    def watched(self, resolve_timeout: float) -> list[Watched]:
        """Return it for a configuration, before anything is started."""
        return Daemon(Clock(), Config(resolve_timeout=resolve_timeout), Machine()).watched()

    def test_names(self) -> None:
        """The controller is looked at where a container's start waits for it."""
        always = ["the VRS", "bridge alubr0", "Docker"]
        self.assertEqual([each.name for each in self.watched(10)], [*always[:2], "the controller", always[2]])
        self.assertEqual([each.name for each in self.watched(0)], always)

    def test_the_vsd(self) -> None:
        """It is looked at where there is one, and the start does not wait for it."""
        config = Config(vsd_url=("https://vsd:8443",), vsd_user="csproot", vsd_password="s3cret")
        *_, vsd = Daemon(Clock(), config, Machine()).watched()
        self.assertEqual((vsd.name, vsd.needed, vsd.there()), ("the VSD", False, None))
        self.assertEqual(vsd.status(), "the VSD was not asked yet")

    def test_nothing_is_known_yet(self) -> None:
        """A database that is away says nothing of a bridge and a controller, and Docker has not been asked."""
        self.assertEqual([each.there() for each in self.watched(10)], [False, None, None, None])


class UnitTests(SynchronousTestCase):
    """The units that ship."""

    def setUp(self) -> None:
        """Copy them, with the path of a program that is there."""
        if shutil.which("systemd-analyze") is None:
            if os.environ.get("CI") == "true":
                self.fail("systemd-analyze is not here")
            raise SkipTest("systemd-analyze is not here")
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        for unit in UNITS.iterdir():
            (self.folder / unit.name).write_text(unit.read_text().replace("/opt/nuage-plugin/bin/twistd", str(TWISTD)))

    def analyze(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run systemd-analyze on the copies."""
        return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, check=False)

    def test_verify(self) -> None:
        """Nothing is found wrong with them."""
        done = self.analyze("verify", *(str(unit) for unit in self.folder.iterdir()))
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_verify_finds_faults(self) -> None:
        """A misspelt directive would be found."""
        unit = self.folder / "nuage-plugin.service"
        unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHouse="))
        self.assertIn("ProtectHouse", self.analyze("verify", str(unit)).stderr)

    def test_security(self) -> None:
        """The service is exposed as little as it was measured, of 10."""
        unit = self.folder / "nuage-plugin.service"
        security = ("security", "--offline=true", f"--threshold={EXPOSURE}", str(unit))
        done = self.analyze(*security)
        self.assertEqual(done.returncode, 0, done.stdout)
        unit.write_text(unit.read_text().replace("CapabilityBoundingSet=", "#"))
        self.assertNotEqual(self.analyze(*security).returncode, 0, "more would not be noticed")

    def test_socket(self) -> None:
        """The socket is its owner's alone, and there before Docker."""
        socket_unit = (self.folder / "nuage-plugin.socket").read_text()
        for line in ("ListenStream=/run/docker/plugins/nuage.sock", "SocketMode=0600", "Before=docker.service"):
            self.assertIn(f"\n{line}\n", socket_unit)
