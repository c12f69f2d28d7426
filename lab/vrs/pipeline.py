"""The tables of a switch, what a packet's metadata say in them, and how a flow is written.

::

    ADMIT ──► ROUTE ──► NEIGHBOUR ──► SWITCH ──► out
      │         │  └───────────────────▲
      │         ├──► ANSWER ──► back   │
      │         └──► the controller    │
      └── from the uplink ─────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

import attrs

from lab.vrs.actions import Action, Field, SetField
from lab.vrs.openflow import Condition, Flow
from lab.vrs.resolution import PortRow, Resolved

ADMIT, ROUTE, NEIGHBOUR, SWITCH, ANSWER = range(5)
#: The gateway's MAC in every subnet: locally administered.
ROUTER_MAC = "02:00:5e:00:01:01"
#: Types in the Ethernet header.
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
#: Types of ICMPv6 messages: RFC 4861, sections 4.3 and 4.4.
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136

# How the 64 bits of the metadata are used.
_VRF_SHIFT, _EVPN_SHIFT = 40, 16
VRF_MASK, EVPN_MASK, GROUP_MASK = 0xFFFFFF << _VRF_SHIFT, 0xFFFFFF << _EVPN_SHIFT, 0xFFFF
ALL = VRF_MASK | EVPN_MASK | GROUP_MASK
#: Number, instead of that of the sender's groups, of packets that another host has routed, and filtered.
FILTERED = 0xFFFF

Match = dict[Field, int | tuple[int, int]]
FlowKey = tuple[int, int, frozenset[Condition]]


@attrs.frozen
class ResolvedPort:
    """A port of any host, how it was resolved, and the IPv6 addresses that the router has found there."""

    row: PortRow
    resolved: Resolved
    neighbours: frozenset[IPv6Address] = frozenset()

    @property
    def mac(self) -> int:
        """The MAC as a number."""
        return mac_number(self.row.mac)

    @property
    def ip(self) -> int:
        """The address as a number."""
        return int(IPv4Address(self.resolved.ip))


def metadata(vrf_id: int, evpn_id: int, group: int) -> int:
    """Return the metadata of a packet: its sender's domain, its subnet and the number of its sender's groups."""
    return vrf_id << _VRF_SHIFT | evpn_id << _EVPN_SHIFT | group


def in_domain(vrf_id: int) -> Match:
    """Match what a domain's ports have sent."""
    return {Field.METADATA: (metadata(vrf_id, 0, 0), VRF_MASK)}


def in_subnet(evpn_id: int) -> Match:
    """Match what is in a subnet."""
    return {Field.METADATA: (metadata(0, evpn_id, 0), EVPN_MASK)}


def of_group(evpn_id: int, group: int) -> Match:
    """Match what is in a subnet, and was sent by members of groups."""
    return {Field.METADATA: (metadata(0, evpn_id, group), EVPN_MASK | GROUP_MASK)}


def mac_number(text: str) -> int:
    """Return a MAC as a number."""
    return int(text.replace(":", ""), 16)


def set_field(field: Field, value: int) -> Action:
    """Return the action that overwrites a field."""
    return SetField(field, value)


def flow(
    table: int,
    priority: int,
    match: Mapping[Field, int | tuple[int, int]],
    actions: Sequence[Action] = (),
    metadata: tuple[int, int] | None = None,
    goto: int | None = None,
) -> Flow:
    """Return a flow. A field is matched as a whole, or in the bits of a mask: (value, mask)."""
    conditions = frozenset(
        Condition(field, *value) if isinstance(value, tuple) else Condition(field, value)
        for field, value in match.items()
    )
    return Flow(table=table, priority=priority, match=conditions, actions=tuple(actions), metadata=metadata, goto=goto)
