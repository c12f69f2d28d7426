"""What dockerd keeps on its disk: networks, endpoints, sandboxes and containers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from tests.simulation.docker.addressing import Pool, Pools

#: What a gateway is called in the calls of an IPAM driver.
GATEWAY = "com.docker.network.gateway"
#: What the real one names a container's network namespace by.
_NAMESPACES = "/var/run/docker/netns"


@attrs.frozen(kw_only=True)
class PoolRequest:
    """What ``docker network create`` says of one pool: ``--subnet``, ``--ip-range`` and so on."""

    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""
    auxiliary: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class GivenPool:
    """A pool that a network has. ``gateway`` and ``auxiliary`` have a prefix length."""

    pool: Pool
    gateway: str
    auxiliary: Mapping[str, str]


@attrs.define(kw_only=True, eq=False)
class Endpoint:
    """A container's place in a network.

    Attributes:
        sandbox: The container's, once its Join has been answered.
        declines_bridge: Whether the plugin said at its Join that no other way out is wanted.
        priority: Those of a higher one are rather the container's gateway.
        source: What its link was called when the plugin made it, empty for no link.
        device: What it is called in the container, empty while it is not there.
    """

    id: str
    name: str
    network: Network
    options: Mapping[str, object]
    address: str = ""
    address_v6: str = ""
    mac: str = ""
    sandbox: Sandbox | None = None
    source: str = ""
    prefix: str = "eth"
    device: str = ""
    gateway: str = ""
    gateway_v6: str = ""
    declines_bridge: bool = False
    priority: int = 0


@attrs.define(kw_only=True, eq=False)
class Network:
    """A network.

    Attributes:
        driver: The plugin's name, or "bridge" for one of Docker's own.
        removing: Whether its removal has begun: nobody sees it any more, and its name is free.
    """

    id: str
    name: str
    driver: str
    scope: str = "local"
    options: Mapping[str, str] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)
    internal: bool = False
    ipv6: bool = False
    asked: tuple[PoolRequest, ...] = ()
    ipam: str = "default"
    ipam_options: Mapping[str, str] = attrs.field(factory=dict)
    address_space: str = ""
    pools: tuple[GivenPool, ...] = ()
    pools_v6: tuple[GivenPool, ...] = ()
    endpoints: dict[str, Endpoint] = attrs.field(factory=dict)
    removing: bool = False

    def pool_of(self, address: str) -> Pool | None:
        """Return the pool that an address belongs to."""
        given = self.pools_v6 if ":" in address else self.pools
        return next((each.pool for each in given if address.partition("/")[0] in each.pool), None)


@attrs.define(kw_only=True, eq=False)
class Sandbox:
    """The network of a running container.

    Attributes:
        exists: Whether its namespace does.
        devices: How many devices it has had.
        bridged: The container's place on a bridge of Docker's own, which gives those a way out that have none.
        ending: Whether it is being deleted.
    """

    id: str
    container_id: str
    labels: Mapping[str, object]
    endpoints: list[Endpoint] = attrs.field(factory=list)
    exists: bool = False
    devices: int = 0
    bridged: Endpoint | None = None
    ending: bool = False

    @property
    def key(self) -> str:
        """The path of the namespace."""
        return f"{_NAMESPACES}/{self.id[:12]}"

    def add(self, endpoint: Endpoint, rank: Callable[[Endpoint], Any]) -> None:
        """Put an endpoint in its place: those that may be the container's gateway come first."""
        self.endpoints.append(endpoint)
        self.endpoints.sort(key=rank)


@attrs.define(kw_only=True)
class Attachment:
    """A network that a container is to have, and what it has of it while it runs.

    Attributes:
        ip: What ``--ip`` said; ``ip6`` and ``mac`` likewise.
        driver_options: What ``--driver-opt`` said.
        priority: What ``--gw-priority`` said.
    """

    ip: str = ""
    ip6: str = ""
    mac: str = ""
    driver_options: Mapping[str, str] = attrs.field(factory=dict)
    priority: int = 0
    network_id: str = ""
    endpoint: Endpoint | None = None


@attrs.define(kw_only=True, eq=False)
class Container:
    """A container.

    Attributes:
        attachments: By the network's name.
        state: "created", "running", "restarting" or "exited".
        error: Why it did not start the last time.
        published: Its published ports, each as that of the host and its own.
        exposed: Ports that it has besides.
        program: Whether there is a program to run; it does not start otherwise.
        main_network: The one that it was made with.
        mac: What ``--mac-address`` said then.
        auto_remove: Whether it is removed at its end (``--rm``).
        restart: Its restart policy: "no", "always", "unless-stopped", "on-failure", "on-failure:3".
        stopped_by_hand: Whether a command stopped it.
        started_before: Whether it has ever run.
        restarting_by_hand: Whether a command stops it to start it again.
        removing: Whether its removal has begun: it is not started any more.
        listed: What ``docker ps`` shows of it: that is renewed at the end of each change, not in the middle of one.
        written: Its networks as the disk has them, likewise: a change that fails or is cut off does not get there.
    """

    id: str
    name: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    attachments: dict[str, Attachment] = attrs.field(factory=dict)
    restart: str = "no"
    published: tuple[tuple[int, int], ...] = ()
    exposed: tuple[int, ...] = ()
    program: bool = True
    auto_remove: bool = False
    main_network: str = ""
    mac: str = ""
    state: str = "created"
    exit_code: int = 0
    error: str = ""
    stopped_by_hand: bool = False
    started_before: bool = False
    restarts: int = 0
    started_at: float = 0.0
    finished_at: float = 0.0
    sandbox: Sandbox | None = None
    removing: bool = False
    removed: bool = False
    restarting_by_hand: bool = False
    #: Whether its process runs; dockerd may not know that it does not.
    process: bool = False
    listed: Mapping[str, Any] = attrs.field(factory=dict)
    written: Mapping[str, Attachment] = attrs.field(factory=dict)

    @property
    def running(self) -> bool:
        """Whether dockerd takes it for running: one that waits for its restart counts (State.SetRestarting)."""
        return self.state in ("running", "restarting")

    @property
    def awaits_restart(self) -> bool:
        """Whether it has ended, and is started again after a pause."""
        return self.state == "restarting"


@attrs.define(eq=False)
class Store:
    """All of it.

    Attributes:
        bridge: The pool of Docker's own bridge for those without a gateway, once it has been needed.
    """

    pools: Pools = attrs.field(factory=Pools)
    networks: dict[str, Network] = attrs.field(factory=dict)
    sandboxes: dict[str, Sandbox] = attrs.field(factory=dict)
    containers: dict[str, Container] = attrs.field(factory=dict)
    bridge: Pool | None = None

    @property
    def known_networks(self) -> list[Network]:
        """The networks whose removal has not begun."""
        return [each for each in self.networks.values() if not each.removing]

    def count_addresses(self) -> None:
        """Find out anew which pools and addresses are taken: what a killed process was just taking is free again.

        A plugin keeps its own, and a cluster the addresses of its networks.
        """
        networks = [each for each in self.networks.values() if each.ipam == "default" and each.scope == "local"]
        given = [each for network in networks for each in (*network.pools, *network.pools_v6)]
        self.pools.restore([*([self.bridge] if self.bridge else []), *(each.pool for each in given)])
        for each in given:
            each.pool.restore([each.gateway, *each.auxiliary.values()])
        for endpoint in (each for network in networks for each in network.endpoints.values()):
            for address in (endpoint.address, endpoint.address_v6):
                pool = endpoint.network.pool_of(address) if address else None
                if pool is not None:
                    pool.take(address.partition("/")[0])
