"""A machine loses its power and comes up again, its daemons in any order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from lab.shell import wait_until
from tests.e2e.disturbance_support import ALWAYS, DisturbedTestCase, rounds

#: How often in each order; TEST_POWER_LOSSES=50 is for figures.
ROUNDS = rounds("TEST_POWER_LOSSES", 1)


class PowerLossTests(DisturbedTestCase):
    """Containers with a restart policy come back, those on a Nuage network as those on Docker's own bridge."""

    timeout = 300 + 60 * ROUNDS

    def come_up(self, order: str, start: Callable[[], None]) -> None:
        """Run containers, take the power away, start the daemons as told, and see that all is as before."""
        self.create_network("lasting")
        with_network = self.state()
        names = self.run_lasting("lasting")
        self.run_container("bridged", "bridge", *ALWAYS)
        returns = []
        for number in range(ROUNDS):
            self.host.power_loss()
            start()
            begin = time.monotonic()
            self.host.dockerd.wait()
            what = f"power loss {number + 1}, {order}"
            returns.append(self.note_return(what, [*names, "bridged"], begin))
            self.assert_lasting(names, "lasting")
        self.assert_all_returned(f"power losses, {order}", returns)
        for name in (*names, "bridged"):
            self.remove_container(name)
        self.host.plugin.process.send(signal.SIGUSR2)
        wait_until("the switch is as before", lambda: self.state() == with_network, 75)

    def test_all_at_once(self) -> None:
        """Nothing waits for anything."""

        def start() -> None:
            for begin in (self.host.dockerd.start, self.host.plugin.start, self.host.switch.start):
                begin()

        self.come_up("all at once", start)

    def test_in_order(self) -> None:
        """The switch, the plugin, Docker: each is there before the next one."""

        def start() -> None:
            self.host.switch.start()
            self.start_plugin()
            self.host.dockerd.start()

        self.come_up("switch, plugin, dockerd", start)

    def test_in_the_opposite_order(self) -> None:
        """Docker starts its containers before there is a plugin, and the plugin is there before the switch."""

        def start() -> None:
            log = self.host.dockerd.process.log
            begin = log.stat().st_size
            self.host.dockerd.start()
            restoring = "Loading containers: start."
            wait_until("containers are being restored", lambda: restoring in log.read_text()[begin:], 30)
            self.start_plugin()
            self.host.switch.start()

        self.come_up("dockerd, plugin, switch", start)
