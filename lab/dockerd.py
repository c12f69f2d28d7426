"""The Docker daemon of a host."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lab.shell import Process, run, wait_until

IMAGE = "busybox:local"
_DOCKER = "/usr/bin/docker"
_BUSYBOX = "/bin/busybox"
#: Seconds to wait for the daemon's answer. While it starts there is none.
_SILENCE = 1.0


class Root(Protocol):
    """The root folder that a daemon and its CLI see, such as lab.release.Release."""

    def inside(self, *words: object) -> tuple[object, ...]:
        """Return the command that runs another one there."""


class Dockerd:
    """dockerd, with all its files in the host's folder."""

    def __init__(self, root: Root, name: str, folder: Path, arguments: Sequence[str] = ()) -> None:
        self._root = root
        self._folder = folder / "docker"
        self._control_group = f"nuage-{name}"
        self._arguments = arguments
        self.socket = folder / "docker.sock"
        self.process = Process("dockerd", folder)

    def start(self) -> None:
        """Start the daemon, without waiting until it answers."""
        self._folder.mkdir(exist_ok=True)
        self.process.start(
            *self._root.inside(
                "dockerd",
                f"--data-root={self._folder / 'data'}",
                f"--exec-root={self._folder / 'exec'}",
                f"--pidfile={self._folder / 'dockerd.pid'}",
                f"--host=unix://{self.socket}",
                f"--cgroup-parent=/{self._control_group}",
                "--exec-opt=native.cgroupdriver=cgroupfs",
                *self._arguments,
            )
        )

    def wait(self, timeout: float = 120) -> None:
        """Wait until the daemon answers."""
        wait_until("dockerd answers", self._answers, timeout)

    def docker(self, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the docker CLI against this daemon."""
        return run(*self._command(*words), check=check, timeout=timeout)

    def load_image(self) -> None:
        """Make an image of the machine's own static busybox: there may be no registry."""
        if self.docker("image", "inspect", IMAGE, check=False).returncode:
            run(*self._command("import", "-", IMAGE), stdin=_busybox())

    def stop(self) -> None:
        """Remove all containers, then end the daemon."""
        if self.process.pid is not None:
            containers = self.docker("ps", "-aq", check=False).stdout.split()
            if containers:
                self.docker("rm", "-f", *containers, check=False)
            self.process.stop()

    def kill(self) -> None:
        """Kill the daemon and its containerd at once; the containers' processes and all that they have stay."""
        containerd = self._folder / "exec" / "containerd" / "containerd.pid"
        self.process.stop(signal.SIGKILL)
        with contextlib.suppress(OSError, ValueError):
            pid = int(containerd.read_text())
            os.kill(pid, signal.SIGKILL)
            wait_until("containerd ends", lambda: not Path(f"/proc/{pid}").exists(), 10)

    def kill_containers(self) -> None:
        """Kill the processes of containers that a killed daemon left."""
        left = self._folder / "data" / "containers"
        _kill(_members([entry.name for entry in left.iterdir()] if left.is_dir() else []))

    def remove_control_groups(self) -> None:
        """Remove the control groups of this host's containers, with what still runs in them.

        A container that was being started or removed when its daemon was killed may run on, unknown to Docker.
        """
        below = [f"/{self._control_group}/"]
        _kill(_members(below))
        wait_until("the containers end", lambda: not _members(below), 20)
        for root in Path("/sys/fs/cgroup").glob(f"**/{self._control_group}"):
            for group in sorted(root.glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()

    def forget_runtime(self) -> None:
        """Remove what is lost when a machine restarts, because it was kept in memory. Nothing may run."""
        shutil.rmtree(self._folder / "exec", ignore_errors=True)
        for path in (self._folder / "dockerd.pid", self.socket):
            path.unlink(missing_ok=True)

    def _command(self, *words: str) -> tuple[object, ...]:
        # The lab does not use the user's own configuration of the CLI.
        configuration = f"--config={self._folder / 'cli'}"
        return self._root.inside(_DOCKER, configuration, f"--host=unix://{self.socket}", *words)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SILENCE)
            connection.connect(str(self.socket))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        return False


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _members(groups: Sequence[str]) -> list[int]:
    """Return the processes in control groups whose path contains one of ``groups``, such as a container's id."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                paths = (entry / "cgroup").read_text()
                if any(group in paths for group in groups):
                    members.append(int(entry.name))
    return members


def _busybox() -> bytes:
    archive = io.BytesIO()
    applets = run(_BUSYBOX, "--list").stdout.split()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(_BUSYBOX, "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
    return archive.getvalue()
