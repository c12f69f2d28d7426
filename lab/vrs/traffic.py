"""The kinds of packets that policy tells apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lab.vrs.openflow import Field
from lab.vrs.pipeline import ARP, IPV4, IPV6, Match
from lab.vrs.topology import Domain


def _protocol(number_v4: int, number_v6: int) -> list[Match]:
    return [
        {Field.ETH_TYPE: IPV4, Field.IP_PROTO: number_v4},
        {Field.ETH_TYPE: IPV6, Field.IP_PROTO: number_v6},
    ]


#: The kinds of packets by protocol. The last one is everything else.
KINDS: dict[str, list[Match]] = {
    "arp": [{Field.ETH_TYPE: ARP}],
    "icmp": _protocol(1, 58),
    "tcp": _protocol(6, 6),
    "udp": _protocol(17, 17),
    "": [{}],
}


def kinds(protocols: frozenset[str] | None) -> Iterator[Match]:
    """Yield the kinds of packets that may pass. ARP always may: it only tells where a machine is."""
    if protocols is None:
        yield {}
        return
    for protocol in ("arp", *sorted(protocols)):
        yield from KINDS[protocol]


def permitted(domain: Domain, one: Collection[str], other: Collection[str], protocol: str) -> bool:
    """Tell whether members of some groups may send packets of a protocol to members of others."""
    protocols = domain.traffic(one, other)
    return protocols is None or protocol == "arp" or protocol in protocols
