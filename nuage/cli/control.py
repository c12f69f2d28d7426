"""One question to the daemon, on its control socket."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

#: Seconds for an answer. The daemon has it ready; an audit that is asked for takes longer and says so.
TIMEOUT = 5.0


class NotReachable(Exception):
    """The daemon gives no answer; the message says why, and what to do."""


class Refusal(Exception):
    """The daemon answered with an error; the message is its own."""


class Control:
    """The daemon, as a program sees it through its control socket.

    Args:
        path: The socket.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, what: str, timeout: float = TIMEOUT) -> Any:
        """Return an answer.

        Args:
            what: A path, such as ``/status``.
            timeout: Seconds to wait.

        Raises:
            NotReachable: There was none.
            Refusal: It is an error.
        """
        return json.loads(self.ask("GET", what, timeout=timeout))

    def ask(self, method: str, what: str, body: str | None = None, timeout: float = TIMEOUT) -> bytes:
        """Return the body of an answer as it is; see :meth:`get`. ``body`` is that of the question."""
        connection = _UnixConnection(self.path, timeout)
        try:
            connection.request(method, what, body)
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException) as problem:
            raise NotReachable(self._unreachable(problem)) from problem
        finally:
            connection.close()
        if response.status >= 400:
            raise Refusal(_message(content) or f"{what}: {response.status} {response.reason}")
        return content

    def _unreachable(self, problem: Exception) -> str:
        if isinstance(problem, PermissionError):
            return f"{self.path} may not be opened by this user: try as root"
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        return (
            f"no answer on {self.path}: {reason}; is the daemon running (systemctl status nuage-plugin), "
            "and is control_socket this path?"
        )


class _UnixConnection(HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, TypeError, KeyError):
        return ""
