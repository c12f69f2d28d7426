"""The transactions that attach an endpoint to the switch, detach it, and keep records.

Each function returns the operations of one transaction or of a part of one, so that all of it happens, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nuage.model import Container, Endpoint, Network
from nuage.names import port_name
from nuage.ovsdb.notation import Named, Value
from nuage.ovsdb.operations import Delete, Insert, Mutate, Operation, Update, Wait, Where
from nuage.vrs import policy, tables
from nuage.vrs.tables import EntityType, Event, Platform, RunningReason, StartedEvent, State

_NETWORK_TYPE = "ipv4"


def remember(bridge: str, key: str, record: str) -> list[Operation]:
    """Keep ``record`` under ``key`` at the bridge, instead of an earlier one.

    Inserting into a map does not overwrite (RFC 7047 section 5.1), so the key is deleted first.
    """
    where = _named(bridge)
    return [
        _bridge_exists(bridge),
        Mutate(
            tables.BRIDGE,
            where,
            [("external_ids", "delete", frozenset({key})), ("external_ids", "insert", {key: record})],
        ),
    ]


def forget(bridge: str, key: str, instead: Mapping[str, str] | None = None) -> list[Operation]:
    """Drop what is kept under ``key`` at the bridge, and keep ``instead``, by key."""
    kept = dict(instead or {})
    mutations: list[tuple[str, str, Value]] = [("external_ids", "delete", frozenset({key, *kept}))]
    if kept:
        mutations.append(("external_ids", "insert", kept))
    return [Mutate(tables.BRIDGE, _named(bridge), mutations)]


def attach(
    bridge: str, network: Network, endpoint: Endpoint, container: Container | None, site_id: str | None
) -> list[Operation]:
    """Plug the endpoint into the bridge and tell the VRS of it. The first result is the Interface's.

    The record kept since the endpoint was created moves to the Interface.
    """
    ids = _vm_ids(endpoint, container)
    return [
        *_plug(bridge, endpoint, ids, {**ids, **_marks(endpoint, container)}),
        *_announce(bridge, network, endpoint, container, site_id),
    ]


def plug(bridge: str, endpoint: Endpoint) -> list[Operation]:
    """Plug the endpoint into the bridge and tell the VRS nothing of it: no rows, and no ids that its agent reads."""
    return _plug(bridge, endpoint, {}, _marks(endpoint, None))


def announce(
    interface: str,
    port: str | None,
    bridge: str,
    network: Network,
    endpoint: Endpoint,
    container: Container | None,
    site_id: str | None,
) -> list[Operation]:
    """Tell the VRS of an endpoint that is plugged in already.

    ``interface`` and ``port`` are the uuids of the endpoint's rows.
    """
    return [
        *_identify(interface, port, endpoint, container),
        *_announce(bridge, network, endpoint, container, site_id),
    ]


def _plug(bridge: str, endpoint: Endpoint, ids: dict[str, str], marks: dict[str, str]) -> list[Operation]:
    name = port_name(endpoint.id)
    return [
        Insert(tables.INTERFACE, {"name": name, "external_ids": marks}, "interface"),
        Insert(tables.PORT, {"name": name, "interfaces": frozenset({Named("interface")}), "external_ids": ids}, "port"),
        _bridge_exists(bridge),
        Mutate(
            tables.BRIDGE,
            _named(bridge),
            [
                ("ports", "insert", frozenset({Named("port")})),
                ("external_ids", "delete", frozenset({tables.ENDPOINT_RECORD + endpoint.id})),
            ],
        ),
    ]


def _announce(
    bridge: str, network: Network, endpoint: Endpoint, container: Container | None, site_id: str | None
) -> list[Operation]:
    """Tell the VRS of an endpoint; rows that the endpoint already has in the Nuage tables are replaced."""
    return [
        *_withdraw(endpoint.id),
        Insert(tables.NUAGE_PORT, _port_row(bridge, network, endpoint, container)),
        Insert(tables.NUAGE_VM, _entity_row(network, endpoint, container, site_id)),
    ]


def detach(bridge: str, endpoint_id: str, port: str | None, *, owns_name: bool) -> list[Operation]:
    """Unplug the endpoint and withdraw it from the VRS.

    The Port and Interface rows go by themselves once the bridge does not refer to them.

    Args:
        bridge: The bridge's name.
        endpoint_id: The endpoint.
        port: The uuid of its Port row, None if it has none.
        owns_name: Whether the endpoint's port name is its own; another's row of that name is left alone.
    """
    unplug: list[Operation] = []
    if port is not None:
        unplug = [Mutate(tables.BRIDGE, _named(bridge), [("ports", "delete", frozenset({port}))])]
    return [*unplug, *_withdraw(endpoint_id, owns_name=owns_name)]


def mark(interface: str, port: str | None, endpoint: Endpoint, container: Container | None) -> list[Operation]:
    """Write into the rows of an attached endpoint which endpoint they belong to.

    ``interface`` and ``port`` are the uuids of the endpoint's rows.
    """
    return _identify(interface, port, endpoint, container)


def rename(
    interface: str, port: str | None, network: Network, endpoint: Endpoint, container: Container, site_id: str | None
) -> list[Operation]:
    """Write the container's name, and what its labels say, into the rows of an endpoint that was attached without them.

    ``interface`` and ``port`` are the uuids of the endpoint's rows.
    """
    return [
        *_identify(interface, port, endpoint, container),
        Mutate(
            tables.NUAGE_PORT,
            _named(port_name(endpoint.id)),
            _overwrite("metadata", policy.port_metadata(network, endpoint, container)),
        ),
        Update(
            tables.NUAGE_VM,
            [("vm_uuid", "==", endpoint.id)],
            {"vm_name": container.name, "metadata": policy.entity_metadata(network, endpoint, container, site_id)},
        ),
    ]


def _identify(interface: str, port: str | None, endpoint: Endpoint, container: Container | None) -> list[Operation]:
    ids = _vm_ids(endpoint, container)
    marks = {**ids, **_marks(endpoint, container)}
    of_port: list[Operation] = []
    if port is not None:
        of_port = [Mutate(tables.PORT, [("_uuid", "==", port)], _overwrite("external_ids", ids))]
    return [Mutate(tables.INTERFACE, [("_uuid", "==", interface)], _overwrite("external_ids", marks)), *of_port]


def _withdraw(endpoint_id: str, *, owns_name: bool = True) -> list[Operation]:
    port: list[Operation] = [Delete(tables.NUAGE_PORT, _named(port_name(endpoint_id)))] if owns_name else []
    return [*port, Delete(tables.NUAGE_VM, [("vm_uuid", "==", endpoint_id)])]


def _named(name: str) -> Where:
    return [("name", "==", name)]


def _bridge_exists(bridge: str) -> Operation:
    """Make the transaction fail if the bridge is missing: a mutation that finds no row is no error."""
    return Wait(tables.BRIDGE, _named(bridge), ["name"], "==", [{"name": bridge}], timeout_ms=0)


def _overwrite(column: str, pairs: dict[str, str]) -> Sequence[tuple[str, str, Value]]:
    return [(column, "delete", frozenset(pairs)), (column, "insert", dict(pairs))]


def _vm_ids(endpoint: Endpoint, container: Container | None) -> dict[str, str]:
    return {tables.VM_UUID: endpoint.id, tables.VM_NAME: _entity_name(endpoint, container)}


def _marks(endpoint: Endpoint, container: Container | None) -> dict[str, str]:
    marks = {
        tables.ENDPOINT: endpoint.id,
        tables.NETWORK: endpoint.network_id,
        tables.RECORD: endpoint.to_record(),
    }
    if endpoint.owner is not None:
        marks[tables.OWNER] = endpoint.owner
    if container is not None:
        marks[tables.CONTAINER] = container.id
    return marks


def _entity_name(endpoint: Endpoint, container: Container | None) -> str:
    """Name the entity. Until Docker tells the container's name, the endpoint's id serves."""
    return endpoint.id if container is None else container.name


def _port_row(bridge: str, network: Network, endpoint: Endpoint, container: Container | None) -> dict[str, Value]:
    policy_metadata = policy.port_metadata(network, endpoint, container)
    if endpoint.split:
        return _port_columns(bridge, endpoint, "", "", "", "") | {"metadata": policy_metadata}
    zone, subnet = network.zone or "", network.subnet or ""
    metadata = {
        tables.DOMAIN: network.domain,
        "nuage-enterprise-network-type": _NETWORK_TYPE,
    }
    if network.subnet is not None:
        metadata |= {tables.ZONE: zone, tables.SUBNET: subnet}
    if endpoint.address is not None:
        metadata[tables.STATIC_IP] = str(endpoint.address.ip)
    columns = _port_columns(bridge, endpoint, network.domain, zone, subnet, _NETWORK_TYPE)
    return columns | {"metadata": metadata | policy_metadata}


def _port_columns(
    bridge: str, endpoint: Endpoint, domain: str, zone: str, subnet: str, network_type: str
) -> dict[str, Value]:
    """Return the columns of a port but its metadata. The last four are empty if the VSD has the port already."""
    return {
        "name": port_name(endpoint.id),
        "mac": endpoint.mac,
        "bridge": bridge,
        "vm_domain": int(Platform.DOCKER),
        "nuage_domain": domain,
        "nuage_zone": zone,
        "nuage_network": subnet,
        "nuage_network_type": network_type,
    }


def _entity_row(
    network: Network, endpoint: Endpoint, container: Container | None, site_id: str | None
) -> dict[str, Value]:
    return {
        "vm_uuid": endpoint.id,
        "vm_name": _entity_name(endpoint, container),
        "type": int(EntityType.CONTAINER),
        "domain": int(Platform.DOCKER),
        "event": int(Event.STARTED),
        "event_type": int(StartedEvent.BOOTED),
        "state": int(State.RUNNING),
        "reason": int(RunningReason.BOOTED),
        "nuage_enterprise": "" if endpoint.split else network.organization,
        "nuage_user": "" if endpoint.split else network.user,
        "metadata": policy.entity_metadata(network, endpoint, container, site_id),
        "ports": frozenset({port_name(endpoint.id)}),
    }
