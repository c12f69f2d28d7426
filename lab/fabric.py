"""What joins hosts: a wire on which each subnet is a VLAN, and a network for their own daemons."""

from __future__ import annotations

from ipaddress import IPv4Network

from lab.host import Host
from lab.shell import run
from lab.switch import BRIDGE

#: The port of a host's bridge that leads to the other hosts.
UPLINK = "uplink"
#: The device through which a host's daemons reach those of the other hosts, like a machine's own network card.
MANAGEMENT = "mgmt"

_HUB = "hub"
_MANAGEMENT_BRIDGE = "management"
#: RFC 5737: a network for documentation, which nobody owns.
_NETWORK = IPv4Network("192.0.2.0/24")
_FIRST_HOST = 11


class Fabric:
    """A network namespace with a hub for the uplinks of all hosts, and with the hosts' own network.

    Args:
        name: Name of the fabric; its network namespace is named after it.
    """

    #: Its own address in the hosts' network.
    address = str(_NETWORK[1])

    def __init__(self, name: str) -> None:
        self._namespace = f"nuage-{name}"

    @staticmethod
    def address_of(position: int) -> str:
        """Return the address of a host in the hosts' network, by its number, from 0."""
        return str(_NETWORK[_FIRST_HOST + position])

    def make(self) -> None:
        """Make the hub and the hosts' network, after removing what an earlier run left of them."""
        self.remove()
        run("ip", "netns", "add", self._namespace)
        self._ip("link", "set", "lo", "up")
        # It must not learn where a MAC is: subnets of different VLANs may have the same one at different hosts.
        self._add_bridge(_HUB, "ageing_time", "0", "mcast_snooping", "0")
        self._add_bridge(_MANAGEMENT_BRIDGE)
        self._ip("address", "add", f"{self.address}/{_NETWORK.prefixlen}", "dev", _MANAGEMENT_BRIDGE)

    def connect(self, host: Host, position: int) -> None:
        """Give a prepared host its address in the hosts' network."""
        self._plug(host, MANAGEMENT, f"m-{host.name}", _MANAGEMENT_BRIDGE)
        host.run("ip", "address", "add", f"{self.address_of(position)}/{_NETWORK.prefixlen}", "dev", MANAGEMENT)

    def join(self, host: Host) -> None:
        """Plug a running host into the hub."""
        self._plug(host, UPLINK, f"to-{host.name}", _HUB)
        host.switch.vsctl("add-port", BRIDGE, UPLINK)

    def inside(self, *words: object) -> tuple[object, ...]:
        """Return the command that runs another one in the fabric, from which all hosts can be reached."""
        return ("nsenter", f"--net=/run/netns/{self._namespace}", *words)

    def remove(self) -> None:
        """Remove the hub, the hosts' network and the hosts' ends of both."""
        run("ip", "netns", "delete", self._namespace, check=False)

    def _add_bridge(self, name: str, *options: str) -> None:
        self._ip("link", "add", name, "type", "bridge", *options)
        self._ip("link", "set", name, "up")

    def _plug(self, host: Host, device: str, end: str, bridge: str) -> None:
        peer = ("peer", "name", device, "netns", host.namespace.name)
        self._ip("link", "add", end[:15], "type", "veth", *peer)
        self._ip("link", "set", end[:15], "master", bridge, "up")
        host.run("ip", "link", "set", device, "up")

    def _ip(self, *words: str) -> None:
        run("ip", "-n", self._namespace, *words)
