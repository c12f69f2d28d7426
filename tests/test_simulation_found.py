"""What the simulated world once found in the plugin: each as the shortest plan that had shown it."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.plan import Step
from tests.simulation.world import World


class FoundTest(SynchronousTestCase):
    """Each plan is carried out in some worlds, which differ in their releases, settings and delays."""

    def live(self, *plan: Step, seeds: Sequence[int] = range(1, 5)) -> None:
        """Carry out a plan in the worlds of some seeds."""
        for seed in seeds:
            world = World(Chance(seed))
            with captured(world.history, world.reactor.seconds):
                world.live(plan)
            self.assertEqual(world.history.violations, [], f"seed {seed}")

    def test_an_endpoint_that_both_have_lost(self) -> None:
        """A killed Docker forgets it, and an emptied switch too. The daemon remembered its container for ever."""
        self.live(
            Step(2, "network create", ("n1",)),
            Step(4, "run", ("c1", "n1", "unless-stopped", "")),
            Step(9, "dockerd killed", (0.8,)),
            Step(12, "database empty", (5.0, True)),
        )

    def test_a_docker_that_is_killed_while_it_disconnects(self) -> None:
        """It has said that the container leaves, and does not know it any more. Nobody can bring the link back."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(4, "run", ("c2", "n1", "unless-stopped", "web")),
            Step(54, "database away", (26.0, False)),
            Step(58, "disconnect", ("c2", "n1")),
            Step(65, "dockerd killed", (11.0,)),
            seeds=(141,),
        )
