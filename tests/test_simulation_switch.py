"""The simulated switch: the real client on the simulated database, with the switch daemon and the agent behind it."""

from __future__ import annotations

from collections.abc import Coroutine
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

import lab
from lab.vrs.topology_file import load
from nuage.errors import SwitchError
from nuage.model import Container, Endpoint, Network
from nuage.names import port_name
from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.remote import parse_remote
from nuage.vrs import tables
from nuage.vrs.errors import NotResolved
from nuage.vrs.switch import Switch
from tests.simulation import installation
from tests.simulation.chance import Chance
from tests.simulation.database.server import Database
from tests.simulation.history import History
from tests.simulation.places import Places
from tests.simulation.reactor import SimReactor
from tests.simulation.switch_daemon import LOCAL, SwitchDaemon
from tests.simulation.vrs_agent import VrsAgent

T = TypeVar("T")

NETWORK = Network(
    id="1" * 64,
    organization="Enterprise",
    user="admin",
    domain="Domain",
    zone="Zone",
    subnet="Subnet 2",
    pool=IPv4Network("10.21.59.0/24"),
)
CONTAINER = Container(id="c" * 64, name="web")


def endpoint(number: int) -> Endpoint:
    """Return one of several endpoints."""
    address = IPv4Interface(f"10.21.59.{number + 10}/24")
    return Endpoint(id=f"{number:02x}" * 32, network_id=NETWORK.id, mac=f"7a:42:00:00:00:{number:02x}", address=address)


class World:
    """A switch and a client of it."""

    def __init__(self, seed: int = 1) -> None:
        chance = Chance(seed)
        self.reactor = SimReactor(chance)
        self.history = History()
        self.database = Database(self.reactor, chance.part("database"), self.history)
        self.devices: set[str] = set()
        self.daemon = SwitchDaemon(
            self.reactor, chance.part("switch"), self.history, self.database, self.devices.__contains__
        )
        topology = load(Path(lab.__file__).with_name("topology.yaml"))
        self.agent = VrsAgent(self.reactor, chance.part("vrs"), self.history, self.database, Places(topology))
        self.daemon.busy = self.agent.late = 0.0
        self.database.start()
        installation.make_switch(self.database)
        installation.make_bridge(self.database)
        self.daemon.start()
        self.client = OvsdbClient(
            self.reactor,
            parse_remote(self.database.place),
            tables.DATABASE,
            tables.MONITORED,
            check_schema=tables.check_schema,
            jitter=chance.part("jitter").fraction,
        )
        self.switch = Switch(self.client, "alubr0", 5.0)
        self.client.start()

    def do(self, work: Coroutine[Deferred[Any], Any, T], seconds: float = 60.0) -> T:
        """Carry out what takes virtual time; return or raise what comes of it."""
        came: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(came.append)
        self.reactor.run_until(lambda: bool(came), seconds)
        assert came, "it takes too long"
        if isinstance(came[0], Exception) or hasattr(came[0], "raiseException"):
            came[0].raiseException()
        result: T = came[0]
        return result

    def attach(self, number: int) -> Any:
        """Make a link, attach an endpoint and return how it was resolved."""
        self.devices.add(port_name(endpoint(number).id))
        self.do(self.switch.attach(NETWORK, endpoint(number), CONTAINER))
        return self.do(self.switch.resolved(endpoint(number).id, 5.0))

    def interface(self, number: int) -> dict[str, Any]:
        """Return what the database has of an endpoint's interface."""
        name = port_name(endpoint(number).id)
        (row,) = (row for row in self.database.rows("Interface") if row["name"] == name)
        return row

    def address(self, number: int) -> str:
        """Return the address that the database tells of an endpoint."""
        name = port_name(endpoint(number).id)
        (row,) = (row for row in self.database.rows("Nuage_Port_Table") if row["name"] == name)
        return str(row["ip_addr"])


class SwitchTest(SynchronousTestCase):
    """What the plugin sees of it."""

    def setUp(self) -> None:
        self.world = World()
        self.world.do(self.world.switch.ready())

    def test_life_of_an_endpoint(self) -> None:
        """It is attached, wired, resolved and forgotten, and nothing is left."""
        self.world.reactor.run_for(1.0)
        before = self.world.database.rows("Interface")
        self.assertEqual([(row["name"], row["ofport"]) for row in before], [("alubr0", LOCAL)])
        resolution = self.world.attach(1)
        self.assertEqual((resolution.address, resolution.mask), ("10.21.59.11", "255.255.255.0"))
        self.assertEqual((resolution.gateway, resolution.vrf_id, resolution.evpn_id), ("10.21.59.1", 2001, 102))
        self.assertEqual(self.world.interface(1)["ofport"], 1)
        self.world.do(self.world.switch.forget_endpoint(endpoint(1).id))
        for table in ("Nuage_Port_Table", "Nuage_VM_Table"):
            self.assertEqual(self.world.database.rows(table), [])
        self.assertEqual([row["name"] for row in self.world.database.rows("Interface")], ["alubr0"])
        self.assertEqual([row["name"] for row in self.world.database.rows("Port")], ["alubr0"])

    def test_missing_device(self) -> None:
        """It is an error until it comes; if it goes, its port keeps its number."""
        with self.assertRaises(SwitchError) as caught:
            self.world.do(self.world.switch.attach(NETWORK, endpoint(1), CONTAINER))
        self.assertIn("No such device", str(caught.exception))
        self.assertEqual(self.world.interface(1)["ofport"], -1)
        name = port_name(endpoint(1).id)
        self.world.devices.add(name)
        self.world.daemon.device_changed(name)
        self.world.reactor.run_for(1.0)
        self.assertEqual((self.world.interface(1)["ofport"], self.world.interface(1)["error"]), (1, None))
        self.world.devices.discard(name)
        self.world.daemon.device_changed(name)
        self.world.reactor.run_for(1.0)
        self.assertEqual((self.world.interface(1)["ofport"], self.world.interface(1)["error"]), (1, None))

    def test_numbers(self) -> None:
        """None is given again soon; after a restart the ports have theirs, and a new one gets the lowest."""
        for number in (1, 2, 3):
            self.world.attach(number)
        self.world.do(self.world.switch.forget_endpoint(endpoint(1).id))
        self.world.attach(4)
        self.assertEqual([self.world.interface(number)["ofport"] for number in (2, 3, 4)], [2, 3, 4])
        self.world.daemon.restart()
        self.world.attach(5)
        self.assertEqual([self.world.interface(number)["ofport"] for number in (2, 3, 4, 5)], [2, 3, 4, 1])

    def test_daemon_away(self) -> None:
        """Nothing is opened while it is away or hangs."""
        for leave, come_back in (
            (self.world.daemon.stop, self.world.daemon.start),
            (self.world.daemon.hang, self.world.daemon.resume),
        ):
            leave()
            self.world.devices.add(port_name(endpoint(1).id))
            with self.assertRaises(SwitchError) as caught:
                self.world.do(self.world.switch.attach(NETWORK, endpoint(1), CONTAINER))
            self.assertIn("did not open port", str(caught.exception))
            come_back()
            self.world.attach(1)
            self.world.do(self.world.switch.forget_endpoint(endpoint(1).id))

    def test_replaced_meanwhile(self) -> None:
        """A port that was replaced by one of the same name, while the daemon did not look, has the same number."""
        self.world.attach(1)
        self.world.daemon.hang()
        self.world.do(self.world.switch.forget_endpoint(endpoint(1).id))
        with self.assertRaises(SwitchError):
            self.world.do(self.world.switch.attach(NETWORK, endpoint(1), CONTAINER))
        self.assertEqual(self.world.interface(1)["ofport"], None)
        self.world.daemon.resume()
        self.world.reactor.run_for(1.0)
        self.assertEqual(self.world.interface(1)["ofport"], 1)

    def test_controller(self) -> None:
        """The database tells whether it is there; without it no new port is resolved."""
        self.world.attach(1)
        self.assertEqual(self.world.database.rows("Controller")[0]["role"], "master")
        self.world.agent.lose_controller()
        self.world.daemon.lose_controller()
        with self.assertRaises(NotResolved):
            self.world.attach(2)
        self.world.reactor.run_for(6.0)
        (controller,) = self.world.database.rows("Controller")
        self.assertEqual((controller["role"], controller["is_connected"]), ("other", False))
        self.assertEqual(self.world.address(1), "10.21.59.11")
        self.world.agent.find_controller()
        self.world.daemon.find_controller()
        self.world.attach(2)
        self.world.reactor.run_for(6.0)
        self.assertEqual(self.world.database.rows("Controller")[0]["role"], "master")

    def test_refusals(self) -> None:
        """A port that is refused loses its address; one that is forgotten gets it again."""
        self.world.attach(1)
        name = port_name(endpoint(1).id)
        self.world.agent.refuse(name)
        self.world.reactor.run_for(1.0)
        self.assertEqual(self.world.address(1), "")
        self.world.agent.accept(name)
        self.world.reactor.run_for(1.0)
        self.assertEqual(self.world.address(1), "10.21.59.11")
        self.world.agent.forget(name)
        self.assertEqual(self.world.address(1), "")
        self.world.reactor.run_for(1.0)
        self.assertEqual(self.world.address(1), "10.21.59.11")

    def test_never_resolved(self) -> None:
        """If chance wants it, a port is not resolved, and the next one may be."""
        self.world.agent.never = 1.0
        with self.assertRaises(NotResolved):
            self.world.attach(1)
        self.world.agent.never = 0.0
        self.world.attach(2)
        self.assertEqual(self.world.address(1), "")

    def test_database_restarts(self) -> None:
        """What is kept is there again, what is ephemeral is not until the daemon writes it."""
        self.world.attach(1)
        self.world.database.restart()
        self.assertEqual(self.world.database.rows("Controller")[0]["role"], None)
        self.assertEqual(self.world.interface(1)["ofport"], 1)
        self.world.attach(2)
        self.world.reactor.run_for(6.0)
        self.assertEqual(self.world.database.rows("Controller")[0]["role"], "master")

    def test_database_loses_all(self) -> None:
        """It is empty until the start scripts of the switch have run."""
        self.world.attach(1)
        self.world.database.restart(empty=True)
        self.world.reactor.run_for(1.0)
        self.assertEqual(self.world.database.rows("Interface"), [])
        installation.make_switch(self.world.database)
        installation.make_bridge(self.world.database)
        self.world.reactor.run_for(10.0)
        self.world.attach(1)
        self.assertEqual([row["ofport"] for row in self.world.database.rows("Interface")], [LOCAL, 1])

    def test_database_hangs(self) -> None:
        """What was asked meanwhile is done later, and connections stay."""
        self.world.database.hang()
        late = Deferred.fromCoroutine(self.world.switch.remember_network(NETWORK))
        self.world.reactor.run_for(3.0)
        self.assertNoResult(late)
        self.world.database.resume()
        self.world.reactor.run_for(1.0)
        self.successResultOf(late)
        self.assertIn(f"nuage-network-{NETWORK.id}", self.world.database.rows("Bridge")[0]["external_ids"])

    def test_database_falls_silent(self) -> None:
        """Nothing is told to who is connected, until a transaction of his shows it and he connects anew."""
        self.world.database.fall_silent()
        installation.add_port(self.world.database, "other")
        self.world.reactor.run_for(3.0)
        ports = self.world.client.cache[tables.PORT]
        self.assertIsNone(ports.find("name", "other"))
        self.world.attach(1)
        self.assertIsNotNone(ports.find("name", "other"))

    def test_database_converted(self) -> None:
        """Clients have to connect anew, and find all rows."""
        self.world.attach(1)
        loads: list[None] = []
        self.world.client.on_synced(lambda: loads.append(None))
        self.world.database.convert("Nuage_Port_Table", "later", {"type": "string"})
        self.world.reactor.run_for(3.0)
        self.assertEqual(len(loads), 1)
        self.assertEqual(self.world.attach(1).address, "10.21.59.11")

    def test_bridge_removed(self) -> None:
        """All goes with it."""
        self.world.attach(1)
        installation.remove_bridge(self.world.database)
        self.world.reactor.run_for(1.0)
        for table in ("Bridge", "Port", "Interface", "Controller"):
            self.assertEqual(self.world.database.rows(table), [], table)

    def test_same_seed(self) -> None:
        """The same seed tells the same story, another one another."""
        stories = []
        for seed in (5, 5, 6):
            world = World(seed)
            for number in (1, 2, 3):
                world.attach(number)
            world.database.restart()
            world.do(world.switch.forget_endpoint(endpoint(2).id))
            stories.append(world.history.text)
        self.assertEqual(stories[0], stories[1])
        self.assertNotEqual(stories[0], stories[2])
