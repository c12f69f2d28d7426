"""What must hold in the world, whatever has happened to it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nuage.links.veth import GROUP
from nuage.names import link_alias, port_name
from nuage.vrs.tables import ENDPOINT_RECORD, NETWORK_RECORD, POLICY_GROUP, Platform
from tests.simulation import truth

if TYPE_CHECKING:
    from tests.simulation.docker.commands import Outcome
    from tests.simulation.docker.store import Container, Endpoint
    from tests.simulation.world import World

#: Columns of the database that change by themselves.
_VOLATILE = {"_uuid", "_version", "statistics", "next_cfg", "cur_cfg", "datapath_id", "ofport"}
_EMPTY: Sequence[object] = ("", None, [], {}, frozenset())
#: Rows may be made anew.
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

#: What tells the VRS that the VSD has a container already.
_SPLIT = "nuage-extension"

State = Mapping[str, Any]


def state(world: World) -> State:
    """Return what there is at the switch and in the kernel, without what changes by itself."""
    store = world.database.store
    tables = {name: sorted(map(_content, store.rows(name))) for name in store.schema.tables}
    links = sorted(f"{link.name} {link.alias}" for link in world.kernel.links())
    return {"links": links, **{name: rows for name, rows in tables.items() if rows}}


def _content(row: Mapping[str, Any]) -> str:
    # A conversion of the schema adds columns, which are empty.
    told = {name: value for name, value in row.items() if name not in _VOLATILE and value not in _EMPTY}
    return _UUID.sub("uuid", json.dumps(told, default=str, sort_keys=True))


def check_probe(world: World, network: str, outcome: Outcome) -> None:
    """Check that a container has started although faults are over."""
    if not outcome.ok:
        _violate(world, f"no container starts on {network}: {outcome.message}")


def check_rest(world: World) -> None:
    """Check what holds once faults are over: each running container is attached, and nothing else is."""
    _check_ended(world)
    ports = {row["name"]: row for row in world.database.rows("Nuage_Port_Table") if row["vm_domain"] == Platform.DOCKER}
    entities = {
        row["vm_uuid"]: row for row in world.database.rows("Nuage_VM_Table") if row["domain"] == Platform.DOCKER
    }
    wanted = {
        port_name(endpoint.id): (endpoint, container)
        for endpoint, container in world.docker.attached().items()
        if endpoint.network.driver == world.docker.settings.plugin
    }
    # Without its link nothing can be put back of an endpoint, nor can its port be opened.
    linked = {
        name: endpoint
        for name, (endpoint, _) in wanted.items()
        if not world.promises.has_left(endpoint.id) and name not in world.cut_off
    }
    for name, (endpoint, container) in sorted(wanted.items()):
        port, entity = ports.pop(name, None), entities.pop(endpoint.id, None)
        if name not in linked:
            continue
        if port is None or entity is None:
            _violate(world, f"{container.name} runs, and its endpoint {endpoint.id[:12]} is not announced")
            continue
        for what, told in _differences(endpoint, container, port, entity):
            _violate(world, f"of {container.name}, {name} the VRS is told {told} as its {what}")
    kept = {each.id for each in world.docker.left_behind()}
    for name in sorted({*ports, *entities} - kept - {port_name(each) for each in kept}):
        _violate(world, f"{name} is announced, and nobody uses it")
    _check_marks(world, linked)
    _check_links(world, linked, {*(endpoint.id for endpoint, _ in wanted.values()), *kept})
    _check_records(world, {*wanted, *map(port_name, kept)})
    _check_networks(world)


def _check_ended(world: World) -> None:
    """Check that each call is answered, and each command over."""
    for call in world.docker.overdue():
        _violate(world, f"{call.method} has never been answered")
    for command in world.docker.busy:
        _violate(world, f"docker {command} does not end")


def _check_marks(world: World, wanted: Mapping[str, Endpoint]) -> None:
    """Check that the switch tells whose each port in use is."""
    for name, endpoint in sorted(wanted.items()):
        if not truth.recorded(world.database.store, endpoint.id):
            _violate(world, f"{name} does not have its marks")


def _check_networks(world: World) -> None:
    """Check that the switch has all networks that Docker has."""
    known = {key for row in world.database.rows("Bridge") for key in row["external_ids"]}
    for network in world.docker.store.known_networks:
        if network.driver == world.docker.settings.plugin and NETWORK_RECORD + network.id not in known:
            _violate(world, f"network {network.id[:12]} is not remembered, and Docker has it")


def _differences(
    endpoint: Endpoint, container: Container, port: Mapping[str, Any], entity: Mapping[str, Any]
) -> Iterator[tuple[str, object]]:
    """Yield what the VRS is told of an endpoint in use, and is not as Docker has it."""
    options = {**endpoint.network.ipam_options, **endpoint.network.options}
    told: dict[str, tuple[object, object]] = {
        "address": (port["ip_addr"], endpoint.address.partition("/")[0]),
        "name": (entity["vm_name"], container.name),
    }
    # If the VSD has the container already, it knows the rest.
    if not entity["metadata"].get(_SPLIT):
        told |= {
            "domain": (port["nuage_domain"], options["domain"]),
            # An L2 domain has none.
            "subnet": (port["nuage_network"], options.get("subnet", "")),
            "policy group": (port["metadata"].get(POLICY_GROUP), truth.policy_group(endpoint, container) or None),
            "organization": (entity["nuage_enterprise"], options["organization"]),
        }
    if endpoint.mac:
        told["MAC address"] = (port["mac"], endpoint.mac)
    return ((what, is_) for what, (is_, should_be) in told.items() if is_ != should_be)


def _check_records(world: World, ports: Collection[str]) -> None:
    """Check that nothing is remembered of networks and endpoints that are not there."""
    networks = [each.id for each in world.docker.store.known_networks]
    for row in world.database.rows("Bridge"):
        for key in sorted(row["external_ids"]):
            network, endpoint = key.removeprefix(NETWORK_RECORD), key.removeprefix(ENDPOINT_RECORD)
            if network != key and network not in networks:
                _violate(world, f"network {network[:12]} is remembered, and there is none")
            if endpoint != key and port_name(endpoint) not in ports:
                _violate(world, f"endpoint {endpoint[:12]} is remembered, and there is none")


def _check_links(world: World, linked: Mapping[str, Endpoint], allowed: Collection[str]) -> None:
    """Check that each endpoint with a link has it, with its alias and a carrier, and that no other link is ours.

    Those of the allowed endpoints may be there: Docker has kept the endpoints, or told them to leave and has them in
    use again. A daemon that was killed meanwhile has left the link there. A hand may have given it another name: only
    links in use are mended.
    """
    links = {link.name: link for link in world.kernel.links() if link.group == GROUP}
    for name, endpoint in sorted(linked.items()):
        link = links.pop(name, None)
        if link is None:
            _violate(world, f"there is no link {name}")
            continue
        # A container that is connected while it waits for its restart has no place yet for the other end.
        carrier = link.carrier or endpoint.sandbox is None or not endpoint.sandbox.exists
        if not (link.up and carrier and link.alias == link_alias(endpoint.id)):
            _violate(world, f"link {name} is not as it should be: {link}")
    names, aliases = {*map(port_name, allowed)}, {*map(link_alias, allowed)}
    for name, link in sorted(links.items()):
        if name not in names and link.alias not in aliases:
            _violate(world, f"nobody uses link {name}")


def check_cleared(world: World, before: State) -> None:
    """Check that nothing is left after all containers and networks are gone."""
    if world.docker.store.containers or world.docker.store.known_networks:
        left = [each.name for each in world.docker.store.containers.values()]
        left += [each.name for each in world.docker.store.known_networks]
        _violate(world, f"Docker does not remove {', '.join(left)}")
    now = state(world)
    for part in sorted({*before, *now}):
        if before.get(part) != now.get(part):
            _violate(world, f"{part} is not what it was: {before.get(part)} became {now.get(part)}")


def _violate(world: World, what: str) -> None:
    world.history.violate(world.reactor.seconds(), "invariant", what)
