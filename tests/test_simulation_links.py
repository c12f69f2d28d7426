"""What hands do to links in the simulated world, and what the daemon does about it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nuage.links.veth import GROUP, Link
from tests.simulation import invariants
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.extent import Extent
from tests.simulation.faults import links
from tests.simulation.faults.fault import Missed
from tests.simulation.plan import Step


class LinkFaultTests(SynchronousTestCase):
    """A world with one container."""

    def setUp(self) -> None:
        """Run it."""
        self.centre = DataCentre(Chance(1), extent=Extent())
        (self.world,) = self.centre.worlds
        self.centre.begin()
        for step in (Step(0, "network create", ("n1",)), Step(10, "run", ("c1", "n1", "no", ""))):
            self.world.reactor.callLater(step.time, self.world.carry_out, step)
        self.world.reactor.run_for(90)

    def link(self) -> Link:
        """Return its link."""
        (link,) = [link for link in self.world.kernel.links() if link.group == GROUP]
        return link

    def test_each_is_mended(self) -> None:
        """After some audits the link is as it was. Before, the world is not well."""
        whole = self.link()
        for name, fault in links.FAULTS.items():
            invariants.check_rest(self.world)
            self.assertEqual(self.world.history.violations, [])
            fault.do(self.world, *fault.draw(Chance(name)))
            self.assertNotEqual(self.link(), whole)
            invariants.check_rest(self.world)
            self.assertIn(f"link {whole.name}", self.world.history.violations.pop(0))
            self.world.history.violations.clear()
            self.centre.rest()
            self.assertEqual(self.link(), whole)

    def test_one_mark_stays(self) -> None:
        """A link that has neither its name nor its alias any more could be anybody's, so no hand takes both away."""
        whole = self.link()
        for first, second in (("link renamed", "link stripped"), ("link stripped", "link renamed")):
            links.FAULTS[first].do(self.world, *links.FAULTS[first].draw(Chance(first)))
            with self.assertRaises(Missed):
                links.FAULTS[second].do(self.world, *links.FAULTS[second].draw(Chance(second)))
            self.assertNotEqual(self.link(), whole)
            self.centre.rest()
            self.assertEqual(self.link(), whole)

    def test_nobody_uses_a_link(self) -> None:
        """That is not well either."""
        self.world.kernel.link("add", kind="veth", ifname="nu7", group=GROUP, peer={"ifname": "nc7"})
        invariants.check_rest(self.world)
        self.assertIn("nobody uses link nu7", self.world.history.violations[0])
