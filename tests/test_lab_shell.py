"""Programs that the lab runs in the background."""

from __future__ import annotations

import signal
import socket
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lab.shell import Process, wait_until

#: A program that listens, with threads and memory that the kernel needs some time to clear away.
_LISTENS = """
import socket, sys, threading, time
memory = bytearray(60 << 20)
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    listening.listen()
    for _ in range(8):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    time.sleep(1000)
"""
#: Most of these kills show what the tests are about.
_KILLS = 15


class KilledTests(SynchronousTestCase):
    """A program that is killed has threads, and its sockets answer until the last of them has ended."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="nuage")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "socket"

    def kill(self, started: Process, stopped: Process) -> bool:
        """Start the program, kill it, and tell whether its socket still answers after that."""
        self.path.unlink(missing_ok=True)
        started.start(sys.executable, "-c", _LISTENS, self.path)
        wait_until("it listens", self.answers)
        stopped.stop(signal.SIGKILL)
        answers = self.answers()
        wait_until("it is gone", lambda: started.pid is None)
        return answers

    def answers(self) -> bool:
        """Tell whether somebody listens."""
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.path)) == 0

    def test_by_who_started_it(self) -> None:
        """Once it is stopped, nobody answers."""
        process = Process("program", self.folder)
        self.assertEqual([self.kill(process, process) for _ in range(_KILLS)], [False] * _KILLS)

    def test_by_another_run(self) -> None:
        """Another run knows it by its pid file."""
        process, other = Process("program", self.folder), Process("program", self.folder)
        self.assertEqual([self.kill(process, other) for _ in range(_KILLS)], [False] * _KILLS)
