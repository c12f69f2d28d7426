"""What addresses from the VSD cost: ``RequestAddress`` beside few and many that are taken, and ``docker run``.

First a plugin alone, with a real ovsdb-server and without Docker, before the lab's VSD over TLS, in a process of its
own. Two subnets of equal size have 10 and ``--taken`` addresses that others hold; rounds alternate between them. A
plugin that has just been started knows of none of them: it is started ``--starts`` times, and for each start the first
``--rounds`` addresses are taken and given back. The processor's time tells whose time it is, the plugin's or the VSD's.

Then, unless ``--no-docker`` is given, one lab host for each delay of the VSD runs ``docker run`` in turn on a network
with Docker's IPAM and on one with Nuage's.

    python benchmarks/ipam.py --rounds 50 --starts 5 --runs 25
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.start import Connection, Docker, processor
from lab.controlled import ControlledHost
from lab.dockerd import IMAGE
from lab.shell import wait_until
from lab.standin import StandIn
from tests.vrs_support import Vrs

HERE = Path(__file__).parent.parent
SIZE = 1 << 14
PLACE = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "user": "admin"}
#: The subnets, by the first two numbers of their addresses.
SUBNETS = {"few": "10.50", "many": "10.60"}
DELAYS = (0.0, 0.02)

Figures = dict[str, dict[str, list[float]]]


def serve(folder: Path, taken: int, delay: float) -> None:
    """Be the VSD, until a signal ends it."""
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from lab.vsd.kinds import BY_ENTITY
    from lab.vsd.service import Settings, Vsd

    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
    subnets = {
        name: {"cidr": f"{start}.0.0/18", "gateway": f"{start}.0.1", "evpn_id": 100 + number}
        for number, (name, start) in enumerate(SUBNETS.items())
    }
    domain = {"vrf_id": 2001, "zones": {"Zone": {"subnets": subnets}}}
    topology = {"organizations": {"Enterprise": {"users": ["admin"], "l3_domains": {"Domain": domain}}}}
    (folder / "topology.yaml").write_text(yaml.safe_dump(topology))
    vsd = Vsd(reactor, Settings(topology=folder / "topology.yaml", folder=folder, delay=delay))
    for thing in list(vsd.directory.below(vsd.directory.root, "subnets").values()):
        first = int(IPv4Address(f"{SUBNETS[thing.name]}.0.2"))
        for number in range(10 if thing.name == "few" else taken):
            # Spread over the subnet, as those are that were chosen by chance.
            address = IPv4Address(first + number * (SIZE - 4) // (10 if thing.name == "few" else taken))
            values = {"IPType": "IPV4", "IPV4Address": str(address), "externalID": f"others/{address}"}
            vsd.directory.add(BY_ENTITY["vmipreservation"], thing, values)
    loop: Any = reactor
    loop.callWhenRunning(vsd.startService)
    loop.addSystemEventTrigger("before", "shutdown", vsd.stopService)
    loop.run()


class Bench:
    """The VSD, the switch, and plugins one after the other."""

    def __init__(self, folder: Path, vrs: Vrs, taken: int, delay: float) -> None:
        self._socket = folder / "nuage.sock"
        self._log = folder / "vsd.log"
        self._output = (folder / "nuage.log").open("wb")
        Docker(folder / "docker.sock")
        own = ("--serve", str(folder), "--taken", str(taken), "--delay", str(delay))
        with self._log.open("wb") as log:
            self.vsd = subprocess.Popen([sys.executable, __file__, *own], stdout=log, stderr=log)
        url = folder / "url"
        wait_until("the VSD listens", url.exists, 60)
        self._config = folder / "nuage.yaml"
        keys = {
            "VrsEndpoint": vrs.remote,
            "DockerEndpoint": f"unix://{folder / 'docker.sock'}",
            "plugin_socket": str(self._socket),
            "vsd_url": url.read_text().strip(),
            "vsd_organization": "csp",
            "vsd_user": "csproot",
            "vsd_password": "csproot",
            "vsd_ca_certificate": str(folder / "ca.pem"),
        }
        self._config.write_text(yaml.safe_dump(keys))
        self._config.chmod(0o600)

    @contextmanager
    def plugin(self) -> Iterator[tuple[int, Connection]]:
        """Start a plugin, and end it."""
        words = [HERE / ".venv" / "bin" / "twistd", "-n", "--pidfile=", "nuage-plugin", "--config", self._config]
        process = subprocess.Popen(list(map(str, words)), stdout=self._output, stderr=self._output)
        connection = Connection(self._socket)
        try:
            connection.ask("Plugin.Activate", {})
            yield process.pid, connection
        finally:
            connection.close()
            process.terminate()
            process.wait(20)
            self._socket.unlink(missing_ok=True)

    def asked(self) -> int:
        """Return how many requests the VSD has answered."""
        return self._log.read_text().count("/nuage/api/")

    def measure(self, rounds: int) -> tuple[Figures, dict[str, float]]:
        """Take and give back addresses; return milliseconds by subnet, and those of the first address."""
        figures: Figures = defaultdict(lambda: defaultdict(list))
        with self.plugin() as (pid, connection):
            options = {name: {**PLACE, "subnet": name} for name in SUBNETS}
            pools = {
                name: answered(connection, "RequestPool", {"Options": each})["PoolID"] for name, each in options.items()
            }
            first: dict[str, float] = {}
            for number in range(rounds):
                for name, pool in pools.items():
                    before = time.perf_counter(), processor(pid), processor(self.vsd.pid), self.asked()
                    address = answered(connection, "RequestAddress", {"PoolID": pool})["Address"].partition("/")[0]
                    after = time.perf_counter(), processor(pid), processor(self.vsd.pid), self.asked()
                    took = (after[0] - before[0]) * 1000
                    if number:
                        for what, value in (
                            ("RequestAddress, ms", took),
                            ("of the plugin's processor, ms", after[1] - before[1]),
                            ("of the VSD's processor, ms", after[2] - before[2]),
                            ("requests to the VSD", float(after[3] - before[3])),
                        ):
                            figures[name][what].append(value)
                    else:
                        first[name] = took
                    start = time.perf_counter()
                    answered(connection, "ReleaseAddress", {"PoolID": pool, "Address": address})
                    figures[name]["ReleaseAddress, ms"].append((time.perf_counter() - start) * 1000)
        return figures, first


def answered(connection: HTTPConnection, method: str, body: object) -> Any:
    """Make a call of the IPAM driver, which has to succeed, and return the answer."""
    connection.request("POST", f"/IpamDriver.{method}", json.dumps(body))
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status == 200, (method, answer)
    return answer


def alone(arguments: argparse.Namespace, delay: float) -> None:
    """Measure a plugin without Docker."""
    folder, vrs = Path(tempfile.mkdtemp(prefix="ipam")), Vrs()
    figures: Figures = defaultdict(lambda: defaultdict(list))
    first: dict[str, list[float]] = defaultdict(list)
    bench = None
    try:
        bench = Bench(folder, vrs, arguments.taken, delay)
        for _ in range(arguments.starts):
            measured, begun = bench.measure(arguments.rounds)
            for name, columns in measured.items():
                first[name].append(begun[name])
                for column, values in columns.items():
                    figures[name][column] += values
    finally:
        if bench is not None:
            bench.vsd.send_signal(signal.SIGTERM)
            bench.vsd.wait(20)
        vrs.stop()
        shutil.rmtree(folder)
    print(f"VSD late by {delay * 1000:.0f} ms; few: 10 taken, many: {arguments.taken} taken, of {SIZE - 3}")
    for name, columns in figures.items():
        columns["the first after a start, ms"] = first[name]
        for column, values in columns.items():
            median, mean = statistics.median(values), statistics.mean(values)
            print(f"  {name:5} {column:30} median {median:7.2f}  mean {mean:7.2f}  most {max(values):8.2f}")
    ratio = statistics.mean(figures["many"]["RequestAddress, ms"]) / statistics.mean(
        figures["few"]["RequestAddress, ms"]
    )
    print(f"  many / few, means: {ratio:.2f}")


def with_docker(runs: int, delay: float, form: str) -> None:
    """Measure ``docker run`` with addresses from Docker and from the VSD, which are held in one form."""
    times: dict[str, list[float]] = defaultdict(list)
    asked: dict[str, list[int]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="nuage-") as root:
        host = ControlledHost("bench", Path(root))
        host.vsc = StandIn(host.folder, [host], vsd=(f"--vsd-delay={delay}",))
        try:
            host.start()
            _know_vsd(host, form)
            words = ("network", "create", "--driver=nuage")
            own = [f"-o={key}={value}" for key, value in {**PLACE, "subnet": "Subnet 2"}.items()]
            host.docker(*words, *own, "--subnet=10.21.59.0/24", "--gateway=10.21.59.1", "docker")
            theirs = [f"--ipam-opt={key}={value}" for key, value in {**PLACE, "subnet": "Subnet 1"}.items()]
            host.docker(*words, "--ipam-driver=nuage", *theirs, "nuage")
            for number in range(runs + 1):
                for network in ("docker", "nuage"):
                    before, start = _asked(host), time.perf_counter()
                    host.docker("run", "--rm", "--net", network, IMAGE, "true")
                    if number:
                        times[network].append((time.perf_counter() - start) * 1000)
                        asked[network].append(_asked(host) - before)
        finally:
            host.remove()
    medians = {network: statistics.median(values) for network, values in times.items()}
    print(f"VSD late by {delay * 1000:.0f} ms, {form}, docker run --rm, medians of {runs}:")
    for network, median in medians.items():
        requests = statistics.mean(asked[network])
        print(f"  {network}'s IPAM {median:6.1f} ms, requests to the VSD for a container {requests:.2f}")
    print(f"  ratio {medians['nuage'] / medians['docker']:.3f}", flush=True)


def _asked(host: ControlledHost) -> int:
    return host.vsc.process.log.read_text().count("/nuage/api/")


def _know_vsd(host: ControlledHost, form: str) -> None:
    assert host.vsc.vsd_url
    host.plugin.stop()
    host.plugin.configure(**host.vsc.vsd.configuration(), vsd_address_form=form)
    host.plugin.start()
    host.plugin.wait()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--taken", type=int, default=10000)
    parser.add_argument("--no-docker", action="store_true")
    parser.add_argument("--only-docker", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--delay", type=float, default=0.0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve, arguments.taken, arguments.delay)
        return
    for delay in () if arguments.only_docker else DELAYS:
        alone(arguments, delay)
    if not arguments.no_docker:
        for delay in DELAYS:
            for form in ("reservation", "container"):
                with_docker(arguments.runs, delay, form)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
