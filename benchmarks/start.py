"""How soon the plugin answers after its start, what that costs the processor, and how much memory it holds.

Rounds alternate between Python alone, a service of Twisted that serves one route of Klein's, the plugin, and the plugin
of another checkout, so that a busy machine burdens all alike. Each runs in a network namespace of its own. The switch
is real and its devices are dummies, the links are real, and Docker is played and has nothing. The configuration is the
default one, but for where things are.

    python benchmarks/start.py --rounds 20 --against ../other
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.driver_support import ENDPOINT, NETWORK, endpoint_body, network_body
from tests.vrs_support import Vrs

HERE = Path(__file__).parent.parent
EMPTY_SERVICE = """
from klein import Klein
from twisted.application import service, strports
from twisted.web.server import Site

app = Klein()

@app.route("/Plugin.Activate", methods=["POST"])
def activate(request):
    return b"{}"

application = service.Application("empty")
strports.service("unix:{path}", Site(app.resource())).setServiceParent(application)
"""
JOIN = {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": "/x", "Options": {}}
#: Seconds for anything that is waited for.
PATIENCE = 20.0
#: The version of its API that the played Docker takes.
API_VERSION = "1.41"

Figures = dict[str, float]


class Docker(ThreadingMixIn, UnixStreamServer):
    """A Docker that has nothing, and tells when it is asked for its containers, as an audit does."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Answers)
        self.asked = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_arguments: object) -> None:
        """Say nothing: a plugin that ends leaves its questions unanswered."""


class _Answers(BaseHTTPRequestHandler):
    server: Docker

    def do_GET(self) -> None:
        """Answer a list with an empty one, and one thing with an empty object."""
        place = self.path.partition("?")[0].removeprefix(f"/v{API_VERSION}")
        body = b"[]" if place in ("/networks", "/containers/json", "/plugins") else b"{}"
        self.send_response(200)
        self.send_header("Api-Version", API_VERSION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if place == "/containers/json":
            self.server.asked.set()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Connection(HTTPConnection):
    """A connection to a unix socket, which is waited for."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect as soon as somebody listens."""
        end = time.monotonic() + PATIENCE
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            if self.sock.connect_ex(str(self._path)) == 0:
                return
            self.sock.close()
            assert time.monotonic() < end, f"nobody listens on {self._path}"
            time.sleep(0.001)

    def ask(self, method: str, body: object) -> None:
        """Make one call, which has to succeed."""
        self.request("POST", f"/{method}", json.dumps(body))
        response = self.getresponse()
        answer = response.read()
        assert response.status == 200, (method, answer)
        assert b'"Err"' not in answer, (method, answer)


class Bench:
    """The folder, the switch and Docker that all rounds share."""

    def __init__(self, folder: Path, vrs: Vrs) -> None:
        self._socket = folder / "nuage.sock"
        self._log = (folder / "log").open("wb")
        self._docker = Docker(folder / "docker.sock")
        self._empty = folder / "empty.tac"
        self._empty.write_text(EMPTY_SERVICE.replace("{path}", str(self._socket)))
        self._config = folder / "nuage.yaml"
        keys = {
            "VrsEndpoint": vrs.remote,
            "DockerEndpoint": f"unix://{folder / 'docker.sock'}",
            "plugin_socket": str(self._socket),
            "control_socket": str(folder / "control.sock"),
        }
        self._config.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
        # As pip leaves an installed plugin: compiled, which the first round does here.
        self._environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}

    def python(self) -> Figures:
        """Start Python, and let it end."""
        start = time.perf_counter()
        subprocess.run(["unshare", "--net", sys.executable, "-c", "pass"], env=self._environ, check=True)
        return {"start, ms": (time.perf_counter() - start) * 1000}

    def empty(self) -> Figures:
        """Start a service that does nothing, and end it at its first answer."""
        with self._first_answer(HERE, "-y", self._empty) as (_process, figures, _connection):
            return figures

    def plugin(self, checkout: Path) -> Figures:
        """Start a checkout's plugin, and have it attach a container and audit."""
        arguments = ("nuage-plugin", "--config", self._config)
        begin = time.perf_counter()
        with self._first_answer(checkout, *arguments) as (process, figures, connection):
            connection.ask("NetworkDriver.CreateNetwork", network_body())
            connection.ask("NetworkDriver.CreateEndpoint", endpoint_body())
            connection.ask("NetworkDriver.Join", JOIN)
            figures["attached, ms"] = (time.perf_counter() - begin) * 1000
            self._docker.asked.clear()
            process.send_signal(signal.SIGUSR2)
            assert self._docker.asked.wait(PATIENCE), "there was no audit"
            for method in ("Leave", "DeleteEndpoint", "DeleteNetwork"):
                connection.ask(f"NetworkDriver.{method}", JOIN)
            figures["memory later, MiB"] = _resident(process.pid)
        return figures

    @contextmanager
    def _first_answer(
        self, checkout: Path, *arguments: object
    ) -> Iterator[tuple[subprocess.Popen[bytes], Figures, Connection]]:
        """Start ``twistd`` and time its first answer; end it in the end."""
        twistd = checkout / ".venv" / "bin" / "twistd"
        command = ["unshare", "--net", str(twistd), "--nodaemon", "--pidfile=", *map(str, arguments)]
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=self._environ, cwd=self._config.parent, stdout=self._log, stderr=self._log
        )
        connection = Connection(self._socket)
        try:
            connection.ask("Plugin.Activate", {})
            took = (time.perf_counter() - start) * 1000
            used, resident = processor(process.pid), _resident(process.pid)
            yield process, {"start, ms": took, "processor, ms": used, "memory, MiB": resident}, connection
        finally:
            connection.close()
            process.terminate()
            process.wait(PATIENCE)
            self._socket.unlink(missing_ok=True)


def processor(pid: int) -> float:
    """Return the milliseconds of the processor that a process's threads have had, see proc(5)."""
    statistics_of = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in statistics_of) / 1e6


def _resident(pid: int) -> float:
    """Return the MiB of memory that a process holds."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def show(figures: dict[str, dict[str, list[float]]]) -> None:
    """Print medians, each with the least and the most."""
    for name, columns in figures.items():
        for column, values in columns.items():
            median = statistics.median(values)
            print(f"{name:16} {column:17} {median:7.1f}   ({min(values):.1f} to {max(values):.1f})")


def measure(rounds: int, against: Path | None) -> None:
    """Measure in rounds."""
    folder, vrs = Path(tempfile.mkdtemp(prefix="start")), Vrs()
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        bench = Bench(folder, vrs)
        contenders: dict[str, Any] = {
            "Python alone": bench.python,
            "an empty service": bench.empty,
            "the plugin": lambda: bench.plugin(HERE),
        }
        if against is not None:
            contenders["the other one"] = lambda: bench.plugin(against.resolve())
        for number in range(rounds + 1):
            for name, contender in contenders.items():
                for column, value in contender().items():
                    # The first round reads everything from the disk, and compiles it.
                    if number:
                        figures[name][column].append(value)
    finally:
        vrs.stop()
        shutil.rmtree(folder)
    show(figures)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--against", type=Path, help="another checkout, with its .venv")
    arguments = parser.parse_args()
    measure(arguments.rounds, arguments.against)


if __name__ == "__main__":
    main()
