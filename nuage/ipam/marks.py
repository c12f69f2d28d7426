"""The mark that tells whose an address is: the ``externalID`` of what holds it at the VSD.

It names the host, so that what a crash left is found by the host that it is of, and by no other.
"""

from __future__ import annotations

import attrs

from nuage.ipam.pool import Address

#: What the marks of this plugin start with.
_START = "nuage-plugin"
#: What a mark says of who asked for the address: the Docker of its host, or Swarm's manager for any node.
_OWN, _MANAGERS = "docker", "swarm"


@attrs.frozen(kw_only=True)
class Mark:
    """A mark.

    Attributes:
        host: Whose plugin made it; see :meth:`nuage.vrs.switch.Switch.identity`.
        managers: Whether Swarm's manager asked, so that another node may use the address.
        network_id: The VSD's ID of the subnet or the L2 domain.
        address: The address. With it each mark is another one, as the VSD may demand of an ``externalID``.
    """

    host: str
    managers: bool
    network_id: str
    address: str

    @classmethod
    def of(cls, host: str, network_id: str, address: Address, *, managers: bool) -> Mark:
        """Return the mark of an address."""
        return cls(host=host, managers=managers, network_id=network_id, address=str(address))

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """Read a mark; return None for what is none."""
        start, *parts = text.split("/")
        if start != _START or len(parts) != 4 or parts[1] not in (_OWN, _MANAGERS):
            return None
        host, kind, network_id, address = parts
        return cls(host=host, managers=kind == _MANAGERS, network_id=network_id, address=address)

    @staticmethod
    def start_of(host: str) -> str:
        """Return what the marks of a host start with."""
        return f"{_START}/{host}/"

    def __str__(self) -> str:
        """Write it."""
        kind = _MANAGERS if self.managers else _OWN
        return f"{self.start_of(self.host)}{kind}/{self.network_id}/{self.address}"
