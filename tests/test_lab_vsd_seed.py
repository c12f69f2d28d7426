"""The topology file in the lab's VSD, and the topology that the controller sees."""

from __future__ import annotations

import yaml

from lab.standin import TOPOLOGY
from lab.vrs.topology_file import load
from tests.vsd_support import VsdTestCase


class SeedTests(VsdTestCase):
    """The file is read at the start, and again."""

    def change(self, old: str, new: str) -> None:
        """Replace a text in the file, and have it read again."""
        text = self.topology.read_text()
        assert old in text
        self.topology.write_text(text.replace(old, new))
        self.vsd.reload()

    def subnet_names(self) -> list[str]:
        """Return the names of all subnets of a domain."""
        domain = self.thing("Enterprise", "Domain")
        return sorted(thing.name for thing in self.vsd.directory.below(domain, "subnets").values())

    def test_there_and_back(self) -> None:
        """The topology that the controller sees is that of the file."""
        self.assertEqual(self.vsd.view.topology(), load(TOPOLOGY))

    def test_same_objects(self) -> None:
        """Another start has the same IDs."""
        before = self.subnet.id
        self.setUp()
        self.assertEqual(self.subnet.id, before)

    def test_unchanged(self) -> None:
        """A file that is read again without a change changes nothing."""
        changes: list[object] = []
        self.vsd.directory.watch(changes.append)
        self.vsd.reload()
        self.assertEqual(changes, [])

    def test_changed(self) -> None:
        """What is new is made, what differs is changed, and what is gone is removed with all that is below it."""
        before = self.subnet.id
        doomed = self.done(
            "POST", "containers", self.container(1, self.thing("Enterprise", "Domain", "Backend", "Storage"))
        )
        text = self.topology.read_text()
        content = yaml.safe_load(text)
        domain = content["organizations"]["Enterprise"]["l3_domains"]["Domain"]
        del domain["zones"]["Backend"]
        domain["zones"]["Zone"]["subnets"]["Subnet 2"]["gateway"] = "10.21.59.9"
        domain["zones"]["Zone"]["subnets"]["Subnet 3"] = {"cidr": "10.9.0.0/24", "gateway": "10.9.0.1", "evpn_id": 200}
        domain["policy_groups"].append("new")
        del content["organizations"]["Acme"]
        self.topology.write_text(yaml.safe_dump(content))
        self.vsd.reload()
        self.assertEqual(self.vsd.view.topology(), load(self.topology))
        self.assertEqual((self.subnet.id, self.subnet["gateway"]), (before, "10.21.59.9"))
        self.assertEqual(self.done("GET", f"containers/{doomed['ID']}")[0]["interfaces"], [])
        self.assertEqual(self.vsd.directory.below(self.vsd.directory.root, "vports"), {})
        self.topology.write_text(text)
        self.vsd.reload()
        self.assertEqual(self.vsd.view.topology(), load(TOPOLOGY))

    def test_what_clients_made(self) -> None:
        """It stays, unless it is below something that is gone. What they changed or removed of the file is put back."""
        zone = self.thing("Enterprise", "Domain", "Zone")
        wanted = {"name": "S", "address": "10.9.0.0", "netmask": "255.255.255.0"}
        self.done("POST", f"zones/{zone.id}/subnets", wanted)
        self.done("PUT", f"subnets/{self.subnet.id}", {"gateway": "10.21.59.7", "description": "text"})
        storage = self.thing("Enterprise", "Domain", "Backend", "Storage")
        self.done("DELETE", f"subnets/{storage.id}?responseChoice=1")
        container = self.done("POST", "containers", self.container(1))
        self.vsd.reload()
        self.assertEqual(self.subnet_names(), ["S", "Storage", "Subnet 1", "Subnet 2"])
        self.assertEqual((self.subnet["gateway"], self.subnet["description"]), ("10.21.59.1", "text"))
        self.done("GET", f"containers/{container['ID']}")
        self.change(
            "          Zone:\n            subnets:\n              Subnet 1",
            "          Other:\n            subnets:\n              Subnet 1",
        )
        self.assertEqual(self.subnet_names(), ["Storage", "Subnet 1", "Subnet 2"])

    def test_name_that_clients_had_first(self) -> None:
        """Their object becomes the file's."""
        zone = self.thing("Enterprise", "Domain", "Zone")
        wanted = {"name": "Subnet 3", "address": "10.9.0.0", "netmask": "255.255.255.0"}
        made = self.done("POST", f"zones/{zone.id}/subnets", wanted)
        line = "              Subnet 1:"
        self.change(line, f"              Subnet 3: {{cidr: 10.21.62.0/24, gateway: 10.21.62.1, evpn_id: 200}}\n{line}")
        (found,) = self.done("GET", f"subnets/{made['ID']}")
        self.assertEqual((found["address"], found["serviceID"]), ("10.21.62.0", 200))
        self.change("              Subnet 3: {cidr: 10.21.62.0/24, gateway: 10.21.62.1, evpn_id: 200}\n", "")
        self.assertEqual(self.refused("GET", f"subnets/{made['ID']}").status, 404)

    def test_name_that_clients_gave_to_another(self) -> None:
        """A file that would make two objects of one name is refused."""
        self.done("PUT", f"subnets/{self.subnet.id}", {"name": "Renamed"})
        zone = self.thing("Enterprise", "Domain", "Zone")
        wanted = {"name": "Subnet 2", "address": "10.9.0.0", "netmask": "255.255.255.0"}
        made = self.done("POST", f"zones/{zone.id}/subnets", wanted)
        self.vsd.reload()
        self.assertEqual(self.subnet_names(), ["Renamed", "Storage", "Subnet 1", "Subnet 2"])
        self.done("DELETE", f"subnets/{made['ID']}?responseChoice=1")
        self.vsd.reload()
        self.assertEqual(self.vsd.view.topology(), load(TOPOLOGY))

    def test_file_that_does_not_fit(self) -> None:
        """It is refused, with what is in its way, and changes nothing."""
        zone = self.thing("Enterprise", "Domain", "Zone")
        wanted = {"name": "S", "address": "10.21.62.0", "netmask": "255.255.255.0"}
        number = self.done("POST", f"zones/{zone.id}/subnets", wanted)["serviceID"]
        before = self.vsd.view.topology()
        line = "              Subnet 1:"
        added = "              More: {cidr: 10.21.62.128/25, gateway: 10.21.62.129, evpn_id: 200}\n"
        self.change(line, added + line)
        self.assertEqual(self.vsd.view.topology(), before)
        self.change(added, "")
        self.change("evpn_id: 105", f"evpn_id: {number}")
        self.topology.write_text("nonsense")
        self.vsd.reload()
        self.assertEqual(self.vsd.view.topology(), before)
