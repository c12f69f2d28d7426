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
    """A network on one host."""

    host: int
    name: str
    options: tuple[str, ...]

    def words(self) -> tuple[str, ...]:
        """Return the docker command that makes it."""
        return ("network", "create", "--driver=nuage", *self.options, self.name)


@attrs.frozen
class _Container:
    """A container on one host. Its address is chosen by whoever has those of its network, unless it is ``like`` one."""

    host: int
    name: str
    network: str
    like: _Container | None = None


def _place(organization: str, option: str) -> tuple[str, ...]:
    """Return the options that name the subnet of an organization."""
    names = {"organization": organization, "domain": "Domain", "zone": "Zone", "subnet": "Subnet 2", "user": "admin"}
    return tuple(word for key, value in names.items() for word in (option, f"{key}={value}"))


def place(organization: str) -> tuple[str, ...]:
    """Return the options of a network on the subnet of an organization, with addresses from Docker."""
    return (*_place(organization, "-o"), "--subnet=10.21.59.0/24")


#: CIDR, gateway and addresses are Nuage's own.
_MY_NET = ("--ipam-driver=nuage", *_place("Enterprise", "--ipam-opt"))


_NETWORKS = (
    _Network(0, "MyNet", _MY_NET),
    _Network(1, "MyNet", _MY_NET),
    _Network(1, "AcmeNet", (*place("Acme"), "--gateway=10.21.59.254")),
)
_WEB = _Container(0, "web", "MyNet")
_DB = _Container(0, "db", "MyNet")
_CACHE = _Container(1, "cache", "MyNet")
#: In another organization, on the other host, with the address of db.
_ACME = _Container(1, "acme", "AcmeNet", like=_DB)
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
    show_rows(pair.hosts[_WEB.host], _WEB.name, _address(pair, _WEB))
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
    print("and a stand-in for controller and VSD …")
    start = time.monotonic()
    with report_failure(pair):
        pair.start(**pair.vsc.vsd.configuration())
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
            where = ("--net", each.network, *(() if each.like is None else ("--ip", _address(pair, each.like))))
            type_docker(host, "run", "-d", "--name", each.name, *where, IMAGE, "sleep", "infinity")


def _address(pair: Pair, container: _Container) -> str:
    template = f"{{{{.NetworkSettings.Networks.{container.network}.IPAddress}}}}"
    return pair.hosts[container.host].docker("inspect", f"--format={template}", container.name).stdout.strip()


def _show_traffic(pair: Pair) -> None:
    print("\nWithin a host, from host to host, and out of the subnet:")
    _ping(pair, _WEB, _address(pair, _DB))
    _ping(pair, _WEB, _address(pair, _CACHE))
    _ping(pair, _WEB, "10.21.60.1")
    print("\nAnother organization may use the same addresses, but cannot reach this one:")
    _ping(pair, _ACME, _address(pair, _WEB), check=False)


def _ping(pair: Pair, container: _Container, address: str, *, check: bool = True) -> None:
    words = ("exec", container.name, "ping", "-c", "2", "-W", "1", address)
    type_docker(pair.hosts[container.host], *words, check=check)
