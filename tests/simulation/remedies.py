"""What people do once all faults are over, because the log or the documentation asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.deeds import create_network
from tests.simulation.faults import hands

if TYPE_CHECKING:
    from tests.simulation.world import World


def apply(world: World) -> None:
    """Do what the daemon cannot do by itself."""
    hands.remove_garbage(world)
    if world.vsd is not None and hands.has_lost_networks(world):
        # Nobody knows any more where the addresses are that such a network has held at the VSD.
        for name in sorted(world.vsd.habits.networks):
            if world.docker.network(name) is None:
                create_network(world, name)
