"""Rows of the mirrored tables as the values that they stand for."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from nuage.names import port_name
from nuage.ovsdb.client import Row
from nuage.ovsdb.notation import Value
from nuage.vrs import tables

_PORT_MARKS = frozenset({tables.VM_UUID, tables.VM_NAME})
_OWN_MARKS = frozenset({tables.ENDPOINT, tables.NETWORK, tables.RECORD})
_INTERFACE_MARKS = _OWN_MARKS | _PORT_MARKS


@attrs.frozen(str=False)
class Resolution:
    """What the controller answered for a port: its address, mask and gateway, and the ids of domain and subnet."""

    address: str
    mask: str
    gateway: str
    vrf_id: int
    evpn_id: int

    def __str__(self) -> str:
        """Show the answer in the log."""
        via = f"via {self.gateway}" if self.gateway else "without gateway"
        return f"resolved to {self.address}/{self.mask} {via}, vrf {self.vrf_id}, evpn {self.evpn_id}"


@attrs.frozen
class Attachment:
    """An endpoint's place at the bridge.

    ``ofport`` is None until the switch has opened the device, and -1 if it could not; ``error`` then says why.
    """

    port: str
    interface_uuid: str
    port_uuid: str | None
    ofport: int | None
    error: str | None
    container_id: str | None

    @property
    def failure(self) -> str | None:
        """Why the switch could not open the device, None if it did or has not tried yet."""
        failed = bool(self.error) if self.ofport is None else self.ofport <= 0
        return (self.error or "it does not say why") if failed else None


@attrs.frozen(kw_only=True)
class ToldPort:
    """What the VRS was told of an endpoint's port. ``policy`` is as :func:`nuage.vrs.policy.port_metadata` says."""

    mac: str
    domain: str | None
    zone: str | None
    subnet: str | None
    address: str | None
    policy: Mapping[str, str]


@attrs.frozen(kw_only=True)
class ToldEntity:
    """What the VRS was told of an endpoint's container."""

    name: str
    organization: str | None


def failure_of(interface: Row) -> str | None:
    """Return why the switch could not open an interface's device, None if it did or has not tried yet."""
    ofport = interface["ofport"]
    # Most are open: this check makes them cheap.
    if isinstance(ofport, int) and ofport > 0:
        return None
    return attachment_of(interface, None).failure


def attachment_of(interface: Row, port: Row | None) -> Attachment:
    """Read where an endpoint is attached from the rows of its interface and port."""
    ofport, error = interface["ofport"], interface.get("error")
    return Attachment(
        port=str(interface["name"]),
        interface_uuid=interface.uuid,
        port_uuid=None if port is None else port.uuid,
        ofport=ofport if isinstance(ofport, int) else None,
        error=str(error) if error else None,
        container_id=ids_of(interface).get(tables.CONTAINER),
    )


def resolution_of(row: Row) -> Resolution | None:
    """Read what the VRS wrote into a row of the port table; None until it has.

    What this release of the VRS does not tell is empty or zero.
    """
    if not row.get("ip_addr"):
        return None
    return Resolution(
        address=str(row["ip_addr"]),
        mask=str(row.get("subnet_mask", "")),
        gateway=str(row.get("gateway", "")),
        vrf_id=int(str(row.get("vrf_id", 0))),
        evpn_id=int(str(row.get("evpn_id", 0))),
    )


def told_port_of(row: Row) -> ToldPort:
    """Read a row of the port table that a driver wrote."""
    told = _map(row["metadata"])
    return ToldPort(
        mac=str(row["mac"]),
        domain=told.get(tables.DOMAIN),
        zone=told.get(tables.ZONE),
        subnet=told.get(tables.SUBNET),
        address=told.get(tables.STATIC_IP),
        policy=policy_of(row),
    )


def told_entity_of(row: Row) -> ToldEntity:
    """Read a row of the entity table that a driver wrote."""
    return ToldEntity(name=str(row["vm_name"]), organization=_map(row["metadata"]).get(tables.ORGANIZATION))


def is_master(controller: Row) -> bool:
    """Tell whether a controller resolves ports: it has the role of the master.

    If this VRS does not tell roles, a controller that is connected counts. If it does not tell that either, any does.
    """
    if "role" in controller:
        return controller["role"] == "master"
    return bool(controller.get("is_connected", True))


def location_of(port: Row, entity: Row) -> tuple[str | None, ...]:
    """Return the place that the VRS was told of a port and its entity, as :meth:`nuage.model.Network.location` does."""
    return (_map(entity["metadata"]).get(tables.ORGANIZATION), *location_within_organization(port))


def location_within_organization(port: Row) -> tuple[str | None, ...]:
    """Return what the VRS was told of a port's place: all but the organization, which is told of its entity."""
    told = _map(port["metadata"])
    return (told.get(tables.DOMAIN), told.get(tables.ZONE), told.get(tables.SUBNET))


def policy_of(port: Row) -> Mapping[str, str]:
    """Return what the VRS was told of a port's policy."""
    keys = (tables.POLICY_GROUP, tables.REDIRECTION_TARGET)
    return {key: value for key, value in _map(port["metadata"]).items() if key in keys}


def is_ours(entity: Row) -> bool:
    """Tell whether this driver made an entity's row.

    It did if the entity has exactly the one port that this driver gives it, whose name is made from the entity's id.
    """
    return entity["ports"] == frozenset({port_name(str(entity["vm_uuid"]))})


def owner_of(port: Row) -> str | None:
    """Return the endpoint of a port, by what the VRS agent reads in it; None if it is not an endpoint of ours.

    The name of a port of ours is made from the endpoint's id.
    """
    endpoint_id = ids_of(port).get(tables.VM_UUID)
    return endpoint_id if endpoint_id and port["name"] == port_name(endpoint_id) else None


def is_marked(ids: Mapping[str, str], port: Row | None, *, announced: bool) -> bool:
    """Tell whether an endpoint's interface, by its external_ids, and port carry all that they were attached with.

    What the VRS's agent reads is there only after the VRS was told of the endpoint.
    """
    if not announced:
        return ids.keys() >= _OWN_MARKS
    return ids.keys() >= _INTERFACE_MARKS and (port is None or ids_of(port).keys() >= _PORT_MARKS)


def ids_of(row: Row) -> Mapping[str, str]:
    """Return a row's external_ids."""
    return _map(row["external_ids"])


def _map(value: Value) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else {}  # type: ignore[return-value]
