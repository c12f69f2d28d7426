"""dockerd ends in all the ways that it can, and comes back with containers that it has to start again."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from lab.activation import Activation
from lab.plugin import SOCKET
from lab.shell import NeverHappened, wait_until
from tests.e2e.disturbance_support import ALWAYS, DisturbedTestCase

#: Containers with a restart policy and with a label.
_ALWAYS = (*ALWAYS, "--label=nuage.policy-group=web")
_COUNT = 4
#: Seconds that the API may be back later than with as many containers on Docker's own bridge.
_MARGIN = 1.0
_RETRIES = 2
#: Seconds after which Docker gives up a plugin that refuses connections, and some more.
_DOCKER_PATIENCE = 16.0


class DockerdRestartCase(DisturbedTestCase):
    """Restarts of dockerd."""

    def run_always(self, network: str, count: int = _COUNT) -> list[str]:
        """Run containers that Docker has to start again, and return their names."""
        names = [f"{network}-{number}" for number in range(count)]
        for name in names:
            self.run_container(name, network, *_ALWAYS)
        return names

    def start_dockerd(self) -> float:
        """Start dockerd and return the seconds until its API answers."""
        start = time.monotonic()
        self.host.dockerd.start()
        self.host.dockerd.wait()
        return time.monotonic() - start

    def terminate(self) -> None:
        """End dockerd in an orderly way."""
        self.host.dockerd.process.stop(signal.SIGTERM)

    def kill_all(self) -> None:
        """Kill dockerd, containerd and the containers, as a crash of the machine's Docker does."""
        self.host.dockerd.kill()
        self.host.dockerd.kill_containers()

    def restart_with_bridge(self, end: Callable[[], None], count: int = _COUNT) -> float:
        """Return the seconds of a restart with containers on Docker's own bridge."""
        names = self.run_always("bridge", count)
        end()
        seconds = self.start_dockerd()
        self.assert_running(names)
        self.host.docker("rm", "-f", *names)
        for name in names:
            self._containers.remove(name)
        return seconds

    def assert_whole(self, names: list[str], network: str) -> None:
        """Assert that the switch comes to have exactly the endpoints of these containers, names and labels included."""
        expected = {self.endpoint_id(name, network): name for name in names}
        ids = {self.docker("inspect", "-f={{.Id}}", name) for name in names}
        due = (expected, ids, ["web"] * len(names))
        with contextlib.suppress(NeverHappened):
            wait_until("the switch has it all", lambda: self.told() == due, 75)
        self.assertEqual(self.told(), due)
        self.assertEqual(len([port for port in self.host.switch.ports() if port.startswith("nu")]), len(names))

    def told(self) -> tuple[dict[str, str], set[str], list[str]]:
        """Return what the switch has been told: names by endpoints, the containers' ids, and the labels."""
        names = {row["vm_uuid"]: row["vm_name"] for row in self.rows("Nuage_VM_Table")}
        ids = {
            ids["nuage-container"]
            for row in self.rows("Interface")
            if "nuage-container" in (ids := row["external_ids"])
        }
        labels = [row["metadata"].get("nuage-policy-group", "") for row in self.rows("Nuage_Port_Table")]
        return names, ids, labels


class RestartTests(DockerdRestartCase):
    """The plugin runs all the time."""

    def restart(self, end: Callable[[], None], what: str) -> None:
        """End dockerd, start it again, and look at everything."""
        bridge = self.restart_with_bridge(end)
        self.create_network("again")
        with_network = self.state()
        names = self.run_always("again")
        end()
        nuage = self.start_dockerd()
        for _ in range(_RETRIES):
            if nuage > bridge + _MARGIN:
                # Something else may have kept the machine busy; a delay of the plugin's would be there each time.
                end()
                nuage = self.start_dockerd()
        self.report(what, bridge=bridge, nuage=nuage)
        self.assert_running(names)
        self.assert_connected(names, "again")
        self.assert_whole(names, "again")
        self.assertLessEqual(nuage, bridge + _MARGIN)
        for name in names:
            self.remove_container(name)
        self.wait_for_state(with_network)

    def test_sigterm(self) -> None:
        """The daemon ends in an orderly way: it leaves and deletes each endpoint before."""
        self.restart(self.terminate, "SIGTERM")

    def test_sigkill(self) -> None:
        """Daemon and containers are killed: Docker drops their endpoints and tells nobody."""
        self.restart(self.kill_all, "SIGKILL, containers too")

    def test_sigkill_containers_survive(self) -> None:
        """Daemon and containerd are killed, the containers run on until the new daemon replaces them."""
        self.restart(self.host_killed, "SIGKILL, containers survive")

    def host_killed(self) -> None:
        """Kill dockerd and containerd alone."""
        self.host.dockerd.kill()


class LatePluginTests(DockerdRestartCase):
    """The plugin is not there when dockerd starts."""

    def test_plugin_after_dockerd(self) -> None:
        """The plugin starts while Docker looks for it."""
        self.create_network("late")
        names = self.run_always("late")
        self.terminate()
        self.host.plugin.stop()
        start = time.monotonic()
        self.host.dockerd.start()
        wait_until("containers are being restored", self.restoring, 30)
        self.host.plugin.start()
        self.host.dockerd.wait()
        self.report("plugin after dockerd", nuage=time.monotonic() - start)
        self.assert_running(names)
        self.assert_connected(names, "late")
        self.assert_whole(names, "late")

    def restoring(self) -> bool:
        """Tell whether the last start of dockerd has come to its containers."""
        return "Loading containers: start." in self.host.dockerd.process.log.read_text().rpartition("Starting up")[2]

    def test_socket_activation(self) -> None:
        """The socket is there before the plugin, for longer than Docker tries: all that is lost is the time."""
        self.create_network("ten")
        names = self.run_always("ten", 10)
        self.terminate()
        reference = self.start_dockerd()
        self.assert_running(names)
        self.terminate()
        self.host.plugin.stop()
        activation = Activation(self.host.namespace.outside(SOCKET))
        self.addCleanup(activation.close)
        start = time.monotonic()
        self.host.dockerd.start()
        self.assertTrue(activation.called(30), "Docker did not call the plugin")
        with self.assertRaises(NeverHappened):
            self.host.dockerd.wait(_DOCKER_PATIENCE)
        down = time.monotonic() - start
        self.host.plugin.start(activation=activation)
        self.addCleanup(self.host.plugin.stop)
        self.host.dockerd.wait()
        seconds = time.monotonic() - start
        self.report("ten containers, socket held", reference=reference, down=down, api=seconds)
        self.assert_running(names)
        self.assert_connected(names, "ten")
        self.assert_whole(names, "ten")
        # The plugin's own start, and the containers, which could not start before it.
        self.assertLessEqual(seconds - down, reference + 3 * _MARGIN)
        for name in names:
            self.remove_container(name)
        # Endpoints that Docker makes at one instant it counts wrong at times, and then keeps their network for ever. It
        # counts anew when it starts (libnetwork's endpoint_cnt.go and store.go).
        self.terminate()
        self.start_dockerd()
        self.host.plugin.stop()
        self.assertTrue(self.host.plugin.socket.exists(), "the socket is not the plugin's to remove")


class LiveRestoreTests(DockerdRestartCase):
    """Containers that run on while dockerd is away."""

    def setUp(self) -> None:
        """Have dockerd keep its containers."""
        super().setUp()
        self.daemon_json = self.host.namespace.outside(Path("/etc/docker/daemon.json"))
        self.daemon_json.write_text(json.dumps({"live-restore": True}))
        self.host.dockerd.process.send(signal.SIGHUP)

    def tearDown(self) -> None:
        """Have it end them again."""
        self.daemon_json.unlink()
        self.terminate()
        super().tearDown()

    def restart(self, end: Callable[[], None]) -> None:
        """Restart with a ping under way; not one packet may be lost."""
        self.create_network("live")
        names = self.run_always("live", 2)
        address = self.inspect(names[1], "live", "IPAddress")
        self.docker("exec", "-d", names[0], "sh", "-c", f"ping -i 0.1 {address} >/tmp/ping.log")
        started = self.docker("inspect", "-f={{.State.StartedAt}}", *names)
        end()
        self.start_dockerd()
        self.assertEqual(self.docker("inspect", "-f={{.State.StartedAt}}", *names), started)
        self.assert_whole(names, "live")
        wait_until("some more packets are there", lambda: len(self.sequence(names[0])) > 30)
        self.inside(names[0], "killall", "-INT", "ping")
        sequence = self.sequence(names[0])
        self.report("live-restore", pings=len(sequence), lost=len(sequence) - sequence[-1] - 1)
        self.assertEqual(sequence, list(range(len(sequence))))
        self.create_and_leave(names)

    def sequence(self, name: str) -> list[int]:
        """Return the numbers of the packets that were answered."""
        return [int(number) for number in re.findall(r"seq=(\d+)", self.inside(name, "cat", "/tmp/ping.log"))]

    def create_and_leave(self, names: list[str]) -> None:
        """Start another container beside them, then remove all: the new daemon knows what the old one made."""
        self.run_container("new", "live")
        self.assert_reaches("new", self.inspect(names[0], "live", "IPAddress"))
        for name in (*names, "new"):
            self.remove_container(name)

    def test_sigterm(self) -> None:
        """The daemon ends in an orderly way."""
        self.restart(self.terminate)

    def test_sigkill(self) -> None:
        """The daemon and its containerd are killed."""
        self.restart(self.host.dockerd.kill)
