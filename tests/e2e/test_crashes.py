"""Docker's daemons crash while containers come and go."""

from __future__ import annotations

import time

from lab.shell import wait_until
from tests.e2e.churn_support import Churn, ChurnTestCase
from tests.e2e.disturbance_support import rounds

#: TEST_DOCKERD_CRASHES=50 is for figures.
ROUNDS = rounds("TEST_DOCKERD_CRASHES", 2)
#: How a command ends that Docker was at.
CUT_OFF = (
    r"Cannot connect to the Docker daemon",
    r"error during connect: .*(EOF|connection reset|broken pipe|connection refused)",
    r"EOF",
)


class CrashTests(ChurnTestCase):
    """Containers with a restart policy come back, and Docker's commands work again."""

    timeout = 300 + 60 * ROUNDS

    def test_crashes_during_churn(self) -> None:
        """SIGKILL ends dockerd and containerd, and each second time the containers as well."""
        self.create_network("lasting")
        names = self.run_lasting("lasting")
        returns = []
        with Churn(self.host, seed=3) as churn:
            for number in range(ROUNDS):
                done = churn.succeeded
                wait_until("some commands", lambda done=done: churn.succeeded >= done + 12, 90)  # type: ignore[misc]
                self.host.dockerd.kill()
                if number % 2 == 0:
                    self.host.dockerd.kill_containers()
                begin = time.monotonic()
                self.host.dockerd.start()
                self.host.dockerd.wait()
                returns.append(self.note_return(f"crash of dockerd {number + 1}", names, begin))
                self.assert_lasting(names, "lasting")
            done = churn.succeeded
            wait_until("commands afterwards", lambda: churn.succeeded >= done + 6, 90)
        churn.clean()
        print(*churn.failed, sep="\n")
        self.report("crashes of dockerd, Docker's commands", **churn.figures())
        self.assert_all_returned("crashes of dockerd", returns)
        self.assert_most_succeeded(churn, 0.75, CUT_OFF)
        for name in names:
            self.remove_container(name)
        self.remove_network("lasting")
        self.assert_nothing_left()
