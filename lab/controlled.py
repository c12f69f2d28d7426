"""One Docker host with a controller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.host import Host
from lab.shell import Process
from lab.standin import TOPOLOGY, StandIn
from lab.switch import BRIDGE


class ControlledHost(Host):
    """A Docker host whose switch is controlled by the stand-in for VRS and VSC.

    Args:
        name: Name of the host and of its network namespace.
        root: Folder below which the host has a folder with all its files.
        docker_args: Arguments for dockerd.
        topology: The topology file.
    """

    def __init__(self, name: str, root: Path, docker_args: Sequence[str] = (), topology: Path = TOPOLOGY) -> None:
        super().__init__(name, root, docker_args)
        self.vsc = StandIn(self.folder, [self], topology)

    def processes(self) -> tuple[Process, ...]:
        """Return all of the host's daemons, and its controller."""
        return (*super().processes(), self.vsc.process)

    def boot(self, **configuration: object) -> None:
        """Start all daemons in the namespaces; see :meth:`start`."""
        self.vsc.start()
        super().boot(**configuration)
        self.vsc.control(self)

    def power_loss(self) -> None:
        """Have the machine lose its power; see Host. The VSD is another machine's, but listens on this one's network.

        Its socket would keep that network alive.
        """
        self.vsc.leave_vsd()
        super().power_loss()
        self.vsc.come_back_vsd()

    def has_bridge(self) -> bool:
        """Tell whether the switch has its bridge."""
        return any(row["name"] == BRIDGE for row in self.switch.rows("Bridge"))

    def make_bridge(self) -> None:
        """Make the bridge again after it was removed, with its controller."""
        self.switch.add_bridge()
        self.vsc.control(self)

    def remove(self) -> None:
        """End everything and remove all files."""
        self.vsc.stop()
        super().remove()
