"""What happens to the VSD, and what others do there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault, demand, lasting, one_of, some_seconds
from tests.simulation.networks import PLACES
from tests.simulation.plan import Step
from tests.simulation.vsd import administrator
from tests.simulation.vsd.server import ADDRESS, Vsd

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Part of the runs in which nothing happens to the VSD.
_WITHOUT = 0.2
#: Containers that ask for an address, and the addresses that they ask for: few, so that they meet.
_ASKING, _ASKED = 4, (2, 12)


def kill(world: World, seconds: float, forgets: bool) -> None:
    """Kill it, and start it again some seconds later; it may have forgotten all keys then."""
    vsd = _vsd(world)
    running = vsd.running
    vsd.kill()
    if forgets:
        vsd.parts.keys.expire()
    world.reactor.callLater(seconds, vsd.start)
    world.fault_lasts(seconds)
    demand(running)


def freeze(world: World, seconds: float) -> None:
    """Stop it as SIGSTOP does."""
    frozen = _vsd(world).process
    frozen.freeze()
    world.reactor.callLater(seconds, frozen.thaw)
    world.fault_lasts(seconds)
    demand(_vsd(world).running)


def slow_down(world: World, pace: float, seconds: float) -> None:
    """Have all bytes to and from it take longer."""

    def set_pace(pace: float) -> None:
        port = world.reactor.network.ports.get(ADDRESS)
        if port is not None:
            port.change_pace(pace)

    set_pace(pace)
    world.reactor.callLater(seconds, set_pace, 1.0)
    world.fault_lasts(seconds)
    demand(_vsd(world).running)


def cut(world: World, which: float) -> None:
    """Cut one of the connections to it, at whatever byte it is."""
    port = world.reactor.network.ports.get(ADDRESS)
    one_of(which, [] if port is None else port.connections).cut()


def fail(world: World, status: int, late: bool, seconds: float) -> None:
    """Have it answer with a failure, instead of doing what is asked or after that."""
    vsd = _vsd(world)
    vsd.failing, vsd.late = status, late
    world.reactor.callLater(seconds, setattr, vsd, "failing", 0)
    world.fault_lasts(seconds)


def expire(world: World) -> None:
    """End all keys."""
    _vsd(world).parts.keys.expire()


def attach_vm(world: World, which: float, seconds: float) -> None:
    """Start a VM with an address that nobody has, for some seconds."""
    _occupy(world, which, seconds, most=1)


def fill(world: World, which: float, seconds: float) -> None:
    """Have VMs take all addresses of a subnet that are left, for some seconds."""
    _occupy(world, which, seconds, most=1 << 16)


def move(world: World, which: float, group: str) -> None:
    """Put the vPort of a running container into another policy group."""
    demand(administrator.move_port(_vsd(world), which, group))


def _occupy(world: World, which: float, seconds: float, most: int) -> None:
    vsd, habits = _vsd(world), world.vsd and world.vsd.habits
    places = [PLACES[name] for name in sorted(habits.networks)] if habits else []
    place = one_of(which, places)
    subnet = vsd.subnet(place.domain, place.zone, place.subnet)
    attached = administrator.attach_vms(vsd, subnet, which, most)
    for vm in attached:
        world.reactor.callLater(seconds, administrator.remove_vm, vsd, vm)
    world.fault_lasts(seconds)
    demand(attached)


def _vsd(world: World) -> Vsd:
    assert world.vsd is not None
    return world.vsd.vsd


def _pace(chance: Chance) -> tuple[float, float]:
    return chance.pick((10.0, 100.0, 2000.0)), some_seconds(chance)


def _failure(chance: Chance) -> tuple[int, bool, float]:
    return chance.pick((500, 502, 503, 504)), chance.happens(0.3), some_seconds(chance)


def _where(chance: Chance) -> tuple[float, float]:
    return chance.fraction(), some_seconds(chance)


VSD_FAULTS: Mapping[str, Fault] = {
    "VSD away": Fault(do=kill, draw=lambda chance: (some_seconds(chance), chance.happens(0.5)), weight=4),
    "VSD frozen": Fault(do=freeze, draw=lasting, weight=2),
    "VSD slow": Fault(do=slow_down, draw=_pace, weight=2),
    "VSD connection cut": Fault(do=cut, draw=lambda chance: (chance.fraction(),), weight=6),
    "VSD fails": Fault(do=fail, draw=_failure, weight=3),
    "VSD keys expire": Fault(do=expire, weight=2),
    "VM attached": Fault(do=attach_vm, draw=_where, weight=3),
    "subnet full": Fault(do=fill, draw=_where),
    "vPort moved": Fault(
        do=move, draw=lambda chance: (chance.fraction(), chance.pick(("web", "db", "quarantine"))), weight=3
    ),
}


def draw_asking(chance: Chance, others: Sequence[Step], hosts: int) -> Iterator[Step]:
    """Draw containers that ask for addresses.

    Args:
        chance: Draws them.
        others: The steps that are there already; these are among them.
        hosts: How many hosts there are.
    """
    horizon = max(step.time for step in others)
    creations = [step for step in others if step.deed in ("network create", "network create with")]
    networks = sorted({str(step.arguments[0]) for step in creations})
    for _ in range(chance.number(0, 8)):
        name, address = f"a{chance.number(1, _ASKING)}", chance.number(*_ASKED)
        arguments = (name, chance.pick(networks), address)
        host = chance.number(0, hosts - 1)
        yield Step(chance.delay(2, horizon), "run with an address", arguments, host)
        yield Step(chance.delay(2, horizon), chance.pick(("stop", "rm", "restart")), (name,), host)


def draw_vsd_faults(chance: Chance, horizon: float) -> Iterator[Step]:
    """Draw what happens to the VSD within so many seconds."""
    if chance.happens(_WITHOUT):
        return
    weighted = [kind for kind, fault in VSD_FAULTS.items() for _ in range(fault.weight)]
    for _ in range(chance.number(1, 12)):
        kind = chance.pick(weighted)
        yield Step(chance.delay(0, horizon), kind, VSD_FAULTS[kind].draw(chance))
