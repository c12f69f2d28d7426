"""Which endpoints and networks a change of the mirrored tables is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from nuage.ovsdb.client import Change, Row
from nuage.vrs import tables
from nuage.vrs.views import ids_of

#: The key of a row's external_ids that names the endpoint, by table.
_OWNERS = {tables.INTERFACE: tables.ENDPOINT, tables.PORT: tables.VM_UUID}


@attrs.define
class Touched:
    """What may look different now.

    Args:
        endpoints: Ids of endpoints.
        ports: Names of ports, of which nothing tells the whole id of the endpoint.
        networks: Ids of networks.
    """

    endpoints: set[str] = attrs.field(factory=set)
    ports: set[str] = attrs.field(factory=set)
    networks: set[str] = attrs.field(factory=set)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.endpoints or self.ports or self.networks)


def touched(changes: Iterable[Change], bridge: str) -> Touched:
    """Return what changes are about.

    Args:
        changes: Those of one update of the cache.
        bridge: The bridge that keeps the records.
    """
    found = Touched()
    for change in changes:
        if change.table == tables.BRIDGE:
            _at_bridge(change, bridge, found)
        else:
            for row in _rows(change):
                _in_row(change.table, row, found)
    return found


def _rows(change: Change) -> Iterator[Row]:
    yield from (row for row in (change.old, change.new) if row is not None)


def _in_row(table: str, row: Row, found: Touched) -> None:
    if table == tables.NUAGE_VM:
        found.endpoints.add(str(row["vm_uuid"]))
    elif table in (tables.NUAGE_PORT, tables.PORT, tables.INTERFACE):
        found.ports.add(str(row["name"]))
    key = _OWNERS.get(table)
    if key is not None and (endpoint_id := ids_of(row).get(key)):
        found.endpoints.add(endpoint_id)


def _at_bridge(change: Change, bridge: str, found: Touched) -> None:
    """Compare the records that the bridge keeps. A bridge that was made or removed may be any of them."""
    former, now = ({} if row is None or row["name"] != bridge else ids_of(row) for row in (change.old, change.new))
    for key in {key for key, _ in former.items() ^ now.items()}:
        if key.startswith(tables.ENDPOINT_RECORD):
            found.endpoints.add(key.removeprefix(tables.ENDPOINT_RECORD))
        elif key.startswith(tables.NETWORK_RECORD):
            found.networks.add(key.removeprefix(tables.NETWORK_RECORD))
