"""A VRS for tests that need no root: a real ovsdb-server and a real ovs-vswitchd whose devices are dummies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest

from lab.schema import write_schema
from lab.shell import wait_until
from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.remote import parse_remote
from nuage.vrs import tables

BRIDGE = "alubr0"
PROGRAMS = ("ovsdb-server", "ovsdb-tool", "ovsdb-client", "ovs-vsctl", "ovs-vswitchd")


def demand_programs(programs: Sequence[str] = PROGRAMS) -> None:
    """Skip a test whose programs are missing; fail it in continuous integration, where none may be."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("CI") == "true":
        raise AssertionError(f"not installed: {', '.join(missing)}")
    if missing:
        raise SkipTest(f"not installed: {', '.join(missing)}")


class Vrs:
    """The database and the switch daemon, in a folder of their own."""

    def __init__(self, bridge: str = BRIDGE, without: Sequence[str] = ()) -> None:
        """Start both. The tables are without the columns ``without``: "Table.column", or a whole "Table"."""
        demand_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="vrs"))
        self.socket = self.folder / "db.sock"
        write_schema(self.folder / "schema")
        _drop(self.folder / "schema", without)
        self._run("ovsdb-tool", "create", self.folder / "conf.db", self.folder / "schema")
        self.start_database()
        self.vsctl("--no-wait", "init")
        self.start_switch()
        self.vsctl("add-br", bridge)

    @property
    def remote(self) -> str:
        """The database's address as an OVS connection method."""
        return f"unix:{self.socket}"

    def start_database(self) -> None:
        """Start the ovsdb-server on the database as it is."""
        self._daemon("ovsdb-server", self.folder / "conf.db", f"--remote=p{self.remote}")

    def start_switch(self) -> None:
        """Start the ovs-vswitchd. Its devices are dummies: it opens whatever it is told to, and needs no right to."""
        self._daemon("ovs-vswitchd", self.remote, "--enable-dummy=override")

    def signal(self, daemon: str, number: signal.Signals) -> None:
        """Send a signal to one of the two daemons."""
        os.kill(int((self.folder / f"{daemon}.pid").read_text()), number)

    def end(self, daemon: str) -> None:
        """End one of the two daemons and wait until it is gone."""
        pid = int((self.folder / f"{daemon}.pid").read_text())
        self._run("ovs-appctl", "-t", self.folder / f"{daemon}.ctl", "exit")
        wait_until(f"{daemon} (process {pid}) ends", lambda: not _runs(pid), 20)

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl and return what it prints."""
        return self._run("ovs-vsctl", f"--db={self.remote}", *arguments)

    def stop(self) -> None:
        """End what runs and remove the folder."""
        for pidfile in self.folder.glob("*.pid"):
            os.kill(int(pidfile.read_text()), signal.SIGKILL)
        shutil.rmtree(self.folder)

    def client(self, reactor: Any, **options: Any) -> OvsdbClient:
        """Return a client as the daemon has one."""
        return OvsdbClient(
            reactor,
            parse_remote(self.remote),
            tables.DATABASE,
            tables.MONITORED,
            **{"check_schema": tables.check_schema, **options},
        )

    def _daemon(self, program: str, *arguments: object) -> None:
        self._run(
            program,
            *arguments,
            f"--pidfile={self.folder / program}.pid",
            f"--unixctl={self.folder / program}.ctl",
            f"--log-file={self.folder / program}.log",
            "-vconsole:off",
            "--detach",
            "--no-chdir",
        )

    @staticmethod
    def _run(*argv: object) -> str:
        done = subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True, timeout=20)
        return done.stdout


def _runs(pid: int) -> bool:
    """Tell whether a process is there, and is more than an entry that waits for its parent."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _drop(path: Path, without: Sequence[str]) -> None:
    """Remove columns, and tables with the columns that refer to them, from a schema."""
    schema = json.loads(path.read_text())
    for name in without:
        table, _, column = name.partition(".")
        if column:
            del schema["tables"][table]["columns"][column]
        else:
            del schema["tables"][table]
            for other in schema["tables"].values():
                other["columns"] = {
                    key: value
                    for key, value in other["columns"].items()
                    if f'"refTable": "{table}"' not in json.dumps(value)
                }
    path.write_text(json.dumps(schema))


def waiting(clock: Any, seconds: float) -> Deferred[None]:
    """Return what fires after some time of ``clock``."""
    waiter: Deferred[None] = Deferred()
    clock.callLater(seconds, waiter.callback, None)
    return waiter
