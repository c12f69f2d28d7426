"""A power loss: everything is gone but what is on the disks, and all starts again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.simulation import strangers
from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault
from tests.simulation.faults.servers import start_database, start_dockerd, start_switch_daemon

if TYPE_CHECKING:
    from tests.simulation.world import World


def lose(world: World, switch: float, daemon: float, docker: float) -> None:
    """Lose power; switch, daemon and Docker start again so many seconds later."""
    world.daemon.kill()
    if world.held is not None:
        world.held.lose_power()
    world.docker.lose_power()
    world.switch_daemon.stop()
    if world.database.serving:
        world.database.stop()
    world.namespaces.clear()
    with world.promises.by_hand():
        for link in world.kernel.links():
            # A pair goes with either of its ends.
            if link.name != "lo" and world.kernel.find(link.name) is not None:
                world.kernel.link("del", ifname=link.name)
    ports = world.reactor.network.ports
    for address in [address for address, port in ports.items() if not port.accepting]:
        del ports[address]

    def start_switch() -> None:
        if world.kernel.find(strangers.DEVICE) is None:
            strangers.add_links(world.kernel)
        start_database(world)
        start_switch_daemon(world)

    world.reactor.callLater(switch, start_switch)
    world.reactor.callLater(daemon, world.start_daemon)
    world.reactor.callLater(docker, start_dockerd, world)
    world.fault_lasts(max(switch, daemon, docker))


def _draw(chance: Chance) -> tuple[float, ...]:
    return chance.delay(5, 20), chance.delay(5, 20), chance.delay(5, 20)


FAULTS: Mapping[str, Fault] = {
    "power lost": Fault(do=lose, draw=_draw, weight=2),
}
