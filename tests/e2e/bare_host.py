"""A Docker host on which nothing else runs but a plugin that notes its calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.host import Host
from lab.shell import Process, wait_until

#: What its networks' driver is called.
DRIVER = "small"
_SOCKET = Path(f"/run/docker/plugins/{DRIVER}.sock")


class BareHost(Host):
    """A host without a switch and without the plugin of this project.

    Args:
        name: Name of the host.
        root: Folder below which the host has a folder with all its files.
    """

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name, root)
        self._record = self.folder / "calls.jsonl"
        self._small = Process("small-plugin", self.folder)

    def boot(self, **configuration: object) -> None:
        """Start the plugin and Docker."""
        assert not configuration
        module = "tests.simulation.docker.small_plugin"
        self._small.start(*self.namespace.inside(sys.executable, "-m", module, _SOCKET, self._record))
        wait_until("the small plugin listens", self.namespace.outside(_SOCKET).exists, 20)
        self.dockerd.start()
        self.dockerd.wait()
        self.dockerd.load_image()

    def calls(self) -> list[tuple[str, Any]]:
        """Return all calls so far, and their requests."""
        return [(each["method"], each["request"]) for each in map(json.loads, self._lines())]

    def command(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run the CLI."""
        return self.docker(*words, check=False)

    def pid_of(self, container: str) -> int:
        """Return the process of a container, 0 while it has none."""
        return int(self.docker("inspect", "--format={{.State.Pid}}", container).stdout)

    def remove(self) -> None:
        """End everything and remove all files."""
        if self.dockerd.process.pid is not None:
            containers = self.docker("ps", "-aq", check=False).stdout.split()
            if containers:
                self.docker("rm", "-f", *containers, check=False)
        self._small.stop()
        super().remove()

    def _lines(self) -> list[str]:
        return self._record.read_text().splitlines() if self._record.exists() else []
