"""The states in which the daemon has answered Docker: runs are worth what they see of them.

A state is what was called and how that ended, what the switch had of the endpoint then (see "The life of an endpoint"
in docs/architecture.rst), and who did not work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nuage.names import port_name
from tests.simulation import truth
from tests.simulation.database.store import Store

if TYPE_CHECKING:
    from tests.simulation.world import World

#: An address that the VRS has not given yet.
_UNRESOLVED = ((), ("",))


def state(world: World, method: str, request: Mapping[str, Any] | None, *, answered: bool) -> str:
    """Return a state in words.

    Args:
        world: That of the daemon, at the moment of its answer.
        method: What was called.
        request: What was said.
        answered: Whether it did what it was asked, and not refused.
    """
    endpoint_id = (request or {}).get("EndpointID")
    subject = f", {life(world.database.store, endpoint_id)}" if endpoint_id else ""
    unwell = [name for name, is_unwell in _UNWELL.items() if is_unwell(world)]
    return f"{method} {'answered' if answered else 'refused'}{subject}: {', '.join(unwell) or 'all well'}"


def life(rows: Store, endpoint_id: str) -> str:
    """Return how far the switch has come with an endpoint."""
    name = (port_name(endpoint_id),)
    addresses = [row["ip_addr"] for row in rows.tables["Nuage_Port_Table"].rows.values() if row["name"] == name]
    if addresses:
        return "announced" if addresses[0] in _UNRESOLVED else "resolved"
    if any(row["name"] == name for row in rows.tables["Port"].rows.values()):
        return "shut"
    return "created" if truth.recorded(rows, endpoint_id) else "forgotten"


def _database(world: World) -> bool:
    return not world.database.available


def _switch(world: World) -> bool:
    return not world.switch_daemon.running or world.switch_daemon.hanging


def _controller(world: World) -> bool:
    return not world.vrs_agent.has_controller or world.vrs_agent.hanging


def _docker(world: World) -> bool:
    dockerd = world.docker.dockerd
    return dockerd is None or not dockerd.started or dockerd.reactor.process.frozen


def _kernel(world: World) -> bool:
    held = world.threads is not None and any(pool.held for pool in world.threads.pools.values())
    return held or bool(world.kernel.refusing or world.kernel.broken)


def _vsd(world: World) -> bool:
    vsd = None if world.vsd is None else world.vsd.vsd
    return vsd is not None and (not vsd.running or bool(vsd.failing) or vsd.process.process.frozen)


_UNWELL: Mapping[str, Callable[[World], bool]] = {
    "database": _database,
    "switch": _switch,
    "controller": _controller,
    "Docker": _docker,
    "kernel": _kernel,
    "VSD": _vsd,
}
