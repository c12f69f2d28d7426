"""The root of a Debian that a test may change: the tree of a release, which stays as it is, with a layer on top."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.test_tap import PROJECT

_MOUNT = """
mount -t overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work" overlay "$2/root"
mount -t proc proc "$2/root/proc"
mount --rbind /dev "$2/root/dev"
mkdir -p "$2/root/$3"
mount --bind "$3" "$2/root/$3"
cd "$2/root"
shift 3
exec chroot . "$@"
"""
#: With nothing in it that leads a Python astray.
ENVIRON = {"PATH": f"{os.defpath}:/usr/sbin:/sbin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def run(*words: object, timeout: float = 120) -> str:
    """Run a program and return what it prints.

    Raises:
        AssertionError: It failed; the message has what it said.
    """
    argv = [str(word) for word in words]
    done = subprocess.run(argv, env=ENVIRON, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Root:
    """A root. It is mounted for each program that runs in it, and for nobody else.

    Args:
        release: The Debian release.
        folder: An empty folder for what is changed in it.
        shared: A folder of the machine that is seen in it, too.
    """

    def __init__(self, release: str, folder: Path, shared: Path) -> None:
        self._tree = run(PROJECT / "packaging" / "base", release, timeout=400).strip()
        self._folder = folder
        self._shared = shared
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()

    def inside(self, *words: object) -> list[str]:
        """Return the command that runs another one in it. The process is that of the other one."""
        mounted = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", _MOUNT, "mount")
        return [str(word) for word in (*mounted, self._tree, self._folder, self._shared, *words)]

    def run(self, *words: object) -> str:
        """Run a program in it and return what it prints."""
        return run(*self.inside(*words))

    def changed(self, path: str) -> Path:
        """Return where a file of it that is not the tree's can be read and written while no program runs in it."""
        return self._folder / "upper" / path.lstrip("/")
