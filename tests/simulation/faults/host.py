"""What happens to the machine: its kernel, its clock, its power."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nuage.links.veth import KernelError
from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault, demand, lasting, some_seconds

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Requests that the kernel may refuse, and with which errors.
_REQUESTS = ("open", "add", "set", "del", "find", "links")
#: Seconds within which requests have to come to be refused once.
_ONCE = 30.0
_ERRORS = (errno.ENOBUFS, errno.EBUSY, errno.EPERM, errno.ENOMEM)


def refuse_requests(world: World, kind: str, error: int, seconds: float) -> None:
    """Have the kernel refuse each request of a kind."""
    world.kernel.refusing[kind] = KernelError(error)
    world.reactor.callLater(seconds, lambda: world.kernel.refusing.pop(kind, None))
    world.fault_lasts(seconds)


def refuse_once(world: World, kind: str, error: int, count: int) -> None:
    """Have the kernel refuse the next requests of a kind, if they come soon."""
    world.kernel.broken.setdefault(kind, []).extend(KernelError(error) for _ in range(count))
    world.reactor.callLater(_ONCE, lambda: world.kernel.broken.pop(kind, None))
    world.fault_lasts(_ONCE)


def hold_threads(world: World, seconds: float) -> None:
    """Have the kernel not answer for some seconds."""
    if world.threads is not None:
        for pool in world.threads.pools.values():
            pool.hold()
            world.reactor.callLater(seconds, pool.release)
    world.fault_lasts(seconds)
    demand(world.daemon.running)


def set_clock(world: World, seconds: float) -> None:
    """Set the time of day forward or back."""
    world.clock_error += seconds


def _refused(chance: Chance) -> tuple[str, int, float]:
    return chance.pick(_REQUESTS), chance.pick(_ERRORS), some_seconds(chance)


def _refused_once(chance: Chance) -> tuple[str, int, int]:
    return chance.pick(_REQUESTS), chance.pick(_ERRORS), chance.number(1, 3)


FAULTS: Mapping[str, Fault] = {
    "kernel refuses": Fault(do=refuse_requests, draw=_refused),
    "kernel refuses once": Fault(do=refuse_once, draw=_refused_once, weight=2),
    "kernel hangs": Fault(do=hold_threads, draw=lasting),
    "clock set": Fault(do=set_clock, draw=lambda chance: (chance.delay(-100_000, 100_000),)),
}
