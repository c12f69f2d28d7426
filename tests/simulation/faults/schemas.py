"""What the database's server says of its tables: those of an older VRS, of no VRS, or nonsense."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault, some_seconds

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Columns that an older VRS may lack, each group together.
_OLDER: Sequence[Mapping[str, Sequence[str]]] = (
    {"Nuage_Port_Table": ("subnet_mask", "gateway")},
    {"Nuage_Port_Table": ("vrf_id", "evpn_id")},
    {"Interface": ("error",)},
    {"Controller": ("role",)},
    {"Controller": ("role", "is_connected")},
)
#: Part of the worlds with an older VRS.
_PART_OLDER = 0.2
#: What cannot be worked with, by what it is: what becomes of a schema.
_UNUSABLE: Mapping[str, Callable[[Any], Any]] = {
    "no VRS": lambda schema: _without(schema, {"Nuage_Port_Table": (), "Nuage_VM_Table": ()}),
    "no MAC addresses": lambda schema: _without(schema, {"Nuage_Port_Table": ("mac",)}),
    "no addresses": lambda schema: _without(schema, {"Nuage_Port_Table": ("ip_addr",)}),
    "no tables": lambda schema: {**schema, "tables": 7},
    "no schema": lambda _schema: [],
}


def draw_older(chance: Chance) -> Mapping[str, Sequence[str]]:
    """Draw the columns that the VRS of a world lacks: none in most of them."""
    return chance.pick(_OLDER) if chance.happens(_PART_OLDER) else {}


def without(lacking: Mapping[str, Sequence[str]]) -> Callable[[Any], Any]:
    """Return what takes columns, or whole tables, out of a schema."""
    return partial(_without, lacking=lacking)


def tell(world: World, what: str, seconds: float) -> None:
    """Have the server tell another schema for some seconds, as in the midst of an upgrade."""
    database = world.database
    usual = without(world.lacking)
    database.tell_schema(lambda schema: _UNUSABLE[what](usual(schema)))
    world.reactor.callLater(seconds, database.tell_schema, usual)
    world.fault_lasts(seconds)


def _without(schema: Any, lacking: Mapping[str, Sequence[str]]) -> Any:
    schema = copy.deepcopy(schema)
    for table, columns in lacking.items():
        for column in columns:
            del schema["tables"][table]["columns"][column]
        if not columns:
            del schema["tables"][table]
    return schema


FAULTS: Mapping[str, Fault] = {
    "schema unusable": Fault(
        do=tell, draw=lambda chance: (chance.pick(tuple(_UNUSABLE)), some_seconds(chance)), weight=2
    ),
}
