"""The one Docker host that all tests here share, and what it looks like from the outside."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from lab.controlled import ControlledHost
from lab.dockerd import IMAGE
from lab.host import Host
from lab.shell import NeverHappened, wait_until
from nuage.vrs.tables import NETWORK_RECORD

ROOT = Path(tempfile.gettempdir()) / "nuage-e2e"
PROGRAMS = ("dockerd", "/usr/bin/docker", "ovsdb-server", "ovs-vswitchd", "ip", "nsenter", "iptables", "/bin/busybox")
#: What the controller of the hosts serves.
TOPOLOGY = Path(__file__).with_name("topology.yaml")
#: Where a network of these tests lies in it, unless a test says otherwise.
PLACE = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "subnet": "Subnet 2", "user": "admin"}
#: A flag of dockerd that came with Docker 28, for :func:`lab.release.accepts`.
SINCE_28 = "--ip-forward-no-drop=false"
TABLES = ("Interface", "Port", "Nuage_Port_Table", "Nuage_VM_Table")


def demand_host() -> ControlledHost:
    """Return the running host, in its default configuration.

    It is started for the first test and ended when the tests are over.
    """
    demand_programs()
    return _host()


def demand_programs(*further: str) -> None:
    """Skip the test where a program is missing or no host can be started; fail instead in continuous integration."""
    missing = [program for program in (*PROGRAMS, *further) if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.append("the rights of root")
    if missing and os.environ.get("CI") == "true":
        raise AssertionError(f"not here: {', '.join(missing)}")
    if missing:
        raise SkipTest(f"not here: {', '.join(missing)}")


@cache
def _host() -> ControlledHost:
    host = controlled_host("e2e-")
    host.start()
    return host


def controlled_host(prefix: str) -> ControlledHost:
    """Return a host of this run with a controller that serves TOPOLOGY; see of_this_run."""
    return of_this_run(ROOT, prefix, lambda name: ControlledHost(name, ROOT, topology=TOPOLOGY))


class Removable(Protocol):
    """What runs in the lab and has a folder named after it."""

    def remove(self) -> None:
        """End it and remove all of it; it need not be there."""


_Thing = TypeVar("_Thing", bound=Removable)


def of_this_run(root: Path, prefix: str, make: Callable[[str], _Thing]) -> _Thing:
    """Return something that only this run of the tests has; it is removed when they are over.

    Those of earlier runs that were killed are removed first; those of runs that still go on are left alone.

    Args:
        root: The folder in which each of its kind has its folder.
        prefix: What the names of its kind begin with. A process's number follows.
        make: Makes one of a name, without starting it.
    """
    for folder in root.glob(f"{prefix}*"):
        if not Path("/proc", folder.name.removeprefix(prefix).partition("-")[0]).exists():
            make(folder.name).remove()
    thing = make(f"{prefix}{os.getpid()}")
    atexit.register(_remove, thing, root)
    return thing


def _remove(thing: Removable, root: Path) -> None:
    thing.remove()
    # The folder may hold others.
    with contextlib.suppress(OSError):
        root.rmdir()


def place_options(**options: str) -> list[str]:
    """Return the options of ``docker network create`` for PLACE; ``options`` replace some, empty ones are left out."""
    return [f"-o={key}={value}" for key, value in {**PLACE, **options}.items() if value]


def marks(host: Host) -> dict[str, Any]:
    """Return all of a host that an endpoint or a network leaves its marks in."""
    rows = {table: sorted(str(r.get("name", r.get("vm_uuid"))) for r in host.switch.rows(table)) for table in TABLES}
    return {
        **rows,
        "ports": sorted(host.switch.ports()),
        # docker_gwbridge and its veths are Docker's own business.
        "links": sorted(link for link in host.links() if link.startswith(("nu", "nc"))),
        "records": sorted(_record_keys(host)),
    }


def endpoint_marks(host: Host) -> dict[str, Any]:
    """Return all of a host that an endpoint leaves its marks in.

    A network's record is none: an audit may learn or forget a network of another host of the cluster at any time.
    """
    found = marks(host)
    return {**found, "records": [key for key in found["records"] if not key.startswith(NETWORK_RECORD)]}


def _record_keys(host: Host) -> list[str]:
    (bridge,) = (row for row in host.switch.rows("Bridge") if row["name"] == "alubr0")
    return [key for key in bridge["external_ids"] if key.startswith("nuage-")]


class HostTestCase(SynchronousTestCase):
    """A test on the shared host. It has to leave the host as it found it."""

    timeout = 120

    def setUp(self) -> None:
        """Start the host unless it runs, and remember how it looks."""
        self.host = self.demand_host()
        self._before = self.state()
        self._networks: list[str] = []
        self._containers: list[str] = []

    def demand_host(self) -> ControlledHost:
        """Return the host that the tests of this class are on."""
        return demand_host()

    def tearDown(self) -> None:
        """Remove what the test made. Docker must agree, and nothing of it may be left anywhere."""
        if self._containers:
            self._have_removed("rm", "-f", *self._containers)
        for network in self._networks:
            self._have_removed("network", "rm", network)
        self.assert_nothing_left()

    def _have_removed(self, *words: str) -> None:
        done = self.host.docker(*words, check=False)
        # What the test has removed itself, or was refused, is not there.
        refusals = [line for line in done.stderr.splitlines() if "no such" not in line.lower()]
        self.assertEqual(refusals, [], f"docker {' '.join(words)}; its log:\n{self.host.dockerd.process.tail(100)}")

    def start_plugin(self) -> None:
        """Start the plugin and wait until it listens."""
        self.host.plugin.start()
        self.host.plugin.wait()

    def state(self) -> dict[str, Any]:
        """Return all that an endpoint or a network leaves its marks in."""
        return marks(self.host)

    def assert_nothing_left(self) -> None:
        """Assert that the host looks as it did at the start."""
        self.wait_for_state(self._before)

    def wait_for_state(self, expected: dict[str, Any], seconds: float = 5) -> None:
        """Assert that the host comes to look so: Leave does not wait for the kernel to remove a link."""
        with contextlib.suppress(NeverHappened):
            wait_until("the host looks as expected", lambda: self.state() == expected, seconds)
        self.assertEqual(self.state(), expected)

    def bridge_record_keys(self) -> list[str]:
        """Return the keys of the records that the plugin keeps at the bridge."""
        return _record_keys(self.host)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table of the switch's database."""
        return self.host.switch.rows(table)

    def docker(self, *words: str) -> str:
        """Run a docker command that has to succeed, and return what it prints, without the newline at its end."""
        return self.host.docker(*words).stdout.strip()

    def refused(self, *words: str) -> str:
        """Run a docker command that has to fail, and return its message."""
        done = self.host.docker(*words, check=False)
        self.assertNotEqual(done.returncode, 0, f"{words} should have been refused")
        return done.stderr.strip()

    def create_network(self, name: str, *words: str, pool: str = "10.21.59.0/24", **options: str) -> str:
        """Create a Nuage network and return its id. ``options`` replace those of PLACE; empty ones are left out."""
        self._networks.append(name)
        return self.docker(
            "network", "create", "--driver=nuage", *place_options(**options), f"--subnet={pool}", *words, name
        )

    def run_container(
        self, name: str, network: str, *words: str, command: str | Sequence[str] = ("sleep", "1000")
    ) -> str:
        """Run a container in the background and return its id. A ``command`` that is a text is split at its blanks."""
        self._containers.append(name)
        program = command.split() if isinstance(command, str) else command
        return self.docker("run", "-d", "--name", name, "--net", network, *words, IMAGE, *program)

    def remove_container(self, name: str) -> None:
        """Remove a container, which has to work."""
        self._containers.remove(name)
        self.docker("rm", "-f", name)

    def remove_network(self, name: str) -> None:
        """Remove a network, which has to work."""
        self._networks.remove(name)
        self.docker("network", "rm", name)

    def inspect(self, container: str, network: str, field: str) -> str:
        """Return a field of a container's endpoint on a network, as docker inspect tells it."""
        return self.docker("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{network}").{field}}}}}', container)

    def inside(self, container: str, *words: str) -> str:
        """Run a program in a container and return what it prints."""
        return self.docker("exec", container, *words)

    def assert_reaches(self, container: str, address: str, ping: str = "ping") -> None:
        """Assert that a container gets an answer from an address."""
        # The first packet may have to wait for the neighbour: one answer out of a few seconds is enough.
        done = self.host.docker("exec", container, ping, "-c", "1", "-w", "5", address, check=False)
        self.assertEqual(done.returncode, 0, f"{container} does not reach {address}:\n{done.stdout}{done.stderr}")

    def endpoint_id(self, container: str, network: str) -> str:
        """Return the id of a container's endpoint on a network."""
        return self.inspect(container, network, "EndpointID")

    def row_of(self, table: str, column: str, value: str) -> dict[str, Any]:
        """Return the one row of a table whose column has a value."""
        found = [row for row in self.rows(table) if row[column] == value]
        self.assertEqual(len(found), 1, f"rows of {table} with {column} = {value}: {found}")
        return found[0]
