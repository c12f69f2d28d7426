"""The plugin as a container of the daemon that it serves, as the Dockerfile and the compose file make it."""

from __future__ import annotations

import time
from pathlib import Path

from lab.controlled import ControlledHost
from lab.shell import wait_until
from tests.e2e.disturbance_support import ALWAYS
from tests.e2e.host_support import HostTestCase, demand_programs
from tests.e2e.image_support import TAG, plugin_image
from tests.e2e.managed_support import PROJECT

_FILE = PROJECT / "packaging" / "docker" / "compose.yaml"


class ContainerImageTests(HostTestCase):
    """The shared host has the container instead of its own plugin during a test."""

    timeout = 500

    def demand_host(self) -> ControlledHost:
        """See HostTestCase."""
        demand_programs("docker-compose", "debootstrap")
        return super().demand_host()

    def setUp(self) -> None:
        """Start the image, which is loaded once for all tests."""
        image = plugin_image()
        super().setUp()
        if self.host.docker("image", "inspect", TAG, check=False).returncode:
            self.host.docker("load", f"--input={image}", timeout=120)
        self.host.plugin.stop()
        self.compose("up", "--detach")
        self.host.plugin.wait()

    def tearDown(self) -> None:
        """Have the host's own plugin again."""
        self.compose("down")
        self.start_plugin()
        super().tearDown()

    def compose(self, *words: str) -> None:
        """Run docker-compose as it is typed, with what the lab's host has different."""
        environ = (
            f"DOCKER_HOST=unix://{self.host.dockerd.socket}",
            f"DOCKER_SOCKET={self.host.dockerd.socket}",
            "NUAGE_SCOPE=local",
        )
        self.host.run("env", *environ, "docker-compose", f"--file={_FILE}", *words)

    def test_attached(self) -> None:
        """Containers reach each other, have their names at the switch, and stay attached while the plugin restarts.

        The image has the operator's command.
        """
        self.create_network("contained")
        self.run_container("one", "contained")
        self.compose("restart")
        self.host.plugin.wait()
        self.run_container("two", "contained")
        self.assert_reaches("one", self.inspect("two", "contained", "IPAddress"))
        self.row_of("Nuage_VM_Table", "vm_name", "two")
        self.assertIn("2 resolved", self.docker("exec", TAG, "nuage-plugin", "status"))
        self.remove_container("one")
        self.remove_container("two")
        self.remove_network("contained")

    def test_dockerd_restarted(self) -> None:
        """Docker starts the plugin and its containers at once, and they come up all the same."""
        self.create_network("contained")
        for name in ("one", "two"):
            self.run_container(name, "contained", *ALWAYS)
        self.host.dockerd.process.stop(timeout=60)
        self.host.dockerd.start()
        self.host.dockerd.wait()
        running = "{{.State.Running}}"
        for name in ("one", "two"):
            wait_until(f"{name} runs", lambda name=name: self.docker("inspect", "-f", running, name) == "true", 30)  # type: ignore[misc]
        self.assert_reaches("one", self.inspect("two", "contained", "IPAddress"))

    def test_rights(self) -> None:
        """It has the right to make links and no other, and cannot write to its image."""
        pid = self.docker("inspect", "-f", "{{.State.Pid}}", TAG)
        status = Path(f"/proc/{pid}/status").read_text()
        for line in ("CapEff:\t0000000000001000", "CapBnd:\t0000000000001000", "NoNewPrivs:\t1"):
            self.assertIn(f"{line}\n", status)
        self.refused("exec", TAG, "touch", "/opt/x")

    def test_stopped(self) -> None:
        """It ends at once and leaves no socket."""
        start = time.monotonic()
        self.compose("stop")
        self.assertLess(time.monotonic() - start, 8)
        self.assertFalse(self.host.plugin.socket.exists())
        self.assertEqual(self.docker("inspect", "-f", "{{.State.ExitCode}}", TAG), "0")
