"""The plugin is ended at random instants, a hundred times, while containers come and go."""

from __future__ import annotations

import os
import random
import signal
import time

from lab.shell import NeverHappened, wait_until
from tests.e2e.churn_support import RETRIES_RAN_OUT, Churn, ChurnTestCase
from tests.e2e.disturbance_support import rounds

#: TEST_KILLS is for figures.
KILLS = rounds("TEST_KILLS", 100)
#: Seconds that a plugin which has come to listen lives on, on the average: long enough for some calls.
_LIFE = 0.7


class PluginKillTests(ChurnTestCase):
    """Whatever step the plugin was at, the next one finds its way."""

    timeout = 300 + 5 * KILLS

    def kill_and_start(self, choice: random.Random) -> None:
        """End the plugin again and again, before it listens or some moment after, and start it at once each time."""
        for _ in range(KILLS):
            self.host.plugin.stop(choice.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            self.host.plugin.start()
            # Some do not come to listen.
            if choice.random() < 0.9:
                self.host.plugin.wait()
            time.sleep(choice.expovariate(1 / _LIFE))

    def test_kills_during_churn(self) -> None:
        """No container notices, Docker's commands fail only where its retries ran out, and nothing is left."""
        seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 32)))
        print(f"TEST_SEED={seed}")
        self.create_network("steady")
        self.run_container("target", "steady")
        self.run_pinging("pinging", "steady", "target")
        with Churn(self.host, seed, threads=4) as churn:
            # Threads that begin together are in step, and Docker's retries of all of them would run out at once.
            wait_until("some commands", lambda: churn.succeeded >= 8, 60)
            self.kill_and_start(random.Random(seed))
            self.ensure_plugin()
        churn.clean()
        print(*churn.failed, sep="\n")
        pings = self.end_pings("pinging")
        self.report(f"{KILLS} kills of the plugin", **churn.figures(), pings=pings.sent, lost=pings.lost)
        self.assert_most_succeeded(churn, 0.8, RETRIES_RAN_OUT)
        self.assertGreater(churn.succeeded, KILLS / 4)
        self.assertEqual(pings.lost, 0)
        self.assertGreater(pings.sent, 100)
        for name in ("pinging", "target"):
            self.remove_container(name)
        self.remove_network("steady")
        self.assert_nothing_left()

    def ensure_plugin(self) -> None:
        """Have the plugin running: the last one may have been ended before it listened."""
        try:
            self.host.plugin.wait()
        except NeverHappened:
            self.host.plugin.stop(signal.SIGKILL)
            self.start_plugin()
