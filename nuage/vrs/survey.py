"""What the switch has of endpoints: of one, or of all of them at one moment."""

from __future__ import annotations

from collections.abc import Mapping

from nuage.model import Endpoint, Survey, Trace
from nuage.ovsdb.client import Row
from nuage.vrs import tables
from nuage.vrs.mirror import Mirror
from nuage.vrs.views import failure_of, ids_of, is_marked, is_ours


def trace(mirror: Mirror, endpoint_id: str) -> Trace:
    """Return what the switch has of one endpoint, which may be nothing."""
    return _trace(
        mirror, endpoint_id, mirror.interface(endpoint_id), mirror.entity(endpoint_id), mirror.waiting(endpoint_id)
    )


def _trace(
    mirror: Mirror, endpoint_id: str, interface: Row | None, entity: Row | None, waiting: Endpoint | None
) -> Trace:
    ids = {} if interface is None else ids_of(interface)
    if ids:
        waiting = None
    announced = entity is not None and mirror.nuage_port(endpoint_id) is not None
    return Trace(
        network_id=waiting.network_id if waiting else ids.get(tables.NETWORK),
        record=waiting.to_record() if waiting else ids.get(tables.RECORD),
        attached=interface is not None,
        announced=announced,
        waiting=waiting is not None,
        container_id=ids.get(tables.CONTAINER),
        container_name=_told_name(ids, entity),
        marked=interface is not None and is_marked(ids, mirror.port_of(interface), announced=announced),
        error=None if interface is None else failure_of(interface),
    )


def _told_name(ids: Mapping[str, str], entity: Row | None) -> str | None:
    """Return the name in an interface's external_ids, None if that of its entity is another one."""
    name = ids.get(tables.VM_NAME)
    return name if entity is None or entity["vm_name"] == name else None


def survey(mirror: Mirror) -> Survey:
    """Look at all endpoints once.

    An entity without a port is taken for ours if :func:`nuage.vrs.views.is_ours` proves it, and an interface
    without marks if its port does.
    """
    attached, waiting, entities = _attached(mirror), _all_waiting(mirror), _entities(mirror)
    foreign = _foreign(mirror, attached, waiting)
    traces = {}
    for endpoint_id in dict.fromkeys((*attached, *waiting, *entities)):
        if endpoint_id in foreign:
            continue
        # What is at hand by now is not looked up again for each of them.
        interface = attached[endpoint_id] if endpoint_id in attached else mirror.interface(endpoint_id)
        traces[endpoint_id] = _trace(
            mirror, endpoint_id, interface, entities.get(endpoint_id), waiting.get(endpoint_id)
        )
    return Survey(traces=traces, foreign=foreign)


def has_endpoints(mirror: Mirror) -> bool:
    """Tell whether a survey would find endpoints of ours: if there are none, that costs less than a survey."""
    attached, waiting = _attached(mirror), _all_waiting(mirror)
    return bool({*attached, *waiting, *_entities(mirror)} - _foreign(mirror, attached, waiting))


def _attached(mirror: Mirror) -> dict[str, Row]:
    """Return the interfaces of endpoints, those of other plugins included."""
    found = {
        ids_of(row).get(tables.ENDPOINT) or mirror.owner_by_port(row): row
        for row in mirror.cache[tables.INTERFACE].rows.values()
    }
    return {endpoint_id: row for endpoint_id, row in found.items() if endpoint_id}


def _all_waiting(mirror: Mirror) -> dict[str, Endpoint]:
    """Return the endpoints that were created and are not joined, those of other plugins included."""
    return {endpoint.id: endpoint for endpoint in mirror.remembered_endpoints()}


def _entities(mirror: Mirror) -> dict[str, Row]:
    """Return the entities of this driver's making."""
    return {str(row["vm_uuid"]): row for row in mirror.cache[tables.NUAGE_VM].rows.values() if is_ours(row)}


def _foreign(mirror: Mirror, attached: Mapping[str, Row], waiting: Mapping[str, Endpoint]) -> set[str]:
    """Return the ids of those endpoints that are of other plugins on this switch."""
    return {
        *(each for each, row in attached.items() if mirror.is_foreign(ids_of(row).get(tables.OWNER))),
        *(each for each, endpoint in waiting.items() if mirror.is_foreign(endpoint.owner)),
    }
