"""Plans of the simulated world that failed once, each cut to what it needs."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from nuage.names import port_name
from nuage.vrs.tables import Platform
from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.database.rows import Change
from tests.simulation.plan import Step
from tests.simulation.world import World


class PlansTest(SynchronousTestCase):
    """Each plan is carried out, and all holds that has to."""

    def setUp(self) -> None:
        self.use(Extent())

    def use(self, extent: Extent) -> None:
        """Have a run of this extent."""
        self.centre = DataCentre(Chance(1), extent=extent)
        (self.world,) = self.centre.worlds

    def carry_out(self, *plan: Step) -> None:
        """Carry out a plan, and see that nothing is violated."""
        with captured(self.world.history, self.world.reactor.seconds):
            self.world.live(sorted(plan, key=lambda step: step.time))
        self.assertEqual(self.world.history.violations, [])

    def test_what_is_put_back_while_containers_are_removed(self) -> None:
        """An audit that is long about some endpoints does not put back others that Docker has removed meanwhile."""
        announced = self.announced_without_docker()
        names = [f"c{number}" for number in range(6)]
        self.carry_out(
            Step(1, "network create", ("n1",)),
            *(Step(5, "run", (name, "n1", "no", "")) for name in names),
            Step(90, "database empty", (1.0, True)),
            # Each endpoint is waited for ten seconds.
            Step(93, "switch daemon hangs", (100.0,)),
            *(Step(120, "rm", (name,)) for name in names),
        )
        self.assertEqual(announced, [])

    def test_networks_that_are_made_anew(self) -> None:
        """What is left of containers that Docker has lost stands in nobody's way."""
        self.carry_out(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "Docker's data lost", (1.0,)),
            # Before an audit may act upon it.
            Step(33, "network create", ("n1",)),
            Step(35, "run", ("c2", "n1", "no", "web")),
        )

    def test_addresses_of_networks_that_docker_has_lost(self) -> None:
        """They are given back to the VSD."""
        self.use(Extent(vsd=True))
        self.carry_out(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "Docker's data lost", (1.0,)),
        )

    def announced_without_docker(self) -> list[str]:
        """Return the list of ports that will be announced of endpoints which Docker does not have."""
        announced: list[str] = []

        def changed(changes: Sequence[Change]) -> None:
            networks = self.world.docker.store.networks.values()
            known = {port_name(endpoint_id) for network in networks for endpoint_id in network.endpoints}
            made = [each.new for each in changes if each.table == "Nuage_Port_Table" and each.old is None]
            ports = (str(row["name"][0]) for row in made if row is not None and row["vm_domain"] == (Platform.DOCKER,))
            announced.extend(port for port in ports if port not in known)

        self.world.database.watch(changed)
        return announced
