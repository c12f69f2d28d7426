"""What the switch has of an endpoint, and what Docker has, whatever the daemon thinks."""

from __future__ import annotations

from typing import Any

from nuage.names import port_name
from tests.simulation.database.rows import Row
from tests.simulation.database.store import Store as Rows
from tests.simulation.docker.store import Container, Endpoint, Store

_RECORD = "nuage-record"
_ENDPOINT, _ENDPOINT_RECORD, _NETWORK_RECORD = "nuage-endpoint", "nuage-endpoint-", "nuage-network-"
#: Docker's option of an endpoint, and label of a container; and its option of a network.
_GROUP, _NETWORK_GROUP = "nuage.policy-group", "policy-group"


def marked(table: str, row: Row | None) -> set[str]:
    """Return the endpoints whose records a row has."""
    if row is None or table not in ("Bridge", "Interface"):
        return set()
    ids: Any = row["external_ids"]
    if table == "Bridge":
        return {key[len(_ENDPOINT_RECORD) :] for key in ids if key.startswith(_ENDPOINT_RECORD)}
    return {ids[_ENDPOINT]} if _ENDPOINT in ids else set()


def kept(table: str, row: Row | None) -> set[str]:
    """Return the endpoints whose whole records a row has: a hand may have left an Interface the mark alone."""
    ids: Any = {} if row is None or table != "Interface" else row["external_ids"]
    return marked(table, row) if table == "Bridge" or _RECORD in ids else set()


def recorded(rows: Rows, endpoint_id: str) -> bool:
    """Tell whether the switch has a record of an endpoint."""
    return any(
        endpoint_id in marked(table, row)
        for table in ("Bridge", "Interface")
        for row in rows.tables[table].rows.values()
    )


def traces(rows: Rows, endpoint_id: str) -> list[str]:
    """Return what the switch has of an endpoint, by tables."""
    name = (port_name(endpoint_id),)
    found = ["record"] if recorded(rows, endpoint_id) else []
    found += [table for table in ("Port", "Interface", "Nuage_Port_Table") if _has(rows, table, "name", name)]
    return found + (["Nuage_VM_Table"] if _has(rows, "Nuage_VM_Table", "vm_uuid", (endpoint_id,)) else [])


def knows_network(rows: Rows, network_id: str) -> bool:
    """Tell whether the switch has a record of a network."""
    return any(_NETWORK_RECORD + network_id in row["external_ids"] for row in rows.tables["Bridge"].rows.values())


def networks_of(bridge: Row | None) -> set[str]:
    """Return the networks whose records a bridge has."""
    ids: Any = {} if bridge is None else bridge["external_ids"]
    return {key[len(_NETWORK_RECORD) :] for key in ids if key.startswith(_NETWORK_RECORD)}


def place_of(port: Row) -> tuple[Any, ...]:
    """Return which address a port has, and in which subnet."""
    metadata: Any = port["metadata"]
    return port["nuage_domain"], port["nuage_zone"], port["nuage_network"], metadata.get("static-ip")


def endpoint(store: Store, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint that Docker has."""
    return next(
        (each.endpoints[endpoint_id] for each in store.networks.values() if endpoint_id in each.endpoints), None
    )


def endpoint_of_port(store: Store, name: str) -> Endpoint | None:
    """Return the endpoint of a port that Docker has."""
    each = (endpoint for network in store.networks.values() for endpoint in network.endpoints.values())
    return next((endpoint for endpoint in each if port_name(endpoint.id) == name), None)


def policy_group(endpoint: Endpoint, container: Container | None) -> str:
    """Return the policy group that the user wants for an endpoint of a container, empty for none."""
    labels = container.labels if container is not None else {}
    of_network = endpoint.network.options.get(_NETWORK_GROUP)
    return str(endpoint.options.get(_GROUP) or labels.get(_GROUP) or of_network or "")


def container_of(store: Store, endpoint: Endpoint) -> Container | None:
    """Return the container of an endpoint; while it is being attached, only the name tells."""
    for container in store.containers.values():
        if any(each.endpoint is endpoint for each in container.attachments.values()):
            return container
    return next((each for each in store.containers.values() if each.name == endpoint.name), None)


def _has(rows: Rows, table: str, column: str, value: tuple[str]) -> bool:
    return any(row[column] == value for row in rows.tables[table].rows.values())
