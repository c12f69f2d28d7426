"""What the lab shows: two joined hosts, a Nuage network on both, and which containers reach each other."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import attrs

from lab.console import show_rows, show_status, show_use, show_vport, type_docker
from lab.dockerd import IMAGE
from lab.pair import Pair
from lab.shell import CommandFailed, NeverHappened


@attrs.frozen
class _Network:
    """A network on one host: each host assigns addresses from a range of its own."""

    host: int
    name: str
    options: tuple[str, ...]

    def words(self) -> tuple[str, ...]:
        """Return the docker command that makes it."""
        return ("network", "create", "--driver=nuage", *self.options, self.name)


@attrs.frozen
class _Container:
    """A container on one host."""

    host: int
    name: str
    network: str
    address: str


def place(organization: str) -> tuple[str, ...]:
    """Return the options of a network on the subnet of an organization."""
    return (
        *("-o", f"organization={organization}", "-o", "domain=Domain", "-o", "zone=Zone", "-o", "subnet=Subnet 2"),
        *("-o", "user=admin", "--subnet=10.21.59.0/24"),
    )


_NETWORKS = (
    _Network(0, "MyNet", (*place("Enterprise"), "--gateway=10.21.59.1", "--ip-range=10.21.59.0/25")),
    _Network(1, "MyNet", (*place("Enterprise"), "--gateway=10.21.59.1", "--ip-range=10.21.59.128/26")),
    _Network(1, "AcmeNet", (*place("Acme"), "--gateway=10.21.59.254", "--ip-range=10.21.59.192/26")),
)
_WEB = _Container(0, "web", "MyNet", "10.21.59.2")
_DB = _Container(0, "db", "MyNet", "10.21.59.3")
_CACHE = _Container(1, "cache", "MyNet", "10.21.59.130")
#: In another organization, on the other host, with the address of db.
_ACME = _Container(1, "acme", "AcmeNet", "10.21.59.3")
_CONTAINERS = (_WEB, _DB, _CACHE, _ACME)


def up(pair: Pair) -> None:
    """Start the hosts unless they run, show everything, and leave them running."""
    if pair.running:
        print(f"The lab is already up, in {pair.folder}.")
    else:
        _start(pair)
    _show_networks(pair)
    _show_containers(pair)
    _show_traffic(pair)
    show_rows(pair.hosts[_WEB.host], _WEB.name, _WEB.address)
    show_vport(pair, _WEB.name)
    show_status(pair.hosts[_WEB.host])
    show_use(pair)


@contextlib.contextmanager
def report_failure(pair: Pair) -> Iterator[None]:
    """Print the ends of all logs if the hosts cannot be started."""
    try:
        yield
    except (CommandFailed, NeverHappened):
        for process in pair.processes():
            print(f"--- {process.log}\n{process.tail(10)}")
        raise


def _start(pair: Pair) -> None:
    print("Starting two Docker hosts, each with ovsdb-server, ovs-vswitchd, twistd nuage-plugin and dockerd,")
    print("and a stand-in for the controller …")
    start = time.monotonic()
    with report_failure(pair):
        pair.start()
    print(f"They are up after {time.monotonic() - start:.1f} s, in {pair.folder}.")


def _show_networks(pair: Pair) -> None:
    for network in _NETWORKS:
        host = pair.hosts[network.host]
        if host.docker("network", "inspect", network.name, check=False).returncode:
            type_docker(host, *network.words())
    type_docker(pair.hosts[1], "network", "ls")


def _show_containers(pair: Pair) -> None:
    for each in _CONTAINERS:
        host = pair.hosts[each.host]
        if host.docker("container", "inspect", each.name, check=False).returncode:
            where = ("--net", each.network, "--ip", each.address)
            type_docker(host, "run", "-d", "--name", each.name, *where, IMAGE, "sleep", "infinity")


def _show_traffic(pair: Pair) -> None:
    print("\nWithin a host, from host to host, and out of the subnet:")
    _ping(pair, _WEB, _DB.address)
    _ping(pair, _WEB, _CACHE.address)
    _ping(pair, _WEB, "10.21.60.1")
    print("\nAnother organization may use the same addresses, but cannot reach this one:")
    _ping(pair, _ACME, _WEB.address, check=False)


def _ping(pair: Pair, container: _Container, address: str, *, check: bool = True) -> None:
    words = ("exec", container.name, "ping", "-c", "2", "-W", "1", address)
    type_docker(pair.hosts[container.host], *words, check=check)
