"""The flows of the lab's stand-in for VRS and VSC, on a switch that the test plays by itself."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lab.standin import TOPOLOGY
from lab.vrs.actions import CONTROLLER, Field
from lab.vrs.flows import flows
from lab.vrs.pipeline import ROUTER_MAC, ResolvedPort
from lab.vrs.resolution import PortRow, Resolved
from lab.vrs.topology import Domain, Rule
from lab.vrs.topology_file import load
from tests.flow_support import Packet, PlayedSwitch, Sent

UPLINK = 1
HOSTS = ("h1", "h2")
BROADCAST = 0xFFFFFFFFFFFF
ROUTER = int(ROUTER_MAC.replace(":", ""), 16)
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ORGANIZATIONS = load(TOPOLOGY).organizations
#: All subnets of the lab's topology, with their domains.
SUBNETS = [
    (domain, subnet)
    for organization in ORGANIZATIONS.values()
    for domain in organization.domains.values()
    for subnet in domain.subnets()
]


def resolved_port(host: str, ofport: int, subnet: int, number: int, *groups: str) -> ResolvedPort:
    """Return a port of a subnet. The MAC depends on the number alone, so that different subnets have equal ones."""
    domain, net = SUBNETS[subnet]
    row = PortRow(
        host=host,
        name=f"p{ofport}",
        mac=f"7a:42:00:00:00:{number:02x}",
        ofport=ofport,
        domain="",
        zone="",
        subnet="",
        metadata={},
    )
    resolved = Resolved(
        ip=str(net.cidr[number]),
        mask=str(net.cidr.netmask),
        gateway=str(net.gateway or ""),
        vrf_id=domain.vrf_id,
        evpn_id=net.evpn_id,
        domain=domain,
        groups=frozenset(groups if domain.policy_groups else ()),
    )
    known = frozenset() if net.cidr6 is None else frozenset({net.cidr6[number]})
    return ResolvedPort(row, resolved, known)


class Wired:
    """Two hosts, joined by their uplinks, with some ports."""

    def __init__(self, ports: list[ResolvedPort]) -> None:
        self.ports = ports
        self._switches = {host: PlayedSwitch(flows(ports, host, UPLINK).values()) for host in HOSTS}

    def send(self, port: ResolvedPort, packet: Packet) -> dict[tuple[str, int], Packet]:
        """Return what arrives by which port of which host, when a port sends a packet."""
        assert port.row.ofport is not None
        arrived: dict[tuple[str, int], Packet] = {}
        waiting = [(port.row.host, sent) for sent in self._switches[port.row.host].receive(port.row.ofport, packet)]
        while waiting:
            host, sent = waiting.pop()
            if sent.port == CONTROLLER:
                arrived["controller", sent.port] = sent.packet
            elif sent.port == UPLINK:
                other = HOSTS[1 - HOSTS.index(host)]
                received: list[Sent] = self._switches[other].receive(UPLINK, sent.packet)
                assert all(each.port != UPLINK for each in received), "packets run in circles"
                waiting += [(other, each) for each in received]
            else:
                assert (host, sent.port) not in arrived, "a packet arrives twice"
                arrived[host, sent.port] = sent.packet
        return arrived


def where(port: ResolvedPort) -> tuple[str, int]:
    """Return where a port is."""
    assert port.row.ofport is not None
    return port.row.host, port.row.ofport


def echo(sender: ResolvedPort, address: int, destination: int, ttl: int = 64) -> Packet:
    """Return a ping to an address by way of a MAC."""
    return {
        None: ttl,
        Field.ETH_SRC: sender.mac,
        Field.ETH_DST: destination,
        Field.ETH_TYPE: IPV4,
        Field.IPV4_SRC: sender.ip,
        Field.IPV4_DST: address,
        Field.IP_PROTO: 1,
        Field.ICMP_TYPE: 8,
    }


def six(port: ResolvedPort) -> int:
    """Return the IPv6 address that is known of a port."""
    (address,) = port.neighbours
    return int(address)


def echo6(sender: ResolvedPort, address: int, destination: int, ttl: int = 64) -> Packet:
    """Return a ping over IPv6."""
    return {
        None: ttl,
        Field.ETH_SRC: sender.mac,
        Field.ETH_DST: destination,
        Field.ETH_TYPE: IPV6,
        Field.IPV6_SRC: six(sender),
        Field.IPV6_DST: address,
        Field.IP_PROTO: 58,
        Field.ICMPV6_TYPE: 128,
    }


def solicitation(sender: ResolvedPort, address: int, source: int | None = None) -> Packet:
    """Return a neighbour solicitation."""
    return {
        **echo6(sender, int(IPv6Address("ff02::1:ff00:0")) | address & 0xFFFFFF, 0x3333FF000001, 255),
        Field.IPV6_SRC: six(sender) if source is None else source,
        Field.ICMPV6_TYPE: 135,
        Field.ND_TARGET: address,
    }


def who_has(sender: ResolvedPort, address: int) -> Packet:
    """Return an ARP request."""
    return {
        Field.ETH_SRC: sender.mac,
        Field.ETH_DST: BROADCAST,
        Field.ETH_TYPE: ARP,
        Field.ARP_OP: 1,
        Field.ARP_SHA: sender.mac,
        Field.ARP_SPA: sender.ip,
        Field.ARP_THA: 0,
        Field.ARP_TPA: address,
    }


@st.composite
def wired(draw: st.DrawFn) -> Wired:
    """Return hosts with random ports."""
    places = draw(
        st.lists(st.tuples(st.integers(0, len(SUBNETS) - 1), st.integers(2, 5)), unique=True, min_size=1, max_size=12)
    )
    ports = []
    for ofport, (subnet, number) in enumerate(places, UPLINK + 1):
        together = [("db", "web"), ("db", "quarantine")]
        groups = draw(st.sampled_from([(), (), ("web",), ("db",), ("quarantine",), *together]))
        ports.append(resolved_port(draw(st.sampled_from(HOSTS)), ofport, subnet, number, *groups))
    return Wired(ports)


def icmp_passes(domain: Domain, one: ResolvedPort, other: ResolvedPort) -> bool:
    """Tell whether policy lets pings pass."""
    protocols = domain.traffic(one.resolved.groups, other.resolved.groups)
    return protocols is None or "icmp" in protocols


class ReachabilityTests(SynchronousTestCase):
    """What is sent arrives where the topology says, and nowhere else."""

    @settings(deadline=None, max_examples=60)
    @given(wired())
    def test_pings(self, hosts: Wired) -> None:
        """A ping arrives at the machine of the domain that has the address, if policy lets it; at no other."""
        for one in hosts.ports:
            for other in hosts.ports:
                same_subnet = one.resolved.evpn_id == other.resolved.evpn_id
                if one is other:
                    continue
                routed = one.resolved.vrf_id != 0 and one.resolved.vrf_id == other.resolved.vrf_id
                reached = (same_subnet or routed) and icmp_passes(one.resolved.domain, one, other)
                in_domain = [
                    port
                    for port in hosts.ports
                    if port.ip == other.ip and port.resolved.vrf_id == one.resolved.vrf_id != 0
                ]
                pings = [echo(one, other.ip, other.mac if same_subnet else ROUTER)]
                if one.neighbours and other.neighbours:
                    pings.append(echo6(one, six(other), other.mac if same_subnet else ROUTER))
                for arrived in (hosts.send(one, ping) for ping in pings):
                    if reached:
                        self.assertEqual(set(arrived), {where(other)})
                        packet = arrived[where(other)]
                        self.assertEqual(packet[Field.ETH_DST], other.mac)
                        self.assertEqual(packet[Field.VLAN_VID], 0)
                        self.assertEqual(packet[None], 64 if same_subnet else 63)
                        self.assertEqual(packet[Field.ETH_SRC], one.mac if same_subnet else ROUTER)
                        continue
                    # The address may be that of another machine, of the sender's own domain.
                    self.assertLessEqual(set(arrived), {where(port) for port in in_domain})
                    self.assertNotIn(where(other), arrived)

    @settings(deadline=None, max_examples=60)
    @given(wired())
    def test_broadcasts(self, hosts: Wired) -> None:
        """An ARP request arrives at all others of the subnet; another broadcast where policy lets it."""
        for one in hosts.ports:
            others = [port for port in hosts.ports if port is not one and port.resolved.evpn_id == one.resolved.evpn_id]
            arrived = hosts.send(one, who_has(one, 1))
            self.assertEqual(set(arrived), {where(port) for port in others})
            ping = hosts.send(one, echo(one, BROADCAST & 0xFFFFFFFF, BROADCAST))
            allowed = {where(port) for port in others if icmp_passes(one.resolved.domain, one, port)}
            self.assertEqual(set(ping), allowed)

    @settings(deadline=None, max_examples=30)
    @given(wired())
    def test_gateways(self, hosts: Wired) -> None:
        """The gateway answers ARP in its subnet and pings in its domain, and nobody else hears of it."""
        for port in hosts.ports:
            for domain, subnet in SUBNETS:
                if subnet.gateway is None or subnet.cidr == IPv4Network("10.21.59.0/24"):
                    continue
                gateway = int(subnet.gateway)
                in_domain = domain is port.resolved.domain
                answered = hosts.send(port, echo(port, gateway, ROUTER))
                self.assertEqual(set(answered), {where(port)} if in_domain else set())
                asked = hosts.send(port, who_has(port, gateway))
                self.assertEqual(where(port) in asked, subnet.evpn_id == port.resolved.evpn_id)
                if in_domain:
                    reply = answered[where(port)]
                    self.assertEqual((reply[Field.ICMP_TYPE], reply[Field.IPV4_SRC]), (0, gateway))
                    self.assertEqual((reply[Field.IPV4_DST], reply[Field.ETH_DST]), (port.ip, port.mac))

    @settings(deadline=None, max_examples=30)
    @given(wired())
    def test_gateways_of_ipv6(self, hosts: Wired) -> None:
        """The gateway answers who asks for it in its subnet, and pings in its domain; nobody else hears of it."""
        for port in (port for port in hosts.ports if port.neighbours):
            for domain, subnet in SUBNETS:
                if subnet.gateway6 is None:
                    continue
                gateway = int(subnet.gateway6)
                asked = hosts.send(port, solicitation(port, gateway))
                if subnet.evpn_id == port.resolved.evpn_id:
                    self.assertEqual(set(asked), {where(port)})
                self.assertNotIn(where(port), asked if subnet.evpn_id != port.resolved.evpn_id else ())
                answered = hosts.send(port, echo6(port, gateway, ROUTER))
                self.assertEqual(set(answered), {where(port)} if domain is port.resolved.domain else set())
                for reply in answered.values():
                    self.assertEqual((reply[Field.ICMPV6_TYPE], reply[Field.IPV6_SRC]), (129, gateway))
                    self.assertEqual((reply[Field.IPV6_DST], reply[Field.ETH_DST]), (six(port), port.mac))

    def test_advertisement_of_the_gateway(self) -> None:
        """The gateway's MAC is the router's, as it says in all that a neighbour looks at."""
        port, peer = resolved_port("h1", 2, 0, 2), resolved_port("h1", 3, 0, 3)
        gateway = int(IPv6Address("fd00:21:58::1"))
        link_local = int(IPv6Address("fe80::2"))
        for source in (six(port), link_local):
            (reply,) = Wired([port, peer]).send(port, solicitation(port, gateway, source)).values()
            self.assertEqual((reply[Field.ETH_SRC], reply[Field.ETH_DST]), (ROUTER, port.mac))
            self.assertEqual((reply[Field.IPV6_SRC], reply[Field.IPV6_DST]), (gateway, source))
            self.assertEqual((reply[Field.ICMPV6_TYPE], reply[Field.ND_TARGET], reply[None]), (136, gateway, 255))
            # From a router, asked for, and it counts; and the option tells whose MAC it is (RFC 4861, section 4.4).
            self.assertEqual(reply[Field.ND_RESERVED], 0xE0000000)
            self.assertEqual((reply[Field.ND_OPTIONS_TYPE], reply[Field.ND_TLL]), (2, ROUTER))

    def test_neighbour_that_is_not_known(self) -> None:
        """The controller gets what is for it, as it was sent, and what a neighbour answers to the gateway."""
        port, far = resolved_port("h1", 2, 0, 2), resolved_port("h2", 3, 1, 3)
        hosts = Wired([port, attrs.evolve(far, neighbours=frozenset())])
        ping = echo6(port, six(far), ROUTER)
        (sent,) = hosts.send(port, ping).items()
        self.assertEqual(sent[0], ("controller", CONTROLLER))
        self.assertEqual({field: sent[1][field] for field in ping}, ping)
        answer = {**ping, Field.IPV6_DST: int(IPv6Address("fd00:21:58::1")), Field.ICMPV6_TYPE: 136}
        self.assertEqual(set(hosts.send(port, answer)), {("controller", CONTROLLER)})
        # What must not be routed does not get there.
        for field, value in ((Field.IPV6_SRC, int(IPv6Address("fe80::2"))), (Field.ETH_DST, far.mac)):
            self.assertEqual(hosts.send(port, {**ping, field: value}), {})

    def test_arp_of_the_gateway(self) -> None:
        """The gateway's MAC is the router's."""
        port, peer = resolved_port("h1", 2, 0, 2), resolved_port("h1", 3, 0, 3)
        gateway = int(IPv4Address(port.resolved.gateway))
        arrived = Wired([port, peer]).send(port, who_has(port, gateway))
        self.assertEqual(set(arrived), {where(port)})
        reply = arrived[where(port)]
        self.assertEqual((reply[Field.ARP_OP], reply[Field.ARP_SHA], reply[Field.ARP_SPA]), (2, ROUTER, gateway))
        self.assertEqual((reply[Field.ARP_THA], reply[Field.ARP_TPA]), (port.mac, port.ip))
        self.assertEqual((reply[Field.ETH_SRC], reply[Field.ETH_DST]), (ROUTER, port.mac))


class DropTests(SynchronousTestCase):
    """What must not pass."""

    def setUp(self) -> None:
        """Have two ports of one subnet, one of another, at two hosts."""
        self.one, self.other = resolved_port("h1", 2, 0, 2), resolved_port("h1", 3, 0, 3)
        self.far = resolved_port("h2", 4, 1, 4)
        self.hosts = Wired([self.one, self.other, self.far])

    def dropped(self, packet: Packet) -> None:
        """Assert that a packet of the first port arrives nowhere."""
        self.assertEqual(self.hosts.send(self.one, packet), {})

    def test_spoofing(self) -> None:
        """Neither another MAC nor another address is a sender, by IP, by ARP or by IPv6."""
        ping, arp = echo(self.one, self.other.ip, self.other.mac), who_has(self.one, self.other.ip)
        self.assertTrue(self.hosts.send(self.one, ping))
        self.assertTrue(self.hosts.send(self.one, arp))
        self.dropped({**ping, Field.ETH_SRC: self.far.mac})
        self.dropped({**ping, Field.IPV4_SRC: self.other.ip + 9})
        self.dropped({**arp, Field.ETH_SRC: self.far.mac})
        self.dropped({**arp, Field.ARP_SHA: self.far.mac})
        self.dropped({**arp, Field.ARP_SPA: self.far.ip})
        ipv6 = echo6(self.one, six(self.other), self.other.mac)
        self.assertEqual(set(self.hosts.send(self.one, ipv6)), {where(self.other)})
        self.dropped({**ipv6, Field.ETH_SRC: self.far.mac})
        for source in ("::", "fd00:21:59::2", "fd00:21:58::1", "ff02::1"):
            self.dropped({**ipv6, Field.IPV6_SRC: int(IPv6Address(source))})
        link_local = {**ipv6, Field.IPV6_SRC: int(IPv6Address("fe80::2"))}
        self.assertEqual(set(self.hosts.send(self.one, link_local)), {where(self.other)})
        duplicate = solicitation(self.one, six(self.one), 0)
        self.assertEqual(set(self.hosts.send(self.one, duplicate)), {where(self.other)})

    def test_tagged(self) -> None:
        """A container cannot choose a VLAN."""
        self.dropped({**echo(self.one, self.other.ip, self.other.mac), Field.VLAN_VID: 0x1000 | 102})

    def test_no_hops_left(self) -> None:
        """A routed packet without hops left is dropped; a switched one is not."""
        self.assertTrue(self.hosts.send(self.one, echo(self.one, self.far.ip, ROUTER, ttl=2)))
        self.dropped(echo(self.one, self.far.ip, ROUTER, ttl=1))
        self.assertTrue(self.hosts.send(self.one, echo(self.one, self.other.ip, self.other.mac, ttl=1)))
        self.assertTrue(self.hosts.send(self.one, echo6(self.one, six(self.far), ROUTER, ttl=2)))
        self.dropped(echo6(self.one, six(self.far), ROUTER, ttl=1))

    def test_unknown(self) -> None:
        """Nobody but the gateway and resolved ports is anywhere; other kinds of packets are dropped."""
        self.dropped(echo(self.one, self.one.ip + 9, 0x7A4200000099))
        self.dropped(echo(self.one, self.one.ip + 9, ROUTER))
        self.dropped({Field.ETH_SRC: self.one.mac, Field.ETH_DST: BROADCAST, Field.ETH_TYPE: 0x88CC})

    def test_from_outside(self) -> None:
        """Over the uplink only ports that are known send, in the VLAN of their subnet."""
        switch = PlayedSwitch(flows(self.hosts.ports, "h2", UPLINK).values())
        routed = {**echo(self.one, self.far.ip, self.far.mac), Field.ETH_SRC: ROUTER, Field.VLAN_VID: 0x1000 | 102}
        self.assertEqual([sent.port for sent in switch.receive(UPLINK, routed)], [4])
        changes: tuple[Packet, ...] = (
            {Field.VLAN_VID: 0x1000 | 101},
            {Field.VLAN_VID: 0},
            {Field.ETH_SRC: 0x7A4200000099},
        )
        for change in changes:
            self.assertEqual(switch.receive(UPLINK, {**routed, **change}), [])


class FlowTests(SynchronousTestCase):
    """Which flows a host has."""

    def test_nothing(self) -> None:
        """Without ports of its own a host has no flow that lets anything in, whatever other hosts have."""
        self.assertEqual({key[0] for key in flows([resolved_port("h1", 2, 0, 2)], "h2", UPLINK)}, {1})

    def test_gone(self) -> None:
        """A port's flows go with it."""
        one, other = resolved_port("h1", 2, 0, 2), resolved_port("h1", 3, 0, 3)
        alone, both = flows([one], "h1", UPLINK), flows([one, other], "h1", UPLINK)
        self.assertLess(set(alone), set(both))
        self.assertFalse([flow for flow in alone.values() if "port=3" in repr(flow)])
        self.assertTrue([flow for flow in both.values() if "port=3" in repr(flow)])

    def test_growth(self) -> None:
        """Flows grow with the ports, not with their square."""

        def count(number: int) -> int:
            return len(flows([resolved_port("h1", 9 + each, 3, 2 + each) for each in range(number)], "h1", UPLINK))

        self.assertEqual(count(40) - count(20), count(60) - count(40))

    def test_without_uplink(self) -> None:
        """A host that is joined to no other sends nothing anywhere else."""
        one, far = resolved_port("h1", 2, 0, 2), resolved_port("h2", 3, 0, 3)
        switch = PlayedSwitch(flows([one, far], "h1", None).values())
        self.assertEqual(switch.receive(2, echo(one, far.ip, far.mac)), [])

    def test_policy_by_protocol(self) -> None:
        """A rule for some protocols lets these pass and no others, over IPv6 as well, and ARP."""
        web, db = resolved_port("h1", 2, 0, 2, "web"), resolved_port("h2", 3, 0, 3, "db")
        hosts = Wired([web, db])
        ping = echo(web, db.ip, db.mac)
        for protocol, passes in ((1, True), (6, True), (17, False), (47, False)):
            packet = {**ping, Field.IP_PROTO: protocol}
            self.assertEqual(bool(hosts.send(web, packet)), passes, protocol)
        ipv6 = echo6(web, six(db), db.mac)
        for protocol, passes in ((58, True), (6, True), (17, False)):
            self.assertEqual(bool(hosts.send(web, {**ipv6, Field.IP_PROTO: protocol})), passes, protocol)
        self.assertTrue(hosts.send(web, {**who_has(web, db.ip), Field.ETH_DST: db.mac}))
        self.assertFalse(hosts.send(web, {**ipv6, Field.ETH_DST: BROADCAST, Field.IP_PROTO: 17}))
        free = resolved_port("h2", 3, 0, 3)
        self.assertTrue(Wired([attrs.evolve(web), free]).send(web, {**ping, Field.IP_PROTO: 17}))

    def test_policy_of_each_version(self) -> None:
        """A rule may be about IPv4 or IPv6 alone. Neighbour discovery always passes, as ARP does; a ping does not."""
        domain = Domain(
            policy_groups=("web", "db"),
            allowed=(
                Rule(frozenset({"web", "db"}), frozenset({"tcp"}), frozenset({6})),
                Rule(frozenset({"web", "db"}), None, frozenset({4})),
            ),
        )
        web, db = (
            attrs.evolve(port, resolved=attrs.evolve(port.resolved, domain=domain))
            for port in (resolved_port("h1", 2, 0, 2, "web"), resolved_port("h2", 3, 0, 3, "db"))
        )
        hosts = Wired([web, db])
        for destination in (db.mac, BROADCAST):
            frame: Packet = {Field.ETH_SRC: web.mac, Field.ETH_DST: destination}
            ipv4 = {**frame, Field.ETH_TYPE: IPV4, Field.IPV4_SRC: web.ip}
            ipv6 = {**frame, Field.ETH_TYPE: IPV6}
            for packet, passes in (
                ({**ipv4, Field.IP_PROTO: 17}, True),
                ({**ipv6, Field.IP_PROTO: 17}, False),
                ({**ipv6, Field.IP_PROTO: 6}, True),
                ({**ipv6, Field.IP_PROTO: 58, Field.ICMPV6_TYPE: 128}, False),
                ({**ipv6, Field.IP_PROTO: 58, Field.ICMPV6_TYPE: 135}, True),
                ({**ipv6, Field.IP_PROTO: 58, Field.ICMPV6_TYPE: 136}, True),
            ):
                self.assertEqual(bool(hosts.send(web, packet)), passes, packet)
