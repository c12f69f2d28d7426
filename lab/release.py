"""Which Docker the hosts have: the machine's own, or that of another Debian release. ``python -m lab.release``.

The other one is in a tree that debootstrap makes once for all hosts. Its programs and libraries are mounted over the
machine's, read-only, and only for the Docker daemon and the Docker CLI. A chroot would not do: ``pivot_root`` gives
containers their root, and looks for it from the machine's root.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.anchor import Anchor
from lab.namespace import Namespace
from lab.shell import CommandFailed, run

#: Names a Debian release: trixie, forky or a later one. Without it the hosts have the machine's own Docker.
_VARIABLE = "LAB_DOCKER"
#: A tree that was removed is made again, with the release's updates.
_TREES = Path("/var/cache/nuage-lab")
#: Since trixie, Debian has the CLI in its own package.
_PACKAGES = ("docker.io", "docker-cli")
_MAKE = Path(__file__).parents[1] / "packaging" / "tree"
#: Programs and libraries, the choice between two kinds of iptables, and where a program finds its libraries.
_REPLACED = ("usr", "etc/alternatives", "etc/ld.so.cache")
_MOUNT_NAMESPACE = ("unshare", "--mount", "--propagation", "private")


class Release:
    """The root that the Docker daemon and the CLI of a host see.

    Args:
        namespace: The host's namespaces.
        folder: The host's folder.
    """

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self._namespace = namespace
        self._anchor = Anchor("release", folder)

    def make(self) -> None:
        """Make it in the namespaces, which have to exist."""
        if mounts := _mounts():
            self._anchor.make(self._namespace.inside(), mounts)

    def inside(self, *words: object) -> tuple[object, ...]:
        """Return the command that runs another one there."""
        return self._anchor.inside(*words) if self._anchor.made else self._namespace.inside(*words)


def root() -> Path:
    """Return the root of the release's files."""
    name = os.environ.get(_VARIABLE)
    return _TREES / name if name else Path("/")


def accepts(flag: str) -> bool:
    """Tell whether dockerd has a command line flag, which is given with a well-formed value. It needs no host."""
    # Do not look at --help, which leaves out deprecated flags.
    script = "; ".join((*_mounts(), f"dockerd {flag} --version"))
    return run(*_MOUNT_NAMESPACE, "sh", "-ec", script, check=False).returncode == 0


def install() -> None:
    """Make the release's tree, unless it is there or nobody asked for one.

    Raises:
        CommandFailed: It could not be made.
    """
    tree = root()
    if tree.exists():
        return
    print(f"making a tree of Debian {tree.name} for its Docker in {tree}", flush=True)
    run(_MAKE, tree.name, tree, *_PACKAGES, timeout=1800)


def _mounts() -> Sequence[str]:
    """Return the commands that mount the tree's files over the machine's, none for the machine's own Docker."""
    tree = root()
    if tree == Path("/"):
        return ()
    return [f"mount --bind -o ro {tree / path} /{path}" for path in _REPLACED]


if __name__ == "__main__":
    try:
        install()
    except CommandFailed as problem:
        sys.exit(f"lab/install: {problem}")
