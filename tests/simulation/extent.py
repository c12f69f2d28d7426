"""How large a run is, and what is done in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from tests.simulation.chance import Chance
from tests.simulation.faults import OF_HOSTS, draw_faults
from tests.simulation.faults.vsd import VSD_FAULTS, draw_asking, draw_vsd_faults
from tests.simulation.plan import Step, draw_plan
from tests.simulation.storm import COMMANDS, divided, draw_bursts, draw_storms
from tests.simulation.world import INTERVALS

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


@attrs.frozen(kw_only=True)
class Weather:
    """What the faults of runs are like.

    Attributes:
        draw: Draws a plan.
        intervals: Seconds from one audit to the next, of which each host has one.
    """

    draw: Callable[[Chance], list[Step]]
    intervals: Sequence[float] = INTERVALS


def _draw_changeable(chance: Chance) -> list[Step]:
    """Draw a plan in which anything from nothing to some faults happens at any time."""
    extent = Extent.draw(chance)
    steps = _draw_hosts(chance, extent, lambda part: draw_plan(part, draw_faults))
    if extent.vsd:
        horizon, part = max(step.time for step in steps), chance.part("vsd plan")
        steps += draw_asking(part, steps, len(extent.hosts))
        steps += draw_vsd_faults(part, horizon)
    return steps


def _draw_storm(chance: Chance) -> list[Step]:
    """Draw a plan of storms and calms."""
    extent, storms = Extent.draw(chance), draw_storms(chance.part("storms"))
    end, least, most = storms[-1].end, *(len(storms) * number for number in COMMANDS)

    def draw_host(chance: Chance) -> list[Step]:
        def draw_faults(chance: Chance, commands: Sequence[float]) -> list[Step]:
            return list(draw_bursts(chance, OF_HOSTS, storms, commands))

        return draw_plan(chance, draw_faults, (end, end), (least, most))

    steps = _draw_hosts(chance, extent, draw_host)
    if extent.vsd:
        part, commands = chance.part("vsd plan"), [step.time for step in steps]
        steps += draw_asking(part, steps, len(extent.hosts))
        steps += draw_bursts(part, VSD_FAULTS, storms, commands)
    return list(divided(steps, storms))


def _draw_hosts(chance: Chance, extent: Extent, draw_host: Callable[[Chance], list[Step]]) -> list[Step]:
    steps = draw_host(chance.part("plan"))
    for number, name in enumerate(extent.hosts[1:], 1):
        there = draw_host(chance.part(f"plan {name}"))
        steps += [attrs.evolve(step, host=number) for step in there]
    return steps


#: What the faults of runs are like, by the names that the command knows.
WEATHERS: Mapping[str, Weather] = {
    "changeable": Weather(draw=_draw_changeable),
    # Audits that come each second would hide much, and take most of the time that a night has.
    "storm": Weather(draw=_draw_storm, intervals=(30.0, 5.0, 30.0)),
}
#: That of most runs.
CHANGEABLE = "changeable"


def draw_all(chance: Chance, weather: str = CHANGEABLE) -> list[Step]:
    """Draw the plan of a whole run."""
    return sorted(WEATHERS[weather].draw(chance), key=lambda step: (step.chapter, step.time))
