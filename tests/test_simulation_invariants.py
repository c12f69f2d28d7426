"""What must hold in the simulated world is seen when it does not."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from nuage.names import container_end_name, port_name
from tests.simulation import invariants
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.plugin import Call
from tests.simulation.extent import Extent


class InvariantsTest(SynchronousTestCase):
    """A world with one container, and nobody who would put right what is changed."""

    def setUp(self) -> None:
        self.centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = self.centre.worlds
        (self.before,) = self.centre.begin()
        self.do("network create", "n1")
        self.do("run", "c1", "n1", "no", "web")
        self.centre.rest()
        ((self.endpoint, self.container),) = self.world.docker.attached().items()
        self.port = port_name(self.endpoint.id)
        self.assertEqual(self.found(), [])

    def do(self, deed: str, *arguments: object) -> None:
        """Carry out a step that has to succeed."""
        command: Deferred[Outcome] = DEEDS[deed](self.world, *arguments)
        outcomes: list[Outcome] = []
        command.addCallback(outcomes.append)
        self.world.reactor.run_until(lambda: bool(outcomes), 60)
        self.assertTrue(outcomes[0].ok, outcomes)

    def found(self) -> list[str]:
        """Return what does not hold of the world at rest."""
        self.world.history.violations.clear()
        invariants.check_rest(self.world)
        return [each.partition("VIOLATION: ")[2] for each in self.world.history.violations]

    def update(self, table: str, where: list[Any], row: dict[str, Any]) -> None:
        """Change a row behind the daemon's back."""
        self.world.daemon.kill()
        with self.world.promises.by_hand():
            self.world.database.transact({"op": "update", "table": table, "where": [where], "row": row})

    def test_a_port_that_is_not_announced(self) -> None:
        self.world.daemon.kill()
        self.world.database.transact(
            {"op": "delete", "table": "Nuage_Port_Table", "where": [["name", "==", self.port]]}
        )
        self.assertEqual(self.found()[0], f"c1 runs, and its endpoint {self.endpoint.id[:12]} is not announced")

    def test_another_address(self) -> None:
        self.world.vrs_agent.hang()
        self.update("Nuage_Port_Table", ["name", "==", self.port], {"ip_addr": "10.21.59.99"})
        self.assertEqual(self.found(), [f"of c1, {self.port} the VRS is told 10.21.59.99 as its address"])

    def test_another_name(self) -> None:
        self.update("Nuage_VM_Table", ["vm_uuid", "==", self.endpoint.id], {"vm_name": "other"})
        self.assertEqual(self.found(), [f"of c1, {self.port} the VRS is told other as its name"])

    def test_another_policy(self) -> None:
        self.update("Nuage_Port_Table", ["name", "==", self.port], {"metadata": ["map", []]})
        self.assertIn(f"of c1, {self.port} the VRS is told None as its policy group", self.found())

    def test_a_port_without_its_marks(self) -> None:
        self.update("Interface", ["name", "==", self.port], {"external_ids": ["map", []]})
        self.assertEqual(self.found(), [f"{self.port} does not have its marks"])

    def test_a_port_that_nobody_uses(self) -> None:
        self.world.daemon.kill()
        self.container.state = "exited"
        self.assertIn(f"{self.port} is announced, and nobody uses it", self.found())

    def test_a_link_that_is_gone(self) -> None:
        """It is noticed at once, and at rest."""
        self.world.daemon.kill()
        self.world.kernel.link("del", ifname=self.port)
        self.assertIn(f"the link of c1, which runs, is removed: {self.port}", self.world.history.violations[-1])
        self.assertEqual(self.found(), [f"there is no link {self.port}"])

    def test_a_link_that_docker_takes_out(self) -> None:
        """That is no violation."""
        self.do("disconnect", "c1", "n1")
        self.world.reactor.run_for(5)
        self.assertIsNone(self.world.kernel.find(self.port))
        self.assertIsNone(self.world.kernel.find(container_end_name(self.endpoint.id)))
        self.assertEqual(self.world.history.violations, [])

    def test_a_link_of_an_endpoint_that_was_told_to_leave(self) -> None:
        """A dockerd that has ended since may have it in use again: its link may be there, and need not."""
        self.world.daemon.kill()
        now, about = self.world.reactor.seconds(), {"EndpointID": self.endpoint.id}
        self.world.docker.calls.append(Call(method="NetworkDriver.Leave", request=about, repeated=False, began=now))
        self.world.docker.kill_dockerd()
        self.world.docker.start_dockerd()
        self.assertTrue(self.world.promises.has_left(self.endpoint.id))
        self.assertEqual(self.found(), [])
        self.container.state = "exited"
        self.assertIn(f"nobody uses link {self.port}", self.found())
        self.container.state = "running"
        self.world.kernel.link("del", ifname=self.port)
        self.assertEqual(self.found(), [])

    def test_a_link_whose_other_end_is_out(self) -> None:
        """It has no carrier, which it needs as soon as its container has a place for the other end."""
        sandbox = self.endpoint.sandbox
        assert sandbox is not None
        self.world.namespaces.give_back(sandbox.key, self.endpoint.device, self.endpoint.source)
        self.world.reactor.run_for(2)
        self.assertRegex("".join(self.found()), f"^link {self.port} is not as it should be: ")
        sandbox.exists = False
        self.assertEqual(self.found(), [])
        self.world.kernel.link("set", ifname=self.port, state="down")
        self.assertRegex("".join(self.found()), f"^link {self.port} is not as it should be: ")

    def test_ports_that_share_something(self) -> None:
        """It is noticed in the transaction that brings it about."""
        (port,) = (row for row in self.world.database.rows("Nuage_Port_Table") if row["name"] == self.port)
        metadata = ["map", [["static-ip", self.endpoint.address.partition("/")[0]]]]
        for columns in {"mac": port["mac"]}, {"nuage_domain": "Domain", "metadata": metadata}:
            self.world.history.violations.clear()
            row = {"op": "insert", "table": "Nuage_Port_Table", "row": {"name": "other", **columns}}
            self.world.database.transact(row)
            self.assertIn(f"ports {self.port} and other have the same", self.world.history.violations[0])
            where = [["name", "==", "other"]]
            self.world.database.transact({"op": "delete", "table": "Nuage_Port_Table", "where": where})

    def test_what_is_left(self) -> None:
        """After all is removed, what is not as it was before is noticed, that of others too."""
        self.centre.clear()
        invariants.check_cleared(self.world, self.before)
        self.assertEqual(self.world.history.violations, [])
        self.world.kernel.link("add", ifname="left", kind="dummy")
        self.update("Nuage_VM_Table", ["vm_name", "==", "a machine"], {"vm_name": "another"})
        invariants.check_cleared(self.world, self.before)
        self.assertEqual(len(self.world.history.violations), 2)

    def test_a_record_that_is_left(self) -> None:
        self.world.daemon.kill()
        mutation = ["external_ids", "insert", ["map", [["nuage-network-" + "0" * 64, "{}"]]]]
        self.world.database.transact({"op": "mutate", "table": "Bridge", "where": [], "mutations": [mutation]})
        self.assertEqual(self.found(), ["network 000000000000 is remembered, and there is none"])

    def test_a_network_that_is_not_remembered(self) -> None:
        """It is wrong, unless Docker is removing the network."""
        self.do("network create", "n2")
        self.world.daemon.kill()
        (network,) = [each for each in self.world.docker.store.known_networks if each.name == "n2"]
        mutation = ["external_ids", "delete", ["set", [f"nuage-network-{network.id}"]]]
        with self.world.promises.by_hand():
            self.world.database.transact({"op": "mutate", "table": "Bridge", "where": [], "mutations": [mutation]})
        self.assertEqual(self.found(), [f"network {network.id[:12]} is not remembered, and Docker has it"])
        network.removing = True
        self.assertEqual(self.found(), [])
