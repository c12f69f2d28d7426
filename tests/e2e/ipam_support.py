"""Hosts whose addresses are from the VSD, and what the VSD has of them."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from twisted.trial.unittest import SynchronousTestCase

from lab.dockerd import IMAGE
from lab.host import Host
from lab.pair import Pair
from lab.shell import NeverHappened, wait_until
from lab.standin import StandIn
from tests.e2e.host_support import PLACE, demand_programs, marks, of_this_run
from tests.e2e.topology_support import pair_of

ROOT = Path(tempfile.gettempdir()) / "nuage-e2e-ipam"


def ipam_options(**options: str) -> list[str]:
    """Return the options by which Docker takes addresses from the place of these tests."""
    return [
        "--ipam-driver=nuage",
        *(f"--ipam-opt={key}={value}" for key, value in {**PLACE, **options}.items() if value),
    ]


def wait_for_plugin(host: Host) -> None:
    """Wait until a plugin listens that was started after a kill, which leaves the socket's file."""

    def listens() -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(host.plugin.socket)) == 0

    wait_until("the plugin listens", listens, 20)


class Vsd:
    """A VSD, asked from outside of all hosts."""

    def __init__(self, vsc: StandIn) -> None:
        access = vsc.vsd
        self._url = f"{vsc.vsd_url}/nuage/api/v6"
        self._context = ssl.create_default_context(cafile=str(access.ca))
        self._organization = access.organization
        self._user = access.user
        self._secret = access.password
        (me,) = self.get("me")
        self._secret = me["APIKey"]

    def get(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a path."""
        return self.ask("GET", path)

    def assign(self, path: str, *names: str) -> None:
        """Have the members of a path be the policy groups of these names."""
        found = {each["name"]: each["ID"] for each in self.get("policygroups") if each["name"] in names}
        assert found.keys() == {*names}, f"the VSD has only {found.keys()} of {names}"
        self.ask("PUT", path, [*found.values()])

    def ask(self, method: str, path: str, body: object = None) -> list[dict[str, Any]]:
        """Make a request, and return the objects of its answer."""
        key = b64encode(f"{self._user}:{self._secret}".encode()).decode()
        headers = {"Authorization": f"XREST {key}", "X-Nuage-Organization": self._organization}
        headers |= {"X-Nuage-PageSize": "500", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._url}/{path}", data, headers, method=method)
        with urlopen(request, context=self._context, timeout=10) as response:
            content = response.read()
        found: list[dict[str, Any]] = json.loads(content) if content else []
        return found

    def held(self) -> set[str]:
        """Return the addresses that are held on any subnet, by a reservation or a container's interface."""
        reservations = [
            each for subnet in self.get("subnets") for each in self.get(f"subnets/{subnet['ID']}/vmipreservations")
        ]
        interfaces = self.get("containerinterfaces")
        reserved = {each[field] for each in reservations for field in ("IPV4Address", "IPV6Address")}
        return (reserved | {each["IPAddress"] for each in interfaces}) - {None}


@cache
def _pair() -> Pair:
    demand_programs()
    pair = of_this_run(ROOT, "i", lambda name: pair_of(name, ROOT))
    pair.start(**pair.vsc.vsd.configuration())
    return pair


def _remove_all(host: Host) -> bool:
    """Remove a host's containers; Docker gives up some if it kills a hundred at once. Tell whether none is left."""
    left = host.docker("ps", "-aq").stdout.split()
    if left:
        host.docker("rm", "-f", *left, check=False, timeout=100)
    return not left


class IpamPairTestCase(SynchronousTestCase):
    """A test on two hosts whose plugins know the VSD. It has to leave hosts and VSD as it found them."""

    timeout = 300
    #: How addresses are held.
    form = "auto"

    def setUp(self) -> None:
        """Start the pair unless it runs, and remember how it looks."""
        self.pair = _pair()
        self.hosts, self.vsc = self.pair.hosts, self.pair.vsc
        for host in self.hosts:
            self.configure(host)
        self.vsd = Vsd(self.vsc)
        self._before = self.state()
        self._networks: list[tuple[Host, str]] = []
        self._containers: dict[Host, list[str]] = {host: [] for host in self.hosts}

    def tearDown(self) -> None:
        """Remove what the test made. Nothing may be left in the switches, the kernel and the VSD."""
        self.remove_containers()
        self.remove_networks()
        self.assert_nothing_left()

    def configure(self, host: Host, **changes: object) -> None:
        """Have a host's plugin know the VSD, and more if ``changes`` say so, unless it is so already."""
        before = host.plugin.config.read_text()
        host.plugin.configure(**self.vsc.vsd.configuration(), vsd_address_form=self.form, **changes)
        if host.plugin.config.read_text() != before or host.plugin.process.pid is None:
            host.plugin.stop()
            host.plugin.start()
            wait_for_plugin(host)

    def state(self) -> dict[str, Any]:
        """Return all that containers and networks leave their marks in."""
        return {
            **{host.name: marks(host) for host in self.hosts},
            "held": sorted(self.vsd.held()),
            "vports": sorted(each["name"] for each in self.vports()),
        }

    def vports(self) -> list[dict[str, Any]]:
        """Return the vPorts of all subnets."""
        return [each for subnet in self.vsd.get("subnets") for each in self.vsd.get(f"subnets/{subnet['ID']}/vports")]

    def assert_nothing_left(self, seconds: float = 15) -> None:
        """Assert that all comes to look as before."""
        with contextlib.suppress(NeverHappened):
            wait_until("nothing is left", lambda: self.state() == self._before, seconds)
        self.assertEqual(self.state(), self._before)

    def create(self, host: Host, name: str, *words: str, **options: str) -> None:
        """Create a network of which --ipam-opt says everything."""
        self._networks.append((host, name))
        host.docker("network", "create", "--driver=nuage", *ipam_options(**options), *words, name)

    def remove_networks(self) -> None:
        """Remove all networks, which has to work.

        Docker 20.10 may miscount the endpoints of many containers that are removed at once, and then takes a network
        without any for one in use. It counts anew when it starts.
        """
        while self._networks:
            host, name = self._networks.pop()
            done = host.docker("network", "rm", name, check=False)
            if "has active endpoints" in done.stderr and not self.addresses(host, name):
                host.dockerd.process.stop(timeout=60)
                host.dockerd.start()
                host.dockerd.wait()
                done = host.docker("network", "rm", name, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def run_containers(self, host: Host, names: Iterable[str], *words: str) -> None:
        """Start containers, all at once; each has to start."""
        with ThreadPoolExecutor(100) as pool:
            list(pool.map(lambda name: self.run_container(host, name, *words), names))

    def run_container(self, host: Host, name: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Start a container; ``words`` name its network."""
        self._containers[host].append(name)
        command = ("run", "-d", f"--name={name}", "--stop-signal=SIGKILL", *words, IMAGE, "sleep", "10000")
        return host.docker(*command, check=check, timeout=200)

    def remove_containers(self) -> None:
        """Remove all containers of all hosts, which has to work in the end."""
        for host, names in self._containers.items():
            wait_until(f"the containers of {host.name} are removed", partial(_remove_all, host), 120)
            names.clear()

    def addresses(self, host: Host, network: str) -> list[str]:
        """Return the addresses of all containers that run on a network of a host."""
        template = "{{range .Containers}}{{.IPv4Address}} {{end}}"
        told = host.docker("network", "inspect", f"--format={template}", network).stdout.split()
        return [address.partition("/")[0] for address in told]
