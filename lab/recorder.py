"""Writes down what Docker asks a plugin. ``python -m lab.recorder SOCKET PLUGIN FILE``.

It listens on SOCKET, where Docker looks for the plugin, and passes everything on to PLUGIN, the socket that the plugin
really listens on. FILE gets a line of JSON for each request, in the order in which they came.
"""

from __future__ import annotations

import json
import socket
import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Lock
from typing import cast


class Recorder(ThreadingUnixStreamServer):
    """Stands between Docker and the plugin.

    Args:
        path: The socket that it listens on. Its folder is made if it is not there.
        plugin: The plugin's socket. It is connected to for each request.
        file: Where the requests are added.
    """

    daemon_threads = True

    def __init__(self, path: Path, plugin: Path, file: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path), _Request)
        self.plugin = plugin
        self._file = file
        self._lock = Lock()

    def note(self, method: str, accept: str, body: bytes) -> None:
        """Add a request to the file."""
        noted = {"method": method, "accept": accept, "request": json.loads(body) if body else None}
        with self._lock, self._file.open("a") as file:
            file.write(f"{json.dumps(noted)}\n")


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Note a request, then pass it on, and pass the answer back."""
        server = cast(Recorder, self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        accept = self.headers.get("Accept", "")
        server.note(self.path.removeprefix("/"), accept, body)
        plugin = Plugin(server.plugin)
        plugin.request("POST", self.path, body, {"Accept": accept})
        answer = plugin.getresponse()
        content = answer.read()
        plugin.close()
        self.send_response(answer.status)
        for name in ("Content-Type", "Allow"):
            if value := answer.getheader(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words: object) -> None:
        """Say nothing: a client on a Unix socket has no address, which the usual line would begin with."""


class Plugin(HTTPConnection):
    """A connection to a plugin.

    Args:
        path: The plugin's socket.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """See HTTPConnection."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


if __name__ == "__main__":
    Recorder(*map(Path, sys.argv[1:])).serve_forever()
