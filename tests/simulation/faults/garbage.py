"""What the switch's server says to the daemon, and no such server ever should: the daemon connects anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.simulation.faults.fault import Fault, one_of

if TYPE_CHECKING:
    from tests.simulation.world import World

_SAYINGS = (
    b"}",
    b"nonsense",
    b"[]",
    b"{}",
    b'{"id": NaN}',
    b"\xff{}",
    b"[" * 2000,
    b'{"method": 7, "params": []}',
    b'{"id": null, "method": "update", "params": ["nuage"]}',
    b'{"id": null, "method": "update3", "params": []}',
    b'{"id": null, "method": "monitor_canceled", "params": ["nuage"]}',
    b'{"id": null, "method": "locked", "params": ["lock"]}',
    b'{"id": "echo", "method": "echo", "params": ["a", 1]}',
    b'{"id": 1, "method": "no such method", "params": []}',
    b'{"id": 1000000, "result": [], "error": null}',
    b'{"id": null, "result": null, "error": {"error": "unknown", "details": "x"}}',
    b'{"id": null, "error": "unknown"}',
)


def say(world: World, which: float, saying: bytes) -> None:
    """Say something to one of the clients, between two messages."""
    port = world.database.port
    one_of(which, [] if port is None else port.connections).write(saying)


FAULTS: Mapping[str, Fault] = {
    "database says nonsense": Fault(do=say, draw=lambda chance: (chance.fraction(), chance.pick(_SAYINGS))),
}
