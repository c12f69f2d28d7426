"""What differs from one run of the daemon to the next is what its machine says."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, cast

from twisted.internet.error import ConnectError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from nuage.config.settings import Config
from nuage.service.inspection import Inspection
from nuage.service.logs import Log
from nuage.service.machine import Machine
from nuage.service.plugin import NuagePlugin
from nuage.status.report import Report

SOCKETS = {key: Path(f"/nowhere/{key}") for key in ("plugin_socket", "control_socket")}
CONFIG = Config(**cast(Any, SOCKETS), vrs_endpoint="tcp:192.0.2.1:6640")


class MachineTests(SynchronousTestCase):
    """The daemon as a service, on a machine that is played. Nothing is there but its reactor."""

    def plugin(self, **machine: Any) -> NuagePlugin:
        """Return it, not yet started."""
        self.reactor = MemoryReactorClock()
        return NuagePlugin(self.reactor, CONFIG, {}, Log({"nodaemon": True}, "Info"), Machine(**machine))

    def report(self, plugin: NuagePlugin) -> Report:
        """Return its report."""
        (inspection,) = (each for each in plugin if isinstance(each, Inspection))
        return inspection._report()

    def test_room_for_sockets(self) -> None:
        """The reactor makes them, and the machine makes room for them."""
        made: list[tuple[str, Path]] = []
        plugin = self.plugin(make_room=lambda key, path: made.append((key, path)))
        plugin.privilegedStartService()
        self.assertEqual(made, [*SOCKETS.items()])
        self.assertEqual([address for address, *_ in self.reactor.unixServers], [*map(str, SOCKETS.values())])

    def test_time_of_day_and_process(self) -> None:
        """A report names them. The process is another one after ``twistd`` went to the background."""
        processes = [7, 8, 9]
        plugin = self.plugin(time_of_day=lambda: 1764.0, process_id=lambda: processes.pop())
        processes[:] = [7]
        self.reactor.advance(2)
        report = self.report(plugin)
        self.assertEqual((report.pid, report.started, report.time), (7, 1764.0, 1766.0))

    def test_chance(self) -> None:
        """It decides when a switch that is away is called again."""
        self.assertEqual(self.attempts(1), self.attempts(1))
        self.assertNotEqual(self.attempts(1), self.attempts(2))

    def attempts(self, seed: int) -> list[float]:
        """Return when the switch is called, until it has refused ten times."""
        client = self.plugin(random=Random(seed))._daemon.client
        client.start()
        self.addCleanup(lambda: client.stop())
        times: list[float] = []
        while len(times) < 10:
            for *_, factory, _timeout, _address in self.reactor.tcpClients[len(times) :]:
                times.append(self.reactor.seconds())
                factory.clientConnectionFailed(cast(Any, None), Failure(ConnectError()))
            self.reactor.advance(0.001)
        return times
