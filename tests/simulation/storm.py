"""The weather of a night: storms in which faults come in bursts, each after a calm in which nothing fails.

Each storm ends a chapter of the plan, so all comes to rest after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault
from tests.simulation.plan import Step

#: Storms in a run.
_STORMS = (1, 4)
#: Seconds that a calm and a storm last.
_CALM, _STORM = (5.0, 40.0), (10.0, 60.0)
#: Bursts in a storm, and the faults of one, which come within so many seconds.
_BURSTS, _FAULTS, _BURST = (2, 16), (1, 4), 0.5
#: Part of the storms that have only some kinds of faults, which so meet more often, and how many kinds these are.
_FEW_KINDS, _KINDS = 0.5, (2, 5)
#: Commands in a chapter, on each host.
COMMANDS = (20, 90)
#: Part of the bursts that come while a command is carried out.
_DURING = 0.6
#: Seconds at the beginning of a chapter within which its networks are made, if they are gone.
_NETWORKS = 5.0


@attrs.frozen
class Storm:
    """When it begins and ends, in seconds of a plan that has no chapters yet, and when the calm before it begins."""

    calm: float
    begin: float
    end: float


def draw_storms(chance: Chance) -> Sequence[Storm]:
    """Draw the storms of a run, which all its hosts have at once."""
    storms: list[Storm] = []
    for _ in range(chance.number(*_STORMS)):
        calm = storms[-1].end if storms else 0.0
        begin = calm + chance.delay(*_CALM)
        storms.append(Storm(calm, begin, begin + chance.delay(*_STORM)))
    return storms


def draw_bursts(
    chance: Chance, faults: Mapping[str, Fault], storms: Sequence[Storm], commands: Sequence[float]
) -> Iterator[Step]:
    """Draw the faults of all storms.

    Args:
        chance: Draws them.
        faults: What there is to draw from.
        storms: When they come.
        commands: When commands are given.
    """
    for storm in storms:
        kinds = list(faults)
        if chance.happens(_FEW_KINDS):
            kinds = chance.shuffled(kinds)[: chance.number(*_KINDS)]
        weighted = [kind for kind in kinds for _ in range(faults[kind].weight)]
        # Nothing of a burst is to come in the next calm.
        latest = storm.end - _BURST
        given = [time for time in commands if storm.begin <= time < latest]
        for _ in range(chance.number(*_BURSTS)):
            during = given and chance.happens(_DURING)
            time = chance.pick(given) if during else chance.delay(storm.begin, latest)
            for _ in range(chance.number(*_FAULTS)):
                kind = chance.pick(weighted)
                yield Step(time + chance.delay(0, _BURST), kind, faults[kind].draw(chance))


def divided(steps: Sequence[Step], storms: Sequence[Storm]) -> Iterator[Step]:
    """Yield the steps of a plan in chapters: each is a calm, in which its networks are made anew, and a storm."""
    for step in steps:
        chapter = max(number for number, storm in enumerate(storms) if storm.calm <= step.time)
        yield attrs.evolve(step, time=step.time - storms[chapter].calm, chapter=chapter)
        if step.deed.startswith("network create") and step.time < _NETWORKS:
            yield from (attrs.evolve(step, chapter=later) for later in range(1, len(storms)))
