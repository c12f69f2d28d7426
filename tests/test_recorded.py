"""What real daemons sent, request by request, through the real resource and driver to a real switch.

``tests/record`` wrote it down.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from nuage import names
from nuage.ipam.without_vsd import WithoutVsd
from nuage.libnetwork.calls import Calls
from nuage.model import Container
from nuage.vrs import tables
from tests.driver_support import Plugin
from tests.http_support import Answer, Wire, post_json, site_of
from tests.vrs_support import BRIDGE, Vrs

reactor = cast(Any, _reactor)
RECORDED = Path(__file__).parent / "recorded"
INTERNAL = "com.docker.network.internal"
#: All calls that make up the life of a network and of its containers.
LIFE = {
    "CreateNetwork",
    "CreateEndpoint",
    "Join",
    "ProgramExternalConnectivity",
    "EndpointOperInfo",
    "RevokeExternalConnectivity",
    "Leave",
    "DeleteEndpoint",
    "DeleteNetwork",
}
SWARM = {"AllocateNetwork", "FreeNetwork", "DiscoverNew"}


def requests(daemon: str) -> Iterator[tuple[str, Any]]:
    """Yield method and body of each request of a conversation, in order."""
    for line in (RECORDED / f"{daemon}.jsonl").read_text().splitlines():
        recorded = json.loads(line)
        yield recorded["method"], recorded["request"]


class Replayed(TestCase):
    """A conversation, with a check of each answer and of what is left at the end."""

    timeout = 60

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        self.vrs = Vrs()
        self.addCleanup(self.vrs.stop)
        self.plugin = Plugin(reactor, self.vrs)
        self.addCleanup(lambda: ensureDeferred(self.plugin.stop()))
        self.wire = Wire(site_of(self.plugin.driver, Calls(reactor, deadline=20), reactor, WithoutVsd()))
        self.networks: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.joined: set[str] = set()
        return ensureDeferred(self.plugin.switch.ready())

    def test_docker_20(self) -> Deferred[None]:
        """That of Debian 12."""
        return ensureDeferred(self.replay("docker-20.10.24", LIFE))

    def test_docker_26(self) -> Deferred[None]:
        """That of Debian 13."""
        return ensureDeferred(self.replay("docker-26.1.5", LIFE))

    def test_docker_28(self) -> Deferred[None]:
        """That of Debian 14."""
        return ensureDeferred(self.replay("docker-28.5.2", LIFE))

    def test_swarm_of_docker_20(self) -> Deferred[None]:
        """A service and an attached container."""
        return ensureDeferred(self.replay("docker-20.10.24-swarm", LIFE | SWARM))

    def test_swarm_of_docker_26(self) -> Deferred[None]:
        """The same."""
        return ensureDeferred(self.replay("docker-26.1.5-swarm", LIFE | SWARM))

    def test_swarm_of_docker_28(self) -> Deferred[None]:
        """The same."""
        return ensureDeferred(self.replay("docker-28.5.2-swarm", LIFE | SWARM))

    def test_every_request_may_come_twice(self) -> Deferred[None]:
        """With the same answer."""
        return ensureDeferred(self.replay("docker-28.5.2", LIFE, repeat=2))

    async def replay(self, daemon: str, verbs: set[str], repeat: int = 1) -> None:
        """Send all requests, each ``repeat`` times. There have to be such for all ``verbs`` of network drivers."""
        sent = set()
        for method, body in requests(daemon):
            if method == "NetworkDriver.CreateEndpoint":
                # A Join asks Docker whose endpoint it is.
                self.plugin.docker.containers[body["EndpointID"]] = Container(id="1" * 64, name="web")
            answers = [await self.ask(method, body) for _ in range(repeat)]
            assert all(answer == answers[0] for answer in answers[1:]), (method, answers)
            self.check(method, body, answers[0])
            sent.add(method)
        assert sent >= {f"NetworkDriver.{verb}" for verb in verbs}, sent
        assert self.joined == set()
        await self.assert_all_is_gone()

    async def ask(self, method: str, body: object) -> tuple[int, Any]:
        """Send one request and return status and content of its answer."""
        answers: list[Answer] = self.wire.send(post_json(method, body))
        while not answers:
            await deferLater(reactor, 0.001)
            answers = self.wire.answers()
        (answer,) = answers
        return answer.status, answer.json()

    def check(self, method: str, body: Any, answer: tuple[int, Any]) -> None:
        """Compare an answer with what the requests before it say."""
        status, content = answer
        driver, _, verb = method.partition(".")
        assert status == 200, (method, body, answer)
        if driver == "IpamDriver":
            assert ("Error" in content) == (verb in ("RequestPool", "RequestAddress"))
            return
        assert "Err" not in content, (method, body, answer)
        checks = {
            "CreateNetwork": self.check_network,
            "CreateEndpoint": self.check_endpoint,
            "Join": self.check_join,
            "EndpointOperInfo": self.check_info,
            "Leave": self.check_leave,
        }
        if verb in checks:
            checks[verb](body, content)
        elif verb == "Activate":
            assert content == {"Implements": ["NetworkDriver", "IpamDriver"]}
        elif verb == "GetCapabilities":
            assert content == {"Scope": "local", "ConnectivityScope": "global"}
        elif verb == "AllocateNetwork":
            assert content == {"Options": body["Options"]}
        else:
            assert content == {}

    def check_network(self, body: Any, content: Any) -> None:
        """The network is kept as it was described."""
        self.networks[body["NetworkID"]] = body
        kept = self.plugin.switch.network(body["NetworkID"])
        assert kept is not None
        assert str(kept.pool) == body["IPv4Data"][0]["Pool"]
        assert kept.internal == body["Options"].get(INTERNAL, False)
        assert content == {}

    def check_endpoint(self, body: Any, content: Any) -> None:
        """A MAC is answered where none was given, and only then."""
        self.endpoints[body["EndpointID"]] = body
        given = body["Interface"]["MacAddress"]
        assert set(content) == {"Interface"}
        assert set(content["Interface"]) == (set() if given else {"MacAddress"})

    def check_join(self, body: Any, content: Any) -> None:
        """The port is in the bridge, Docker is told of its link, and the gateways are those of the network, or none."""
        endpoint_id = body["EndpointID"]
        network = self.networks[body["NetworkID"]]
        self.joined.add(endpoint_id)
        assert content.pop("InterfaceName")["SrcName"] == names.container_end_name(endpoint_id)
        expected: dict[str, Any] = {}
        if network["Options"].get(INTERNAL):
            expected["DisableGatewayService"] = True
        else:
            for version, key in (("4", "Gateway"), ("6", "GatewayIPv6")):
                for data in network[f"IPv{version}Data"] or ():
                    expected[key] = data["Gateway"].split("/")[0]
        assert content == expected
        assert names.port_name(endpoint_id) in self.vrs.vsctl("list-ports", BRIDGE).split()

    def check_info(self, body: Any, content: Any) -> None:
        """It is told as attached between Join and Leave."""
        endpoint_id = body["EndpointID"]
        assert content["Value"].get("attached", False) == (endpoint_id in self.joined)
        if endpoint_id in self.joined:
            assert content["Value"]["ofport"] > 0

    def check_leave(self, body: Any, content: Any) -> None:
        """The port is not in the bridge any more, nor the link there."""
        port = names.port_name(body["EndpointID"])
        self.joined.discard(body["EndpointID"])
        assert port not in self.vrs.vsctl("list-ports", BRIDGE).split()
        assert port not in self.plugin.links.made
        assert content == {}

    async def assert_all_is_gone(self) -> None:
        """Every network was deleted in the end: nothing is kept, and no row is left."""
        bridge = self.plugin.client.cache[tables.BRIDGE].find("name", BRIDGE)
        assert bridge is not None
        assert bridge["external_ids"] == {}
        assert self.plugin.client.cache[tables.NUAGE_PORT].rows == {}
        assert self.plugin.client.cache[tables.NUAGE_VM].rows == {}
        assert self.plugin.links.made == {}
