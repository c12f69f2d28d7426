"""What goes wrong in the world. Each fault is one step, which also ends what it began."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.simulation.chance import Chance
from tests.simulation.plan import Step

if TYPE_CHECKING:
    from tests.simulation.world import World


def kill_daemon(world: World, steps: int, pause: float) -> None:
    """Kill the daemon after so many of its steps, and start it again some seconds later."""
    world.daemon.kill_after(steps)
    # The next step may come late: by then it is dead in any case.
    world.reactor.callLater(pause, world.daemon.kill)
    world.reactor.callLater(pause, world.daemon.start)
    world.fault_lasts(pause)


FAULTS: Mapping[str, Callable[..., object]] = {
    "daemon killed": kill_daemon,
}

#: How often each fault comes among them, and what is drawn for it.
_DRAWN: Mapping[str, tuple[int, Callable[[Chance], tuple[Any, ...]]]] = {
    "daemon killed": (1, lambda chance: (chance.number(1, 300), chance.delay(0.1, 20))),
}


def draw_faults(chance: Chance, horizon: float) -> Sequence[Step]:
    """Draw the faults of a run that takes ``horizon`` seconds. A third of the runs has none."""
    count = 0 if chance.happens(1 / 3) else chance.number(1, 8)
    kinds = [kind for kind, (weight, _) in _DRAWN.items() for _ in range(weight)]
    steps = []
    for _ in range(count):
        kind = chance.pick(kinds)
        steps.append(Step(chance.delay(0, horizon), kind, _DRAWN[kind][1](chance)))
    return steps
