"""What happens to the daemon itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.simulation.faults.fault import Fault, demand, lasting, some_seconds

if TYPE_CHECKING:
    from tests.simulation.world import World


#: Seconds that the daemon may take to end.
_LONGEST_END = 40.0


def kill(world: World, steps: int, pause: float) -> None:
    """Kill the daemon after so many of its steps, and start it again some seconds later."""
    running = world.daemon.running
    world.daemon.kill_after(steps)
    # The next steps may come late: by then it is dead in any case.
    _start_later(world, pause, kill=True)
    demand(running)


def stop(world: World, pause: float) -> None:
    """Stop the daemon in order, and start it again some seconds later."""
    running = world.daemon.running
    world.daemon.stop()
    _start_later(world, world.config.call_timeout + pause)
    demand(running)


def freeze(world: World, seconds: float) -> None:
    """Stop the daemon as SIGSTOP does, or a machine that swaps."""
    frozen = world.daemon.reactor
    frozen.freeze()
    world.reactor.callLater(seconds, frozen.thaw)
    world.fault_lasts(seconds)
    demand(world.daemon.running)


def _start_later(world: World, pause: float, *, kill: bool = False) -> None:
    def start() -> None:
        if kill:
            world.daemon.kill()
        world.start_daemon()

    world.reactor.callLater(pause, start)
    world.fault_lasts(pause)


FAULTS: Mapping[str, Fault] = {
    "daemon killed": Fault(
        do=kill,
        draw=lambda chance: (chance.number(1, 200), some_seconds(chance)),
        weight=6,
        outage=lambda _steps, pause: pause,
    ),
    "daemon stopped": Fault(do=stop, draw=lasting, weight=2, outage=lambda pause: _LONGEST_END + pause),
    "daemon frozen": Fault(do=freeze, draw=lasting, delays=lambda seconds: seconds),
}
