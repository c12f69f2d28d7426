"""One run: a world from a seed, its plan carried out, and what came of it."""

from __future__ import annotations

import gc
from collections.abc import Collection

from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.faults import draw_faults
from tests.simulation.plan import Step, draw_plan
from tests.simulation.seen import Outcome
from tests.simulation.world import World


def draw(seed: int) -> list[Step]:
    """Return the plan of a seed."""
    return draw_plan(Chance(seed).part("plan"), draw_faults)


def run(seed: int, only: Collection[int] | None = None) -> Outcome:
    """Carry out the plan of a seed, or only some of its steps by their numbers.

    Each run is as if it were the first of its process. The collector of garbage is off meanwhile: when it runs depends
    on what was there before. At the end it shows what nobody took care of, such as a failure that nobody handled.
    """
    plan = [step for number, step in enumerate(draw(seed)) if only is None or number in only]
    collected = gc.isenabled()
    gc.disable()
    try:
        world = World(Chance(seed))
        history = world.history
        with captured(history, world.reactor.seconds):
            world.live(plan)
            gc.collect()
        seconds, steps = world.reactor.seconds(), len(draw(seed))
        # Only now may what dead processes left be taken apart.
        del world
        gc.collect()
    finally:
        if collected:
            gc.enable()
    return Outcome(seed, tuple(history.violations), history.text, history.counts, seconds, steps)
