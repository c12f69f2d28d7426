"""What the plugin makes of a Docker API that it may not ask, or that is not where it was told."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from typing import cast

from lab.shell import wait_until
from tests.e2e.host_support import HostTestCase


class Proxy(ThreadingUnixStreamServer):
    """Passes each question on to Docker but that for its plugins, which it refuses as an old proxy does."""

    daemon_threads = True

    def __init__(self, path: Path, docker: Path) -> None:
        super().__init__(str(path), _Question)
        self.docker = docker
        self.refused = 0
        self.asked: set[str] = set()


class _Question(StreamRequestHandler):
    def handle(self) -> None:
        proxy = cast(Proxy, self.server)
        request = b"".join(iter(self.rfile.readline, b"\r\n"))
        path = request.split()[1].decode()
        proxy.asked.add(path.partition("?")[0])
        if path.endswith("/plugins"):
            proxy.refused += 1
            self.wfile.write(b"HTTP/1.0 403 Forbidden\r\n\r\n")
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as docker:
            docker.connect(str(proxy.docker))
            docker.sendall(request + b"Connection: close\r\n\r\n")
            while data := docker.recv(65536):
                self.wfile.write(data)


class DockerAwayTests(HostTestCase):
    """The plugin with another DockerEndpoint."""

    def setUp(self) -> None:
        """Keep a folder for a socket, whose path must be short."""
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="nuage-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def ask_at(self, path: Path | None) -> int:
        """Have the plugin ask Docker at a path, None for where it is; return where its log goes on."""
        plugin = self.host.plugin
        plugin.stop()
        plugin.configure(**({"DockerEndpoint": f"unix://{path}"} if path else {}))
        written = plugin.process.log.stat().st_size
        self.start_plugin()
        return written

    def said(self, written: int, *parts: str) -> list[str]:
        """Return the lines of the log from there on that have all these parts."""
        text = self.host.plugin.process.log.read_bytes()[written:].decode()
        return [line for line in text.splitlines() if all(part in line for part in parts)]

    def test_asking_in_vain(self) -> None:
        """A proxy that refuses the plugins keeps nobody from repairs; an address of nobody is told, once."""
        proxy = Proxy(self.folder / "proxy.sock", self.host.dockerd.socket)
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        self.addCleanup(self.ask_at, None)
        written = self.ask_at(self.folder / "proxy.sock")

        self.create_network("proxied")
        self.run_container("mended", "proxied")
        wait_until("Docker was asked for its plugins", lambda: proxy.refused > 0, 10)
        whole = self.state()
        port = "nu" + self.endpoint_id("mended", "proxied")[:13]
        self.host.switch.vsctl("del-port", "alubr0", port)
        self.host.plugin.process.send(signal.SIGUSR2)
        wait_until("the port is back", lambda: self.state() == whole, 10)
        self.assertEqual(self.said(written, "#warn]", "DockerEndpoint"), [])
        self.assertEqual(len(self.said(written, "#info]", "DockerEndpoint", "/plugins: it answered 403")), 1)
        self.assertIn("/_ping", proxy.asked)
        self.assertEqual([path for path in proxy.asked - {"/_ping"} if not re.match(r"/v1\.\d+/", path)], [])
        self.assertEqual(self.said(written, "Traceback"), [])

        written = self.ask_at(self.folder / "nowhere.sock")
        wait_until("it is told", lambda: self.said(written, "#warn]", "DockerEndpoint"), 15)
        (warning,) = self.said(written, "#warn]", "DockerEndpoint")
        self.assertIn(f"unix://{self.folder}/nowhere.sock", warning)
        self.assertIn("cannot connect: No such file or directory", warning)
        self.remove_container("mended")
