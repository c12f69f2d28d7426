"""A driver with a real switch under it, links that only note what is asked of them, and a Docker that a test plays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from nuage.driver.cleanup import Cleanup
from nuage.driver.containers import Containers
from nuage.driver.driver import Driver
from nuage.driver.endpoints import Endpoints
from nuage.driver.networks import Networks
from nuage.driver.places import Places
from nuage.driver.turns import Turns
from nuage.driver.vports import VsdPorts
from nuage.errors import DockerUnavailable, LinkError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.links.veth import GROUP, Link
from nuage.model import Container, Endpoint, NetworkRequest
from nuage.ovsdb.client import OvsdbClient
from nuage.vrs.switch import Switch
from nuage.vsd.directory import Directory
from tests.played_vsd import PlayedVsd
from tests.vrs_support import BRIDGE, Vrs

NETWORK = "116f9b54de58632bbdcb3f6ffb007a5fb6aad2a401c1dae707a58b08310dce76"
ENDPOINT = "a31e991e80064598c4a883ba928395482d2f91ee59d965323a95085bb35fa8dd"
OPTIONS = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "subnet": "Subnet 2", "user": "admin"}


def network_body(**changes: Any) -> dict[str, Any]:
    """Return the body of a CreateNetwork; ``changes`` replace its members."""
    body: dict[str, Any] = {
        "NetworkID": NETWORK,
        "Options": {"com.docker.network.enable_ipv6": False, "com.docker.network.generic": OPTIONS},
        "IPv4Data": [{"AddressSpace": "LocalDefault", "Gateway": "10.21.59.1/24", "Pool": "10.21.59.0/24"}],
        "IPv6Data": [],
    }
    return {**body, **changes}


def network_request(**changes: Any) -> NetworkRequest:
    """Return what a CreateNetwork asks for; ``changes`` replace members of its body."""
    return payloads.network_request(Body(network_body(**changes)))


def endpoint_body(**changes: Any) -> dict[str, Any]:
    """Return the body of a CreateEndpoint; ``changes`` replace its members."""
    body: dict[str, Any] = {
        "NetworkID": NETWORK,
        "EndpointID": ENDPOINT,
        "Interface": {"Address": "10.21.59.2/24", "AddressIPv6": "", "MacAddress": ""},
        "Options": {},
    }
    return {**body, **changes}


@attrs.define
class NotedLinks:
    """Links that are not made: ``made`` holds those that would be there, by the host end's name.

    Those that an earlier daemon made would be there as well, unless they are ``removed``. Those that are ``used`` carry
    traffic.
    """

    made: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    removed: set[str] = attrs.field(factory=set)
    used: set[str] = attrs.field(factory=set)
    failure: LinkError | None = None

    async def create_pair(self, host_name: str, container_name: str, *, mac: str, mtu: int, alias: str) -> None:
        """Note a pair, or fail as told."""
        if self.failure is not None:
            raise self.failure
        self.removed.discard(host_name)
        self.made[host_name] = {"container_name": container_name, "mac": mac, "mtu": mtu, "alias": alias}

    async def pair(self, host_name: str, alias: str) -> Link | None:
        """Return a pair that was not removed."""
        if host_name in self.removed:
            return None
        carrier = host_name in self.used
        return Link(
            name=host_name, index=7, alias=alias, group=GROUP, mac="", mtu=1450, up=True, carrier=carrier, peer=8
        )

    def remove_soon(self, host_name: str, alias: str) -> None:
        """Note that a pair is gone."""
        self.removed.add(host_name)
        if host_name in self.made and self.made[host_name]["alias"] == alias:
            del self.made[host_name]


@attrs.define
class PlayedDocker:
    """Answers with what a test puts into it; ``silent`` makes it fail to answer."""

    containers: dict[str, Container] = attrs.field(factory=dict)
    networks: dict[str, NetworkRequest] = attrs.field(factory=dict)
    silent: bool = False
    questions: int = 0

    async def containers_of(self, network_id: str, endpoint_ids: Collection[str]) -> Mapping[str, Container | None]:
        """See nuage.docker.engine.Engine."""
        self.questions += 1
        self._answer()
        return {endpoint_id: self.containers.get(endpoint_id) for endpoint_id in endpoint_ids}

    async def find_network(self, network_id: str) -> NetworkRequest | None:
        """See nuage.docker.network_request.find_network."""
        self._answer()
        return self.networks.get(network_id)

    def _answer(self) -> None:
        if self.silent:
            raise DockerUnavailable("Docker did not answer")


class Plugin:
    """The driver and all that it works with, put together as the daemon does it."""

    def __init__(
        self,
        reactor: Any,
        vrs: Vrs,
        links: NotedLinks | None = None,
        resolve_timeout: float = 0,
        label_policy: str = "late",
        wire_timeout: float = 2,
        owner: str | None = None,
        vsd: PlayedVsd | None = None,
        ports: VsdPorts | None = None,
        **client_options: Any,
    ) -> None:
        turns = Turns(reactor)
        self.links = links or NotedLinks()
        self.docker = PlayedDocker()
        self.client: OvsdbClient = vrs.client(reactor, **client_options)
        self.switch = Switch(self.client, BRIDGE, wire_timeout, owner=owner)
        self.cleanup = Cleanup(reactor, turns)
        self.vsd = vsd.session(reactor, timeout=1.0) if vsd else None
        self.places = None
        if self.vsd is not None:
            directory = Directory(self.vsd, reactor)
            self.places = Places(reactor, self.vsd, directory, 1.0, switch=self.switch, turns=turns)
            self.vsd.presence.on_return(self.places.resume)
        self.late: list[tuple[str, Container | None]] = []
        self.containers = Containers(reactor, self.docker, lambda *found: self.late.append(found))
        self.endpoints = Endpoints(
            mtu=1450,
            resolve_timeout=resolve_timeout,
            label_policy=label_policy,
            switch=self.switch,
            links=self.links,
            containers=self.containers,
            cleanup=self.cleanup,
            turns=turns,
            clock=reactor,
            places=self.places,
            ports=ports,
        )
        self.networks = Networks(
            reactor,
            switch=self.switch,
            find_network=self.docker.find_network,
            endpoints=self.endpoints,
            cleanup=self.cleanup,
            turns=turns,
            places=self.places,
        )
        self.driver = Driver(scope="local", switch=self.switch, networks=self.networks, endpoints=self.endpoints)
        self.switch.on_ready(self.cleanup.resume)
        self.client.start()

    async def restore(self, endpoint: Endpoint, container: Container | None) -> None:
        """Put back what the switch lacks of an endpoint, as the auditor does."""
        network = await self.networks.get(endpoint.network_id)
        await self.endpoints.restore_endpoint(network, endpoint, container)

    async def stop(self) -> None:
        """Leave nothing behind."""
        self.containers.stop()
        self.cleanup.stop()
        if self.vsd is not None and self.places is not None:
            self.places.stop()
            await self.vsd.stop()
        await self.client.stop()
