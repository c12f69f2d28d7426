"""``python -m lab.vrs --topology FILE --database NAME=unix:PATH … --listen unix:PATH …``.

SIGHUP makes it read the topology again. SIGUSR1 makes it leave its switches, as if the controller were lost; SIGUSR2
makes it come back.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.logger import globalLogBeginner

from lab.vrs.vsc import Settings, Vsc
from nuage.errors import NuageError
from nuage.ovsdb.errors import RemoteUnusable
from nuage.ovsdb.remote import Remote, parse_remote
from nuage.service.clock import measure_steadily
from nuage.service.logs import observer


def main(arguments: list[str]) -> int:
    """Run until a signal ends it; return the exit code."""
    globalLogBeginner.beginLoggingTo([observer({"logfile": "-"}, "Info")], redirectStandardIO=False)
    loop: Any = reactor
    measure_steadily(loop)
    try:
        vsc = Vsc(loop, _settings(arguments))
    except NuageError as problem:
        print(f"lab.vrs: {problem}", file=sys.stderr)
        return 1
    loop.callWhenRunning(vsc.startService)
    loop.addSystemEventTrigger("before", "shutdown", vsc.stopService)
    for number, action in (
        (signal.SIGHUP, vsc.reload),
        (signal.SIGUSR1, vsc.leave),
        (signal.SIGUSR2, vsc.come_back),
    ):
        signal.signal(number, _in_reactor(loop, action))
    loop.run()
    return 0


def _in_reactor(loop: Any, action: Callable[[], None]) -> Callable[[int, Any], None]:
    return lambda _number, _frame: loop.callFromThread(action)


def _settings(arguments: list[str]) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m lab.vrs", description="A stand-in for Nuage's VRS and VSC.")
    parser.add_argument("--topology", type=Path, required=True, help="the topology file, in YAML")
    parser.add_argument(
        "--database", type=_database, action="append", required=True, metavar="NAME=unix:PATH", help="one for each host"
    )
    parser.add_argument(
        "--listen", action="append", required=True, help="Twisted endpoint for switches: unix:PATH or tcp:PORT"
    )
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that resolving a port takes")
    parser.add_argument("--bridge", default="alubr0", help="the bridge whose ports count")
    parser.add_argument("--uplink", default="uplink", help="the bridge's port to the other hosts")
    given = parser.parse_args(arguments)
    return Settings(
        topology=given.topology,
        databases=dict(given.database),
        listen=given.listen,
        delay=given.delay,
        bridge=given.bridge,
        uplink=given.uplink,
    )


def _database(text: str) -> tuple[str, Remote]:
    name, equals, remote = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=unix:PATH')
    try:
        return name, parse_remote(remote)
    except RemoteUnusable as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


sys.exit(main(sys.argv[1:]))
