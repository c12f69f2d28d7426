"""The VSD of the simulated world, and the daemon's addresses from it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nuage.ipam.marks import Mark
from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.extent import Extent
from tests.simulation.vsd.server import Vsd
from tests.simulation.world import World


class VsdTestCase(SynchronousTestCase):
    """Hosts that share a VSD; all that goes wrong is in the history."""

    hosts: tuple[str, ...] = ("host",)

    def setUp(self) -> None:
        self.centre = DataCentre(Chance(3), extent=Extent(self.hosts, vsd=True))
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
