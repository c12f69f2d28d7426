"""A port in a VRS's database, and its resolution: its address, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lab.vrs.topology import Domain

#: What identifies a port: its host and its name.
Key = tuple[str, str]


@attrs.frozen(kw_only=True)
class PortRow:
    """A row of Nuage_Port_Table, and the port's number in the switch.

    ``ofport`` is None until the switch has opened the device. ``ip_addr`` and the columns after it are what was written
    before.
    """

    host: str
    name: str
    mac: str
    ofport: int | None
    domain: str
    zone: str
    subnet: str
    metadata: Mapping[str, str] = attrs.field(hash=False)
    ip_addr: str = ""
    subnet_mask: str = ""
    gateway: str = ""
    vrf_id: int = 0
    evpn_id: int = 0

    @property
    def key(self) -> Key:
        """What identifies the port: its host and its name."""
        return self.host, self.name


@attrs.frozen(kw_only=True)
class EntityRow:
    """A row of Nuage_VM_Table.

    ``running`` means that it was started or resumed, and not stopped since. ``is_vm`` means that it is not a container.
    """

    uuid: str
    name: str
    organization: str
    user: str
    running: bool
    is_vm: bool = False
    metadata: Mapping[str, str] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, str=False)
class Resolved:
    """A port's address, and where in the topology it is.

    ``ip``, ``mask`` and ``gateway`` (empty if the domain does not route), ``vrf_id`` and ``evpn_id`` are the columns
    that the VRS writes. ``groups`` are the policy groups of its vPort.
    """

    ip: str
    mask: str
    gateway: str
    vrf_id: int
    evpn_id: int
    domain: Domain = attrs.field(hash=False, repr=False)
    groups: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Show the columns."""
        return (
            f"resolved to {self.ip}/{self.mask} via {self.gateway or 'nobody'}, vrf {self.vrf_id}, evpn {self.evpn_id}"
        )

    def written_in(self, row: PortRow) -> bool:
        """Tell whether the row already says so."""
        return (row.ip_addr, row.subnet_mask, row.gateway, row.vrf_id, row.evpn_id) == (
            self.ip,
            self.mask,
            self.gateway,
            self.vrf_id,
            self.evpn_id,
        )


@attrs.frozen
class Unresolved:
    """A port without an address, and why."""

    reason: str


Outcome = Resolved | Unresolved
