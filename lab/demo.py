"""What the lab shows: a host, a Nuage network, and two containers that talk over it."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from lab.dockerd import IMAGE
from lab.host import Host
from lab.shell import CommandFailed, NeverHappened
from lab.switch import DATABASE

NETWORK = "MyNet"
_CREATE = (
    *("network", "create", "--driver=nuage", "-o", "organization=Enterprise", "-o", "domain=Domain"),
    *("-o", "zone=Zone", "-o", "subnet=Subnet 2", "-o", "user=admin", "--subnet=10.21.59.0/24", NETWORK),
)
_CONTAINERS = {"web": "10.21.59.2", "db": "10.21.59.3"}


def up(root: Path) -> None:
    """Start the host unless it runs, show everything, leave it running."""
    host = Host("h1", root)
    if host.running:
        print(f"The lab is up already, in {host.folder}.")
    else:
        _start(host)
    _show_network(host)
    _show_containers(host)
    _show_rows(host)
    print(f"\nUse it:  export DOCKER_HOST=unix://{host.dockerd.socket}; docker ps; less {host.plugin.process.log}")
    print("End it:  lab/down")


def down(root: Path) -> None:
    """End the host and remove all of it."""
    host = Host("h1", root)
    host.remove()
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()
    print("The lab is down; nothing of it is left.")


def _start(host: Host) -> None:
    print("Starting a Docker host: ovsdb-server, ovs-vswitchd, twistd nuage-plugin, dockerd …")
    start = time.monotonic()
    try:
        host.start()
    except (CommandFailed, NeverHappened):
        for process in (host.switch.database, host.switch.daemon, host.plugin.process, host.dockerd.process):
            print(f"--- {process.log}\n{process.tail(10)}")
        raise
    print(f"It is up after {time.monotonic() - start:.1f} s, in {host.folder}.")


def _type(host: Host, *words: str) -> None:
    """Run a docker command and print it as one types it, with what it prints."""
    print(f"\n$ docker {shlex.join(words)}")
    print(host.docker(*words).stdout.rstrip())


def _show_network(host: Host) -> None:
    if host.docker("network", "inspect", NETWORK, check=False).returncode:
        _type(host, *_CREATE)
    _type(host, "network", "ls")


def _show_containers(host: Host) -> None:
    for name, address in _CONTAINERS.items():
        if host.docker("container", "inspect", name, check=False).returncode:
            _type(host, "run", "-d", "--name", name, "--net", NETWORK, "--ip", address, IMAGE, "sleep", "infinity")
    for name, peer in (("web", "db"), ("db", "web")):
        _type(host, "exec", name, "ping", "-c", "2", _CONTAINERS[peer])


def _show_rows(host: Host) -> None:
    for table in ("Nuage_Port_Table", "Nuage_VM_Table"):
        print(f"\n$ ovsdb-client --format=list dump {DATABASE} Open_vSwitch {table}")
        print(host.run("ovsdb-client", "--format=list", "dump", DATABASE, "Open_vSwitch", table).stdout.rstrip())
