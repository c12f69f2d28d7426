"""The lab's recorder: what it writes down, and that Docker and the plugin do not notice it."""

from __future__ import annotations

import json
import tempfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lab.recorder import Plugin, Recorder

ACCEPT = "application/vnd.docker.plugins.v1.2+json"


class Echo(BaseHTTPRequestHandler):
    """A plugin that answers what it was asked, and knows no other call than Known."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        answer = json.dumps([self.path, self.headers["Accept"], body.decode()]).encode()
        self.send_response(200 if self.path == "/Known" else 404)
        self.send_header("Content-Type", "application/echo")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class RecorderTests(SynchronousTestCase):
    """It stands between the two."""

    timeout = 20

    def setUp(self) -> None:
        """Start a plugin, and a recorder before it. The path of a socket has to be short."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name, "requests.jsonl")
        sockets = Path(folder.name, "plugins", "nuage.sock"), Path(folder.name, "behind.sock")
        self.serve(ThreadingUnixStreamServer(str(sockets[1]), Echo))
        self.serve(Recorder(*sockets, self.file))
        self.docker = Plugin(sockets[0])
        self.addCleanup(self.docker.close)

    def serve(self, server: Any) -> None:
        """Serve until the test is over."""
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for end in (server.server_close, thread.join, server.shutdown):
            self.addCleanup(end)

    def ask(self, method: str, body: bytes | None = None) -> tuple[int, str | None, Any]:
        """Ask as Docker does, on one connection; return status, kind and content of the answer."""
        self.docker.request("POST", f"/{method}", body, {"Accept": ACCEPT})
        answer = self.docker.getresponse()
        return answer.status, answer.getheader("Content-Type"), json.loads(answer.read())

    def test_passed_on(self) -> None:
        """With body and headers, and so is the answer, an error as well."""
        self.assertEqual(self.ask("Known", b'{"a": 1}'), (200, "application/echo", ["/Known", ACCEPT, '{"a": 1}']))
        self.assertEqual(self.ask("Unknown"), (404, "application/echo", ["/Unknown", ACCEPT, ""]))

    def test_written_down(self) -> None:
        """In their order, without what the plugin answered."""
        self.ask("Known")
        self.ask("Unknown", b'{"a": 1}')
        self.assertEqual(
            [json.loads(line) for line in self.file.read_text().splitlines()],
            [
                {"method": "Known", "accept": ACCEPT, "request": None},
                {"method": "Unknown", "accept": ACCEPT, "request": {"a": 1}},
            ],
        )
