"""What the start scripts of a VRS write into an empty database."""

from __future__ import annotations

from typing import Any

from tests.simulation.database.server import Database

#: Each change of the configuration is counted.
_CONFIGURED: dict[str, Any] = {
    "op": "mutate",
    "table": "Open_vSwitch",
    "where": [],
    "mutations": [["next_cfg", "+=", 1]],
}
_CONTROLLER = "unix:/run/openvswitch/vsc.sock"


def make_switch(database: Database) -> None:
    """Do what ``ovs-vsctl init`` does: make the database's own row."""
    if not database.store.tables["Open_vSwitch"].rows:
        database.transact({"op": "insert", "table": "Open_vSwitch", "row": {}})


def make_bridge(database: Database, name: str = "alubr0", controller: str | None = _CONTROLLER) -> None:
    """Do what ``ovs-vsctl add-br`` and ``set-controller`` do."""
    operations: list[dict[str, Any]] = [
        {"op": "insert", "table": "Interface", "row": {"name": name, "type": "internal"}, "uuid-name": "interface"},
        {
            "op": "insert",
            "table": "Port",
            "row": {"name": name, "interfaces": ["named-uuid", "interface"]},
            "uuid-name": "port",
        },
    ]
    bridge: dict[str, Any] = {"name": name, "ports": ["named-uuid", "port"], "datapath_type": "netdev"}
    if controller is not None:
        bridge["controller"] = ["named-uuid", "controller"]
        row = {"target": controller}
        operations.append({"op": "insert", "table": "Controller", "row": row, "uuid-name": "controller"})
    operations.append({"op": "insert", "table": "Bridge", "row": bridge, "uuid-name": "bridge"})
    bridges = ["bridges", "insert", ["set", [["named-uuid", "bridge"]]]]
    operations.append(
        {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [bridges, ["next_cfg", "+=", 1]]}
    )
    database.transact(*operations)


def add_port(database: Database, name: str, bridge: str = "alubr0") -> None:
    """Do what ``ovs-vsctl add-port`` does."""
    port = {"name": name, "interfaces": ["named-uuid", "interface"]}
    ports = ["ports", "insert", ["set", [["named-uuid", "port"]]]]
    database.transact(
        {"op": "insert", "table": "Interface", "row": {"name": name}, "uuid-name": "interface"},
        {"op": "insert", "table": "Port", "row": port, "uuid-name": "port"},
        {"op": "mutate", "table": "Bridge", "where": [["name", "==", bridge]], "mutations": [ports]},
        _CONFIGURED,
    )


def remove_port(database: Database, name: str, bridge: str = "alubr0") -> None:
    """Do what ``ovs-vsctl del-port`` does."""
    uuids = [["uuid", row["_uuid"]] for row in database.rows("Port") if row["name"] == name]
    ports = ["ports", "delete", ["set", uuids]]
    where = [["name", "==", bridge]]
    database.transact({"op": "mutate", "table": "Bridge", "where": where, "mutations": [ports]}, _CONFIGURED)


def remove_bridge(database: Database, name: str = "alubr0") -> None:
    """Do what ``ovs-vsctl del-br`` does: all ports of the bridge go, with all that is kept there."""
    uuids = [["uuid", row["_uuid"]] for row in database.rows("Bridge") if row["name"] == name]
    mutations = [["bridges", "delete", ["set", uuids]], ["next_cfg", "+=", 1]]
    database.transact({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": mutations})
