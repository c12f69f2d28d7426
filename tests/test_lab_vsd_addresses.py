"""Containers, VMs and reservations of the lab's VSD, and the addresses that they have."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.vsd_support import VsdTestCase, mac


class ContainerTests(VsdTestCase):
    """Containers that are made by REST."""

    def test_container(self) -> None:
        """It has what was asked for, and what the VSD chose."""
        made = self.done("POST", "containers", self.container(1) | {"externalID": "host", "orchestrationID": None})
        (interface,) = made["interfaces"]
        self.assertEqual((made["status"], made["externalID"], made["enterpriseName"]), ("INIT", "host", "Enterprise"))
        shown = ("IPAddress", "netmask", "gateway", "MAC", "attachedNetworkID", "networkName", "zoneName", "domainName")
        self.assertEqual(
            [interface[name] for name in shown],
            ["10.21.59.2", "255.255.255.0", "10.21.59.1", mac(1), self.subnet.id, "Subnet 2", "Zone", "Domain"],
        )
        self.assertEqual(made["subnetIDs"], [self.subnet.id])
        (vport,) = self.done("GET", f"vports/{interface['VPortID']}")
        self.assertEqual((vport["name"], vport["type"], vport["hasAttachedInterfaces"]), ("c1", "CONTAINER", True))
        self.assertEqual((vport["domainID"], vport["zoneID"]), (interface["domainID"], interface["zoneID"]))
        for path in (
            f"containers/{made['ID']}/containerinterfaces",
            f"vports/{vport['ID']}/containerinterfaces",
            f"subnets/{self.subnet.id}/containerinterfaces",
            f"domains/{vport['domainID']}/containerinterfaces",
            "containerinterfaces",
        ):
            self.assertEqual([each["ID"] for each in self.done("GET", path)], [interface["ID"]], path)
        for path in (
            "containers",
            f"enterprises/{made['enterpriseID']}/containers",
            f"vports/{vport['ID']}/containers",
        ):
            self.assertEqual([each["ID"] for each in self.done("GET", path)], [made["ID"]], path)

    def test_removal(self) -> None:
        """It gives back its address and its vPort."""
        before = dict(self.vsd.directory.below(self.vsd.directory.root, "vports"))
        made = self.done("POST", "containers", self.container(1))
        self.done("DELETE", f"containers/{made['ID']}?responseChoice=1", made)
        self.assertEqual(self.vsd.directory.below(self.vsd.directory.root, "vports"), before)
        again = self.done("POST", "containers", self.container(1))
        self.assertEqual(again["interfaces"][0]["IPAddress"], "10.21.59.2")

    def test_several_interfaces(self) -> None:
        """Each has its own address; a container is listed wherever one of them is."""
        storage = self.thing("Enterprise", "Domain", "Backend", "Storage")
        wanted = self.container(1)
        wanted["interfaces"] += [
            {"MAC": mac(2), "attachedNetworkID": self.subnet.id, "IPAddress": "10.21.59.3"},
            {"MAC": mac(3), "attachedNetworkID": self.subnet.id},
            {"MAC": mac(4), "attachedNetworkID": storage.id},
        ]
        made = self.done("POST", "containers", wanted)
        found = [each["IPAddress"] for each in made["interfaces"]]
        self.assertEqual(found, ["10.21.59.2", "10.21.59.3", "10.21.59.4", "10.21.60.2"])
        for subnet in (self.subnet, storage):
            self.assertEqual(len(self.done("GET", f"subnets/{subnet.id}/containers")), 1)
        self.done("DELETE", f"containerinterfaces/{made['interfaces'][3]['ID']}")
        self.assertEqual(self.done("GET", f"subnets/{storage.id}/containers"), [])
        self.done("DELETE", f"containerinterfaces/{made['interfaces'][0]['ID']}")
        self.assertEqual(len(self.done("GET", f"subnets/{self.subnet.id}/containers")), 1)
        added = {"MAC": mac(5), "attachedNetworkID": storage.id}
        self.done("POST", f"containers/{made['ID']}/containerinterfaces", added)
        self.assertEqual(len(self.done("GET", f"subnets/{storage.id}/containers")), 1)

    def test_all_or_nothing(self) -> None:
        """A container one of whose interfaces cannot be is not made at all."""
        for other in (
            {"IPAddress": "10.21.59.1"},
            {"MAC": "x"},
            {"attachedNetworkID": "x"},
            {"IPAddress": "10.21.59.2"},
            {"MAC": mac(1)},
        ):
            wanted = self.container(1)
            wanted["interfaces"].append({"MAC": mac(2), "attachedNetworkID": self.subnet.id} | other)
            self.refused("POST", "containers", wanted)
            wanted["interfaces"].append(5)
            self.refused("POST", "containers", wanted)
        wanted = self.container(1)
        wanted["interfaces"] += [{"MAC": mac(2), "attachedNetworkID": self.subnet.id}, 5]
        self.refused("POST", "containers", wanted)
        for resource in ("containers", "containerinterfaces", "vports"):
            self.assertEqual(self.vsd.directory.below(self.vsd.directory.root, resource), {}, resource)
        made = self.done("POST", "containers", self.container(1))
        self.assertEqual(made["interfaces"][0]["IPAddress"], "10.21.59.2")

    def test_what_cannot_be(self) -> None:
        """It is refused, with a number that tells why where clients know one."""
        self.done("POST", "containers", self.container(1, IPAddress="10.21.59.9"))
        for wanted, field, code in (
            (self.container(1), "UUID", 2748),
            (self.container(2, IPAddress="10.21.59.9"), "IPAddress", 2704),
            (self.container(2, IPAddress="10.21.59.1"), "IPAddress", 2704),
            (self.container(2, IPAddress="10.21.59.0"), "IPAddress", 0),
            (self.container(2, IPAddress="10.21.58.9"), "IPAddress", 0),
            (self.container(2, IPAddress="ten"), "IPAddress", 0),
            (self.container(2, MAC=mac(1).upper()), "MAC", 0),
            (self.container(2, MAC=None), "MAC", 0),
            (self.container(2, attachedNetworkID="x"), "attachedNetworkID", 0),
            (self.container(2, attachedNetworkID=self.thing("Acme").id), "attachedNetworkID", 0),
            (self.container(2, VPortID="x"), "VPortID", 0),
            (self.container(2) | {"UUID": None}, "UUID", 0),
            (self.container(2) | {"interfaces": "x"}, "interfaces", 0),
        ):
            reply = self.refused("POST", "containers", wanted)
            self.assertEqual((reply.code, reply.body["errors"][0]["property"]), (code, field), wanted)

    def test_vport_that_is_there(self) -> None:
        """An interface may be put at it; it stays when the interface goes, and has one only."""
        wanted = {"name": "mine", "type": "CONTAINER", "addressSpoofing": "INHERITED"}
        vport = self.done("POST", f"subnets/{self.subnet.id}/vports", wanted)
        made = self.done("POST", "containers", self.container(1, attachedNetworkID=None, VPortID=vport["ID"]))
        self.assertEqual(made["interfaces"][0]["VPortName"], "mine")
        reply = self.refused("POST", "containers", self.container(2, VPortID=vport["ID"]))
        self.assertEqual(reply.code, 7010)
        self.done("DELETE", f"containers/{made['ID']}?responseChoice=1")
        self.done("GET", f"vports/{vport['ID']}")
        other = self.done("POST", f"subnets/{self.subnet.id}/vports", wanted | {"name": "vm", "type": "VM"})
        self.assertIn("is for a VM", self.refused("POST", "containers", self.container(2, VPortID=other["ID"])).reason)

    def test_interface_that_changes(self) -> None:
        """It may have another address and another MAC; what it had is free."""
        made = self.done("POST", "containers", self.container(1))
        path = f"containerinterfaces/{made['interfaces'][0]['ID']}"
        self.done("PUT", path, {"IPAddress": "10.21.59.9", "MAC": mac(9), "attachedNetworkID": "x"})
        self.assertEqual(self.refused("PUT", path, {"IPAddress": "10.21.59.1"}).code, 2704)
        self.assertEqual(
            self.done("POST", "containers", self.container(2, MAC=mac(1)))["interfaces"][0]["IPAddress"], "10.21.59.2"
        )
        self.assertEqual(self.refused("POST", "containers", self.container(3, IPAddress="10.21.59.9")).code, 2704)

    def test_libnetwork(self) -> None:
        """What Nuage's plugin for Docker does: pool, address, start, stop."""
        (enterprise,) = self.done("GET", "enterprises", Filter='name == "Enterprise"')
        (domain,) = self.done("GET", f"enterprises/{enterprise['ID']}/domains", Filter='name == "Domain"')
        (subnet,) = self.done("GET", f"domains/{domain['ID']}/subnets", Filter='name == "Subnet 2"')
        self.assertEqual((subnet["address"], subnet["netmask"]), ("10.21.59.0", "255.255.255.0"))
        provisional, real = "1" * 64, "2" * 64
        interface = {"name": "nu1", "MAC": mac(1), "attachedNetworkID": subnet["ID"]}
        made = self.done(
            "POST",
            "containers",
            {"UUID": provisional, "name": provisional, "externalID": "host-1", "interfaces": [interface]},
        )
        self.assertEqual(
            (made["interfaces"][0]["IPAddress"], made["interfaces"][0]["VPortName"]), ("10.21.59.2", "nu1")
        )
        path = f"containers/{made['ID']}"
        self.done("PUT", path, {"UUID": real, "name": "web", "orchestrationID": "task"})
        (group,) = self.done("GET", "policygroups", Filter='name == "web"')
        self.done("PUT", f"vports/{made['interfaces'][0]['VPortID']}/policygroups", [group["ID"]])
        (found,) = self.done("GET", "containers", Filter='externalID == "host-1"')
        self.assertEqual((found["ID"], found["UUID"], found["name"]), (made["ID"], real, "web"))
        self.done("DELETE", f"{path}?responseChoice=1")
        self.assertEqual(self.done("GET", "containers", Filter='externalID == "host-1"'), [])
        self.assertEqual(self.done("GET", f"policygroups/{group['ID']}/vports"), [])


class ChoiceTests(VsdTestCase):
    """Which address the VSD chooses."""

    def chosen(self, number: int, **more: Any) -> str:
        """Make a container, and return its address."""
        return str(self.done("POST", "containers", self.container(number, **more))["interfaces"][0]["IPAddress"])

    def test_ranges(self) -> None:
        """One in the ranges, if there are any; who asks may have one outside of them."""
        path = f"subnets/{self.subnet.id}/addressranges"
        for low, high in (("10.21.59.200", "10.21.59.200"), ("10.21.59.1", "10.21.59.2")):
            self.done("POST", path, {"minAddress": low, "maxAddress": high})
        self.assertEqual([self.chosen(n) for n in (1, 2)], ["10.21.59.2", "10.21.59.200"])
        reply = self.refused("POST", "containers", self.container(3))
        self.assertEqual((reply.status, reply.code), (409, 2702))
        self.assertEqual(self.chosen(4, IPAddress="10.21.59.77"), "10.21.59.77")
        for low, high in (("10.21.59.9", "10.21.59.8"), ("10.21.58.1", "10.21.59.8"), ("x", "10.21.59.8")):
            self.refused("POST", path, {"minAddress": low, "maxAddress": high})
        ranges = self.done("GET", path)
        self.done("PUT", f"addressranges/{ranges[0]['ID']}", {"maxAddress": "10.21.59.201"})
        self.assertEqual(self.chosen(5), "10.21.59.201")
        for each in ranges:
            self.done("DELETE", f"addressranges/{each['ID']}")
        self.assertEqual(self.chosen(6), "10.21.59.3")

    def test_full(self) -> None:
        """A full network has none, until one is given back."""
        zone = self.thing("Enterprise", "Domain", "Zone")
        wanted = {"name": "small", "address": "10.9.0.0", "netmask": "255.255.255.248"}
        small = self.vsd.directory.get(self.done("POST", f"zones/{zone.id}/subnets", wanted)["ID"])
        made = [self.done("POST", "containers", self.container(n, small)) for n in range(5)]
        addresses = [each["interfaces"][0]["IPAddress"] for each in made]
        self.assertEqual(addresses, [f"10.9.0.{n}" for n in range(2, 7)])
        self.assertEqual(self.refused("POST", "containers", self.container(5, small)).code, 2702)
        self.done("DELETE", f"containers/{made[2]['ID']}?responseChoice=1")
        self.assertEqual(self.chosen(6, attachedNetworkID=small.id if small else None), "10.9.0.4")

    def test_l2_domain(self) -> None:
        """It has addresses too, and no gateway."""
        flat = self.thing("Enterprise", "Flat")
        made = self.done("POST", "containers", self.container(1, flat))["interfaces"][0]
        self.assertEqual(
            (made["IPAddress"], made["gateway"], made["attachedNetworkType"]), ("10.21.61.1", None, "L2DOMAIN")
        )

    def test_large_network(self) -> None:
        """The size of a network does not matter."""
        zone = self.thing("Acme", "Domain", "Zone")
        wanted = {"name": "large", "address": "100.64.0.0", "netmask": "255.192.0.0"}
        large = self.vsd.directory.get(self.done("POST", f"zones/{zone.id}/subnets", wanted)["ID"])
        self.assertEqual(self.chosen(1, attachedNetworkID=large.id if large else None), "100.64.0.2")

    def test_bindings(self) -> None:
        """An address that is bound to a MAC is given to that MAC alone, and without its asking."""
        path = f"subnets/{self.subnet.id}/ipreservations"
        bound = self.done("POST", path, {"IPAddress": "10.21.59.2", "MAC": mac(7)})
        self.assertEqual(self.refused("POST", path, {"IPAddress": "10.21.59.2", "MAC": mac(8)}).code, 7205)
        self.assertEqual(self.chosen(1), "10.21.59.3")
        self.assertEqual(self.refused("POST", "containers", self.container(2, IPAddress="10.21.59.2")).code, 2704)
        self.assertEqual(self.chosen(7), "10.21.59.2")
        self.assertEqual(self.refused("POST", path, {"IPAddress": "10.21.59.3", "MAC": mac(8)}).code, 2704)
        self.done("DELETE", f"ipreservations/{bound['ID']}")
        self.assertEqual(self.done("GET", path), [])


class ReservationTests(VsdTestCase):
    """vmipreservations."""

    def setUp(self) -> None:
        """See VsdTestCase."""
        super().setUp()
        self.path = f"subnets/{self.subnet.id}/vmipreservations"

    def states(self) -> dict[str, str]:
        """Return the states by the addresses."""
        return {each["IPV4Address"]: each["state"] for each in self.done("GET", self.path)}

    def test_life(self) -> None:
        """It is assigned while an interface has its address, and goes with that once it is deleted."""
        made = self.done("POST", self.path, {"IPType": "IPV4", "IPV4Address": "10.21.59.2", "externalID": "mark"})
        self.assertNotIn("allocationPools", made)
        (found,) = self.done("GET", self.path, Filter="externalID == 'mark' and state == 'UNASSIGNED'")
        self.assertEqual(found["ID"], made["ID"])
        for number in (1, 2):
            wanted = self.container(number, IPAddress="10.21.59.2")
            container = self.done("POST", "containers", wanted)
            self.assertEqual(self.states(), {"10.21.59.2": "ASSIGNED"})
            if number == 2:
                self.done("DELETE", f"vmipreservations/{made['ID']}?responseChoice=1")
                self.assertEqual(self.states(), {"10.21.59.2": "ASSIGNED_DELETE_PENDING"})
            self.done("DELETE", f"containers/{container['ID']}?responseChoice=1")
            self.assertEqual(self.states(), {"10.21.59.2": "UNASSIGNED"} if number == 1 else {})

    def test_interface_that_moves(self) -> None:
        """The states follow an interface that has another address."""
        for last in (2, 3):
            self.done("POST", self.path, {"IPV4Address": f"10.21.59.{last}"})
        made = self.done("POST", "containers", self.container(1, IPAddress="10.21.59.2"))
        self.done("PUT", f"containerinterfaces/{made['interfaces'][0]['ID']}", {"IPAddress": "10.21.59.3"})
        self.assertEqual(self.states(), {"10.21.59.2": "UNASSIGNED", "10.21.59.3": "ASSIGNED"})

    def test_pools(self) -> None:
        """The VSD chooses in them, and not outside."""
        pools = [{"minAddress": f"10.21.59.{low}", "maxAddress": f"10.21.59.{high}"} for low, high in ((9, 9), (1, 2))]
        chosen = [self.done("POST", self.path, {"allocationPools": pools})["IPV4Address"] for _ in range(2)]
        self.assertEqual(chosen, ["10.21.59.2", "10.21.59.9"])
        self.assertEqual(self.refused("POST", self.path, {"allocationPools": pools}).code, 2702)
        unusable: list[list[Any]] = [[{"minAddress": "10.21.58.1", "maxAddress": "10.21.59.2"}], [5], [{}], []]
        for wrong in unusable:
            self.assertEqual(self.refused("POST", self.path, {"allocationPools": wrong}).code, 0, wrong)
        self.assertEqual(self.refused("POST", self.path, {}).code, 0)

    def test_refusals(self) -> None:
        """What is reserved, in use or no address of the network is refused by its number."""
        self.done("POST", self.path, {"IPV4Address": "10.21.59.2"})
        self.done("POST", "containers", self.container(1))
        for address, code in (("10.21.59.2", 7205), ("10.21.59.3", 2704), ("10.21.59.1", 2704), ("10.21.58.1", 0)):
            self.assertEqual(self.refused("POST", self.path, {"IPV4Address": address}).code, code, address)

    def test_removal_by_address(self) -> None:
        """One is removed by its address, which may have been removed already."""
        self.done("POST", self.path, {"IPV4Address": "10.21.59.8"})
        for _ in range(2):
            self.assertEqual(self.ask("DELETE", f"{self.path}?responseChoice=1&IPV4Address=10.21.59.8").status, 204)
            self.assertEqual(self.states(), {})

    def test_l2_domain(self) -> None:
        """It has them too."""
        path = f"l2domains/{self.thing('Enterprise', 'Flat').id}/vmipreservations"
        self.assertEqual(self.done("POST", path, {"IPV4Address": "10.21.61.9"})["state"], "UNASSIGNED")


class DualStackTests(VsdTestCase):
    """IPv6 beside IPv4."""

    def setUp(self) -> None:
        """See VsdTestCase."""
        super().setUp()
        self.path = f"subnets/{self.subnet.id}/vmipreservations"

    def states(self) -> dict[str, str]:
        """Return the states by the IPv6 addresses."""
        return {each["IPV6Address"]: each["state"] for each in self.done("GET", self.path)}

    def test_reservation(self) -> None:
        """It is made, found in any spelling, assigned while an interface has its address, and removed by it."""
        made = self.done("POST", self.path, {"IPType": "IPV6", "IPV6Address": "fd00:21:59:0::9", "externalID": "mark"})
        self.assertEqual((made["IPV6Address"], made["IPV4Address"]), ("fd00:21:59::9", None))
        self.assertEqual(self.states(), {"fd00:21:59::9": "UNASSIGNED"})
        wanted = {"IPType": "IPV6", "IPV6Address": "fd00:21:59::9"}
        self.assertEqual(self.refused("POST", self.path, wanted).code, 7205)
        container = self.done("POST", "containers", self.container(1, IPv6Address="fd00:21:59::9"))
        self.assertEqual(self.states(), {"fd00:21:59::9": "ASSIGNED"})
        self.assertEqual(container["interfaces"][0]["IPAddress"], "10.21.59.2")
        self.assertEqual(container["interfaces"][0]["IPv6Gateway"], "fd00:21:59::1")
        self.done("DELETE", f"containers/{container['ID']}?responseChoice=1")
        for _ in range(2):
            self.done("DELETE", f"{self.path}?responseChoice=1&IPV6Address=fd00:21:59::9")
            self.assertEqual(self.states(), {})

    def test_both(self) -> None:
        """One reservation holds an address of each family."""
        both = {"IPType": "DUALSTACK", "IPV4Address": "10.21.59.9", "IPV6Address": "fd00:21:59::9"}
        self.done("POST", self.path, both)
        for address in ({"IPV4Address": "10.21.59.9"}, {"IPType": "IPV6", "IPV6Address": "fd00:21:59::9"}):
            self.assertEqual(self.refused("POST", self.path, address).code, 7205)
        self.done("POST", "containers", self.container(1, IPAddress="10.21.59.9"))
        self.assertEqual(self.states(), {"fd00:21:59::9": "ASSIGNED"})

    def test_pools(self) -> None:
        """The VSD chooses in them, and not outside."""
        pools = [{"minAddress": "fd00:21:59::", "maxAddress": "fd00:21:59::3"}]
        wanted = {"IPType": "IPV6", "IPV6AllocationPools": pools}
        chosen = [self.done("POST", self.path, wanted)["IPV6Address"] for _ in range(2)]
        self.assertEqual(chosen, ["fd00:21:59::2", "fd00:21:59::3"])
        self.assertEqual(self.refused("POST", self.path, wanted).code, 2702)
        wrong = [{"minAddress": "fd00::1", "maxAddress": "fd00:21:59::3"}]
        self.assertEqual(self.refused("POST", self.path, {"IPType": "IPV6", "IPV6AllocationPools": wrong}).code, 0)

    def test_refusals(self) -> None:
        """What is in use or no address of the network is refused by its number, for both who may have it."""
        self.done("POST", "containers", self.container(1, IPv6Address="fd00:21:59::2"))
        for address, code in (
            ("fd00:21:59::2", 2704),
            ("fd00:21:59::1", 2704),
            ("fd00:21:59::", 0),
            ("fd00:21:58::9", 0),
            ("fe80::1%eth0", 0),
            ("10.21.59.9", 0),
        ):
            wanted = {"IPType": "IPV6", "IPV6Address": address}
            self.assertEqual(self.refused("POST", self.path, wanted).code, code, address)
            self.assertEqual(self.refused("POST", "containers", self.container(2, IPv6Address=address)).code, code)
        flat = self.done("POST", f"zones/{self.subnet.parent.id}/subnets", _FOUR)  # type: ignore[union-attr]
        for path, wanted in (
            (f"subnets/{flat['ID']}/vmipreservations", {"IPType": "IPV6", "IPV6Address": "fd00:21:59::9"}),
            (self.path, {"IPType": "IPV6"}),
        ):
            self.assertEqual(self.refused("POST", path, wanted).code, 0)

    def test_interface_that_changes(self) -> None:
        """What it had is free, and what others have it does not get."""
        made = self.done("POST", "containers", self.container(1, IPv6Address="fd00:21:59::2"))
        self.done("POST", "containers", self.container(2, IPv6Address="fd00:21:59::3"))
        path = f"containerinterfaces/{made['interfaces'][0]['ID']}"
        self.assertEqual(self.refused("PUT", path, {"IPv6Address": "fd00:21:59::3"}).code, 2704)
        self.done("PUT", path, {"IPv6Address": "fd00:21:59::4"})
        self.done("POST", "containers", self.container(3, IPv6Address="fd00:21:59::2"))


_FOUR = {"name": "four", "address": "10.9.0.0", "netmask": "255.255.255.0"}


class VmTests(VsdTestCase):
    """Interfaces of VMs."""

    def test_takes_an_address(self) -> None:
        """One that is asked for, or that the VSD chooses; containers do not get it."""
        wanted = {"type": "VM", "addressSpoofing": "INHERITED"}
        for number, address in ((1, "10.21.59.2"), (2, None)):
            vport = self.done("POST", f"subnets/{self.subnet.id}/vports", wanted | {"name": f"vm{number}"})
            interface = {"name": "eth0", "MAC": mac(number), "VMUUID": str(number), "IPAddress": address}
            path = f"vports/{vport['ID']}/vminterfaces"
            made = self.done("POST", path, interface)
            self.assertEqual((made["IPAddress"], made["networkName"]), (f"10.21.59.{number + 1}", "Subnet 2"))
            self.assertEqual(self.refused("POST", path, interface | {"MAC": mac(9)}).code, 7010)
        self.assertEqual(len(self.done("GET", f"subnets/{self.subnet.id}/vminterfaces")), 2)
        container = self.done("POST", "containers", self.container(3))
        self.assertEqual(container["interfaces"][0]["IPAddress"], "10.21.59.4")
        self.assertEqual(self.refused("POST", "containers", self.container(4, IPAddress="10.21.59.2")).code, 2704)
        self.assertEqual(self.refused("DELETE", f"vports/{vport['ID']}").code, 7010)
        self.done("DELETE", f"vminterfaces/{made['ID']}")
        self.done("DELETE", f"vports/{vport['ID']}")
        self.assertEqual(self.done("POST", "containers", self.container(4))["interfaces"][0]["IPAddress"], "10.21.59.3")


class _Machine(RuleBasedStateMachine):
    """Clients who do anything with one small subnet, against a list of who has what."""

    def __init__(self) -> None:
        super().__init__()
        self.case = VsdTestCase("run")
        self.case.setUp()
        self.held: dict[str, str] = {}
        self.reserved: dict[str, str] = {}
        #: Reservations that were deleted while they were assigned.
        self.deleted: set[str] = set()
        self.number = 0

    @initialize()
    def make_subnet(self) -> None:
        zone = self.case.thing("Enterprise", "Domain", "Zone")
        wanted = {"name": "s", "address": "10.9.0.0", "netmask": "255.255.255.240"}
        self.subnet = self.case.done("POST", f"zones/{zone.id}/subnets", wanted)["ID"]
        self.machines = {str(each) for each in IPv4Network("10.9.0.0/28").hosts()} - {"10.9.0.1"}

    @rule(last=st.none() | st.integers(0, 16))
    def make_container(self, last: int | None) -> None:
        self.number += 1
        address = None if last is None else f"10.9.0.{last}"
        wanted = self.case.container(self.number, attachedNetworkID=self.subnet, IPAddress=address)
        reply = self.case.ask("POST", "containers", wanted)
        taken = set(self.held.values())
        free = self.machines - taken if address else self.machines - taken - set(self.reserved.values())
        if (address in free) if address else free:
            assert reply.status == 201, reply.raw
            found = reply.one["interfaces"][0]["IPAddress"]
            assert found == address if address else found == min(free, key=IPv4Address), found
            self.held[reply.one["ID"]] = found
        else:
            assert reply.status == 409, reply.raw
            assert reply.code in ((2704, 0) if address else (2702,)), reply.raw

    @rule(data=st.data())
    def remove_container(self, data: st.DataObject) -> None:
        if self.held:
            gone = data.draw(st.sampled_from(list(self.held)))
            self.case.done("DELETE", f"containers/{gone}?responseChoice=1")
            address = self.held.pop(gone)
            pending = [each for each, reserved in self.reserved.items() if reserved == address and each in self.deleted]
            for each in pending:
                del self.reserved[each]

    @rule(last=st.integers(0, 16))
    def reserve(self, last: int) -> None:
        address = f"10.9.0.{last}"
        reply = self.case.ask("POST", f"subnets/{self.subnet}/vmipreservations", {"IPV4Address": address})
        if address in self.reserved.values():
            assert reply.code == 7205, reply.raw
        elif address in self.machines - set(self.held.values()):
            assert reply.status == 201, reply.raw
            self.reserved[reply.one["ID"]] = address
        else:
            assert reply.code in (2704, 0), reply.raw

    @rule(low=st.integers(0, 15), high=st.integers(0, 15))
    def reserve_any(self, low: int, high: int) -> None:
        pools = [{"minAddress": f"10.9.0.{low}", "maxAddress": f"10.9.0.{high}"}]
        reply = self.case.ask("POST", f"subnets/{self.subnet}/vmipreservations", {"allocationPools": pools})
        taken = {*self.held.values(), *self.reserved.values()}
        free = {f"10.9.0.{last}" for last in range(low, high + 1)} & self.machines - taken
        if free:
            assert reply.status == 201, reply.raw
            assert reply.one["IPV4Address"] == min(free, key=IPv4Address), reply.raw
            self.reserved[reply.one["ID"]] = reply.one["IPV4Address"]
        else:
            assert reply.code == 2702, reply.raw

    @rule(data=st.data())
    def delete_reservation(self, data: st.DataObject) -> None:
        left = [each for each in self.reserved if each not in self.deleted]
        if left:
            gone = data.draw(st.sampled_from(left))
            self.case.done("DELETE", f"vmipreservations/{gone}?responseChoice=1")
            self.deleted.add(gone)
            if self.reserved[gone] not in self.held.values():
                del self.reserved[gone]

    @invariant()
    def all_of_it(self) -> None:
        if not hasattr(self, "subnet"):
            return
        interfaces = self.case.done("GET", f"subnets/{self.subnet}/containerinterfaces")
        assert sorted(each["IPAddress"] for each in interfaces) == sorted(self.held.values())
        assert len(self.case.done("GET", f"subnets/{self.subnet}/vports")) == len(self.held)
        reservations = self.case.done("GET", f"subnets/{self.subnet}/vmipreservations")
        assert {each["ID"]: each["IPV4Address"] for each in reservations} == self.reserved
        for each in reservations:
            assigned = each["IPV4Address"] in self.held.values()
            deleted = each["ID"] in self.deleted
            expected = "ASSIGNED_DELETE_PENDING" if assigned and deleted else "ASSIGNED" if assigned else "UNASSIGNED"
            assert each["state"] == expected, (each, expected)


class AnySequenceTests(SynchronousTestCase):
    """Whatever clients do."""

    def test_any_sequence(self) -> None:
        """No address is given twice, and each that is given back is free."""
        run_state_machine_as_test(_Machine, settings=settings(max_examples=15, stateful_step_count=30, deadline=None))
