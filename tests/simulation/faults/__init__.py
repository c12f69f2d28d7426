"""What goes wrong in the world. Each fault is one step of a plan, and also ends what it began."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from tests.simulation.chance import Chance
from tests.simulation.faults import (
    answers,
    connections,
    contradictions,
    daemon,
    garbage,
    hands,
    host,
    links,
    mistakes,
    nonsense,
    power,
    schemas,
    servers,
    spoiling,
)
from tests.simulation.faults.fault import Fault
from tests.simulation.faults.vsd import VSD_FAULTS
from tests.simulation.plan import Step, chapters

#: What may happen to a host, by its name in a plan.
OF_HOSTS: Mapping[str, Fault] = {
    **daemon.FAULTS,
    **servers.FAULTS,
    **host.FAULTS,
    **hands.FAULTS,
    **links.FAULTS,
    **garbage.FAULTS,
    **nonsense.FAULTS,
    **power.FAULTS,
}

#: Those that come beside the others, in some of the runs.
_RARE: Mapping[str, Fault] = {
    **answers.FAULTS,
    **connections.FAULTS,
    **contradictions.FAULTS,
    **spoiling.FAULTS,
    **schemas.FAULTS,
    **mistakes.FAULTS,
}

#: What each does to the world, by its name in a plan.
FAULTS: Mapping[str, Callable[..., object]] = {
    name: fault.do for name, fault in {**OF_HOSTS, **_RARE, **VSD_FAULTS}.items()
}

#: What happens to the VSD, and so to all hosts.
SHARED = frozenset({*VSD_FAULTS, *(name for name, fault in _RARE.items() if fault.shared)})

#: Part of the runs that have no faults: what is wrong without one is wrong for everybody.
_WITHOUT = 0.2
#: Part of the runs that have only some kinds of faults, which so meet more often.
_FEW_KINDS = 0.5
#: Part of the faults that come while a command is carried out, and within how many seconds after it has begun.
_DURING, _COMMAND = 0.6, 0.5
#: Part of the runs with faults that have rare ones too.
_WITH_RARE = 0.4


@attrs.frozen
class Delays:
    """By how many seconds the faults of a plan may delay the daemon's answers.

    Attributes:
        answers: The delay of what was asked.
        outages: That of what waits until the daemon runs again, if it may wait.
    """

    answers: float = 0.0
    outages: float = 0.0

    @classmethod
    def of(cls, plan: Sequence[Step]) -> Delays:
        """Return those of a plan: the longest of all its chapters."""
        each = [cls._of_chapter(steps) for steps in chapters(plan)]
        return cls(
            max((delays.answers for delays in each), default=0.0), max((delays.outages for delays in each), default=0.0)
        )

    @classmethod
    def _of_chapter(cls, steps: Sequence[Step]) -> Delays:
        kinds = {**OF_HOSTS, **_RARE}
        faults = [(kinds[step.deed], step.arguments) for step in steps if step.deed in kinds]
        return cls(
            sum(fault.delays(*arguments) for fault, arguments in faults),
            sum(fault.outage(*arguments) for fault, arguments in faults),
        )


#: Those of a plan without faults.
NO_DELAYS = Delays()


def draw_faults(chance: Chance, commands: Sequence[float]) -> Sequence[Step]:
    """Draw the faults of a run.

    Args:
        chance: Draws them.
        commands: When commands are given.
    """
    if chance.happens(_WITHOUT):
        return []
    kinds = list(OF_HOSTS)
    if chance.happens(_FEW_KINDS):
        kinds = chance.shuffled(kinds)[: chance.number(1, 3)]
    steps = _drawn({kind: OF_HOSTS[kind] for kind in kinds}, chance, commands, most=15)
    rare = chance.part("rare")
    return [*steps, *_drawn(_RARE, rare, commands, most=8)] if rare.happens(_WITH_RARE) else steps


def _drawn(kinds: Mapping[str, Fault], chance: Chance, commands: Sequence[float], most: int) -> list[Step]:
    """Draw from one fault to ``most`` of these kinds."""
    weighted = [kind for kind, fault in kinds.items() for _ in range(fault.weight)]
    steps = []
    for _ in range(chance.number(1, most)):
        kind = chance.pick(weighted)
        if chance.happens(_DURING):
            time = chance.pick(commands) + chance.delay(0, _COMMAND)
        else:
            time = chance.delay(0, max(commands))
        steps.append(Step(time, kind, kinds[kind].draw(chance)))
    return steps
