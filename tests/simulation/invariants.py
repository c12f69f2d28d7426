"""What must hold in the world, whatever has happened to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nuage.links.veth import GROUP
from nuage.names import link_alias, port_name

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Columns of the database that change by themselves.
_VOLATILE = {"_uuid", "_version", "statistics", "next_cfg", "cur_cfg", "datapath_id"}
#: Rows may be made anew.
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

State = Mapping[str, Any]


def state(world: World) -> State:
    """Return what there is at the switch and in the kernel, without what changes by itself."""
    store = world.database.store
    tables = {name: sorted(map(_content, store.rows(name))) for name in store.schema.tables}
    links = sorted(f"{link.name} {link.alias}" for link in world.kernel.links())
    return {"links": links, **{name: rows for name, rows in tables.items() if rows}}


def _content(row: Mapping[str, Any]) -> str:
    text = json.dumps({name: row[name] for name in sorted(row) if name not in _VOLATILE}, default=str, sort_keys=True)
    return _UUID.sub("uuid", text)


def check_rest(world: World) -> None:
    """Check what holds once faults are over: each running container is attached, and nothing else is."""
    rows = {row["name"]: row for row in world.database.rows("Nuage_Port_Table")}
    wanted = {}
    for endpoint, container in world.docker.attached().items():
        if endpoint.network.driver == world.docker.settings.plugin:
            wanted[port_name(endpoint.id)] = (endpoint, container)
    for name, (endpoint, container) in sorted(wanted.items()):
        row = rows.get(name)
        if row is None:
            _violate(world, f"{container.name} runs, and its endpoint {endpoint.id[:12]} is not announced")
        elif row["ip_addr"] != endpoint.address.partition("/")[0]:
            _violate(world, f"{container.name} has {endpoint.address}, and is {row['ip_addr'] or 'not'} resolved")
    _check_links(world, {name: endpoint.id for name, (endpoint, _) in wanted.items()})
    for name in sorted(rows.keys() - wanted.keys()):
        _violate(world, f"port {name} is announced, and nobody uses it")


def _check_links(world: World, wanted: Mapping[str, str]) -> None:
    """Check that each endpoint in use has its link, with its alias and a carrier, and that no other link is ours."""
    links = {link.name: link for link in world.kernel.links() if link.group == GROUP}
    for name, endpoint_id in sorted(wanted.items()):
        link = links.pop(name, None)
        if link is None:
            _violate(world, f"there is no link {name}")
        elif not (link.up and link.carrier and link.alias == link_alias(endpoint_id)):
            _violate(world, f"link {name} is not as it should be: {link}")
    for name in sorted(links):
        _violate(world, f"nobody uses link {name}")


def check_cleared(world: World, before: State) -> None:
    """Check that nothing is left after all containers and networks are gone."""
    if world.docker.store.containers or world.docker.store.networks:
        left = [each.name for each in world.docker.store.containers.values()]
        left += [each.name for each in world.docker.store.networks.values()]
        _violate(world, f"Docker does not remove {', '.join(left)}")
    now = state(world)
    for part in sorted({*before, *now}):
        if before.get(part) != now.get(part):
            _violate(world, f"{part} is not what it was: {before.get(part)} became {now.get(part)}")


def _violate(world: World, what: str) -> None:
    world.history.violate(world.reactor.seconds(), "invariant", what)
