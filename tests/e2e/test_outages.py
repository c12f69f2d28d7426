"""The switch's daemons go and come back, or stand still, while containers come and go."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from lab.shell import wait_until
from tests.e2e.churn_support import CONFIGURATION, Churn, ChurnTestCase

#: How the plugin says that the switch was away, and how a failed command of Docker's goes on.
SWITCH_AWAY = (
    r"the switch's database at \S+ could not be used within 3 s .*; check that ovsdb-server runs",
    r"the connection was lost during transact",
    r"did not reply to transact within [\d.]+ s",
    r"the switch did not open port nu\w+ within 9 s; is ovs-vswitchd running\?",
    r"did not finish within 13 s; what it had done is being undone",
)
#: Seconds that a docker command may take: two calls up to their deadline, and what Docker takes by itself.
_COMMAND = 2 * CONFIGURATION["call_timeout"] + 6


class OutageTests(ChurnTestCase):
    """Calls succeed or fail in time and say why; afterwards all is as it should be."""

    def disturb(self, disturbance: Callable[[], object]) -> None:
        """Have the switch disturbed while containers come and go; run some afterwards; assert that nothing is left."""
        self.create_network("steady")
        self.run_container("target", "steady")
        address = self.inspect("target", "steady", "IPAddress")
        self.run_container("steady", "steady")
        with Churn(self.host, seed=1) as churn:
            wait_until("some commands", lambda: churn.succeeded >= 6, 60)
            disturbance()
            done = churn.succeeded
            wait_until("commands afterwards", lambda: churn.succeeded >= done + 6, 60)
        churn.clean()
        print(f"{churn.succeeded} commands succeeded, the longest took {churn.longest:.1f} s", *churn.failed, sep="\n")
        self.assert_explained(churn, SWITCH_AWAY)
        self.assertLess(churn.longest, _COMMAND)
        self.assert_reaches("steady", address)
        self.run_container("later", "steady")
        self.assert_reaches("later", address)
        for name in ("later", "steady", "target"):
            self.remove_container(name)
        self.remove_network("steady")
        self.assert_nothing_left()

    def test_ovsdb_server_restarts(self) -> None:
        """Five times, without a pause."""

        def restart() -> None:
            for _ in range(5):
                self.host.switch.database.stop()
                self.host.switch.start_database()
                time.sleep(0.5)

        self.disturb(restart)

    def test_ovsdb_server_is_away(self) -> None:
        """For about as long as calls wait for it."""

        def outage() -> None:
            self.host.switch.database.stop()
            time.sleep(3)
            self.host.switch.start_database()

        self.disturb(outage)

    def test_ovs_vswitchd_restarts(self) -> None:
        """Ports are opened again by itself; those that come meanwhile wait for it."""

        def restart() -> None:
            for _ in range(2):
                self.host.switch.daemon.stop()
                time.sleep(0.5)
                self.host.switch.start_daemon()
                time.sleep(1)

        self.disturb(restart)

    def test_ovs_vswitchd_is_away(self) -> None:
        """For a while, which a Join waits for."""

        def outage() -> None:
            self.host.switch.daemon.stop()
            time.sleep(5)
            self.host.switch.start_daemon()

        self.disturb(outage)


class HalfOpenTests(ChurnTestCase):
    """ovsdb-server stands still: its connections stay open, and nothing comes through."""

    def test_the_probe_notices(self) -> None:
        """The plugin gives the connection up, tells a caller so in time, and is there again with the server."""
        self.create_network("half")
        self.run_container("before", "half")
        database = self.host.switch.database
        database.send(signal.SIGSTOP)
        self.addCleanup(database.send, signal.SIGCONT)
        log = self.host.plugin.process
        wait_until("the plugin notices", lambda: "no connection to" in log.tail(5), 6)
        start = time.monotonic()
        message = self.refused("run", "--rm", "--net", "half", "busybox:local", "true")
        self.assertIn("could not be used within 3 s", message)
        self.assertLess(time.monotonic() - start, _COMMAND)
        database.send(signal.SIGCONT)
        wait_until("the plugin is back", lambda: "the cache is current" in log.tail(3), 10)
        self.run_container("after", "half")
        self.assert_reaches("after", self.inspect("before", "half", "IPAddress"))
        for name in ("before", "after"):
            self.remove_container(name)
        self.remove_network("half")
        self.assert_nothing_left()
