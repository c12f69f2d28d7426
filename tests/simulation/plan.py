"""The plan of a run: what is done to the world, and when. All of it is drawn before the run begins.

So a step can be left out, and the others stay as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from tests.simulation.chance import Chance

#: What a step is given besides its time, drawn for it.
_Arguments = tuple[Any, ...]


@attrs.frozen
class Step:
    """One thing that is done.

    Attributes:
        time: Seconds after the beginning of its chapter.
        deed: What is done: a key of ``tests.simulation.deeds.DEEDS``.
        arguments: What it is done with.
        host: On which host, from 0 on.
        chapter: Each begins once all is at rest after the one before it.
    """

    time: float
    deed: str
    arguments: _Arguments = ()
    host: int = 0
    chapter: int = 0

    def __str__(self) -> str:
        chapter = [f"{self.chapter}:"] if self.chapter else []
        return " ".join([*chapter, f"{self.time:.3f}", self.deed, *map(str, self.arguments)])


def chapters(plan: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Yield the steps of each chapter of a plan that has any."""
    for _, steps in itertools.groupby(plan, key=lambda step: step.chapter):
        yield list(steps)


@attrs.frozen(kw_only=True)
class Names:
    """What the steps of a plan are about."""

    networks: Sequence[str]
    containers: Sequence[str]


def _network(chance: Chance, names: Names) -> _Arguments:
    return (chance.pick(names.networks),)


def _run(chance: Chance, names: Names) -> _Arguments:
    restart = chance.pick(("no", "no", "rm", "always", "unless-stopped", "on-failure"))
    group = chance.pick(("", "", "", "web", "web+option", "db+option"))
    mac = f"02:aa:00:00:{chance.number(0, 255):02x}:01" if chance.happens(_OWN_MAC) else ""
    return (*_network(chance, names), restart, group, mac)


def _rename(chance: Chance, names: Names) -> _Arguments:
    """Draw the name of another container, or in some plans one that is free."""
    name = chance.pick(names.containers)
    return (f"{name}-too",) if chance.part("free names").happens(_FREE_NAMES) else (name,)


_Draw = Callable[[Chance, Names], _Arguments]

#: What users do with a container that is there: how often it comes, and what is drawn for it besides the container.
_COMMANDS: Mapping[str, tuple[int, _Draw]] = {
    "stop": (8, lambda _chance, _names: ()),
    "start": (10, lambda _chance, _names: ()),
    "restart": (5, lambda _chance, _names: ()),
    "kill": (3, lambda _chance, _names: ()),
    "crash": (4, lambda _chance, _names: ()),
    "rm": (15, lambda _chance, _names: ()),
    "connect": (8, _network),
    "disconnect": (6, _network),
    "run": (1, _run),
    "rename": (1, _rename),
}
#: The same of networks.
_NETWORK_COMMANDS = ("network rm", "network create", "network create")
#: Part of the plans in which containers get names that are free.
_FREE_NAMES = 0.5
#: Part of the containers that users give a MAC address.
_OWN_MAC = 0.05
#: Part of the commands that are about networks.
_ABOUT_NETWORKS = 0.04
#: Part of the networks that have something special.
_SPECIAL = 0.3


def draw_plan(
    chance: Chance,
    faults: Callable[[Chance, Sequence[float]], Iterable[Step]],
    duration: tuple[float, float] = (30, 300),
    commands: tuple[int, int] = (3, 120),
) -> list[Step]:
    """Draw the plan of a run.

    Args:
        chance: Draws it.
        faults: Draws the faults of a run, given the times of its commands.
        duration: From how many seconds to how many it lasts.
        commands: From how many commands to how many there are.
    """
    horizon = chance.delay(*duration)
    names = Names(
        networks=[f"n{number}" for number in range(1, chance.number(1, 3) + 1)],
        containers=[f"c{number}" for number in range(1, chance.number(1, 12) + 1)],
    )
    steps = [_network_step(chance, name) for name in names.networks]
    # Much at once, or little in a long time.
    times = sorted(chance.delay(2, horizon) for _ in range(chance.number(*commands)))
    steps += _commands(chance, names, times)
    steps += faults(chance.part("faults"), [step.time for step in steps])
    return sorted(steps, key=lambda step: step.time)


def _network_step(chance: Chance, name: str) -> Step:
    """Draw the making of a network at the beginning."""
    time = chance.delay(0, 5)
    if chance.happens(_SPECIAL):
        return Step(time, "network create with", (name, chance.pick(("ipv6", "internal", "mtu", "gwbridge"))))
    return Step(time, "network create", (name,))


def _commands(chance: Chance, names: Names, times: Sequence[float]) -> Iterator[Step]:
    """Draw a command for each time. Most of them make sense: what is stopped has been started, as far as is known."""
    there: set[str] = set()
    kinds = [deed for deed, (weight, _) in _COMMANDS.items() for _ in range(weight)]
    for time in times:
        if chance.happens(_ABOUT_NETWORKS):
            yield Step(time, chance.pick(_NETWORK_COMMANDS), _network(chance, names))
            continue
        name = chance.pick(names.containers)
        deed = chance.pick(kinds) if name in there else "run"
        if deed == "run":
            there.add(name)
        elif deed == "rm":
            there.discard(name)
        yield Step(time, deed, (name, *_COMMANDS[deed][1](chance, names)))
