"""``nuage-plugin``, the operator's command: what it shows, and what it exits with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, cast

import attrs
from rich.console import RenderableType
from twisted.internet import reactor as _reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import IResource

from nuage import cli
from nuage.audit import rules
from nuage.audit.auditor import Account, Findings
from nuage.cli import output
from nuage.cli.lists import _endpoints
from nuage.cli.main import commands, main
from nuage.cli.status import drawn
from nuage.libnetwork.server import PluginSite
from nuage.status.audits import Audits
from nuage.status.control import ControlServer, Status, tree
from nuage.status.log_level import LogLevel
from nuage.status.report import AuditSeen, Report, State
from nuage.status.times import Times
from nuage.text import age
from tests.driver_support import ENDPOINT, NETWORK
from tests.http_support import asynchronous
from tests.report_support import (
    BRIDGE,
    CONTROLLER,
    DOCKER,
    ENDPOINT_SEEN,
    NETWORK_SEEN,
    NOW,
    PARTS,
    PROBLEM,
    VRS,
    many,
    report,
)

reactor = cast(Any, _reactor)
PROJECT = Path(cli.__file__).parents[2]


def lines(content: RenderableType) -> list[str]:
    """Return what is printed of a table where the output is no terminal."""
    printed = output.console()
    printed.file = StringIO()
    printed.print(content)
    return [line.rstrip() for line in printed.file.getvalue().splitlines()]


def status_of(**changes: Any) -> dict[str, str]:
    """Return the lines of a status by their first words; what goes on is joined."""
    found: dict[str, str] = {}
    name = ""
    for line in lines(drawn(report(**changes).to_json()))[1:]:
        name = line[:12].strip() or name
        found[name] = (found.get(name, "") + "\n" + line[12:]).strip("\n")
    return found


class StatusLines(SynchronousTestCase):
    """What ``status`` shows."""

    def test_well(self) -> None:
        """At a glance."""
        self.assertEqual(
            lines(drawn(report().to_json())),
            [
                "nuage-plugin 1.1.0  up 3 d 4 h  scope local  pid 812",
                "VRS         connected  unix:/db.sock",
                "Bridge      there  alubr0",
                "Controller  connected",
                "Docker      26.1.5  API 1.45  answers in 2 ms  unix:///docker.sock",
                "VSD         not configured",
                "Networks    1",
                "Endpoints   1 resolved",
                "Audit       12 s ago: nothing to do; repaired since start: nothing",
                "Clean-up    nothing pending",
                "Problems    none",
            ],
        )

    def test_parts(self) -> None:
        """What came back, what is away, what nobody knows."""
        back = attrs.evolve(VRS, returns=2, returned=NOW - 6 * 3600)
        self.assertEqual(status_of(parts=(back,))["VRS"], "connected  unix:/db.sock  2 reconnects, last 6 h ago")
        away = (
            attrs.evolve(VRS, there=False, status="not connected: refused"),
            attrs.evolve(BRIDGE, there=None),
            attrs.evolve(CONTROLLER, there=None),
            attrs.evolve(DOCKER, there=None),
        )
        shown = status_of(parts=away)
        self.assertEqual(shown["VRS"], "away for 1 min 30 s: not connected: refused")
        self.assertEqual({shown["Bridge"], shown["Controller"]}, {"unknown while the VRS is away"})
        self.assertEqual(shown["Docker"], "not asked yet")
        proxied = attrs.evolve(DOCKER, details={"server": "nginx", "seconds": None})
        self.assertEqual(status_of(parts=(proxied,))["Docker"], "answers  unix:///docker.sock")
        self.assertEqual(status_of(parts=PARTS[:2])["Controller"], "not needed: resolve_timeout is 0")

    def test_endpoints(self) -> None:
        """Those that are not resolved have names, the newest first, but not all of them."""
        waiting = attrs.evolve(ENDPOINT_SEEN, container="web-7", state=State.WAITING, since=NOW - 4)
        nameless = attrs.evolve(waiting, container=None, since=NOW - 5)
        gone = attrs.evolve(waiting, state=State.REFUSED, gone=True)
        shown = status_of(endpoints=(ENDPOINT_SEEN, nameless, waiting, gone))["Endpoints"]
        self.assertEqual(shown, f"1 resolved, 2 waiting (web-7, 4 s; {ENDPOINT[:12]}, 5 s)")
        shown = status_of(endpoints=many(40, state=State.REFUSED))["Endpoints"]
        self.assertEqual(shown, "40 refused (web-0, 1 min; web-1, 1 min; web-2, 1 min; …)")
        self.assertEqual(status_of(endpoints=())["Endpoints"], "none")

    def test_audit(self) -> None:
        """None yet, what it found, why it failed, what it did."""
        self.assertEqual(status_of(audit=AuditSeen())["Audit"], "none yet")
        did = AuditSeen(last=NOW - 1, proposals=("x", "y"), repairs={"restore": 2, "remove_link": 1})
        self.assertEqual(
            status_of(audit=did)["Audit"],
            "1 s ago: 2 things to do or to judge; repaired since start: 3 (1 link removed, 2 endpoints put back)",
        )
        failed = AuditSeen(last=NOW, problem="Docker is silent")
        self.assertEqual(
            status_of(audit=failed)["Audit"], "0 s ago: failed: Docker is silent; repaired since start: nothing"
        )

    def test_problems(self) -> None:
        """Each with its remedy; of many only some."""
        shown = status_of(problems=(PROBLEM,), cleanup=("a", "b"))
        self.assertEqual(shown["Problems"], f"{PROBLEM.text}\n  → {PROBLEM.remedy}")
        self.assertEqual(shown["Clean-up"], "2 pending")
        many_shown = status_of(problems=(PROBLEM,) * 12)["Problems"].splitlines()
        self.assertEqual((len(many_shown), many_shown[-1]), (21, "… and 2 more: nuage-plugin status --json"))

    def test_each_repair_has_words(self) -> None:
        """Also one that is new."""
        kinds = {rules.kind_of(cast(Any, kind.__new__(kind))) for kind in rules.Proposal.__args__}
        told = {rules.kind_of(cast(Any, kind.__new__(kind))) for kind in rules.TOLD}
        self.assertEqual({*cli.status._REPAIRS}, kinds - told)


class Tables(SynchronousTestCase):
    """Lists."""

    def test_hostile_names(self) -> None:
        """They are shown as they are, without what a terminal would obey."""
        endpoint = attrs.evolve(ENDPOINT_SEEN, container="[red]x[/red]:smile:", reason="\x1b[31mred\x07")
        content = report(endpoints=(endpoint,)).to_json()
        (_, row) = lines(_endpoints(content))
        self.assertIn("[red]x[/red]:smile:", row)
        self.assertTrue(row.endswith("\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"), row)

    def test_age(self) -> None:
        """The two largest units."""
        ages = {0: "0 s", -1: "0 s", 59.9: "59 s", 60: "1 min", 61: "1 min 1 s", 3600: "1 h", 90061: "1 d 1 h"}
        self.assertEqual({seconds: age(seconds) for seconds in ages}, ages)
        self.assertEqual(age(86400 + 5), "1 d")


class _PlayedAuditor:
    """An auditor whose findings a test sets."""

    def __init__(self) -> None:
        self.account = Account()
        self.findings = Findings(proposals=[])

    async def look(self) -> Findings:
        return self.findings


class _PlayedLog:
    def __init__(self) -> None:
        self.word = "Info"

    def level(self) -> str:
        return self.word

    def set_level(self, level: str) -> None:
        self.word = level


class CommandCase(TestCase):
    """The command, as a process, and a control socket that is served from a report."""

    timeout = 60

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="nuage")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.socket = self.folder / "control.sock"
        self.report = report()
        self.auditor = _PlayedAuditor()
        self.log = _PlayedLog()

    def make_report(self) -> Report:
        """Return the test's report."""
        return self.report

    def resource(self) -> IResource:
        """Return what is served."""
        audits = Audits(Times(reactor, lambda: NOW), cast(Any, self.auditor))
        others = {"audit": audits.resource(), "log-level": LogLevel(self.log).resource()}
        return tree(Status(self.make_report), others)

    def serve(self) -> None:
        """Serve the control socket until the end of the test."""
        server = ControlServer(reactor, self.socket, PluginSite(self.resource(), reactor))
        server.privilegedStartService()
        server.startService()
        self.addCleanup(server.stopService)

    async def run_command(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the command until it ends by itself. Where it asks, nobody answers."""
        return await deferToThread(
            subprocess.run,
            [sys.executable, "-c", "from nuage.cli.main import main; main()", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    async def asked(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command on the served socket."""
        return await self.run_command(f"--socket={self.socket}", *words)


class Command(CommandCase):
    """What it exits with and prints."""

    @asynchronous
    async def test_status(self) -> None:
        """0 if all is well, 1 if not; JSON is the report itself."""
        self.serve()
        done = await self.asked("status")
        assert (done.returncode, done.stderr) == (0, "")
        shown = [line.rstrip() for line in done.stdout.splitlines()]
        assert shown == lines(drawn(self.report.to_json()))
        self.report = report(problems=(PROBLEM,))
        done = await self.asked("status", "--json")
        assert (done.returncode, json.loads(done.stdout)) == (1, self.report.to_json())

    @asynchronous
    async def test_lists(self) -> None:
        """Endpoints, those of one state, and networks."""
        self.serve()
        self.report = report(endpoints=(ENDPOINT_SEEN, *many(1, state=State.REFUSED, reason="no")))
        done = await self.asked("endpoints")
        title, *rows = done.stdout.splitlines()
        assert (done.returncode, len(rows), title.split()[0]) == (1, 2, "ENDPOINT")
        assert rows[0].split()[:3] == [ENDPOINT[:12], "web", NETWORK[:12]]
        assert "Subnet 2" in rows[0] and "front (label)" in rows[0]
        done = await self.asked("endpoints", "--state", "resolved", "--json")
        assert (done.returncode, [each["id"] for each in json.loads(done.stdout)]) == (0, [ENDPOINT])
        done = await self.asked("networks")
        assert (done.returncode, done.stdout.splitlines()[1].split()[:2]) == (
            0,
            [NETWORK[:12], NETWORK_SEEN.organization],
        )
        assert "10.21.59.1" in done.stdout
        self.report = report(networks=(attrs.evolve(NETWORK_SEEN, gwbridge=True),))
        done = await self.asked("networks")
        assert "docker_gwbridge" in done.stdout
        assert "10.21.59.1" not in done.stdout

    @asynchronous
    async def test_audit(self) -> None:
        """The last one, and one that looks now."""
        self.serve()
        done = await self.asked("audit")
        assert (done.returncode, done.stdout) == (0, "no audit has ended yet\n")
        self.auditor.findings = Findings(proposals=[rules.Forget(ENDPOINT)])
        done = await self.asked("audit", "--now")
        assert done.returncode == 1
        assert done.stdout.splitlines()[1:] == [f"  would remove endpoint {ENDPOINT}, which Docker does not know"]
        done = await self.asked("audit", "--now", "--json")
        assert json.loads(done.stdout)["proposals"][0]["kind"] == "forget"

    @asynchronous
    async def test_log_level(self) -> None:
        """It is shown and changed; a level that does not exist is refused with its remedy."""
        self.serve()
        assert (await self.asked("log-level")).stdout == "Log level  Info\n"
        assert (await self.asked("log-level", "debug", "--json")).stdout == '{\n  "level": "Debug"\n}\n'
        assert self.log.word == "Debug"
        done = await self.asked("log-level", "lots")
        assert (done.returncode, done.stdout, self.log.word) == (1, "", "Debug")
        assert done.stderr.startswith('nuage-plugin: log level "lots" is unknown; '), done.stderr

    @asynchronous
    async def test_watch(self) -> None:
        """A line of JSON each time, until it is interrupted."""
        self.serve()

        def watched() -> list[Any]:
            words = (f"--socket={self.socket}", "networks", "--json", "--watch")
            # A shell has its jobs in the background ignore the interruption.
            heeding = (
                "from signal import *; signal(SIGINT, default_int_handler); from nuage.cli.main import main; main()"
            )
            command = [sys.executable, "-c", heeding, *words]
            with subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE
            ) as it:
                assert it.stdout is not None
                try:
                    return [json.loads(it.stdout.readline()) for _ in range(2)]
                finally:
                    it.send_signal(signal.SIGINT)
                    it.wait(10)
                    self.status = it.returncode

        first, second = await deferToThread(watched)
        assert first == second == self.report.to_json()["networks"]
        assert self.status == 130

    @asynchronous
    async def test_not_reachable(self) -> None:
        """2, with what to look at."""
        done = await self.asked("status", "--json")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"no answer on {self.socket}: No such file or directory; is the daemon running" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_no_command_without_a_daemon(self) -> None:
        """Each of them says the same."""
        arguments = {"explain": ("web",), "ipam": ("check",)}
        for name in commands.commands:
            with redirect_stderr(StringIO()) as told, self.assertRaises(SystemExit) as ended:
                main([f"--socket={self.socket}", name, *arguments.get(name, ())])
            self.assertEqual(ended.exception.code, 2, name)
            self.assertIn(f"no answer on {self.socket}", told.getvalue())

    @asynchronous
    async def test_finds_the_socket(self) -> None:
        """In the configuration, or in the environment; a configuration that is bad says why."""
        self.serve()
        config = self.folder / "nuage.yaml"
        config.write_text(f"control_socket: {self.socket}\n")
        assert (await self.run_command("--config", str(config), "status")).returncode == 0
        config.write_text("")
        done = await self.run_command("-c", str(config), "status", NUAGE_CONTROL_SOCKET=str(self.socket))
        assert done.returncode == 0
        config.write_text("mtu: none\n")
        done = await self.run_command("-c", str(config), "status")
        assert done.returncode == 2
        assert "mtu: 'none'" in done.stderr and "--socket" in done.stderr
        assert "Traceback" not in done.stderr

    @asynchronous
    async def test_misused(self) -> None:
        """Words that it does not know have a status of their own."""
        done = await self.run_command("--socket=/x", "stats")
        assert done.returncode == 64
        assert "No such command 'stats'" in done.stderr
        done = await self.run_command("--socket=/x", "endpoints", "--state=resolvd")
        assert done.returncode == 64
        assert "'resolvd' is not one of 'resolved', 'waiting'" in done.stderr
        assert (await self.run_command("--help")).returncode == 0

    @asynchronous
    async def test_completion(self) -> None:
        """A shell is told the commands, without a daemon."""
        done = await self.run_command(
            _NUAGE_PLUGIN_COMPLETE="bash_complete", COMP_WORDS="nuage-plugin end", COMP_CWORD="1"
        )
        assert (done.returncode, done.stdout) == (0, "plain,endpoints\n"), done


class Faults(CommandCase):
    """A report that cannot be made."""

    def make_report(self) -> Report:
        """Fail."""
        raise RuntimeError("no report")

    @asynchronous
    async def test_bug(self) -> None:
        """Who asks is told, the log has the traceback, and the next answer is as good as ever."""
        self.serve()
        done = await self.asked("status")
        assert (done.returncode, done.stderr) == (1, "nuage-plugin: the nuage plugin has a bug; its log says more\n")
        assert (await self.asked("log-level")).returncode == 0
        assert [str(each.value) for each in self.flushLoggedErrors(RuntimeError)] == ["no report"]
