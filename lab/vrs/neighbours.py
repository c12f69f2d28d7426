"""Who has which IPv6 address: the router finds out as any router does, by neighbour discovery (RFC 4861).

A VRS is told the IPv4 address of a port. No public source says how it is told the IPv6 address. So the router asks when
somebody sends to an address that it does not know::

    unknown --a packet for it--> asked --an answer--> known --its port is gone--> unknown
       ▲                           │
       └───── nobody answers ──────┘

The packets wait for the answer, and are sent when the switches know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv6Address

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from lab.vrs.actions import CONTROLLER, TABLE
from lab.vrs.discovery import advertised, destination, solicitation
from lab.vrs.pipeline import ResolvedPort
from lab.vrs.resolution import Key
from lab.vrs.topology import Subnet

#: Seconds that a neighbour may take to answer: RFC 4861, section 10 (RETRANS_TIMER).
_PATIENCE = 1.0
#: Packets that wait for one neighbour at most.
_QUEUE = 3

#: An address in a subnet, which has a number.
_Address = tuple[int, IPv6Address]
#: Has a host's switch send a packet out of ports, as if it had come in by one: host, that port, ports, packet.
Send = Callable[[str, int, Iterable[int], bytes], None]


@attrs.define
class _Question:
    """A question without an answer, and the packets that wait for it: host, port and content."""

    expiry: IDelayedCall
    packets: list[tuple[str, int, bytes]] = attrs.field(factory=list)


class Neighbours:
    """The router's memory of neighbours.

    Args:
        clock: Keeps the time.
        send: Sends packets.
        changed: Called when a neighbour is found.
    """

    def __init__(self, clock: IReactorTime, send: Send, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._send = send
        self._changed = changed
        self._ports: dict[tuple[str, int], ResolvedPort] = {}
        self._known: dict[_Address, ResolvedPort] = {}
        self._questions: dict[_Address, _Question] = {}

    def follow(self, ports: Sequence[ResolvedPort]) -> list[ResolvedPort]:
        """Take note of which ports there are, and return them with the addresses that they are known to have."""
        self._ports = {(port.row.host, port.row.ofport): port for port in ports if port.row.ofport is not None}
        there = {_identity(port) for port in ports}
        self._known = {address: port for address, port in self._known.items() if _identity(port) in there}
        found: dict[Key, set[IPv6Address]] = {}
        for (_, address), port in self._known.items():
            found.setdefault(port.row.key, set()).add(address)
        return [attrs.evolve(port, neighbours=frozenset(found.get(port.row.key, ()))) for port in ports]

    def hear(self, host: str, in_port: int, frame: bytes) -> None:
        """Take a packet that a switch does not know what to do with: it is for a neighbour, or an answer of one."""
        port = self._ports.get((host, in_port))
        if port is None:
            return
        answer, wanted = advertised(frame), destination(frame)
        if answer is not None:
            self._learn(port, answer)
        elif wanted is not None:
            self._resolve(port, wanted, frame)

    def deliver(self, ports: Iterable[ResolvedPort]) -> None:
        """Send what waited for neighbours that the switches know by now: those of ``ports``."""
        known = {(port.resolved.evpn_id, address) for port in ports for address in port.neighbours}
        for address in self._questions.keys() & known:
            question = self._questions.pop(address)
            question.expiry.cancel()
            for host, in_port, frame in question.packets:
                self._send(host, in_port, [TABLE], frame)

    def stop(self) -> None:
        """Ask nothing any more."""
        questions, self._questions = self._questions, {}
        for question in questions.values():
            question.expiry.cancel()

    def _learn(self, port: ResolvedPort, address: IPv6Address) -> None:
        key = (port.resolved.evpn_id, address)
        if key in self._questions:
            self._known[key] = port
            self._changed()

    def _resolve(self, sender: ResolvedPort, address: IPv6Address, frame: bytes) -> None:
        subnet = next((each for each in sender.resolved.domain.subnets() if _is_neighbour(address, each)), None)
        if subnet is None:
            return
        key = (subnet.evpn_id, address)
        if key not in self._questions:
            self._questions[key] = _Question(self._clock.callLater(_PATIENCE, self._questions.pop, key))
            self._ask(subnet, address)
        packets = self._questions[key].packets
        if len(packets) < _QUEUE:
            packets.append((*_where(sender), frame))

    def _ask(self, subnet: Subnet, address: IPv6Address) -> None:
        assert subnet.gateway6 is not None
        frame = solicitation(address, subnet.gateway6)
        asked: dict[str, list[int]] = {}
        for (host, number), port in self._ports.items():
            if port.resolved.evpn_id == subnet.evpn_id:
                asked.setdefault(host, []).append(number)
        for host, numbers in asked.items():
            self._send(host, CONTROLLER, numbers, frame)


def _is_neighbour(address: IPv6Address, subnet: Subnet) -> bool:
    return subnet.cidr6 is not None and address in subnet.cidr6 and address != subnet.gateway6


def _where(port: ResolvedPort) -> tuple[str, int]:
    assert port.row.ofport is not None
    return port.row.host, port.row.ofport


def _identity(port: ResolvedPort) -> tuple[object, ...]:
    """Return what has to stay the same for a port to keep what is known of it."""
    return port.row.key, port.row.ofport, port.row.mac, port.resolved.evpn_id
