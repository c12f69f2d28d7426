"""How the router of the lab's stand-in finds neighbours of IPv6."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv6Address

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lab.vrs.actions import CONTROLLER, TABLE
from lab.vrs.discovery import advertised, destination, solicitation
from lab.vrs.neighbours import Neighbours
from lab.vrs.pipeline import ResolvedPort
from tests.test_lab_vrs_flows import resolved_port, six

GATEWAY = IPv6Address("fd00:21:58::1")
TARGET = IPv6Address("fd00:21:58::1:203")


def checksum_fits(frame: bytes) -> bool:
    """Tell whether the checksum of an ICMPv6 packet is right: RFC 4443, section 2.3."""
    pseudo = frame[22:54] + struct.pack("!II", len(frame) - 54, 58)
    words = struct.unpack(f"!{(len(pseudo) + len(frame) - 54) // 2}H", pseudo + frame[54:])
    return bool(sum(words) % 0xFFFF == 0)


def advertisement(address: IPv6Address) -> bytes:
    """Return what a neighbour that has an address answers."""
    header = bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 32, 58, 255) + address.packed + GATEWAY.packed
    return header + struct.pack("!BBHI", 136, 0, 0, 0x60000000) + address.packed + bytes.fromhex("02017a4200000003")


class PacketTests(SynchronousTestCase):
    """What is read in packets, and the one that is made."""

    def test_solicitation(self) -> None:
        """It is for those who may have the address, and says who asks."""
        frame = solicitation(TARGET, GATEWAY)
        self.assertEqual(frame[:14].hex(), "3333ff01020302005e00010186dd")
        self.assertEqual(destination(frame), IPv6Address("ff02::1:ff01:203"))
        self.assertEqual(frame[22:38], GATEWAY.packed)
        self.assertEqual(frame[14:22].hex(), "6000000000203aff")
        self.assertEqual((frame[54], frame[62:78], frame[78:].hex()), (135, TARGET.packed, "010102005e000101"))

    @given(st.integers(0, 2**128 - 1).map(IPv6Address))
    def test_checksum(self, target: IPv6Address) -> None:
        """It fits, whatever the address is."""
        self.assertTrue(checksum_fits(solicitation(target, GATEWAY)))

    def test_advertised(self) -> None:
        """An answer tells its address, unless a router may have forwarded it; nothing else does."""
        answer = advertisement(TARGET)
        self.assertEqual(advertised(answer), TARGET)
        for other in (solicitation(TARGET, GATEWAY), answer[:70], answer[:21] + b"\x40" + answer[22:], b"", bytes(90)):
            self.assertIsNone(advertised(other))
        self.assertIsNone(destination(answer[:30]))
        self.assertIsNone(destination(bytes(90)))


class NeighboursTests(SynchronousTestCase):
    """Three ports: two in one subnet, at two hosts, and one in another subnet."""

    def setUp(self) -> None:
        """Have them, and none of their addresses."""
        self.clock = Clock()
        self.sent: list[tuple[str, int, list[int], bytes]] = []
        self.found = 0
        self.neighbours = Neighbours(self.clock, self.send, self.heard)
        ports = (resolved_port("h1", 2, 0, 2), resolved_port("h2", 3, 0, 3), resolved_port("h1", 4, 1, 4))
        self.ports = [attrs.evolve(port, neighbours=frozenset()) for port in ports]
        self.target = IPv6Address(six(ports[1]))
        self.follow()

    def send(self, host: str, in_port: int, ports: Iterable[int], frame: bytes) -> None:
        """See Send."""
        self.sent.append((host, in_port, list(ports), frame))

    def heard(self) -> None:
        """Count what was found."""
        self.found += 1

    def follow(self) -> list[set[IPv6Address]]:
        """Have the ports followed; return the addresses that are known of each."""
        self.followed = self.neighbours.follow(self.ports)
        return [set(port.neighbours) for port in self.followed]

    def deliver(self) -> None:
        """Have the switches know what was known when the ports were followed."""
        self.neighbours.deliver(self.followed)

    def packet(self, address: IPv6Address) -> bytes:
        """Return a packet for an address."""
        return bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 0, 59, 64) + bytes(16) + address.packed

    def test_found(self) -> None:
        """All ports of the subnet are asked once; what waited is sent when the answer is known to the switches."""
        packets = [self.packet(self.target) + bytes([number]) for number in range(4)]
        for packet in packets:
            self.neighbours.hear("h1", 4, packet)
        asked = solicitation(self.target, GATEWAY)
        self.assertEqual(self.sent, [("h1", CONTROLLER, [2], asked), ("h2", CONTROLLER, [3], asked)])
        self.sent.clear()
        self.deliver()
        self.assertEqual((self.sent, self.found), ([], 0))
        self.neighbours.hear("h2", 3, advertisement(self.target))
        # The switches do not know it yet.
        self.deliver()
        self.assertEqual((self.sent, self.found), ([], 1))
        self.assertEqual(self.follow(), [set(), {self.target}, set()])
        self.deliver()
        # No more wait than the queue holds.
        self.assertEqual(self.sent, [("h1", 4, [TABLE], packet) for packet in packets[:3]])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.deliver()
        self.assertEqual(len(self.sent), 3)

    def test_nobody(self) -> None:
        """What is for nobody is forgotten, and asked for again when there is more of it."""
        self.neighbours.hear("h1", 4, self.packet(self.target))
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.neighbours.hear("h2", 3, advertisement(self.target))
        self.assertEqual((self.found, self.follow()), (0, [set(), set(), set()]))
        self.sent.clear()
        self.neighbours.hear("h1", 4, self.packet(self.target))
        self.assertEqual(len(self.sent), 2)
        self.neighbours.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_asked_for(self) -> None:
        """Only who was asked is believed; nobody is asked for gateways, nor for what is in no subnet of the domain."""
        self.neighbours.hear("h2", 3, advertisement(self.target))
        for address in ("fd00:21:58::1", "fd00:99::1", "ff02::1"):
            self.neighbours.hear("h1", 4, self.packet(IPv6Address(address)))
        self.neighbours.hear("h1", 9, self.packet(self.target))
        self.neighbours.hear("h1", 4, b"nonsense")
        self.assertEqual((self.sent, self.found), ([], 0))
        # One of another subnet cannot have it.
        self.neighbours.hear("h1", 4, self.packet(self.target))
        self.neighbours.hear("h1", 4, advertisement(self.target))
        self.assertEqual(self.found, 0)
        self.neighbours.stop()

    def learn(self) -> None:
        """Have the second port's address found."""
        self.neighbours.hear("h1", 4, self.packet(self.target))
        self.neighbours.hear("h2", 3, advertisement(self.target))
        assert self.follow()[1] == {self.target}
        self.deliver()

    def test_gone(self) -> None:
        """A port that is gone, or another one now, is forgotten with its address."""
        one, two, three = self.ports
        others: tuple[list[ResolvedPort], ...] = (
            [one, three],
            [one, attrs.evolve(two, row=attrs.evolve(two.row, mac="7a:42:00:00:00:99")), three],
            [one, attrs.evolve(two, row=attrs.evolve(two.row, ofport=9)), three],
        )
        for other in others:
            self.ports = [one, two, three]
            self.follow()
            self.learn()
            self.ports = other
            self.follow()
            self.ports = [one, two, three]
            self.assertEqual(self.follow(), [set(), set(), set()])
