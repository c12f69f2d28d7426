"""Runs of the simulated world in which storms of faults and calms follow each other."""

from __future__ import annotations

from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation import invariants
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.extent import Extent, draw_all
from tests.simulation.faults import FAULTS, OF_HOSTS, Delays
from tests.simulation.faults.vsd import VSD_FAULTS
from tests.simulation.plan import Step, chapters
from tests.simulation.run import run
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
        self.assertEqual(Delays.of(plan).answers, 7.0)
        self.assertEqual(Delays.of([]).answers, 0.0)


class MissedTest(SynchronousTestCase):
    """Faults that find nothing."""

    def setUp(self) -> None:
        centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = centre.worlds
        centre.begin()
        self.world.reactor.run_for(20)

    def count(self, deed: str) -> tuple[int, int]:
        """Let a fault come; return how many of its kind have struck, and how many have not."""
        self.world.carry_out(Step(0, deed, OF_HOSTS[deed].draw(Chance(7))))
        counts = self.world.history.counts
        return counts.get(f"fault {deed}", 0), counts.get(f"missed {deed}", 0)

    def test_nothing_there(self) -> None:
        """They are not counted as faults."""
        for deed in ("row deleted", "port deleted", "record deleted", "link renamed", "link set down", "port refused"):
            self.assertEqual(self.count(deed), (0, 1), deed)

    def test_in_vain(self) -> None:
        """Who is away already cannot be struck again."""
        for deed in ("database away", "switch daemon away", "dockerd killed", "daemon killed"):
            self.assertEqual(self.count(deed), (1, 0), deed)
        self.world.daemon.kill()
        for deed in ("database away", "switch daemon away", "dockerd killed", "daemon killed", "nonsense"):
            self.assertEqual(self.count(deed)[1], 1, deed)
        for deed in ("connection cut", "database hangs", "dockerd frozen", "kernel hangs", "daemon stopped"):
            self.assertEqual(self.count(deed), (0, 1), deed)


class StatesTest(SynchronousTestCase):
    """What is seen while calls are answered."""

    def setUp(self) -> None:
        centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = centre.worlds
        centre.begin()

    def seen(self, *plan: Step) -> list[str]:
        """Carry out a plan, and return the states of the calls about endpoints."""
        self.world.history.counts.clear()
        for step in plan:
            self.world.reactor.callLater(step.time, self.world.carry_out, step)
        self.world.reactor.run_for(60)
        kinds = (kind.partition("state NetworkDriver.")[2] for kind in self.world.history.counts)
        return [kind for kind in kinds if "Endpoint" in kind or "Join" in kind]

    def test_a_life(self) -> None:
        """An endpoint is created, resolved and forgotten, while all is well."""
        seen = self.seen(
            Step(1, "network create", ("n1",)), Step(5, "run", ("c1", "n1", "no", "")), Step(20, "rm", ("c1",))
        )
        self.assertEqual(
            [each for each in seen if not each.startswith("EndpointOperInfo")],
            [
                "CreateEndpoint answered, created: all well",
                "Join answered, resolved: all well",
                "DeleteEndpoint answered, forgotten: all well",
            ],
        )
        self.assertIn("EndpointOperInfo answered, resolved: all well", seen)

    def test_a_storm(self) -> None:
        """Who does not work is named."""
        seen = self.seen(
            Step(1, "network create", ("n1",)),
            Step(2, "kernel refuses", ("add", 16, 50.0)),
            Step(3, "controller lost", (50.0,)),
            Step(5, "run", ("c1", "n1", "no", "")),
        )
        self.assertIn("Join refused, created: controller, kernel", seen)


class StormTest(SynchronousTestCase):
    """The plans of storms."""

    def plans(self) -> list[list[Step]]:
        """Return some: of one host and of two, with a VSD and without."""
        return [draw_all(Chance(seed), "storm") for seed in range(100)]

    def test_calm_before_each(self) -> None:
        """Nothing fails in the first seconds of a chapter, in which containers are started and stopped all the same."""
        calms = []
        for plan in self.plans():
            for chapter in chapters(plan):
                faults = [step.time for step in chapter if step.deed in FAULTS]
                self.assertGreaterEqual(min(faults), 5.0)
                self.assertLess(max(faults), 100.0)
                calms.append([step.deed for step in chapter if 5.0 <= step.time < min(faults)])
        self.assertGreater(sum("run" in calm for calm in calms), len(calms) / 4)

    def test_dense(self) -> None:
        """Half as many faults come as commands, many of them at once."""
        steps = [step for plan in self.plans() for step in plan]
        faults = sum(step.deed in FAULTS for step in steps)
        self.assertGreater(faults, (len(steps) - faults) / 3)
        for plan in self.plans():
            times = [(step.chapter, step.time) for step in plan if step.deed in FAULTS]
            self.assertTrue(any(b[0] == a[0] and b[1] - a[1] < 0.5 for a, b in pairwise(times)))

    def test_all_of_it(self) -> None:
        """There are two hosts, a VSD, each usual fault of both, and several storms in some, each with its networks."""
        steps = [step for plan in self.plans() for step in plan]
        self.assertEqual({step.deed for step in steps if step.deed in FAULTS}, {*OF_HOSTS, *VSD_FAULTS})
        self.assertEqual({step.host for step in steps}, {0, 1})
        for plan in self.plans():
            made = [
                {step.arguments[0] for step in chapter if step.deed.startswith("network create") and step.time < 5}
                for chapter in chapters(plan)
            ]
            self.assertTrue(all(names >= made[0] for names in made), made)

    def test_another_plan(self) -> None:
        """A seed has another history in a storm, and the same one each time."""
        stormy = run(6, weather="storm")
        self.assertEqual(stormy.violations, ())
        self.assertEqual(run(6, weather="storm").digest, stormy.digest)
        self.assertNotEqual(run(6).digest, stormy.digest)
