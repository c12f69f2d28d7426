"""Running programs, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_POLL = 0.02


class CommandFailed(Exception):
    """A program ended with an error."""

    def __init__(self, argv: tuple[str, ...], done: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
        self.output = done.stdout + done.stderr


class NeverHappened(Exception):
    """What was waited for did not happen."""


def run(
    *words: object, check: bool = True, timeout: float = 60, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Args:
        words: The program and its arguments.
        check: Raise CommandFailed when it ends with an error.
        timeout: Seconds it may take.
        stdin: What it reads. The terminal is not for it: a program that asks there would wait for an answer.
    """
    argv = tuple(str(word) for word in words)
    raw = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, check=False)
    done = subprocess.CompletedProcess(argv, raw.returncode, raw.stdout.decode(), raw.stderr.decode())
    if check and done.returncode:
        raise CommandFailed(argv, done)
    return done


def wait_until(what: str, condition: Callable[[], object], timeout: float = 30) -> None:
    """Wait until ``condition`` is true.

    Raises:
        NeverHappened: It was not within ``timeout`` seconds; the message names ``what``.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {timeout:g} s")
        time.sleep(_POLL)


class Process:
    """A program in the background, with a pid file by which another run of the lab finds it again."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.pid_file = folder / f"{name}.pid"
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None if it does not run."""
        try:
            pid, started = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        # The number may belong to another process by now: its start time tells.
        return int(pid) if self._alive(int(pid)) and _start_time(int(pid)) == started else None

    def start(self, *words: object, descriptors: Sequence[int] = ()) -> None:
        """Start the program in the background; what it prints goes to its log.

        Args:
            words: The program and its arguments.
            descriptors: File descriptors that it inherits, under the same numbers.
        """
        with self.log.open("ab") as log:
            self._started = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=descriptors,
            )
        self.pid_file.write_text(f"{self._started.pid} {_start_time(self._started.pid)}\n")

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30) -> None:
        """Send a signal and wait until the process is gone."""
        self.send(number)
        wait_until(f"{self.name} ends", lambda: self.pid is None, timeout)
        self.pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 30) -> str:
        """Return the end of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _alive(self, pid: int) -> bool:
        if self._started is not None and self._started.pid == pid:
            return self._started.poll() is None
        return not _ended(pid)


def _ended(pid: int) -> bool:
    """Tell whether all threads of a process have ended, which may be a zombie still.

    A killed process has its sockets until its last thread has ended, and the first thread is a zombie until then. A
    list of the threads is no answer: it may lack some while others end.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ends = select.poll()
        ends.register(descriptor, select.POLLIN)
        return bool(ends.poll(0))
    finally:
        os.close(descriptor)


def _start_time(pid: int) -> str:
    """Return the start time of a process, field 22 of its state (proc(5)), in ticks since the machine started."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
