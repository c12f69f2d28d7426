"""The stand-in for VRS and VSC, which resolves the ports of hosts and programs their switches."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.host import Host
from lab.shell import Process, wait_until
from lab.switch import BRIDGE, CONTROLLER_SOCKET

TOPOLOGY = Path(__file__).with_name("topology.yaml")

#: Its path inside a host.
_DATABASE = Path("/run/openvswitch/db.sock")


class StandIn:
    """``python -m lab.vrs`` for some hosts.

    Args:
        folder: Folder for its files. It has to exist when the stand-in starts.
        hosts: The hosts that it serves. They have to run when it starts.
        topology: The topology file.
        delay: Seconds that it takes to resolve a port.
    """

    def __init__(self, folder: Path, hosts: Sequence[Host], topology: Path = TOPOLOGY, delay: float = 0.05) -> None:
        self._hosts = hosts
        self._topology = topology
        self._delay = delay
        self._interval = 5000
        self.process = Process("vsc", folder)

    def start(self) -> None:
        """Start the daemon, without waiting for anything."""
        databases = [f"--database={host.name}=unix:{host.namespace.outside(_DATABASE)}" for host in self._hosts]
        sockets = [f"--listen=unix:{host.namespace.outside(CONTROLLER_SOCKET)}" for host in self._hosts]
        self.process.start(
            *(sys.executable, "-m", "lab.vrs", f"--topology={self._topology}", f"--delay={self._delay}"),
            *(*databases, *sockets),
        )

    def control(self, host: Host) -> None:
        """Make it the controller of a running host. From now on nothing passes the host's bridge without it.

        Return when the switch has accepted it as its master, and the database says so.
        """
        wait_until("the controller listens", host.namespace.outside(CONTROLLER_SOCKET).exists, 20)
        host.switch.vsctl(
            *("set", "bridge", BRIDGE, "fail_mode=secure"),
            *("--", "set-controller", BRIDGE, f"unix:/var{CONTROLLER_SOCKET}"),
            # Milliseconds until the switch tries again. It cannot be less.
            *("--", "set", "controller", BRIDGE, "max_backoff=1000"),
        )
        wait_until(f"{host.name} has a controller", lambda: self.is_master(host), 20)

    def is_master(self, host: Host) -> bool:
        """Tell whether the host's database shows it as the master.

        ovs-vswitchd writes this with its statistics, every 5 s at most. It writes at once if that time is changed.
        """
        self._interval = 5000 + (self._interval + 1) % 1000
        interval = f"other_config:stats-update-interval={self._interval}"
        host.switch.vsctl("--no-wait", "set", "Open_vSwitch", ".", interval)
        return any(row["role"] == "master" for row in host.switch.rows("Controller"))

    def reload(self) -> None:
        """Let it read the topology again."""
        self.process.send(signal.SIGHUP)

    def leave(self) -> None:
        """Let it drop its switches, as if the controller were lost."""
        self.process.send(signal.SIGUSR1)

    def come_back(self) -> None:
        """Let it accept switches again."""
        self.process.send(signal.SIGUSR2)

    def stop(self) -> None:
        """End the daemon."""
        self.process.stop()
