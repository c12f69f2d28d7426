"""What the lab's stand-in for VRS and VSC makes of a port."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lab.standin import TOPOLOGY
from lab.vrs.delays import Delays
from lab.vrs.resolution import EntityRow, PortRow, Resolved, Unresolved, resolve, resolve_all
from lab.vrs.topology_file import load

PORT = PortRow(
    host="h1",
    name="nu1",
    mac="7a:42:00:00:00:01",
    ofport=3,
    domain="Domain",
    zone="Zone",
    subnet="Subnet 2",
    metadata={"static-ip": "10.21.59.2"},
)
ENTITY = EntityRow(name="web", organization="Enterprise", user="admin", running=True)


class ResolutionTests(SynchronousTestCase):
    """One port."""

    topology = load(TOPOLOGY)

    def resolved(self, port: PortRow = PORT, entity: EntityRow | None = ENTITY, **in_use: Any) -> Resolved:
        """Return to what a port is resolved."""
        outcome = resolve(self.topology, port, entity, in_use.get("in_use", {}))
        assert isinstance(outcome, Resolved), outcome
        return outcome

    def reason(self, port: PortRow = PORT, entity: EntityRow | None = ENTITY, **in_use: Any) -> str:
        """Return why a port is not resolved."""
        outcome = resolve(self.topology, port, entity, in_use.get("in_use", {}))
        assert isinstance(outcome, Unresolved), outcome
        return outcome.reason

    def test_l3_domain(self) -> None:
        """A port of an L3 domain gets its address, mask, gateway and ids."""
        resolved = self.resolved()
        self.assertEqual(
            (resolved.ip, resolved.mask, resolved.gateway, resolved.vrf_id, resolved.evpn_id),
            ("10.21.59.2", "255.255.255.0", "10.21.59.1", 2001, 102),
        )

    def test_l2_domain(self) -> None:
        """A port of an L2 domain has no gateway and no vrf."""
        port = attrs.evolve(PORT, domain="Flat", zone="", subnet="", metadata={"static-ip": "10.21.61.9"})
        resolved = self.resolved(port)
        self.assertEqual((resolved.ip, resolved.gateway, resolved.vrf_id, resolved.evpn_id), ("10.21.61.9", "", 0, 105))

    def test_same_names_elsewhere(self) -> None:
        """The organization decides, where names and addresses are the same."""
        self.assertEqual(self.resolved(entity=attrs.evolve(ENTITY, organization="Acme")).evpn_id, 106)

    def test_reasons(self) -> None:
        """Each thing that is not there is named, with the nearest one that is."""
        for changes, reason in (
            ({"domain": "Domian"}, 'no domain "Domian" in organization "Enterprise"; did you mean "Domain"?'),
            ({"zone": "Zoen"}, 'no zone "Zoen" in domain "Domain"; did you mean "Zone"?'),
            ({"subnet": "Subnet 3"}, 'no subnet "Subnet 3" in zone "Zone" of domain "Domain"; did you mean'),
            ({"domain": "Flat"}, '"Flat" is an L2 domain, which has neither zone nor subnet'),
            ({"ofport": None}, "the switch has not opened it"),
            ({"mac": "x"}, '"x" is not a unicast MAC'),
            ({"mac": "01:00:00:00:00:01"}, "is not a unicast MAC"),
            ({"metadata": {}}, 'its static-ip "" is not an IPv4 address'),
            (
                {"metadata": {"static-ip": "10.21.60.2"}},
                "cannot have address 10.21.60.2",
            ),
            ({"metadata": {"static-ip": "10.21.59.255"}}, "cannot have address 10.21.59.255"),
            ({"metadata": {"static-ip": "10.21.59.1"}}, "10.21.59.1 belongs to the gateway"),
            (
                {"metadata": {**PORT.metadata, "nuage-policy-group": "wbe"}},
                'no policy group "wbe" in domain "Domain"; did',
            ),
            ({"metadata": {**PORT.metadata, "nuage-redirection-target": "x"}}, 'no redirection target "x" in domain'),
        ):
            self.assertIn(reason, self.reason(attrs.evolve(PORT, **changes)))

    def test_names_that_are_there(self) -> None:
        """A policy group and a redirection target of the domain are no obstacle."""
        metadata = {**PORT.metadata, "nuage-policy-group": "web", "nuage-redirection-target": "firewall"}
        self.resolved(attrs.evolve(PORT, metadata=metadata))

    def test_entity(self) -> None:
        """The entity has to be there, be started, and be of a user of an organization."""
        for entity, reason in (
            (None, "no entity names it as its port"),
            (attrs.evolve(ENTITY, running=False), "its entity is not started"),
            (
                attrs.evolve(ENTITY, organization="Enterprize"),
                'no organization "Enterprize"; did you mean "Enterprise"?',
            ),
            (attrs.evolve(ENTITY, user="root"), 'no user "root" in organization "Enterprise"'),
        ):
            self.assertIn(reason, self.reason(entity=entity))

    def test_in_use(self) -> None:
        """An address or a MAC of another port of the subnet is not given; of another subnet's, it is."""
        self.assertIn("address 10.21.59.2 is in use by nu7", self.reason(in_use={(102, "10.21.59.2"): "nu7"}))
        self.assertIn("MAC 7a:42:00:00:00:01 is in use by nu7", self.reason(in_use={(102, PORT.mac): "nu7"}))
        self.resolved(in_use={(106, "10.21.59.2"): "nu7"})

    def test_first_come(self) -> None:
        """Of two ports that want one address, the one that has it keeps it, wherever it stands."""
        other = attrs.evolve(PORT, host="h2", name="nu2", mac="7a:42:00:00:00:02")
        for first, second, winner in (
            (PORT, other, PORT),
            (PORT, attrs.evolve(other, ip_addr="10.21.59.2"), other),
        ):
            outcomes = resolve_all(self.topology, [(first, ENTITY), (second, ENTITY)])
            resolved = {key for key, outcome in outcomes.items() if isinstance(outcome, Resolved)}
            self.assertEqual(resolved, {winner.key})


class DelaysTests(SynchronousTestCase):
    """The time that resolving takes."""

    def setUp(self) -> None:
        """Start with nothing."""
        self.clock = Clock()
        self.elapsed = 0
        self.delays = Delays(self.clock, 2, self.tick)

    def tick(self) -> None:
        """Count."""
        self.elapsed += 1

    def test_delay(self) -> None:
        """A port is settled after the delay, and stays so."""
        key = ("h", "p")
        self.assertEqual(self.delays.settled({key: False}), set())
        self.clock.advance(1.9)
        self.assertEqual(self.delays.settled({key: False}), set())
        self.clock.advance(0.1)
        self.assertEqual(self.elapsed, 1)
        self.assertEqual(self.delays.settled({key: False}), {key})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_already(self) -> None:
        """One that was resolved before is settled at once."""
        self.assertEqual(self.delays.settled({("h", "p"): True}), {("h", "p")})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_anew(self) -> None:
        """One that could not be resolved meanwhile waits anew."""
        key = ("h", "p")
        self.delays.settled({key: False})
        self.clock.advance(1)
        self.delays.settled({})
        self.delays.settled({key: False})
        self.clock.advance(1.5)
        self.assertEqual(self.delays.settled({key: False}), set())
        self.clock.advance(0.5)
        self.assertEqual(self.delays.settled({key: False}), {key})
        self.delays.settled({})
        self.assertEqual(self.delays.settled({key: False}), set())
        self.delays.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
