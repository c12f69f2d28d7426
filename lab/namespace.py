"""The namespaces of a host: network, mounts, and its name."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection
from pathlib import Path

from lab.anchor import Anchor
from lab.shell import run, wait_until

#: Folders of the machine of which each host has its own, by the name of the folder that replaces them.
_PRIVATE = {"run": Path("/run"), "etc-docker": Path("/etc/docker")}
#: Folders that programs expect in /run.
_EXPECTED = ("docker", "openvswitch")


class Namespace:
    """A named network namespace, and namespaces for mounts and for the host's own name.

    Args:
        hostname: The host's name, as its programs see it.
        folder: Folder for its files.
    """

    def __init__(self, hostname: str, folder: Path) -> None:
        self.name = f"nuage-{hostname}"
        self._hostname = hostname
        self._folder = folder
        self._anchor = Anchor("namespace", folder)

    @property
    def exists(self) -> bool:
        """Whether it was made and not removed."""
        return self._anchor.alive

    def make(self) -> None:
        """Make the namespaces."""
        run("ip", "netns", "add", self.name)
        mounts = []
        for private, public in _PRIVATE.items():
            (self._folder / private).mkdir(exist_ok=True)
            with contextlib.suppress(FileExistsError):
                public.mkdir()
                (self._folder / f"{private}.made").touch()
            mounts.append(f"mount --bind {self._folder / private} {public}")
        for expected in _EXPECTED:
            (self._folder / "run" / expected).mkdir(exist_ok=True)
        # Not "ip netns exec": it mounts /sys again, without the cgroups below it, which dockerd needs.
        within = ("nsenter", f"--net=/run/netns/{self.name}")
        self._anchor.make(within, (*mounts, f"hostname {self._hostname}", "ip link set lo up"))

    def inside(self, *words: object) -> tuple[object, ...]:
        """Return the command that runs another one inside."""
        return self._anchor.inside(*words)

    def outside(self, path: Path) -> Path:
        """Return the path by which a file in one of the private folders is seen from outside."""
        for private, public in _PRIVATE.items():
            if path.is_relative_to(public):
                return self._folder / private / path.relative_to(public)
        return path

    def remove(self) -> None:
        """Remove them, and end every process that is left in them."""
        for pid in self._inhabitants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(f"all processes of {self.name} end", lambda: not self._inhabitants(), 20)
        self._anchor.forget()
        run("ip", "netns", "delete", self.name, check=False)
        for private, public in _PRIVATE.items():
            if (self._folder / f"{private}.made").exists():
                with contextlib.suppress(OSError):
                    public.rmdir()

    def empty(self, keep: Collection[Path]) -> None:
        """Empty the folder for files of a running system, as a machine's start does. Nothing may run.

        Args:
            keep: Files that stay, by their paths inside.
        """
        kept = {self.outside(path) for path in keep}
        for path in sorted(self.outside(Path("/run")).rglob("*"), reverse=True):
            if path in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)

    def _inhabitants(self) -> list[int]:
        listed = run("ip", "netns", "pids", self.name, check=False).stdout.split()
        return [int(pid) for pid in listed]
