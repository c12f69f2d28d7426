"""The plan of a run: what is done to the world, and when. All of it is drawn before the run begins.

So a step can be left out, and the others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from tests.simulation.chance import Chance

#: What a step is given besides its time, drawn for it.
_Arguments = tuple[Any, ...]


@attrs.frozen
class Step:
    """One thing that is done.

    Attributes:
        time: Seconds after the beginning of the run.
        deed: What is done: a key of ``tests.simulation.deeds.DEEDS``.
        arguments: What it is done with.
    """

    time: float
    deed: str
    arguments: _Arguments = ()

    def __str__(self) -> str:
        return " ".join([f"{self.time:.3f}", self.deed, *map(str, self.arguments)])


@attrs.frozen(kw_only=True)
class Names:
    """What the steps of a plan are about."""

    networks: Sequence[str]
    containers: Sequence[str]


def _network(chance: Chance, names: Names) -> _Arguments:
    return (chance.pick(names.networks),)


def _container(chance: Chance, names: Names) -> _Arguments:
    return (chance.pick(names.containers),)


def _both(chance: Chance, names: Names) -> _Arguments:
    return (chance.pick(names.containers), chance.pick(names.networks))


def _run(chance: Chance, names: Names) -> _Arguments:
    restart = chance.pick(("no", "no", "no", "always", "unless-stopped", "on-failure"))
    return (*_both(chance, names), restart, chance.pick(("", "", "web", "db")))


#: What users do: how often it comes among the steps, and what is drawn for it.
COMMANDS: Mapping[str, tuple[int, Callable[[Chance, Names], _Arguments]]] = {
    "network create": (3, _network),
    "network rm": (2, _network),
    "run": (30, _run),
    "stop": (8, _container),
    "kill": (3, _container),
    "start": (8, _container),
    "restart": (4, _container),
    "rm": (12, _container),
    "connect": (5, _both),
    "disconnect": (4, _both),
    "crash": (3, _container),
}


def draw_plan(chance: Chance, faults: Callable[[Chance, float], Sequence[Step]]) -> list[Step]:
    """Draw the plan of a run.

    Args:
        chance: Draws it.
        faults: Draws the faults of a run, given its seconds.
    """
    horizon = chance.delay(30, 300)
    names = Names(
        networks=[f"n{number}" for number in range(1, chance.number(1, 3) + 1)],
        containers=[f"c{number}" for number in range(1, chance.number(1, 12) + 1)],
    )
    steps = [Step(chance.delay(0, 5), "network create", (name,)) for name in names.networks]
    kinds = [deed for deed, (weight, _) in COMMANDS.items() for _ in range(weight)]
    # Much at once, or little in a long time.
    for _ in range(chance.number(3, 120)):
        deed = chance.pick(kinds)
        steps.append(Step(chance.delay(2, horizon), deed, COMMANDS[deed][1](chance, names)))
    steps += faults(chance.part("faults"), horizon)
    return sorted(steps, key=lambda step: step.time)
