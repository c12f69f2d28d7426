"""What hands do to links: they change what is the daemon's, at the host.

A link is known by its name or by its alias. A hand leaves one of them: nobody could tell whose a link without both is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nuage.links.veth import GROUP, Link
from tests.simulation.chance import Chance
from tests.simulation.faults.fault import Fault, demand, one_of

if TYPE_CHECKING:
    from tests.simulation.world import World

#: What the names begin with that hands give.
_HAND = "hand"


def change(world: World, ours: Sequence[Link], which: float, **changes: Any) -> None:
    """Change the host end of one of some pairs, as ``ip link set`` does."""
    index = one_of(which, ours).index
    world.links_touched = world.reactor.seconds()
    world.kernel.link("set", index=index, **changes)


def set_down(world: World, which: float) -> None:
    """``ip link set DEVICE down``."""
    change(world, _ours(world), which, state="down")


def strip(world: World, which: float) -> None:
    """``ip link set DEVICE alias ""``."""
    change(world, [link for link in _ours(world) if _is_named(link)], which, ifalias="")


def rename(world: World, which: float, number: int) -> None:
    """``ip link set DEVICE name NAME``."""
    demand(world.kernel.find(f"{_HAND}{number}") is None)
    change(world, [link for link in _ours(world) if link.alias], which, ifname=f"{_HAND}{number}")


def _ours(world: World) -> Sequence[Link]:
    return [link for link in world.kernel.links() if link.group == GROUP]


def _is_named(link: Link) -> bool:
    """Tell whether a link has the name that the daemon gave it."""
    return not link.name.startswith(_HAND)


def _which(chance: Chance) -> tuple[float]:
    return (chance.fraction(),)


FAULTS: Mapping[str, Fault] = {
    "link set down": Fault(do=set_down, draw=_which),
    "link stripped": Fault(do=strip, draw=_which),
    "link renamed": Fault(do=rename, draw=lambda chance: (chance.fraction(), chance.number(0, 999))),
}
