"""The VSD of the simulated world, and the daemon's addresses from it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nuage.ipam.marks import Mark
from nuage.names import port_name
from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.extent import Extent
from tests.simulation.networks import PLACES
from tests.simulation.vsd.administrator import attach_vms
from tests.simulation.vsd.server import Vsd
from tests.simulation.vsd.share import Habits
from tests.simulation.world import World


class VsdTestCase(SynchronousTestCase):
    """Hosts that share a VSD; all that goes wrong is in the history."""

    hosts: tuple[str, ...] = ("host",)
    form = "auto"
    seed = 3

    def setUp(self) -> None:
        habits = Habits(form=self.form, networks=frozenset(PLACES), tells_subnet=True, patient=False)
        self.patch(Habits, "draw", classmethod(lambda _cls, *_: habits))
        self.centre = DataCentre(Chance(self.seed), extent=Extent(self.hosts, vsd=True))
        assert self.centre.vsd is not None
        self.vsd: Vsd = self.centre.vsd
        capture = captured(self.centre.history, self.centre.reactor.seconds)
        capture.__enter__()
        self.addCleanup(capture.__exit__, None, None, None)
        self.centre.begin()
        self.centre.reactor.run_for(5)

    def do(self, deed: str, *arguments: Any, host: int = 0, seconds: float = 5.0) -> None:
        """Do something on a host, and let it come to its end."""
        DEEDS[deed](self.centre.worlds[host], *arguments)
        self.centre.reactor.run_for(seconds)

    def address(self, container: str, host: int = 0) -> str:
        """Return the address of a container, empty if it does not run."""
        found = [each for each in self.attached(self.centre.worlds[host]) if each[0] == container]
        return found[0][1] if found else ""

    def attached(self, world: World) -> list[tuple[str, str]]:
        """Return the containers of a host that run, each with its address."""
        attached = world.docker.attached().items()
        return [(container.name, endpoint.address.partition("/")[0]) for endpoint, container in attached]

    def held(self) -> list[str]:
        """Return the addresses that daemons hold."""
        things = [*self.vsd.all("vmipreservations"), *self.vsd.all("containers")]
        return sorted(mark.address for each in things if (mark := Mark.parse(str(each["externalID"]))))


class AddressTests(VsdTestCase):
    """Containers that have their addresses from the VSD."""

    def test_from_beginning_to_end(self) -> None:
        """An address is held for as long as its container runs."""
        self.do("network create", "n1")
        self.do("run", "c1", "n1", "no", "web")
        self.assertTrue(self.address("c1").startswith("10.21.59."), self.centre.history.text)
        self.assertEqual(self.held(), [self.address("c1")])
        self.do("rm", "c1", seconds=15)
        self.do("network rm", "n1")
        self.assertEqual((self.held(), self.centre.history.violations), ([], []))


class StrangerTests(VsdTestCase):
    """A virtual machine that is not Docker's."""

    def test_its_address_while_the_switch_has_no_port_of_it(self) -> None:
        """Nobody else gets it: the machine is put back, and has it again."""
        world = self.centre.worlds[0]
        self.do("database empty", 10.0, True, seconds=15.0)
        self.assertEqual(world.database.store.rows("Nuage_Port_Table"), [])
        taken = {
            each["IPAddress"] for each in attach_vms(self.vsd, self.vsd.subnet("Domain", "Zone", "Subnet 1"), 0.0, 300)
        }
        self.assertEqual(({"10.21.58.199", "10.21.58.200"} & taken), {"10.21.58.199"})
        self.centre.reactor.run_for(60)
        (port,) = world.database.store.rows("Nuage_Port_Table")
        self.assertEqual(port["ip_addr"], "10.21.58.200")


class CrashTests(VsdTestCase):
    """Docker crashes, and its containers do not outlive it."""

    seed = 6

    def test_a_docker_that_finds_no_plugin(self) -> None:
        """It starts all the same. What it could not give back is found by the daemon later."""
        self.do("network create", "n1")
        self.do("run", "c1", "n1", "no", "")
        world = self.centre.worlds[0]
        self.assertFalse(world.docker.settings.live_restore)
        world.daemon.kill()
        del world.reactor.network.ports[world.reactor.address("/run/docker/plugins/nuage.sock")]
        world.docker.kill_dockerd()
        world.docker.start_dockerd()
        self.centre.reactor.run_for(60)
        self.assertEqual(len(self.held()), 1)
        world.daemon.start()
        self.centre.reactor.run_for(1300)
        self.assertEqual((self.held(), self.centre.history.violations), ([], []))


class TwoHosts(VsdTestCase):
    """Two hosts that share a VSD."""

    hosts = ("host", "second")

    def setUp(self) -> None:
        super().setUp()
        for host in range(2):
            self.do("network create", "n1", host=host)

    def test_one_address(self) -> None:
        """Only one of two containers that ask for an address gets it, on whichever hosts they are."""
        self.do("run with an address", "c1", "n1", 9)
        self.do("run with an address", "c2", "n1", 9, host=1)
        self.assertEqual((self.address("c1"), self.address("c2", host=1)), ("10.21.59.9", ""))
        self.do("rm", "c1")
        self.do("start", "c2", host=1)
        self.assertEqual((self.address("c2", host=1), self.centre.history.violations), ("10.21.59.9", []))

    def test_one_mac_address(self) -> None:
        """The VSD lets only one of two containers of a subnet have it: a refusal is right as long as it is taken."""
        for host in range(2):
            self.do("run", f"c{host}", "n1", "no", "", "02:aa:00:00:07:01", host=host)
        self.assertEqual((self.address("c1", host=1), self.centre.history.violations), ("", []))
        self.do("rm", "c0", seconds=15)
        second = self.centre.worlds[1]
        (refused,) = (call for call in second.docker.calls if call.method == "NetworkDriver.CreateEndpoint")
        second.promises.answered(refused.method, refused.request, self.centre.reactor.seconds(), None, "no")
        self.assertIn("CreateEndpoint is refused, and nothing is wrong: no", self.centre.history.violations[0])

    def test_two_containers_with_one_address(self) -> None:
        """That is noticed."""
        for host in range(2):
            self.do("run", f"c{host}", "n1", "no", "", host=host)
        for world in self.centre.worlds:
            ((endpoint, _),) = world.docker.attached().items()
            endpoint.address = "10.21.59.77/24"
        self.centre.reactor.run_for(2)
        self.assertIn("c1 of second and c0 of host both have 10.21.59.77", self.centre.history.violations[0])

    def test_a_daemon_that_tells_something_else(self) -> None:
        """Of the addresses that it holds."""
        self.do("run", "c1", "n1", "no", "")
        self.centre.rest()
        owners, world = self.centre._owners, self.centre.worlds[0]
        assert owners is not None
        told = self.centre.inspectors[0].learn("/ipam", 5.0)
        owners.check_told(world, told)
        self.assertEqual((len(told["held"]), self.centre.history.violations), (1, []))
        owners.check_told(world, {**told, "held": [], "unheld": told["held"]})
        self.assertIn("/ipam tells that [] are held", self.centre.history.violations[0])
        self.assertIn("are unheld, and [] are", self.centre.history.violations[1])

    def test_what_is_anothers(self) -> None:
        """A daemon that gives back what another one holds is noticed."""
        self.do("run", "c1", "n1", "no", "", host=1)
        (thing,) = [*self.vsd.all("vmipreservations"), *self.vsd.all("containers")]
        self.vsd.asking = "docker-host"
        self.vsd.parts.directory.remove(thing)
        self.vsd.asking = ""
        self.assertIn("docker-host removes nuage-plugin/", self.centre.history.violations[0])


class FaultTests(VsdTestCase):
    """What happens to the VSD, and what others do there."""

    def setUp(self) -> None:
        super().setUp()
        self.do("network create", "n1")

    def test_away(self) -> None:
        """No container starts meanwhile, and each does after that, even if all keys are forgotten."""
        for forgets in (False, True):
            self.do("VSD away", 20.0, forgets)
            self.do("run", f"c{forgets}", "n1", "no", "")
            self.assertEqual(self.address(f"c{forgets}"), "")
            self.centre.reactor.run_for(60)
            self.do("start", f"c{forgets}")
            self.assertNotEqual(self.address(f"c{forgets}"), "", self.centre.history.text)
        self.assertEqual(self.centre.history.violations, [])

    def test_out_of_order(self) -> None:
        """Whether it has done what it was asked or not, nothing is left over in the end."""
        for late in (False, True):
            self.do("VSD fails", 500, late, 10.0)
            self.do("run", f"c{late}", "n1", "no", "", seconds=40)
            self.assertEqual(self.address(f"c{late}"), "")
        self.centre.reactor.run_for(1300)
        self.assertEqual((self.held(), self.centre.history.violations), ([], []))

    def test_slow_and_frozen(self) -> None:
        """A container that starts meanwhile has to wait, or does not start."""
        self.do("VSD slow", 2000.0, 10.0)
        self.do("VSD frozen", 10.0, seconds=0.0)
        self.do("run", "c1", "n1", "no", "")
        self.assertEqual(self.address("c1"), "")
        self.centre.reactor.run_for(60)
        self.do("start", "c1")
        self.assertNotEqual(self.address("c1"), "")

    def test_full(self) -> None:
        """No address is left until the VMs are gone."""
        self.do("VM attached", 0.0, 30.0, seconds=0.0)
        self.do("subnet full", 0.0, 30.0, seconds=0.0)
        self.assertEqual(len(self.vsd.all("vminterfaces")), 254)
        self.do("run", "c1", "n1", "no", "")
        self.assertEqual(self.address("c1"), "")
        self.centre.reactor.run_for(30)
        self.do("start", "c1")
        self.assertNotEqual(self.address("c1"), "")

    def test_moved(self) -> None:
        """A container stays in the group that an administrator has put it into; if not, it is noticed."""
        self.do("run", "c1", "n1", "no", "web")
        self.do("vPort moved", 0.0, "db")
        self.centre.rest()
        owners = self.centre._owners
        assert owners is not None
        owners.check()
        self.assertEqual((len(self.vsd.moved), self.centre.history.violations), (1, []))
        self.vsd.moved.update(dict.fromkeys(self.vsd.moved, "quarantine"))
        owners.check()
        self.assertIn("c1 is to be in quarantine, and is in ['db']", self.centre.history.violations[0])

    def test_a_network_that_nobody_knows_any_more(self) -> None:
        """Docker has lost it, and hands its record, so nobody knows where its addresses are until it is made again."""
        hands: tuple[tuple[Any, ...], ...] = (("record garbled", 0.9, ""), ("record deleted", 0.9))
        for number, hand in enumerate(hands):
            self.do("run", f"c{number}", "n1", "no", "")
            self.do("Docker's data lost", 5.0, seconds=0.0)
            self.do(*hand)
            self.centre.rest()
            self.assertEqual((self.held(), self.address(f"c{number}")), ([], ""), self.centre.history.text)
            self.assertIsNotNone(self.centre.worlds[0].docker.network("n1"))
        self.assertEqual(self.centre.history.violations, [])

    def test_a_port_that_stays_shut(self) -> None:
        """Its policy group has to be known at the VSD. An audit tries again, so it may take longer after a fault."""
        (world,) = self.centre.worlds
        self.do("run", "c1", "n1", "no", "web")
        ((endpoint, _),) = world.docker.attached().items()
        world.daemon.kill()
        where = [["name", "==", port_name(endpoint.id)]]
        world.database.transact({"op": "delete", "table": "Nuage_Port_Table", "where": where})
        joined = {"NetworkID": endpoint.network.id, "EndpointID": endpoint.id}
        world.fault_lasts(0.0)
        world.promises.answered("NetworkDriver.Join", joined, self.centre.reactor.seconds(), {}, "")
        self.centre.reactor.run_for(40)
        self.assertEqual(self.centre.history.violations, [])
        self.centre.reactor.run_for(20)
        self.assertIn("was joined long ago, and is still shut", self.centre.history.violations[0])
