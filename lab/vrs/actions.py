"""The fields of packets, and what a switch can do with a packet (OpenFlow 1.3, ONF TS-012): values, and their bytes."""

from __future__ import annotations

import enum
import struct

import attrs

#: Section A.1: the port that a packet came in by, all tables from the first one on, and the controller.
IN_PORT, TABLE, CONTROLLER = 0xFFFFFFF8, 0xFFFFFFF9, 0xFFFFFFFD
#: Section A.2.5: the controller gets all of a packet.
_WHOLE = 0xFFFF
#: Classes of fields: those of the standard, and one of Open vSwitch's, which knows more of neighbour discovery.
_BASIC, _EXTENDED = 0x8000, 0x1000
#: The vendor of Open vSwitch's own actions, and the number of the one that copies a field: openflow/nicira-ext.h.
_NICIRA, _MOVE = 0x2320, 6
#: Section A.2.3.7: this bit is set in vlan_vid if there is a tag.
VLAN_PRESENT = 0x1000


class Field(enum.Enum):
    """Section A.2.3.7, oxm_ofb_match_fields: number, and width in bytes; and the class, if it is not that one's."""

    IN_PORT = (0, 4)
    METADATA = (2, 8)
    ETH_DST = (3, 6)
    ETH_SRC = (4, 6)
    ETH_TYPE = (5, 2)
    VLAN_VID = (6, 2)
    IP_PROTO = (10, 1)
    IPV4_SRC = (11, 4)
    IPV4_DST = (12, 4)
    ICMP_TYPE = (19, 1)
    ARP_OP = (21, 2)
    ARP_SPA = (22, 4)
    ARP_TPA = (23, 4)
    ARP_SHA = (24, 6)
    ARP_THA = (25, 6)
    IPV6_SRC = (26, 16)
    IPV6_DST = (27, 16)
    ICMPV6_TYPE = (29, 1)
    ND_TARGET = (31, 16)
    ND_TLL = (33, 6)
    ND_RESERVED = (1, 4, _EXTENDED)
    ND_OPTIONS_TYPE = (2, 1, _EXTENDED)

    @property
    def width(self) -> int:
        """Its width in bytes."""
        width: int = self.value[1]
        return width

    def encode(self, value: int, mask: int | None = None) -> bytes:
        """Return the field's type, length and value."""
        content = b"".join(number.to_bytes(self.width, "big") for number in (value, mask) if number is not None)
        return self.header(len(content), masked=mask is not None) + content

    def header(self, length: int, *, masked: bool = False) -> bytes:
        """Return the field's type, and the length of what follows."""
        number, _, *others = self.value
        return struct.pack("!HBB", *(others or [_BASIC]), number << 1 | masked, length)


@attrs.frozen
class Output:
    """Send the packet out of a port."""

    port: int

    def encode(self) -> bytes:
        """Return the action's bytes."""
        return struct.pack("!HHIH6x", 0, 16, self.port, _WHOLE if self.port == CONTROLLER else 0)


@attrs.frozen
class SetField:
    """Overwrite a field."""

    field: Field
    value: int

    def encode(self) -> bytes:
        """Return the action's bytes."""
        content = self.field.encode(self.value)
        length = padded(4 + len(content))
        return struct.pack("!HH", 25, length) + content.ljust(length - 4, b"\0")


@attrs.frozen
class CopyField:
    """Overwrite a field with another one of its width. This is Open vSwitch's own."""

    source: Field
    destination: Field

    def encode(self) -> bytes:
        """Return the action's bytes."""
        fields = self.source.header(self.source.width) + self.destination.header(self.destination.width)
        return struct.pack("!HHIHHHH", 0xFFFF, 24, _NICIRA, _MOVE, 8 * self.source.width, 0, 0) + fields


@attrs.frozen
class PushVlan:
    """Put an empty VLAN tag in front of the packet."""

    def encode(self) -> bytes:
        """Return the action's bytes."""
        return struct.pack("!HHH2x", 17, 8, 0x8100)


@attrs.frozen
class PopVlan:
    """Remove the VLAN tag."""

    def encode(self) -> bytes:
        """Return the action's bytes."""
        return struct.pack("!HH4x", 18, 8)


@attrs.frozen
class DecrementTtl:
    """Count the IP TTL down; the switch drops a packet that has none left."""

    def encode(self) -> bytes:
        """Return the action's bytes."""
        return struct.pack("!HH4x", 24, 8)


Action = Output | SetField | CopyField | PushVlan | PopVlan | DecrementTtl


def padded(length: int) -> int:
    """Return a length in bytes, of which OpenFlow wants a multiple of eight."""
    return (length + 7) // 8 * 8
