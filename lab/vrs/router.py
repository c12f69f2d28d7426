"""The router's flows: what it answers, and what it moves from subnet to subnet.

Of IPv4 it knows the MAC of each address. Of IPv6 it knows those that were found (:mod:`lab.vrs.neighbours`): it hands
the controller what is for others, and what a neighbour answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.vrs.actions import CONTROLLER, IN_PORT, CopyField, DecrementTtl, Field, Output
from lab.vrs.openflow import Flow
from lab.vrs.pipeline import (
    ANSWER,
    ARP,
    EVPN_MASK,
    IPV4,
    IPV6,
    NEIGHBOUR,
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
    ROUTE,
    ROUTER_MAC,
    SWITCH,
    Match,
    ResolvedPort,
    flow,
    in_domain,
    in_subnet,
    mac_number,
    metadata,
    set_field,
)
from lab.vrs.topology import Domain, Subnet

_ROUTER = mac_number(ROUTER_MAC)
_ICMP, _ICMPV6 = 1, 58
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_ECHO_REPLY_V6, _ECHO_REQUEST_V6 = 129, 128
_ARP_REQUEST, _ARP_REPLY = 1, 2
#: Flags of an advertisement: from a router, asked for, and it counts (RFC 4861, section 4.4).
_FLAGS = 0xE0000000
#: The option of an advertisement that has the MAC of whom it is about: RFC 4861, section 4.6.1.
_TARGET_MAC = 2
_MESSAGE: Match = {Field.ETH_TYPE: IPV6, Field.IP_PROTO: _ICMPV6}


def answer(port: ResolvedPort) -> Iterator[Flow]:
    """Send the gateway's answers to a port back to it."""
    assert port.row.ofport is not None
    from_port: Match = {Field.IN_PORT: port.row.ofport}
    frame = [set_field(Field.ETH_SRC, _ROUTER), set_field(Field.ETH_DST, port.mac)]
    arp = [set_field(Field.ARP_THA, port.mac), set_field(Field.ARP_TPA, port.ip)]
    echo = [set_field(Field.IPV4_DST, port.ip)]
    # Only in a message that is an advertisement by now the field can be set.
    option = [set_field(Field.ND_TLL, _ROUTER)]
    advertisement = _MESSAGE | {Field.ICMPV6_TYPE: NEIGHBOUR_ADVERTISEMENT}
    yield flow(ANSWER, 1, from_port | {Field.ETH_TYPE: ARP}, [*frame, *arp, Output(IN_PORT)])
    yield flow(ANSWER, 1, from_port | {Field.ETH_TYPE: IPV4}, [*frame, *echo, Output(IN_PORT)])
    yield flow(ANSWER, 1, from_port | {Field.ETH_TYPE: IPV6}, [*frame, Output(IN_PORT)])
    yield flow(ANSWER, 2, from_port | advertisement, [*frame, *option, Output(IN_PORT)])


def route(domain: Domain, subnet: Subnet) -> Iterator[Flow]:
    """Answer for a subnet's gateways, and let in what other subnets of the domain send."""
    yield from _route_v4(domain, subnet)
    if subnet.cidr6 is not None and subnet.gateway6 is not None:
        yield from _discover(subnet)
        yield from _route_v6(domain, subnet)


def reach(port: ResolvedPort) -> Iterator[Flow]:
    """Move to a port what its subnet is let in."""
    to_address = {Field.ETH_TYPE: IPV4, Field.IPV4_DST: port.ip}
    known = [set_field(Field.ETH_DST, port.mac)]
    yield flow(NEIGHBOUR, 1, in_subnet(port.resolved.evpn_id) | to_address, known, goto=SWITCH)
    if port.resolved.vrf_id:
        moved = (metadata(0, port.resolved.evpn_id, 0), EVPN_MASK)
        for address in port.neighbours:
            sent = _to_router(port.resolved.vrf_id, IPV6) | {Field.IPV6_DST: int(address)}
            yield flow(ROUTE, 3, sent, [*_FORWARDING, *known], metadata=moved, goto=SWITCH)


_FORWARDING = [DecrementTtl(), set_field(Field.ETH_SRC, _ROUTER)]


def _to_router(vrf_id: int, ethernet_type: int) -> Match:
    return in_domain(vrf_id) | {Field.ETH_DST: _ROUTER, Field.ETH_TYPE: ethernet_type}


def _route_v4(domain: Domain, subnet: Subnet) -> Iterator[Flow]:
    assert subnet.gateway is not None
    gateway = int(subnet.gateway)
    asked: Match = {Field.ETH_TYPE: ARP, Field.ARP_OP: _ARP_REQUEST, Field.ARP_TPA: gateway}
    answer = [
        set_field(Field.ARP_OP, _ARP_REPLY),
        set_field(Field.ARP_SPA, gateway),
        set_field(Field.ARP_SHA, _ROUTER),
    ]
    yield flow(ROUTE, 3, in_subnet(subnet.evpn_id) | asked, answer, goto=ANSWER)
    to_router = _to_router(domain.vrf_id, IPV4)
    echo: Match = {Field.IPV4_DST: gateway, Field.IP_PROTO: _ICMP, Field.ICMP_TYPE: _ECHO_REQUEST}
    answer = [set_field(Field.ICMP_TYPE, _ECHO_REPLY), set_field(Field.IPV4_SRC, gateway)]
    yield flow(ROUTE, 3, to_router | echo, answer, goto=ANSWER)
    network: Match = {Field.IPV4_DST: (int(subnet.cidr.network_address), int(subnet.cidr.netmask))}
    moved = (metadata(0, subnet.evpn_id, 0), EVPN_MASK)
    yield flow(ROUTE, 2, to_router | network, _FORWARDING, metadata=moved, goto=NEIGHBOUR)


def _discover(subnet: Subnet) -> Iterator[Flow]:
    """Answer who asks for the gateway, and hear what is answered to it."""
    assert subnet.gateway6 is not None
    gateway, within = int(subnet.gateway6), in_subnet(subnet.evpn_id)
    asked = _MESSAGE | {Field.ICMPV6_TYPE: NEIGHBOUR_SOLICITATION, Field.ND_TARGET: gateway}
    answer = [
        set_field(Field.ND_RESERVED, _FLAGS),
        set_field(Field.ND_OPTIONS_TYPE, _TARGET_MAC),
        set_field(Field.ICMPV6_TYPE, NEIGHBOUR_ADVERTISEMENT),
        CopyField(Field.IPV6_SRC, Field.IPV6_DST),
        set_field(Field.IPV6_SRC, gateway),
    ]
    yield flow(ROUTE, 3, within | asked, answer, goto=ANSWER)
    answered = _MESSAGE | {Field.ICMPV6_TYPE: NEIGHBOUR_ADVERTISEMENT, Field.IPV6_DST: gateway}
    yield flow(ROUTE, 3, within | answered, [Output(CONTROLLER)])


def _route_v6(domain: Domain, subnet: Subnet) -> Iterator[Flow]:
    assert subnet.cidr6 is not None
    assert subnet.gateway6 is not None
    gateway, to_router = int(subnet.gateway6), _to_router(domain.vrf_id, IPV6)
    echo: Match = {Field.IPV6_DST: gateway, Field.IP_PROTO: _ICMPV6, Field.ICMPV6_TYPE: _ECHO_REQUEST_V6}
    answer = [
        set_field(Field.ICMPV6_TYPE, _ECHO_REPLY_V6),
        CopyField(Field.IPV6_SRC, Field.IPV6_DST),
        set_field(Field.IPV6_SRC, gateway),
    ]
    yield flow(ROUTE, 3, to_router | echo, answer, goto=ANSWER)
    network: Match = {Field.IPV6_DST: (int(subnet.cidr6.network_address), int(subnet.cidr6.netmask))}
    yield flow(ROUTE, 2, to_router | network, [Output(CONTROLLER)])
