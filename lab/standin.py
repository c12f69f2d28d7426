"""The stand-in for VRS, VSC and VSD: it resolves the ports of hosts, programs their switches, and serves the API."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from lab.host import Host
from lab.shell import Process, wait_until
from lab.switch import BRIDGE, CONTROLLER_SOCKET
from lab.vsd.seed import PROVIDER_ORGANIZATION, PROVIDER_USER
from lab.vsd.service import PORT as VSD_PORT

TOPOLOGY = Path(__file__).with_name("topology.yaml")

#: Its path inside a host.
_DATABASE = Path("/run/openvswitch/db.sock")


@attrs.frozen
class VsdAccess:
    """How a host reaches the API of the VSD: its URL and CA as they are on the host, and who may ask."""

    ca: Path
    url: str = f"https://localhost:{VSD_PORT}"
    organization: str = PROVIDER_ORGANIZATION
    user: str = PROVIDER_USER
    password: str = PROVIDER_USER

    def configuration(self) -> dict[str, object]:
        """Return the keys by which a host's plugin knows the VSD."""
        return {
            "vsd_url": self.url,
            "vsd_organization": self.organization,
            "vsd_user": self.user,
            "vsd_password": self.password,
            "vsd_ca_certificate": str(self.ca),
        }


class StandIn:
    """``python -m lab.vrs`` for some hosts.

    Args:
        folder: Folder for its files. It has to exist when the stand-in starts.
        hosts: The hosts that it serves. Their namespaces have to be there when it starts.
        topology: The topology file.
        delay: Seconds that it takes to resolve a port.
        vsd: Further options for the VSD, such as ``--vsd-delay=0.02``.
    """

    def __init__(
        self,
        folder: Path,
        hosts: Sequence[Host],
        topology: Path = TOPOLOGY,
        delay: float = 0.05,
        vsd: Sequence[str] = (),
    ) -> None:
        self._hosts = hosts
        self._vsd_options = vsd
        self._vsd_folder = folder / "vsd"
        self._topology = topology
        self._delay = delay
        self._interval = 5000
        self.process = Process("vsc", folder)
        self.vsd = VsdAccess(self._vsd_folder / "ca.pem")

    def start(self) -> None:
        """Start the daemon, without waiting for anything."""
        databases = [
            f"--database={host.name}@{host.address}=unix:{host.namespace.outside(_DATABASE)}" for host in self._hosts
        ]
        sockets = [f"--listen=unix:{host.namespace.outside(CONTROLLER_SOCKET)}" for host in self._hosts]
        # The first door is for programs outside of the hosts.
        doors = ["--vsd-door=0", *(f"--vsd-door={VSD_PORT}@{host.namespace.name}" for host in self._hosts)]
        self._url_file.unlink(missing_ok=True)
        self.process.start(
            *(sys.executable, "-m", "lab.vrs", f"--topology={self._topology}", f"--delay={self._delay}"),
            *(*databases, *sockets, f"--vsd-folder={self._vsd_folder}", *doors, *self._vsd_options),
        )

    @property
    def vsd_url(self) -> str:
        """The URL of the VSD outside of the hosts. It waits until the VSD listens."""
        wait_until("the VSD listens", self._listens, 20)
        return self._url_file.read_text().strip()

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

    def leave_vsd(self) -> None:
        """Have the API of the VSD break all connections and accept no other."""
        self.process.send(signal.SIGRTMIN)
        wait_until("the VSD has gone", lambda: not self._listens(), 20)

    def come_back_vsd(self) -> None:
        """Have it accept connections again. All that it had is there."""
        self.process.send(signal.SIGRTMAX)
        wait_until("the VSD listens", self._listens, 20)

    def expire_keys(self) -> None:
        """End all keys for the API of the VSD."""
        self.process.send(signal.SIGALRM)

    def stop(self) -> None:
        """End the daemon."""
        self.process.stop()

    @property
    def _url_file(self) -> Path:
        return self._vsd_folder / "url"

    def _listens(self) -> bool:
        return self.process.pid is not None and self._url_file.exists()
