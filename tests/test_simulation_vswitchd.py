"""The simulated switch daemon against a real ovs-vswitchd: they are told the same, and have to say the same of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.chance import Chance
from tests.simulation.twins.switches import RealSwitch, SimulatedSwitch, State, SwitchTwin
from tests.test_links import demand_namespace
from tests.vrs_support import demand_programs

_NAMES = ("nua", "nub", "nuc", "nud")
_SEEDS, _STEPS = 3, 25

#: Does something to a switch and its links, or to one of them.
Step = tuple[str, str]


def draw(chance: Chance, *, certain: bool) -> list[Step]:
    """Draw steps. Each can be done after those before it.

    Args:
        chance: Draws them.
        certain: Whether all numbers are certain: of several ports to be opened at once any may be the first.
    """
    steps: list[Step] = []
    links: set[str] = set()
    ports: set[str] = set()
    away = False
    for _ in range(_STEPS):
        kind, name = chance.pick(("link", "port", "port", "daemon")), chance.pick(_NAMES)
        if kind == "daemon":
            steps.append(("start" if away else chance.pick(("kill", "exit")), ""))
            away = not away
            continue
        there = links if kind == "link" else ports
        if away and certain and name not in there:
            continue
        steps.append((f"{'remove' if name in there else 'add'} {kind}", name))
        there ^= {name}
    return [*steps, ("start", "")] if away else steps


def do(twin: SwitchTwin, step: Step) -> None:
    """Do a step to a switch."""
    kind, name = step
    without_name: Mapping[str, Callable[[], None]] = {
        "start": twin.start,
        "kill": lambda: twin.end(killed=True),
        "exit": lambda: twin.end(killed=False),
    }
    with_name: Mapping[str, Callable[[str], None]] = {
        "add link": twin.add_link,
        "remove link": twin.remove_link,
        "add port": twin.add_port,
        "remove port": twin.remove_port,
    }
    if name:
        with_name[kind](name)
    else:
        without_name[kind]()


def _exactly(states: Mapping[str, State]) -> object:
    return states


def _without_numbers(states: Mapping[str, State]) -> object:
    numbers = [number for number, _ in states.values() if number is not None and number > 0]
    assert len({*numbers}) == len(numbers), states
    return {name: (number is not None and number > 0, error) for name, (number, error) in states.items()}


class VswitchdTest(SynchronousTestCase):
    """Ports and links that come and go, and a daemon that does."""

    def test_random_steps(self) -> None:
        """After each step, unless the daemon is away, the database tells the same of all interfaces."""
        for seed in range(_SEEDS):
            self.compare(draw(Chance(f"vswitchd {seed}"), certain=True), _exactly)

    def test_uncertain_numbers(self) -> None:
        """If ports come while the daemon is away, the same ones are opened, each with a number of its own."""
        for seed in range(_SEEDS):
            self.compare(draw(Chance(f"uncertain {seed}"), certain=False), _without_numbers)

    def compare(self, steps: list[Step], seen: Callable[[Mapping[str, State]], object]) -> None:
        """Do the steps to both, and compare what is seen of their states."""
        demand_namespace()
        demand_programs(("ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-vswitchd", "ip"))
        folder = TemporaryDirectory(prefix="twins")
        self.addCleanup(folder.cleanup)
        real, simulated = RealSwitch(Path(folder.name)), SimulatedSwitch()
        try:
            running = True
            for number, step in enumerate(steps):
                for twin in (real, simulated):
                    do(twin, step)
                running = step[0] == "start" or (running and step[0] not in ("kill", "exit"))
                if running:
                    self.assertEqual(seen(simulated.states()), seen(real.states()), steps[: number + 1])
        finally:
            real.remove()
