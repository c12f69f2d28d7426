"""The mark that tells whose an address is: the ``externalID`` of what holds it at the VSD.

It names the host, so that what a crash left is found by the host that it is of, and by no other.
"""

from __future__ import annotations

import enum

import attrs

from nuage.ipam.pool import Address

#: What the marks of this plugin start with.
_START = "nuage-plugin"


class Use(enum.Enum):
    """What an address is for, as its mark says it."""

    #: A container of the mark's host.
    CONTAINER = "docker"
    #: What Swarm's manager asked for: a task on any node.
    TASK = "swarm"
    #: Nobody whom Docker starts: an auxiliary address, or a gateway that Nuage does not know.
    ASIDE = "aside"


@attrs.frozen(kw_only=True)
class Mark:
    """A mark.

    Attributes:
        host: Whose plugin made it; see :meth:`nuage.vrs.switch.Switch.identity`.
        use: What the address is for.
        network_id: The VSD's ID of the subnet or the L2 domain.
        address: The address. With it each mark is another one, as the VSD may demand of an ``externalID``.
    """

    host: str
    use: Use
    network_id: str
    address: str

    @classmethod
    def of(cls, host: str, network_id: str, address: Address, use: Use) -> Mark:
        """Return the mark of an address."""
        return cls(host=host, use=use, network_id=network_id, address=str(address))

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """Read a mark; return None for any other text."""
        start, *parts = text.split("/")
        if start != _START or len(parts) != 4 or parts[1] not in {use.value for use in Use}:
            return None
        host, use, network_id, address = parts
        return cls(host=host, use=Use(use), network_id=network_id, address=address)

    @staticmethod
    def start_of(host: str) -> str:
        """Return what the marks of a host start with."""
        return f"{_START}/{host}/"

    def __str__(self) -> str:
        """Write it."""
        return f"{self.start_of(self.host)}{self.use.value}/{self.network_id}/{self.address}"
