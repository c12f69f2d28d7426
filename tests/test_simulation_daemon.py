"""The real daemon as a process of the simulated world."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nuage.config.settings import Config
from nuage.service.machine import Machine
from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.daemon import DaemonProcess, make_room
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor
from tests.test_simulation_core import Client

SOCKET = "unix:/run/docker/plugins/nuage.sock"


class NoThreads:
    """Threads that have nothing to do: there are no links."""

    def __init__(self, name: str) -> None:
        pass

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def callInThread(self, work: Any, *arguments: Any) -> None:
        pass

    def callInThreadWithCallback(self, on_result: Any, work: Any, *arguments: Any) -> None:
        on_result(True, None)


class DaemonTest(SynchronousTestCase):
    """Its start and its ends, in a world that has nothing else."""

    def setUp(self) -> None:
        self.world, self.history = SimReactor(Chance(1)), History()
        config = Config(vrs_endpoint="unix:/var/run/openvswitch/db.sock", scope="local")
        self.daemon = DaemonProcess(self.world, config, self.machine, Chance(1), self.history)
        capture = captured(self.history, self.world.seconds)
        capture.__enter__()
        self.addCleanup(capture.__exit__, None, None, None)
        self.daemon.start()
        self.world.run_for(5)

    def machine(self, reactor: SimReactor, chance: Chance) -> Machine:
        return Machine(
            make_pool=NoThreads,  # type: ignore[arg-type]
            make_room=lambda _key, path: make_room(self.world, path),
            time_of_day=lambda: 1.7e9 + reactor.seconds(),
            random=Random(1),
            host_name="host",
            process_id=lambda: 1,
        )

    def answers(self) -> bool:
        """Return whether somebody accepts Docker's connections."""
        client = Client()
        self.world.network.connect(SOCKET, client)
        self.world.run_for(1)
        return client.protocol_made.made

    def test_start(self) -> None:
        """It listens for Docker, and says what it waits for."""
        self.assertTrue(self.answers())
        self.assertIn("log: waits for the VRS: not connected to unix:/var/run/openvswitch/db.sock", self.history.text)
        self.assertEqual(self.history.violations, [])

    def test_stop(self) -> None:
        """It ends, and leaves no socket, no timer and no connection."""
        self.daemon.stop()
        ended = self.daemon.reactor
        self.world.run_for(5)
        self.assertFalse(self.daemon.running)
        self.assertEqual((ended.getDelayedCalls(), ended.network.ends(), self.world.network.ports), ([], [], {}))
        self.assertEqual(self.history.violations, [])

    def test_kill(self) -> None:
        """It leaves its sockets, which the next one takes the place of."""
        self.daemon.kill()
        self.assertFalse(self.answers())
        self.assertIn(SOCKET, self.world.network.ports)
        self.daemon.start()
        self.world.run_for(1)
        self.assertTrue(self.answers())
        self.assertEqual(self.history.violations, [])

    def test_kill_between_two_steps(self) -> None:
        """It can be killed after any number of its steps, those of its start among them."""
        for steps in range(1, 20):
            self.daemon.kill()
            self.daemon.start()
            self.daemon.kill_after(steps)
            self.world.run_for(60)
            self.assertFalse(self.daemon.running)
            self.assertEqual(self.daemon.reactor.process.steps, steps)
        self.assertEqual(self.history.violations, [])

    def test_two_at_once(self) -> None:
        """Another one does not start, and that is a violation: nobody may start it."""
        other = DaemonProcess(self.world, Config(), self.machine, Chance(2), self.history)
        other.start()
        self.world.run_for(1)
        self.assertFalse(other.running)
        (violation,) = self.history.violations
        self.assertIn("another process listens", violation)

    def test_a_traceback(self) -> None:
        """One in the log is a violation."""
        self.daemon.reactor.callLater(0, lambda: 1 / 0)
        self.world.run_for(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        (violation,) = self.history.violations
        self.assertIn("ZeroDivisionError", violation)
