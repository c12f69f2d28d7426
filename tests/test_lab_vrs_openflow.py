"""OpenFlow as the lab's stand-in for VRS and VSC speaks it."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lab.vrs import openflow
from lab.vrs.actions import (
    CONTROLLER,
    IN_PORT,
    TABLE,
    CopyField,
    DecrementTtl,
    Field,
    Output,
    PopVlan,
    PushVlan,
    SetField,
)
from lab.vrs.connection import SwitchConnection, SwitchLost
from lab.vrs.openflow import Condition, Flow, Malformed, Message, Splitter, Type
from tests.vrs_support import demand_programs

FLOW = Flow(
    table=2,
    priority=7,
    match=frozenset(
        {
            Condition(Field.ICMP_TYPE, 8),
            Condition(Field.IP_PROTO, 1),
            Condition(Field.IPV4_DST, 0x0A153B00, 0xFFFFFF00),
            Condition(Field.ETH_TYPE, 0x0800),
            Condition(Field.METADATA, 5 << 16, 0xFFFFFF << 16),
            Condition(Field.IN_PORT, 3),
        }
    ),
    actions=(
        SetField(Field.ETH_DST, 0x7A4200000001),
        DecrementTtl(),
        PushVlan(),
        SetField(Field.VLAN_VID, 0x1000 | 102),
        Output(1),
        PopVlan(),
        Output(IN_PORT),
    ),
    metadata=(9, 0xFF),
    goto=3,
)
OTHER = Flow(
    table=0,
    priority=1,
    match=frozenset({Condition(Field.ETH_TYPE, 0x0806), Condition(Field.ARP_SHA, 0x7A4200000001)}),
    goto=1,
)


def understood(message: bytes) -> str:
    """Return what Open vSwitch understands of a message."""
    demand_programs(("ovs-ofctl",))
    printed = subprocess.run(
        ["ovs-ofctl", "ofp-print", "-"], input=message.hex(), capture_output=True, text=True, check=True, timeout=20
    )
    return " ".join(printed.stdout.split())


class EncodingTests(SynchronousTestCase):
    """Open vSwitch understands what is meant."""

    def test_flow(self) -> None:
        """A flow with all kinds of actions and instructions."""
        self.assertEqual(
            understood(openflow.add_flow(3, FLOW)),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x3): ADD table:2 priority=7,icmp,metadata=0x50000/0xffffff0000,in_port=3,"
            "nw_dst=10.21.59.0/24,icmp_type=8 actions=set_field:7a:42:00:00:00:01->eth_dst,dec_ttl,push_vlan:0x8100,"
            "set_field:4198->vlan_vid,output:1,pop_vlan,IN_PORT,write_metadata:0x9/0xff,goto_table:3",
        )

    def test_arp_fields(self) -> None:
        """The fields of ARP, matched and set."""
        flow = Flow(
            table=1,
            priority=2,
            match=frozenset(
                {
                    Condition(Field.ETH_TYPE, 0x0806),
                    Condition(Field.ARP_OP, 1),
                    Condition(Field.ARP_TPA, 0x0A000001),
                    Condition(Field.VLAN_VID, 0),
                }
            ),
            actions=(SetField(Field.ARP_THA, 0x020000000001), SetField(Field.ARP_SPA, 0x0A000001)),
        )
        self.assertEqual(
            understood(openflow.add_flow(1, flow)),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x1): ADD table:1 priority=2,arp,vlan_tci=0x0000/0x1fff,arp_tpa=10.0.0.1,"
            "arp_op=1 actions=set_field:02:00:00:00:00:01->arp_tha,set_field:10.0.0.1->arp_spa",
        )

    def test_ipv6_fields(self) -> None:
        """The fields of IPv6 and of neighbour discovery, matched, set and copied."""
        flow = Flow(
            table=1,
            priority=2,
            match=frozenset(
                {
                    Condition(Field.ETH_TYPE, 0x86DD),
                    Condition(Field.IP_PROTO, 58),
                    Condition(Field.ICMPV6_TYPE, 135),
                    Condition(Field.IPV6_SRC, 0xFD00 << 112, 0xFFFF << 112),
                    Condition(Field.ND_TARGET, (0xFD00 << 112) + 1),
                }
            ),
            actions=(
                CopyField(Field.IPV6_SRC, Field.IPV6_DST),
                SetField(Field.ND_RESERVED, 0xE0000000),
                SetField(Field.ND_OPTIONS_TYPE, 2),
                SetField(Field.ICMPV6_TYPE, 136),
                Output(CONTROLLER),
            ),
        )
        self.assertEqual(
            understood(openflow.add_flow(1, flow)),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x1): ADD table:1 priority=2,icmp6,ipv6_src=fd00::/16,icmp_type=135,"
            "nd_target=fd00::1 actions=move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],"
            "set_field:3758096384->nd_reserved,set_field:2->nd_options_type,set_field:136->icmpv6_type,"
            "CONTROLLER:65535",
        )
        answer = Flow(
            table=4,
            priority=2,
            match=frozenset(
                {
                    Condition(Field.ETH_TYPE, 0x86DD),
                    Condition(Field.IP_PROTO, 58),
                    Condition(Field.ICMPV6_TYPE, 136),
                    Condition(Field.IPV6_DST, 1),
                }
            ),
            actions=(SetField(Field.ND_TLL, 0x020000000001),),
        )
        self.assertEqual(
            understood(openflow.add_flow(1, answer)),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x1): ADD table:4 priority=2,icmp6,ipv6_dst=::1,icmp_type=136 "
            "actions=set_field:02:00:00:00:00:01->nd_tll",
        )

    def test_packet_out(self) -> None:
        """A packet is sent from ports, or through the tables as if it had come in by one."""
        frame = bytes.fromhex("7a42000000017a420000000286dd") + bytes(46)
        sent = understood(openflow.packet_out(7, CONTROLLER, [3, 4], frame))
        self.assertIn("OFPT_PACKET_OUT (OF1.3) (xid=0x7): in_port=CONTROLLER actions=output:3,output:4 ", sent)
        self.assertIn("data_len=60", sent)
        self.assertIn("in_port=3 actions=TABLE ", understood(openflow.packet_out(8, 3, [TABLE], frame)))

    def test_packet_in(self) -> None:
        """The port that a packet came in by is among what the switch tells of it."""
        match = bytes.fromhex("000100188000040800000000000000ff8000000400000003")
        head = bytes.fromhex("ffffffff000401020000000000000000")
        found = openflow.packet_in(head + match + bytes(2) + b"data")
        self.assertEqual((found.in_port, found.data), (3, b"data"))
        for broken in (head, head + match, head + bytes.fromhex("0001000400000000") + bytes(2) + b"data"):
            self.assertRaises(Malformed, openflow.packet_in, broken)

    def test_deletions(self) -> None:
        """A flow is deleted by its match and priority; all are by none."""
        self.assertIn("DEL_STRICT table:2 priority=7,icmp,", understood(openflow.delete_flow(4, FLOW)))
        self.assertEqual(
            understood(openflow.delete_all_flows(5)),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x5): DEL table:255 priority=0 actions=drop",
        )

    def test_the_rest(self) -> None:
        """Greeting, role and barrier."""
        self.assertEqual(understood(openflow.hello(1)), "OFPT_HELLO (OF1.3) (xid=0x1): version bitmap: 0x04")
        self.assertRegex(understood(openflow.role_request(2, 77)), r"role=(primary|master) generation_id=77")
        self.assertEqual(
            understood(openflow.message(Type.BARRIER_REQUEST, 6)), "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x6):"
        )


class SplitterTests(SynchronousTestCase):
    """Messages out of a stream."""

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(Type), st.integers(0, 2**32 - 1), st.binary(max_size=30))), st.data())
    def test_chunks(self, messages: list[tuple[Type, int, bytes]], data: st.DataObject) -> None:
        """However the stream is cut, the messages come out whole."""
        stream = b"".join(openflow.message(*message) for message in messages)
        splitter, found = Splitter(), []
        while stream:
            size = data.draw(st.integers(1, len(stream)))
            found += list(splitter.feed(stream[:size]))
            stream = stream[size:]
        self.assertEqual(found, [Message(*message) for message in messages])

    def test_malformed(self) -> None:
        """Another version, or a length that cannot be, is refused; a HELLO may be of any version."""
        for data in (b"\x01\x0e\x00\x08\0\0\0\0", b"\x04\x0e\x00\x07\0\0\0\0"):
            self.assertRaises(Malformed, list, Splitter().feed(data))
        self.assertEqual(len(list(Splitter().feed(b"\x06\x00\x00\x08\0\0\0\0"))), 1)


class ConnectionTests(SynchronousTestCase):
    """The controller's end of a connection."""

    def setUp(self) -> None:
        """Connect."""
        self.clock = Clock()
        self.ready: list[SwitchConnection] = []
        self.gone: list[SwitchConnection] = []
        self.packets: list[tuple[int, bytes]] = []
        self.transport = StringTransport()
        self.switch = SwitchConnection(self.clock, self, lambda: 5)
        self.switch.makeConnection(self.transport)
        self._splitter = Splitter()

    def switch_ready(self, switch: SwitchConnection) -> None:
        """See Listener."""
        self.ready.append(switch)

    def switch_gone(self, switch: SwitchConnection) -> None:
        """See Listener."""
        self.gone.append(switch)

    def packet_received(self, switch: SwitchConnection, in_port: int, frame: bytes) -> None:
        """See Listener."""
        assert switch is self.switch
        self.packets.append((in_port, frame))

    def sent(self) -> list[Message]:
        """Return what the controller has sent since the last time."""
        data = self.transport.value()
        self.transport.clear()
        return list(self._splitter.feed(data))

    def types(self) -> list[int]:
        """Return the types of what the controller has sent since the last time."""
        return [message.type for message in self.sent()]

    def receive(self, kind: Type, xid: int = 0, body: bytes = b"") -> None:
        """Have the switch send a message."""
        self.switch.dataReceived(openflow.message(kind, xid, body))

    def shake_hands(self) -> None:
        """Come to be ready."""
        self.switch.dataReceived(openflow.hello(0))
        self.receive(Type.FEATURES_REPLY, 0, bytes.fromhex("000032da02da7044") + bytes(16))
        self.receive(Type.ROLE_REPLY, 0, bytes(16))
        self.sent()

    def program(self, *flows: Flow) -> Deferred[None]:
        """Have the switch use some flows."""
        return Deferred.fromCoroutine(self.switch.program({flow.key: flow for flow in flows}))

    def test_handshake(self) -> None:
        """The switch is ready once it took the controller for its master."""
        self.assertEqual(self.types(), [Type.HELLO])
        self.switch.dataReceived(openflow.hello(0))
        self.assertEqual(self.types(), [Type.FEATURES_REQUEST])
        self.receive(Type.FEATURES_REPLY, 0, bytes.fromhex("000032da02da7044") + bytes(16))
        self.assertEqual(self.types(), [Type.ROLE_REQUEST])
        self.assertEqual(self.ready, [])
        self.receive(Type.ROLE_REPLY, 0, bytes(16))
        self.assertEqual(self.ready, [self.switch])
        self.assertEqual(self.switch.datapath_id, "000032da02da7044")

    def test_program(self) -> None:
        """The first flows replace all; later ones by their difference; the barrier tells that it is done."""
        self.shake_hands()
        done = self.program(FLOW)
        messages = self.sent()
        self.assertEqual([m.type for m in messages], [Type.FLOW_MOD, Type.FLOW_MOD, Type.BARRIER_REQUEST])
        self.assertEqual([m.body[17] for m in messages[:2]], [3, 0])
        self.assertNoResult(done)
        self.receive(Type.BARRIER_REPLY, messages[-1].xid)
        self.successResultOf(done)
        self.successResultOf(self.program(FLOW))
        self.assertEqual(self.sent(), [])
        self.program(OTHER)
        messages = self.sent()
        self.assertEqual([m.body[17] for m in messages[:-1]], [4, 0])
        self.receive(Type.BARRIER_REPLY, messages[-1].xid)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_echo(self) -> None:
        """An echo is answered with what it brings."""
        self.sent()
        self.receive(Type.ECHO_REQUEST, 9, b"are you there")
        self.assertEqual(self.sent(), [Message(Type.ECHO_REPLY, 9, b"are you there")])

    def test_lost(self) -> None:
        """Who waits for a barrier hears when the connection ends."""
        self.shake_hands()
        done = self.program(FLOW)
        self.switch.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(done, SwitchLost)
        self.assertEqual(self.gone, [self.switch])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silence(self) -> None:
        """A switch that does not do what it is told is dropped."""
        self.shake_hands()
        done = self.program(FLOW)
        self.clock.advance(5)
        self.failureResultOf(done, SwitchLost)
        self.assertTrue(self.transport.disconnecting)
        self.switch.connectionLost(Failure(ConnectionDone()))

    def test_packet(self) -> None:
        """A packet that the switch hands over is told with its port; one that is to be sent is sent."""
        self.shake_hands()
        match = bytes.fromhex("0001000c800000040000000300000000")
        self.receive(Type.PACKET_IN, 0, bytes(16) + match + bytes(2) + b"data")
        self.assertEqual(self.packets, [(3, b"data")])
        self.switch.send(CONTROLLER, [3], b"frame")
        (message,) = self.sent()
        self.assertEqual((message.type, message.body[-5:]), (Type.PACKET_OUT, b"frame"))

    def test_nonsense(self) -> None:
        """What is no OpenFlow 1.3 ends the connection."""
        self.switch.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(self.transport.disconnecting)

    def test_other_version(self) -> None:
        """A switch that does not speak OpenFlow 1.3 is dropped."""
        self.switch.dataReceived(bytes.fromhex("0400001000000000") + bytes.fromhex("0001000800000002"))
        self.assertTrue(self.transport.disconnecting)
