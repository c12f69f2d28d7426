"""The kinds of packets that policy tells apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import attrs

from lab.vrs.actions import Field
from lab.vrs.pipeline import ARP, IPV4, IPV6, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, Match
from lab.vrs.topology import Domain


@attrs.frozen
class Kind:
    """What a flow matches, and with which priority.

    ``version`` is that of IP, 0 for what policy lets pass always: it only tells where a machine is. ``protocol`` is
    empty for whatever else there is of that version.
    """

    match: Match
    priority: int
    version: int = 0
    protocol: str = ""


def _of_version(version: int, ethernet_type: int, icmp: int) -> list[Kind]:
    protocols = {"icmp": icmp, "tcp": 6, "udp": 17}
    matches = {name: {Field.ETH_TYPE: ethernet_type, Field.IP_PROTO: number} for name, number in protocols.items()}
    named = [Kind({**match}, 2, version, name) for name, match in matches.items()]
    return [*named, Kind({Field.ETH_TYPE: ethernet_type}, 1, version)]


_ANYTHING = Kind({}, 1)
_NEIGHBOURS = [
    Kind({Field.ETH_TYPE: IPV6, Field.IP_PROTO: 58, Field.ICMPV6_TYPE: number}, 3)
    for number in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT)
]
#: All kinds. ARP and neighbour discovery always pass.
KINDS = [Kind({Field.ETH_TYPE: ARP}, 2), *_NEIGHBOURS, *_of_version(4, IPV4, 1), *_of_version(6, IPV6, 58)]


def passing(domain: Domain, one: Collection[str], other: Collection[str]) -> Iterator[Kind]:
    """Yield the kinds that members of some groups may send to members of others, as few as say it."""
    allowed = {version: domain.traffic(one, other, version=version) for version in (4, 6)}
    if all(protocols is None for protocols in allowed.values()):
        yield _ANYTHING
        return
    for kind in KINDS:
        protocols = allowed.get(kind.version)
        if not kind.version or (not kind.protocol if protocols is None else kind.protocol in protocols):
            yield kind


def permitted(domain: Domain, one: Collection[str], other: Collection[str], kind: Kind) -> bool:
    """Tell whether members of some groups may send packets of a kind to members of others."""
    protocols = domain.traffic(one, other, version=kind.version) if kind.version else None
    return protocols is None or kind.protocol in protocols
