"""What the simulated controller makes of ports, against the lab's, which resolves them by a VSD's objects."""

from __future__ import annotations

from typing import Any

import attrs

from lab.vrs.resolution import EntityRow, Outcome, PortRow, Resolved
from lab.vrs.topology_file import load
from tests import test_lab_vsd_activation
from tests.simulation.chance import Chance
from tests.simulation.places import Places

_SEEDS, _ROUNDS = 10, 20

_Row = tuple[PortRow, EntityRow | None]


def _draw(chance: Chance, number: int) -> _Row:
    """Draw the rows of a port, which may name what is not there."""
    address = f"10.21.59.{chance.number(1, 6)}" if chance.happens(0.8) else f"10.21.{chance.number(58, 61)}.9"
    metadata = {"static-ip": address}
    if chance.happens(0.2):
        metadata["nuage-policy-group"] = chance.pick(("web", "db", "none"))
    changes: dict[str, Any] = {"metadata": metadata, "domain": chance.pick(("Domain", "Domain", "Domain", "Testing"))}
    if chance.happens(0.2):
        changes |= chance.pick(({"zone": "none"}, {"subnet": "none"}, {"domain": "none"}, {"ofport": None}, _FLAT))
    entity: dict[str, Any] = chance.pick(({}, {}, {}, {"organization": "Acme"}, {"user": "none"}, {"running": False}))
    port, row = test_lab_vsd_activation.row(number, **changes, entity=entity)
    return port, None if chance.happens(0.05) else row


_FLAT = {"domain": "Flat", "zone": "", "subnet": ""}


def _told(outcome: Outcome) -> object:
    if not isinstance(outcome, Resolved):
        return "unresolved"
    return outcome.ip, outcome.mask, outcome.gateway, outcome.vrf_id, outcome.evpn_id, outcome.groups


def _written(row: _Row, outcome: Outcome) -> _Row:
    """Return the rows after the agent has written what came of them."""
    port, entity = row
    if not isinstance(outcome, Resolved):
        return attrs.evolve(port, ip_addr="", subnet_mask="", gateway="", vrf_id=0, evpn_id=0), entity
    columns: dict[str, Any] = {
        "ip_addr": outcome.ip,
        "subnet_mask": outcome.mask,
        "gateway": outcome.gateway,
        "vrf_id": outcome.vrf_id,
        "evpn_id": outcome.evpn_id,
    }
    return attrs.evolve(port, **columns), entity


class PlacesTest(test_lab_vsd_activation.ActivationTestCase):
    """Ports that come and go."""

    def test_same_outcomes(self) -> None:
        """Both resolve the same ports, to the same."""
        places = Places(load(self.topology))
        resolved = 0
        for seed in range(_SEEDS):
            chance = Chance(f"places {seed}")
            rows: list[_Row] = []
            for number in range(_ROUNDS):
                rows = [row for row in rows if chance.happens(0.8)]
                rows.append(_draw(chance, number + 1))
                simulated = places.resolve(rows)
                lab = self.vsd.activation.resolve(rows)
                for port, entity in rows:
                    self.assertEqual(_told(simulated[port.key]), _told(lab[port.key]), (seed, port, entity))
                rows = [_written(row, simulated[row[0].key]) for row in rows]
                resolved += sum(bool(port.ip_addr) for port, _ in rows)
            self.vsd.activation.resolve([])
        self.assertGreater(resolved, _SEEDS * _ROUNDS)
