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
        namespace_at_join: Whether the container's network namespace exists at its first Join. Otherwise its links are
            moved when the container's process is created, after all Joins.
        host: The Host header of its requests to a plugin.
    """

    version: str
    api: str
    asks_address_spaces: bool = False
    namespace_at_join: bool = False
    host: str = "plugin.moby.localhost"


DOCKER_20_10 = Release(version="20.10.24", api="1.41", asks_address_spaces=True, host="")
DOCKER_26_1 = Release(version="26.1.5", api="1.45")

#: By what LAB_DOCKER says; without it a lab host has the machine's own Docker.
RELEASES = {"": DOCKER_20_10, "trixie": DOCKER_26_1}
