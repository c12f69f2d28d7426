"""What a container costs the plugin's process, alone and beside others: CreateEndpoint, Join, Leave, DeleteEndpoint.

Three plugins run at once, each with a switch and a Docker of its own: one beside nothing, one beside many networks, one
beside many endpoints that were created and not joined. Cycles alternate between them, so that a busy machine burdens
all alike, in the rhythm of ``docker run``. The database and the switch are real, their devices are dummies, the links
are real; Docker is played. What is counted is the processor time of all threads of the plugin, whatever it does
meanwhile: that it looks for the containers of the others, for instance.

    python benchmarks/cycle.py --others 500 --rounds 30
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

import yaml

from lab.plugin import TWISTD
from lab.shell import wait_until
from tests.driver_support import NETWORK, OPTIONS, endpoint_body, network_body
from tests.vrs_support import Vrs

#: Seconds between the calls of a cycle, about as with ``docker run --rm``: between CreateEndpoint and Join, while the
#: container runs, and until the next one.
_BEFORE_JOIN, _RUNNING, _BETWEEN = 0.005, 0.2, 0.15
_POOL, _GATEWAY = "10.21.0.0/16", "10.21.255.254"


#: The version of its API that the played Docker takes.
API_VERSION = "1.41"


class Docker(ThreadingMixIn, UnixStreamServer):
    """A Docker with networks, the first of which has all endpoints; it knows the name of each endpoint's container."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Answers)
        self.networks: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        self.containers: dict[str, str] = {}
        self.questions = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answers(BaseHTTPRequestHandler):
    """Answers in the form of Docker's Engine API, to the questions that a search for containers asks."""

    server: Docker

    def do_GET(self) -> None:
        """Answer."""
        self.server.questions += 1
        asked = urlsplit(self.path.removeprefix(f"/v{API_VERSION}"))
        answer: Any = []
        if asked.path == "/networks":
            answer = list(self.server.networks.values())
        elif asked.path == f"/networks/{NETWORK}":
            answer = {**self.server.networks[NETWORK], "Containers": self._endpoints()}
        elif asked.path == "/containers/json":
            filters = json.loads(parse_qs(asked.query).get("filters", ["{}"])[0])
            wanted = re.compile("|".join(filters.get("name", ()))).search
            answer = [self._container(name) for name in self.server.containers.copy() if wanted(f"/{name}")]
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Api-Version", API_VERSION)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _endpoints(self) -> dict[str, Any]:
        return {
            f"ep-{endpoint_id}": {
                "Name": name,
                "EndpointID": endpoint_id,
                "MacAddress": "7a:42:00:00:00:01",
                "IPv4Address": "10.21.0.1/16",
                "IPv6Address": "",
            }
            for endpoint_id, name in self.server.names.copy().items()
        }

    def _container(self, name: str) -> dict[str, Any]:
        return {
            "Id": self.server.containers[name],
            "Names": [f"/{name}"],
            "Image": "busybox:local",
            "Labels": {},
            "NetworkSettings": {"Networks": {"nuage": {"NetworkID": NETWORK, "EndpointID": ""}}},
        }

    def log_message(self, *_words: Any) -> None:
        """Write no log."""


class Plugin:
    """The plugin's daemon in a network namespace of its own, with a switch and a Docker."""

    def __init__(self, stack: ExitStack) -> None:
        vrs = Vrs()
        stack.callback(vrs.stop)
        self._socket, self._control = vrs.folder / "nuage.sock", vrs.folder / "control.sock"
        self.docker = Docker(vrs.folder / "docker.sock")
        stack.callback(self.docker.shutdown)
        config, log = vrs.folder / "nuage.yaml", vrs.folder / "nuage.log"
        keys = {
            "VrsEndpoint": vrs.remote,
            "DockerEndpoint": f"unix://{vrs.folder}/docker.sock",
            "plugin_socket": str(self._socket),
            "control_socket": str(self._control),
            "resolve_timeout": 0,
            "audit_interval": 600,
        }
        config.write_text(yaml.safe_dump(keys))
        command = ("unshare", "--net", TWISTD, "-n", "--pidfile=", "nuage-plugin", "--config", config)
        with log.open("wb") as output:
            self._process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output)
        stack.callback(self._end)
        self._connection = _UnixConnection(self._socket)
        wait_until("the plugin listens", self._connects)
        self.create_network(NETWORK, "Subnet 2")

    def call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the plugin as Docker does, and return its answer."""
        self._connection.request("POST", f"/NetworkDriver.{method}", json.dumps(body))
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        if answer.get("Err"):
            raise RuntimeError(f"{method}: {answer['Err']}")
        return answer

    def create_network(self, network_id: str, subnet: str) -> None:
        """Create a network of a Nuage subnet."""
        options = {**OPTIONS, "subnet": subnet}
        data = [{"Gateway": f"{_GATEWAY}/16", "Pool": _POOL}]
        self.call(
            "CreateNetwork",
            network_body(NetworkID=network_id, Options={"com.docker.network.generic": options}, IPv4Data=data),
        )
        self.docker.networks[network_id] = {
            "Id": network_id,
            "Name": subnet,
            "Driver": "nuage",
            "IPAM": {"Config": [{"Subnet": _POOL, "Gateway": _GATEWAY}]},
            "Options": options,
        }

    def create(self, number: int, *, container: bool = True) -> dict[str, str]:
        """Create an endpoint, whose ids are returned; Docker has a container for it, or none."""
        endpoint_id, name = f"{number:013x}".ljust(64, "e"), f"web-{number}"
        address = f"10.21.{number // 250}.{number % 250 + 1}/16"
        self.call("CreateEndpoint", endpoint_body(EndpointID=endpoint_id, Interface={"Address": address}))
        if container:
            self.docker.containers[name] = f"{number:064x}"
        self.docker.names[endpoint_id] = name
        return {"NetworkID": NETWORK, "EndpointID": endpoint_id}

    def cycle(self, number: int, at_join: Callable[[], object] = lambda: None) -> tuple[float, float]:
        """Attach and detach an endpoint; return the seconds of processor time, and those that the Join took.

        Args:
            number: Of the endpoint.
            at_join: Is called just before the Join.
        """
        before = self.spent()
        ids = self.create(number)
        time.sleep(_BEFORE_JOIN)
        at_join()
        start = time.perf_counter()
        self.call("Join", {**ids, "SandboxKey": "/var/run/docker/netns/x", "Options": {}})
        join = time.perf_counter() - start
        time.sleep(_RUNNING)
        self.call("Leave", ids)
        self.call("DeleteEndpoint", ids)
        del self.docker.names[ids["EndpointID"]], self.docker.containers[f"web-{number}"]
        time.sleep(_BETWEEN)
        return self.spent() - before, join

    def _connects(self) -> bool:
        with suppress(OSError):
            self._connection.connect()
            return True
        return False

    def control(self) -> http.client.HTTPConnection:
        """Return a connection to the control socket."""
        return _UnixConnection(self._control)

    def resident(self) -> int:
        """Return the plugin's memory in KiB."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() // 1024

    def spent(self) -> float:
        """Return the seconds of processor time that the plugin has taken."""
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(20)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the plugin's socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def _alone(_plugin: Plugin, _count: int) -> None:
    """Have nothing beside it."""


def _beside_networks(plugin: Plugin, count: int) -> None:
    for number in range(count):
        plugin.create_network(f"{number:064x}", f"Subnet {number} of many")


def _beside_endpoints(plugin: Plugin, count: int) -> None:
    for number in range(count):
        plugin.create(number + 10_000, container=False)


SURROUNDINGS: dict[str, Callable[[Plugin, int], None]] = {
    "alone": _alone,
    "beside networks": _beside_networks,
    "beside endpoints": _beside_endpoints,
}


def main() -> None:
    """Start the plugins, measure, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--others", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        plugins = {name: Plugin(stack) for name in SURROUNDINGS}
        for name, plugin in plugins.items():
            plugin.cycle(0)
            SURROUNDINGS[name](plugin, arguments.others)
        asked = {name: plugin.docker.questions for name, plugin in plugins.items()}
        start = time.perf_counter()
        costs = [{name: plugin.cycle(1 + n) for name, plugin in plugins.items()} for n in range(arguments.rounds)]
        took = time.perf_counter() - start
        alone = statistics.median(cost["alone"][0] for cost in costs)
        print(f"{'milliseconds, medians':24} processor  ratio   Join  questions to Docker a second")
        for name, plugin in plugins.items():
            spent, join = (statistics.median(cost[name][column] for cost in costs) for column in (0, 1))
            questions = (plugin.docker.questions - asked[name]) / took
            print(f"{name:24} {spent * 1000:9.1f} {spent / alone:6.2f} {join * 1000:6.1f} {questions:10.1f}")


if __name__ == "__main__":
    main()
