"""What joins hosts: a wire, on which each subnet is a VLAN."""

from __future__ import annotations

from lab.host import Host
from lab.shell import run
from lab.switch import BRIDGE

#: The port of a host's bridge that leads to the other hosts.
UPLINK = "uplink"
_HUB = "hub"


class Fabric:
    """A network namespace with a hub, which the uplink of each host is plugged into.

    Args:
        name: Name of the fabric; its network namespace is named after it.
    """

    def __init__(self, name: str) -> None:
        self._namespace = f"nuage-{name}"

    def make(self) -> None:
        """Make the hub; what an earlier run left of it is removed first."""
        self.remove()
        run("ip", "netns", "add", self._namespace)
        # It must not learn where a MAC is: subnets of different VLANs may have the same one at different hosts.
        bridge = ("type", "bridge", "ageing_time", "0", "mcast_snooping", "0")
        run("ip", "-n", self._namespace, "link", "add", _HUB, *bridge)
        run("ip", "-n", self._namespace, "link", "set", _HUB, "up")

    def join(self, host: Host) -> None:
        """Plug a host that runs into the hub."""
        end = f"to-{host.name}"[:15]
        peer = ("peer", "name", UPLINK, "netns", host.namespace.name)
        run("ip", "-n", self._namespace, "link", "add", end, "type", "veth", *peer)
        run("ip", "-n", self._namespace, "link", "set", end, "master", _HUB, "up")
        host.run("ip", "link", "set", UPLINK, "up")
        host.switch.vsctl("add-port", BRIDGE, UPLINK)

    def remove(self) -> None:
        """Remove the hub and the hosts' ends."""
        run("ip", "netns", "delete", self._namespace, check=False)
