"""The command ``tests/simulate``: many seeds at once, or one with its history."""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation.extent import CHANGEABLE, WEATHERS
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
    wanted = _parsed(arguments)
    if wanted.seed is not None:
        return _one(wanted.seed, wanted.steps, wanted.weather)
    if wanted.known:
        return _known(wanted.jobs)
    return _many(wanted)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="run one seed, and print its history")
    parser.add_argument("--steps", type=read_numbers, help="with --seed: these steps of its plan alone, as 0,3-7")
    parser.add_argument("--known", action="store_true", help="tell which seed is the first to find each known fault")
    parser.add_argument("--seeds", type=int, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--minutes", type=float, help="as many seeds as fit into this time")
    parser.add_argument("--hours", type=float, help="the same, for a night, which goes on after seeds that fail")
    parser.add_argument("--weather", choices=WEATHERS, default=CHANGEABLE, help="what the faults are like")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="where what was seen so far is written")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    wanted = parser.parse_args(arguments)
    if wanted.summary and not wanted.summary.parent.is_dir():
        parser.error(f"argument --summary: {wanted.summary}: there is no such folder; make it or write elsewhere")
    if wanted.hours is not None:
        wanted.minutes = 60 * wanted.hours
    if wanted.seeds is None and wanted.minutes is None:
        wanted.seeds = 100
    return wanted


def read_numbers(text: str) -> frozenset[int]:
    """Read numbers and ranges, such as ``0,3-7``."""
    bounds = [part.partition("-") for part in text.split(",") if part]
    return frozenset(n for low, _, high in bounds for n in range(int(low), int(high or low) + 1))


def spelled(numbers: Sequence[int]) -> str:
    """Write numbers so that :func:`read_numbers` reads them."""
    groups = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ranges = [[number for _, number in group] for _, group in groups]
    return ",".join(f"{each[0]}-{each[-1]}" if len(each) > 1 else f"{each[0]}" for each in ranges)


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
