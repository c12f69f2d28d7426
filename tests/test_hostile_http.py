"""Whatever comes through the socket: it is answered or refused, and the next call works as if nothing had been."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nuage.libnetwork.calls import Calls
from nuage.libnetwork.server import BODY_LIMIT, PluginServer
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS, endpoint_body, network_body
from tests.http_support import (
    WITH_BODY,
    WITHOUT_BODY,
    Answer,
    Client,
    MemorySwitch,
    Wire,
    asynchronous,
    connect,
    driver_on,
    post,
    post_json,
    read_answers,
    site_of,
)

reactor = cast(Any, _reactor)
GENERIC = "com.docker.network.generic"
IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
#: No answer is longer: a message lists ten things at most, and shows a value as far as somebody would read it.
ANSWER_LIMIT = 20_000

GOOD: Mapping[str, dict[str, Any]] = {
    **dict.fromkeys(WITH_BODY, IDS),
    "NetworkDriver.AllocateNetwork": {"NetworkID": NETWORK, "Options": OPTIONS},
    "NetworkDriver.CreateNetwork": network_body(
        IPv6Data=[{"AddressSpace": "x", "Pool": "fd00::/64", "Gateway": "fd00::1/64"}]
    ),
    "NetworkDriver.CreateEndpoint": endpoint_body(
        Interface={"Address": "10.21.59.2/24", "AddressIPv6": "fd00::2/64", "MacAddress": "7a:42:00:00:00:01"},
        Options={"nuage.policy-group": "web", "com.docker.network.portmap": []},
    ),
    "NetworkDriver.Join": {**IDS, "SandboxKey": "/var/run/docker/netns/x", "Options": {}},
    "NetworkDriver.DiscoverNew": {"DiscoveryType": 1, "DiscoveryData": {"Address": "10.0.0.1", "Self": True}},
}
methods = st.sampled_from([*WITH_BODY, *WITHOUT_BODY])
methods_with_body = st.sampled_from(list(WITH_BODY))

hostile_texts = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "a\0b",
            "\ud800",
            "x\udfff",
            "\udc00\ud800",
            "'; DROP TABLE x; --",
            '"',
            "\\",
            "a\nb\r\nHTTP/1.1 200 OK",
            "$(reboot)`reboot`",
            "../../etc/passwd",
            "{subnet} %s %n",
            "\u202e\u2028\ufeff",
            "Zürich 研发 \U0001f600",
            "x" * 300,
            "9" * 5000,
            "1e999",
            "null",
            "true",
            "com.docker.network.driver.mtu",
            NETWORK,
            ENDPOINT,
            NETWORK[:16],
            NETWORK + "0",
            NETWORK.upper(),
            "é" * 64,
            "10.21.59.3/24",
            "10.21.59.1/24",
            "10.21.59.0/24",
            "10.21.59.0/33",
            "10.21.59.2",
            "0.0.0.0/0",
            "255.255.255.255/32",
            "224.0.0.0/4",
            "127.0.0.0/8",
            "10.0.0.0/255.255.0.0",
            "0/0",
            "::/0",
            "ff00::/8",
            "fd00::2/128",
            "::ffff:10.0.0.1/96",
            "fe80::1%eth0/64",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "7A:42:00:00:00:02",
            "7a-42-00-00-00-02",
        ]
    ),
    st.text(max_size=40),
)
hostile_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**64), 10**400, 1e308, float("nan"), float("inf"), -0.0]),
    hostile_texts,
)
hostile_values = st.recursive(
    hostile_scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile_texts, inner, max_size=4),
    max_leaves=8,
)
pools = st.fixed_dictionaries({"Pool": hostile_texts, "Gateway": hostile_texts})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where everything in a JSON value stands."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


@st.composite
def spoiled_requests(draw: st.DrawFn) -> bytes:
    """Return a request that would be good but for one to three things in its body."""
    method = draw(methods_with_body)
    body: Any = copy.deepcopy(GOOD[method])
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(body))
        if not found:
            break
        *parents, key = draw(st.sampled_from(found))
        target = body
        for parent in parents:
            target = target[parent]
        change = draw(st.sampled_from(["replace", "replace", "remove", "rename", "pools"]))
        if change == "remove":
            del target[key]
        elif change == "rename" and isinstance(target, dict):
            target[draw(hostile_texts)] = target.pop(key)
        elif change == "pools" and method == "NetworkDriver.CreateNetwork":
            body[draw(st.sampled_from(["IPv4Data", "IPv6Data"]))] = draw(st.lists(pools, max_size=3))
        else:
            target[key] = draw(hostile_values)
    return post_json(method, body)


def _flipped(content: bytes) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda place, other: content[:place] + other + content[place + 1 :],
        st.integers(0, len(content) - 1),
        st.binary(min_size=1, max_size=3),
    )


def _spoiled(content: bytes) -> st.SearchStrategy[bytes]:
    """Return what can be made of a good body."""
    codings = ("utf-16", "utf-32", "utf-8-sig", "utf-16-be", "cp037")
    return st.one_of(
        st.just(content),
        st.just(content + content),
        st.just(b"[" + content + b"]"),
        st.binary(max_size=200),
        st.integers(0, len(content)).map(lambda end: content[:end]),
        _flipped(content),
        hostile_values.map(lambda value: json.dumps(value).encode()),
        st.builds(
            lambda start, opening, depth: start + opening * depth,
            st.sampled_from([b"", b'{"NetworkID":']),
            st.sampled_from([b"[", b'{"a":', b'[{"":']),
            st.integers(1, 20_000),
        ),
        st.sampled_from(codings).map(lambda coding: content.decode().encode(coding)),
    )


@st.composite
def spoiled_bodies(draw: st.DrawFn) -> bytes:
    """Return a request with a body that is JSON in part, or not at all, or declared as something else."""
    method = draw(methods)
    body = draw(_spoiled(json.dumps(GOOD.get(method, {})).encode()))
    types = ["application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x", "text/\xff"]
    declared = draw(st.none() | st.sampled_from(types))
    return post(method, body, *([f"Content-Type: {declared}"] if declared else []))


@st.composite
def spoiled_heads(draw: st.DrawFn) -> bytes:
    """Return a request whose head is wrong, or merely unusual."""
    request = post_json(draw(methods), draw(st.sampled_from([{}, IDS, None])))
    line = draw(
        st.sampled_from(
            [
                b"POST / HTTP/1.1",
                b"POST  HTTP/1.1",
                b"POST /NetworkDriver.Join",
                b"POST /NetworkDriver.Join HTTP/9.9",
                b"GET /NetworkDriver.Join HTTP/1.1",
                b"OPTIONS * HTTP/1.1",
                b"CONNECT x:1 HTTP/1.1",
                b"POST //NetworkDriver.Join HTTP/1.1",
                b"POST /../NetworkDriver.Join HTTP/1.1",
                b"POST /NetworkDriver.Join/ HTTP/1.1",
                b"POST /%00%0a%22 HTTP/1.1",
                b"POST /NetworkDriver.Join?x=%ff;y HTTP/1.1",
                b"POST http://other/NetworkDriver.Join HTTP/1.1",
                b"POST /" + b"x" * 20_000 + b" HTTP/1.1",
                b"\x16\x03\x01\x02\x00\x01",
            ]
        )
        | st.binary(max_size=60).map(lambda raw: raw.replace(b"%", b""))
    )
    header = draw(
        st.sampled_from(
            [
                b"Content-Length: -1",
                b"Content-Length: x",
                b"Content-Length: 99999999999999999999",
                b"Content-Length: 3",
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: gzip",
                b"Host: a..b",
                b"Host: \xff",
                b"Expect: 100-continue",
                b"Connection: close",
                b"Upgrade: websocket",
                b"Cookie: \xff;=;",
                b": empty",
                b" folded",
                b"no colon",
                b"\0: \0",
                b"X: " + b"y" * 20_000,
                b"\r\n".join(b"X%d: y" % number for number in range(600)),
            ]
        )
        | st.binary(max_size=60)
    )
    old_line, _, rest = request.partition(b"\r\n")
    kind = draw(st.sampled_from(["line", "header", "both", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=400))
    first = old_line if kind == "header" else line
    return first + b"\r\n" + (b"" if kind == "line" else header + b"\r\n") + rest


def assert_clean(answer: Answer) -> None:
    """Assert that an answer is one of the protocol, and tells nothing of the program's inside."""
    assert answer.status in (100, 200, 400, 404, 405, 411, 413, 414, 417, 431, 501, 505), answer
    assert len(answer.body) < ANSWER_LIMIT, answer.body[:500]
    assert b"Traceback" not in answer.body
    assert b".py" not in answer.body
    if answer.headers.get("Content-Type", "").startswith("application/vnd.docker") and answer.body:
        content = answer.json()
        assert isinstance(content, dict)
        assert str(content.get("Err", "")).isprintable(), content
        assert ("Err" in content) or answer.status == 200


class InMemory(SynchronousTestCase):
    """The whole plugin but for its socket, its links and its switch, which keeps what it is told in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.switch = MemorySwitch()
        self.calls = Calls(self.clock, deadline=25)
        self.site = site_of(driver_on(self.switch, self.clock), self.calls, self.clock)
        self.failures: list[Any] = []
        observer: Any = lambda event: self.failures.append(event) if "log_failure" in event else None  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def send(self, data: bytes, wire: Wire | None = None) -> list[Answer]:
        """Send bytes, and let time pass until all that was begun has ended."""
        wire = wire or Wire(self.site)
        wire.send(data)
        drained = Deferred.fromCoroutine(self.calls.drained())
        for _ in range(20):
            if drained.called:
                break
            self.clock.advance(0.1)
        self.successResultOf(drained)
        return wire.answers()

    def assert_works(self) -> None:
        """Assert that good calls about things of their own work."""
        assert self.failures == []
        network, endpoint = "f" * 64, "e" * 64
        ids = {"NetworkID": network, "EndpointID": endpoint}
        requests = (
            ("CreateNetwork", network_body(NetworkID=network, Options={GENERIC: {**OPTIONS, "domain": "Other"}})),
            ("CreateEndpoint", endpoint_body(**ids)),
            ("Join", ids),
            ("Leave", ids),
            ("DeleteEndpoint", ids),
            ("DeleteNetwork", ids),
        )
        wire = Wire(self.site)
        for method, body in requests:
            (answer,) = self.send(post_json(f"NetworkDriver.{method}", body), wire)
            assert answer.status == 200, answer
            assert "Err" not in answer.json(), answer

    def attack(self, data: bytes) -> None:
        """Send what is wrong, see that it is answered well, and that good calls work as before."""
        for answer in self.send(data):
            assert_clean(answer)
        self.assert_works()

    @settings(max_examples=3500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spoiled_requests())
    def test_fields(self, request: bytes) -> None:
        """Wrong values, types, names and ids; each request is answered, and no bug is hit."""
        for method in ("NetworkDriver.CreateNetwork", "NetworkDriver.CreateEndpoint"):
            # The subjects are there, so that what is wrong is not refused for want of them.
            self.send(post_json(method, GOOD[method]))
        answers = self.send(request)
        assert len(answers) == 1
        assert_clean(answers[0])
        self.assert_works()

    @settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spoiled_bodies())
    def test_bodies(self, request: bytes) -> None:
        """Not JSON, half of it, too deep, coded otherwise, declared as something else."""
        self.attack(request)

    @settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spoiled_heads())
    def test_heads(self, request: bytes) -> None:
        """What is no HTTP, or hardly."""
        self.attack(request)

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(spoiled_requests() | spoiled_bodies(), min_size=2, max_size=6), st.integers(1, 5000))
    def test_requests_that_come_together(self, requests: list[bytes], size: int) -> None:
        """Pipelined, in pieces of any size: as many answers, in order, and the connection is still good."""
        wire = Wire(self.site)
        data = b"".join(requests) + post("Plugin.Activate", b"")
        received = b""
        for start in range(0, len(data), size):
            self.send(data[start : start + size], wire)
            received += wire.transport.value()
            if wire.closed:
                break
        answers = read_answers(received)
        for answer in answers:
            assert_clean(answer)
        assert len(answers) == len(requests) + 1 or wire.closed
        self.assert_works()

    def test_a_path_of_no_encoding(self) -> None:
        """It is refused; the router logs why."""
        (answer,) = self.send(post_json("%ff%fe", IDS))
        assert answer.status == 400
        self.flushLoggedErrors(UnicodeDecodeError)
        self.failures.clear()
        self.assert_works()

    def test_nothing_is_kept_of_what_was_refused(self) -> None:
        """However often it comes."""
        bad = network_body(NetworkID="d" * 64, IPv4Data=[])
        for _ in range(100):
            self.send(post_json("NetworkDriver.CreateNetwork", bad))
            self.send(post_json("NetworkDriver.CreateEndpoint", endpoint_body(NetworkID="d" * 64)))
        assert self.switch.records == {}
        assert self.clock.getDelayedCalls() == []


def resident_bytes() -> int:
    """Return how much memory this process occupies."""
    fields = Path("/proc/self/status").read_text().split()
    return int(fields[fields.index("VmRSS:") + 1]) * 1024


class OnASocket(TestCase):
    """The same on a real unix socket, where what comes is slow, long or cut off."""

    timeout = 60

    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="nuage")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "nuage.sock"
        calls = Calls(reactor, deadline=10)
        driver = driver_on(MemorySwitch(), cast(Clock, reactor))
        self.server = PluginServer(reactor, self.path, site_of(driver, calls, Clock()), calls)
        self.server.privilegedStartService()
        self.server.startService()
        self.addCleanup(self.server.stopService)

    async def connect(self) -> Client:
        """Connect to the socket until the end of the test."""
        client = await connect(reactor, self.path)
        self.addCleanup(client.hang_up)
        return client

    async def assert_works(self) -> None:
        """Assert that a good call on a new connection works."""
        client = await self.connect()
        assert (await client.ask(post_json("NetworkDriver.Leave", IDS))).status == 200
        client.hang_up()
        await client.lost

    @asynchronous
    async def test_each_call_and_what_is_wrong_with_it(self) -> None:
        """Every route, on one connection that stays open."""
        client = await self.connect()
        for method in WITH_BODY:
            for body in (b"", b"{", b"[]", b"[" * 50_000, rb'{"NetworkID": "\ud800"}', b'{"NetworkID": 1}'):
                answer = await client.ask(post(method, body))
                assert_clean(answer)
                assert answer.status in (200, 400)
            assert (await client.ask(post_json("NetworkDriver.Leave", IDS))).status == 200
        assert not client.lost.called

    @asynchronous
    async def test_slow_requests(self) -> None:
        """Byte by byte on many connections at once; others are served meanwhile."""
        request = post_json("NetworkDriver.Leave", IDS)
        clients = [await self.connect() for _ in range(20)]
        for byte in request[:-1]:
            for client in clients:
                cast(Any, client.transport).write(bytes([byte]))
            await deferLater(reactor, 0)
        await self.assert_works()
        answers = gatherResults([Deferred.fromCoroutine(client.ask(request[-1:])) for client in clients])
        assert [answer.status for answer in await answers] == [200] * 20

    @asynchronous
    async def test_requests_that_are_cut_off(self) -> None:
        """In the middle of the line, of the head, of the body."""
        request = post_json("NetworkDriver.CreateNetwork", network_body())
        for length in range(0, len(request), 7):
            client = await self.connect()
            cast(Any, client.transport).write(request[:length])
            client.hang_up()
            await client.lost
        await self.assert_works()

    @asynchronous
    async def test_a_client_that_hangs_up_at_once(self) -> None:
        """The call is carried out or given up; nothing is logged as a bug."""
        for method, body in GOOD.items():
            client = await self.connect()
            cast(Any, client.transport).write(post_json(method, body))
            client.hang_up()
            await client.lost
        await self.assert_works()

    @asynchronous
    async def test_a_hundred_requests_at_once(self) -> None:
        """On one connection, good and bad ones in turn."""
        client = await self.connect()
        pair = post_json("NetworkDriver.Leave", IDS) + post("NetworkDriver.Leave", b"{")
        cast(Any, client.transport).write(pair * 50)
        await client.answer(100)
        assert not client.lost.called
        await self.assert_works()

    @asynchronous
    async def test_long_bodies_do_not_stay_in_memory(self) -> None:
        """Declared, in chunks, and just within what is allowed: 200 of up to 4 MiB each."""
        head = post("NetworkDriver.Leave", b"")
        declared = head.replace(b"Content-Length: 0", b"Content-Length: 4194304") + b" " * (1 << 22)
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        chunked = head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + chunk * 64
        allowed = post("NetworkDriver.Leave", b" " * BODY_LIMIT)
        await self.attack_with(declared, chunked, allowed)
        before = resident_bytes()
        for _ in range(66):
            await self.attack_with(declared, chunked, allowed)
        grown = resident_bytes() - before
        assert grown < 30 << 20, f"{grown >> 20} MiB"
        await self.assert_works()

    async def attack_with(self, *requests: bytes) -> None:
        """Send each request on a connection of its own, which the server closes where it is too long."""
        for request in requests:
            client = await self.connect_quietly()
            cast(Any, client.transport).write(request)
            if len(request) < BODY_LIMIT + 1000:
                assert (await client.answer()).status == 400
                client.hang_up()
            await client.lost
            if client.received:
                assert [answer.status for answer in read_answers(client.received)] == [413]

    async def connect_quietly(self) -> Client:
        """Connect without a clean-up: the caller waits for the end of the connection."""
        return await connect(reactor, self.path)

    @asynchronous
    async def test_many_idle_connections(self) -> None:
        """None is closed, and each still serves."""
        clients = [await self.connect() for _ in range(200)]
        await self.assert_works()
        for client in clients:
            assert (await client.ask(post("Plugin.Activate", b""))).status == 200
