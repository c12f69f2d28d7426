"""The VRS's bridge is removed, and made again or not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from lab.dockerd import IMAGE
from lab.shell import wait_until
from tests.e2e.disturbance_support import DisturbedTestCase

#: Seconds that a call waits for the bridge: the default of vrs_timeout.
_BOUND = 10.0


class BridgeTests(DisturbedTestCase):
    """On a host in its default configuration."""

    def setUp(self) -> None:
        """Run a container, and note where the plugin's log ends."""
        super().setUp()
        self.create_network("lasting")
        self.run_container("earlier", "lasting")
        self.address = self.inspect("earlier", "lasting", "IPAddress")
        self.logged = len(self.host.plugin.process.log.read_bytes())

    def tearDown(self) -> None:
        """Have the bridge there for the next test."""
        if not self.host.has_bridge():
            self.host.make_bridge()
        super().tearDown()

    def log(self) -> str:
        """Return what the plugin logged since the test's start."""
        return self.host.plugin.process.log.read_bytes()[self.logged :].decode()

    def reached(self, container: str) -> bool:
        """Tell whether a container reaches the earlier one."""
        ping = ("exec", container, "ping", "-c", "1", "-W", "1", self.address)
        return self.host.docker(*ping, check=False).returncode == 0

    def test_made_again(self) -> None:
        """A start waits for it, and the container that ran is connected again."""
        whole = self.state()
        self.host.switch.remove_bridge()
        with ThreadPoolExecutor() as pool:
            started = pool.submit(self.run_container, "later", "lasting")
            time.sleep(3)
            self.assertFalse(started.done(), "it did not wait")
            self.assertIn("waits for bridge alubr0: the switch has none; VrsBridge has to name", self.log())
            self.host.make_bridge()
            started.result()
        begin = time.monotonic()
        wait_until("the earlier container is reached", lambda: self.reached("later"), 20)
        self.report("a bridge that was made again", reached_again=time.monotonic() - begin)
        self.remove_container("later")
        self.wait_for_state(whole)
        self.assertIn("bridge alubr0 is there, after", self.log())
        self.assertNotIn("Traceback", self.log())

    def test_stays_away(self) -> None:
        """A start is refused once it has waited. A container that is removed meanwhile leaves nothing."""
        self.host.switch.remove_bridge()
        begin = time.monotonic()
        message = self.refused("run", "--rm", "--net", "lasting", IMAGE, "true")
        self.assertIn('the switch has no bridge "alubr0", and got none within vrs_timeout; VrsBridge has to', message)
        self.assertGreater(time.monotonic() - begin, _BOUND)
        self.assertLess(time.monotonic() - begin, _BOUND + 5)
        begin = time.monotonic()
        self.remove_container("earlier")
        self.remove_network("lasting")
        self.assertLess(time.monotonic() - begin, 5)
        self.host.make_bridge()
        self.assert_nothing_left()
        self.assertNotIn("Traceback", self.log())
