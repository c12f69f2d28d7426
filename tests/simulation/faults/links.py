"""What hands do to links: they change what is the daemon's, at the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nuage.links.veth import GROUP
from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault

if TYPE_CHECKING:
    from tests.simulation.world import World


def change(world: World, which: float, **changes: Any) -> None:
    """Change the host end of a pair, as ``ip link set`` does."""
    ours = [link for link in world.kernel.links() if link.group == GROUP]
    if ours:
        world.links_touched = world.reactor.seconds()
        world.kernel.link("set", index=ours[int(which * len(ours))].index, **changes)


def set_down(world: World, which: float) -> None:
    """``ip link set DEVICE down``."""
    change(world, which, state="down")


def strip(world: World, which: float) -> None:
    """``ip link set DEVICE alias ""``."""
    change(world, which, ifalias="")


def rename(world: World, which: float, number: int) -> None:
    """``ip link set DEVICE name NAME``."""
    if world.kernel.find(f"hand{number}") is None:
        change(world, which, ifname=f"hand{number}")


def _which(chance: Chance) -> tuple[float]:
    return (chance.fraction(),)


FAULTS: Mapping[str, Fault] = {
    "link set down": Fault(do=set_down, draw=_which),
    "link stripped": Fault(do=strip, draw=_which),
    "link renamed": Fault(do=rename, draw=lambda chance: (chance.fraction(), chance.number(0, 999))),
}
