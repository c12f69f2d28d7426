"""How large a run is, and what is done in it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tests.simulation.chance import Chance
from tests.simulation.faults import draw_faults
from tests.simulation.faults.vsd import draw_vsd_steps
from tests.simulation.plan import Step, draw_plan

#: Part of the runs that have a VSD, and of those the part that has two hosts.
_WITH_VSD, _WITH_TWO = 0.3, 0.5


@attrs.frozen
class Extent:
    """How large a run is.

    Attributes:
        hosts: The names of the hosts.
        vsd: Whether they share a VSD.
    """

    hosts: Sequence[str] = ("host",)
    vsd: bool = False

    @classmethod
    def draw(cls, chance: Chance) -> Extent:
        """Draw it for a run."""
        chance = chance.part("extent")
        if not chance.happens(_WITH_VSD):
            return cls()
        return cls(("host", "second") if chance.happens(_WITH_TWO) else ("host",), vsd=True)


def draw_all(chance: Chance) -> list[Step]:
    """Draw the plan of a whole run."""
    extent = Extent.draw(chance)
    steps = draw_plan(chance.part("plan"), draw_faults)
    for number, name in enumerate(extent.hosts[1:], 1):
        there = draw_plan(chance.part(f"plan {name}"), draw_faults)
        steps += [attrs.evolve(step, host=number) for step in there]
    if extent.vsd:
        steps += draw_vsd_steps(chance.part("vsd plan"), steps, len(extent.hosts))
    return sorted(steps, key=lambda step: step.time)
