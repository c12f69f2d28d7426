"""The client of the Engine API against a real dockerd: what the played one is held to as well."""

from __future__ import annotations

import json

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from lab.dockerd import IMAGE
from nuage.audit.census import Census
from nuage.docker import descriptions, engine
from nuage.model import Container, Use
from tests.e2e.host_support import PLACE, demand_host, place_options
from tests.test_docker_engine import EngineContract


class RealDaemon(EngineContract, TestCase):
    """A network and a running container of the shared host."""

    timeout = 60
    driver = "nuage"
    network_name = "contract"

    def setUp(self) -> None:
        """Make the network and the container, and connect."""
        host = demand_host()
        options = place_options(subnet="Range")
        docker = host.docker
        self.addCleanup(docker, "network", "rm", self.network_name)
        self.network_id = docker(
            *("network", "create", "--driver=nuage", "--subnet=10.21.58.0/24", "--ip-range=10.21.58.128/25"),
            *(*options, self.network_name),
        ).stdout.strip()
        self.addCleanup(docker, "rm", "-f", "one.1")
        network = "name=contract,driver-opt=nuage.policy-group=web"
        run = docker("run", "-d", "--name", "one.1", "--net", network, "--label", "tier=web", IMAGE, "sleep", "1000")
        self.container = Container(id=run.stdout.strip(), name="one.1", labels={"tier": "web"})
        (inspected,) = json.loads(docker("inspect", "one.1").stdout)
        self.running = inspected["NetworkSettings"]["Networks"]["contract"]["EndpointID"]
        self.engine = engine.connect(reactor, f"unix://{host.dockerd.socket}", 5)

    async def test_pools(self) -> None:
        """The list carries what a network is learnt from; a gateway that Docker chose itself is not in it."""
        (network,) = await self.engine.networks(lambda driver: driver == "nuage")
        assert network.options == {**PLACE, "subnet": "Range"}
        assert network.ipv4 == (descriptions.Pool(subnet="10.21.58.0/24", ip_range="10.21.58.128/25"),)
        assert network.endpoints == {}

    def test_census(self) -> Deferred[None]:
        """The endpoint is in use, and the network is ours with the gateway that the container has."""

        async def check() -> None:
            docker = await Census(self.engine, "nuage.sock").take()
            assert docker.in_use == {self.running: Use(network_id=self.network_id, container=self.container)}
            (pool,) = docker.networks[self.network_id].pools
            assert str(pool.gateway) == "10.21.58.128"

        return Deferred.fromCoroutine(check())
