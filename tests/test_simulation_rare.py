"""The rarer faults of the simulated world: that they happen, and that the daemon gets over them."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver import endpoints, options, places
from nuage.names import port_name
from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.docker.commands import Outcome
from tests.simulation.extent import Extent
from tests.simulation.faults.answers import _GARBAGE
from tests.simulation.faults.mistakes import _ENDPOINTS, _NETWORKS
from tests.simulation.history import History
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


def is_held(world: World) -> bool:
    """Tell whether systemd holds the socket that Docker calls."""
    return world.held is not None


class HeldSocketTest(SynchronousTestCase):
    """A socket that systemd holds."""

    def setUp(self) -> None:
        self.world = begun(is_held)
        self.world.reactor.run_for(5)
        assert self.world.reactor.port(self.world.config.plugin_socket) is not None

    def create(self) -> list[Outcome]:
        """Have Docker make a network; return where its outcome will be."""
        outcomes: list[Outcome] = []
        DEEDS["network create"](self.world, "n1").addCallback(outcomes.append)
        return outcomes

    def test_waiting(self) -> None:
        """What Docker asks while the daemon is away waits in the socket, and is done as soon as it is back."""
        self.world.daemon.kill()
        outcomes = self.create()
        self.world.reactor.run_for(20)
        self.assertEqual(outcomes, [])
        self.world.start_daemon()
        self.world.reactor.run_for(2)
        self.assertEqual([each.ok for each in outcomes], [True])

    def test_no_descriptors(self) -> None:
        """Connections that cannot be accepted wait."""
        # Docker keeps connections, and those are served.
        self.world.daemon.kill()
        self.world.start_daemon()
        with captured(self.world.history, self.world.reactor.seconds):
            DEEDS["descriptors used up"](self.world, 10.0)
            outcomes = self.create()
            self.world.reactor.run_for(5)
            self.assertEqual(outcomes, [])
            self.world.reactor.run_for(8)
        self.assertEqual([each.ok for each in outcomes], [True])
        self.assertIn("Too many open files", self.world.history.text)

    def test_power_lost(self) -> None:
        """Systemd holds it again before the daemon starts."""
        DEEDS["power lost"](self.world, 5.0, 6.0, 7.0)
        port = self.world.reactor.port
        self.world.reactor.run_for(4)
        self.assertIsNone(port(self.world.config.plugin_socket))
        self.world.reactor.run_for(20)
        outcomes = self.create()
        self.world.reactor.run_for(2)
        self.assertEqual([each.ok for each in outcomes], [True])


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

    def test_half_open_to_the_vsd(self) -> None:
        """At most one question is lost by it."""
        world = begun(extent=Extent(vsd=True))
        world.reactor.run_for(3)
        outcomes: list[Outcome] = []
        DEEDS["network create"](world, "n1").addCallback(outcomes.append)
        world.reactor.run_for(3)
        for number in range(1, 4):
            DEEDS["VSD connections half open"](world)
            DEEDS["run"](world, f"c{number}", "n1", "no", "").addCallback(outcomes.append)
            world.reactor.run_for(20)
        DEEDS["run"](world, "c4", "n1", "no", "").addCallback(outcomes.append)
        world.reactor.run_for(20)
        self.assertEqual(len(outcomes), 5)
        self.assertTrue(outcomes[-1].ok, outcomes)

    def test_tls(self) -> None:
        """The daemon says what to write, and connects once the server speaks plainly again."""
        DEEDS["database speaks TLS"](self.world, 20.0)
        self.world.reactor.run_for(15)
        self.assertIn("the server speaks TLS; write ssl: instead of tcp:", self.status())
        self.world.reactor.run_for(15)
        self.assertIn("the cache is current", self.status())


class SchemaTest(SynchronousTestCase):
    """What the database's server says of its tables."""

    def test_older(self) -> None:
        """The daemon does without columns that it only reads."""
        world = begun(lambda world: "Nuage_Port_Table" in world.lacking and bool(world.config.resolve_timeout))
        world.reactor.run_for(3)
        outcomes: list[Outcome] = []
        DEEDS["network create"](world, "n1").addCallback(outcomes.append)
        world.reactor.run_for(3)
        DEEDS["run"](world, "c1", "n1", "no", "web").addCallback(outcomes.append)
        world.reactor.run_for(5)
        self.assertEqual([each.ok for each in outcomes], [True, True])
        cache = world.daemon.plugin._daemon.client.cache  # type: ignore[union-attr]
        (row,) = [row for row in cache["Nuage_Port_Table"].rows.values() if str(row["name"]).startswith("nu")]
        self.assertTrue(row["ip_addr"])
        self.assertFalse({*world.lacking["Nuage_Port_Table"]} & {*row})

    def test_unusable(self) -> None:
        """The daemon says what is missing, and works again once it is there."""
        world = begun(lambda world: bool(world.config.resolve_timeout))
        for what, reason in {
            "no VRS": "this database is no VRS: it has no table Nuage_Port_Table and no table Nuage_VM_Table",
            "no MAC addresses": "this VRS's database has no column Nuage_Port_Table.mac",
            "no addresses": "set resolve_timeout to 0",
            "no tables": "the database's schema cannot be read",
            "no schema": "the database's schema cannot be read",
        }.items():
            client = world.daemon.plugin._daemon.client  # type: ignore[union-attr]
            DEEDS["schema unusable"](world, what, 10.0)
            world.reactor.run_for(9)
            self.assertIn(reason, client.status)
            world.reactor.run_for(11)
            self.assertTrue(client.synced, client.status)


class MistakesTest(SynchronousTestCase):
    """What users get wrong."""

    def setUp(self) -> None:
        self.world = begun()
        self.world.reactor.run_for(3)
        DEEDS["network create"](self.world, "n1")
        self.world.reactor.run_for(3)

    def test_refused(self) -> None:
        """Each mistake is refused in words that help."""
        for deed, mistakes in (
            ("network misdescribed", _NETWORKS),
            ("endpoint misdescribed", _ENDPOINTS),
        ):
            for which in range(len(mistakes)):
                DEEDS[deed](self.world, which)
            self.world.reactor.run_for(5)
        self.assertEqual(self.world.history.violations, [])

    def test_noticed(self) -> None:
        """The world sees an answer that does not help, and one that takes a mistake."""
        self.patch(options, "_pool_problems", lambda _request: ["no"])
        DEEDS["network misdescribed"](self.world, len(_NETWORKS) - 1)
        self.patch(endpoints, "check_spelling", lambda _options: None)
        DEEDS["endpoint misdescribed"](self.world, 1)
        self.world.reactor.run_for(5)
        told = [each.partition("answered with ")[2] for each in self.world.history.violations]
        self.assertEqual(sorted(told), ["''", "'no'"])


class AnswersTest(SynchronousTestCase):
    """What the database's server answers."""

    def setUp(self) -> None:
        self.world = begun()
        self.world.reactor.run_for(3)

    def test_disk_full(self) -> None:
        """A network is not made, and it is as soon as there is room."""
        outcomes: list[Outcome] = []
        DEEDS["disk full"](self.world, 5.0)
        for seconds in (5.1, 2):
            DEEDS["network create"](self.world, "n1").addCallback(outcomes.append)
            self.world.reactor.run_for(seconds)
        self.assertEqual([each.ok for each in outcomes], [False, True])
        self.assertIn("I/O error (cannot write to the log: No space left on device)", outcomes[0].message)

    def test_nonsense(self) -> None:
        """The daemon gives up the connection, and is connected again soon after."""
        client = self.world.daemon.plugin._daemon.client  # type: ignore[union-attr]
        with captured(self.world.history, self.world.reactor.seconds):
            for which in range(12):
                for method in _GARBAGE:
                    DEEDS["reply garbled"](self.world, method, which / 12)
                self.world.reactor.run_for(30)
                DEEDS["update wrong"](self.world, which / 12, ("update", "update2", "update3")[which % 3])
                self.world.reactor.run_for(30)
                self.assertTrue(client.synced, client.status)
        self.assertEqual(self.world.history.violations, [])
        self.assertGreater(client.loads, 10)


class SpoiltTest(SynchronousTestCase):
    """What hands spoil, and the daemon puts right as far as anybody can."""

    def setUp(self) -> None:
        centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = centre.worlds
        self.before = centre.begin()
        self.centre = centre
        self.world.reactor.run_for(3)
        DEEDS["network create"](self.world, "n1")
        self.world.reactor.run_for(3)
        DEEDS["run"](self.world, "c1", "n1", "no", "web")
        self.world.reactor.run_for(5)
        (self.endpoint,) = self.world.docker.attached()
        self.port = port_name(self.endpoint.id)

    def tearDown(self) -> None:
        self.centre.rest()
        self.centre._check_rest()
        self.centre.clear()
        self.centre._check_cleared(self.before)
        self.assertEqual(self.centre.history.violations, [])

    def ids(self, table: str) -> dict[str, str]:
        """Return the external_ids of the port's row in a table."""
        (ids,) = (row["external_ids"] for row in self.world.database.rows(table) if row["name"] == self.port)
        return dict(ids)

    def test_marks(self) -> None:
        for table in ("Interface", "Port"):
            whole = self.ids(table)
            DEEDS["marks stripped"](self.world, table, 0.0)
            self.assertEqual(self.ids(table), {})
            self.world.reactor.run_for(100)
            self.assertEqual(self.ids(table), whole)

    def test_record(self) -> None:
        whole = self.ids("Interface")
        DEEDS["marks stripped"](self.world, "record", 0.0)
        self.assertEqual(whole.keys() - self.ids("Interface").keys(), {"nuage-record"})
        self.world.reactor.run_for(100)
        self.assertEqual(self.ids("Interface"), whole)

    def test_record_and_end(self) -> None:
        """Nothing can be kept of an endpoint that is left without its record."""
        DEEDS["marks stripped"](self.world, "record", 0.0)
        self.world.docker.remove("c1")
        self.world.reactor.run_for(5)

    def test_bridge(self) -> None:
        """It comes back with all that was kept there."""
        ports = {row["name"] for row in self.world.database.rows("Port")}
        DEEDS["bridge removed"](self.world, 10.0)
        self.assertEqual(self.world.database.rows("Port"), [])
        self.world.reactor.run_for(100)
        self.assertEqual({row["name"] for row in self.world.database.rows("Port")}, ports)

    def test_bridge_and_database(self) -> None:
        """A database that is lost while the bridge is away gets back what others had there, too."""
        DEEDS["bridge removed"](self.world, 10.0)
        DEEDS["database empty"](self.world, 6.0, True)
        self.world.reactor.run_for(100)

    def test_name(self) -> None:
        """A container does not start while somebody else's link has a name of its endpoint."""
        for at_host in (True, False):
            outcomes: list[Outcome] = []
            DEEDS["name taken"](self.world, at_host, 20.0)
            DEEDS["run"](self.world, f"c-{at_host}", "n1", "no", "").addCallback(outcomes.append)
            self.world.reactor.run_for(10)
            self.assertIn("remove or rename it", outcomes[0].message)
            self.world.reactor.run_for(20)
            self.world.docker.start(f"c-{at_host}").addCallback(outcomes.append)
            self.world.reactor.run_for(5)
            self.assertTrue(outcomes[1].ok, outcomes)

    def test_link(self) -> None:
        """Nobody can bring it back before the container starts again."""
        DEEDS["link deleted"](self.world, 0.0)
        self.world.reactor.run_for(100)
        self.assertIsNone(self.world.kernel.find(self.port))
        self.world.docker.restart("c1")
        self.world.reactor.run_for(20)
        (endpoint,) = self.world.docker.attached()
        self.assertIsNotNone(self.world.kernel.find(port_name(endpoint.id)))

    def test_link_and_switch(self) -> None:
        """A switch that is started anew cannot open the port of a link that is gone, so it is not resolved."""
        DEEDS["link deleted"](self.world, 0.0)
        DEEDS["switch daemon away"](self.world, 5.0)

    def test_renamed_link(self) -> None:
        """The endpoint has none, whatever it was called."""
        DEEDS["link renamed"](self.world, 0.0, 847)
        DEEDS["link deleted"](self.world, 0.0)

    def test_mtu(self) -> None:
        """It is only told."""
        DEEDS["network create with"](self.world, "n2", "mtu")
        self.world.reactor.run_for(3)
        DEEDS["run"](self.world, "c2", "n2", "no", "")
        self.world.reactor.run_for(5)
        with captured(self.world.history, self.world.reactor.seconds):
            DEEDS["link MTU set"](self.world, 0.9, 1300, 99.0)
            self.world.reactor.run_for(100)
        self.assertIn("the MTU of its link is 1300, that of its network 1400", self.world.history.text)


class ContradictionTest(SynchronousTestCase):
    """Networks that are not what Nuage has."""

    def contradict(self, extent: Extent, kind: str) -> tuple[World, History]:
        """Create such a network; return its world 30 s later, and what has happened."""
        world = begun(lambda world: bool(world.config.resolve_timeout) and not world.lacking, extent)
        world.reactor.run_for(5)
        with captured(world.history, world.reactor.seconds):
            DEEDS["network contradicts Nuage"](world, kind, 30.0)
            world.reactor.run_for(29)
            there = [each.name for each in world.docker.store.known_networks]
            world.reactor.run_for(60)
        self.assertEqual(world.docker.store.known_networks, [])
        self.assertEqual(world.docker.store.containers, {})
        self.there = there
        return world, world.history

    def test_with_a_vsd(self) -> None:
        """It is refused, with a remedy."""
        remedies = {
            "subnet": "--subnet=10.21.61.0/24",
            "user": "nobody",
            "group": "wbe",
            "target": "firewal",
            "domain": "Flatt",
            "zone": "Zoen",
            "name": "Subnet One",
            "gateway": "--gateway=10.21.59.253",
            "ipv6": "--subnet=fd00:21:61::/64",
        }
        for kind, remedy in remedies.items():
            _, history = self.contradict(Extent(vsd=True), kind)
            self.assertEqual((self.there, history.violations), ([], []), kind)
            self.assertIn(remedy, _line(history, f"docker network create wrong-{kind}: "), kind)

    def test_without_a_vsd(self) -> None:
        """It is accepted, and no container starts on it."""
        for kind, reason in {
            "zone": 'zone "Zoen"',
            "gateway": "gateway: Docker 10.21.59.2, Nuage 10.21.59.253",
        }.items():
            _, history = self.contradict(Extent(), kind)
            self.assertEqual((self.there, history.violations), ([f"wrong-{kind}"], []))
            self.assertIn(reason, _line(history, f"docker run on-{kind} on wrong-{kind}: "))

    def test_noticed(self) -> None:
        """The world sees if such a network is accepted as if the VSD had agreed."""
        self.patch(places.Places, "checked", lambda _self, network: succeed(network))
        _, history = self.contradict(Extent(vsd=True), "subnet")
        self.assertIn("network wrong-subnet contradicts the VSD, and is accepted", history.violations[0])


def _line(history: History, beginning: str) -> str:
    return next(line for line in history.lines if beginning in line)
