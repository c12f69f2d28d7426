"""The messages of OpenFlow 1.3 (ONF TS-012) that a controller of Open vSwitch needs: bytes in, values out."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Iterator

import attrs

from lab.vrs.actions import Action, Field, Output, padded

VERSION = 4

_HEADER = struct.Struct("!BBHI")
#: What is before the match in PACKET_IN, and the first bytes of the port in it.
_PACKET_IN = struct.Struct("!IHBBQ")
_IN_PORT = Field.IN_PORT.header(4)
#: Section A.1: no port, no group, no packet, all tables.
_ANY = 0xFFFFFFFF
_NO_BUFFER = 0xFFFFFFFF
_ALL_TABLES = 0xFF
_ROLE_MASTER = 2


class Type(enum.IntEnum):
    """Section A.1, ofp_type."""

    HELLO = 0
    ERROR = 1
    ECHO_REQUEST = 2
    ECHO_REPLY = 3
    FEATURES_REQUEST = 5
    FEATURES_REPLY = 6
    PACKET_IN = 10
    PACKET_OUT = 13
    FLOW_MOD = 14
    BARRIER_REQUEST = 20
    BARRIER_REPLY = 21
    ROLE_REQUEST = 24
    ROLE_REPLY = 25


@attrs.frozen
class Condition:
    """A value that a field has to have, in the bits of the mask."""

    field: Field
    value: int
    mask: int | None = None


@attrs.frozen(kw_only=True)
class Flow:
    """A flow entry: which packets of a table it takes, and what happens to them.

    ``metadata`` is the (value, mask) to write, ``goto`` the table that the packet goes to next.
    """

    table: int
    priority: int
    match: frozenset[Condition]
    actions: tuple[Action, ...] = ()
    metadata: tuple[int, int] | None = None
    goto: int | None = None

    @property
    def key(self) -> tuple[int, int, frozenset[Condition]]:
        """What a table has at most once."""
        return self.table, self.priority, self.match


@attrs.frozen
class Message:
    """A message that was received."""

    type: int
    xid: int
    body: bytes


@attrs.frozen
class PacketIn:
    """A packet that the switch handed to the controller, and the port that it came in by."""

    in_port: int
    data: bytes


class Malformed(Exception):
    """What was received is not OpenFlow 1.3."""


class Splitter:
    """Splits what is received into messages."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete.

        Raises:
            Malformed: The data are not messages of OpenFlow 1.3.
        """
        self._data += data
        while len(self._data) >= _HEADER.size:
            version, kind, length, xid = _HEADER.unpack_from(self._data)
            if length < _HEADER.size or (version != VERSION and kind not in (Type.HELLO, Type.ERROR)):
                raise Malformed(f"a message of version {version} and type {kind} has {length} bytes")
            if len(self._data) < length:
                return
            body, self._data = self._data[_HEADER.size : length], self._data[length:]
            yield Message(kind, xid, body)


def message(kind: Type, xid: int, body: bytes = b"") -> bytes:
    """Return a message."""
    return _HEADER.pack(VERSION, kind, _HEADER.size + len(body), xid) + body


def hello(xid: int) -> bytes:
    """Return the first message, which names the only version that is spoken (section A.5.1)."""
    return message(Type.HELLO, xid, struct.pack("!HHI", 1, 8, 1 << VERSION))


def speaks_version(body: bytes) -> bool:
    """Tell whether the peer's HELLO, whose ``body`` this is, names the version among others, or names none."""
    if len(body) < 8 or struct.unpack_from("!H", body)[0] != 1:
        return True
    return bool(struct.unpack_from("!I", body, 4)[0] & 1 << VERSION)


def role_request(xid: int, generation: int) -> bytes:
    """Return the request to be master; ``generation`` has to grow from one master to the next (section 6.3.5)."""
    return message(Type.ROLE_REQUEST, xid, struct.pack("!I4xQ", _ROLE_MASTER, generation))


def datapath_id(body: bytes) -> str:
    """Return the datapath's id from the body of FEATURES_REPLY, in hex as Bridge.datapath_id has it."""
    return body[:8].hex()


def describe_error(body: bytes) -> str:
    """Describe an ERROR message (section A.4.4)."""
    kind, code = struct.unpack_from("!HH", body)
    return f"error type {kind}, code {code}, about {body[4:].hex()}"


def packet_in(body: bytes) -> PacketIn:
    """Return what the body of PACKET_IN says (section A.4.1).

    Raises:
        Malformed: It does not say by which port the packet came in.
    """
    start = _PACKET_IN.size
    try:
        (length,) = struct.unpack_from("!2xH", body, start)
        fields = body[start + 4 : start + length]
        data = start + padded(length) + 2
        while not fields.startswith(_IN_PORT):
            fields = fields[4 + fields[3] :]
        (in_port,) = struct.unpack_from("!I", fields, len(_IN_PORT))
    except (struct.error, IndexError):
        raise Malformed(f"a packet has no port: {body.hex()}") from None
    if data >= len(body):
        raise Malformed(f"a packet has no content: {body.hex()}")
    return PacketIn(in_port, body[data:])


def packet_out(xid: int, in_port: int, ports: Iterable[int], data: bytes) -> bytes:
    """Return what sends a packet out of ports, as if it had come in by ``in_port`` (section A.3.7)."""
    actions = b"".join(Output(port).encode() for port in ports)
    return message(Type.PACKET_OUT, xid, struct.pack("!IIH6x", _NO_BUFFER, in_port, len(actions)) + actions + data)


def add_flow(xid: int, flow: Flow) -> bytes:
    """Return what adds a flow, or gives one of the same match and priority other instructions."""
    instructions = b""
    if flow.actions:
        actions = b"".join(action.encode() for action in flow.actions)
        instructions += struct.pack("!HH4x", 4, 8 + len(actions)) + actions
    if flow.metadata is not None:
        instructions += struct.pack("!HH4xQQ", 2, 24, *flow.metadata)
    if flow.goto is not None:
        instructions += struct.pack("!HHB3x", 1, 8, flow.goto)
    return _flow_mod(xid, 0, flow.table, flow.priority, _match(flow.match) + instructions)


def delete_flow(xid: int, flow: Flow) -> bytes:
    """Return what deletes a flow."""
    return _flow_mod(xid, 4, flow.table, flow.priority, _match(flow.match))


def delete_all_flows(xid: int) -> bytes:
    """Return what deletes every flow of every table."""
    return _flow_mod(xid, 3, _ALL_TABLES, 0, _match(frozenset()))


def _flow_mod(xid: int, command: int, table: int, priority: int, rest: bytes) -> bytes:
    body = struct.pack("!QQBBHHHIIIH2x", 0, 0, table, command, 0, 0, priority, _NO_BUFFER, _ANY, _ANY, 0)
    return message(Type.FLOW_MOD, xid, body + rest)


def _match(conditions: frozenset[Condition]) -> bytes:
    # A field has to come after those it depends on, which have lower numbers (section A.2.3.6).
    ordered = sorted(conditions, key=lambda condition: condition.field.value)
    content = b"".join(each.field.encode(each.value, each.mask) for each in ordered)
    length = 4 + len(content)
    return (struct.pack("!HH", 1, length) + content).ljust(padded(length), b"\0")
