"""The managed plugin, and a Docker host that has it instead of a plugin of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from lab.controlled import ControlledHost
from lab.host import Host
from lab.managed import NAME, build, install
from lab.plugin import COMMAND
from lab.shell import run
from tests.e2e.host_support import controlled_host, demand_programs

PROJECT = Path(__file__).parent.parent.parent
#: What the plugin needs on a host that is in no cluster.
SETTINGS = ("NUAGE_SCOPE=local",)


@cache
def managed_plugin() -> Path:
    """Build the managed plugin as one does it; return its folder, which is removed when the tests are over."""
    folder = Path(tempfile.mkdtemp(prefix="nuage-managed"))
    atexit.register(shutil.rmtree, folder)
    build(folder / "plugin")
    return folder / "plugin"


@cache
def demand_managed_host() -> ControlledHost:
    """Return a running host whose only plugin is the managed one; see demand_host."""
    demand_programs("debootstrap")
    plugin = managed_plugin()
    host = controlled_host("managed-")
    host.start()
    install(host, plugin, *SETTINGS)
    return host


def command(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ``nuage-plugin`` that asks the plugin."""
    plugin = host.docker("plugin", "inspect", "-f", "{{.Id}}", NAME).stdout.strip()
    return host.run(COMMAND, f"--socket=/run/docker/plugins/{plugin}/control.sock", *words, check=False)


def audit(host: Host) -> None:
    """Have the plugin audit now: where no container is attached it does not ask Docker by itself."""
    pid = process(host)
    assert pid is not None, f"no plugin runs on {host.name}"
    os.kill(pid, signal.SIGUSR2)


def process(host: Host) -> int | None:
    """Return the plugin's process, None where none runs."""
    for pid in run("ip", "netns", "pids", host.namespace.name).stdout.split():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(word.endswith(b"/twistd") for word in words):
                return int(pid)
    return None
