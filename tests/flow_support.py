"""A switch that a test plays by itself: it does with packets what flows say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from lab.vrs.actions import (
    IN_PORT,
    VLAN_PRESENT,
    Action,
    CopyField,
    DecrementTtl,
    Field,
    Output,
    PopVlan,
    PushVlan,
    SetField,
)
from lab.vrs.openflow import Flow

#: The fields of a packet by which flows match; the TTL is under None, because flows do not match it.
Packet = dict[Field | None, int]


@attrs.frozen
class Sent:
    """A packet that leaves by a port."""

    port: int
    packet: Packet


class PlayedSwitch:
    """Runs packets through flows (OpenFlow 1.3, section 5)."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        self._flows = tuple(flows)

    def receive(self, port: int, packet: Packet) -> list[Sent]:
        """Return what becomes of a packet that comes in by a port."""
        inside: Packet = {Field.VLAN_VID: 0, **packet, Field.IN_PORT: port, Field.METADATA: 0}
        return list(self._run(0, inside))

    def _run(self, table: int | None, packet: Packet) -> Iterator[Sent]:
        while table is not None:
            flow = self._best(table, packet)
            if flow is None:
                return
            for action in flow.actions:
                if action == DecrementTtl() and packet[None] <= 1:
                    return
                yield from _apply(action, packet)
            if flow.metadata is not None:
                value, mask = flow.metadata
                packet[Field.METADATA] = packet[Field.METADATA] & ~mask | value & mask
            table = flow.goto

    def _best(self, table: int, packet: Packet) -> Flow | None:
        found = [flow for flow in self._flows if flow.table == table and _matches(flow, packet)]
        best = [flow for flow in found if flow.priority == max(each.priority for each in found)]
        # Which of two flows of one priority a switch takes is not defined (section 5.3).
        assert len(best) <= 1, best
        return best[0] if best else None


def _matches(flow: Flow, packet: Packet) -> bool:
    for condition in flow.match:
        mask = -1 if condition.mask is None else condition.mask
        if condition.field not in packet or packet[condition.field] & mask != condition.value & mask:
            return False
    return True


def _apply(action: Action, packet: Packet) -> Iterator[Sent]:
    if isinstance(action, Output):
        port = packet[Field.IN_PORT] if action.port == IN_PORT else action.port
        # A packet goes back to where it came from only when it is said so (section 5.12).
        if action.port == IN_PORT or port != packet[Field.IN_PORT]:
            yield Sent(port, {k: v for k, v in packet.items() if k not in (Field.IN_PORT, Field.METADATA)})
    elif isinstance(action, SetField):
        packet[action.field] = action.value
    elif isinstance(action, CopyField):
        packet[action.destination] = packet[action.source]
    elif isinstance(action, DecrementTtl):
        packet[None] -= 1
    elif isinstance(action, PushVlan):
        packet[Field.VLAN_VID] = VLAN_PRESENT
    else:
        assert isinstance(action, PopVlan)
        assert packet[Field.VLAN_VID]
        packet[Field.VLAN_VID] = 0
