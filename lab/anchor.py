"""Keeping namespaces alive in which nothing else runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.shell import Process, wait_until


class Anchor:
    """An idle process in its own namespaces, for mounts and for the host's name.

    Args:
        name: Name of the namespace in the folder.
        folder: Folder for its files.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._process = Process(name, folder)
        self._ready = folder / f"{name}.ready"

    @property
    def made(self) -> bool:
        """Whether the namespace was made and not removed."""
        return self._process.pid_file.exists()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.pid is not None

    def make(self, within: Sequence[object], commands: Sequence[str]) -> None:
        """Make the namespace.

        Args:
            within: The command that runs another one in the namespace to start from.
            commands: Shell commands that run in it first.
        """
        self._ready.unlink(missing_ok=True)
        script = "; ".join((*commands, f"touch {self._ready}", "exec sleep infinity"))
        self._process.start(*within, "unshare", "--uts", "--mount", "--propagation", "private", "sh", "-ec", script)
        wait_until(f"the namespace {self._process.name} is ready", self._ready.exists, 10)

    def inside(self, *words: object) -> tuple[object, ...]:
        """Return the command that runs another one in the namespaces of the process."""
        return ("nsenter", f"--target={self._process.pid}", "--mount", "--uts", "--net", *words)

    def forget(self) -> None:
        """Take the process for dead."""
        self._process.pid_file.unlink(missing_ok=True)
