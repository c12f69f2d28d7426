"""Two Docker hosts that are joined, and the stand-in for VRS and VSC that serves both."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import attrs
import yaml
from twisted.trial.unittest import SynchronousTestCase

from lab.dockerd import IMAGE
from lab.host import Host
from lab.pair import Pair
from lab.shell import wait_until
from lab.switch import BRIDGE, DATABASE
from tests.e2e.host_support import demand_programs, endpoint_marks, of_this_run

ROOT = Path(tempfile.gettempdir()) / "nuage-e2e-pairs"
#: Pings one address, twice: the kernel may still remember that there was no neighbour.
_PING = "(ping -c 1 -W 2 $address || ping -c 1 -W 1 $address) >/dev/null 2>&1"


@cache
def demand_pair() -> Pair:
    """Return the running pair; it is started for the first test and ended when the tests are over.

    The test is skipped where it cannot be started, and fails instead in continuous integration.
    """
    demand_programs()
    pair = of_this_run(ROOT, "p", lambda name: pair_of(name, ROOT))
    pair.start()
    return pair


def pair_of(name: str, root: Path) -> Pair:
    """Return a pair whose hosts and fabric, and whose folder in ``root``, are named after it."""
    return Pair((f"{name}-a", f"{name}-b"), f"{name}-fabric", root / name)


@attrs.frozen(kw_only=True)
class Place:
    """Where a container is to be in the topology: the options of its network, and the address it is to have.

    Docker gives a pool twice only to networks that differ in their ``ip_range``. Without an ``address`` Docker chooses
    one; ``pool`` is needed then. ``options`` are further ones of the network.
    """

    host: str
    organization: str
    domain: str
    zone: str = ""
    subnet: str = ""
    address: str = ""
    gateway: str = ""
    ip_range: str = ""
    pool: str = ""
    options: tuple[str, ...] = ()

    @property
    def network(self) -> str:
        """Name of the Docker network, in small letters: the CLI changes others in ``--network name=…,driver-opt=…``."""
        return f"{self.organization} {self.domain} {self.zone} {self.subnet}".strip().replace(" ", "-").lower()

    @property
    def scope(self) -> tuple[str, str]:
        """What is reachable: the domain."""
        return self.organization, self.domain

    def network_options(self) -> list[str]:
        """Return the options of ``docker network create``."""
        named = {f"-o={key}": getattr(self, key) for key in ("organization", "domain", "zone", "subnet")}
        named["--gateway"], named["--ip-range"] = self.gateway, self.ip_range
        named["--subnet"] = self.pool or self.address.rpartition(".")[0] + ".0/24"
        return ["-o=user=admin", *(f"{key}={value}" for key, value in named.items() if value), *self.options]


class TopologyTestCase(SynchronousTestCase):
    """A test on the pair. It has to leave it as it found it."""

    timeout = 180
    #: Seconds that a port may take to be resolved before a container's start fails; 0 does not wait for it.
    resolve_timeout = 10.0
    #: Further keys in which the plugins' configuration differs from the lab's usual one.
    configuration: Mapping[str, object] = {}

    def setUp(self) -> None:
        """Start the pair unless it runs."""
        self.pair = self.demand_pair()
        self.hosts = dict(zip("ab", self.pair.hosts, strict=True))
        self.vsc = self.pair.vsc
        self._places: dict[str, Place] = {}
        self._networks: set[tuple[str, str]] = set()
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._configure, self.hosts.values()))

    def demand_pair(self) -> Pair:
        """Return the pair that the tests of this class are on."""
        return demand_pair()

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

    def _configure(self, host: Host) -> None:
        """Have the plugin wait for as long as this class wants it to."""
        configured = yaml.safe_load(host.plugin.config.read_text())
        if configured.get("resolve_timeout", 10) != self.resolve_timeout:
            host.plugin.configure(**self.configuration, resolve_timeout=self.resolve_timeout)
            host.plugin.stop()
            host.plugin.start()
            host.plugin.wait()

    def make_network(self, place: Place) -> None:
        """Make the network of a place unless its host has it."""
        if (place.host, place.network) not in self._networks:
            self._networks.add((place.host, place.network))
            words = ("network", "create", "--driver=nuage", *place.network_options(), place.network)
            self.hosts[place.host].docker(*words)

    def run_container(self, name: str, place: Place, *words: str, network: str = "") -> None:
        """Run a container, and make its network unless the host has it.

        ``words`` are further options of ``docker run``; ``network`` is its ``--network``, if that is more than a name.
        """
        self.make_network(place)
        self._places[name] = place
        self.hosts[place.host].docker(*self._run_words(name, place, network or place.network, words))

    def refused_container(self, name: str, place: Place, *words: str) -> str:
        """Run a container whose start has to fail and to leave nothing at the switch; return Docker's message."""
        self.make_network(place)
        self._places[name] = place
        host = self.hosts[place.host]
        before = endpoint_marks(host)
        done = host.docker(*self._run_words(name, place, place.network, words), check=False)
        self.assertNotEqual(done.returncode, 0, f"{name} should have been refused")
        # The kernel removes a link in the background, also after a failure.
        wait_until(f"nothing is left of {name}", lambda: endpoint_marks(host) == before, 10)
        return done.stderr.strip()

    def _run_words(self, name: str, place: Place, network: str, words: tuple[str, ...]) -> list[str]:
        address = [f"--ip={place.address}"] if place.address else []
        return ["run", "-d", f"--name={name}", f"--network={network}", *address, *words, IMAGE, "sleep", "1000"]

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

    def address(self, container: str) -> str:
        """Return a container's address."""
        return self._places[container].address or self._inspect(container, "IPAddress")

    def endpoint_id(self, container: str) -> str:
        """Return the id of a container's endpoint."""
        return self._inspect(container, "EndpointID")

    def network_id(self, container: str) -> str:
        """Return the id of a container's network."""
        return self._inspect(container, "NetworkID")

    def _inspect(self, container: str, field: str) -> str:
        place = self._places[container]
        template = f'{{{{(index .NetworkSettings.Networks "{place.network}").{field}}}}}'
        return self.hosts[place.host].docker("inspect", "-f", template, container).stdout.strip()

    def execute(self, container: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in a container."""
        return self.hosts[self._places[container].host].docker("exec", container, *words, check=False)

    def reached(self, container: str, addresses: Iterable[str]) -> set[str]:
        """Return which of the addresses answer a container's pings."""
        script = f"for address in {' '.join(addresses)}; do ({_PING} && echo $address) & done; wait"
        return set(self.execute(container, "sh", "-c", script).stdout.split())

    def reaches(self, container: str, other: str) -> bool:
        """Tell whether one container gets an answer from the other's address."""
        return bool(self.reached(container, [self.address(other)]))

    def pairs(self, *names: str) -> set[str]:
        """Return who of some containers reaches whom, as "one-other"."""
        pairs = [(one, other) for one in names for other in names if one != other]
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda pair: self.reaches(*pair), pairs))
        return {"-".join(pair) for pair, reached in zip(pairs, found, strict=True) if reached}

    def port_row(self, container: str) -> dict[str, Any]:
        """Return the row of Nuage_Port_Table of a container."""
        switch = self.hosts[self._places[container].host].switch
        (entity,) = (row for row in switch.rows("Nuage_VM_Table") if row["vm_name"] == container)
        (port,) = (row for row in switch.rows("Nuage_Port_Table") if row["name"] == entity["ports"])
        return port

    def wait_for_resolution(self, container: str, address: str | None = None) -> None:
        """Wait until a container's port is resolved; an ``address`` of nothing waits until it is not."""
        wanted = self.address(container) if address is None else address
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
