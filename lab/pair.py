"""Two Docker hosts that are joined, and the stand-in for VRS and VSC that serves both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.fabric import Fabric
from lab.host import Host
from lab.shell import Process
from lab.standin import TOPOLOGY, StandIn


class Pair:
    """Two hosts, the wire between them, and their controller, which has a copy of the lab's topology file.

    Args:
        names: Names of the two hosts.
        fabric: Name of the wire.
        folder: Folder for all files, which is removed with the pair.
        docker_args: Returns the arguments for dockerd on a host, given its address in the hosts' network.
    """

    def __init__(
        self,
        names: tuple[str, str],
        fabric: str,
        folder: Path,
        docker_args: Callable[[str], Sequence[str]] = lambda _address: (),
    ) -> None:
        self.folder = folder
        addresses = [Fabric.address_of(position) for position in range(len(names))]
        self.hosts = tuple(
            Host(name, folder, docker_args(address), address) for name, address in zip(names, addresses, strict=True)
        )
        self.fabric = Fabric(fabric)
        self.topology = folder / "topology.yaml"
        self.vsc = StandIn(folder, self.hosts, self.topology)

    @property
    def running(self) -> bool:
        """Whether all daemons run."""
        return all(host.running for host in self.hosts) and self.vsc.process.pid is not None

    def start(self, **configuration: object) -> None:
        """Start everything, after removing what an earlier run left.

        Args:
            configuration: Keys of the plugins' configuration that differ from the lab's usual one.
        """
        self.prepare()
        self.boot(**configuration)

    def prepare(self) -> None:
        """Make hosts that reach each other and run nothing yet, after removing what an earlier run left."""
        self.remove()
        self.folder.mkdir(parents=True)
        shutil.copy(TOPOLOGY, self.topology)
        self.fabric.make()
        for position, host in enumerate(self.hosts):
            host.prepare()
            self.fabric.connect(host, position)

    def boot(self, **configuration: object) -> None:
        """Start everything on them; see :meth:`start`."""
        self.vsc.start()
        # A plugin that is to know the VSD reads its certificate.
        assert self.vsc.vsd_url
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: host.boot(**configuration), self.hosts))
        for host in self.hosts:
            self.fabric.join(host)
            self.vsc.control(host)

    def remove(self) -> None:
        """End everything and remove all files."""
        self.vsc.stop()
        for host in self.hosts:
            host.remove()
        self.fabric.remove()
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def processes(self) -> Iterator[Process]:
        """Yield all daemons."""
        yield self.vsc.process
        for host in self.hosts:
            yield from host.processes()
