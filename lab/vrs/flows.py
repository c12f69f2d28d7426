"""The flows of a switch: what its ports may send, and where that goes.

Which table comes after which, :mod:`lab.vrs.pipeline` shows.

* ADMIT knows each port by its number in the switch, lets packets with its MAC and address pass, and writes who it is
  into the metadata: domain (vrf_id), subnet (evpn_id) and policy groups. All later tables match these, so equal
  addresses of two organizations never meet. Packets from the uplink have the subnet as their VLAN.
* ROUTE answers for the gateway, and moves packets for the router's MAC into the subnet of their destination.
* NEIGHBOUR knows the MAC of each IPv4 address. Of IPv6 the controller finds out who has an address.
* SWITCH knows which port or host a MAC is at, and what its policy groups may receive from the sender's.
* ANSWER sends the gateway's answer to a packet back to its sender.

A packet that no flow matches is dropped. All hosts have the same router: a routed packet crosses the uplink in the VLAN
of its destination, filtered already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, IPv6Network

from lab.vrs.actions import VLAN_PRESENT, Action, Field, Output, PopVlan, PushVlan
from lab.vrs.openflow import Flow
from lab.vrs.pipeline import (
    ADMIT,
    ALL,
    ARP,
    FILTERED,
    IPV4,
    IPV6,
    NEIGHBOUR_SOLICITATION,
    ROUTE,
    ROUTER_MAC,
    SWITCH,
    VRF_MASK,
    FlowKey,
    Match,
    ResolvedPort,
    flow,
    in_subnet,
    mac_number,
    metadata,
    of_group,
    set_field,
)
from lab.vrs.router import answer, reach, route
from lab.vrs.topology import Domain
from lab.vrs.traffic import KINDS, passing, permitted

_MULTICAST_BIT = 1 << 40
#: The addresses of each link.
_LINK = IPv6Network("fe80::/10")

_Groups = frozenset[str]


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
            yield from answer(port)
        for port in self._reachable():
            yield from self._deliver(port)
            yield from reach(port)
        for evpn_id, domain in self._subnets.items():
            yield from self._flood(evpn_id, domain)
        for domain in self._routed.values():
            for subnet in domain.subnets():
                yield from route(domain, subnet)
        yield from self._admit_from_uplink()
        yield flow(ROUTE, 0, {}, goto=SWITCH)

    def _reachable(self) -> Iterator[ResolvedPort]:
        for port in (*self._local, *self._remote):
            if port.resolved.vrf_id in self._routed or port.resolved.evpn_id in self._subnets:
                yield port

    def _admit_from_uplink(self) -> Iterator[Flow]:
        if self._uplink is None:
            return
        senders = [(port.resolved.evpn_id, port.mac, self._group(port)) for port in self._remote]
        senders += [(evpn_id, mac_number(ROUTER_MAC), FILTERED) for evpn_id in self._subnets]
        for evpn_id, mac, group in senders:
            if evpn_id in self._subnets:
                tagged: Match = {
                    Field.IN_PORT: self._uplink,
                    Field.VLAN_VID: VLAN_PRESENT | evpn_id,
                    Field.ETH_SRC: mac,
                }
                yield flow(ADMIT, 1, tagged, [PopVlan()], metadata=(metadata(0, evpn_id, group), ALL), goto=SWITCH)

    def _deliver(self, port: ResolvedPort) -> Iterator[Flow]:
        """Hand packets for a port's MAC to the port or to its host, if policy allows the sender."""
        to_port = in_subnet(port.resolved.evpn_id) | {Field.ETH_DST: port.mac}
        way = self._way(port)
        domain = port.resolved.domain
        if not domain.policy_groups:
            yield flow(SWITCH, 2, to_port, way)
            return
        yield flow(SWITCH, 2, to_port | of_group(port.resolved.evpn_id, FILTERED), way)
        for groups, number in self._groups(domain).items():
            sent = to_port | of_group(port.resolved.evpn_id, number)
            for kind in passing(domain, groups, port.resolved.groups):
                yield flow(SWITCH, kind.priority, sent | kind.match, way)

    def _flood(self, evpn_id: int, domain: Domain) -> Iterator[Flow]:
        """Hand broadcasts and multicasts to those ports of a subnet that the sender may reach."""
        everywhere: Match = {Field.ETH_DST: (_MULTICAST_BIT, _MULTICAST_BIT)}
        for groups, number in self._groups(domain).items():
            sent = everywhere | of_group(evpn_id, number)
            for kind in KINDS:
                # The other hosts apply policy themselves: they know the sender by its MAC.
                ports = [port for port in self._local if port.resolved.evpn_id == evpn_id]
                ways = [self._way(port) for port in ports if permitted(domain, groups, port.resolved.groups, kind)]
                actions = [action for way in [*ways, self._tunnel(evpn_id)] for action in way]
                yield flow(SWITCH, kind.priority, sent | kind.match, actions)

    def _way(self, port: ResolvedPort) -> list[Action]:
        if port.row.host == self._host:
            assert port.row.ofport is not None
            return [Output(port.row.ofport)]
        return self._tunnel(port.resolved.evpn_id)

    def _tunnel(self, evpn_id: int) -> list[Action]:
        """Return what sends a packet to the other hosts. It is the last thing done to it."""
        if self._uplink is None:
            return []
        return [PushVlan(), set_field(Field.VLAN_VID, VLAN_PRESENT | evpn_id), Output(self._uplink)]

    def _admit(self, port: ResolvedPort) -> Iterator[Flow]:
        assert port.row.ofport is not None
        resolved = port.resolved
        sent: Match = {Field.IN_PORT: port.row.ofport, Field.ETH_SRC: port.mac, Field.VLAN_VID: 0}
        sender = (metadata(resolved.vrf_id, resolved.evpn_id, self._group(port)), ALL)
        arp: Match = {Field.ETH_TYPE: ARP, Field.ARP_SPA: port.ip, Field.ARP_SHA: port.mac}
        for kind in (arp, {Field.ETH_TYPE: IPV4, Field.IPV4_SRC: port.ip}):
            yield flow(ADMIT, 1, sent | kind, metadata=sender, goto=ROUTE)
        subnet = resolved.domain.subnet(resolved.evpn_id)
        ipv6 = sent | {Field.ETH_TYPE: IPV6}
        if subnet is None or subnet.cidr6 is None:
            yield flow(ADMIT, 1, ipv6, metadata=sender, goto=SWITCH)
        else:
            yield from self._admit_ipv6(ipv6, subnet.cidr6, subnet.gateway6, sender)

    def _admit_ipv6(
        self, sent: Match, cidr: IPv6Network, gateway: IPv6Address | None, sender: tuple[int, int]
    ) -> Iterator[Flow]:
        """Let pass what is sent from an address of the subnet, or of the link, or by who has none yet."""
        if gateway is not None:
            yield flow(ADMIT, 2, sent | {Field.IPV6_SRC: int(gateway)})
        of_subnet: Match = {Field.IPV6_SRC: (int(cidr.network_address), int(cidr.netmask))}
        yield flow(ADMIT, 1, sent | of_subnet, metadata=sender, goto=ROUTE)
        # No router forwards what has an address of the link: RFC 4291, section 2.5.6.
        not_routed = (sender[0] & ~VRF_MASK, sender[1])
        of_link: Match = {Field.IPV6_SRC: (int(_LINK.network_address), int(_LINK.netmask))}
        yield flow(ADMIT, 1, sent | of_link, metadata=not_routed, goto=ROUTE)
        # Who asks whether somebody has its address already: RFC 4862, section 5.4.
        asking: Match = {Field.IP_PROTO: 58, Field.ICMPV6_TYPE: NEIGHBOUR_SOLICITATION, Field.IPV6_SRC: 0}
        yield flow(ADMIT, 1, sent | asking, metadata=not_routed, goto=SWITCH)

    def _group(self, port: ResolvedPort) -> int:
        return self._groups(port.resolved.domain)[port.resolved.groups]

    def _groups(self, domain: Domain) -> dict[_Groups, int]:
        """Return the sets of groups that ports may be in, with their numbers. The first stands for ports in no group.

        Of sets with several groups only those in use have a number.
        """
        alone: list[_Groups] = [frozenset(), *(frozenset({name}) for name in domain.policy_groups)]
        together = (groups for groups in self._together if groups.issubset(domain.policy_groups))
        return {groups: number for number, groups in enumerate([*alone, *sorted(together, key=sorted)])}
