"""The lab's schema takes what the public clients of a VRS do with the two Nuage tables.

A client inserts a row, reads it back by its name, changes its metadata or its event, and deletes it; the VRS writes its
answer into the row meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from nuage.ovsdb.errors import ConstraintViolation
from nuage.ovsdb.notation import Value
from nuage.ovsdb.operations import Delete, Insert, Mutate, Select, Update, Where
from nuage.ovsdb.results import Affected, Inserted, Selected
from nuage.vrs import tables
from tests.vrs_support import BRIDGE, Vrs

PORT: Mapping[str, Value] = {
    "name": "port-1",
    "mac": "7a:42:00:00:00:01",
    "bridge": BRIDGE,
    "vm_domain": 4,
    "nuage_domain": "Domain",
    "nuage_zone": "Zone",
    "nuage_network": "Subnet 2",
    "nuage_network_type": "ipv4",
    "metadata": {
        "nuage-enterprise-domain": "Domain",
        "nuage-enterprise-zone": "Zone",
        "nuage-enterprise-network": "Subnet 2",
        "nuage-enterprise-network-type": "ipv4",
        "static-ip": "10.21.59.2",
    },
    "alias": "",
    "dirty": 0,
}
#: What the VRS writes, before it has.
UNRESOLVED: Mapping[str, Value] = {"ip_addr": "", "subnet_mask": "", "gateway": "", "vrf_id": 0, "evpn_id": 0}
ENTITY: Mapping[str, Value] = {
    "vm_uuid": "e" * 64,
    "vm_name": "web",
    "type": 4,
    "domain": 4,
    "event": 2,
    "event_type": 0,
    "state": 1,
    "reason": 1,
    "nuage_enterprise": "Enterprise",
    "nuage_user": "admin",
    "metadata": {"enterprise": "Enterprise", "nuage-siteID": "site-1"},
    "ports": frozenset({"port-1", "port-2"}),
    "dirty": 0,
}
NAMED: Where = [("name", "==", "port-1")]
OF_ENTITY: Where = [("vm_uuid", "==", "e" * 64)]


class SchemaTests(TestCase):
    """Each test has a database of its own."""

    timeout = 60

    def setUp(self) -> None:
        """Start the database, and connect to it."""
        vrs = Vrs()
        self.addCleanup(vrs.stop)
        self.client = vrs.client(reactor)
        self.client.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.client.stop()))

    async def insert(self, table: str, row: Mapping[str, Value]) -> str:
        """Insert a row; return its uuid."""
        (inserted,) = await self.client.transact(Insert(table, row))
        assert isinstance(inserted, Inserted)
        return inserted.uuid

    async def read(self, table: str, where: Where, columns: Mapping[str, Value]) -> list[dict[str, Any]]:
        """Return those columns of the rows that are found."""
        (selected,) = await self.client.transact(Select(table, where, tuple(columns)))
        assert isinstance(selected, Selected)
        return [dict(row) for row in selected.rows]

    async def update(self, table: str, where: Where, **row: Value) -> int:
        """Overwrite columns; return in how many rows."""
        (updated,) = await self.client.transact(Update(table, where, row))
        assert isinstance(updated, Affected)
        return updated.count

    async def delete(self, table: str, where: Where) -> int:
        """Delete rows; return how many."""
        (deleted,) = await self.client.transact(Delete(table, where))
        assert isinstance(deleted, Affected)
        return deleted.count

    async def test_port(self) -> None:
        """A port is inserted, read back, resolved, changed, and deleted."""
        await self.insert(tables.NUAGE_PORT, PORT)
        everything = {**PORT, **UNRESOLVED}
        self.assertEqual(await self.read(tables.NUAGE_PORT, NAMED, everything), [everything])
        answer: dict[str, Value] = {
            "ip_addr": "10.21.59.2",
            "subnet_mask": "255.255.255.0",
            "gateway": "10.21.59.1",
            "vrf_id": 2001,
            "evpn_id": 102,
        }
        self.assertEqual(await self.update(tables.NUAGE_PORT, NAMED, **answer), 1)
        self.assertEqual(await self.read(tables.NUAGE_PORT, NAMED, everything), [{**PORT, **answer}])
        metadata = {"nuage-policy-group": "web", "nuage-redirection-target": "firewall"}
        self.assertEqual(await self.update(tables.NUAGE_PORT, NAMED, metadata=metadata), 1)
        # All of the map is replaced, and nothing else of the row.
        self.assertEqual(
            await self.read(tables.NUAGE_PORT, NAMED, everything), [{**PORT, **answer, "metadata": metadata}]
        )
        self.assertEqual(await self.delete(tables.NUAGE_PORT, NAMED), 1)
        self.assertEqual(await self.read(tables.NUAGE_PORT, NAMED, everything), [])

    async def test_entity(self) -> None:
        """An entity is inserted, read back, told of events, changed, and deleted."""
        await self.insert(tables.NUAGE_VM, ENTITY)
        self.assertEqual(await self.read(tables.NUAGE_VM, OF_ENTITY, ENTITY), [ENTITY])
        stopped: dict[str, Value] = {"event": 5, "event_type": 0, "state": 4, "reason": 1}
        self.assertEqual(await self.update(tables.NUAGE_VM, OF_ENTITY, **stopped), 1)
        self.assertEqual(await self.read(tables.NUAGE_VM, OF_ENTITY, ENTITY), [{**ENTITY, **stopped}])
        metadata = {"enterprise": "Enterprise", "nuage-orchestrationID": "job-7"}
        await self.update(tables.NUAGE_VM, OF_ENTITY, metadata=metadata, ports=frozenset({"port-3"}))
        changed = {**ENTITY, **stopped, "metadata": metadata, "ports": frozenset({"port-3"})}
        self.assertEqual(await self.read(tables.NUAGE_VM, OF_ENTITY, ENTITY), [changed])
        self.assertEqual(await self.delete(tables.NUAGE_VM, OF_ENTITY), 1)
        self.assertEqual(await self.read(tables.NUAGE_VM, OF_ENTITY, ENTITY), [])

    async def test_ports_of_an_entity(self) -> None:
        """The set gains and loses a port, and may be empty."""
        await self.insert(tables.NUAGE_VM, {**ENTITY, "ports": frozenset()})
        for mutator, expected in (("insert", frozenset({"port-1"})), ("delete", frozenset())):
            mutation = ("ports", mutator, frozenset({"port-1"}))
            await self.client.transact(Mutate(tables.NUAGE_VM, OF_ENTITY, [mutation]))
            self.assertEqual(await self.read(tables.NUAGE_VM, OF_ENTITY, {"ports": ""}), [{"ports": expected}])

    async def test_names_are_unique(self) -> None:
        """No second port has a port's name, no second entity an entity's id; of the refused one nothing is there."""
        for table, row, other in (
            (tables.NUAGE_PORT, PORT, {"mac": "7a:42:00:00:00:02"}),
            (tables.NUAGE_VM, ENTITY, {"vm_name": "db"}),
        ):
            uuid = await self.insert(table, row)
            with self.assertRaises(ConstraintViolation):
                await self.insert(table, {**row, **other})
            self.assertEqual(await self.read(table, [], {"_uuid": ""}), [{"_uuid": uuid}])

    async def test_rows_stay(self) -> None:
        """Both are roots: a row stays though nothing refers to it, an entity outlives the port that it names."""
        await self.insert(tables.NUAGE_PORT, PORT)
        await self.insert(tables.NUAGE_VM, ENTITY)
        await self.delete(tables.NUAGE_PORT, NAMED)
        self.assertEqual(await self.read(tables.NUAGE_VM, OF_ENTITY, ENTITY), [ENTITY])
