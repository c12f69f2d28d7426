"""Packets of IPv6 and of neighbour discovery (RFC 4861): bytes in, values out."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from lab.vrs.pipeline import IPV6, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, ROUTER_MAC

_ETHERNET = struct.Struct("!6s6sH")
#: Version and flow, length, next header, hop limit, source, destination: RFC 8200, section 3.
_IPV6 = struct.Struct("!IHBB16s16s")
#: Type, code, checksum, what is reserved, target; then an option with a MAC: RFC 4861, sections 4.3 and 4.6.1.
_SOLICITATION = struct.Struct("!BBHI16sBB6s")
_TARGET = slice(_ETHERNET.size + _IPV6.size + 8, _ETHERNET.size + _IPV6.size + 24)
_ICMPV6 = 58
#: Who receives a message of neighbour discovery knows by this limit that no router has forwarded it.
_HOP_LIMIT = 255
_SOURCE_MAC = 1
#: RFC 4291, section 2.7.1: the group of who may have an address, which ends with its last 24 bits.
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))


def destination(frame: bytes) -> IPv6Address | None:
    """Return the address that an IPv6 packet is for, None if it is none."""
    header = _ipv6_header(frame)
    return None if header is None else IPv6Address(header[5])


def advertised(frame: bytes) -> IPv6Address | None:
    """Return the address that a neighbour says it has, None if the packet says nothing of that kind."""
    header = _ipv6_header(frame)
    if header is None or header[2] != _ICMPV6 or header[3] != _HOP_LIMIT or len(frame) < _TARGET.stop:
        return None
    return IPv6Address(frame[_TARGET]) if frame[_TARGET.start - 8] == NEIGHBOUR_ADVERTISEMENT else None


def solicitation(target: IPv6Address, gateway: IPv6Address) -> bytes:
    """Return the packet by which a subnet's gateway asks who has an address."""
    group = _SOLICITED_NODE | int(target) & 0xFFFFFF
    router = bytes.fromhex(ROUTER_MAC.replace(":", ""))
    ethernet = _ETHERNET.pack(b"\x33\x33" + group.to_bytes(16, "big")[-4:], router, IPV6)
    addresses = gateway.packed + group.to_bytes(16, "big")
    unchecked = _SOLICITATION.pack(NEIGHBOUR_SOLICITATION, 0, 0, 0, target.packed, _SOURCE_MAC, 1, router)
    checksum = _checksum(addresses + struct.pack("!II", len(unchecked), _ICMPV6) + unchecked)
    body = _SOLICITATION.pack(NEIGHBOUR_SOLICITATION, 0, checksum, 0, target.packed, _SOURCE_MAC, 1, router)
    header = _IPV6.pack(6 << 28, len(body), _ICMPV6, _HOP_LIMIT, gateway.packed, group.to_bytes(16, "big"))
    return ethernet + header + body


def _ipv6_header(frame: bytes) -> tuple[int, int, int, int, bytes, bytes] | None:
    if len(frame) < _ETHERNET.size + _IPV6.size or _ETHERNET.unpack_from(frame)[2] != IPV6:
        return None
    return _IPV6.unpack_from(frame, _ETHERNET.size)


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    # The sum with its carries added is the remainder by 0xFFFF.
    return 0xFFFF - total % 0xFFFF
