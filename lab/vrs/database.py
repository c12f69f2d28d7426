"""The database of one host's VRS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lab.vrs.resolution import EntityRow, PortRow, Resolved
from nuage.ovsdb.client import Monitored, OvsdbClient
from nuage.ovsdb.notation import Value
from nuage.ovsdb.operations import Update
from nuage.ovsdb.remote import Remote
from nuage.vrs import tables
from nuage.vrs.tables import EntityType, Event, State

#: Events after which an entity runs: started and resumed.
_RUNNING_EVENTS = (Event.STARTED, 4)

_MONITORED = (
    Monitored(tables.BRIDGE, ("name", "datapath_id"), indexes=("name",)),
    Monitored(tables.INTERFACE, ("name", "ofport"), indexes=("name",)),
    Monitored(
        tables.NUAGE_PORT,
        (
            *("name", "mac", "bridge", "nuage_domain", "nuage_zone", "nuage_network", "metadata"),
            *("ip_addr", "subnet_mask", "gateway", "vrf_id", "evpn_id"),
        ),
    ),
    Monitored(
        tables.NUAGE_VM,
        ("vm_uuid", "vm_name", "type", "nuage_enterprise", "nuage_user", "event", "state", "ports", "metadata"),
    ),
)


class HostDatabase:
    """Reads what a VRS's database says of ports, and writes how they were resolved.

    Args:
        reactor: Does all input and output, keeps the time.
        name: The host's name.
        remote: Where its database is.
        bridge: The bridge whose ports count.
        changed: Called when something may have changed.
    """

    def __init__(self, reactor: Any, name: str, remote: Remote, bridge: str, changed: Callable[[], None]) -> None:
        self.name = name
        self._bridge = bridge
        # The agent of a VRS runs beside its database, and should not be the last to see it again.
        self._client = OvsdbClient(
            *(reactor, remote, tables.DATABASE, _MONITORED), check_schema=tables.check_schema, max_retry_delay=0.5
        )
        self._client.cache.subscribe(lambda _: changed())
        self._client.on_synced(changed)

    def start(self) -> None:
        """Connect, and stay connected until stopped."""
        self._client.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._client.stop()

    @property
    def known(self) -> bool:
        """Whether the database has been read; what is known of it stays when it cannot be reached."""
        return self._client.cache.loaded

    @property
    def current(self) -> bool:
        """Whether this shows what the database says now."""
        return self._client.synced

    @property
    def datapath_id(self) -> str | None:
        """The id that the bridge tells its controller."""
        bridge = self._client.cache[tables.BRIDGE].find("name", self._bridge)
        return None if bridge is None or not bridge["datapath_id"] else str(bridge["datapath_id"])

    def ofport(self, name: str) -> int | None:
        """Return a port's number in the switch, None if it has none."""
        interface = self._client.cache[tables.INTERFACE].find("name", name)
        ofport = None if interface is None else interface["ofport"]
        return ofport if isinstance(ofport, int) and ofport > 0 else None

    def ports(self) -> Iterator[tuple[PortRow, EntityRow | None]]:
        """Yield the ports, each with its entity."""
        entities = {
            port: entity_of(row)
            for row in self._client.cache[tables.NUAGE_VM].rows.values()
            for port in _set(row["ports"])
        }
        for row in self._client.cache[tables.NUAGE_PORT].rows.values():
            if row["bridge"] == self._bridge:
                yield port_of(row, self.name, self.ofport(str(row["name"]))), entities.get(str(row["name"]))

    async def write(self, name: str, resolved: Resolved | None) -> None:
        """Write how a port was resolved, or that it is not.

        Raises:
            OvsdbError: The database did not take it.
        """
        await self._client.transact(Update(tables.NUAGE_PORT, [("name", "==", name)], columns_of(resolved)))


def columns_of(resolved: Resolved | None) -> dict[str, Value]:
    """Return what the VRS writes into a row of Nuage_Port_Table when it is resolved, or is not any more."""
    return {
        "ip_addr": resolved.ip if resolved else "",
        "subnet_mask": resolved.mask if resolved else "",
        "gateway": resolved.gateway if resolved else "",
        "vrf_id": resolved.vrf_id if resolved else 0,
        "evpn_id": resolved.evpn_id if resolved else 0,
    }


def port_of(row: Mapping[str, Value], host: str, ofport: int | None) -> PortRow:
    """Read a row of Nuage_Port_Table."""
    return PortRow(
        host=host,
        name=str(row["name"]),
        mac=str(row["mac"]).lower(),
        ofport=ofport,
        domain=str(row["nuage_domain"]),
        zone=str(row["nuage_zone"]),
        subnet=str(row["nuage_network"]),
        metadata=_map(row["metadata"]),
        ip_addr=str(row["ip_addr"]),
        subnet_mask=str(row["subnet_mask"]),
        gateway=str(row["gateway"]),
        vrf_id=_number(row["vrf_id"]),
        evpn_id=_number(row["evpn_id"]),
    )


def entity_of(row: Mapping[str, Value]) -> EntityRow:
    """Read a row of Nuage_VM_Table."""
    return EntityRow(
        uuid=str(row["vm_uuid"]),
        name=str(row["vm_name"]),
        organization=str(row["nuage_enterprise"]),
        user=str(row["nuage_user"]),
        running=row["event"] in _RUNNING_EVENTS and row["state"] == State.RUNNING,
        is_vm=row["type"] != EntityType.CONTAINER,
        metadata=_map(row["metadata"]),
    )


def _map(value: object) -> dict[str, str]:
    assert isinstance(value, Mapping)
    return {str(key): str(content) for key, content in value.items()}


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _set(value: object) -> frozenset[str]:
    assert isinstance(value, frozenset)
    return value
