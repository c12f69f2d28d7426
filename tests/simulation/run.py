"""One run: a world from a seed, its plan carried out, and what came of it."""

from __future__ import annotations

import gc
import signal
import time
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import FrameType

import attrs

from tests.simulation.captured import captured
from tests.simulation.chance import Chance
from tests.simulation.datacentre import DataCentre
from tests.simulation.extent import CHANGEABLE, WEATHERS, draw_all
from tests.simulation.faults import Delays
from tests.simulation.plan import Step
from tests.simulation.seen import Outcome, digest_of

#: Seconds that a run may keep a core busy until it is taken for one that never ends. A machine that has others to
#: serve may need much longer: what ends a run looks like errors wherever it strikes.
PATIENCE = 60.0


class _Stuck(BaseException):
    """A run does not end. Nobody in it is to take this for an error of his own."""


def draw(seed: int, weather: str = CHANGEABLE) -> list[Step]:
    """Return the plan of a seed."""
    return draw_all(Chance(seed), weather)


def run(seed: int, only: Collection[int] | None = None, weather: str = CHANGEABLE) -> Outcome:
    """Carry out the plan of a seed in a weather, or only some of its steps by their numbers.

    Each run is as if it were the first of its process.
    """
    whole = draw(seed, weather)
    plan = [step for number, step in enumerate(whole) if only is None or number in only]
    with _garbage_kept():
        world = DataCentre(Chance(seed), Delays.of(plan), intervals=WEATHERS[weather].intervals)
        history = world.history
        with captured(history, world.reactor.seconds):
            _live(world, plan)
            # This shows what nobody took care of, such as a failure that nobody handled.
            gc.collect()
        seconds = world.reactor.seconds()
        text, violations = history.text, tuple(history.violations)
        outcome = Outcome(seed, violations, text, digest_of(text), history.counts, seconds, len(whole))
        # Only now may what dead processes left be taken apart. Whatever that does is not part of the run.
        del world
        take_apart()
    return outcome


def take_apart() -> None:
    """Collect all garbage, and the garbage that this makes in turn: an end of a coroutine may fail another."""
    while gc.collect():
        pass


def run_briefly(seed: int, weather: str = CHANGEABLE) -> Outcome:
    """Do the same; return what it cost, and no history: it is long."""
    began = time.process_time()
    outcome = run(seed, weather=weather)
    return attrs.evolve(outcome, history="", cost=time.process_time() - began)


def _live(world: DataCentre, plan: list[Step]) -> None:
    """Carry out a plan. Whatever ends it early is a violation."""
    try:
        with _bounded():
            world.live(plan)
    except (Exception, _Stuck):
        world.history.violate(world.reactor.seconds(), "world", f"the run is cut off: {traceback.format_exc()}")


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Stop the collector of garbage: when it runs depends on what was there before."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


@contextmanager
def _bounded() -> Iterator[None]:
    """End what takes too long. It has to be in the main thread of its process."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Stuck

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
