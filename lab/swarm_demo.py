"""What the lab shows of Swarm mode: a service on a Nuage network, with tasks on both nodes that reach each other."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from lab.console import show_rows, show_use, type_docker
from lab.demo import place, report_failure
from lab.dockerd import IMAGE
from lab.managed import NAME, build
from lab.pair import Pair
from lab.shell import wait_until
from lab.swarm import Swarm, Task

_NETWORK = ("network", "create", f"--driver={NAME}", *place("Enterprise"), "--gateway=10.21.59.1", "MyNet")
_REPLICAS = 4
# "dnsrr": Swarm's virtual addresses work only on its overlay networks.
_SERVICE = ("service", "create", "--name", "web", "--network", "MyNet", "--endpoint-mode", "dnsrr")
_TASKS = ("--replicas", str(_REPLICAS), "--no-resolve-image", "--detach", IMAGE, "sleep", "infinity")


def up(pair: Pair) -> None:
    """Start a swarm of the hosts unless it runs, show everything, and leave it running."""
    swarm = Swarm(pair)
    if swarm.running:
        print(f"The swarm is already up, in {pair.folder}.")
    else:
        _start(swarm)
    manager = swarm.manager
    type_docker(manager, "node", "ls")
    if manager.docker("network", "inspect", "MyNet", check=False).returncode:
        type_docker(manager, *_NETWORK)
    if manager.docker("service", "inspect", "web", check=False).returncode:
        type_docker(manager, *_SERVICE, *_TASKS)
    wait_until("the service's tasks run", lambda: len(swarm.containers("web")) == _REPLICAS, 60)
    type_docker(manager, "service", "ps", "web")
    _show_traffic(swarm.tasks("web"))
    show_use(pair)


def _start(swarm: Swarm) -> None:
    print("Starting two Docker hosts, each with ovsdb-server, ovs-vswitchd and dockerd, and a stand-in for the")
    print("controller; building the managed plugin, which takes a minute the first time …")
    start = time.monotonic()
    with report_failure(swarm.pair), tempfile.TemporaryDirectory() as folder:
        # Docker keeps a copy of its own.
        plugin = Path(folder, "plugin")
        build(plugin)
        swarm.start(plugin)
    print(f"They are up after {time.monotonic() - start:.1f} s, in {swarm.pair.folder}.")


def _show_traffic(tasks: list[Task]) -> None:
    print("\nFrom a task on one node to one on the other, by its address and by the service's name:")
    one, other = tasks[0], tasks[-1]
    for address in (other.address, "web"):
        type_docker(one.host, "exec", one.name, "ping", "-c", "2", "-W", "1", address)
    show_rows(other.host, other.name, other.address)
