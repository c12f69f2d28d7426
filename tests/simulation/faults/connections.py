"""What happens to connections that not all worlds have: those over TCP, and those that systemd passes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.simulation.faults.fault import Fault, lasting
from tests.simulation.vsd.server import ADDRESS

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds within which the daemon notices that nobody is there any more: two of its probes.
_NOTICED = 10.0


def lose_peer(world: World, which: float) -> None:
    """Lose the server's end of a connection without a word, as a power loss or a firewall does."""
    port = world.database.port
    if port is not None and port.connections and _is_remote(world):
        port.connections[int(which * len(port.connections))].peer.lose_peer()
        world.fault_lasts(_NOTICED)


def lose_vsd(world: World) -> None:
    """Lose the VSD's ends of all connections without a word. It is there again at once."""
    port = world.reactor.network.ports.get(ADDRESS)
    if port is not None:
        for end in list(port.connections):
            end.peer.lose_peer()


def speak_tls(world: World, seconds: float) -> None:
    """Have the database's server speak TLS for some seconds, which the daemon is not configured for."""
    if _is_remote(world):
        world.database.speak_tls()
        world.reactor.callLater(seconds, world.database.speak_plainly)
        world.fault_lasts(seconds)


def exhaust(world: World, seconds: float) -> None:
    """Have the daemon get no file descriptor for connections to the socket that systemd holds, for some seconds."""
    held = world.held
    if held is not None:
        held.exhausted = True
        world.reactor.callLater(seconds, setattr, held, "exhausted", False)
        world.fault_lasts(seconds)


def _is_remote(world: World) -> bool:
    return world.database.place.startswith("tcp:")


FAULTS: Mapping[str, Fault] = {
    "connection half open": Fault(do=lose_peer, draw=lambda chance: (chance.fraction(),), weight=3),
    "VSD connections half open": Fault(do=lose_vsd, weight=2, shared=True),
    "database speaks TLS": Fault(do=speak_tls, draw=lasting),
    "descriptors used up": Fault(do=exhaust, draw=lasting, delays=lambda seconds: seconds),
}
