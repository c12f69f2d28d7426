"""In what the releases of Docker differ towards a network driver. Each was seen in a recorded conversation."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Release:
    """One release.

    Attributes:
        version: As ``docker version`` shows it.
        api: The newest version of the Engine API that it serves.
        asks_address_spaces: Whether it asks an IPAM driver for its address spaces as soon as the plugin is activated.
        asks_spaces_with_pools: Whether it asks for them with each pool as well.
        namespace_at_join: Whether the container's network namespace exists at its first Join. Otherwise its links are
            moved when the container's process is created, after all Joins.
        host: The Host header of its requests to a plugin.
        looks_twice: Whether it asks EndpointOperInfo about a new endpoint once more than about all of its container.
        looks_always: Whether it asks about the endpoints of a container also before one of a network without a way
            out is made.
        looks_beside_bridge: Whether it asks about the endpoints of a container that has a place on Docker's own bridge.
        looks_when_restored: Whether it asks when it starts about the endpoints of containers that have outlived it.
        stops_early: Whether a container counts as stopped before its network is released: commands that wait for its
            end go on while Leave and DeleteEndpoint are still under way.
        tells_ipv4: Whether CreateNetwork tells that the network has IPv4, which it may lack by now.
        gateways_of_ipv6: Whether a gateway of IPv6 alone is one, beside that of IPv4 in another network.
        tells_proxy: Whether ProgramExternalConnectivity tells how IPv6 is published.
        rotates_pools: Whether networks for which nobody named a subnet get the next default pool, even if one before
            it is free.
        spares_what_runs: Whether a container with ``--rm`` that has outlived dockerd runs on.
        needs_main_network: Whether a container gets no other network once the one is gone that it was created with.
        notes_released_pools: Whether the removal of a network that a kill cuts off gives its pools back only once.
        mac_of_container: Whether a container keeps the MAC address for its first network when it leaves that one.
        blames_network: Whether the message of a failed start says that it was the network.
        only_starts_make_sandboxes: Whether a container that waits for its restart has no sandbox, and can get none.
        keeps_sandbox_id: Whether it still names the sandbox that it had then, so that it cannot be renamed.
    """

    version: str
    api: str
    asks_address_spaces: bool = False
    asks_spaces_with_pools: bool = False
    namespace_at_join: bool = False
    host: str = "plugin.moby.localhost"
    looks_twice: bool = True
    looks_always: bool = False
    looks_beside_bridge: bool = False
    looks_when_restored: bool = False
    stops_early: bool = False
    tells_ipv4: bool = False
    gateways_of_ipv6: bool = False
    tells_proxy: bool = False
    rotates_pools: bool = True
    spares_what_runs: bool = True
    needs_main_network: bool = True
    notes_released_pools: bool = False
    mac_of_container: bool = False
    blames_network: bool = False
    only_starts_make_sandboxes: bool = False
    keeps_sandbox_id: bool = False


DOCKER_20_10 = Release(
    version="20.10.24",
    api="1.41",
    asks_address_spaces=True,
    host="",
    looks_always=True,
    stops_early=True,
    spares_what_runs=False,
    needs_main_network=False,
    notes_released_pools=True,
    mac_of_container=True,
    keeps_sandbox_id=True,
)
DOCKER_26_1 = Release(version="26.1.5", api="1.45")
DOCKER_28_5 = Release(
    version="28.5.2",
    api="1.51",
    asks_spaces_with_pools=True,
    namespace_at_join=True,
    looks_twice=False,
    looks_beside_bridge=True,
    looks_when_restored=True,
    tells_ipv4=True,
    gateways_of_ipv6=True,
    tells_proxy=True,
    rotates_pools=False,
    blames_network=True,
    only_starts_make_sandboxes=True,
)

#: By what LAB_DOCKER says; without it a lab host has the machine's own Docker.
RELEASES = {"": DOCKER_20_10, "trixie": DOCKER_26_1, "forky": DOCKER_28_5}
