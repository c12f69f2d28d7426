"""What the command ``tests/simulate`` is asked for."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.extent import CHANGEABLE, WEATHERS
from tests.simulation.run import draw

#: Seeds that are run if nothing else is said.
_SEEDS = 100
#: What goes with options that ask for something else than many seeds.
_TOGETHER = {"seed": {"steps", "weather"}, "known": {"jobs"}}


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line asks for; leave with status 2 and a message if that makes no sense."""
    parser = argparse.ArgumentParser(prog="tests/simulate", description="Run the daemon in simulated worlds.")
    parser.add_argument("--seed", type=int, help="run one seed, and print its history")
    parser.add_argument("--steps", type=_numbers, help="with --seed: these steps of its plan alone, as 0,3-7")
    known = "tell which seed is the first to find each known fault"
    parser.add_argument("--known", action="store_const", const=True, help=known)
    parser.add_argument("--seeds", type=_count, help="how many seeds")
    parser.add_argument("--first", type=int, help="the first of them")
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--minutes", type=_time, help="as many seeds as fit into this time")
    time.add_argument("--hours", type=_time, help="the same, for a night, which goes on after seeds that fail")
    parser.add_argument("--weather", choices=WEATHERS, help="what the faults are like")
    parser.add_argument("--summary", type=_file, metavar="FILE", help="where what was seen so far is written")
    parser.add_argument("--jobs", type=_count, help="how many at once")
    wanted = parser.parse_args(arguments)
    given = {name for name, value in vars(wanted).items() if value is not None}
    if problem := _contradiction(given) or _beyond(wanted):
        parser.error(problem)
    _complete(wanted)
    return wanted


def _contradiction(given: set[str]) -> str | None:
    """Return what is wrong with options that were given together."""
    for alone, together in _TOGETHER.items():
        if alone in given and (others := sorted(given - together - {alone})):
            return f"argument --{others[0]}: not allowed with argument --{alone}"
    if "steps" in given and "seed" not in given:
        return "argument --steps: say whose steps with --seed"
    return None


def _beyond(wanted: argparse.Namespace) -> str | None:
    """Return what is wrong with the steps: a plan with none of them shows nothing."""
    if wanted.steps is None:
        return None
    last = len(draw(wanted.seed, wanted.weather or CHANGEABLE)) - 1
    if wanted.steps and max(wanted.steps) <= last:
        return None
    return f"argument --steps: give some of the steps of seed {wanted.seed}, which are 0 to {last}"


def _complete(wanted: argparse.Namespace) -> None:
    if wanted.hours is not None:
        wanted.minutes = 60 * wanted.hours
    if wanted.seeds is None and wanted.minutes is None:
        wanted.seeds = _SEEDS
    for name, value in (("first", 1), ("weather", CHANGEABLE), ("jobs", os.cpu_count() or 1)):
        if getattr(wanted, name) is None:
            setattr(wanted, name, value)


def _numbers(text: str) -> frozenset[int]:
    try:
        return read_numbers(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} are no numbers such as 0,3-7") from problem


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return number


def _time(text: str) -> float:
    try:
        time = float(text)
    except ValueError:
        time = 0.0
    if not time > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time, such as 1.5")
    return time


def _file(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no such folder; make it or write elsewhere")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: this is a folder; name a file in it")
    return path


def read_numbers(text: str) -> frozenset[int]:
    """Read numbers and ranges, such as ``0,3-7``.

    Raises:
        ValueError: They are something else.
    """
    bounds = [part.partition("-") for part in text.split(",") if part]
    return frozenset(n for low, _, high in bounds for n in range(int(low), int(high or low) + 1))


def spelled(numbers: Sequence[int]) -> str:
    """Write numbers so that :func:`read_numbers` reads them."""
    groups = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ranges = [[number for _, number in group] for _, group in groups]
    return ",".join(f"{each[0]}-{each[-1]}" if len(each) > 1 else f"{each[0]}" for each in ranges)
