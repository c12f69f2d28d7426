"""What hands do at the switch: they remove what is the daemon's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nuage.vrs.tables import ENDPOINT_RECORD, NETWORK_RECORD, POOL_RECORD, Platform
from tests.simulation.chance import Chance
from tests.simulation.database.server import Unavailable
from tests.simulation.faults.fault import Fault, Missed, demand, one_of

if TYPE_CHECKING:
    from tests.simulation.world import World

#: What is in the keys of the pools of networks that are gone: see nuage.ipam.abandoned.
_LOST_POOL = "-gone-"
#: What is written into records.
_GARBAGE = ("", "{", "[]", "{}", '{"id": "x"}')


def delete_row(world: World, table: str, which: float) -> None:
    """Delete a row of one of the VRS's tables."""
    names = endpoint_ports(world)
    rows = [row for row in world.database.rows(table) if names & _ports_of(row)]
    uuid = one_of(which, rows)["_uuid"]
    transact(world, {"op": "delete", "table": table, "where": [["_uuid", "==", ["uuid", str(uuid)]]]})


def delete_port(world: World, which: float) -> None:
    """``ovs-vsctl del-port``."""
    names = endpoint_ports(world)
    ports = [row for row in world.database.rows("Port") if row["name"] in names]
    uuid = one_of(which, ports)["_uuid"]
    mutation = ["ports", "delete", ["set", [["uuid", str(uuid)]]]]
    transact(world, {"op": "mutate", "table": "Bridge", "where": [], "mutations": [mutation]})


def delete_record(world: World, which: float) -> None:
    """Remove a record of the daemon from the bridge."""
    key = one_of(which, list(_records(world)))
    transact(world, _removal(key))
    world.spoilt_records.add(key)


def garble_record(world: World, which: float, garbage: str) -> None:
    """Write something else into the record of a network."""
    key = one_of(which, [key for key in _records(world) if _is_network(key)])
    mutations = [["external_ids", "delete", ["set", [key]]], ["external_ids", "insert", ["map", [[key, garbage]]]]]
    transact(world, {"op": "mutate", "table": "Bridge", "where": [], "mutations": mutations})
    world.spoilt_records.add(key)


def remove_garbage(world: World) -> None:
    """Remove what the daemon cannot read and does not write anew, as its log asks for: nobody has these networks."""
    known = _records_of_docker(world)
    for row in world.database.rows("Bridge"):
        for key, record in sorted(row["external_ids"].items()):
            if _is_network(key) and record in _GARBAGE and key not in known:
                _write(world, _removal(key))


def unrecorded(world: World) -> set[str]:
    """Return the names of Docker's networks of which the switch has no record that can be read."""
    records = _records(world)
    return {
        network.name
        for network in world.docker.store.networks.values()
        if records.get(NETWORK_RECORD + network.id, "") in _GARBAGE
    }


def has_lost_networks(world: World) -> bool:
    """Tell whether hands have spoilt what the switch had of a network that Docker does not have."""
    return bool(of_lost_networks(world, world.spoilt_records))


def of_lost_networks(world: World, keys: Iterable[str]) -> set[str]:
    """Return the keys of what the switch has of networks that Docker does not have: of them, and of their pools."""
    return {key for key in keys if _is_network(key) or _is_lost_pool(key)} - _records_of_docker(world)


def kept(world: World) -> dict[str, str]:
    """Return all that is kept at the bridge, by its keys."""
    return {key: text for row in world.database.rows("Bridge") for key, text in row["external_ids"].items()}


def _records(world: World) -> dict[str, str]:
    """Return the records of the daemon of networks and endpoints, sorted by their keys."""
    records = kept(world)
    return {key: records[key] for key in sorted(records) if _is_record(key)}


def forget_address(world: World, which: float) -> None:
    """Have the VRS forget the address of a port, and resolve it again."""
    ports = sorted(endpoint_ports(world))
    demand(world.database.available)
    world.vrs_agent.forget(one_of(which, ports))


def refuse_port(world: World, which: float, seconds: float) -> None:
    """Have the controller refuse a port for some seconds."""
    name = one_of(which, sorted(endpoint_ports(world)))
    world.vrs_agent.refuse(name)
    world.reactor.callLater(seconds, world.vrs_agent.accept, name)
    world.fault_lasts(seconds)


def endpoint_ports(world: World) -> set[str]:
    """Return the daemon's ports of which all rows are there: nobody can tell whose the last row of an endpoint is."""
    names = {row["name"] for row in world.database.rows("Nuage_Port_Table") if row["vm_domain"] == Platform.DOCKER}
    names &= {name for row in world.database.rows("Nuage_VM_Table") for name in _ports_of(row)}
    return names & {row["name"] for row in world.database.rows("Port")}


def _ports_of(row: Mapping[str, Any]) -> set[str]:
    ports = row.get("ports", row.get("name"))
    return {ports} if isinstance(ports, str) else set(ports)


def _records_of_docker(world: World) -> set[str]:
    """Return the keys of the records of all networks that Docker has."""
    return {NETWORK_RECORD + network.id for network in world.docker.store.known_networks}


def _is_network(key: str) -> bool:
    return key.startswith(NETWORK_RECORD)


def _is_lost_pool(key: str) -> bool:
    """Tell whether a record is that of a pool in which something is held, and whose network is gone."""
    return key.startswith(POOL_RECORD) and _LOST_POOL in key


def _is_record(key: str) -> bool:
    return key.startswith((NETWORK_RECORD, ENDPOINT_RECORD))


def _removal(key: str) -> dict[str, Any]:
    mutation = ["external_ids", "delete", ["set", [key]]]
    return {"op": "mutate", "table": "Bridge", "where": [], "mutations": [mutation]}


def transact(world: World, operation: dict[str, Any]) -> None:
    """Change the switch by hand, if its database is there and tells the daemon of changes.

    A daemon that is told of none notices that by a change of its own, and until then knows nothing of others'.
    """
    demand(not world.database.silent)
    _write(world, operation)


def _write(world: World, operation: dict[str, Any]) -> None:
    try:
        with world.promises.by_hand():
            world.database.transact(operation)
    except Unavailable:
        world.note("the hand finds no database")
        raise Missed from None


def _row(chance: Chance) -> tuple[str, float]:
    return chance.pick(("Nuage_Port_Table", "Nuage_VM_Table")), chance.fraction()


FAULTS: Mapping[str, Fault] = {
    "row deleted": Fault(do=delete_row, draw=_row, weight=2),
    "port deleted": Fault(do=delete_port, draw=lambda chance: (chance.fraction(),), weight=2),
    "record deleted": Fault(do=delete_record, draw=lambda chance: (chance.fraction(),)),
    "record garbled": Fault(do=garble_record, draw=lambda chance: (chance.fraction(), chance.pick(_GARBAGE))),
    "address forgotten": Fault(do=forget_address, draw=lambda chance: (chance.fraction(),)),
    "port refused": Fault(do=refuse_port, draw=lambda chance: (chance.fraction(), chance.delay(0.1, 20))),
}
