"""What the simulated world once found in the plugin: each as the shortest plan that had shown it."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from nuage.names import port_name
from nuage.vrs.tables import Platform
from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.database.rows import Change
from tests.simulation.datacentre import DataCentre
from tests.simulation.deeds import DEEDS
from tests.simulation.extent import Extent
from tests.simulation.plan import Step


class FoundTest(SynchronousTestCase):
    """Each plan is carried out in some worlds, which differ in their releases, settings and delays."""

    def live(self, *plan: Step, seeds: Sequence[int] = range(1, 5), extent: Extent | None = None) -> None:
        """Carry out a plan in the worlds of some seeds."""
        for seed in seeds:
            centre = DataCentre(Chance(seed), extent=extent or Extent())
            announced = _announced_without_docker(centre)
            with captured(centre.history, centre.reactor.seconds):
                centre.live(sorted(plan, key=lambda step: step.time))
            self.assertEqual(centre.history.violations, [], f"seed {seed}")
            self.assertEqual(announced, [], f"seed {seed}")

    def test_an_endpoint_that_both_have_lost(self) -> None:
        """A killed Docker forgets it, and an emptied switch too. The daemon remembered its container for ever."""
        self.live(
            Step(2, "network create", ("n1",)),
            Step(4, "run", ("c1", "n1", "unless-stopped", "")),
            Step(9, "dockerd killed", (0.8,)),
            Step(12, "database empty", (5.0, True)),
        )

    def test_what_is_put_back_while_containers_are_removed(self) -> None:
        """An audit that is long about some endpoints does not put back others that Docker has removed meanwhile."""
        names = [f"c{number}" for number in range(6)]
        self.live(
            Step(1, "network create", ("n1",)),
            *(Step(5, "run", (name, "n1", "no", "")) for name in names),
            Step(90, "database empty", (1.0, True)),
            # Each endpoint is waited for ten seconds.
            Step(93, "switch daemon hangs", (100.0,)),
            *(Step(120, "rm", (name,)) for name in names),
        )

    def test_a_link_of_which_docker_says_nothing(self) -> None:
        """It is down, the switch has lost its database, and its container runs: it is not removed."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "")),
            Step(20, "link set down", (0.0,)),
            Step(20.1, "dockerd frozen", (70.0,)),
            Step(21, "database empty", (2.0, True)),
        )

    def test_networks_that_are_made_anew(self) -> None:
        """What is left of containers that Docker has lost stands in nobody's way."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "Docker's data lost", (1.0,)),
            # Before an audit may act upon it.
            Step(33, "network create", ("n1",)),
            Step(35, "run", ("c2", "n1", "no", "web")),
        )

    def test_networks_that_are_made_anew_after_their_record_was_spoilt(self) -> None:
        """Docker has lost the former network, and nobody can read what the switch remembers of it."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "record garbled", (0.0, "{}")),
            Step(30.1, "Docker's data lost", (1.0,)),
            Step(33, "network create", ("n1",)),
            Step(35, "run", ("c2", "n1", "no", "web")),
        )

    def test_networks_that_are_made_anew_after_an_entity_was_removed(self) -> None:
        """Nothing but the marks of its interface says whose the port is that has the address."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "row deleted", ("Nuage_VM_Table", 0.0)),
            Step(30.1, "Docker's data lost", (1.0,)),
            Step(33, "network create", ("n1",)),
            Step(35, "run", ("c2", "n1", "no", "web")),
        )

    def test_addresses_of_networks_that_docker_has_lost(self) -> None:
        """They are given back to the VSD."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "Docker's data lost", (1.0,)),
            seeds=(1, 2),
            extent=Extent(vsd=True),
        )

    def test_addresses_of_networks_that_nobody_knows(self) -> None:
        """Nobody can give them back until there is a network of that subnet again. Then they are."""
        lost = [
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "record garbled", (0.0, "[]")),
            Step(30.1, "Docker's data lost", (1.0,)),
        ]
        self.live(*lost, seeds=(1, 2), extent=Extent(vsd=True))
        self.live(*lost, Step(60, "network create", ("n1",)), seeds=(1, 2), extent=Extent(vsd=True))

    def test_a_daemon_that_starts_while_docker_is_silent(self) -> None:
        """Its first audit is made up for soon after, even if audits come only every five minutes."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "")),
            Step(20, "dockerd frozen", (15.0,)),
            Step(22, "daemon killed", (1, 1.0)),
            # Something goes on until the status has been asked for.
            Step(120, "crash", ("c1",)),
            seeds=(38, 75),
        )

    def test_addresses_of_a_lost_network_whose_bridge_is_removed(self) -> None:
        """The record of the network goes with it, or later that of its pool. Only a network there can help again."""
        for removal in (30.5, 60):
            self.live(
                Step(1, "network create", ("n1",)),
                Step(5, "run", ("c1", "n1", "no", "web")),
                Step(30, "Docker's data lost", (1.0,)),
                Step(removal, "bridge removed", (0.3,)),
                seeds=(1, 2),
                extent=Extent(vsd=True),
            )

    def test_an_endpoint_that_only_its_container_names(self) -> None:
        """Docker has deleted it and ends, and the container goes on. Neither record, link nor address stays.

        In one world the daemon is killed before it has taken the call, in the other before it has removed the link.
        """
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "")),
            Step(30, "disconnect", ("c1", "n1")),
            Step(30.02, "daemon killed", (1, 12.0)),
            Step(33, "dockerd killed", (1.0,)),
            seeds=(3, 12),
            extent=Extent(vsd=True),
        )

    def test_an_address_that_comes_back_before_the_vsd_has_let_it_go(self) -> None:
        """What held it before goes with the former port, of which the VRS tells late. It is held anew."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run with an address", ("a1", "n1", 2)),
            Step(20, "agent hangs", (1.0,)),
            Step(20.1, "restart", ("a1",)),
            seeds=(4, 11, 12, 16),
            extent=Extent(vsd=True),
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

    def test_a_container_that_goes_before_its_restart(self) -> None:
        """It was connected meanwhile: Docker keeps that endpoint for ever, and so does the daemon."""
        plan = (
            Step(1, "network create", ("n1",)),
            Step(2, "network create", ("n2",)),
            Step(4, "run", ("c1", "n1", "always", "web")),
            *(Step(6 + 4 * number, "crash", ("c1",)) for number in range(6)),
            Step(26.5, "connect", ("c1", "n2")),
            Step(27.5, "rm", ("c1",)),
        )
        self.live(*plan)
        # Its link is not in use, and keeps the name that a hand gives it.
        self.live(*plan, Step(40, "link renamed", (0.0, 1)))

    def test_a_renamed_container_whose_port_has_lost_its_marks(self) -> None:
        """The audit that put the marks back wrote the new name there alone, and the VRS had the former one for ever."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(4, "run", ("c1", "n1", "no", "")),
            Step(32, "marks stripped", ("Port", 0.0)),
            Step(32.1, "rename", ("c1", "c1-too")),
            seeds=range(1, 13),
        )

    def test_an_address_that_a_silent_monitor_does_not_tell(self) -> None:
        """The port has it again, and nothing else that others do shows that the monitor is silent."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(5, "run", ("c1", "n1", "no", "")),
            Step(30, "port refused", (0.0, 5.0)),
            Step(31, "database silent", ()),
        )

    def test_a_renamed_link_of_a_switch_that_lost_its_database(self) -> None:
        """The audit that gives it its name again plugs it in as well, and does not wait for another to confirm that."""
        for seed in range(1, 5):
            centre = DataCentre(Chance(seed), extent=Extent())
            (world,) = centre.worlds
            with captured(centre.history, centre.reactor.seconds):
                centre.begin()
                for deed, arguments, seconds in (
                    ("network create", ("n1",), 5.0),
                    ("run", ("c1", "n1", "no", ""), 20.0),
                    ("link renamed", (0.0, 1), 0.0),
                    # The bridge is there again after four seconds. What an audit sees is confirmed after five more.
                    ("database empty", (2.0, True), 4.0 + 7.0),
                ):
                    DEEDS[deed](world, *arguments)
                    centre.reactor.run_for(seconds)
            names = [row["name"] for row in world.database.rows("Nuage_Port_Table")]
            self.assertEqual(len(names), 2, f"seed {seed}: {names}\n{centre.history.text}")

    def test_an_endpoint_that_only_its_network_names(self) -> None:
        """Docker ends before it has written down that the container has it. The container goes on, and uses it."""
        self.live(
            Step(1, "network create", ("n1",)),
            Step(2, "network create", ("n2",)),
            Step(5, "run", ("c1", "n1", "no", "web")),
            Step(30, "connect", ("c1", "n2")),
            # It answers the Join, and nothing that Docker asks after it.
            Step(30.07, "daemon stopped", (12.0,)),
            Step(33, "dockerd killed", (1.0,)),
            Step(34, "database empty", (2.0, True)),
            seeds=(4, 8, 16),
        )


def _announced_without_docker(centre: DataCentre) -> list[str]:
    """Return the list of ports that will be announced of endpoints which Docker does not have."""
    announced: list[str] = []
    (world,) = centre.worlds

    def changed(changes: Sequence[Change]) -> None:
        networks = world.docker.store.networks.values()
        known = {port_name(endpoint_id) for network in networks for endpoint_id in network.endpoints}
        made = [each.new for each in changes if each.table == "Nuage_Port_Table" and each.old is None]
        ports = (str(row["name"][0]) for row in made if row is not None and row["vm_domain"] == (Platform.DOCKER,))
        announced.extend(port for port in ports if port not in known)

    world.database.watch(changed)
    return announced
