"""Two hosts as the manager and the worker of a swarm, with the managed plugin on both."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from lab.fabric import Fabric
from lab.host import Host
from lab.managed import install
from lab.pair import Pair


@attrs.frozen
class Task:
    """A running container of a service: its id, its name, and its endpoint on its only network."""

    host: Host
    container: str
    name: str
    address: str
    endpoint: str


class Swarm:
    """A swarm of a pair.

    Args:
        pair: The hosts; the first becomes the manager.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.manager, self.worker = pair.hosts

    @property
    def running(self) -> bool:
        """Whether the hosts run and are a swarm. The plugins that they started with do not count: they were stopped."""
        processes = set(self.pair.processes()) - {host.plugin.process for host in self.pair.hosts}
        return all(process.pid is not None for process in processes) and self._active()

    def start(self, plugin: Path, *settings: str) -> None:
        """Start the pair, install the plugin on both hosts, and join them.

        Args:
            plugin: The folder that the managed plugin was built into.
            settings: The plugin's settings.
        """
        self.pair.start()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: install(host, plugin, *settings), self.pair.hosts))
        manager, worker = (Fabric.address_of(position) for position in range(2))
        self.manager.docker("swarm", "init", f"--advertise-addr={manager}")
        token = self.manager.docker("swarm", "join-token", "--quiet", "worker").stdout.strip()
        self.worker.docker("swarm", "join", f"--token={token}", f"--advertise-addr={worker}", manager)

    def containers(self, service: str) -> dict[str, Host]:
        """Return the running containers of a service."""
        which = ("ps", "--quiet", f"--filter=label=com.docker.swarm.service.name={service}")
        return {container: host for host in self.pair.hosts for container in host.docker(*which).stdout.split()}

    def tasks(self, service: str) -> list[Task]:
        """Return the running containers of a service that are attached, with what Docker tells of each."""
        found = [_task(host, container) for container, host in self.containers(service).items()]
        return [task for task in found if task is not None]

    def remove(self) -> None:
        """End everything and remove all files."""
        self.pair.remove()

    def _active(self) -> bool:
        state = "{{.Swarm.LocalNodeState}}"
        return self.manager.docker("info", f"--format={state}", check=False).stdout.strip() == "active"


def _task(host: Host, container: str) -> Task | None:
    """Return what Docker tells of a container, None if it is gone or has no endpoint: it was about to end."""
    done = host.docker("inspect", container, check=False)
    if done.returncode:
        return None
    (found,) = json.loads(done.stdout)
    (joined,) = found["NetworkSettings"]["Networks"].values()
    name = found["Name"].removeprefix("/")
    return Task(host, container, name, joined["IPAddress"], joined["EndpointID"]) if joined["EndpointID"] else None
