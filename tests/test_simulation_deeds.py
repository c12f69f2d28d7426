"""What the steps of a plan do to the simulated world."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation import invariants
from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.docker.answer import Answer
from tests.simulation.docker.commands import Outcome
from tests.simulation.extent import Extent
from tests.simulation.faults import nonsense
from tests.simulation.faults.fault import Missed


class DeedsTest(SynchronousTestCase):
    """A world in which nothing fails."""

    def setUp(self) -> None:
        self.centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = self.centre.worlds
        self.centre.begin()

    def do(self, deed: str, *arguments: object) -> None:
        """Carry out a step that has to succeed."""
        command: Deferred[Outcome] = DEEDS[deed](self.world, *arguments)
        outcomes: list[Outcome] = []
        command.addCallback(outcomes.append)
        self.world.reactor.run_until(lambda: bool(outcomes), 60)
        self.assertTrue(outcomes[0].ok, outcomes)

    def test_a_container_that_is_removed_at_its_end(self) -> None:
        self.do("network create", "n1")
        self.do("run", "c1", "n1", "rm", "")
        self.do("stop", "c1")
        self.world.reactor.run_for(5)
        self.assertEqual(self.world.docker.store.containers, {})

    def test_ways_out(self) -> None:
        """Containers of some networks get out by Docker's own bridge, those of the others by Nuage."""
        for name, what, expected in (("n1", "mtu", False), ("n2", "gwbridge", True)):
            self.do("network create with", name, what)
            self.do("run", f"c-{name}", name, "no", "")
            *_, sandbox = self.world.docker.store.sandboxes.values()
            self.assertEqual(sandbox.bridged is not None, expected, name)

    def test_answers_to_strangers(self) -> None:
        """One that is cut is of a daemon that died meanwhile. A whole one has to make sense."""
        for answer, violations in (
            (Answer(400, b'{"Err": "wh', whole=False), 0),
            (Answer(500, b'{"Err": "wh', whole=False), 1),
            (Answer(400, b'{"Err": "what?"}'), 0),
            (Answer(400, b"[]"), 1),
        ):
            transport = Mock(ask=AsyncMock(return_value=answer))
            self.patch(nonsense, "Transport", Mock(return_value=transport))
            DEEDS["nonsense"](self.world, "CreateNetwork", b"{", 1.0)
            self.assertEqual(len(self.world.history.violations), violations, answer)
            self.world.history.violations.clear()

    def test_spoilt_records(self) -> None:
        """Docker's networks get theirs back. Those of others are removed by hand, as the log asks for."""
        for name in ("n1", "n2"):
            self.do("network create", name)
        lost = next(each for each in self.world.docker.store.known_networks if each.name == "n2")
        del self.world.docker.store.networks[lost.id]
        with captured(self.world.history, self.world.reactor.seconds):
            for which in (0.0, 0.9):
                DEEDS["record garbled"](self.world, which, "{")
            self.world.reactor.run_for(1)
            # Hands keep off a switch that tells nobody of changes, but for this.
            self.world.database.fall_silent()
            self.assertRaises(Missed, DEEDS["record garbled"], self.world, 0.0, "{")
            self.centre.rest()
        self.assertEqual(self.world.history.text.count("is passed over"), 2)
        invariants.check_rest(self.world)
        self.assertEqual(self.world.history.violations, [])

    def test_a_daemon_that_is_frozen_while_it_ends(self) -> None:
        """It ends when it goes on, and somebody starts it again: whoever stopped it had tried that too early."""
        self.world.reactor.run_for(5)
        self.world.daemon.stop()
        self.world.daemon.reactor.freeze()
        self.world.reactor.run_for(100)
        self.assertTrue(self.world.daemon.running)
        self.world.daemon.reactor.thaw()
        self.world.reactor.run_for(50)
        self.assertFalse(self.world.daemon.running)
        self.centre.rest()
        self.assertTrue(self.world.daemon.running)
        self.assertEqual(self.world.history.violations, [])
