"""One Docker host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.dockerd import Dockerd
from lab.namespace import Namespace
from lab.plugin import Plugin
from lab.release import Release
from lab.shell import Process, run
from lab.switch import CONTROLLER_SOCKET, Switch


class Host:
    """A Docker host in its own namespaces.

    Its switch has no controller, so no port is resolved: lab/controlled.py and lab/pair.py make hosts with one.

    Args:
        name: Name of the host and of its network namespace.
        root: Folder below which the host has a folder with all its files.
        docker_args: Arguments for dockerd.
        address: The address by which other hosts reach its daemons, if there are others.
    """

    def __init__(self, name: str, root: Path, docker_args: Sequence[str] = (), address: str = "127.0.0.1") -> None:
        self.name = name
        self.address = address
        self.folder = root / name
        self.namespace = Namespace(name, self.folder)
        self.switch = Switch(self.namespace, self.folder)
        self.release = Release(self.namespace, self.folder)
        self.dockerd = Dockerd(self.release, name, self.folder, docker_args)
        self.plugin = Plugin(self.namespace, self.folder, self.dockerd.socket)

    @property
    def running(self) -> bool:
        """Whether all of the host's daemons run."""
        return all(process.pid is not None for process in self.processes())

    def processes(self) -> tuple[Process, ...]:
        """Return all of the host's daemons."""
        return (self.switch.database, self.switch.daemon, self.plugin.process, self.dockerd.process)

    def start(self, **configuration: object) -> None:
        """Start everything, after removing what an earlier run left of this host.

        Args:
            configuration: Keys of the plugin's configuration that differ from the lab's usual one.
        """
        self.prepare()
        self.boot(**configuration)

    def prepare(self) -> None:
        """Make the namespaces, in which nothing runs yet, after removing what an earlier run left of this host."""
        self.remove()
        self.folder.mkdir(parents=True)
        self.namespace.make()
        self.release.make()

    def boot(self, **configuration: object) -> None:
        """Start all daemons in the namespaces; see :meth:`start`."""
        self.plugin.configure(**configuration)
        self.dockerd.start()
        self.plugin.start()
        self.switch.make()
        self.plugin.wait()
        self.dockerd.wait()
        self.dockerd.load_image()

    def remove(self) -> None:
        """End everything and remove all files."""
        if self.namespace.exists:
            self.dockerd.stop()
            self.plugin.stop()
            self.switch.stop()
        self.dockerd.kill_containers()
        self.namespace.remove()
        self.dockerd.remove_control_groups()
        if self.folder.exists():
            _unmount_below(self.folder)
            shutil.rmtree(self.folder)

    def power_loss(self) -> None:
        """Let the machine lose its power, and come up again with nothing started yet.

        All processes, devices and mounts are gone at once, and so is what was kept in memory: the folder of runtime
        files. What was written stays: the switch's database, Docker's data, the plugin's configuration. The socket of a
        controller also stays, because it stands for another machine. This is not for a host of a pair: its wires would
        go too.
        """
        self.namespace.remove()
        self.dockerd.kill_containers()
        self.dockerd.remove_control_groups()
        self.dockerd.forget_runtime()
        self.namespace.empty(keep=(CONTROLLER_SOCKET,))
        self.namespace.make()
        self.release.make()

    def docker(self, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the docker CLI against this host."""
        return self.dockerd.docker(*words, check=check, timeout=timeout)

    def run(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program on this host."""
        return run(*self.namespace.inside(*words), check=check)

    def links(self) -> list[str]:
        """Return the network devices in the host's namespace."""
        listed = self.run("ip", "-o", "link", "show").stdout.splitlines()
        return [line.split(": ")[1].partition("@")[0] for line in listed]


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if mount.startswith(f"{folder}/"):
            run("umount", "--lazy", mount, check=False)
