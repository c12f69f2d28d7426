"""Networks that are not what Nuage has: users misspell a name, or give other addresses than those of the subnet.

With a VSD such a network is refused, or accepted and marked while the VSD is away. Without one it is accepted. No
container starts on it if a Join waits for the VRS's answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nuage.vrs.tables import NETWORK_RECORD
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.store import Network, PoolRequest
from tests.simulation.faults.fault import Fault, some_seconds

if TYPE_CHECKING:
    from tests.simulation.world import World

#: What the names of such networks begin with.
_WRONG = "wrong-"
#: Seconds between two attempts to remove one.
_AGAIN = 5.0
_FLAT: Mapping[str, Any] = {"domain": "Flat", "subnet": "10.21.61.0/24"}
_ROUTED: Mapping[str, Any] = {"domain": "Domain", "zone": "Zone", "subnet": "10.98.1.0/24"}
#: What is given, by what is wrong with it. ``of`` is the subnet's name in Nuage.
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "subnet": {**_FLAT, "subnet": "10.98.2.0/24"},
    "user": {**_FLAT, "user": "nobody"},
    "group": {**_FLAT, "policy-group": "wbe"},
    "target": {**_FLAT, "redirection-target": "firewal"},
    "domain": {**_FLAT, "domain": "Flatt"},
    "zone": {**_ROUTED, "of": "Subnet 1", "zone": "Zoen"},
    "name": {**_ROUTED, "of": "Subnet One"},
    "gateway": {**_ROUTED, "of": "Subnet 2", "domain": "Testing", "subnet": "10.21.59.0/24", "gateway": "10.21.59.2"},
    "ipv6": {**_FLAT, "subnet_v6": "fd00:98::/64"},
}
#: What the VRS does not mind.
_RESOLVED = ("ipv6", "target")
#: The table whose column tells of another gateway, if the VRS has it.
_TELLING = "Nuage_Port_Table"


def is_wrong(network: Network) -> bool:
    """Tell whether a network is one of these."""
    return network.name.startswith(_WRONG)


def contradict(world: World, kind: str, seconds: float) -> None:
    """Create such a network, run a container on it if that succeeds, and remove both after some seconds."""
    given, name = dict(_KINDS[kind]), _WRONG + kind
    pools = [PoolRequest(subnet=given.pop("subnet"), gateway=given.pop("gateway", ""))]
    if "subnet_v6" in given:
        pools.append(PoolRequest(subnet=given.pop("subnet_v6")))
    if "of" in given:
        given["subnet"] = given.pop("of")
    options = {"organization": "Enterprise", "user": "admin", **given}
    creation = world.docker.create_network(name, options=options, pools=pools, ipv6=len(pools) > 1)
    creation.addCallback(lambda outcome: _created(world, kind, outcome))
    world.reactor.callLater(seconds, _remove, world, kind)
    world.fault_lasts(seconds)


def _created(world: World, kind: str, outcome: Outcome) -> None:
    network = world.docker.network(_WRONG + kind)
    if not outcome.ok or network is None:
        return
    if world.vsd is not None and not _is_marked(world, network):
        _violate(world, f"network {network.name} contradicts the VSD, and is accepted")
    world.docker.run(f"on-{kind}", network.name).addCallback(lambda outcome: _run(world, kind, outcome))


def _is_marked(world: World, network: Network) -> bool:
    """Tell whether the record of a network says that the VSD has not judged it, or is gone already."""
    records = (row["external_ids"].get(NETWORK_RECORD + network.id) for row in world.database.rows("Bridge"))
    return all(json.loads(record).get("unchecked") for record in records if record is not None)


def _run(world: World, kind: str, outcome: Outcome) -> None:
    unseen = kind in _RESOLVED or kind in world.lacking.get(_TELLING, ())
    if outcome.ok and world.config.resolve_timeout and not unseen:
        _violate(world, f"a container starts on a network with another {kind} than Nuage's")


def _remove(world: World, kind: str) -> None:
    """Remove both, again and again until they are gone."""
    if world.docker.container(f"on-{kind}") is not None:
        world.docker.remove(f"on-{kind}")
    elif world.docker.network(_WRONG + kind) is not None:
        world.docker.remove_network(_WRONG + kind)
    else:
        return
    world.fault_lasts(_AGAIN)
    world.reactor.callLater(_AGAIN, _remove, world, kind)


def _violate(world: World, what: str) -> None:
    world.history.violate(world.reactor.seconds(), "user", what)


FAULTS: Mapping[str, Fault] = {
    "network contradicts Nuage": Fault(
        do=contradict, draw=lambda chance: (chance.pick(tuple(_KINDS)), some_seconds(chance)), weight=4
    ),
}
