"""What the database's server answers and tells: refusals of a full disk, and what no such server ever should say.

The daemon takes none of it for a success, and connects anew after nonsense.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault, lasting

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds within which the daemon calls each method that is answered with garbage.
_SOON = 10.0
_MONITORS = ("monitor", "monitor_cond", "monitor_cond_since")
_ROW = "6f0b1a52-7c3e-4c66-9a53-3f6f0c7b9e10"
#: What replies are garbled to, by methods.
_GARBAGE: Mapping[str, tuple[Any, ...]] = {
    "transact": ({}, [], [7] * 3, [{"rows": 7}], [{"count": "x"}], [{"uuid": ["uuid", 7]}], [{}] * 20),
    "get_schema": ([], 7, {}, {"name": "Open_vSwitch", "version": "x", "tables": {}}),
    **{method: (7, [], [False, _ROW], {"Interface": 7}, [False, _ROW, {"Port": {_ROW: 7}}]) for method in _MONITORS},
}
#: Table updates that do not fit what the daemon has.
_UPDATES: tuple[Any, ...] = (
    7,
    {"No such table": {}},
    {"Interface": 7},
    {"Interface": {_ROW: 7}},
    {"Interface": {_ROW: {"insert": 7}}},
    {"Interface": {_ROW: {"modify": {"name": "x"}}}},
    {"Interface": {_ROW: {"insert": {"name": 7}}}},
    {"Interface": {_ROW: {"insert": {"name": ["set", []]}}}},
    {"Interface": {_ROW: {"insert": {"external_ids": ["map", 7]}}}},
    {"Interface": {_ROW: {"insert": {"external_ids": ["set", []]}}}},
    {"Interface": {_ROW: {"insert": {"external_ids": ["map", [["nuage-endpoint", 7]]]}}}},
    {"Nuage_VM_Table": {_ROW: {"insert": {"ports": ["set", [7]]}}}},
)


def fill_disk(world: World, seconds: float) -> None:
    """Have the server write nothing that the daemon wants, for some seconds."""
    world.database.disk_full = True
    world.reactor.callLater(seconds, setattr, world.database, "disk_full", False)
    world.fault_lasts(seconds)


def garble(world: World, method: str, which: float) -> None:
    """Have the server garble the next reply to a call of a method, if it comes soon."""
    choices = _GARBAGE[method]
    world.database.garbled[method] = choices[int(which * len(choices))]
    world.reactor.callLater(_SOON, world.database.garbled.pop, method, None)
    world.fault_lasts(_SOON)


def misinform(world: World, which: float, form: str) -> None:
    """Tell one of the clients of a change that cannot be."""
    port = world.database.port
    if port is not None and port.connections:
        update = _UPDATES[int(which * len(_UPDATES))]
        params = ["nuage", _ROW, update] if form == "update3" else ["nuage", update]
        message = json.dumps({"id": None, "method": form, "params": params})
        port.connections[int(which * 1000) % len(port.connections)].write(message.encode())


def _garbled(chance: Chance) -> tuple[str, float]:
    return chance.pick(tuple(_GARBAGE)), chance.fraction()


FAULTS: Mapping[str, Fault] = {
    "disk full": Fault(do=fill_disk, draw=lasting, weight=2),
    "reply garbled": Fault(do=garble, draw=_garbled, weight=3),
    "update wrong": Fault(
        do=misinform, draw=lambda chance: (chance.fraction(), chance.pick(("update", "update2", "update3"))), weight=3
    ),
}
