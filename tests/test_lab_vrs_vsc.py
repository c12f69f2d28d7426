"""The lab's stand-in for VRS and VSC with a real ovsdb-server and a real ovs-vswitchd."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from lab.standin import TOPOLOGY
from lab.vrs.vsc import Settings, Vsc
from lab.vsd.kinds import BY_ENTITY
from lab.vsd.service import Settings as VsdSettings
from lab.vsd.service import Vsd
from nuage.ovsdb.notation import Value
from nuage.ovsdb.operations import Delete, Insert, Update
from nuage.ovsdb.remote import parse_remote
from nuage.ovsdb.results import Inserted
from nuage.vrs import tables
from tests.vrs_support import BRIDGE, Vrs, waiting


class VscTests(TestCase):
    """One switch, and ports whose devices are dummies."""

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        """Start all of it."""
        self.vrs = Vrs()
        self.addCleanup(self.vrs.stop)
        self.client = self.vrs.client(reactor)
        self.client.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.client.stop()))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.topology = Path(self.mktemp())
        shutil.copy(TOPOLOGY, self.topology)
        self.vsd = Vsd(reactor, VsdSettings(topology=self.topology, folder=Path(self.mktemp())))
        self.vsc = Vsc(
            reactor,
            Settings(
                databases={"h1": parse_remote(self.vrs.remote)},
                listen=[f"tcp:{port}:interface=127.0.0.1"],
                delay=0.1,
                bridge=BRIDGE,
                uplink="uplink",
            ),
            self.vsd.activation,
        )
        self.vsc.startService()
        self.addCleanup(self.vsc.stopService)
        controller = ("--", "set-controller", BRIDGE, f"tcp:127.0.0.1:{port}", "--", "set", "controller", BRIDGE)
        self.vrs.vsctl("set", "bridge", BRIDGE, "fail_mode=secure", *controller, "max_backoff=1000")

    async def add(self, name: str, number: int, entity: Mapping[str, Value] | None = None, **columns: Any) -> str:
        """Add a port and its entity to switch and tables; return the uuid of the row of Nuage_Port_Table.

        ``columns`` are those that differ in that row, ``entity`` those of the other.
        """
        self.vrs.vsctl("--no-wait", "add-port", BRIDGE, name)
        port: dict[str, Value] = {
            "name": name,
            "mac": f"7a:42:00:00:00:{number:02x}",
            "bridge": BRIDGE,
            "nuage_domain": "Domain",
            "nuage_zone": "Zone",
            "nuage_network": "Subnet 2",
            "metadata": {"static-ip": f"10.21.59.{number}"},
        }
        owner: dict[str, Value] = {
            "vm_uuid": name * 8,
            "vm_name": name,
            "type": 4,
            "event": 2,
            "state": 1,
            "nuage_enterprise": "Enterprise",
            "nuage_user": "admin",
            "ports": frozenset({name}),
            **(entity or {}),
        }
        inserted, _ = await self.client.transact(
            Insert(tables.NUAGE_PORT, {**port, **columns}), Insert(tables.NUAGE_VM, owner)
        )
        assert isinstance(inserted, Inserted)
        return inserted.uuid

    async def resolved(self, uuid: str, address: str, timeout: float = 20) -> Any:
        """Wait until a port has an address, or none."""
        return await self.client.wait_until(
            tables.NUAGE_PORT, uuid, lambda row: row if row is not None and row["ip_addr"] == address else None, timeout
        )

    def flows_of(self, name: str) -> int:
        """Return the number of flows that name a port."""
        ofport = self.vrs.vsctl("get", "interface", name, "ofport").strip()
        command = ["ovs-appctl", "-t", f"{self.vrs.folder}/ovs-vswitchd.ctl", "bridge/dump-flows", BRIDGE]
        dumped = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
        return sum(f"in_port={ofport}," in line or f"output:{ofport}" in line for line in dumped.splitlines())

    async def test_port_comes_and_goes(self) -> None:
        """A port is resolved when its flows are in the switch; they go with it."""
        uuid = await self.add("p1", 2)
        row = await self.resolved(uuid, "10.21.59.2")
        self.assertEqual((row["subnet_mask"], row["gateway"]), ("255.255.255.0", "10.21.59.1"))
        self.assertEqual((row["vrf_id"], row["evpn_id"]), (2001, 102))
        self.assertGreater(self.flows_of("p1"), 3)
        await self.client.transact(Delete(tables.NUAGE_PORT, [("name", "==", "p1")]))
        await self.soon(lambda: not self.flows_of("p1"))

    async def test_unresolved(self) -> None:
        """A port is resolved once its row names what there is, and not any more when it does not."""
        uuid = await self.add("p1", 2, nuage_zone="Zoen")
        other = await self.add("p2", 3)
        await self.resolved(other, "10.21.59.3")
        self.assertEqual(self.flows_of("p1"), 0)
        await self.client.transact(Update(tables.NUAGE_PORT, [("name", "==", "p1")], {"nuage_zone": "Zone"}))
        await self.resolved(uuid, "10.21.59.2")
        await self.client.transact(Update(tables.NUAGE_PORT, [("name", "==", "p1")], {"nuage_zone": "Zoen"}))
        row = await self.resolved(uuid, "")
        self.assertEqual((row["subnet_mask"], row["gateway"], row["vrf_id"], row["evpn_id"]), ("", "", 0, 0))
        self.assertEqual(self.flows_of("p1"), 0)

    async def test_topology_read_again(self) -> None:
        """A changed topology is taken; one that cannot be used is not."""
        uuid = await self.add("p1", 2, nuage_zone="Later")
        text = self.topology.read_text()
        self.topology.write_text("nonsense")
        self.vsd.reload()
        self.topology.write_text(text.replace("          Zone:\n", "          Later:\n"))
        self.vsd.reload()
        await self.resolved(uuid, "10.21.59.2")

    async def test_changed_by_a_client(self) -> None:
        """What a client of the VSD makes is there for ports, and what it removes is not."""
        directory = self.vsd.directory
        (zone,) = (each for each in directory.below(directory.root, "zones").values() if each.name == "Backend")
        uuid = await self.add("p1", 2, nuage_zone="Backend", nuage_network="New", metadata={"static-ip": "10.9.0.2"})
        other = await self.add("p2", 3)
        await self.resolved(other, "10.21.59.3")
        self.assertEqual(self.client.cache[tables.NUAGE_PORT].rows[uuid]["ip_addr"], "")
        network = {
            "name": "New",
            "address": "10.9.0.0",
            "netmask": "255.255.255.0",
            "gateway": "10.9.0.1",
            "serviceID": 200,
        }
        subnet = directory.add(BY_ENTITY["subnet"], zone, network)
        await self.resolved(uuid, "10.9.0.2")
        directory.remove(subnet)
        await self.resolved(uuid, "")

    async def test_vport(self) -> None:
        """A vPort comes and goes with its port; what is assigned to it is in the switch at once."""
        directory = self.vsd.directory
        uuid = await self.add("p1", 2, metadata={})
        row = await self.resolved(uuid, "10.21.59.2")
        (interface,) = directory.below(directory.root, "containerinterfaces").values()
        self.assertEqual((interface["IPAddress"], interface["MAC"]), (row["ip_addr"], row["mac"]))
        flows = self.flows_of("p1")
        (group,) = (each for each in directory.below(directory.root, "policygroups").values() if each.name == "web")
        assert interface.place is not None
        directory.assign(interface.place, "policygroups", [group])
        await self.soon(lambda: self.flows_of("p1") > flows)
        await self.client.transact(Delete(tables.NUAGE_PORT, [("name", "==", "p1")]))
        await self.soon(lambda: not directory.below(directory.root, "containers"))
        self.assertEqual(self.flows_of("p1"), 0)

    async def test_split(self) -> None:
        """A port of a container that a client has made is resolved to what the container has; a VM may have its own."""
        directory = self.vsd.directory
        uuid = await self.add("p1", 7, entity={"metadata": {"nuage-extension": "true"}}, metadata={}, nuage_domain="")
        vm = await self.add("p2", 8, entity={"type": 0}, metadata={})
        await self.resolved(vm, "10.21.59.2")
        self.assertEqual(self.client.cache[tables.NUAGE_PORT].rows[uuid]["ip_addr"], "")
        (admin,) = (
            each
            for each in directory.below(directory.root, "users").values()
            if each.name == "admin"
            and each.within("enterprise") is directory.named(directory.root, "enterprises", "Acme")
        )
        (subnet,) = (each for each in directory.below(directory.root, "subnets").values() if each["serviceID"] == 106)
        interface = {"MAC": "7a:42:00:00:00:07", "IPAddress": "10.21.59.77", "attachedNetworkID": subnet.id}
        made = {"UUID": "p1" * 8, "name": "made", "interfaces": [interface]}
        self.vsd.attachments.make_container(made, admin)
        row = await self.resolved(uuid, "10.21.59.77")
        self.assertEqual((row["gateway"], row["vrf_id"], row["evpn_id"]), ("10.21.59.254", 2003, 106))

    async def test_lost_database(self) -> None:
        """A host whose database does not answer shows as down."""
        uuid = await self.add("p1", 2)
        await self.resolved(uuid, "10.21.59.2")
        await self.soon(lambda: self.status() == ["UP"])
        self.vrs.end("ovsdb-server")
        await self.soon(lambda: self.status() == ["DOWN"])

    def status(self) -> list[str]:
        """Return the states of the VRSs at the VSD."""
        directory = self.vsd.directory
        return [each["status"] for each in directory.below(directory.root, "vrss").values()]

    async def soon(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        for _ in range(200):
            if condition():
                return
            await waiting(reactor, 0.05)
        self.fail("not within 10 s")

    async def test_lost_controller(self) -> None:
        """While the controller is lost nothing is resolved, and the flows stay; when it is back all is."""
        one = await self.add("p1", 2)
        await self.resolved(one, "10.21.59.2")
        flows = self.flows_of("p1")
        self.vsc.leave()
        other = await self.add("p2", 3)
        await waiting(reactor, 0.5)
        self.assertEqual(self.client.cache[tables.NUAGE_PORT].rows[other]["ip_addr"], "")
        self.assertEqual(self.flows_of("p1"), flows)
        self.vsc.come_back()
        await self.resolved(other, "10.21.59.3")
        self.assertGreater(self.flows_of("p2"), 3)
