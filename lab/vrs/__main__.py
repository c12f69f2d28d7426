"""``python -m lab.vrs --topology FILE --database NAME@ADDRESS=unix:PATH … --listen unix:PATH … --vsd-folder FOLDER``.

It is the controller of the switches and the VSD, whose API it serves. SIGHUP makes it read the topology again. SIGUSR1
makes it leave its switches, as if the controller were lost; SIGUSR2 makes it come back. SIGRTMIN makes the VSD's API
break all connections and accept none, as if the VSD were killed; SIGRTMAX makes it come back with all that it had.
SIGALRM ends all keys for the API.
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
from lab.vsd.service import Door, Vsd
from lab.vsd.service import Settings as VsdSettings
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
        given = _given(arguments)
        vsd = Vsd(loop, _vsd_settings(given))
        vsc = Vsc(loop, _settings(given), vsd.activation)
    except NuageError as problem:
        print(f"lab.vrs: {problem}", file=sys.stderr)
        return 1
    for service in (vsd, vsc):
        loop.callWhenRunning(service.startService)
        loop.addSystemEventTrigger("before", "shutdown", service.stopService)
    for number, action in (
        (signal.SIGHUP, vsd.reload),
        (signal.SIGUSR1, vsc.leave),
        (signal.SIGUSR2, vsc.come_back),
        (signal.SIGRTMIN, vsd.leave),
        (signal.SIGRTMAX, vsd.come_back),
        (signal.SIGALRM, vsd.keys.expire),
    ):
        signal.signal(number, _in_reactor(loop, action))
    loop.run()
    return 0


def _in_reactor(loop: Any, action: Callable[[], object]) -> Callable[[int, Any], None]:
    return lambda _number, _frame: loop.callFromThread(action)


def _given(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.vrs", description="A stand-in for Nuage's VRS, VSC and VSD.")
    parser.add_argument("--topology", type=Path, required=True, help="the topology file, in YAML")
    parser.add_argument(
        "--database",
        type=_database,
        action="append",
        required=True,
        metavar="NAME[@ADDRESS]=unix:PATH",
        help="one for each host",
    )
    parser.add_argument(
        "--listen", action="append", required=True, help="Twisted endpoint for switches: unix:PATH or tcp:PORT"
    )
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that resolving a port takes")
    parser.add_argument("--bridge", default="alubr0", help="the bridge whose ports count")
    parser.add_argument("--uplink", default="uplink", help="the bridge's port to the other hosts")
    parser.add_argument("--vsd-folder", type=Path, required=True, help="folder for the VSD's certificates and its URL")
    parser.add_argument(
        "--vsd-door",
        type=Door.parse,
        action="append",
        metavar="PORT[@NAMESPACE]",
        help="port of 127.0.0.1 that the VSD's API listens at, in a network namespace; 0 is any (default: 0)",
    )
    parser.add_argument("--vsd-delay", type=float, default=0.0, help="seconds by which each answer of the VSD is late")
    parser.add_argument("--vsd-key-validity", type=int, help="seconds that a key for the API is good for")
    parser.add_argument(
        "--vsd-expired-status", type=int, choices=(401, 419), default=401, help="what an ended key is answered with"
    )
    parser.add_argument(
        "--vsd-without-reservations", action="store_true", help="be a VSD before release 20.5: no vmipreservations"
    )
    return parser.parse_args(arguments)


def _vsd_settings(given: argparse.Namespace) -> VsdSettings:
    return VsdSettings(
        topology=given.topology,
        folder=given.vsd_folder,
        doors=given.vsd_door or [Door()],
        delay=given.vsd_delay,
        key_validity=given.vsd_key_validity,
        expired_status=given.vsd_expired_status,
        reservations=not given.vsd_without_reservations,
        hosts={name: address for name, address, _ in given.database},
    )


def _settings(given: argparse.Namespace) -> Settings:
    return Settings(
        databases={name: remote for name, _, remote in given.database},
        listen=given.listen,
        delay=given.delay,
        bridge=given.bridge,
        uplink=given.uplink,
    )


def _database(text: str) -> tuple[str, str, Remote]:
    host, equals, remote = text.partition("=")
    name, _, address = host.partition("@")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME[@ADDRESS]=unix:PATH')
    try:
        return name, address, parse_remote(remote)
    except RemoteUnusable as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


sys.exit(main(sys.argv[1:]))
