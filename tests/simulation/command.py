"""The command ``tests/simulate``: many seeds at once, or one with its history."""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation.arguments import parsed, spelled
from tests.simulation.extent import CHANGEABLE
from tests.simulation.known import KNOWN
from tests.simulation.many import Allowance, outcomes
from tests.simulation.run import draw, run
from tests.simulation.seen import Outcome, Seen
from tests.simulation.shrinking import shortest

#: Failing seeds after which no more are tried, if this is no night.
_ENOUGH = 5
#: Seconds from one writing of the summary to the next.
_PAUSE = 60.0
#: Runs that are made at most to shorten the plan of a failing seed.
_SHORTENINGS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command; return its status: 0, or 1 if a seed failed or somebody interrupted."""
    wanted = parsed(arguments)
    if wanted.seed is not None:
        return _one(wanted.seed, wanted.steps, wanted.weather)
    if wanted.known:
        return _known(wanted.jobs)
    return _many(wanted)


def _one(seed: int, steps: frozenset[int] | None, weather: str) -> int:
    outcome = run(seed, steps, weather)
    sys.stdout.write(outcome.history)
    print(f"seed {seed}: {len(outcome.violations)} violations")
    return bool(outcome.violations)


def _known(jobs: int) -> int:
    """Put back each fault that is known, and tell the first seed that finds it; return 1 if one is not found."""
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool:
        found = pool.map(_first_seed, range(len(KNOWN)))
        seeds = []
        for known, seed in zip(KNOWN, found, strict=True):
            seeds.append(seed)
            print(f"{known.name}: {f'seed {seed}' if seed else 'not found'} of {known.within}", flush=True)
    return not all(seeds)


def _first_seed(number: int) -> int | None:
    return KNOWN[number].found_by(range(1, KNOWN[number].within + 1))


def _many(wanted: argparse.Namespace) -> int:
    seen, began, written = Seen(wanted.weather), time.monotonic(), -math.inf
    allowance = Allowance(60 * wanted.minutes if wanted.minutes is not None else math.inf)
    seeds = itertools.count(wanted.first)
    if wanted.seeds is not None:
        seeds = itertools.islice(seeds, wanted.seeds)  # type: ignore[assignment]
    with allowance.interruptible():
        for outcome in outcomes(seeds, wanted.weather, wanted.jobs, allowance):
            seen.add(outcome)
            if outcome.violations and wanted.hours is not None:
                _name(outcome, wanted.weather)
            elif outcome.violations:
                tell_shortest(outcome, wanted.weather)
                if len(seen.failed) == _ENOUGH:
                    break
            if wanted.summary and time.monotonic() - written >= _PAUSE:
                written = time.monotonic()
                _write(wanted.summary, seen.summary(written - began))
    summary = seen.summary(time.monotonic() - began)
    print(summary)
    if wanted.summary:
        _write(wanted.summary, summary)
    return bool(seen.failed) or allowance.interrupted


def _write(path: Path, summary: str) -> None:
    """Write a summary in the place of the former one, so that there is a whole one at each moment."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(f"{summary}\n")
    new.replace(path)


def _name(outcome: Outcome, weather: str) -> None:
    """Print that a seed fails, with its first violation."""
    print(f"seed {outcome.seed} fails: {outcome.violations[0].splitlines()[0]}")
    print(f"  shorter: {_again(weather, '--first', outcome.seed, '--seeds', 1)}", flush=True)


def _again(weather: str, *arguments: object) -> str:
    """Return the command that runs something again."""
    said = ["--weather", weather] if weather != CHANGEABLE else []
    return " ".join(["tests/simulate", *said, *map(str, arguments)])


def tell_shortest(outcome: Outcome, weather: str) -> None:
    """Print the shortest plan of a failing seed that still fails, with its history."""
    if not run(outcome.seed, weather=weather).violations:
        print(f"seed {outcome.seed} fails, and it does not fail again:", *outcome.violations, sep="\n  ", flush=True)
        return
    tries = itertools.count()

    def fails(steps: Sequence[int]) -> bool:
        return next(tries) < _SHORTENINGS and bool(run(outcome.seed, frozenset(steps), weather).violations)

    steps = shortest(range(outcome.steps), fails)
    shortened = run(outcome.seed, frozenset(steps), weather)
    plan = draw(outcome.seed, weather)
    print(f"seed {outcome.seed} fails, with {len(steps)} of {outcome.steps} steps:")
    for number in steps:
        print(f"  {plan[number]}")
    sys.stdout.write(shortened.history)
    print(f"again: {_again(weather, '--seed', outcome.seed, '--steps', spelled(steps))}", flush=True)
