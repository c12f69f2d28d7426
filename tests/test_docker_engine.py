"""The Docker Engine client: one contract for every daemon, and what a daemon that misbehaves is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from nuage.audit.census import Census
from nuage.audit.rules import Docker
from nuage.docker.descriptions import Endpoint, Pool
from nuage.docker.engine import EndpointUnknown, Engine, NetworkUnknown, connect
from nuage.errors import DockerUnavailable
from nuage.model import Container, Use

reactor = cast(Any, _reactor)
_Problem = TypeVar("_Problem", bound=Exception)

NETWORK_ID, RUNNING, JOINING, NAMELESS = "a" * 64, "b" * 64, "c" * 64, "d" * 64
WEB, WEB_TWIN = "1" * 64, "2" * 64

NETWORK: dict[str, Any] = {
    "Name": "MyNet",
    "Id": NETWORK_ID,
    "Scope": "global",
    "Driver": "nuage:latest",
    "EnableIPv6": True,
    "IPAM": {
        "Driver": "default",
        "Options": None,
        "Config": [
            {"Subnet": "10.21.59.0/24", "IPRange": "10.21.59.128/25", "Gateway": "10.21.59.1"},
            {"Subnet": "fd00::/64"},
        ],
    },
    "Internal": True,
    "Containers": {
        WEB: {
            "Name": "web.1",
            "EndpointID": RUNNING,
            "MacAddress": "7a:42:00:00:00:01",
            "IPv4Address": "10.21.59.2/24",
            "IPv6Address": "",
        },
        f"ep-{JOINING}": {"Name": "web.1", "EndpointID": JOINING, "MacAddress": "", "IPv4Address": ""},
        f"ep-{NAMELESS}": {"Name": "", "EndpointID": NAMELESS},
    },
    "Options": {"organization": "Enterprise"},
    "Labels": None,
}
BARE: dict[str, Any] = {
    "Name": "none",
    "Id": "e" * 64,
    "Driver": "null",
    "IPAM": {"Config": None},
    "Containers": None,
    "Options": None,
}
CONTAINERS: list[dict[str, Any]] = [
    {"Id": WEB_TWIN, "Names": ["/webx1"], "Labels": None, "NetworkSettings": {"Networks": None}},
    {
        "Id": WEB,
        "Names": ["/other/alias", "/web.1"],
        "State": "running",
        "Labels": {"tier": "front"},
        "NetworkSettings": {
            "Networks": {
                "MyNet": {"EndpointID": RUNNING, "NetworkID": NETWORK_ID},
                "bridge": {"EndpointID": ""},
                "x": None,
            }
        },
    },
]

PLUGINS: list[dict[str, Any]] = [
    {
        "Name": name,
        "Enabled": enabled,
        "Config": {"Interface": {"Types": [f"docker.{kind}"], "Socket": socket}},
    }
    for name, enabled, kind, socket in (
        ("acme/vrs:1.0", True, "networkdriver/1.0", "nuage.sock"),
        ("localhost:5000/nuage:2", False, "networkdriver/1.0", "nuage.sock"),
        ("acme/nuage:latest", True, "networkdriver/1.0", "other.sock"),
        ("acme/volumes:latest", True, "volumedriver/1.0", "nuage.sock"),
    )
]
INSPECTED: dict[str, Any] = {
    "Id": WEB,
    "State": {"Status": "running", "Error": ""},
    "NetworkSettings": {
        "Networks": {
            "MyNet": {"EndpointID": RUNNING, "DriverOpts": {"nuage.policy-group": "web"}},
            "bridge": {"EndpointID": "", "DriverOpts": None},
            "x": None,
        }
    },
}
OURS = frozenset({"acme/vrs:1.0", "localhost:5000/nuage:2"})


async def failure_of(attempt: Awaitable[object], kind: type[_Problem]) -> _Problem:
    """Wait for an attempt that has to fail in this way."""
    try:
        outcome = await attempt
    except kind as problem:
        return problem
    raise AssertionError(f"succeeded with {outcome!r}")


class Daemon(Factory):
    """Answers each request on a unix socket with the bytes that ``answer`` gives; None leaves it hanging.

    ``answer`` is given the path without the version, and ``requests`` has it so. ``paths`` has all that was asked.

    Args:
        answer: Gives the bytes.
        versions: The lowest and the highest version of the API that it takes. It says so to ``/_ping``, and refuses
            others in the words of Docker.
    """

    def __init__(self, answer: Callable[[str], bytes | None], versions: tuple[str, str] = ("1.12", "1.41")) -> None:
        self.answer = answer
        self.versions = versions
        #: Answers what is asked without a version, None if ``answer`` does.
        self.answer_without_version: Callable[[], bytes] | None = None
        self.ping = lambda: http(b"OK", headers=f"Api-Version: {self.versions[1]}\r\n")
        self.requests: list[str] = []
        self.paths: list[str] = []
        self.connections: list[Conversation] = []
        self.asked: list[Deferred[None]] = []
        self.closed: list[Deferred[None]] = []

    def buildProtocol(self, addr: object) -> Conversation:
        conversation = Conversation(self)
        self.connections.append(conversation)
        return conversation

    def event(self, waiters: list[Deferred[None]]) -> Deferred[None]:
        waiter: Deferred[None] = Deferred()
        waiters.append(waiter)
        return waiter

    def reply(self, version: str, target: str) -> bytes | None:
        """Answer a question."""
        self.requests.append(target)
        lowest, highest = self.versions
        if version and _number(version) < _number(lowest):
            wanted = f"Minimum supported API version is {lowest}, please upgrade your client to a newer version"
            return http({"message": f"client version {version} is too old. {wanted}"}, 400)
        if version and _number(version) > _number(highest):
            wanted = f"Maximum supported API version is {highest}"
            return http({"message": f"client version {version} is too new. {wanted}"}, 400)
        if not version and self.answer_without_version:
            return self.answer_without_version()
        return self.answer(target)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


class Conversation(Protocol):
    """One connection of the fake daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if not self.received.endswith(b"\r\n\r\n"):
            return
        path = self.received.split(b" ", 2)[1].decode()
        self.daemon.paths.append(path)
        if path == "/_ping":
            self.daemon.connections.remove(self)
            self._send(self.daemon.ping())
            return
        versioned = re.fullmatch("/v([0-9.]+)(/.*)", path)
        self._send(self.daemon.reply(*versioned.groups() if versioned else ("", path)))
        while self.daemon.asked:
            self.daemon.asked.pop().callback(None)

    def _send(self, answer: bytes | None) -> None:
        if answer is not None:
            assert self.transport is not None
            self.transport.write(answer)
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self in self.daemon.connections:
            self.daemon.connections.remove(self)
            while self.daemon.closed:
                self.daemon.closed.pop().callback(None)


def http(content: object, status: int = 200, headers: str = "") -> bytes:
    """Build an answer as dockerd sends it."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"HTTP/1.1 %d X\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        headers.encode(),
        len(body),
        body,
    )


def docker(target: str) -> bytes:
    """Answer like a daemon with one network and two containers."""
    url = urlsplit(target)
    if url.path == "/networks":
        return http([{**NETWORK, "Containers": {}}, BARE])
    if url.path == f"/networks/{NETWORK_ID}":
        return http(NETWORK)
    if url.path == "/containers/json":
        everything = "all" in parse_qs(url.query)
        return http(CONTAINERS if everything else CONTAINERS[1:])
    if url.path == f"/containers/{WEB}/json":
        return http(INSPECTED)
    if url.path == "/plugins":
        return http(PLUGINS)
    return http({"message": f"network {url.path} not found"}, 404)


class EngineContract:
    """What every daemon must be understood to say. Mixed into a case that has one with this network and container.

    The case provides ``engine``, and the facts about its daemon as attributes.
    """

    engine: Engine
    driver: str
    network_id: str
    network_name: str
    running: str
    container: Container
    options = {"nuage.policy-group": "web"}  # noqa: RUF012

    async def test_network(self) -> None:
        network = await self.engine.network(self.network_id)
        assert (network.id, network.name, network.driver) == (self.network_id, self.network_name, self.driver)
        assert network.endpoints[self.running].container_id == self.container.id
        assert network.endpoints[self.running].container_name == self.container.name

    async def test_unknown_network(self) -> None:
        problem = await failure_of(self.engine.network("f" * 64), NetworkUnknown)
        assert "f" * 64 in str(problem)

    async def test_networks_of_a_driver(self) -> None:
        networks = await self.engine.networks(lambda driver: driver == self.driver)
        assert [network.id for network in networks] == [self.network_id]

    async def test_container_of_an_endpoint(self) -> None:
        found = await self.engine.containers_of(self.network_id, [self.running, "0" * 64])
        assert found == {self.running: self.container}

    async def test_running_endpoints(self) -> None:
        use = Use(network_id=self.network_id, container=self.container)
        running = await self.engine.running_endpoints()
        assert (running.uses[self.running], running.complete) == (use, True)
        assert running.containers[self.container.id] == self.container

    async def test_containers_of_any_state(self) -> None:
        listed = {each.container.id: each for each in await self.engine.containers()}
        found = listed[self.container.id]
        assert (found.container, found.state) == (self.container, "running")
        endpoint = found.endpoints[self.network_name]
        assert (endpoint.id, endpoint.container_id) == (self.running, self.container.id)
        assert await self.engine.failure_of(self.container.id) == await self.engine.failure_of("0" * 64) == ""

    async def test_driver_options_of_an_endpoint(self) -> None:
        assert await self.engine.driver_options(self.container.id, self.running) == self.options
        for container_id, endpoint_id in ((self.container.id, "0" * 64), ("0" * 64, self.running)):
            await failure_of(self.engine.driver_options(container_id, endpoint_id), EndpointUnknown)

    async def test_census_knows_an_endpoint_with_its_options(self) -> None:
        endpoint = await Census(self.engine, "nuage.sock").endpoint(self.network_id, self.running, self.container)
        assert endpoint is not None
        assert (endpoint.id, endpoint.network_id, endpoint.options) == (self.running, self.network_id, self.options)


class DaemonCase(TestCase):
    """Has a fake daemon on a real socket."""

    timeout = 20

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.address = f"unix://{self.path}"
        self.engine = connect(reactor, self.address, 2.0, clock=self.clock)

    def listen(self, answer: Callable[[str], bytes | None], versions: tuple[str, str] = ("1.12", "1.41")) -> Daemon:
        daemon = Daemon(answer, versions)
        port = reactor.listenUNIX(str(self.path), daemon)
        self.addCleanup(port.stopListening)
        return daemon


class FakeDaemon(EngineContract, DaemonCase):
    """The contract, and what only a made-up daemon says on demand."""

    driver, network_id, network_name, running = "nuage:latest", NETWORK_ID, "MyNet", RUNNING
    container = Container(id=WEB, name="web.1", labels={"tier": "front"})

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.listen(docker)

    async def test_all_of_a_network(self) -> None:
        network = await self.engine.network(NETWORK_ID)
        self.assertEqual((network.internal, network.options), (True, {"organization": "Enterprise"}))
        self.assertEqual(
            network.ipv4, (Pool(subnet="10.21.59.0/24", ip_range="10.21.59.128/25", gateway="10.21.59.1"),)
        )
        self.assertEqual(network.ipv6, (Pool(subnet="fd00::/64"),))
        self.assertEqual(network.endpoints[RUNNING].ipv4, "10.21.59.2/24")
        self.assertEqual(network.endpoints[JOINING], Endpoint(id=JOINING, container_name="web.1"))

    async def test_a_container_that_did_not_start(self) -> None:
        """Docker keeps the reason; its endpoints have no ids, and its networks are known by their names."""
        answers = {
            "/containers/json": [
                {
                    **CONTAINERS[1],
                    "State": "created",
                    "NetworkSettings": {"Networks": {"MyNet": {}, "a": {"EndpointID": "", "IPAddress": ""}}},
                }
            ],
            f"/containers/{WEB}/json": {**INSPECTED, "State": {"Status": "created", "Error": "no answer"}},
        }
        self.daemon.answer = lambda target: http(answers[urlsplit(target).path])
        (listed,) = await self.engine.containers()
        self.assertEqual((listed.state, {*listed.endpoints}, listed.endpoints["a"].id), ("created", {"a"}, ""))
        self.assertEqual(await self.engine.failure_of(WEB), "no answer")

    async def test_address_of_a_listed_endpoint(self) -> None:
        """It has the length of its prefix, as where a network describes it."""
        endpoint = {
            "EndpointID": RUNNING,
            "IPAddress": "10.21.59.2",
            "IPPrefixLen": 24,
            "MacAddress": "7a:42:00:00:00:01",
        }
        container = {**CONTAINERS[1], "NetworkSettings": {"Networks": {"MyNet": endpoint}}}
        self.daemon.answer = lambda _target: http([container])
        (listed,) = await self.engine.containers()
        self.assertEqual(listed.endpoints["MyNet"], (await self.described())[RUNNING])

    async def described(self) -> Mapping[str, Endpoint]:
        """Return the endpoints of the network, as Docker describes it by itself."""
        self.daemon.answer = docker
        return (await self.engine.network(NETWORK_ID)).endpoints

    async def test_nulls(self) -> None:
        (network,) = await self.engine.networks(lambda driver: driver == "null")
        self.assertEqual((network.ipv4, network.ipv6, network.options, network.endpoints), ((), (), {}, {}))

    async def test_managed_drivers(self) -> None:
        self.assertEqual(await self.engine.managed_drivers("nuage.sock"), OURS)
        self.assertEqual(await self.engine.managed_drivers("nuage"), frozenset())

    async def test_census_goes_by_the_drivers_names(self) -> None:
        drivers = ("nuage", *OURS, "nuage:latest", "acme/nuage:latest", "other/nuage", "nuage.sock", "bridge")
        networks = [{**NETWORK, "Id": driver, "Driver": driver, "Containers": {}} for driver in drivers]
        self.daemon.answer = lambda target: http(networks) if target == "/networks" else docker(target)
        self.assertEqual({*(await Census(self.engine, "nuage.sock").take()).networks}, {"nuage", *OURS})

    async def test_census_without_the_cluster_store(self) -> None:
        """A Docker that lost its store lists a container on a network which it does not list: it is in use."""
        self.daemon.answer = lambda target: http([]) if target == "/networks" else docker(target)
        census = await Census(self.engine, "nuage.sock").take()
        self.assertEqual(({*census.networks}, {*census.in_use}), (set(), {RUNNING}))

    async def test_items_that_cannot_be_read(self) -> None:
        """They are told once and left out, of networks, plugins, containers and a network's endpoints."""
        good = {**NETWORK, "Driver": "nuage"}
        bad: list[Any] = [None, 7, "x", {}, {"Id": {}}, {**NETWORK, "Id": "7", "IPAM": {"Config": [None]}}]
        worse: list[Any] = [*bad, {"Id": "8", "Names": 7}, {"Id": "9", "NetworkSettings": ["x"]}]
        endpoints = {**NETWORK["Containers"], "none": None, "seven": 7}
        answers = {
            "/networks": [*bad, good, {**good, "Id": "unreadable", "IPAM": {"Config": [{"Subnet": "x"}]}}],
            "/plugins": [*bad, *PLUGINS],
            "/containers/json": [*worse, *CONTAINERS],
            f"/networks/{NETWORK_ID}": {**NETWORK, "Containers": endpoints},
        }
        self.daemon.answer = lambda target: http(answers[urlsplit(target).path])
        census = Census(self.engine, "nuage.sock")
        for told in (True, False):
            with capturedLogs() as events:
                docker = await census.take()
            self.assertEqual(({*docker.networks}, {*docker.in_use}), ({NETWORK_ID}, {RUNNING}))
            self.assertEqual(({*docker.unreadable}, docker.complete), ({"unreadable"}, False))
            lines = [line for event in events if "is passed over" in (line := str(formatEvent(event)))]
            self.assertEqual(any("not understood: the item with Id '7'" in line for line in lines), told)
            self.assertEqual(any("the item with Id '9'" in line for line in lines), told)
            self.assertEqual(bool(lines), told)
        self.assertIn(RUNNING, (await self.engine.network(NETWORK_ID)).endpoints)
        self.assertEqual(await self.engine.containers_of(NETWORK_ID, [JOINING]), {JOINING: self.container})

    async def test_what_is_asked_about_single_networks(self) -> None:
        """Those that Docker has, has not, and describes in a way that makes no sense; a silent Docker is no answer."""
        census, docker = Census(self.engine, "nuage.sock"), Docker(in_use={}, networks={})
        answers = {"/networks/odd": http([7]), f"/networks/{NETWORK_ID}": http(NETWORK)}
        gone = http({"message": "no such network"}, 404)
        self.daemon.answer = lambda target: answers.get(target, gone)
        asked = ("odd", NETWORK_ID, "gone")
        found = await census.with_elsewhere(await census.with_others(docker, asked), asked)
        self.assertEqual((found.others, found.untold), ({RUNNING, JOINING, NAMELESS}, {"odd"}))
        self.assertEqual(found.elsewhere, {"odd", NETWORK_ID})
        answers["/networks/odd"] = http({"message": "busy"}, 500)
        await failure_of(census.with_others(docker, asked), DockerUnavailable)
        await failure_of(census.with_elsewhere(docker, asked), DockerUnavailable)

    async def test_an_endpoint_that_only_its_network_names(self) -> None:
        """It is that of a running container all the same. Docker has lost its options."""
        census, container = Census(self.engine, "nuage.sock"), self.container
        bare = {**CONTAINERS[1], "NetworkSettings": {"Networks": {}}}
        answers = {
            "/networks": http([{**NETWORK, "Containers": {}}]),
            f"/networks/{NETWORK_ID}": http(NETWORK),
            "/containers/json": http([bare]),
            f"/containers/{WEB}/json": http({**INSPECTED, "NetworkSettings": {"Networks": {}}}),
            "/plugins": http(PLUGINS),
        }
        self.daemon.answer = lambda target: answers[urlsplit(target).path]
        docker = await census.take()
        self.assertEqual(docker.in_use, {})
        found = await census.with_others(docker, [NETWORK_ID])
        self.assertEqual(found.in_use, {RUNNING: Use(network_id=NETWORK_ID, container=container)})
        self.assertEqual(found.others, {JOINING, NAMELESS})
        endpoint = await census.endpoint(NETWORK_ID, RUNNING, container)
        assert endpoint is not None
        self.assertEqual((endpoint.id, endpoint.options), (RUNNING, {}))

    async def test_endpoints_that_only_containers_name(self) -> None:
        """A container may name one that its network has no more. A network that cannot be read does not tell."""
        census, container = Census(self.engine, "nuage.sock"), self.container
        odd = {"odd": Use(network_id="odd", container=container)}
        uses = {each: Use(network_id=NETWORK_ID, container=container) for each in (RUNNING, "deleted", "spared")} | odd
        answers = {"/networks/odd": http([7]), f"/networks/{NETWORK_ID}": http(NETWORK)}
        self.daemon.answer = lambda target: answers[target]
        docker = Docker(in_use=uses, networks={})
        found = await census.without_deleted(docker, [RUNNING, "deleted", "odd"])
        self.assertEqual([*found.in_use], [RUNNING, "spared", "odd"])
        answers[f"/networks/{NETWORK_ID}"] = http({"message": "busy"}, 500)
        await failure_of(census.without_deleted(docker, [RUNNING]), DockerUnavailable)

    async def test_an_endpoint_that_cannot_be_read(self) -> None:
        """It is no reason for a traceback."""
        entry = {**NETWORK["Containers"][WEB], "IPv4Address": "x"}
        self.daemon.answer = lambda _: http({**NETWORK, "Containers": {WEB: entry}})
        problem = await failure_of(
            Census(self.engine, "nuage.sock").endpoint(NETWORK_ID, RUNNING, None), DockerUnavailable
        )
        self.assertIn(RUNNING, str(problem))

    async def test_no_plugins(self) -> None:
        answer: Any
        for answer in ([], None):
            self.daemon.answer = lambda _, answer=answer: http(answer)  # type: ignore[misc]
            self.assertEqual(await self.engine.managed_drivers("nuage.sock"), frozenset())

    async def test_container_during_its_join(self) -> None:
        self.assertEqual(await self.engine.containers_of(NETWORK_ID, [JOINING]), {JOINING: self.container})
        # An inspect of the container would wait for the Join that waits for this answer.
        self.assertEqual([urlsplit(request).path for request in self.daemon.requests][1:], ["/containers/json"])

    async def test_endpoint_without_a_name(self) -> None:
        self.assertEqual(await self.engine.containers_of(NETWORK_ID, [NAMELESS]), {NAMELESS: None})

    async def test_ids_stay_inside_their_part_of_the_path(self) -> None:
        await failure_of(self.engine.network("../containers/x?y"), NetworkUnknown)
        self.assertEqual(self.daemon.requests, ["/networks/..%2Fcontainers%2Fx%3Fy"])

    async def test_no_connection_is_kept(self) -> None:
        closed = self.daemon.event(self.daemon.closed)
        await self.engine.networks(bool)
        await closed
        self.assertEqual(self.daemon.connections, [])


class Misbehaviour(DaemonCase):
    """Every failure is a DockerUnavailable that names the endpoint and the reason."""

    async def unavailable(self) -> str:
        problem = await failure_of(self.engine.networks(bool), DockerUnavailable)
        self.assertIn(self.address, str(problem))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return str(problem)

    async def test_no_daemon(self) -> None:
        self.assertIn("GET /_ping: ", await self.unavailable())

    async def test_no_network_is_not_unavailable(self) -> None:
        self.listen(lambda _: http({"message": "no such network"}, 404))
        await failure_of(self.engine.network(NETWORK_ID), NetworkUnknown)

    async def test_error_of_the_daemon(self) -> None:
        self.listen(lambda _: http({"message": "out of luck"}, 500))
        self.assertIn("it answered 500: out of luck", await self.unavailable())

    async def test_nonsense(self) -> None:
        for body in (b"<html>", b'[{"Id":', b'{"a": 1}', b"7", b"\xff", b"[" * 100000):
            with self.subTest(body[:10]):
                daemon = Daemon(lambda _, body=body: http(body))  # type: ignore[misc]
                port = reactor.listenUNIX(str(self.path), daemon)
                try:
                    self.assertIn("something unexpected", await self.unavailable())
                finally:
                    await port.stopListening()

    async def test_error_without_a_message(self) -> None:
        self.listen(lambda _: http(b"", 503))
        self.assertIn("it answered 503", await self.unavailable())

    async def test_connection_lost_in_the_answer(self) -> None:
        self.listen(lambda _: http([BARE])[:-5])
        await self.unavailable()

    async def test_connection_lost_before_the_answer(self) -> None:
        self.listen(lambda _: b"")
        await self.unavailable()

    async def test_not_http(self) -> None:
        self.listen(lambda _: b"SSH-2.0-OpenSSH\r\n\r\n")
        await self.unavailable()

    async def test_daemon_that_hangs(self) -> None:
        for beginning in (b"", http([BARE])[:-5]):
            with self.subTest(beginning):
                await self.hang(beginning)

    async def hang(self, beginning: bytes) -> None:
        daemon = Daemon(lambda _: None)
        port = reactor.listenUNIX(str(self.path), daemon)
        asked, closed = daemon.event(daemon.asked), daemon.event(daemon.closed)
        outcome = Deferred.fromCoroutine(self.engine.networks(bool))
        await asked
        cast(Any, daemon.connections[0].transport).write(beginning)
        self.clock.advance(1.9)
        self.assertNoResult(outcome)
        self.clock.advance(0.2)
        problem = await failure_of(outcome, DockerUnavailable)
        self.assertIn("late: it did not answer within docker_timeout, 2 seconds; raise", str(problem))
        await closed
        await port.stopListening()

    async def test_cancelling(self) -> None:
        daemon = self.listen(lambda _: None)
        asked, closed = daemon.event(daemon.asked), daemon.event(daemon.closed)
        outcome = Deferred.fromCoroutine(self.engine.networks(bool))
        await asked
        outcome.cancel()
        await failure_of(outcome, CancelledError)
        await closed
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_tcp(self) -> None:
        port = reactor.listenTCP(0, Daemon(docker), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        engine = connect(reactor, f"tcp://127.0.0.1:{port.getHost().port}", 2.0, clock=self.clock)
        self.assertEqual((await engine.network(NETWORK_ID)).name, "MyNet")
