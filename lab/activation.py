"""A listening socket that is there before its daemon, like those of systemd's socket units: sd_listen_fds(3)."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

#: The number of the descriptor that a daemon gets the socket as.
_FIRST_DESCRIPTOR = 3
_BACKLOG = 4096


class Activation:
    """Holds a socket, and passes it to one daemon after the other.

    Args:
        path: Where the socket is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        former = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(former)
        self._socket.listen(_BACKLOG)

    @property
    def descriptors(self) -> Sequence[int]:
        """The descriptors that the daemon has to inherit."""
        return (self._socket.fileno(),)

    @property
    def wrapper(self) -> Sequence[object]:
        """The command that becomes the daemon; the daemon's own command follows it."""
        return (sys.executable, "-m", "lab.activation", self._socket.fileno())

    def called(self, timeout: float) -> bool:
        """Wait until somebody connects; return whether anybody did within ``timeout`` seconds."""
        return bool(select.select([self._socket], [], [], timeout)[0])

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def _become(descriptor: int, program: Sequence[str]) -> None:
    # A duplicate is inherited; the descriptor itself would stay if it had this number already.
    if descriptor == _FIRST_DESCRIPTOR:
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(descriptor, _FIRST_DESCRIPTOR)
        os.close(descriptor)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execvp(program[0], list(program))


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
