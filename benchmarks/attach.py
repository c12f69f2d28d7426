"""What attaching a container costs: ``docker run``, many starts at once, each call as dockerd sees it, and the floors.

One lab host runs everything. Rounds alternate between the networks, with the floor of a Join in between, so that a busy
machine slows all of them alike. The network "nothing" is the yardstick: its driver makes the veth pair and does nothing
else (nothing.py). The network "own-bridge" is one that a user made with Docker's bridge driver: Docker gives the
containers of all networks except the default bridge their own name server, which takes some 60 ms more. A relay between
dockerd and each of the two plugins times the calls, in all runs.

    python benchmarks/attach.py --rounds 30 --bursts 3
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from lab.dockerd import IMAGE
from lab.host import Host
from lab.plugin import SOCKET
from lab.shell import wait_until

NETWORK = (
    *("network", "create", "--driver=nuage", "-o", "organization=Enterprise", "-o", "domain=Domain"),
    *("-o", "zone=Zone", "-o", "subnet=Subnet 2", "-o", "user=admin", "--subnet=10.21.0.0/16", "nuage"),
)
NETWORKS = ("none", "bridge", "own-bridge", "nothing", "nuage")
#: Those on which many containers are started at once.
BURST_NETWORKS = ("own-bridge", "nothing", "nuage")
AT_ONCE = 20
PLUGINS = Path("/run/docker/plugins")
BEHIND, BEHIND_NOTHING = "/run/docker/behind.sock", "/run/docker/behind-nothing.sock"


class Relay:
    """Passes the bytes of each connection on, and notes how long each request waits for the end of its answer."""

    def __init__(self, front: Path, back: Path) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._back = back
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(front))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._back))
        while request := _message(client):
            start = time.perf_counter()
            server.sendall(request)
            answer = _message(server)
            self.times[request.split(b" ", 2)[1].decode().rpartition(".")[2]].append(time.perf_counter() - start)
            client.sendall(answer)


def _message(source: socket.socket) -> bytes:
    """Return one HTTP message with its body, which both sides send with a length or in one chunk."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = source.recv(1 << 16)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lower = head.lower()
    if b"content-length:" in lower:
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += source.recv(1 << 16)
    elif b"chunked" in lower:
        while not body.endswith(b"0\r\n\r\n"):
            body += source.recv(1 << 16)
    return head + b"\r\n\r\n" + body


def _milliseconds(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1000:8.1f} {ordered[int(len(ordered) * 0.95)] * 1000:8.1f}"


def _script(host: Host, name: str, *arguments: str) -> subprocess.Popen[str]:
    """Run one of the scripts beside this one on a host."""
    command = (sys.executable, Path(__file__).with_name(name), *arguments)
    argv = [str(word) for word in host.namespace.inside(*command)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Floor:
    """The script floor.py, running on a host."""

    def __init__(self, host: Host) -> None:
        self._process = _script(host, "floor.py", "--database", "/var/run/openvswitch/db.sock")
        self.attach()

    def attach(self) -> float:
        """Attach once; return the seconds that it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def make_nothing(host: Host) -> None:
    """Start the driver that does nothing else than make the pair, behind a relay, and make a network of it."""
    _script(host, "nothing.py", "--socket", BEHIND_NOTHING)
    behind = host.namespace.outside(Path(BEHIND_NOTHING))
    wait_until("the driver that does nothing listens", behind.exists)
    Relay(host.namespace.outside(PLUGINS / "nothing.sock"), behind)
    host.docker("network", "create", "--driver=nothing", "--subnet=10.22.0.0/16", "nothing")


def burst(host: Host, network: str) -> float:
    """Return the seconds until containers that are started at once all run; remove them again."""
    names = [f"{network}-{number}" for number in range(AT_ONCE)]
    for name in names:
        host.docker("create", "--name", name, "--net", network, IMAGE, "sleep", "1000")
    with ThreadPoolExecutor(AT_ONCE) as starters:
        start = time.perf_counter()
        list(starters.map(lambda name: host.docker("start", name), names))
        took = time.perf_counter() - start
    host.docker("rm", "-f", *names)
    return took


def measure_bursts(host: Host, bursts: int) -> dict[str, list[float]]:
    """Start many containers at once, on each network in turn; return the times by network."""
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(bursts):
        for network in BURST_NETWORKS:
            times[network].append(burst(host, network))
    return times


def measure(host: Host, rounds: int) -> tuple[dict[str, list[float]], list[float]]:
    """Run everything in turn; return the times of ``docker run`` by network, and those of the floor."""
    runs: dict[str, list[float]] = defaultdict(list)
    times: list[float] = []
    floor = Floor(host)
    for _ in range(rounds):
        for network in NETWORKS:
            start = time.perf_counter()
            host.docker("run", "--rm", "--net", network, IMAGE, "true")
            runs[network].append(time.perf_counter() - start)
        times.append(floor.attach())
    return runs, times


def report(runs: dict[str, list[float]], floor: list[float], calls: dict[str, list[float]]) -> None:
    """Print medians, 95th percentiles and the ratios that matter."""
    print(f"{'milliseconds':34} {'median':>8} {'95 %':>8}")
    for network, times in runs.items():
        print(f"docker run --rm --net {network:12} {_milliseconds(times)}")
    print(f"{'floor: veth, transact, ofport':34} {_milliseconds(floor)}")
    for call, times in calls.items():
        print(f"{call:34} {_milliseconds(times)}")
    median = {network: statistics.median(times) for network, times in runs.items()}
    for network in NETWORKS[1:]:
        print(f"{network:12} +{(median[network] - median['none']) * 1000:.0f} ms over none, ", end="")
        print(f"{median[network] / median['nothing']:.3f} of nothing")
    print(f"Join / floor {statistics.median(calls['Join']) / statistics.median(floor):.2f}")


def report_bursts(bursts: dict[str, list[float]]) -> None:
    """Print medians and ratios."""
    median = {network: statistics.median(times) for network, times in bursts.items()}
    for network, seconds in median.items():
        print(f"{AT_ONCE} starts at once, {network:12} {seconds:.2f} s, {seconds / median['nothing']:.3f} of nothing")


def main() -> None:
    """Start a host, measure, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--bursts", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nuage-") as root:
        host = Host("bench", Path(root))
        try:
            # It measures the plugin, not a stand-in for a controller.
            host.start(plugin_socket=BEHIND, resolve_timeout=0)
            relay = Relay(host.namespace.outside(SOCKET), host.plugin.socket)
            host.docker(*NETWORK)
            host.docker("network", "create", "own-bridge")
            make_nothing(host)
            for network in ("nuage", "nothing"):
                host.docker("run", "--rm", "--net", network, IMAGE, "true")
            relay.times.clear()
            runs, floor = measure(host, arguments.rounds)
            report(runs, floor, relay.times)
            if arguments.bursts:
                report_bursts(measure_bursts(host, arguments.bursts))
        finally:
            host.remove()


if __name__ == "__main__":
    main()
