"""The command: what is said of a bad configuration, and where the log goes. ``twistd`` itself is run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as NotListening
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

import nuage
from lab.shell import wait_until
from nuage.model import Endpoint
from nuage.service.logs import observer
from nuage.tap import Options
from tests.driver_support import ENDPOINT, NETWORK
from tests.http_support import Client, asynchronous, connect, post, post_json
from tests.test_docker_engine import Daemon, http
from tests.vrs_support import BRIDGE, Vrs, demand_programs

reactor = cast(Any, _reactor)
#: What a daemon prints when it hangs.
HANGS = "it hangs now"
RECORD = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="7a:42:00:00:00:01", address=None).to_record()
JOIN = post_json(
    "NetworkDriver.Join", {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": "/x", "Options": {}}
)
LEAVE = post_json("NetworkDriver.Leave", {"NetworkID": NETWORK, "EndpointID": ENDPOINT})
PROJECT = Path(nuage.__file__).parent.parent
#: What of Twisted's own is heard from Warn on: it tells of each connection and each attempt to make one.
TALKATIVE = ("twisted.web.client._HTTP11ClientFactory", "twisted.application._client_service.ClientService")


class _Daemon(ProcessProtocol):
    """A running ``twistd``, what it prints, and the signal that it ends by."""

    def __init__(self) -> None:
        self.output = ""
        self.ended: Deferred[int | None] = Deferred()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        cast(Any, self.transport).signalProcess(number)

    def kill(self) -> None:
        """End it, whatever it does."""
        if not self.ended.called:
            self.signal(signal.SIGKILL)

    def childDataReceived(self, _descriptor: int, data: bytes) -> None:
        self.output += data.decode()

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(cast(Any, reason.value).signal)


class CommandCase(TestCase):
    """A folder with a configuration, and the command in it."""

    timeout = 30
    #: Python that is run before the command, to break something in it.
    prelude = "pass"

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="nuage")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.socket = self.folder / "nuage.sock"
        self.config = self.folder / "nuage.yaml"

    def configure(self, **values: object) -> None:
        """Write a configuration of a daemon that finds neither switch nor Docker."""
        defaults = {
            "plugin_socket": self.socket,
            "control_socket": self.folder / "control.sock",
            "VrsEndpoint": f"unix:{self.folder / 'no-db.sock'}",
            "DockerEndpoint": f"unix://{self.folder / 'no-docker.sock'}",
        }
        self.config.write_text("".join(f"{key}: {value}\n" for key, value in {**defaults, **values}.items()))

    def argv(self, *twistd: str) -> list[str]:
        """Return the command line."""
        script = f"{self.prelude}; import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
        return [sys.executable, "-c", script, *twistd, "nuage-plugin", f"--config={self.config}"]

    @property
    def environ(self) -> dict[str, str]:
        """The command's environment."""
        return {**os.environ, "PYTHONPATH": str(PROJECT)}

    def run_command(self, *twistd: str) -> subprocess.CompletedProcess[str]:
        """Run a command that has to end by itself."""
        return subprocess.run(
            self.argv(*twistd),
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    async def connected(self) -> Client:
        """Connect to the daemon, whose socket has its name a moment before it is listened on."""
        while True:
            try:
                return await connect(reactor, self.socket)
            except NotListening:  # noqa: PERF203
                await deferLater(reactor, 0.01)

    async def started(self, *twistd: str) -> _Daemon:
        """Run the daemon until its reactor runs."""
        daemon = _Daemon()
        argv = self.argv("-n", *twistd)
        reactor.spawnProcess(daemon, argv[0], argv, self.environ, str(self.folder))
        self.addCleanup(daemon.kill)
        while not self.socket.exists() and not daemon.ended.called:
            await deferLater(reactor, 0.01)
        assert not daemon.ended.called, daemon.output
        # It listens before the reactor runs, which takes signals.
        client = await self.connected()
        assert (await client.ask(post("Plugin.Activate", b""))).status == 200
        client.hang_up()
        return daemon

    async def served(self, *twistd: str) -> _Daemon:
        """Run the daemon until it listens, then end it; it has to end well and remove its socket."""
        daemon = await self.started(*twistd)
        client = await self.connected()
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended == signal.SIGTERM, daemon.output
        await client.lost
        assert not self.socket.exists()
        return daemon


class BadStart(CommandCase):
    """A start that ends with one message."""

    def assert_refused(self, done: subprocess.CompletedProcess[str], *parts: str) -> None:
        """Assert that the start failed, and that its message, no traceback, has these parts."""
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "Traceback" not in said
        assert "Usage" not in said
        for part in parts:
            assert said.count(part) == 1, said
        assert not self.socket.exists() or not self.socket.is_socket()

    def test_every_problem_of_the_file_is_told_at_once(self) -> None:
        """In the foreground and as a daemon."""
        self.configure(LogLevel="loud", mtu=1, foo=1)
        for twistd in ((), ("-n",)):
            self.assert_refused(
                self.run_command(*twistd),
                f"{self.config}: 3 problems\n",
                "line 5: LogLevel: 'loud' is not allowed; allowed is Debug, Info, Warn, Error or Critical",
                "line 6: mtu: 1 is not allowed",
                'line 7: unknown key "foo"',
            )

    def test_a_file_that_is_missing(self) -> None:
        """It is named."""
        self.assert_refused(self.run_command("-n"), f"{self.config}: cannot be read: No such file or directory")

    def test_a_file_that_is_no_yaml(self) -> None:
        """Line and column are told."""
        self.config.write_text("a: [\n")
        self.assert_refused(self.run_command("-n"), f"{self.config}, line 2, column 1: is not YAML")

    def test_a_socket_that_cannot_be_made(self) -> None:
        """In the foreground the message is all there is; a daemon tells it to the process that started it."""
        self.configure()
        self.socket.write_text("precious")
        message = f"plugin_socket: {self.socket} exists and is not a socket"
        self.assert_refused(self.run_command("-n"), message)
        self.assert_refused(self.run_command("--logfile=the.log"), message[:60])
        assert self.socket.read_text() == "precious"
        # Its parent, which has told the message, does not wait for its end.
        wait_until("the daemon is gone", lambda: not self.run_pid_alive(), 10)

    def run_pid_alive(self) -> bool:
        """Tell whether the daemon that wrote its number, if one did, lives."""
        number = self.folder / "twistd.pid"
        return number.exists() and Path(f"/proc/{number.read_text()}").exists()

    def test_the_options_class_alone(self) -> None:
        """The message is all that is printed."""
        self.configure(Scope="planet")
        with self.assertRaisesRegex(SystemExit, "^nuage-plugin: .*: 1 problem\\n  line 5: Scope: 'planet' is"):
            Options().parseOptions([f"--config={self.config}"])


class DryRuns(CommandCase):
    """What a dry run prints, and its exit status."""

    def network(self, **changes: object) -> dict[str, object]:
        """Return a network as Docker lists it; the driver is named after the socket."""
        options = {"organization": "E", "user": "u", "domain": "D"}
        whole = {"Id": "a" * 64, "Name": "x", "Driver": "nuage", "Options": options}
        return {**whole, "IPAM": {"Config": [{"Subnet": "10.21.59.7/24"}]}, **changes}

    def beside(self, networks: object = None, *, switch: bool = True) -> None:
        """Configure it for a switch, and for a Docker with these networks, unless there is to be none."""
        places = {}
        if switch:
            vrs = Vrs()
            self.addCleanup(vrs.stop)
            places["VrsEndpoint"] = vrs.remote
        if networks is not None:
            path = self.folder / "docker.sock"
            daemon = Daemon(lambda target: http(networks if target == "/networks" else []))
            self.addCleanup(reactor.listenUNIX(str(path), daemon).stopListening)
            places["DockerEndpoint"] = f"unix://{path}"
        self.configure(vrs_timeout=2, **places)

    async def dry_run(self, *twistd: str) -> tuple[list[str], int]:
        """Return what it prints and its exit status."""
        argv = [*self.argv(*twistd), "--dry-run"]
        out, err, status = await getProcessOutputAndValue(argv[0], argv[1:], self.environ, str(self.folder))
        assert err == b"", err
        return out.decode().splitlines(), status

    @asynchronous
    async def test_all_is_compared(self) -> None:
        """The proposals are printed, also without ``-n``; host bits of a subnet are no obstacle."""
        self.beside([self.network()])
        done = ([f"would learn network {'a' * 64} from Docker", "1 proposals; nothing was done"], 0)
        assert await self.dry_run("-n") == done
        assert await self.dry_run() == done

    @asynchronous
    async def test_a_network_that_cannot_be_read(self) -> None:
        """It is named and left out; the others are compared."""
        bad = self.network(Id="b" * 64, Name="bad", IPAM={"Config": [{"Subnet": "10.0.0.0/99"}]})
        self.beside([bad, self.network()])
        lines, status = await self.dry_run("-n")
        assert lines[0].startswith(f'passed over: what Docker says of network "bad" ({"b" * 64}) cannot be read')
        assert lines[1:] == [f"would learn network {'a' * 64} from Docker", "1 proposals; nothing was done"]
        assert status == 0

    @asynchronous
    async def test_without_docker(self) -> None:
        """What was compared is printed; that this is not all is told, and is a failure."""
        self.beside()
        lines, status = await self.dry_run("-n")
        assert lines[0] == "0 proposals; nothing was done"
        assert lines[1].startswith("no complete audit: Docker at unix://")
        assert (len(lines), status) == (2, 1)

    @asynchronous
    async def test_without_a_switch(self) -> None:
        """It is a failure, with its reason."""
        self.beside([], switch=False)
        lines, status = await self.dry_run("-n")
        assert len(lines) == 1
        assert lines[0].startswith("no audit: the switch's database at unix:")
        assert status == 1


class Version(CommandCase):
    """``--version``."""

    def test_version(self) -> None:
        """It is the plugin's, and needs no configuration."""
        done = subprocess.run(
            [*self.argv()[:-1], "--version"], env=self.environ, capture_output=True, text=True, timeout=20, check=False
        )
        self.assertEqual((done.returncode, done.stdout), (0, f"nuage-plugin {nuage.__version__}\n"), done.stderr)


class Logging(CommandCase):
    """LogLevel and the log's place."""

    @asynchronous
    async def test_the_log_goes_to_the_terminal_in_the_foreground(self) -> None:
        """What was configured is told, and where it listens."""
        self.configure()
        daemon = await self.served()
        assert f"listening on {self.socket}" in daemon.output
        assert "scope global" in daemon.output
        assert "Traceback" not in daemon.output
        assert not (self.folder / "twistd.log").exists()

    @asynchronous
    async def test_a_logfile(self) -> None:
        """It takes everything."""
        self.configure()
        daemon = await self.served("--logfile=the.log")
        assert daemon.output == ""
        log = (self.folder / "the.log").read_text()
        assert f"listening on {self.socket}" in log
        assert "Traceback" not in log

    @asynchronous
    async def test_the_level_is_honoured(self) -> None:
        """Errors only: nothing at all is said by a daemon that does well."""
        self.configure(LogLevel="Error")
        assert (await self.served()).output == ""

    @asynchronous
    async def test_warnings_without_information(self) -> None:
        """That there is no switch is one."""
        self.configure(LogLevel="warn")
        daemon = await self.served()
        assert "#warn]" in daemon.output
        assert "#info]" not in daemon.output

    @asynchronous
    async def test_debugging(self) -> None:
        """It includes everything else."""
        self.configure(LogLevel="Debug")
        assert f"listening on {self.socket}" in (await self.served()).output

    def test_each_level_lets_through_what_is_as_grave(self) -> None:
        """In a file, as the daemon writes it."""
        levels = (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical)
        for number, name in enumerate(("Debug", "Info", "Warn", "Error", "Critical")):
            path = self.folder / name
            log = observer({"logfile": str(path)}, name)
            for level in levels:
                for namespace in ("nuage.x", *TALKATIVE):
                    event = {"log_level": level, "log_namespace": namespace, "log_format": level.name, "log_time": 0}
                    log(cast(Any, event))
            written = path.read_text().splitlines()
            ours = [line.split()[-1] for line in written if "nuage.x" in line]
            assert ours == [level.name for level in levels[number:]]
            for namespace in TALKATIVE:
                theirs = [line.split()[-1] for line in written if namespace in line]
                assert theirs == [level.name for level in levels[max(number, 2) :]]

    def kill(self, pidfile: Path) -> None:
        """End a daemon that the test did not end."""
        if pidfile.exists():
            os.kill(int(pidfile.read_text()), signal.SIGKILL)

    @asynchronous
    async def test_a_daemon_in_the_background(self) -> None:
        """Its log is twistd.log where none is named; it ends at SIGTERM."""
        self.configure()
        done = self.run_command("--pidfile=the.pid")
        pidfile = self.folder / "the.pid"
        self.addCleanup(self.kill, pidfile)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert self.socket.is_socket()
        assert f"listening on {self.socket}" in (self.folder / "twistd.log").read_text()
        client = await connect(reactor, self.socket)
        assert (await client.ask(post("Plugin.Activate", b""))).status == 200
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
        await client.lost
        while self.socket.exists() or pidfile.exists():
            await deferLater(reactor, 0.01)


class Signals(CommandCase):
    """Signals about the log: none of them ends the daemon."""

    async def send(self, daemon: _Daemon, *numbers: signal.Signals, makes: Path | None = None) -> None:
        """Send signals to a daemon, which make a file, and then a call, which leaves a line in the log."""
        for number in numbers:
            daemon.signal(number)
        while makes is not None and not makes.exists() and not daemon.ended.called:
            await deferLater(reactor, 0.01)
        client = await connect(reactor, self.socket)
        assert (await client.ask(post("Plugin.Activate", b""))).status == 200
        client.hang_up()

    @asynchronous
    async def test_a_logfile(self) -> None:
        """SIGUSR1 begins a new one, SIGHUP has it opened again after somebody renamed it."""
        self.configure()
        daemon = await self.started("--logfile=the.log")
        log, line = self.folder / "the.log", "Plugin.Activate"
        await self.send(daemon)
        lines = log.read_text().count(line)
        await self.send(daemon, signal.SIGUSR1, makes=self.folder / "the.log.1")
        assert (self.folder / "the.log.1").read_text().count(line) == lines
        assert log.read_text().count(line) == 1
        log.rename(self.folder / "renamed.log")
        await self.send(daemon, signal.SIGHUP, makes=log)
        assert (self.folder / "renamed.log").read_text().count(line) == 1
        assert log.read_text().count(line) == 1
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended == signal.SIGTERM

    @asynchronous
    async def test_a_folder_that_is_gone(self) -> None:
        """The log goes on where it was, says so, and is back when the folder is."""
        folder, moved = self.folder / "logs", self.folder / "moved"
        folder.mkdir()
        self.configure()
        daemon = await self.started("--logfile=logs/the.log")
        folder.rename(moved)
        await self.send(daemon, signal.SIGHUP, signal.SIGUSR1)
        await self.send(daemon, signal.SIGHUP)
        text = (moved / "the.log").read_text()
        assert text.count(f"the log stays where it was: {folder / 'the.log'} cannot be opened: No such file") == 2, text
        assert text.count("Plugin.Activate") == 3, text
        folder.mkdir()
        await self.send(daemon, signal.SIGHUP, makes=folder / "the.log")
        assert (folder / "the.log").read_text().count("Plugin.Activate") == 1
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended == signal.SIGTERM

    @asynchronous
    async def test_a_log_that_is_no_file(self) -> None:
        """Nothing happens."""
        self.configure()
        daemon = await self.started()
        await self.send(daemon, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP)
        assert "Traceback" not in daemon.output
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended == signal.SIGTERM
        assert not self.socket.exists()


class Ending(CommandCase):
    """SIGTERM while something hangs: the daemon ends a second after the longest deadline at the latest."""

    settings: dict[str, object] = {}  # noqa: RUF012
    #: Signals that are sent while it ends.
    repeated: tuple[signal.Signals, ...] = ()

    async def end(self, *, hangs: str = HANGS) -> tuple[_Daemon, float]:
        """End a daemon in the middle of a Leave, when it has said ``hangs``; return it and the seconds that it took."""
        self.configure(call_timeout=2, vrs_timeout=1, wire_timeout=0.1, resolve_timeout=0, **self.settings)
        daemon = await self.started()
        client = await connect(reactor, self.socket)
        cast(Any, client.transport).write(LEAVE)
        while hangs not in daemon.output:
            await deferLater(reactor, 0.01)
        began = reactor.seconds()
        daemon.signal(signal.SIGTERM)
        while self.socket.exists():
            await deferLater(reactor, 0.01)
        assert reactor.seconds() - began < 0.5
        for number in self.repeated:
            daemon.signal(number)
        await daemon.ended
        return daemon, reactor.seconds() - began

    @asynchronous
    async def test_calls_that_hang(self) -> None:
        """Those that do not even end when they are cancelled are named."""
        self.prelude = f"import tests.hanging; tests.hanging.calls({HANGS!r})"
        daemon, seconds = await self.end()
        assert 2 < seconds < 3.2, daemon.output
        assert f"NetworkDriver.Leave network={NETWORK[:12]} endpoint={ENDPOINT[:12]} does not end and is cut off" in (
            daemon.output
        )
        assert "Traceback" not in daemon.output

    @asynchronous
    async def test_signals_while_it_ends(self) -> None:
        """They are passed over, and it ends by the first one."""
        self.prelude = f"import tests.hanging; tests.hanging.calls({HANGS!r})"
        self.repeated = (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
        daemon, seconds = await self.end()
        assert 2 < seconds < 3.2, daemon.output
        assert daemon.output.count("shutting down") == 1, daemon.output
        assert "Traceback" not in daemon.output, daemon.output
        assert daemon.ended.result == signal.SIGTERM

    @asynchronous
    async def test_calls_that_wait_for_the_switch(self) -> None:
        """One that is not there, and one that takes connections and is silent: nothing has to be cut off."""
        for listening in (False, True):
            with socket.socket(socket.AF_UNIX) as silent:
                if listening:
                    silent.bind(str(self.folder / "no-db.sock"))
                    silent.listen()
                daemon, seconds = await self.end(hangs="is being loaded" if listening else "no connection to")
                assert seconds < 2, daemon.output
                assert "cut off" not in daemon.output
                assert "forced" not in daemon.output

    @asynchronous
    async def test_a_thread_that_hangs_in_the_kernel(self) -> None:
        """A request about links that is never answered."""
        self.prelude = f"import tests.hanging; tests.hanging.links({HANGS!r})"
        daemon, seconds = await self.end()
        assert 2 < seconds < 3.2, daemon.output
        assert "a request to the kernel about links does not end and is cut off" in daemon.output

    @asynchronous
    async def test_a_name_that_is_looked_up(self) -> None:
        """The reactor waits for its own threads, and is not waited for."""
        self.prelude = f"import tests.hanging; tests.hanging.names({HANGS!r})"
        self.settings = {"VrsEndpoint": "tcp:vrs.example:6640"}
        daemon, seconds = await self.end()
        assert seconds < 3.2, daemon.output
        assert "the end is forced; what hangs: MainThread in " in daemon.output
        assert "in _hang (" in daemon.output


class SteppedClock(CommandCase):
    """The time of day is set back by an hour."""

    #: libfaketime of Debian 13 makes a thread and the reactor slow if both want the interpreter, as they do while the
    #: thread loads this.
    prelude = "import pyroute2"

    def setUp(self) -> None:
        super().setUp()
        self.offset = self.folder / "offset"
        self.vrs = Vrs()
        self.addCleanup(self.vrs.stop)

    @property
    def environ(self) -> dict[str, str]:
        """The command's environment, in which the time of day is off by what the file says."""
        return {
            **super().environ,
            "LD_PRELOAD": str(demand_library("libfaketime.so.1")),
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    async def happens(self, what: Callable[[], int], seconds: float) -> None:
        """Wait until something that is counted happens once more; it has so many seconds for it."""
        before, end = what(), reactor.seconds() + seconds
        while what() == before:
            assert reactor.seconds() < end, what
            await deferLater(reactor, 0.01)

    @asynchronous
    async def test_what_is_timed_goes_on(self) -> None:
        """Audits, deadlines, and the connection to a switch that is restarted."""
        self.offset.write_text("+0s")
        self.configure(VrsEndpoint=self.vrs.remote, audit_interval=0.5, vrs_timeout=0.5)
        docker: Any = Factory.forProtocol(_Docker)
        docker.asked = 0
        self.addCleanup(reactor.listenUNIX(str(self.folder / "no-docker.sock"), docker).stopListening)
        # Each audit asks Docker for an endpoint that is known.
        self.vrs.vsctl("set", "bridge", BRIDGE, f"external_ids:nuage-endpoint-{ENDPOINT}={json.dumps(RECORD)}")
        daemon = await self.started()
        await self.happens(lambda: docker.asked, 5)
        assert _an_hour_ago() not in daemon.output
        stamps = {_an_hour_ago()}
        self.offset.write_text("-3600s")
        for _ in range(3):
            await self.happens(lambda: docker.asked, 5)
        self.vrs.end("ovsdb-server")
        client = await connect(reactor, self.socket)
        began = reactor.seconds()
        cast(Any, client.transport).write(JOIN)
        assert "could not be used within 0.5 s" in (await client.answer()).json()["Err"]
        assert reactor.seconds() - began < 3
        stamps.add(_an_hour_ago())
        assert any(stamp in daemon.output for stamp in stamps), daemon.output
        self.vrs.start_database()
        await self.happens(lambda: daemon.output.count("the cache is current"), 10)
        await self.happens(lambda: docker.asked, 5)
        daemon.signal(signal.SIGTERM)
        await daemon.ended


def _an_hour_ago() -> str:
    """Return the beginning of the log's time stamps of an hour ago."""
    return time.strftime("%Y-%m-%dT%H:", time.gmtime(time.time() - 3600))


class _Docker(Protocol):
    """A Docker that is asked and closes the connection."""

    def connectionMade(self) -> None:
        cast(Any, self.factory).asked += 1
        cast(Any, self.transport).loseConnection()


def demand_library(name: str) -> Path:
    """Return a library of libfaketime; skip the test where it is missing, except in continuous integration."""
    for path in Path("/usr/lib").glob(f"*/faketime/{name}"):
        return path
    demand_programs(("faketime's library",))
    raise AssertionError(f"{name} is missing")
