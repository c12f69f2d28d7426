"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs

from tests.simulation.chance import Chance

_Item = TypeVar("_Item")


class Missed(Exception):
    """There was nothing for a fault to strike, so it was none."""


def demand(struck: object) -> None:
    """See that a fault had something to strike.

    Raises:
        Missed: It had nothing.
    """
    if not struck:
        raise Missed


def one_of(which: float, items: Sequence[_Item]) -> _Item:
    """Return the one of some items that a number from 0 up to 1 stands for.

    Raises:
        Missed: There are none.
    """
    demand(items)
    return items[int(which * len(items))]


@attrs.frozen(kw_only=True)
class Fault:
    """One kind of fault.

    Attributes:
        do: Does it to the world, with what was drawn for it; raises :exc:`Missed`.
        draw: Draws that.
        weight: How often it comes among the others.
        delays: Returns the seconds by which what was drawn for it may delay the daemon's answers.
        outage: Returns the seconds for which what was drawn for it may keep the daemon from running.
        shared: Whether it happens to all hosts, as what happens to the VSD does.
    """

    do: Callable[..., object]
    draw: Callable[[Chance], tuple[Any, ...]] = lambda _chance: ()
    weight: int = 1
    delays: Callable[..., float] = lambda *_: 0.0
    outage: Callable[..., float] = lambda *_: 0.0
    shared: bool = False


def some_seconds(chance: Chance) -> float:
    """Draw how long something lasts: most often short, sometimes longer than all that waits for it."""
    return chance.delay(0.05, chance.pick((1.0, 5.0, 20.0, 70.0)))


def lasting(chance: Chance) -> tuple[float]:
    """Draw nothing but how long something lasts."""
    return (some_seconds(chance),)
