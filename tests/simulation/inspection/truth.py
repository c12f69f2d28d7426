"""Whether what the daemon tells of itself is as it is in the world, once all is at rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nuage.names import port_name

if TYPE_CHECKING:
    from tests.simulation.inspection.inspector import Inspector
    from tests.simulation.world import World

#: What of a report follows from the world alone, and may be compared with what was heard of its changes.
_HEARD = ("networks", "endpoints", "problems", "cleanup", "ready")


def check(world: World, inspector: Inspector) -> None:
    """Ask the daemon, and compare."""
    status = inspector.learn("/status")
    metrics = inspector.learn("/metrics")
    if status is not None and metrics is not None:
        for problem in (*_problems(world, status), *_counted(status, metrics), *_unheard(inspector, status)):
            world.history.violate(world.reactor.seconds(), "inspector", problem)


def _problems(world: World, status: Mapping[str, Any]) -> Iterator[str]:
    plugin = world.docker.settings.plugin
    networks = {each.id for each in world.docker.store.known_networks if each.driver == plugin}
    told = {each["id"] for each in status["networks"]}
    # A network of which the switch has lost the record is made again when it is used.
    for network in sorted(told - networks):
        yield f"/status tells of network {network[:12]}, and there is none"
    used = {
        endpoint.id: (container.name, endpoint.address, "resolved")
        for endpoint, container in world.docker.attached().items()
        if endpoint.network.driver == plugin
    }
    shown = {
        each["id"]: (each["container"], each["address"], each["state"])
        for each in status["endpoints"]
        if not each["gone"]
    }
    left = {endpoint for endpoint in used if world.promises.has_left(endpoint)}
    kept = {endpoint.id for endpoint in world.docker.left_behind()}
    cut_off = {endpoint for endpoint in used.keys() - left if port_name(endpoint) in world.cut_off}
    for endpoint in sorted({*used, *shown} - left - kept - cut_off):
        if used.get(endpoint) != shown.get(endpoint):
            yield f"/status tells of {endpoint[:12]} {shown.get(endpoint)}, and it is {used.get(endpoint)}"
    for endpoint in sorted(cut_off):
        if not any(endpoint in str(each) for each in status["problems"]):
            yield f"/status does not tell that {endpoint[:12]} has no link"
    excused = left | kept | cut_off
    problems = [each for each in status["problems"] if not any(endpoint in str(each) for endpoint in excused)]
    if not status["ready"] or status["cleanup"] or problems:
        away = [each["status"] for each in status["parts"] if not each["there"]]
        yield f"/status is not well at rest: {away}, {status['cleanup']}, {problems}"


def _counted(status: Mapping[str, Any], metrics: str) -> Iterator[str]:
    """Compare the numbers of endpoints by their states."""
    for state, count in status["endpoint_states"].items():
        if f'nuage_endpoints{{state="{state}"}} {count:.1f}\n' not in metrics:
            yield f"/metrics does not count {count} endpoints that are {state}"


def _unheard(inspector: Inspector, status: Mapping[str, Any]) -> Iterator[str]:
    """Compare with what a listener knows."""
    known = inspector.follower.known if inspector.follower is not None else None
    if known is None:
        return
    # Those that were refused are shown for a while, which may have ended for some since the last event.
    shown = {each["id"] for each in status["endpoints"]}
    endpoints = [each for each in known["endpoints"] if each["id"] in shown or not each["gone"]]
    for name in _HEARD:
        heard = endpoints if name == "endpoints" else known[name]
        if _sorted(heard) != _sorted(status[name]):
            yield f"/events told other {name} than /status: {heard} and {status[name]}"


def _sorted(value: Any) -> Any:
    """Return a list of a report in the order of its ids, if it has any."""
    if isinstance(value, list) and value and "id" in value[0]:
        return sorted(value, key=lambda each: str(each["id"]))
    return value
