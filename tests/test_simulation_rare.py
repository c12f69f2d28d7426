"""The rarer faults of the simulated world: that they happen, and that the daemon gets over them."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.extent import Extent
from tests.simulation.world import World

#: Seconds within which the daemon is connected.
_STARTING = 1.0


def begun(fits: Callable[[World], bool] = lambda _world: True, extent: Extent | None = None) -> World:
    """Return the world of the first seed that fits, begun."""
    for seed in range(1, 100):
        centre = DataCentre(Chance(seed), extent=extent or Extent())
        world = centre.worlds[0]
        if fits(world):
            centre.begin()
            world.reactor.run_for(_STARTING)
            return world
    raise AssertionError("no world fits")


def is_remote(world: World) -> bool:
    """Tell whether the switch's database is reached over TCP."""
    return world.database.place.startswith("tcp:")


class ConnectionTest(SynchronousTestCase):
    """A database that is reached over TCP."""

    def setUp(self) -> None:
        self.world = begun(is_remote)

    def status(self) -> str:
        """Return what the daemon says of its connection."""
        assert self.world.daemon.plugin is not None
        return self.world.daemon.plugin._daemon.client.status

    def test_reached(self) -> None:
        self.assertEqual(self.status(), "connected to tcp:10.0.0.1:6640, the cache is current")

    def test_half_open(self) -> None:
        """The daemon's probes notice that nobody is there any more."""
        client = self.world.daemon.plugin._daemon.client  # type: ignore[union-attr]
        loads = client.loads
        DEEDS["connection half open"](self.world, 0.0)
        self.world.reactor.run_for(4)
        self.assertEqual(client.loads, loads)
        self.world.reactor.run_for(12)
        self.assertEqual(client.loads, loads + 1)

    def test_tls(self) -> None:
        """The daemon says what to write, and connects once the server speaks plainly again."""
        DEEDS["database speaks TLS"](self.world, 20.0)
        self.world.reactor.run_for(15)
        self.assertIn("the server speaks TLS; write ssl: instead of tcp:", self.status())
        self.world.reactor.run_for(15)
        self.assertIn("the cache is current", self.status())
