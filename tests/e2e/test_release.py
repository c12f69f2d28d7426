"""Which Docker the hosts have, and what a host leaves of it."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lab import release
from lab.dockerd import IMAGE
from lab.host import Host
from lab.shell import run
from tests.e2e.host_support import ROOT, HostTestCase, demand_programs


class ReleaseTests(HostTestCase):
    """The release that LAB_DOCKER asks for."""

    def test_versions(self) -> None:
        """Daemon and CLI are those that the release's packages brought."""
        packages = f"--admindir={release.root() / 'var/lib/dpkg'}"
        packaged = run("dpkg-query", packages, "--show", "-f=${source:Upstream-Version}", "docker.io").stdout
        running = self.docker("version", "-f={{.Client.Version}} {{.Server.Version}}")
        self.assertEqual(running.split(), [packaged, packaged])


class RemovalTests(SynchronousTestCase):
    """A host that is removed."""

    timeout = 120

    def test_nothing_is_left_of_a_killed_daemon(self) -> None:
        """Its container, its mounts, its control groups and its files go, whatever Docker's daemon could not end."""
        demand_programs()
        host = Host(f"e2e-{os.getpid()}-g", ROOT)
        self.addCleanup(host.remove)
        host.start()
        host.docker("run", "-d", "--net=bridge", IMAGE, "sleep", "1000")
        self.assertNotEqual(_traces(host), set())
        host.dockerd.kill()
        host.remove()
        self.assertEqual(_traces(host), set())


def _traces(host: Host) -> set[str]:
    """Return what is there of a host on the machine."""
    processes = {
        f"{file.parent.name}: {file.name}"
        for pattern in ("cmdline", "cgroup", "mountinfo")
        for file in Path("/proc").glob(f"[0-9]*/{pattern}")
        if host.name in _text(file)
    }
    groups = {str(group) for group in Path("/sys/fs/cgroup").glob(f"**/*{host.name}*")}
    files = {str(path) for path in (host.folder, Path("/run/netns", host.namespace.name)) if path.exists()}
    return processes | groups | files


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        # The process has ended, or it is a thread of the kernel.
        return ""
