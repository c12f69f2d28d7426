"""The flows of a switch: what its ports may send, and where that goes.

::

    ADMIT ──► ROUTE ──► NEIGHBOUR ──► SWITCH ──► out
      │         │  └───────────────────▲
      │         └──► ANSWER ──► back   │
      └── from the uplink ─────────────┘

* ADMIT knows each port by its number in the switch, lets packets with its MAC and address pass, and writes who it is
  into the metadata: domain (vrf_id), subnet (evpn_id) and policy groups. All later tables match these, so equal
  addresses of two organizations never meet. Packets from the uplink have the subnet as their VLAN.
* ROUTE answers for the gateway, and moves packets for the router's MAC into the subnet of their destination.
* NEIGHBOUR knows the MAC of each address.
* SWITCH knows which port or host a MAC is at, and what its policy groups may receive from the sender's.
* ANSWER sends the gateway's answer to a packet back to its sender.

A packet that no flow matches is dropped. All hosts have the same router: a routed packet crosses the uplink in the VLAN
of its destination, filtered already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address

import attrs

from lab.vrs.openflow import (
    IN_PORT,
    VLAN_PRESENT,
    Action,
    Condition,
    DecrementTtl,
    Field,
    Flow,
    Output,
    PopVlan,
    PushVlan,
    SetField,
)
from lab.vrs.resolution import PortRow, Resolved
from lab.vrs.topology import Domain, Subnet

ADMIT, ROUTE, NEIGHBOUR, SWITCH, ANSWER = range(5)
#: The gateway's MAC in every subnet: locally administered.
ROUTER_MAC = "02:00:5e:00:01:01"

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_ICMP = 1
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_ARP_REQUEST, _ARP_REPLY = 1, 2
_MULTICAST_BIT = 1 << 40

# How the 64 bits of the metadata are used.
_VRF_SHIFT, _EVPN_SHIFT = 40, 16
_VRF_MASK, _EVPN_MASK, _GROUP_MASK = 0xFFFFFF << _VRF_SHIFT, 0xFFFFFF << _EVPN_SHIFT, 0xFFFF
_ALL = _VRF_MASK | _EVPN_MASK | _GROUP_MASK
#: Number, instead of that of the sender's groups, of packets that another host has routed, and filtered.
_FILTERED = 0xFFFF

_Match = dict[Field, int | tuple[int, int]]
_Groups = frozenset[str]
FlowKey = tuple[int, int, frozenset[Condition]]


@attrs.frozen
class ResolvedPort:
    """A port of any host, and how it was resolved."""

    row: PortRow
    resolved: Resolved

    @property
    def mac(self) -> int:
        """The MAC as a number."""
        return _mac(self.row.mac)

    @property
    def ip(self) -> int:
        """The address as a number."""
        return int(IPv4Address(self.resolved.ip))


def flows(ports: Sequence[ResolvedPort], host: str, uplink: int | None) -> dict[FlowKey, Flow]:
    """Return the flows of a host's switch by their keys, of which a table has each at most once.

    Args:
        ports: The resolved ports of all hosts.
        host: The host.
        uplink: Number of the port that leads to the other hosts, None if there is none.
    """
    return {flow.key: flow for flow in _Switch(ports, host, uplink).flows()}


class _Switch:
    """The switch of one host. It needs no flows for what none of its ports can reach."""

    def __init__(self, ports: Sequence[ResolvedPort], host: str, uplink: int | None) -> None:
        self._host = host
        self._uplink = uplink
        self._local = [port for port in ports if port.row.host == host]
        self._remote = [port for port in ports if port.row.host != host and uplink is not None]
        self._routed = {port.resolved.vrf_id: port.resolved.domain for port in self._local if port.resolved.vrf_id}
        self._subnets = {port.resolved.evpn_id: port.resolved.domain for port in self._local}
        self._together = {port.resolved.groups for port in ports if len(port.resolved.groups) > 1}

    def flows(self) -> Iterator[Flow]:
        for port in self._local:
            yield from self._admit(port)
            yield from _answer(port)
        for port in self._reachable():
            yield from self._deliver(port)
            yield _flow(NEIGHBOUR, 1, _in(port) | _to_ip(port.ip), [_set(Field.ETH_DST, port.mac)], goto=SWITCH)
        for evpn_id, domain in self._subnets.items():
            yield from self._flood(evpn_id, domain)
        for domain in self._routed.values():
            for subnet in domain.subnets():
                yield from _route(domain, subnet)
        yield from self._admit_from_uplink()
        yield _flow(ROUTE, 0, {}, goto=SWITCH)

    def _reachable(self) -> Iterator[ResolvedPort]:
        for port in (*self._local, *self._remote):
            if port.resolved.vrf_id in self._routed or port.resolved.evpn_id in self._subnets:
                yield port

    def _admit_from_uplink(self) -> Iterator[Flow]:
        if self._uplink is None:
            return
        senders = [(port.resolved.evpn_id, port.mac, self._group(port)) for port in self._remote]
        senders += [(evpn_id, _mac(ROUTER_MAC), _FILTERED) for evpn_id in self._subnets]
        for evpn_id, mac, group in senders:
            if evpn_id in self._subnets:
                tagged: _Match = {
                    Field.IN_PORT: self._uplink,
                    Field.VLAN_VID: VLAN_PRESENT | evpn_id,
                    Field.ETH_SRC: mac,
                }
                yield _flow(ADMIT, 1, tagged, [PopVlan()], metadata=(_metadata(0, evpn_id, group), _ALL), goto=SWITCH)

    def _deliver(self, port: ResolvedPort) -> Iterator[Flow]:
        """Hand packets for a port's MAC to the port or to its host, if policy allows the sender."""
        to_port = _in(port) | {Field.ETH_DST: port.mac}
        way = self._way(port)
        domain = port.resolved.domain
        if not domain.policy_groups:
            yield _flow(SWITCH, 2, to_port, way)
            return
        yield _flow(SWITCH, 2, to_port | _of_group(port.resolved.evpn_id, _FILTERED), way)
        for groups, number in self._groups(domain).items():
            sent = to_port | _of_group(port.resolved.evpn_id, number)
            for kind in _kinds(domain.traffic(groups, port.resolved.groups)):
                yield _flow(SWITCH, 2, sent | kind, way)

    def _flood(self, evpn_id: int, domain: Domain) -> Iterator[Flow]:
        """Hand broadcasts and multicasts to those ports of a subnet that the sender may reach."""
        everywhere: _Match = {Field.ETH_DST: (_MULTICAST_BIT, _MULTICAST_BIT)}
        for groups, number in self._groups(domain).items():
            sent = everywhere | _of_group(evpn_id, number)
            for protocol, kinds in _FLOODED.items():
                # The other hosts apply policy themselves: they know the sender by its MAC.
                ports = [port for port in self._local if port.resolved.evpn_id == evpn_id]
                ways = [self._way(port) for port in ports if _permitted(domain, groups, port, protocol)]
                actions = [action for way in [*ways, self._tunnel(evpn_id)] for action in way]
                for kind in kinds:
                    yield _flow(SWITCH, 2 if kind else 1, sent | kind, actions)

    def _way(self, port: ResolvedPort) -> list[Action]:
        if port.row.host == self._host:
            assert port.row.ofport is not None
            return [Output(port.row.ofport)]
        return self._tunnel(port.resolved.evpn_id)

    def _tunnel(self, evpn_id: int) -> list[Action]:
        """Return what sends a packet to the other hosts. It is the last thing done to it."""
        if self._uplink is None:
            return []
        return [PushVlan(), _set(Field.VLAN_VID, VLAN_PRESENT | evpn_id), Output(self._uplink)]

    def _admit(self, port: ResolvedPort) -> Iterator[Flow]:
        assert port.row.ofport is not None
        resolved = port.resolved
        sent: _Match = {Field.IN_PORT: port.row.ofport, Field.ETH_SRC: port.mac, Field.VLAN_VID: 0}
        metadata = (_metadata(resolved.vrf_id, resolved.evpn_id, self._group(port)), _ALL)
        kinds: tuple[_Match, ...] = (
            {Field.ETH_TYPE: _ARP, Field.ARP_SPA: port.ip, Field.ARP_SHA: port.mac},
            {Field.ETH_TYPE: _IPV4, Field.IPV4_SRC: port.ip},
            {Field.ETH_TYPE: _IPV6},
        )
        for kind in kinds:
            yield _flow(ADMIT, 1, sent | kind, metadata=metadata, goto=ROUTE)

    def _group(self, port: ResolvedPort) -> int:
        return self._groups(port.resolved.domain)[port.resolved.groups]

    def _groups(self, domain: Domain) -> dict[_Groups, int]:
        """Return the sets of groups that ports may be in, with their numbers. The first stands for ports in no group.

        Of sets with several groups only those in use have a number.
        """
        alone: list[_Groups] = [frozenset(), *(frozenset({name}) for name in domain.policy_groups)]
        together = (groups for groups in self._together if groups.issubset(domain.policy_groups))
        return {groups: number for number, groups in enumerate([*alone, *sorted(together, key=sorted)])}


def _answer(port: ResolvedPort) -> Iterator[Flow]:
    assert port.row.ofport is not None
    from_port: _Match = {Field.IN_PORT: port.row.ofport}
    arp = [_set(Field.ARP_THA, port.mac), _set(Field.ARP_TPA, port.ip)]
    echo = [_set(Field.IPV4_DST, port.ip)]
    for ethernet_type, addressed in ((_ARP, arp), (_IPV4, echo)):
        frame = [_set(Field.ETH_SRC, _mac(ROUTER_MAC)), _set(Field.ETH_DST, port.mac)]
        actions = [*frame, *addressed, Output(IN_PORT)]
        yield _flow(ANSWER, 1, from_port | {Field.ETH_TYPE: ethernet_type}, actions)


def _route(domain: Domain, subnet: Subnet) -> Iterator[Flow]:
    """Answer for a subnet's gateway, and let in what other subnets of the domain send."""
    assert subnet.gateway is not None
    gateway, router = int(subnet.gateway), _mac(ROUTER_MAC)
    in_domain: _Match = {Field.METADATA: (_metadata(domain.vrf_id, 0, 0), _VRF_MASK)}
    in_subnet: _Match = {Field.METADATA: (_metadata(0, subnet.evpn_id, 0), _EVPN_MASK)}
    asked: _Match = {Field.ETH_TYPE: _ARP, Field.ARP_OP: _ARP_REQUEST, Field.ARP_TPA: gateway}
    answer = [_set(Field.ARP_OP, _ARP_REPLY), _set(Field.ARP_SPA, gateway), _set(Field.ARP_SHA, router)]
    yield _flow(ROUTE, 3, in_subnet | asked, answer, goto=ANSWER)
    to_router = in_domain | {Field.ETH_DST: router, Field.ETH_TYPE: _IPV4}
    echo: _Match = {Field.IPV4_DST: gateway, Field.IP_PROTO: _ICMP, Field.ICMP_TYPE: _ECHO_REQUEST}
    answer = [_set(Field.ICMP_TYPE, _ECHO_REPLY), _set(Field.IPV4_SRC, gateway)]
    yield _flow(ROUTE, 3, to_router | echo, answer, goto=ANSWER)
    network: _Match = {Field.IPV4_DST: (int(subnet.cidr.network_address), int(subnet.cidr.netmask))}
    forwarding = [DecrementTtl(), _set(Field.ETH_SRC, router)]
    moved = (_metadata(0, subnet.evpn_id, 0), _EVPN_MASK)
    yield _flow(ROUTE, 2, to_router | network, forwarding, metadata=moved, goto=NEIGHBOUR)


def _kinds(protocols: frozenset[str] | None) -> Iterator[_Match]:
    """Yield the kinds of packets that may pass. ARP always may: it only tells where a machine is."""
    if protocols is None:
        yield {}
        return
    for protocol in ("arp", *sorted(protocols)):
        yield from _FLOODED[protocol]


def _permitted(domain: Domain, groups: _Groups, port: ResolvedPort, protocol: str) -> bool:
    protocols = domain.traffic(groups, port.resolved.groups)
    return protocols is None or protocol == "arp" or protocol in protocols


def _protocol(number_v4: int, number_v6: int) -> list[_Match]:
    return [
        {Field.ETH_TYPE: _IPV4, Field.IP_PROTO: number_v4},
        {Field.ETH_TYPE: _IPV6, Field.IP_PROTO: number_v6},
    ]


#: The kinds of packets that policy tells apart. The last one is everything else.
_FLOODED: dict[str, list[_Match]] = {
    "arp": [{Field.ETH_TYPE: _ARP}],
    "icmp": _protocol(1, 58),
    "tcp": _protocol(6, 6),
    "udp": _protocol(17, 17),
    "": [{}],
}


def _in(port: ResolvedPort) -> _Match:
    return {Field.METADATA: (_metadata(0, port.resolved.evpn_id, 0), _EVPN_MASK)}


def _of_group(evpn_id: int, group: int) -> _Match:
    return {Field.METADATA: (_metadata(0, evpn_id, group), _EVPN_MASK | _GROUP_MASK)}


def _to_ip(address: int) -> _Match:
    return {Field.ETH_TYPE: _IPV4, Field.IPV4_DST: address}


def _metadata(vrf_id: int, evpn_id: int, group: int) -> int:
    return vrf_id << _VRF_SHIFT | evpn_id << _EVPN_SHIFT | group


def _mac(text: str) -> int:
    return int(text.replace(":", ""), 16)


def _set(field: Field, value: int) -> Action:
    return SetField(field, value)


def _flow(
    table: int,
    priority: int,
    match: Mapping[Field, int | tuple[int, int]],
    actions: Sequence[Action] = (),
    metadata: tuple[int, int] | None = None,
    goto: int | None = None,
) -> Flow:
    conditions = frozenset(
        Condition(field, *value) if isinstance(value, tuple) else Condition(field, value)
        for field, value in match.items()
    )
    return Flow(table=table, priority=priority, match=conditions, actions=tuple(actions), metadata=metadata, goto=goto)
