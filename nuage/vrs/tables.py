"""The columns that this driver uses, and what their numbers mean.

The source of the two Nuage tables is Nuage's public Go SDK for VRS, libvrsdk (``api/entity``, ``ovsdb``); that of the
others is ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from ovs.db.schema import DbSchema

from nuage.ovsdb.client import Monitored
from nuage.ovsdb.errors import SchemaMismatch

DATABASE = "Open_vSwitch"

BRIDGE = "Bridge"
CONTROLLER = "Controller"
OPEN_VSWITCH = "Open_vSwitch"
INTERFACE = "Interface"
PORT = "Port"
NUAGE_PORT = "Nuage_Port_Table"
NUAGE_VM = "Nuage_VM_Table"

#: Keys of an Interface's ``external_ids``. The VRS agent reads the first two, which the Port has too.
VM_UUID = "vm-uuid"
VM_NAME = "vm-name"
ENDPOINT = "nuage-endpoint"
NETWORK = "nuage-network"
CONTAINER = "nuage-container"
RECORD = "nuage-record"
OWNER = "nuage-owner"

#: Keys of a port's ``metadata`` (libvrsdk, port metadata keys).
DOMAIN = "nuage-enterprise-domain"
ZONE = "nuage-enterprise-zone"
SUBNET = "nuage-enterprise-network"
STATIC_IP = "static-ip"
POLICY_GROUP = "nuage-policy-group"
REDIRECTION_TARGET = "nuage-redirection-target"

#: The key of an entity's ``metadata`` that names its organization (libvrsdk, entity metadata keys).
ORGANIZATION = "enterprise"

#: Start of the keys of the bridge's ``external_ids`` under which records are kept; the id follows.
NETWORK_RECORD = "nuage-network-"
ENDPOINT_RECORD = "nuage-endpoint-"
POOL_RECORD = "nuage-pool-"


class Platform(enum.IntEnum):
    """Nuage_Port_Table.vm_domain and Nuage_VM_Table.domain: who runs the entity."""

    DOCKER = 4


class EntityType(enum.IntEnum):
    """Nuage_VM_Table.type."""

    CONTAINER = 4


class Event(enum.IntEnum):
    """Nuage_VM_Table.event: what happened last to the entity."""

    STARTED = 2


class StartedEvent(enum.IntEnum):
    """Nuage_VM_Table.event_type if the event is STARTED."""

    BOOTED = 0


class State(enum.IntEnum):
    """Nuage_VM_Table.state."""

    RUNNING = 1


class RunningReason(enum.IntEnum):
    """Nuage_VM_Table.reason if the state is RUNNING."""

    BOOTED = 1


MONITORED = (
    # Each change by ovs-vsctl increases it.
    Monitored(OPEN_VSWITCH, ("next_cfg",)),
    # Not its ports: nobody reads them, and each change of a long list would cost a millisecond.
    Monitored(BRIDGE, ("name", "external_ids"), indexes=("name",)),
    Monitored(CONTROLLER, ("target", "role", "is_connected")),
    Monitored(PORT, ("name", "interfaces", "external_ids"), indexes=("name",)),
    Monitored(
        INTERFACE,
        ("name", "ofport", "error", "external_ids"),
        indexes=("name", ("external_ids", ENDPOINT), ("external_ids", NETWORK)),
    ),
    Monitored(
        NUAGE_PORT,
        ("name", "mac", "ip_addr", "subnet_mask", "gateway", "vrf_id", "evpn_id", "metadata"),
        indexes=("name", ("metadata", STATIC_IP)),
    ),
    Monitored(NUAGE_VM, ("vm_uuid", "vm_name", "ports", "metadata"), indexes=("vm_uuid", "ports")),
)

#: Small tables: each change of the switch by hand, or of its controllers, changes one of them.
WITNESSES = (OPEN_VSWITCH, CONTROLLER)

#: What is written or waited for: a database without it cannot be used. Columns that are only read may be missing.
_NEEDED = {
    BRIDGE: ("name", "ports", "external_ids"),
    PORT: ("name", "interfaces", "external_ids"),
    INTERFACE: ("name", "ofport", "external_ids"),
    NUAGE_PORT: (
        "name",
        "mac",
        "bridge",
        "vm_domain",
        "nuage_domain",
        "nuage_zone",
        "nuage_network",
        "nuage_network_type",
        "metadata",
    ),
    NUAGE_VM: (
        "vm_uuid",
        "vm_name",
        "type",
        "domain",
        "event",
        "event_type",
        "state",
        "reason",
        "nuage_enterprise",
        "nuage_user",
        "metadata",
        "ports",
    ),
}

#: The column in which the VRS tells how it resolved a port. Nobody needs it with a resolve_timeout of 0.
RESOLVED_ADDRESS = f"{NUAGE_PORT}.ip_addr"


def check_schema(schema: DbSchema) -> None:
    """Make sure that the database is that of a VRS.

    Raises:
        SchemaMismatch: It is not; the message says what is missing.
    """
    tables = [name for name in _NEEDED if name not in schema.tables]
    if tables:
        raise SchemaMismatch(
            f"this database is no VRS: it has no table {' and no table '.join(tables)}. "
            "Is the endpoint a plain Open vSwitch? VrsEndpoint has to name the OVSDB of a Nuage VRS"
        )
    columns = _missing(schema, _NEEDED)
    if columns:
        raise SchemaMismatch(f"this VRS's database has no column {', '.join(columns)}; its release is not supported")


def lacking(schema: DbSchema) -> list[str]:
    """Return those columns that are read, and that this database does not have."""
    return _missing(schema, {monitored.table: monitored.columns for monitored in MONITORED})


def _missing(schema: DbSchema, wanted: Mapping[str, Iterable[str]]) -> list[str]:
    present = {table: schema.tables[table].columns if table in schema.tables else () for table in wanted}
    return [
        f"{table}.{column}" for table, columns in wanted.items() for column in columns if column not in present[table]
    ]
