"""The managed plugin, and a Docker host that has it instead of a plugin of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from lab.host import Host
from lab.shell import run
from tests.e2e.host_support import ROOT, demand_programs

PROJECT = Path(__file__).parent.parent.parent
#: As Docker names it where no tag is given.
NAME = "nuage:latest"


@cache
def managed_plugin() -> Path:
    """Build the managed plugin as one does it; return its folder, which is removed when the tests are over."""
    folder = Path(tempfile.mkdtemp(prefix="nuage-managed"))
    atexit.register(shutil.rmtree, folder)
    run(PROJECT / "packaging" / "plugin" / "build", folder / "plugin", timeout=400)
    return folder / "plugin"


@cache
def demand_managed_host() -> Host:
    """Return a running host whose only plugin is the managed one; see demand_host."""
    demand_programs("debootstrap")
    plugin = managed_plugin()
    # The process in its name tells host_support whether it is a leftover.
    host = Host(f"e2e-{os.getpid()}-managed", ROOT)
    atexit.register(_remove, host)
    host.start()
    host.plugin.stop()
    host.docker("plugin", "create", NAME, str(plugin), timeout=120)
    adapt(host)
    host.docker("plugin", "enable", NAME)
    return host


def adapt(host: Host) -> None:
    """Set the plugin to what it needs on a host whose switch has no controller; it has to be disabled."""
    settings = (f"docker.source={host.dockerd.socket}", "NUAGE_SCOPE=local", "NUAGE_RESOLVE_TIMEOUT=0")
    host.docker("plugin", "set", NAME, *settings)


def process(host: Host) -> int | None:
    """Return the plugin's process, None where none runs."""
    for pid in run("ip", "netns", "pids", host.namespace.name).stdout.split():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(word.endswith(b"/twistd") for word in words):
                return int(pid)
    return None


def _remove(host: Host) -> None:
    host.remove()
    with contextlib.suppress(OSError):
        ROOT.rmdir()
