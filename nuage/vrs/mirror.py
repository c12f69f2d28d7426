"""What the mirrored tables of the VRS say: networks and endpoints instead of rows.

Here nothing is waited for, and nothing is written: :mod:`nuage.vrs.switch` does both. What the daemon was told is not
lost when it ends, because all of it is read from the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from nuage.model import Endpoint, Network
from nuage.names import port_name
from nuage.ovsdb.client import Cache, OvsdbClient, Row
from nuage.vrs import tables
from nuage.vrs.addresses import Addresses, holders, strays
from nuage.vrs.records import Records
from nuage.vrs.views import (
    Attachment,
    Resolution,
    attachment_of,
    ids_of,
    is_master,
    is_ours,
    owner_of,
    policy_of,
    resolution_of,
)

T = TypeVar("T")

#: What to do about a bridge that is not there.
REMEDY = "VrsBridge has to name the bridge of the VRS"


class Mirror:
    """What is known of one bridge of a VRS, and of the endpoints at it.

    Args:
        client: Mirrors the tables that :data:`nuage.vrs.tables.MONITORED` names.
        bridge: Name of the bridge that endpoints are plugged into.
        owner: What tells this plugin from others that use the same switch: the file name of its socket.
    """

    def __init__(self, client: OvsdbClient, bridge: str, owner: str | None = None) -> None:
        self._client = client
        self._bridge = bridge
        self._owner = owner
        self._records = Records()

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return self._bridge

    @property
    def cache(self) -> Cache:
        """The mirrored tables."""
        return self._client.cache

    def network(self, network_id: str) -> Network | None:
        """Return a network that is remembered."""
        ids = self._bridge_ids()
        return self._records.at_bridge(self._bridge, ids, tables.NETWORK_RECORD, network_id, Network.from_record)

    def networks(self) -> Iterator[Network]:
        """Yield the networks that are remembered, without those of other plugins on this switch."""
        yield from (network for network in self._remembered_networks() if not self.is_foreign(network.owner))

    def foreign_networks(self) -> Iterator[Network]:
        """Yield the networks of other plugins on this switch."""
        yield from (network for network in self._remembered_networks() if self.is_foreign(network.owner))

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint that is attached or remembered."""
        interface = self.interface(endpoint_id)
        if interface is not None:
            return self._records.at_interface(interface)
        return self.waiting(endpoint_id)

    def endpoints_of(self, network_id: str) -> list[str]:
        """Return the ids of the network's endpoints, attached or remembered."""
        attached = {
            ids_of(row)[tables.ENDPOINT]
            for row in self.cache[tables.INTERFACE].where("external_ids", network_id, tables.NETWORK)
            if tables.ENDPOINT in ids_of(row)
        }
        return sorted(attached | {each.id for each in self.remembered_endpoints() if each.network_id == network_id})

    def holders(self, network: Network, addresses: Addresses) -> set[str]:
        """Return the ids of the network's endpoints that have one of some addresses, whatever is left of them."""
        return holders(self.cache, self._bridge_ids(), network, addresses)

    def strays(self, network: Network, addresses: Addresses) -> set[str]:
        """Return the ids of endpoints that have one of some addresses where the network is, and whose own is gone."""
        return strays(
            self.cache,
            network,
            addresses,
            is_known=lambda each: self.network(each) is not None,
            is_foreign=self.is_foreign,
        )

    def attachment(self, endpoint_id: str) -> Attachment | None:
        """Return where the endpoint is attached, None if it is not."""
        interface = self.interface(endpoint_id)
        return None if interface is None else self._seen(interface)

    def resolution(self, endpoint_id: str) -> Resolution | None:
        """Return what the VRS resolved the endpoint's port to, None until it has."""
        row = self.nuage_port(endpoint_id)
        return None if row is None else resolution_of(row)

    def announced_policy(self, endpoint_id: str) -> Mapping[str, str]:
        """Return what the VRS was told of the endpoint's policy; see :func:`nuage.vrs.policy.port_metadata`."""
        row = self.nuage_port(endpoint_id)
        return {} if row is None else policy_of(row)

    def has_bridge(self) -> bool:
        """Tell whether the bridge is there, by what was mirrored last."""
        return self.cache[tables.BRIDGE].find("name", self._bridge) is not None

    def bridge_status(self) -> str:
        """Say in one sentence how the bridge does."""
        return f"bridge {self._bridge} is there" if self.has_bridge() else f"the switch has none; {REMEDY}"

    def controller_connected(self) -> bool:
        """Tell whether a controller is there to resolve ports; one is taken for granted if the VRS does not tell."""
        schema = self._client.schema
        if schema is not None and tables.CONTROLLER not in schema.tables:
            return True
        return any(is_master(row) for row in self.cache[tables.CONTROLLER].rows.values())

    def controller_status(self) -> str:
        """Say in one sentence how the controller does."""
        if self.controller_connected():
            return "a controller is connected"
        return "no row of the VRS's table Controller has the role master"

    def interface(self, endpoint_id: str) -> Row | None:
        """Return the endpoint's interface: by its mark or, if that was removed, by that of its port or its entity."""
        interface = self.cache[tables.INTERFACE].find("external_ids", endpoint_id, tables.ENDPOINT)
        if interface is not None:
            return interface
        unmarked = self.unmarked(endpoint_id)
        return unmarked if unmarked is not None and self._is_proven(unmarked, endpoint_id) else None

    def _is_proven(self, interface: Row, endpoint_id: str) -> bool:
        """Tell whether something other than its own marks proves that an interface of this name is the endpoint's."""
        return self.owner_by_port(interface) == endpoint_id or self.entity(endpoint_id) is not None

    def unmarked(self, endpoint_id: str) -> Row | None:
        """Return the interface of the endpoint's name if it names no owner."""
        interface = self.cache[tables.INTERFACE].find("name", port_name(endpoint_id))
        return interface if interface is not None and tables.ENDPOINT not in ids_of(interface) else None

    def owner_by_port(self, interface: Row) -> str | None:
        """Return the endpoint of an interface by the marks of its port, None if those name none."""
        port = self.port_of(interface)
        return None if port is None else owner_of(port)

    def entity(self, endpoint_id: str) -> Row | None:
        """Return the endpoint's row in the VRS's table of entities, if this driver made it."""
        entity = self.cache[tables.NUAGE_VM].find("vm_uuid", endpoint_id)
        return entity if entity is not None and is_ours(entity) else None

    def nuage_port(self, endpoint_id: str) -> Row | None:
        """Return the endpoint's row in the VRS's table of ports."""
        return self.cache[tables.NUAGE_PORT].find("name", port_name(endpoint_id))

    def port_of(self, interface: Row) -> Row | None:
        """Return the port of an interface: ours have the same name."""
        return self.cache[tables.PORT].find("name", interface["name"])

    def waiting(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint that was created and is not joined."""
        ids = self._bridge_ids()
        return self._records.at_bridge(self._bridge, ids, tables.ENDPOINT_RECORD, endpoint_id, Endpoint.from_record)

    def remembered_endpoints(self) -> Iterator[Endpoint]:
        """Yield the endpoints that were created and are not joined, those of other plugins included."""
        yield from self._at_bridge(tables.ENDPOINT_RECORD, self.waiting)

    def is_foreign(self, owner: str | None) -> bool:
        """Tell whether a record is another plugin's. One without an owner, of release 1.0, may be ours."""
        return owner is not None and owner != self._owner

    def _seen(self, interface: Row) -> Attachment:
        return attachment_of(interface, self.port_of(interface))

    def _bridge_ids(self) -> Mapping[str, str]:
        row = self.cache[tables.BRIDGE].find("name", self._bridge)
        return {} if row is None else ids_of(row)

    def _remembered_networks(self) -> Iterator[Network]:
        yield from self._at_bridge(tables.NETWORK_RECORD, self.network)

    def _at_bridge(self, prefix: str, record_of: Callable[[str], T | None]) -> Iterator[T]:
        subjects = [key.removeprefix(prefix) for key in self._bridge_ids() if key.startswith(prefix)]
        yield from (record for record in map(record_of, subjects) if record is not None)
