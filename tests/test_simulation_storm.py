"""Runs of the simulated world in which storms of faults and calms follow each other."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation import invariants
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.extent import Extent
from tests.simulation.faults import longest_delay
from tests.simulation.plan import Step
from tests.simulation.world import World


class ChaptersTest(SynchronousTestCase):
    """A plan of several chapters."""

    def test_a_rest_after_each(self) -> None:
        """The next chapter begins once all is at rest, and each rest is looked at."""
        rests: list[tuple[list[str], bool]] = []

        def look(world: World) -> None:
            containers = [each.name for each in world.docker.store.containers.values()]
            rests.append((containers, world.reactor.seconds() > world.faults_end + 60))

        self.patch(invariants, "check_rest", look)
        centre = DataCentre(Chance(1), extent=Extent())
        run = ("n1", "no", "")
        plan = [
            Step(1, "network create", ("n1",)),
            Step(2, "run", ("c1", *run)),
            Step(3, "switch daemon away", (100.0,)),
            Step(1, "run", ("c2", *run), chapter=2),
            Step(5, "run", ("c3", *run), chapter=2),
        ]
        centre.live(plan)
        self.assertEqual(rests, [(["c1"], True), (["c1", "c2", "c3"], True)])
        self.assertEqual(centre.history.violations, [])

    def test_a_rest_without_steps(self) -> None:
        """There is one even if nothing was done."""
        rests: list[World] = []
        self.patch(invariants, "check_rest", rests.append)
        DataCentre(Chance(1), extent=Extent()).live([])
        self.assertEqual(len(rests), 1)

    def test_spelling(self) -> None:
        """Only a later chapter is named."""
        self.assertEqual(str(Step(1, "rm", ("c1",))), "1.000 rm c1")
        self.assertEqual(str(Step(1, "rm", ("c1",), chapter=2)), "2: 1.000 rm c1")

    def test_delays(self) -> None:
        """What freezes the daemon in one chapter does not excuse a late answer in another."""
        frozen = [("daemon frozen", 3.0, 0), ("dockerd frozen", 4.0, 0), ("daemon frozen", 5.0, 1), ("rm", 9.0, 1)]
        plan = [Step(1, deed, (seconds,), chapter=chapter) for deed, seconds, chapter in frozen]
        self.assertEqual(longest_delay(plan), 7.0)
        self.assertEqual(longest_delay([]), 0.0)
