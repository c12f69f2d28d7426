"""The switch's daemons go and come back, or stand still, while containers come and go."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping

from lab.dockerd import IMAGE
from lab.shell import wait_until
from tests.e2e.churn_support import Churn, ChurnTestCase
from tests.e2e.disturbance_support import DisturbedTestCase, rounds

#: How the plugin says that the switch was away.
SWITCH_AWAY = (
    r"the switch's database at \S+ could not be used within [\d.]+ s .*; check that ovsdb-server runs",
    r"the connection was lost during transact",
    r"did not reply to transact within [\d.]+ s",
    r"the switch did not open port nu\w+ within [\d.]+ s; is ovs-vswitchd running\?",
    r"did not finish within [\d.]+ s; what it did is being undone",
    r"the VRS has no controller: .* and none came within [\d.]+ s",
)
#: Seconds of the longest call, and how long a docker command may take: two calls, and what Docker takes by itself.
_CALL = 35.0
_COMMAND = 2 * _CALL + 6
_RESTARTS = rounds("TEST_SWITCH_RESTARTS", 2)
#: Seconds between two restarts, for some commands.
_PAUSE = 3.0


class OutageTests(ChurnTestCase):
    """Calls wait, and afterwards all is as it should be."""

    def disturb(self, what: str, disturbance: Callable[[], object], ratio: float) -> None:
        """Have the switch disturbed while containers come and go; run some afterwards; assert that nothing is left.

        At least ``ratio`` of docker's commands have to succeed.
        """
        self.create_network("steady")
        self.run_container("target", "steady")
        self.run_pinging("steady", "steady", "target")
        with Churn(self.host, seed=1) as churn:
            wait_until("some commands", lambda: churn.succeeded >= 6, 60)
            disturbance()
            done = churn.succeeded
            wait_until("commands afterwards", lambda: churn.succeeded >= done + 6, 60)
        churn.clean()
        pings = self.end_pings("steady")
        self.report(what, **churn.figures(), **{"longest ping gap (s)": pings.gap})
        self.assert_most_succeeded(churn, ratio, SWITCH_AWAY)
        self.assertLess(churn.longest, _COMMAND)
        self.run_container("later", "steady")
        self.assert_reaches("later", self.inspect("target", "steady", "IPAddress"))
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

        self.disturb("ovsdb-server restarted 5 times", restart, 1.0)

    def test_ovsdb_server_is_away(self) -> None:
        """For a while, which calls wait for."""

        def outage() -> None:
            self.host.switch.database.stop()
            time.sleep(3)
            self.host.switch.start_database()

        self.disturb("ovsdb-server away for 3 s", outage, 1.0)

    def test_ovs_vswitchd_restarts(self) -> None:
        """Ports are opened again by itself; those that come meanwhile wait for it."""

        def restart() -> None:
            for _ in range(2):
                self.host.switch.daemon.stop()
                time.sleep(0.5)
                self.host.switch.start_daemon()
                time.sleep(1)

        self.disturb("ovs-vswitchd restarted twice", restart, 1.0)

    def test_ovs_vswitchd_is_away(self) -> None:
        """For a while, which a Join waits for."""

        def outage() -> None:
            self.host.switch.daemon.stop()
            time.sleep(5)
            self.host.switch.start_daemon()

        self.disturb("ovs-vswitchd away for 5 s", outage, 1.0)

    def test_open_vswitch_restarts(self) -> None:
        """Both daemons, as an upgrade of the package does it. TEST_SWITCH_RESTARTS=50 is for figures."""

        def restart() -> None:
            for _ in range(_RESTARTS):
                self.host.switch.stop()
                self.host.switch.start()
                time.sleep(_PAUSE)

        self.disturb(f"Open vSwitch restarted {_RESTARTS} times", restart, 1.0)

    def test_containers_started_at_once(self) -> None:
        """After a restart of both none is refused, and one that ends again and again goes on to be started."""
        self.create_network("lasting")
        for number in range(_RESTARTS):
            self.run_container("looping", "lasting", "--restart=always", command=("sh", "-c", "sleep 1; exit 1"))
            self.host.switch.stop()
            self.host.switch.start()
            seconds = []
            for _ in range(3):
                begin = time.monotonic()
                self.docker("run", "--rm", "--net", "lasting", IMAGE, "true")
                seconds.append(time.monotonic() - begin)
            self.report(f"docker run after restart {number + 1}", first=seconds[0], longest=max(seconds))
            count = self.restarts("looping")
            wait_until("it is started again", lambda count=count: self.restarts("looping") > count, 30)  # type: ignore[misc]
            self.assertIn(self.docker("inspect", "-f={{.State.Status}}", "looping"), ("running", "restarting"))
            self.remove_container("looping")

    def restarts(self, name: str) -> int:
        """Return how often Docker has started a container again."""
        return int(self.docker("inspect", "-f={{.RestartCount}}", name))


class LongOutageTests(DisturbedTestCase):
    """Outages that last longer than a call may wait: these tests are about the bounds, and shorten them."""

    configuration: Mapping[str, object] = {"vrs_timeout": 3.0, "probe_interval": 1.0}

    def test_ovsdb_server_is_away_for_long(self) -> None:
        """A container's start fails in time and says why; the next one succeeds."""
        self.create_network("away")
        self.host.switch.database.stop()
        self.refused_in_time("away")
        self.host.switch.start_database()
        self.docker("run", "--rm", "--net", "away", IMAGE, "true")

    def refused_in_time(self, network: str) -> None:
        """Assert that no container starts, and that the reason is given in time."""
        start = time.monotonic()
        message = self.refused("run", "--rm", "--net", network, IMAGE, "true")
        self.assertIn("could not be used within 3 s", message)
        self.assertLess(time.monotonic() - start, 2 * 3 + 6)

    def test_the_probe_notices(self) -> None:
        """ovsdb-server stands still: its connections stay open, and nothing comes through.

        The plugin gives the connection up, tells a caller so in time, and is there again with the server.
        """
        self.create_network("half")
        self.run_container("before", "half")
        database = self.host.switch.database
        database.send(signal.SIGSTOP)
        self.addCleanup(database.send, signal.SIGCONT)
        log = self.host.plugin.process
        wait_until("the plugin notices", lambda: "no connection to" in log.tail(5), 6)
        self.refused_in_time("half")
        database.send(signal.SIGCONT)
        wait_until("the plugin is back", lambda: "the cache is current" in log.tail(3), 10)
        self.run_container("after", "half")
        self.assert_reaches("after", self.inspect("before", "half", "IPAddress"))
        for name in ("before", "after"):
            self.remove_container(name)
        self.remove_network("half")
        self.assert_nothing_left()
