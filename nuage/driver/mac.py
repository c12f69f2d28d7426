"""The MAC addresses that endpoints get."""

from __future__ import annotations

import json
from hashlib import sha256
from ipaddress import IPv4Address
from typing import Protocol

#: The first octets of each MAC address: locally administered, unicast, and easy to recognize.
_PREFIX = b"\x7a\x42"


class Located(Protocol):
    """A network or a pool of addresses."""

    def location(self) -> tuple[str | None, ...]:
        """Return the names of its place in the Nuage topology."""


def mac_of(network: Located, address: IPv4Address) -> str:
    """Return the MAC address of the endpoint that has ``address`` on ``network``.

    It follows from the network's place in the Nuage topology and from the IP address, so a container that is restarted,
    replaced or run on another host keeps it: its neighbours remember for a minute which MAC address an IP address has.
    Two addresses of one place never share a MAC address, and equal addresses of two places do not either: the last four
    octets are the IP address, combined (exclusive or) with four octets of a hash of the place.
    """
    place = json.dumps(network.location()).encode()
    mask = int.from_bytes(sha256(place).digest()[:4], "big")
    return (_PREFIX + (int(address) ^ mask).to_bytes(4, "big")).hex(":")
