"""The plugin ends and comes back between the calls about an endpoint."""

from __future__ import annotations

import signal
import stat

from tests.e2e.host_support import HostTestCase


class PluginRestartTests(HostTestCase):
    """Restarts between run and stop: no container notices, and nothing is lost or left."""

    def tearDown(self) -> None:
        """Have the plugin running again for the next test, whatever this one did."""
        if self.host.plugin.process.pid is None:
            self.start_plugin()
        super().tearDown()

    def restart_between_run_and_stop(self, number: signal.Signals) -> None:
        """Restart with one container running; stop it and run another one on the same network afterwards."""
        self.create_network("kept")
        with_network = self.state()
        self.run_container("old", "kept")
        self.run_container("peer", "kept")
        address = self.inspect("peer", "kept", "IPAddress")
        self.host.plugin.stop(number)
        self.assert_reaches("old", address)
        self.start_plugin()
        self.assert_reaches("old", address)
        self.run_container("new", "kept")
        self.assert_reaches("new", address)
        self.assertIn("default via 10.21.59.1 ", self.inside("new", "ip", "route"))
        self.assertEqual(self.row_of("Nuage_VM_Table", "vm_name", "new")["nuage_enterprise"], "Enterprise")
        for name in ("old", "peer", "new"):
            self.remove_container(name)
        self.wait_for_state(with_network)

    def test_sigterm(self) -> None:
        """The plugin is ended in an orderly way and started again."""
        self.restart_between_run_and_stop(signal.SIGTERM)

    def test_sigkill(self) -> None:
        """The plugin is killed and started again; the socket file that it left is replaced."""
        self.restart_between_run_and_stop(signal.SIGKILL)

    def test_socket_file(self) -> None:
        """The socket is its owner's alone and goes with the plugin."""
        socket = self.host.plugin.socket
        found = socket.stat()
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual((stat.S_IMODE(found.st_mode), found.st_uid), (0o600, 0))
        self.host.plugin.stop(signal.SIGTERM)
        self.assertFalse(socket.exists())
        self.assertIn("Main loop terminated", self.host.plugin.process.tail())

    def test_memory_at_start(self) -> None:
        """A plugin that has just loaded the switch's database takes no more than 80 MB."""
        self.host.plugin.stop()
        self.start_plugin()
        status = self.host.run("cat", f"/proc/{self.host.plugin.process.pid}/status").stdout
        (resident,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        self.assertLess(int(resident), 80_000)

    def test_network_removed_after_restart(self) -> None:
        """A network that was made before a restart can be removed after it, with its record."""
        self.create_network("before")
        self.host.plugin.stop(signal.SIGTERM)
        self.start_plugin()
        self.remove_network("before")
        self.assert_nothing_left()
