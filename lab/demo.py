"""What the lab shows: two joined hosts, a Nuage network on both, and who reaches whom over it."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import attrs

from lab.dockerd import IMAGE
from lab.host import Host
from lab.pair import Pair
from lab.shell import CommandFailed, NeverHappened
from lab.switch import DATABASE


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


def _place(organization: str) -> tuple[str, ...]:
    return (
        *("-o", f"organization={organization}", "-o", "domain=Domain", "-o", "zone=Zone", "-o", "subnet=Subnet 2"),
        *("-o", "user=admin", "--subnet=10.21.59.0/24"),
    )


_NETWORKS = (
    _Network(0, "MyNet", (*_place("Enterprise"), "--gateway=10.21.59.1", "--ip-range=10.21.59.0/25")),
    _Network(1, "MyNet", (*_place("Enterprise"), "--gateway=10.21.59.1", "--ip-range=10.21.59.128/26")),
    _Network(1, "AcmeNet", (*_place("Acme"), "--gateway=10.21.59.254", "--ip-range=10.21.59.192/26")),
)
_WEB = _Container(0, "web", "MyNet", "10.21.59.2")
_DB = _Container(0, "db", "MyNet", "10.21.59.3")
_CACHE = _Container(1, "cache", "MyNet", "10.21.59.130")
#: Of another organization, on the other host, with the address of db.
_ACME = _Container(1, "acme", "AcmeNet", "10.21.59.3")
_CONTAINERS = (_WEB, _DB, _CACHE, _ACME)


def up(root: Path) -> None:
    """Start the hosts unless they run, show everything, leave them running."""
    pair = Pair(("h1", "h2"), "fabric", root)
    if pair.running:
        print(f"The lab is up already, in {pair.folder}.")
    else:
        _start(pair)
    _show_networks(pair)
    _show_containers(pair)
    _show_traffic(pair)
    _show_rows(pair.hosts[_WEB.host], _WEB)
    _show_use(pair)


def down(root: Path) -> None:
    """End the hosts and remove all of them."""
    Pair(("h1", "h2"), "fabric", root).remove()
    print("The lab is down; nothing of it is left.")


def _start(pair: Pair) -> None:
    print("Starting two Docker hosts, each with ovsdb-server, ovs-vswitchd, twistd nuage-plugin and dockerd,")
    print("and a stand-in for the controller …")
    start = time.monotonic()
    try:
        pair.start()
    except (CommandFailed, NeverHappened):
        for process in pair.processes():
            print(f"--- {process.log}\n{process.tail(10)}")
        raise
    print(f"They are up after {time.monotonic() - start:.1f} s, in {pair.folder}.")


def _type(host: Host, *words: str, check: bool = True) -> None:
    """Run a docker command and print it as one types it, with what it prints."""
    print(f"\n{host.name}$ docker {shlex.join(words)}")
    print(host.docker(*words, check=check).stdout.strip())


def _show_networks(pair: Pair) -> None:
    for network in _NETWORKS:
        host = pair.hosts[network.host]
        if host.docker("network", "inspect", network.name, check=False).returncode:
            _type(host, *network.words())
    _type(pair.hosts[1], "network", "ls")


def _show_containers(pair: Pair) -> None:
    for each in _CONTAINERS:
        host = pair.hosts[each.host]
        if host.docker("container", "inspect", each.name, check=False).returncode:
            where = ("--net", each.network, "--ip", each.address)
            _type(host, "run", "-d", "--name", each.name, *where, IMAGE, "sleep", "infinity")


def _show_traffic(pair: Pair) -> None:
    print("\nWithin a host, from host to host, and out of the subnet:")
    _ping(pair, _WEB, _DB.address)
    _ping(pair, _WEB, _CACHE.address)
    _ping(pair, _WEB, "10.21.60.1")
    print("\nAnother organization may use the same addresses, and reaches nothing of this one:")
    _ping(pair, _ACME, _WEB.address, check=False)


def _ping(pair: Pair, container: _Container, address: str, *, check: bool = True) -> None:
    words = ("exec", container.name, "ping", "-c", "2", "-W", "1", address)
    _type(pair.hosts[container.host], *words, check=check)


def _show_rows(host: Host, container: _Container) -> None:
    print(f"\nWhat the VRS sees of {container.name}, and what it has answered:")
    for table, column, value in (
        ("Nuage_Port_Table", "ip_addr", container.address),
        ("Nuage_VM_Table", "vm_name", container.name),
    ):
        words = ("ovsdb-client", "--format=list", "dump", DATABASE, "Open_vSwitch", table)
        print(f"\n{host.name}$ {shlex.join(words)}")
        rows = host.run(*words).stdout.split("\n\n")
        print(next(row for row in rows if _has(row, column, value)).removeprefix(f"{table} table\n").rstrip())


def _has(row: str, column: str, value: str) -> bool:
    """Tell whether a row, as ovsdb-client lists it, has a value."""
    cells = dict(line.split(": ", 1) for line in row.splitlines() if ": " in line)
    return any(name.strip() == column and cell.strip('"') == value for name, cell in cells.items())


def _show_use(pair: Pair) -> None:
    print("\nUse it:")
    for host in pair.hosts:
        print(f"  {host.name}:  export DOCKER_HOST=unix://{host.dockerd.socket}; docker ps")
        print(f"       less {host.plugin.process.log}")
    print(f"Change the topology:  edit {pair.topology}; kill -HUP {pair.vsc.process.pid}")
    print(f"                      less {pair.vsc.process.log}")
    print("End it:  lab/down")
