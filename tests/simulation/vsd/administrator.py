"""What people do at the VSD: they attach VMs, and move vPorts."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from itertools import islice

from lab.vsd.addresses import cidr_of
from lab.vsd.directory import Thing
from tests.simulation.vsd.server import Vsd

#: What the MAC addresses of VMs begin with.
_MAC = "fa:16:3e"


def attach_vms(vsd: Vsd, subnet: Thing, which: float, most: int) -> Sequence[Thing]:
    """Attach VMs, each with an address that nobody has, beginning somewhere in the subnet; return their interfaces."""
    parts = vsd.parts
    cidr = cidr_of(parts.directory, subnet)
    assert cidr is not None
    hosts = list(cidr.hosts())
    start = int(which * len(hosts))
    # No more are looked at than are needed: there are many.
    free = (address for address in hosts[start:] + hosts[:start] if _is_free(vsd, subnet, address))
    taken = list(islice(free, most))
    user = parts.directory.below(parts.directory.root, "users")
    admin = next(each for each in user.values() if each.within("enterprise") is subnet.within("enterprise"))
    made = []
    for address in taken:
        number = int(address) & 0xFFFF
        mac = f"{_MAC}:{subnet['vnId'] & 0xFF:02x}:{number >> 8:02x}:{number & 0xFF:02x}"
        wanted = {"MAC": mac, "IPAddress": str(address), "attachedNetworkID": subnet.id, "VMUUID": str(address)}
        made.append(parts.attachments.attach_vm(wanted, f"vm-{address}", admin))
    vsd.note(f"{len(made)} VMs are attached to {subnet.name}, the first with {taken[0] if made else 'no address'}")
    return made


def remove_vm(vsd: Vsd, interface: Thing) -> None:
    """Remove a VM."""
    vsd.parts.directory.remove(interface)


def move_port(vsd: Vsd, which: float, group: str) -> bool:
    """Put the vPort of a container that runs into a policy group of its domain, and take it out of all others.

    Return whether there is one.
    """
    ports = [each for each in vsd.all("vports") if each["type"] == "CONTAINER" and each["operationalState"] == "UP"]
    if ports:
        port = ports[int(which * len(ports))]
        domain = port.within("domain")
        assert domain is not None
        wanted = vsd.parts.directory.named(domain, "policygroups", group)
        assert wanted is not None
        vsd.note(f"vPort {port.name} is moved to {group}")
        vsd.parts.directory.assign(port, "policygroups", [wanted])
        vsd.moved[port.id] = group
    return bool(ports)


def _is_free(vsd: Vsd, subnet: Thing, address: IPv4Address) -> bool:
    addresses = vsd.parts.addresses
    gateway = address == IPv4Address(subnet["gateway"])
    return not (gateway or addresses.holder(subnet, address) or addresses.reservation(subnet, address))
