"""What the steps of a plan do to the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.docker.store import Attachment, PoolRequest
from tests.simulation.faults import FAULTS
from tests.simulation.networks import PLACES

if TYPE_CHECKING:
    from tests.simulation.world import World


#: What is told the driver of a network that has something special.
_SPECIAL_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "mtu": {"com.docker.network.driver.mtu": "1400"},
    "gwbridge": {"external": "gwbridge"},
}


def create_network(world: World, name: str) -> object:
    """``docker network create``. Nobody gives it again before it has ended: of two at once, one is refused."""
    if f"network create {name}" in world.docker.busy:
        return None
    place = PLACES[name]
    if world.vsd is None:
        pool = PoolRequest(subnet=place.pool, gateway=place.gateway)
        return world.docker.create_network(name, options=place.options(), pools=[pool])
    if name not in world.vsd.habits.networks:
        pool = PoolRequest(subnet=place.pool, gateway=place.gateway, ip_range=world.vsd.part_of(place.pool))
        return world.docker.create_network(name, options=place.options(), pools=[pool])
    pools = [PoolRequest(subnet=place.pool)] if world.vsd.habits.tells_subnet else []
    plugin = world.docker.settings.plugin
    return world.docker.create_network(name, pools=pools, ipam=plugin, ipam_options=place.options())


def create_network_with(world: World, name: str, what: str) -> object:
    """``docker network create`` with something that not each network has, where Docker's IPAM gives the addresses."""
    if world.vsd is not None or f"network create {name}" in world.docker.busy:
        return create_network(world, name)
    place = PLACES[name]
    pools = [PoolRequest(subnet=place.pool, gateway=place.gateway)]
    if what == "ipv6":
        pools.append(PoolRequest(subnet=f"fd00:{name[1:]}::/64"))
    options = {**place.options(), **_SPECIAL_OPTIONS.get(what, {})}
    internal = what == "internal"
    return world.docker.create_network(name, options=options, pools=pools, internal=internal, ipv6=what == "ipv6")


def run(world: World, container: str, network: str, restart: str, group: str, mac: str = "") -> object:
    """``docker run``. A group is a label, or with a plus an option of the endpoint; "rm" stands for ``--rm``."""
    group, _, as_option = group.partition("+")
    told = {"nuage.policy-group": group} if group else {}
    options, labels = (told, {}) if as_option else ({}, told)
    attachment = Attachment(driver_options=options, mac=mac)
    return world.docker.run(container, network, attachment, labels=labels, **_end(restart))


def _end(restart: str) -> dict[str, Any]:
    """Return what becomes of a container at its end."""
    return {"auto_remove": True} if restart == "rm" else {"restart": restart}


def run_with_address(world: World, container: str, network: str, number: int) -> object:
    """``docker run --ip``, with an address that containers of other hosts ask for as well."""
    ip = PLACES[network].pool.removesuffix("0/24") + str(number)
    # Docker knows such an address only if it was told the subnet, and its own IPAM has only a part of it.
    told = world.vsd is not None and world.vsd.habits.tells_subnet and network in world.vsd.habits.networks
    return world.docker.run(container, network, Attachment(ip=ip if told else ""))


def crash(world: World, container: str) -> None:
    """Let the process of a container end by itself, with an error."""
    world.docker.container_ends(container, 1)


DEEDS: Mapping[str, Callable[..., Any]] = {
    "network create": create_network,
    "network create with": create_network_with,
    "network rm": lambda world, name: world.docker.remove_network(name),
    "run": run,
    "run with an address": run_with_address,
    "stop": lambda world, name: world.docker.stop(name),
    "kill": lambda world, name: world.docker.kill(name),
    "start": lambda world, name: world.docker.start(name),
    "restart": lambda world, name: world.docker.restart(name),
    "rm": lambda world, name: world.docker.remove(name),
    "rename": lambda world, name, other: world.docker.rename(name, other),
    "connect": lambda world, name, network: world.docker.connect(network, name),
    "disconnect": lambda world, name, network: world.docker.disconnect(network, name),
    "crash": crash,
    **FAULTS,
}
