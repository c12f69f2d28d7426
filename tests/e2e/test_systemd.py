"""The units on a real systemd, with a real dockerd and switch beside it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lab.controlled import ControlledHost
from lab.plugin import COMMAND, CONTROL, TWISTD
from lab.shell import wait_until
from lab.systemd import PROGRAM, Systemd
from tests.e2e.host_support import HostTestCase, demand_programs


class SystemdTests(HostTestCase):
    """systemd makes the socket and runs the plugin."""

    def demand_host(self) -> ControlledHost:
        """See HostTestCase."""
        demand_programs(PROGRAM)
        return super().demand_host()

    def setUp(self) -> None:
        """Boot it."""
        super().setUp()
        self.host.plugin.stop()
        self.systemd = Systemd(self.host.namespace, self.host.folder, self.host.plugin.config, TWISTD)
        self.systemd.start()

    def tearDown(self) -> None:
        """Have a plugin running as before."""
        self.systemd.stop()
        self.host.plugin.socket.unlink(missing_ok=True)
        if self.host.switch.database.pid is None:
            self.host.switch.start_database()
        self.host.plugin.start()
        self.host.plugin.wait()
        super().tearDown()

    def property_of(self, name: str) -> str:
        """Return a property of the service."""
        return self.systemd.run("systemctl", "show", "--value", f"--property={name}", "nuage-plugin.service").strip()

    def wait_for(self, name: str, start: str) -> None:
        """Wait until a property of the service starts with a text."""
        wait_until(f"{name} is {start}", lambda: self.property_of(name).startswith(start), 30)

    def test_confined(self) -> None:
        """With the unit's rights and no others containers are attached, reach each other and are detached."""
        self.wait_for("ActiveState", "active")
        self.wait_for("StatusText", "connected to unix:/var/run/openvswitch/db.sock, the cache is current")
        self.assertEqual(self.host.plugin.socket.stat().st_mode & 0o777, 0o600)
        # systemd has a /run of its own.
        self.assertEqual(self.systemd.run("stat", "--format=%a", str(CONTROL)).strip(), "600")
        self.assertIn("connected", self.systemd.run(str(COMMAND), f"--socket={CONTROL}", "status"))
        status = self.systemd.run("cat", f"/proc/{self.property_of('MainPID')}/status")
        for line in ("CapEff:\t0000000000001000", "CapBnd:\t0000000000001000", "NoNewPrivs:\t1", "Seccomp:\t2"):
            self.assertIn(f"{line}\n", status)
        self.attach_two()

    def attach_two(
        self, between: Callable[[], None] = lambda: None, before_end: Callable[[], None] = lambda: None
    ) -> None:
        """Run a container, do something, run another that reaches it, do something, and remove both."""
        self.create_network("booted")
        with_network = self.state()
        self.run_container("one", "booted")
        between()
        self.run_container("two", "booted")
        self.assert_reaches("one", self.inspect("two", "booted", "IPAddress"))
        before_end()
        self.remove_container("one")
        self.remove_container("two")
        self.wait_for_state(with_network)

    def test_killed_and_stopped(self) -> None:
        """Killed or stopped it is started again for the next call, which waits meanwhile. The socket goes last."""
        self.attach_two(self.kill, lambda: self.stop("nuage-plugin.service"))
        self.assertEqual(self.property_of("Result"), "success")
        self.stop("nuage-plugin.socket", "nuage-plugin.service")
        self.assertFalse(self.host.plugin.socket.exists(), "no socket at all is better than a dead one")

    def kill(self) -> None:
        """Kill the plugin."""
        self.systemd.run("systemctl", "kill", "--signal=KILL", "nuage-plugin.service")

    def stop(self, *units: str) -> None:
        """Stop units."""
        self.systemd.run("systemctl", "stop", *units)

    def test_without_vrs(self) -> None:
        """It is not ready without a VRS, says why, and answers the call that came first as soon as there is one."""
        self.stop("nuage-plugin.service")
        self.host.switch.database.stop()
        with ThreadPoolExecutor(1) as thread:
            creation = thread.submit(self.create_network, "early")
            self.wait_for("StatusText", "waits for the VRS: not connected to unix:/var/run/openvswitch/db.sock: ")
            self.assertEqual(self.property_of("ActiveState"), "activating")
            self.assertFalse(creation.done(), "it was answered without a VRS")
            self.host.switch.start_database()
            self.wait_for("ActiveState", "active")
            self.assertTrue(creation.result(30))
        self.assertNotEqual(self.property_of("WatchdogTimestampMonotonic"), "0")

    def test_without_controller(self) -> None:
        """It is not ready without one, and says so; what needs none is answered."""
        self.stop("nuage-plugin.service")
        self.addCleanup(self.host.vsc.come_back)
        self.host.vsc.leave()
        wait_until("the role is gone", lambda: not self.host.vsc.is_master(self.host), 10)
        self.create_network("early")
        connected = "connected to unix:/var/run/openvswitch/db.sock, the cache is current; bridge alubr0 is there"
        self.wait_for("StatusText", f"{connected}; waits for the controller: no row of the VRS's table Controller has")
        self.assertEqual(self.property_of("ActiveState"), "activating")
        self.host.vsc.come_back()
        wait_until("the role is back", lambda: self.host.vsc.is_master(self.host), 10)
        self.wait_for("ActiveState", "active")
        self.wait_for("StatusText", f"{connected}; a controller is connected")
