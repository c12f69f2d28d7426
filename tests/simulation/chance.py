"""Every choice of a run, drawn from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar
from uuid import UUID

_Item = TypeVar("_Item")


class Chance:
    """A generator of choices that are the same on each machine and in each Python.

    ``Random.random`` and ``Random.getrandbits`` are promised to stay as they are; its other methods are not, and some
    of them use the machine's own logarithms.

    Args:
        seed: What all choices follow from.
    """

    def __init__(self, seed: int | str) -> None:
        self._seed = str(seed)
        generator = Random(self._seed)
        #: Draws a number from 0 up to 1, exclusive.
        self.fraction = generator.random
        self._bits = generator.getrandbits

    def part(self, name: str) -> Chance:
        """Return a generator of its own for a part of the world, whose draws do not shift those of another."""
        return Chance(f"{self._seed}/{name}")

    def delay(self, low: float, high: float) -> float:
        """Draw a number of seconds between ``low`` and ``high``."""
        return low + (high - low) * self.fraction()

    def number(self, low: int, high: int) -> int:
        """Draw an integer from ``low`` to ``high``, both inclusive."""
        return low + int((high - low + 1) * self.fraction())

    def happens(self, probability: float) -> bool:
        """Draw whether something happens."""
        return self.fraction() < probability

    def pick(self, choices: Sequence[_Item]) -> _Item:
        """Draw one of a sequence, which must not be empty."""
        return choices[int(len(choices) * self.fraction())]

    def shuffled(self, items: Sequence[_Item]) -> list[_Item]:
        """Return the items in a drawn order."""
        rest = list(items)
        return [rest.pop(self.number(0, len(rest) - 1)) for _ in items]

    def bits(self, count: int) -> int:
        """Draw a number of this many bits."""
        return self._bits(count)

    def hexadecimal(self, digits: int) -> str:
        """Draw this many hexadecimal digits."""
        return f"{self._bits(4 * digits):0{digits}x}"

    def uuid(self) -> str:
        """Draw a UUID of version 4."""
        return str(UUID(int=self._bits(128), version=4))
