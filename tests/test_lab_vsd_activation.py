"""What the lab's VSD makes of the ports that a VRS's database names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from lab.vrs.resolution import EntityRow, Outcome, PortRow, Resolved, Unresolved
from lab.vsd.directory import Change, Thing
from tests.vsd_support import VsdTestCase, mac

PORT = PortRow(
    host="h1",
    name="nu1",
    mac=mac(1),
    ofport=3,
    domain="Domain",
    zone="Zone",
    subnet="Subnet 2",
    metadata={"static-ip": "10.21.59.2"},
)
ENTITY = EntityRow(uuid="1" * 64, name="web", organization="Enterprise", user="admin", running=True)
SPLIT = {"nuage-extension": "true"}
WEB = {"nuage-policy-group": "web"}

Row = tuple[PortRow, EntityRow | None]


def row(number: int = 1, address: str = "", host: str = "h1", entity: Any = None, **changes: Any) -> Row:
    """Return the rows of a port; without an address it has no static-ip. ``entity`` has what differs there."""
    changes.setdefault("metadata", {"static-ip": address} if address else {})
    port = attrs.evolve(PORT, host=host, name=f"nu{number}", mac=mac(number), **changes)
    return port, attrs.evolve(ENTITY, **{"uuid": f"{number:064x}", "name": f"c{number}", **(entity or {})})


class ActivationTestCase(VsdTestCase):
    """Rows and what becomes of them."""

    settings: Mapping[str, Any] = {"hosts": {"h1": "192.0.2.11", "h2": "192.0.2.12"}}

    def outcomes(self, *rows: Row) -> list[Outcome]:
        """Return what becomes of ports, all that there are, in their order."""
        found = self.vsd.activation.resolve(rows)
        return [found[port.key] for port, _ in rows]

    def resolved(self, port: PortRow = PORT, entity: EntityRow | None = ENTITY, *others: Row) -> Resolved:
        """Return to what a port is resolved."""
        outcome = self.outcomes(*others, (port, entity))[-1]
        assert isinstance(outcome, Resolved), outcome
        return outcome

    def reason(self, port: PortRow = PORT, entity: EntityRow | None = ENTITY, *others: Row) -> str:
        """Return why a port is not resolved."""
        outcome = self.outcomes(*others, (port, entity))[-1]
        assert isinstance(outcome, Unresolved), outcome
        return outcome.reason

    def listed(self, path: str) -> list[dict[str, Any]]:
        """Return what a client is shown."""
        found = self.done("GET", path)
        assert isinstance(found, list)
        return found

    def only(self, path: str) -> dict[str, Any]:
        """Return the only object that a client is shown."""
        (found,) = self.listed(path)
        return found

    def nothing_left(self) -> None:
        """Assert that no container and no vPort is there, and that the address is free."""
        for path in ("containers", "containerinterfaces", "vminterfaces", f"subnets/{self.subnet.id}/vports"):
            self.assertEqual(self.listed(path), [], path)
        self.assertIsNone(self.vsd.addresses.holder(self.subnet, "10.21.59.2"))

    def group(self, name: str) -> Thing:
        """Return a policy group of Domain."""
        return self.thing("Enterprise", "Domain", name)

    def put_into(self, *names: str) -> None:
        """Put the only vPort into policy groups, as an administrator does."""
        vport = self.only(f"subnets/{self.subnet.id}/vports")
        self.done("PUT", f"vports/{vport['ID']}/policygroups", [self.group(name).id for name in names])


class NamesTests(ActivationTestCase):
    """What rows name has to be there."""

    def test_l3_domain(self) -> None:
        """A port of an L3 domain gets its address, mask, gateway and ids."""
        resolved = self.resolved()
        self.assertEqual(
            (resolved.ip, resolved.mask, resolved.gateway, resolved.vrf_id, resolved.evpn_id, resolved.groups),
            ("10.21.59.2", "255.255.255.0", "10.21.59.1", 2001, 102, frozenset()),
        )

    def test_l2_domain(self) -> None:
        """A port of an L2 domain has no gateway and no vrf."""
        port = attrs.evolve(PORT, domain="Flat", zone="", subnet="", metadata={"static-ip": "10.21.61.9"})
        resolved = self.resolved(port)
        self.assertEqual((resolved.ip, resolved.gateway, resolved.vrf_id, resolved.evpn_id), ("10.21.61.9", "", 0, 105))

    def test_same_names_elsewhere(self) -> None:
        """The organization decides, where names and addresses are the same."""
        self.assertEqual(self.resolved(PORT, attrs.evolve(ENTITY, organization="Acme")).evpn_id, 106)

    def test_reasons(self) -> None:
        """Each thing that is not there is named, with the nearest one that is; nothing is made meanwhile."""
        made: list[Change] = []
        self.vsd.directory.watch(made.append)
        for differs, reason in (
            ({"domain": "Domian"}, 'no domain "Domian" in organization "Enterprise"; did you mean "Domain"?'),
            ({"zone": "Zoen"}, 'no zone "Zoen" in domain "Domain"; did you mean "Zone"?'),
            ({"subnet": "Subnet 3"}, 'no subnet "Subnet 3" in zone "Zone" of domain "Domain"; did you mean'),
            ({"domain": "Flat"}, '"Flat" is an L2 domain, which has neither zone nor subnet'),
            ({"ofport": None}, "the switch has not opened it"),
            ({"mac": "x"}, '"x" is not a unicast MAC'),
            ({"mac": "01:00:00:00:00:01"}, "is not a unicast MAC"),
            ({"metadata": {"static-ip": "x"}}, '"x" is not an IPv4 address'),
            ({"metadata": {"static-ip": "10.21.60.2"}}, "10.21.60.2 is not an address for a machine in 10.21.59.0/24"),
            ({"metadata": {"static-ip": "10.21.59.255"}}, "10.21.59.255 is not an address for a machine"),
            ({"metadata": {"static-ip": "10.21.59.1"}}, "10.21.59.1 cannot be used: it is the gateway's"),
            (
                {"metadata": {**PORT.metadata, "nuage-policy-group": "wbe"}},
                'no policy group "wbe" in domain "Domain"; did',
            ),
            ({"metadata": {**PORT.metadata, "nuage-redirection-target": "x"}}, 'no redirection target "x" in domain'),
        ):
            self.assertIn(reason, self.reason(attrs.evolve(PORT, **differs)))
        self.assertEqual([each for each in made if not each.thing.is_a("vrs")], [])

    def test_entity(self) -> None:
        """The entity has to be there, be started, and be of a user of an organization who may use the subnet."""
        for entity, reason in (
            (None, "no entity names it as its port"),
            (attrs.evolve(ENTITY, running=False), "its entity is not started"),
            (
                attrs.evolve(ENTITY, organization="Enterprize"),
                'no organization "Enterprize"; did you mean "Enterprise"?',
            ),
            (attrs.evolve(ENTITY, organization="CSP"), "is the provider"),
            (attrs.evolve(ENTITY, user="root"), 'no user "root" in organization "Enterprise"'),
        ):
            self.assertIn(reason, self.reason(PORT, entity))
            self.nothing_left()
        zone, admin = self.thing("Enterprise", "Domain", "Zone"), self.thing("Enterprise", "admin")
        permission = {"permittedAction": "READ", "permittedEntityID": admin.id}
        self.done("POST", f"zones/{zone.id}/permissions", permission)
        self.assertIn('"admin" may not USE', self.reason())
        self.done("PUT", f"users/{admin.id}", {"disabled": True})
        self.assertIn('user "admin" is disabled', self.reason())

    def test_first_come(self) -> None:
        """Of two ports that want one address, the one that has it keeps it, wherever it stands."""
        other = row(2, "10.21.59.2", "h2")
        self.resolved()
        reason = '10.21.59.2 cannot be used: container "web" has it'
        self.assertIn(reason, self.reason(*other, (PORT, ENTITY)))
        # The plugin's MAC follows from the address, so it is the same one too.
        self.assertIn(reason, self.reason(attrs.evolve(other[0], mac=PORT.mac), other[1], (PORT, ENTITY)))
        self.outcomes()
        # After a start of the stand-in, which forgets who had it, the rows tell.
        thief, holder = self.outcomes(other, (attrs.evolve(PORT, ip_addr="10.21.59.2"), ENTITY))
        self.assertIsInstance(thief, Unresolved)
        self.assertIsInstance(holder, Resolved)
        self.resolved(*other)

    def test_same_mac(self) -> None:
        """Two ports of a subnet cannot have one MAC; of two subnets, they can."""
        other = attrs.evolve(row(2, "10.21.59.3")[0], mac=PORT.mac), row(2)[1]
        self.assertIn(f"has MAC {PORT.mac} already", self.reason(*other, (PORT, ENTITY)))
        self.resolved(attrs.evolve(other[0], subnet="Subnet 1", metadata={}), other[1], (PORT, ENTITY))


class ShownTests(ActivationTestCase):
    """A container that comes in through a VRS shows at the API."""

    def test_container(self) -> None:
        """It has its name, address, MAC, host and state, at a vPort, and all of it goes with it."""
        admin = self.thing("Enterprise", "admin")
        for _ in range(2):
            self.resolved(attrs.evolve(PORT, metadata={**PORT.metadata, **WEB, "nuage-redirection-target": "firewall"}))
            container = self.only("containers")
            interface = self.only(f"containers/{container['ID']}/containerinterfaces")
            vport = self.only(f"subnets/{self.subnet.id}/vports")
            host = self.only(f"vrss/{container['VRSID']}")
            self.assertEqual(container["interfaces"], [interface])
            self.assertEqual(
                [container[name] for name in ("name", "UUID", "status", "hypervisorIP", "userID", "enterpriseName")],
                ["web", ENTITY.uuid, "RUNNING", "192.0.2.11", admin.id, "Enterprise"],
            )
            self.assertEqual((host["name"], host["address"], host["status"]), ("h1", "192.0.2.11", "UP"))
            self.assertEqual(
                [interface[name] for name in ("IPAddress", "MAC", "VPortID", "networkName", "endpointID")],
                ["10.21.59.2", PORT.mac, vport["ID"], "Subnet 2", ENTITY.uuid],
            )
            self.assertEqual(
                [vport[name] for name in ("name", "type", "operationalState", "hasAttachedInterfaces")],
                ["nu1", "CONTAINER", "UP", True],
            )
            for resource, name in (("policygroups", "web"), ("redirectiontargets", "firewall")):
                self.assertEqual(self.only(f"vports/{vport['ID']}/{resource}")["name"], name)
            self.outcomes()
            self.nothing_left()

    def test_what_changes(self) -> None:
        """Another name is taken over; with another MAC, address, place or owner it is another vPort."""
        self.resolved()
        container = self.only("containers")["ID"]
        self.resolved(PORT, attrs.evolve(ENTITY, name="new", metadata={"nuage-orchestrationID": "task"}))
        self.assertEqual((self.only("containers")["ID"], self.only("containers")["name"]), (container, "new"))
        for port in (
            attrs.evolve(PORT, mac=mac(9), metadata={}),
            attrs.evolve(PORT, metadata={"static-ip": "10.21.59.3"}),
            attrs.evolve(PORT, subnet="Subnet 1", metadata={}),
        ):
            before = self.only("containerinterfaces")
            resolved = self.resolved(port)
            after = self.only("containerinterfaces")
            self.assertNotEqual(before["VPortID"], after["VPortID"])
            self.assertEqual((after["IPAddress"], after["MAC"]), (resolved.ip, port.mac))
        self.resolved(port, attrs.evolve(ENTITY, user="developer"))
        self.assertEqual(self.only("containers")["userName"], "developer")

    def test_two_interfaces(self) -> None:
        """An entity with two ports is one container with two interfaces, and stays until both are gone."""
        one, two = (PORT, ENTITY), (row(2, "10.21.59.3")[0], ENTITY)
        self.outcomes(one, two)
        self.assertEqual(len(self.only("containers")["interfaces"]), 2)
        self.outcomes(two)
        self.assertEqual([each["IPAddress"] for each in self.only("containers")["interfaces"]], ["10.21.59.3"])
        self.outcomes()
        self.nothing_left()

    def test_same_uuid(self) -> None:
        """A UUID that runs on another host already, or that a client has used, is not resolved."""
        self.resolved()
        other = attrs.evolve(row(2, "10.21.59.3", "h2")[0]), ENTITY
        self.assertIn("runs on another host", self.reason(*other, (PORT, ENTITY)))
        self.outcomes()
        self.done("POST", "containers", self.container(1))
        self.assertIn("lacks nuage-extension", self.reason(*row(1)))

    def test_vm(self) -> None:
        """A VM has an interface and a vPort too."""
        port, entity = row(entity={"is_vm": True})
        assert entity is not None
        self.assertEqual(self.resolved(port, entity).ip, "10.21.59.2")
        self.assertEqual(self.listed("containers"), [])
        interface = self.only("vminterfaces")
        self.assertEqual((interface["IPAddress"], interface["VMUUID"]), ("10.21.59.2", entity.uuid))
        vport = self.only(f"subnets/{self.subnet.id}/vports")
        self.assertEqual((vport["type"], vport["operationalState"]), ("VM", "UP"))
        self.outcomes()
        self.nothing_left()

    def test_deleted_by_a_client(self) -> None:
        """A container that runs comes back at once, with another vPort; one whose subnet is gone does not."""
        self.resolved()
        container = self.only("containers")
        self.done("DELETE", f"containers/{container['ID']}?responseChoice=1")
        self.nothing_left()
        self.resolved()
        self.assertNotEqual(self.only("containers")["ID"], container["ID"])
        self.vsd.directory.remove(self.subnet)
        self.assertIn('no subnet "Subnet 2"', self.reason())
        self.assertEqual(self.listed("containers"), [])

    def test_lost_host(self) -> None:
        """What runs on a host that does not answer is unreachable after a while, and gone after a longer one."""
        heard: list[int] = []
        self.vsd.activation.watch(lambda: heard.append(1))
        self.resolved()
        for seconds, status, host in ((0, "RUNNING", "DOWN"), (3600, "RUNNING", "DOWN"), (1, "UNREACHABLE", "DOWN")):
            self.clock.advance(seconds)
            self.vsd.activation.note_hosts({"h1": False, "h2": True})
            self.resolved()
            self.assertEqual(self.only("containers")["status"], status)
            self.assertEqual([each["status"] for each in self.listed("vrss")], [host, "UP"])
        self.clock.advance(3600)
        self.vsd.activation.note_hosts({"h1": False, "h2": True})
        self.key = self.log_in()
        self.assertIn("has not answered for too long", self.reason())
        self.nothing_left()
        self.vsd.activation.note_hosts({"h1": True, "h2": True})
        self.resolved()
        self.assertEqual(self.only("containers")["status"], "RUNNING")
        # Both hosts for the first time, unreachable, gone, back.
        self.assertEqual(len(heard), 4)

    def test_hears(self) -> None:
        """The controller hears of what clients change, and not of what it brought about itself."""
        heard: list[int] = []
        self.vsd.activation.watch(lambda: heard.append(1))
        self.resolved()
        self.outcomes()
        self.assertEqual(heard, [])
        self.done("POST", f"domains/{self.thing('Acme', 'Domain').id}/policygroups", {"name": "g", "type": "SOFTWARE"})
        self.assertEqual(heard, [1])


class AddressTests(ActivationTestCase):
    """Ports without a static-ip have their addresses chosen."""

    def test_chosen(self) -> None:
        """Outside of VMs, reservations, the gateway and other ports, and always the same one."""
        vport = self.done("POST", f"subnets/{self.subnet.id}/vports", {"name": "v", "type": "VM"})
        machine = {"MAC": mac(99), "IPAddress": "10.21.59.2", "VMUUID": "vm"}
        self.done("POST", f"vports/{vport['ID']}/vminterfaces", machine)
        self.done("POST", f"subnets/{self.subnet.id}/vmipreservations", {"IPV4Address": "10.21.59.3"})
        bound = {"IPAddress": "10.21.59.4", "MAC": mac(5)}
        self.done("POST", f"subnets/{self.subnet.id}/ipreservations", bound)
        rows = [row(1, "10.21.59.6"), row(2), row(3, host="h2"), row(4, entity={"is_vm": True}), row(5)]
        for _ in range(2):
            found = [outcome.ip for outcome in self.outcomes(*rows) if isinstance(outcome, Resolved)]
            # The address that is bound to a MAC is chosen for that one.
            self.assertEqual(found, [f"10.21.59.{each}" for each in (6, 5, 7, 8, 4)])

    def test_ranges(self) -> None:
        """Chosen in the subnet's ranges, until none is left; a static-ip may lie outside of them."""
        bounds = {"minAddress": "10.21.59.100", "maxAddress": "10.21.59.101"}
        self.done("POST", f"subnets/{self.subnet.id}/addressranges", bounds)
        rows = [row(1), row(2), row(3, "10.21.59.9")]
        found = [outcome.ip for outcome in self.outcomes(*rows) if isinstance(outcome, Resolved)]
        self.assertEqual(found, ["10.21.59.100", "10.21.59.101", "10.21.59.9"])
        self.assertIn('No address of "Subnet 2"', self.reason(*row(4), *rows))
        self.assertEqual(self.resolved(*row(4), *rows[1:]).ip, "10.21.59.100")

    def test_kept(self) -> None:
        """After a start of the stand-in, which forgets what it chose, a port keeps its address if that is free."""
        self.assertEqual(self.resolved(*row(1, ip_addr="10.21.59.77")).ip, "10.21.59.77")
        self.assertEqual(self.resolved(*row(2, ip_addr="10.21.59.77"), row(1)).ip, "10.21.59.2")
        self.assertEqual(self.resolved(*row(3, ip_addr="10.9.9.9"), row(1)).ip, "10.21.59.2")

    def test_reservation(self) -> None:
        """A reserved address says whether a port has it."""
        path = f"subnets/{self.subnet.id}/vmipreservations"
        self.done("POST", path, {"IPV4Address": "10.21.59.2"})
        for rows, state in (((), "UNASSIGNED"), (((PORT, ENTITY),), "ASSIGNED"), ((), "UNASSIGNED")):
            self.outcomes(*rows)
            self.assertEqual(self.only(path)["state"], state)

    def test_taken_by_a_vm(self) -> None:
        """Who has an address first keeps it, be it a VM that a client made or a container."""
        vport = self.done("POST", f"subnets/{self.subnet.id}/vports", {"name": "v", "type": "VM"})
        machine = {"MAC": mac(99), "IPAddress": "10.21.59.2", "VMUUID": "vm"}
        self.resolved()
        self.assertEqual(self.refused("POST", f"vports/{vport['ID']}/vminterfaces", machine).code, 2704)
        self.outcomes()
        made = self.done("POST", f"vports/{vport['ID']}/vminterfaces", machine)
        self.assertIn('10.21.59.2 cannot be used: vport "v" has it', self.reason())
        self.done("DELETE", f"vminterfaces/{made['ID']}")
        self.resolved()

    def test_changed_by_a_client(self) -> None:
        """Another gateway of the subnet, or another address of the interface, is what the port is resolved to."""
        self.resolved()
        self.done("PUT", f"subnets/{self.subnet.id}", {"gateway": "10.21.59.254"})
        self.assertEqual(self.resolved().gateway, "10.21.59.254")
        self.done("PUT", f"containerinterfaces/{self.only('containerinterfaces')['ID']}", {"IPAddress": "10.21.59.9"})
        self.assertEqual(self.resolved().ip, "10.21.59.9")

    def test_renamed_by_a_client(self) -> None:
        """A port stays where it is when that gets another name; the next one has to name it so."""
        self.resolved()
        self.done("PUT", f"subnets/{self.subnet.id}", {"name": "Renamed"})
        self.done("PUT", f"users/{self.thing('Enterprise', 'admin').id}", {"disabled": True})
        self.assertEqual(self.resolved().evpn_id, 102)
        self.assertEqual(self.only("containerinterfaces")["networkName"], "Renamed")
        self.outcomes()
        self.assertIn('no subnet "Subnet 2"', self.reason(PORT, attrs.evolve(ENTITY, user="developer")))


class SplitTests(ActivationTestCase):
    """A client makes the container first."""

    def setUp(self) -> None:
        """Make one, and name the row that follows."""
        super().setUp()
        self.made = self.done("POST", "containers", self.container(1, IPAddress="10.21.59.7"))
        nowhere = {"domain": "", "zone": "", "subnet": ""}
        self.row = row(1, **nowhere, entity={"organization": "", "user": "", "metadata": SPLIT, "name": "docker"})

    def test_resolved(self) -> None:
        """The row gets what the container says, whatever place it names itself; the container says where it runs."""
        port, entity = self.row
        assert entity is not None
        self.assertEqual(self.made["status"], "INIT")
        for each in (port, attrs.evolve(port, domain="Wrong", metadata={"static-ip": "10.21.59.99"})):
            resolved = self.resolved(each, entity)
            self.assertEqual((resolved.ip, resolved.gateway, resolved.evpn_id), ("10.21.59.7", "10.21.59.1", 102))
        container = self.only("containers")
        self.assertEqual((container["ID"], container["name"]), (self.made["ID"], "c1"))
        self.assertEqual((container["status"], container["hypervisorIP"]), ("RUNNING", "192.0.2.11"))
        self.assertEqual(self.only(f"subnets/{self.subnet.id}/vports")["operationalState"], "UP")

    def test_stays(self) -> None:
        """The container stays when its port goes, with its address, and can run again elsewhere."""
        self.resolved(*self.row)
        self.outcomes()
        container = self.only("containers")
        self.assertEqual((container["status"], container["VRSID"]), ("SHUTDOWN", None))
        self.assertEqual(self.only(f"subnets/{self.subnet.id}/vports")["operationalState"], "DOWN")
        port, entity = self.row
        self.assertEqual(self.resolved(attrs.evolve(port, host="h2"), entity).ip, "10.21.59.7")
        self.assertEqual(self.only("containers")["hypervisorIP"], "192.0.2.12")

    def test_deleted(self) -> None:
        """A port whose container a client deletes is resolved no more."""
        self.resolved(*self.row)
        self.done("DELETE", f"containers/{self.made['ID']}?responseChoice=1")
        self.assertIn("no client of the VSD has made a container with UUID 0", self.reason(*self.row))
        self.nothing_left()

    def test_unknown(self) -> None:
        """A UUID or a MAC that no client has named is not resolved."""
        port, entity = self.row
        assert entity is not None
        self.assertIn(
            f'container "c1" has no interface with MAC {mac(2)}, but {mac(1)}',
            self.reason(attrs.evolve(port, mac=mac(2)), entity),
        )
        self.assertIn("no client of the VSD", self.reason(port, attrs.evolve(entity, uuid="f" * 64)))
        # One that came in through a VRS was made by no client.
        self.assertIn(
            "no client of the VSD",
            self.reason(attrs.evolve(port, mac=mac(9)), attrs.evolve(entity, uuid=f"{5:064x}"), row(5)),
        )

    def test_twice(self) -> None:
        """The port that came first has the interface; the other one gets it afterwards."""
        port, entity = self.row
        other = attrs.evolve(port, host="h2"), entity
        self.resolved(*self.row)
        self.assertIn("is that of port nu1 of h1", self.reason(*other, self.row))
        self.resolved(*other)

    def test_policy_groups(self) -> None:
        """Groups that the client assigned before stay; without any, those of the metadata are assigned."""
        port, entity = self.row
        grouped = attrs.evolve(port, metadata={"nuage-policy-group": "web"})
        self.assertEqual(self.resolved(grouped, entity).groups, {"web"})
        self.outcomes()
        self.put_into("db", "quarantine")
        for each in (port, grouped):
            self.assertEqual(self.resolved(each, entity).groups, {"db", "quarantine"})

    def test_old_sdk(self) -> None:
        """It goes the way of nuage-libnetwork too: the address is chosen by the VSD, the name comes later."""
        made = self.done("POST", "containers", self.container(2))
        port, entity = row(2, entity={"metadata": SPLIT})
        self.assertEqual(self.resolved(port, entity).ip, made["interfaces"][0]["IPAddress"])
        self.done("PUT", f"containers/{made['ID']}", {"name": "renamed"})
        self.resolved(port, entity)
        self.assertEqual(self.done("GET", f"containers/{made['ID']}")[0]["name"], "renamed")


class PolicyTests(ActivationTestCase):
    """Policy groups, of the metadata and of administrators, and rules."""

    port = attrs.evolve(PORT, metadata={**PORT.metadata, **WEB})

    def groups(self, port: PortRow) -> set[str]:
        """Return the groups that a port is in."""
        return set(self.resolved(port).groups)

    def test_metadata(self) -> None:
        """The group of the metadata is there at the start, and follows them."""
        for metadata, groups in (
            (WEB, {"web"}),
            ({"nuage-policy-group": "db"}, {"db"}),
            ({}, set()),
            (WEB, {"web"}),
        ):
            port = attrs.evolve(PORT, metadata={**PORT.metadata, **metadata})
            self.assertEqual(self.groups(port), groups)
        self.assertIn("no policy group", self.reason(attrs.evolve(port, metadata={"nuage-policy-group": "x"})))

    def test_administrator(self) -> None:
        """What an administrator assigns replaces the set, whatever the metadata say then, until the port goes."""
        self.groups(self.port)
        self.put_into("db", "quarantine")
        self.assertEqual(self.groups(self.port), {"db", "quarantine"})
        unknown = attrs.evolve(PORT, metadata={**PORT.metadata, "nuage-policy-group": "x"})
        self.assertEqual(self.groups(unknown), {"db", "quarantine"})
        self.put_into()
        self.assertEqual(self.groups(self.port), set())
        vport = self.only(f"subnets/{self.subnet.id}/vports")
        self.done("PUT", f"policygroups/{self.group('quarantine').id}/vports", [vport["ID"]])
        self.assertEqual(self.groups(self.port), {"quarantine"})
        self.done("PUT", f"policygroups/{self.group('quarantine').id}/vports", [])
        self.assertEqual(self.groups(self.port), set())
        self.outcomes()
        self.assertEqual(self.groups(self.port), {"web"})

    def test_group_made_later(self) -> None:
        """A port whose group is made is resolved then; one whose group the topology loses is not any more."""
        port = attrs.evolve(PORT, metadata={**PORT.metadata, "nuage-policy-group": "late"})
        self.reason(port)
        domain = self.thing("Enterprise", "Domain")
        self.done("POST", f"domains/{domain.id}/policygroups", {"name": "late", "type": "SOFTWARE"})
        self.assertEqual(self.groups(port), {"late"})
        self.vsd.directory.remove(self.group("late"))
        heard: list[int] = []
        self.vsd.activation.watch(lambda: heard.append(1))
        self.assertIn('no policy group "late"', self.reason(port))
        self.nothing_left()
        # Another port may have waited for its address.
        self.assertEqual(heard, [1])

    def traffic(self, one: str, other: str, version: int = 4) -> set[str] | None:
        """Return the protocols that two groups of Domain may exchange over a version of IP, None for all."""
        found = self.resolved(self.port).domain.traffic({one} - {""}, {other} - {""}, version=version)
        return None if found is None else set(found)

    def entry(self, acl: dict[str, Any], one: str, other: str, **more: Any) -> dict[str, Any]:
        """Make a rule."""
        entry: dict[str, Any] = {"action": "FORWARD", "etherType": "0x0800", **more}
        for side, name in (("location", one), ("network", other)):
            entry[f"{side}Type"] = "POLICYGROUP" if name else "ANY"
            entry[f"{side}ID"] = self.group(name).id if name else None
        made = self.done("POST", f"ingressacltemplates/{acl['ID']}/ingressaclentrytemplates", entry)
        assert isinstance(made, dict)
        return made

    def test_rules(self) -> None:
        """A rule that a client makes is there at once, as long as its ACL is active."""
        domain = self.thing("Enterprise", "Domain")
        acl = self.done("POST", f"domains/{domain.id}/ingressacltemplates", {"name": "a", "active": True})
        self.assertEqual(self.traffic("db", "quarantine"), set())
        entry = self.entry(acl, "quarantine", "db", protocol="6")
        self.assertEqual(self.traffic("db", "quarantine"), {"tcp"})
        self.done("PUT", f"ingressaclentrytemplates/{entry['ID']}", {"protocol": "17"})
        self.assertEqual(self.traffic("db", "quarantine"), {"udp"})
        self.assertEqual(self.traffic("web", "db"), {"icmp", "tcp"})
        self.entry(acl, "quarantine", "")
        self.assertEqual([self.traffic("quarantine", other) for other in ("db", "", "web", "quarantine")], [None] * 4)
        self.done("PUT", f"ingressacltemplates/{acl['ID']}", {"active": False})
        self.assertEqual(self.traffic("db", "quarantine"), set())
        self.assertEqual(len(self.listed(f"domains/{domain.id}/ingressaclentrytemplates")), 2)

    def test_rules_of_ipv6(self) -> None:
        """A rule is about the version of IP that its etherType names, and no other."""
        domain = self.thing("Enterprise", "Domain")
        acl = self.done("POST", f"domains/{domain.id}/ingressacltemplates", {"name": "a", "active": True})
        entry = self.entry(acl, "quarantine", "db", etherType="0x86DD", protocol="58")
        self.assertEqual([self.traffic("db", "quarantine", version) for version in (4, 6)], [set(), {"icmp"}])
        self.entry(acl, "quarantine", "db", protocol="6")
        self.assertEqual([self.traffic("db", "quarantine", version) for version in (4, 6)], [{"tcp"}, {"icmp"}])
        self.done("PUT", f"ingressaclentrytemplates/{entry['ID']}", {"protocol": "ANY"})
        self.assertEqual([self.traffic("db", "quarantine", version) for version in (4, 6)], [{"tcp"}, None])
        # Those of the topology file are about both.
        self.assertEqual(self.traffic("web", "db", 6), {"icmp", "tcp"})

    def test_rules_that_are_refused(self) -> None:
        """What the switches of the lab cannot do is refused."""
        domain = self.thing("Enterprise", "Domain")
        acl = self.done("POST", f"domains/{domain.id}/ingressacltemplates", {"name": "a", "active": True})
        good = {"action": "FORWARD", "etherType": "0x0800", "locationType": "ANY", "networkType": "ANY"}
        path = f"ingressacltemplates/{acl['ID']}/ingressaclentrytemplates"
        for bad, reason in (
            ({"action": "DROP"}, "action: "),
            ({"etherType": "0x0806"}, "etherType: "),
            ({"protocol": "47"}, "protocol: "),
            ({"protocol": "58"}, "protocol: "),
            ({"etherType": "0x86DD", "protocol": "1"}, "protocol: "),
            ({"networkType": "ZONE"}, "networkType: "),
            ({"locationType": "POLICYGROUP"}, "locationID: "),
            ({"networkType": "POLICYGROUP", "networkID": "x"}, "networkID: "),
        ):
            self.assertIn(reason, self.refused("POST", path, {**good, **bad}).reason)
        entry = self.done("POST", path, good)
        refused = self.refused("PUT", f"ingressaclentrytemplates/{entry['ID']}", {"protocol": "x"})
        self.assertIn("protocol: ", refused.reason)


class WithoutAddressTests(ActivationTestCase):
    """An L2 domain without addresses."""

    def test_unmanaged(self) -> None:
        """It has none for a port either."""
        acme = self.thing("Acme")
        template = self.done("POST", f"enterprises/{acme.id}/l2domaintemplates", {"name": "t"})
        self.done("POST", f"enterprises/{acme.id}/l2domains", {"name": "L", "templateID": template["ID"]})
        port = attrs.evolve(PORT, domain="L", zone="", subnet="", metadata={})
        entity = attrs.evolve(ENTITY, organization="Acme")
        self.assertIn('"L" has no IPv4 addresses', self.reason(port, entity))
