"""Two Docker hosts that are joined, and the stand-in for VRS and VSC that serves both."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from lab.dockerd import IMAGE
from lab.fabric import Fabric
from lab.host import Host
from lab.shell import wait_until
from lab.switch import BRIDGE, DATABASE
from lab.vsc import TOPOLOGY, Vsc
from tests.e2e.host_support import demand_programs

ROOT = Path(tempfile.gettempdir()) / "nuage-e2e-pairs"
#: Pings one address, twice: the kernel may still remember that there was no neighbour.
_PING = "(ping -c 1 -W 2 $address || ping -c 1 -W 1 $address) >/dev/null 2>&1"


class Pair:
    """Two hosts, the wire between them, and their controller, which has a copy of the lab's topology file."""

    def __init__(self, name: str) -> None:
        self.folder = ROOT / name
        self.hosts = {letter: Host(f"{name}-{letter}", self.folder) for letter in "ab"}
        self.fabric = Fabric(f"{name}-fabric")
        self.topology = self.folder / "topology.yaml"
        self.vsc = Vsc(self.folder, list(self.hosts.values()), self.topology)

    def start(self) -> None:
        """Start everything."""
        self.folder.mkdir(parents=True)
        shutil.copy(TOPOLOGY, self.topology)
        self.fabric.make()
        for host in self.hosts.values():
            host.start()
        self.vsc.start()
        for host in self.hosts.values():
            self.fabric.join(host)
            self.vsc.control(host)

    def remove(self) -> None:
        """End everything and remove all files."""
        self.vsc.stop()
        for host in self.hosts.values():
            host.remove()
        self.fabric.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
        if ROOT.is_dir() and not any(ROOT.iterdir()):
            ROOT.rmdir()


@cache
def demand_pair() -> Pair:
    """Return the running pair; it is started for the first test and ended when the tests are over.

    The test is skipped where it cannot be started, and fails instead in continuous integration.
    """
    demand_programs()
    for folder in ROOT.glob("p*"):
        if not Path("/proc", folder.name.removeprefix("p")).exists():
            Pair(folder.name).remove()
    pair = Pair(f"p{os.getpid()}")
    atexit.register(pair.remove)
    pair.start()
    return pair


@attrs.frozen(kw_only=True)
class Place:
    """Where a container is to be in the topology: the options of its network, and the address it is to have.

    Docker gives a pool twice only to networks that differ in their ``ip_range``.
    """

    host: str
    organization: str
    domain: str
    zone: str = ""
    subnet: str = ""
    address: str
    gateway: str = ""
    ip_range: str = ""

    @property
    def network(self) -> str:
        """Name of the Docker network."""
        return f"{self.organization} {self.domain} {self.zone} {self.subnet}".strip().replace(" ", "-")

    @property
    def scope(self) -> tuple[str, str]:
        """What is reachable: the domain."""
        return self.organization, self.domain


class TopologyTestCase(SynchronousTestCase):
    """A test on the pair. It has to leave it as it found it."""

    timeout = 180

    def setUp(self) -> None:
        """Start the pair unless it runs."""
        self.pair = demand_pair()
        self.hosts = self.pair.hosts
        self.vsc = self.pair.vsc
        self._places: dict[str, Place] = {}
        self._networks: set[tuple[str, str]] = set()

    def tearDown(self) -> None:
        """Remove what the test made; no port and no flow of one may be left."""
        for letter, host in self.hosts.items():
            names = [name for name, place in self._places.items() if place.host == letter]
            if names:
                host.docker("rm", "-f", *names, check=False)
        for letter, network in self._networks:
            self.hosts[letter].docker("network", "rm", network, check=False)
        for letter, host in self.hosts.items():
            self.assertEqual(host.switch.rows("Nuage_Port_Table"), [])
            wait_until(f"host {letter} has no flows of ports", partial(_is_idle, host), 10)

    def run_container(self, name: str, place: Place, *words: str) -> None:
        """Run a container, and make its network unless the host has it."""
        host = self.hosts[place.host]
        if (place.host, place.network) not in self._networks:
            self._networks.add((place.host, place.network))
            options = [f"-o={key}={getattr(place, key)}" for key in ("organization", "domain", "zone", "subnet")]
            options += [f"--gateway={place.gateway}", f"--ip-range={place.ip_range}"]
            pool = place.address.rpartition(".")[0] + ".0/24"
            host.docker(
                *("network", "create", "--driver=nuage", "-o=user=admin", f"--subnet={pool}"),
                *(option for option in options if not option.endswith("=")),
                place.network,
            )
        self._places[name] = place
        host.docker(
            "run", "-d", "--name", name, "--net", place.network, "--ip", place.address, *words, IMAGE, "sleep", "1000"
        )

    def run_resolved(self, places: Mapping[str, Place]) -> None:
        """Run containers and wait until their ports are resolved."""

        def run_at(letter: str) -> None:
            for name, place in places.items():
                if place.host == letter:
                    self.run_container(name, place)

        with ThreadPoolExecutor() as pool:
            list(pool.map(run_at, self.hosts))
        for name in places:
            self.wait_for_resolution(name)

    def place(self, container: str) -> Place:
        """Return where a container is."""
        return self._places[container]

    def execute(self, container: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in a container."""
        return self.hosts[self._places[container].host].docker("exec", container, *words, check=False)

    def reached(self, container: str, addresses: Iterable[str]) -> set[str]:
        """Return which of the addresses answer a container's pings."""
        script = f"for address in {' '.join(addresses)}; do ({_PING} && echo $address) & done; wait"
        return set(self.execute(container, "sh", "-c", script).stdout.split())

    def reaches(self, container: str, other: str) -> bool:
        """Tell whether one container gets an answer from the other's address."""
        return bool(self.reached(container, [self._places[other].address]))

    def port_row(self, container: str) -> dict[str, Any]:
        """Return the row of Nuage_Port_Table of a container."""
        switch = self.hosts[self._places[container].host].switch
        (entity,) = (row for row in switch.rows("Nuage_VM_Table") if row["vm_name"] == container)
        (port,) = (row for row in switch.rows("Nuage_Port_Table") if row["name"] == entity["ports"])
        return port

    def wait_for_resolution(self, container: str, address: str | None = None) -> None:
        """Wait until a container's port is resolved; an ``address`` of nothing waits until it is not."""
        wanted = self._places[container].address if address is None else address
        wait_until(f"{container} resolves to {wanted!r}", lambda: self.port_row(container)["ip_addr"] == wanted, 10)

    def change_port(self, container: str, **columns: Any) -> None:
        """Overwrite columns of the row of Nuage_Port_Table of a container; a dict is a map."""
        row = {
            column: ["map", list(map(list, value.items()))] if isinstance(value, dict) else value
            for column, value in columns.items()
        }
        where = [["name", "==", self.port_row(container)["name"]]]
        change = {"op": "update", "table": "Nuage_Port_Table", "where": where, "row": row}
        self.hosts[self._places[container].host].run(
            "ovsdb-client", "transact", DATABASE, json.dumps(["Open_vSwitch", change])
        )

    def set_policy_group(self, container: str, group: str | None) -> None:
        """Put a container's port into a policy group and wait until its switch knows."""
        host = self.hosts[self._places[container].host]
        before = flows(host)
        metadata = {k: v for k, v in self.port_row(container)["metadata"].items() if k != "nuage-policy-group"}
        self.change_port(container, metadata={**metadata, **({"nuage-policy-group": group} if group else {})})
        wait_until("the flows follow the policy group", lambda: flows(host) != before, 10)


def _is_idle(host: Host) -> bool:
    return len(flows(host)) == 1


def flows(host: Host) -> list[str]:
    """Return the flows of a host's bridge, without what changes by itself."""
    return host.run("ovs-ofctl", "--no-stats", "-O", "OpenFlow13", "dump-flows", BRIDGE).stdout.splitlines()
