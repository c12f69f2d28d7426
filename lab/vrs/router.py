"""The router's flows: what it answers, and what it moves from subnet to subnet."""

from __future__ import annotations

from collections.abc import Iterator

from lab.vrs.openflow import IN_PORT, DecrementTtl, Field, Flow, Output
from lab.vrs.pipeline import (
    ANSWER,
    ARP,
    EVPN_MASK,
    IPV4,
    NEIGHBOUR,
    ROUTE,
    ROUTER_MAC,
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
_ICMP = 1
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_ARP_REQUEST, _ARP_REPLY = 1, 2


def answer(port: ResolvedPort) -> Iterator[Flow]:
    """Send the gateway's answers to a port back to it."""
    assert port.row.ofport is not None
    from_port: Match = {Field.IN_PORT: port.row.ofport}
    arp = [set_field(Field.ARP_THA, port.mac), set_field(Field.ARP_TPA, port.ip)]
    echo = [set_field(Field.IPV4_DST, port.ip)]
    for ethernet_type, addressed in ((ARP, arp), (IPV4, echo)):
        frame = [set_field(Field.ETH_SRC, _ROUTER), set_field(Field.ETH_DST, port.mac)]
        actions = [*frame, *addressed, Output(IN_PORT)]
        yield flow(ANSWER, 1, from_port | {Field.ETH_TYPE: ethernet_type}, actions)


def route(domain: Domain, subnet: Subnet) -> Iterator[Flow]:
    """Answer for a subnet's gateway, and let in what other subnets of the domain send."""
    assert subnet.gateway is not None
    gateway = int(subnet.gateway)
    asked: Match = {Field.ETH_TYPE: ARP, Field.ARP_OP: _ARP_REQUEST, Field.ARP_TPA: gateway}
    answer = [
        set_field(Field.ARP_OP, _ARP_REPLY),
        set_field(Field.ARP_SPA, gateway),
        set_field(Field.ARP_SHA, _ROUTER),
    ]
    yield flow(ROUTE, 3, in_subnet(subnet.evpn_id) | asked, answer, goto=ANSWER)
    to_router = in_domain(domain.vrf_id) | {Field.ETH_DST: _ROUTER, Field.ETH_TYPE: IPV4}
    echo: Match = {Field.IPV4_DST: gateway, Field.IP_PROTO: _ICMP, Field.ICMP_TYPE: _ECHO_REQUEST}
    answer = [set_field(Field.ICMP_TYPE, _ECHO_REPLY), set_field(Field.IPV4_SRC, gateway)]
    yield flow(ROUTE, 3, to_router | echo, answer, goto=ANSWER)
    network: Match = {Field.IPV4_DST: (int(subnet.cidr.network_address), int(subnet.cidr.netmask))}
    forwarding = [DecrementTtl(), set_field(Field.ETH_SRC, _ROUTER)]
    moved = (metadata(0, subnet.evpn_id, 0), EVPN_MASK)
    yield flow(ROUTE, 2, to_router | network, forwarding, metadata=moved, goto=NEIGHBOUR)
