"""What Docker may rely on in the simulated world is seen when it is not so."""

from __future__ import annotations

import math
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from nuage.names import port_name
from nuage.vrs.tables import ENDPOINT_RECORD, NETWORK_RECORD
from tests.simulation import strangers
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.plugin import Call
from tests.simulation.extent import Extent
from tests.simulation.faults import links
from tests.simulation.installation import remove_port


class PromisesTest(SynchronousTestCase):
    """A world with one container, and somebody who does what the daemon must not do."""

    def setUp(self) -> None:
        centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = centre.worlds
        centre.begin()
        self.do("network create", "n1")
        self.do("run", "c1", "n1", "no", "web")
        centre.rest()
        ((self.endpoint, self.container),) = self.world.docker.attached().items()
        self.port = port_name(self.endpoint.id)
        self.world.daemon.kill()

    def do(self, deed: str, *arguments: object) -> None:
        """Carry out a step that has to succeed."""
        command: Deferred[Outcome] = DEEDS[deed](self.world, *arguments)
        outcomes: list[Outcome] = []
        command.addCallback(outcomes.append)
        self.world.reactor.run_until(lambda: bool(outcomes), 60)
        self.assertTrue(outcomes[0].ok, outcomes)

    def found(self) -> list[str]:
        """Return what was seen since this was asked last."""
        found = [each.partition("VIOLATION: ")[2] for each in self.world.history.violations]
        self.world.history.violations.clear()
        return found

    def answer(
        self, method: str, *, mac: str = "", why: str | None = None, took: float = 0.0, **request: Any
    ) -> list[str]:
        """Have Docker hear an answer of the daemon, which took some seconds, and return what was seen."""
        given = {"NetworkID": self.endpoint.network.id, "EndpointID": self.endpoint.id, **request}
        content = {"Interface": {"MacAddress": mac}} if why is None else None
        began = self.world.reactor.seconds() - took
        self.world.promises.answered(f"NetworkDriver.{method}", given, began, content, why or "")
        return self.found()

    def forget(self, key: str) -> None:
        """Remove something that is kept at the bridge."""
        mutation = ["external_ids", "delete", ["set", [key]]]
        self.world.database.transact({"op": "mutate", "table": "Bridge", "where": [], "mutations": [mutation]})

    def test_a_link_that_is_down(self) -> None:
        """A Join may not leave it so, but a hand may have set it down meanwhile."""
        links.set_down(self.world, 0.0)
        self.assertEqual(self.answer("Join"), [])
        # The daemon is frozen for longer than a Join may take.
        self.world.reactor.run_for(40)
        self.assertEqual(self.answer("Join", took=41), [])
        self.world.links_touched = -math.inf
        (found,) = self.answer("Join")
        self.assertIn(f"Join {self.endpoint.id[:12]} succeeds, and its link is ", found)

    def test_an_endpoint_that_docker_has_stays(self) -> None:
        """Hands may take it away."""
        with self.world.promises.by_hand():
            remove_port(self.world.database, self.port)
        self.assertEqual(self.found(), [])

    def test_an_endpoint_that_docker_has_is_removed(self) -> None:
        """The daemon may not."""
        remove_port(self.world.database, self.port)
        self.assertEqual(self.found(), [f"endpoint {self.endpoint.id[:12]} is removed, and Docker has it"])

    def test_a_network_that_docker_has_is_forgotten(self) -> None:
        self.forget(NETWORK_RECORD + self.endpoint.network.id)
        self.assertEqual(self.found(), [f"network {self.endpoint.network.id[:12]} is forgotten, and Docker has it"])

    def test_a_network_that_docker_removes_is_forgotten(self) -> None:
        """Docker lists it no more from then on, and may be long about its pools before it tells its driver."""
        self.endpoint.network.removing = True
        self.forget(NETWORK_RECORD + self.endpoint.network.id)
        self.assertEqual(self.found(), [])

    def test_what_is_kept_of_nobody_may_go(self) -> None:
        """Docker does not have it."""
        for key in (NETWORK_RECORD + "0" * 64, ENDPOINT_RECORD + "0" * 64):
            kept = ["external_ids", "insert", ["map", [[key, "{}"]]]]
            self.world.database.transact({"op": "mutate", "table": "Bridge", "where": [], "mutations": [kept]})
            self.forget(key)
        self.assertEqual(self.found(), [])

    def test_others_are_harmed(self) -> None:
        """Their rows, what they keep at the bridge, and their links."""
        remove_port(self.world.database, strangers.DEVICE)
        self.assertEqual({each.partition(" in ")[0] for each in self.found()}, {"a row of somebody else's"})
        self.forget("someone")
        self.assertEqual(self.found(), ["a row of somebody else's in Bridge is changed"])
        for name in strangers.LINKS:
            self.world.kernel.link("del", ifname=name)
            self.assertEqual(self.found(), [f"link {name} of somebody else's is removed"])

    def test_a_port_without_its_policy(self) -> None:
        """Such a port is announced: at once it may talk to whom it must not."""
        self.assertEqual(self.world.config.label_policy, "strict")
        (row,) = [row for row in self.world.database.rows("Nuage_Port_Table") if row["name"] == self.port]
        where = [["name", "==", self.port]]
        new = {"name": self.port, "mac": row["mac"], "bridge": row["bridge"], "vm_domain": row["vm_domain"]}
        new["nuage_domain"] = row["nuage_domain"]
        self.world.database.transact({"op": "delete", "table": "Nuage_Port_Table", "where": where})
        self.world.database.transact({"op": "insert", "table": "Nuage_Port_Table", "row": new})
        self.assertEqual(self.found(), [f"port {self.port} is announced with the policy group '', not 'web'"])

    def test_an_endpoint_that_has_left(self) -> None:
        """Only a dockerd that has ended since may have it in use nevertheless."""
        promises, docker = self.world.promises, self.world.docker
        for method, excused in (("Join", False), ("Leave", True), ("DeleteEndpoint", True)):
            now = self.world.reactor.seconds()
            about = {"EndpointID": self.endpoint.id}
            docker.calls.append(Call(method=f"NetworkDriver.{method}", request=about, repeated=False, began=now))
            self.assertFalse(promises.has_left(self.endpoint.id), method)
            docker.kill_dockerd()
            docker.start_dockerd()
            self.assertEqual(promises.has_left(self.endpoint.id), excused, method)
            self.world.reactor.run_for(1)

    def test_refusals(self) -> None:
        """Nothing is wrong, or it was not long ago."""
        self.assertEqual(self.answer("Join", why="no"), ["Join is refused, and nothing is wrong: no"])
        self.world.fault_lasts(0.0)
        self.assertEqual(self.answer("Join", why="no"), [])

    def test_what_is_refused_stays(self) -> None:
        """It may if an earlier attempt succeeded whose answer was lost: an audit removes that."""
        for method, seen in (("CreateEndpoint", "is still there"), ("CreateNetwork", "is still remembered")):
            for repeated in (False, True):
                about = {"NetworkID": self.endpoint.network.id}
                about |= {"EndpointID": self.endpoint.id} if method == "CreateEndpoint" else {}
                name, now = f"NetworkDriver.{method}", self.world.reactor.seconds()
                self.world.docker.calls.append(Call(method=name, request=about, repeated=repeated, began=now))
                self.world.fault_lasts(0.0)
                self.world.promises.answered(name, about, now, None, "no")
                self.world.reactor.run_for(14)
                self.assertEqual(self.found(), [])
                self.world.reactor.run_for(14)
                self.assertEqual(
                    [f"was refused long ago, and {seen}" in each for each in self.found()],
                    [] if repeated else [True],
                    method,
                )

    def test_answers_that_are_not_true(self) -> None:
        """What was made is not there."""
        nobody = "0" * 64
        self.assertEqual(self.answer("CreateNetwork"), [])
        self.assertIn("CreateNetwork 000000000000 succeeds", self.answer("CreateNetwork", NetworkID=nobody)[0])
        given = {"Address": "10.21.59.9/24", "MacAddress": ""}
        self.assertEqual(self.answer("CreateEndpoint", Interface=given), [])
        found = self.answer("CreateEndpoint", Interface=given, EndpointID=nobody)
        self.assertIn("CreateEndpoint 000000000000 succeeds", found[0])
        self.assertEqual(self.answer("Join"), [])
        found = self.answer("Join", EndpointID=nobody)
        self.assertEqual(len(found), 2)

    def test_another_mac_address(self) -> None:
        """An address of a network has one MAC address, unless the user chose it."""
        for given, mac, seen in (("", "a", 0), ("", "a", 0), ("", "b", 1), ("c", "c", 0)):
            address = {"Address": "10.21.59.9/24", "MacAddress": given}
            self.assertEqual(len(self.answer("CreateEndpoint", mac=mac, Interface=address)), seen)

    def test_a_port_that_stays_shut(self) -> None:
        """Docker has told its policy long ago."""
        where = [["name", "==", self.port]]
        self.world.database.transact({"op": "delete", "table": "Nuage_Port_Table", "where": where})
        self.assertEqual(self.answer("Join"), [])
        self.world.reactor.run_for(9)
        self.assertEqual(self.found(), [])
        self.world.reactor.run_for(9)
        self.assertEqual(self.found(), [f"endpoint {self.endpoint.id[:12]} was joined long ago, and is still shut"])

    def test_a_port_that_a_hand_shuts(self) -> None:
        """It has been opened since the Join, and an audit opens it again."""
        (row,) = (row for row in self.world.database.rows("Nuage_Port_Table") if row["name"] == self.port)
        told = {name: row[name] for name in ("name", "mac", "bridge", "nuage_domain", "nuage_network")}
        told["metadata"] = ["map", [list(pair) for pair in row["metadata"].items()]]
        delete = {"op": "delete", "table": "Nuage_Port_Table", "where": [["name", "==", self.port]]}
        self.world.database.transact(delete)
        self.assertEqual(self.answer("Join"), [])
        self.world.database.transact({"op": "insert", "table": "Nuage_Port_Table", "row": told})
        self.world.database.transact(delete)
        self.world.reactor.run_for(60)
        self.assertEqual(self.found(), [])

    def test_an_audit_that_stays_undone(self) -> None:
        """It may fail for as long as something is wrong, and until it is made up for."""
        self.world.fault_lasts(10)
        for seconds, seen in ((54, 0), (2, 1)):
            self.world.reactor.run_for(seconds)
            self.world.promises.audited(None)
            self.world.promises.audited("no Docker")
            self.assertEqual(self.found(), ["the last audit failed, and nothing is wrong: no Docker"] * seen)

    def test_an_audit_of_a_host_that_begins(self) -> None:
        """Docker waits for the daemon then, and does not answer it."""
        self.world.begun = self.world.reactor.seconds()
        for seconds, seen in ((44, 0), (2, 1)):
            self.world.reactor.run_for(seconds)
            self.world.promises.audited("no Docker")
            self.assertEqual(self.found(), ["the last audit failed, and nothing is wrong: no Docker"] * seen)

    def test_a_deleted_endpoint_that_stays(self) -> None:
        """It may be there for some seconds, and longer if something is wrong meanwhile."""
        self.assertEqual(self.answer("DeleteEndpoint"), [])
        self.world.reactor.run_for(10)
        self.world.fault_lasts(10)
        self.world.reactor.run_for(20)
        self.assertEqual(self.found(), [])
        self.world.reactor.run_for(20)
        self.assertIn("was deleted long ago, and is still there: record, Port", self.found()[0])

    def test_a_deletion_that_the_daemon_did_not_survive(self) -> None:
        """What it had put off is left to an audit of the next one, which may come later."""
        self.assertEqual(self.answer("DeleteEndpoint"), [])
        self.world.daemon.start()
        self.world.daemon.kill()
        self.world.fault_lasts(1)
        self.world.reactor.run_for(self.world.config.audit_interval + 14)
        self.assertEqual(self.found(), [])
        self.world.reactor.run_for(10)
        self.assertIn("was deleted long ago, and is still there: record, Port", self.found()[0])

    def test_a_link_that_the_kernel_did_not_remove(self) -> None:
        """It may be there for longer after a fault, because it is tried again after a pause; without one it may not."""
        remove_port(self.world.database, self.port)
        rows = (("Nuage_Port_Table", "name", self.port), ("Nuage_VM_Table", "vm_uuid", self.endpoint.id))
        for table, column, value in rows:
            self.world.database.transact({"op": "delete", "table": table, "where": [[column, "==", value]]})
        self.found()
        for fault, seen in ((True, 0), (False, 1)):
            self.world.faults_end = -math.inf
            if fault:
                self.world.fault_lasts(1)
            self.assertEqual(self.answer("DeleteEndpoint"), [])
            self.world.reactor.run_for(25)
            self.assertEqual(len(self.found()), seen)
            self.world.reactor.run_for(20)
            self.assertEqual(len(self.found()), 1 - seen)
