"""Who asks the daemon in the simulated world how it does, and what is seen by that."""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from nuage.status.report import Report
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.extent import Extent
from tests.simulation.inspection import inspector, truth


class InspectionTest(SynchronousTestCase):
    """A host with one container, whose daemon is asked and listened to."""

    def setUp(self) -> None:
        self.patch(inspector, "_FOLLOWED", 1.0)
        self.centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = self.centre.worlds
        (self.inspector,) = self.centre.inspectors
        self.centre.begin()
        self.centre.reactor.run_for(5)
        DEEDS["network create"](self.world, "n1")
        self.centre.reactor.run_for(5)
        DEEDS["run"](self.world, "c1", "n1", "no", "web")
        self.centre.rest()

    def found(self) -> list[str]:
        """Return what is seen now."""
        self.world.history.violations.clear()
        truth.check(self.world, self.inspector)
        return self.world.history.violations

    def test_well(self) -> None:
        """All that is told is true; what was heard of changes is what is told now."""
        self.centre.reactor.run_for(600)
        self.assertEqual((self.world.history.violations, self.found()), ([], []))
        assert self.inspector.follower is not None
        known = self.inspector.follower.known
        assert known is not None
        self.assertEqual([each["container"] for each in known["endpoints"]], ["c1"])
        counts = self.world.history.counts
        self.assertEqual({path for path in inspector._PATHS if counts.get(f"question {path} 200")}, {*inspector._PATHS})

    def test_a_daemon_that_tells_something_else(self) -> None:
        """Of an endpoint, of a network, in its numbers, and that it is not well."""
        ((endpoint, container),) = self.world.docker.attached().items()
        container.name = "other"
        self.assertIn("/status tells of", self.found()[0])
        container.name = "c1"
        del self.world.docker.store.networks[endpoint.network.id]
        self.assertIn("and there is none", self.found()[0])
        self.world.docker.store.networks[endpoint.network.id] = endpoint.network
        self.assertEqual(self.found(), [])
        self.world.docker.kill_dockerd()
        self.centre.reactor.run_for(60)
        self.assertIn("/status is not well at rest", self.found()[0])

    def test_a_listener_that_missed_something(self) -> None:
        """What it heard differs from what is told."""
        assert self.inspector.follower is not None
        assert self.inspector.follower.known is not None
        endpoints = self.inspector.follower.known["endpoints"]
        # One that was refused is shown for some minutes, and they may be over since the last event.
        endpoints.append({**endpoints[0], "id": "of c2", "gone": True})
        self.assertEqual(self.found(), [])
        endpoints[1]["gone"] = False
        self.assertIn("/events told other endpoints than /status", self.found()[0])
        endpoints.clear()
        self.assertIn("/events told other endpoints than /status", self.found()[0])

    def test_a_bug(self) -> None:
        """An answer that says so is noticed."""

        def fail(_report: Report) -> dict[str, int]:
            raise RuntimeError("a bug")

        self.patch(Report, "count", fail)
        self.centre.reactor.run_for(300)
        self.assertTrue(self.flushLoggedErrors(RuntimeError))
        self.assertIn(" is answered with 500: ", self.world.history.violations[0])

    def test_a_daemon_that_does_not_answer(self) -> None:
        """It is noticed, unless it is frozen or dead."""
        self.patch(inspector, "_PAUSE", (1.0, 1.0))
        self.world.daemon.reactor.freeze()
        self.centre.reactor.run_for(30)
        self.world.daemon.reactor.thaw()
        self.centre.reactor.run_for(30)
        self.assertEqual(self.world.history.violations, [])
        self.inspector._socket = "/run/silent.sock"
        self.world.reactor.listenUNIX(self.inspector._socket, Factory.forProtocol(Protocol))
        self.centre.reactor.run_for(30)
        self.assertIn("is not answered within 0.05 s", self.world.history.violations[0])
