"""What the daemon still has in mind at rest: nothing, because what it began has to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds within which the daemon is through with what it is just about.
_ENDING = 60.0


def check(world: World) -> None:
    """Check that the daemon has nothing left to do: what it was still about is over."""
    if not world.reactor.run_until(lambda: not _unfinished(world), _ENDING):
        world.history.violate(
            world.reactor.seconds(), "memory", f"the daemon does not come to rest: {_unfinished(world)}"
        )


def _unfinished(world: World) -> dict[str, Any]:
    """Return what the daemon is about, by kinds."""
    plugin = world.daemon.plugin
    if plugin is None:
        return {"daemon": "does not run"}
    daemon = plugin._daemon
    rooms = {
        "clean-up": sorted(daemon.unfinished()),
        "turns": sorted(daemon.endpoints._turns._waiting),
        "waits for rows": [str(key) for key in daemon.client._waits._waits],
        "removals of links": sorted(daemon.links._removals),
        "searches for containers": sorted(daemon.containers._searches.keys() - _endpoints(world)),
    }
    return {what: left for what, left in rooms.items() if left}


def _endpoints(world: World) -> set[str]:
    stored = {each for network in world.docker.store.networks.values() for each in network.endpoints}
    return stored | {endpoint.id for endpoint in world.docker.attached()}
