"""What the operator sees of a real host, whatever is away at the moment."""

from __future__ import annotations

import json
import re
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.dockerd import IMAGE
from lab.shell import wait_until
from nuage.cli.control import Control
from tests.e2e.host_support import HostTestCase

#: Seconds in which the control socket answers, and how often it is asked.
_ALLOWED = 0.05
_QUESTIONS = 21


class StatusTests(HostTestCase):
    """The control socket and the command that asks it."""

    def setUp(self) -> None:
        """Know the control socket."""
        super().setUp()
        self.control = Control(self.host.plugin.control_socket)

    def report(self) -> Any:
        """Return the report."""
        return self.control.get("/status")

    def state_of(self, container: str) -> tuple[str, bool] | None:
        """Return how the endpoint of a container does, and whether it is gone; None if there is none."""
        found = [each for each in self.report()["endpoints"] if each["container"] == container]
        return (found[0]["state"], found[0]["gone"]) if found else None

    def assert_answers(self, what: str) -> None:
        """Assert that the daemon answers at once."""
        took = []
        for _ in range(_QUESTIONS):
            begin = time.monotonic()
            self.report()
            took.append(time.monotonic() - begin)
        self.assertLess(statistics.median(took), _ALLOWED, f"{what}: {took}")

    def line(self, name: str) -> str:
        """Return a line of ``nuage-plugin status``."""
        lines = self.host.plugin.ask("status").stdout.splitlines()
        return next(line for line in lines if line.startswith(name)).removeprefix(name).strip()

    def test_a_container_that_is_well(self) -> None:
        """Each line of the status is true, and so are the lists."""
        network = self.create_network("seen", "-o=policy-group=web")
        self.run_container("well", "seen")
        wait_until("it is resolved", lambda: self.state_of("well") == ("resolved", False), 5)
        done = self.host.plugin.ask("status")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        version = self.docker("version", "-f", "{{.Server.Version}}")
        self.assertRegex(self.line("Docker"), rf"^{re.escape(version)}  API 1\.\d+  answers in \d+ ms  unix:")
        self.assertRegex(self.line("VRS"), r"^connected  unix:")
        self.assertEqual((self.line("Controller"), self.line("Endpoints")), ("connected", "1 resolved"))
        self.assertEqual((self.line("Clean-up"), self.line("Problems")), ("nothing pending", "none"))
        (endpoint,) = json.loads(self.host.plugin.ask("endpoints", "--json").stdout)
        self.assertEqual(
            (endpoint["id"], endpoint["address"], endpoint["mac"], endpoint["policy_group"], endpoint["policy_from"]),
            (
                self.endpoint_id("well", "seen"),
                self.inspect("well", "seen", "IPAddress") + "/24",
                self.inspect("well", "seen", "MacAddress"),
                "web",
                "network",
            ),
        )
        self.assertIn(endpoint["link"], self.host.links())
        (seen,) = json.loads(self.host.plugin.ask("networks", "--json").stdout)
        self.assertEqual((seen["id"], seen["subnet"], seen["endpoints"]), (network, "Subnet 2", {"resolved": 1}))
        self.assertEqual(self.host.plugin.ask("audit", "--now").returncode, 0)
        self.remove_container("well")
        wait_until("it is gone", lambda: self.state_of("well") is None, 5)

    def test_whatever_is_away(self) -> None:
        """It answers at once while a Join waits, Docker is silent and the switch is away."""
        self.create_network("nowhere", subnet="Nowhere")
        self._containers.append("waits")
        words = ("run", "--rm", "--name", "waits", "--net", "nowhere", IMAGE, "true")
        with ThreadPoolExecutor(1) as background:
            starting = background.submit(self.host.docker, *words, check=False)
            wait_until("it waits", lambda: self.state_of("waits") == ("waiting", False), 10)
            self.assert_answers("a Join waits")
            self.host.dockerd.process.send(signal.SIGSTOP)
            try:
                self.assert_answers("Docker is silent")
            finally:
                self.host.dockerd.process.send(signal.SIGCONT)
            self.assertNotEqual(starting.result(40).returncode, 0)
        wait_until("it is refused", lambda: self.state_of("waits") == ("refused", True), 5)
        (reason,) = [each["reason"] for each in self.report()["endpoints"]]
        self.assertIn('subnet "Nowhere"', reason)
        self.host.switch.stop()
        try:
            wait_until("the switch is missed", lambda: self.report()["parts"][0]["there"] is False, 5)
            self.assert_answers("the switch is away")
            done = self.host.plugin.ask("status")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(self.line("VRS"), "^away for .*: not connected to unix:")
        finally:
            self.host.switch.start()
        wait_until("all is there again", lambda: self.report()["ready"], 20)
        self.assertRegex(self.line("VRS"), "^connected .* 1 reconnect, last .* ago")
