"""Calls that come at once, clients that hang up, deadlines hit in the middle: nothing is ever left half done."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from tempfile import mkdtemp
from types import coroutine
from typing import Any, TypeVar

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, gatherResults
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from nuage import names
from nuage.errors import DeadlineExceeded, NuageError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.resource import Libnetwork
from nuage.libnetwork.server import PluginServer, PluginSite
from nuage.model import Container, NetworkRequest
from nuage.ovsdb.errors import ConnectionLost
from nuage.vrs import tables
from tests.driver_support import ENDPOINT, NETWORK, NotedLinks, endpoint_body, network_body, network_request
from tests.test_driver import DriverTestCase
from tests.vrs_support import waiting

T = TypeVar("T")

PORT = names.port_name(ENDPOINT)
CALL = payloads.EndpointCall(NETWORK, ENDPOINT)
JOIN = payloads.EndpointCall(NETWORK, ENDPOINT)
OTHER = "9" * 64
DEADLINE = 25.0
#: More steps than any call has: a test that gets there does not end the call that it means to.
_TOO_MANY = 60


def _create_endpoint(**changes: Any) -> payloads.CreateEndpoint:
    return payloads.CreateEndpoint.from_body(Body(endpoint_body(**changes)))


def _other_network() -> NetworkRequest:
    pools = [{"AddressSpace": "LocalDefault", "Gateway": "10.99.0.1/24", "Pool": "10.99.0.0/24"}]
    return network_request(NetworkID=OTHER, IPv4Data=pools)


@coroutine
def _watched(work: Coroutine[Any, Any, T], step: int, event: Callable[[], object]) -> Generator[Any, Any, T]:
    """Run a coroutine, and have ``event`` happen once it waits for the ``step``-th time, before that wait is over."""
    send, argument, waits = work.send, None, 0
    while True:
        try:
            awaited = send(argument)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if waits == step:
            reactor.callLater(0, event)
        waits += 1
        try:
            send, argument = work.send, (yield awaited)
        except Exception as problem:
            send, argument = work.throw, problem


class _SlowLinks(NotedLinks):
    """Links that take a moment, as those of the kernel do; see :meth:`nuage.links.links.Links.create_pair`."""

    async def create_pair(self, host_name: str, container_name: str, *, mac: str, mtu: int, alias: str) -> None:
        """Note a pair. It is made although the call that asked for it is given up meanwhile, and then removed."""
        await super().create_pair(host_name, container_name, mac=mac, mtu=mtu, alias=alias)
        try:
            await waiting(reactor, 0.01)
        except CancelledError:
            self.remove_soon(host_name, alias)
            raise


class RaceTestCase(DriverTestCase):
    """A driver with a network, and calls to it as the server makes them, with a clock of their own for the deadline."""

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        async def ready() -> None:
            await self.plugin.switch.ready()
            await self.plugin.driver.create_network(network_request())
            self.plugin.docker.containers[ENDPOINT] = Container(id="c0ffee", name="web")

        self.client_options = {**self.client_options, "links": _SlowLinks()}
        super().setUp()
        self.clock = Clock()
        self.calls = Calls(self.clock, DEADLINE)
        return ensureDeferred(ready())

    def call(self, method: str, request: Any, work: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """Make a call as the server does."""
        return ensureDeferred(self.calls.carry_out(f"NetworkDriver.{method}", request, work))

    async def outcomes(self, *calls: Deferred[Any]) -> list[Any]:
        """Return the answers of calls that were made at once, or why they failed; anything but our errors is a bug."""

        def failed(failure: Failure) -> Exception:
            failure.trap(NuageError)
            assert isinstance(failure.value, Exception)
            return failure.value

        return await gatherResults([call.addErrback(failed) for call in calls])

    def assert_whole(self) -> None:
        """Assert that the endpoint is attached with everything that belongs to it, once."""
        assert self.vrs.vsctl("list-ports", "alubr0").split() == [PORT]
        assert [row["name"] for row in self.rows(tables.NUAGE_PORT)] == [PORT]
        assert [row["vm_uuid"] for row in self.rows(tables.NUAGE_VM)] == [ENDPOINT]
        assert list(self.plugin.links.made) == [PORT]


class AtOnce(RaceTestCase):
    """Calls about one endpoint or network that come at the same time."""

    async def test_join_and_leave(self) -> None:
        """They take place in the order in which they came, each as a whole."""
        driver = self.plugin.driver
        await driver.create_endpoint(_create_endpoint())
        await self.outcomes(self.call("Join", JOIN, driver.join(JOIN)), self.call("Leave", CALL, driver.leave(CALL)))
        assert self.vrs.vsctl("list-ports", "alubr0") == ""
        assert self.rows(tables.NUAGE_VM) == self.rows(tables.NUAGE_PORT) == []
        await self.outcomes(self.call("Leave", CALL, driver.leave(CALL)), self.call("Join", JOIN, driver.join(JOIN)))
        self.assert_whole()
        await driver.delete_endpoint(CALL)
        self.assert_nothing_left()

    async def test_the_same_call_twice(self) -> None:
        """The second one finds what the first one made, and answers the same."""
        driver = self.plugin.driver
        request = _create_endpoint()
        created = await self.outcomes(
            *[self.call("CreateEndpoint", request, driver.create_endpoint(request)) for _ in range(3)]
        )
        assert created[0] == created[1] == created[2]
        joined = await self.outcomes(*[self.call("Join", JOIN, driver.join(JOIN)) for _ in range(3)])
        assert joined[0] == joined[1] == joined[2]
        assert isinstance(joined[0], payloads.Joined)
        self.assert_whole()
        left = await self.outcomes(*[self.call("Leave", CALL, driver.leave(CALL)) for _ in range(3)])
        deleted = await self.outcomes(*[self.call("DeleteEndpoint", CALL, driver.delete_endpoint(CALL)) for _ in "ab"])
        assert left + deleted == [payloads.Empty()] * 5
        self.assert_nothing_left()

    async def test_many_calls_about_one_endpoint_while_the_database_pauses(self) -> None:
        """Each is answered, and the deletion that comes last is the last to take place."""
        driver = self.plugin.driver
        request = _create_endpoint()
        self.vrs.signal("ovsdb-server", signal.SIGSTOP)
        calls = [self.call("CreateEndpoint", request, driver.create_endpoint(request)) for _ in range(300)]
        deleting = self.call("DeleteEndpoint", CALL, driver.delete_endpoint(CALL))
        await waiting(reactor, 0.1)
        self.vrs.signal("ovsdb-server", signal.SIGCONT)
        answers = await self.outcomes(*calls, deleting)
        assert isinstance(answers[0], payloads.CreatedEndpoint)
        assert answers == [answers[0]] * 300 + [payloads.Empty()]
        self.assert_nothing_left()

    async def test_many_calls_while_a_network_is_learnt(self) -> None:
        """Each is answered."""
        driver, pools = self.plugin.driver, [{"Gateway": "10.99.0.1/16", "Pool": "10.99.0.0/16"}]
        self.plugin.docker.networks[OTHER] = network_request(NetworkID=OTHER, IPv4Data=pools)
        requests = [
            _create_endpoint(
                NetworkID=OTHER,
                EndpointID=f"{number:064x}",
                Interface={"Address": f"10.99.{number // 200 + 1}.{number % 200 + 1}/16"},
            )
            for number in range(300)
        ]
        calls = [self.call("CreateEndpoint", request, driver.create_endpoint(request)) for request in requests]
        assert {type(answer) for answer in await self.outcomes(*calls)} == {payloads.CreatedEndpoint}

    async def test_delete_endpoint_while_it_is_joined(self) -> None:
        """The Join ends first, then all of it goes."""
        driver = self.plugin.driver
        await driver.create_endpoint(_create_endpoint())
        joined, deleted, again = await self.outcomes(
            self.call("Join", JOIN, driver.join(JOIN)),
            self.call("DeleteEndpoint", CALL, driver.delete_endpoint(CALL)),
            self.call("Join", JOIN, driver.join(JOIN)),
        )
        assert isinstance(joined, payloads.Joined)
        assert deleted == payloads.Empty()
        assert "is not known here" in str(again)
        self.assert_nothing_left()

    async def test_delete_endpoint_while_it_is_created(self) -> None:
        """Nobody asks Docker for the container of an endpoint that is gone."""
        request = _create_endpoint()
        await self.outcomes(
            self.call("CreateEndpoint", request, self.plugin.driver.create_endpoint(request)),
            self.call("DeleteEndpoint", CALL, self.plugin.driver.delete_endpoint(CALL)),
        )
        # The first question is asked in the next turn of the reactor, and answered at once.
        for _ in range(3):
            await waiting(reactor, 0)
        assert self.plugin.containers.known(ENDPOINT) is None
        self.assert_nothing_left()

    async def test_delete_network_while_endpoints_come_and_go(self) -> None:
        """Endpoints that Docker did not remove go with it, whatever is being done with them."""
        driver = self.plugin.driver
        ids = [f"{number:02x}" * 32 for number in range(10)]
        for number, endpoint_id in enumerate(ids):
            interface = {"Address": f"10.21.59.{number + 2}/24"}
            await driver.create_endpoint(_create_endpoint(EndpointID=endpoint_id, Interface=interface))
        joins = [payloads.EndpointCall(NETWORK, endpoint_id) for endpoint_id in ids]
        early = [self.call("Join", join, driver.join(join)) for join in joins[:5]]
        network = payloads.NetworkCall(NETWORK)
        deleted = self.call("DeleteNetwork", network, driver.delete_network(network))
        late = [self.call("Join", join, driver.join(join)) for join in joins[5:]]
        assert (await self.outcomes(deleted, *early, *late))[0] == payloads.Empty()
        self.assert_nothing_left()
        assert self.bridge_ids() == {}


class HangUps(RaceTestCase):
    """The client goes in the middle of a call: Docker takes such a call for failed."""

    async def _hang_up(self, method: str, request: Any, work: Callable[[Any], Any], step: int) -> bool:
        """Hang up when the call waits for the ``step``-th time; tell whether it did wait so often.

        The same call comes again right after it, as a whole, and has to succeed.
        """
        hung_up: list[None] = []

        def hang_up() -> None:
            hung_up.append(None)
            first.cancel()

        first = self.call(method, request, _watched(work(request), step, hang_up))
        second = self.call(method, request, work(request))
        outcome = await first.addErrback(lambda failure: failure.trap(CancelledError))
        assert (outcome is CancelledError) == bool(hung_up)
        if step % 2:
            # Without a repetition nothing of it is there; with one, all of it is.
            second.cancel()
            await second.addErrback(lambda failure: failure.trap(CancelledError))
        else:
            assert isinstance(await second, payloads.Joined | payloads.CreatedEndpoint | payloads.Empty)
        await self.calls.drained()
        return bool(hung_up)

    async def test_join(self) -> None:
        """At each of its steps: nothing is left, and a repetition that waited for its turn finds a clean state."""
        driver = self.plugin.driver
        for step in range(_TOO_MANY):
            await driver.create_endpoint(_create_endpoint())
            hung_up = await self._hang_up("Join", JOIN, driver.join, step)
            if not hung_up:
                break
            if step % 2:
                assert self.vrs.vsctl("list-ports", "alubr0") == "", f"a port is left of step {step}"
                assert self.rows(tables.NUAGE_VM) == self.rows(tables.NUAGE_PORT) == [], f"rows are left of step {step}"
                assert self.plugin.links.made == {}, f"a link is left of step {step}"
            else:
                self.assert_whole()
            await driver.delete_endpoint(CALL)
            self.assert_nothing_left()
        assert 2 <= step < _TOO_MANY - 1
        await driver.delete_endpoint(CALL)
        self.assert_nothing_left()

    async def test_create_endpoint(self) -> None:
        """Docker calls nothing after a CreateEndpoint that failed: what it left would stay."""
        driver = self.plugin.driver
        for step in range(_TOO_MANY):
            hung_up = await self._hang_up("CreateEndpoint", _create_endpoint(), driver.create_endpoint, step)
            if not hung_up:
                break
            assert (self.plugin.switch.endpoint(ENDPOINT) is None) == bool(step % 2), step
            await driver.delete_endpoint(CALL)
            self.assert_nothing_left()
        assert 0 < step < _TOO_MANY - 1

    async def test_create_network(self) -> None:
        """A network that Docker believes was not made is not remembered."""
        driver = self.plugin.driver
        request = _other_network()
        for step in range(_TOO_MANY):
            hung_up = await self._hang_up("CreateNetwork", request, driver.create_network, step)
            if not hung_up:
                break
            assert (self.plugin.switch.network(OTHER) is None) == bool(step % 2), step
            await driver.delete_network(payloads.NetworkCall(OTHER))
        assert 0 < step < _TOO_MANY - 1

    async def test_what_removes_goes_on(self) -> None:
        """Docker never asks twice for a Leave: it does not stop for a client that has gone."""
        driver = self.plugin.driver
        await driver.create_endpoint(_create_endpoint())
        await driver.join(JOIN)
        leaving = self.call("Leave", CALL, driver.leave(CALL))
        leaving.cancel()
        self.failureResultOf(leaving, CancelledError)
        await self.calls.drained()
        assert self.vrs.vsctl("list-ports", "alubr0") == ""
        deleting = self.call("DeleteEndpoint", CALL, driver.delete_endpoint(CALL))
        deleting.cancel()
        self.failureResultOf(deleting, CancelledError)
        await self.calls.drained()
        self.assert_nothing_left()

    async def test_what_was_there_before_stays(self) -> None:
        """A call that repeats what is there, and whose client goes, takes nothing away from a container that runs."""
        driver = self.plugin.driver
        await driver.create_endpoint(_create_endpoint())
        await driver.join(JOIN)
        before = self.bridge_ids(), self.marks()
        other, same = network_request(Options=_other_options()), _create_endpoint()
        for call in (
            self.call("CreateNetwork", other, driver.create_network(other)),
            self.call("CreateEndpoint", same, driver.create_endpoint(same)),
            self.call("Join", JOIN, driver.join(JOIN)),
        ):
            call.cancel()
            await call.addErrback(lambda failure: failure.trap(CancelledError))
            await self.calls.drained()
        await driver.create_network(network_request())
        assert (self.bridge_ids(), self.marks()) == before
        self.assert_whole()

    def marks(self) -> list[tuple[object, ...]]:
        """Return what the plugin wrote of each interface. What ovs-vswitchd writes may still be on its way."""
        return [(row["_uuid"], row["name"], row["external_ids"]) for row in self.rows(tables.INTERFACE)]


def _other_options() -> dict[str, Any]:
    options = network_body()["Options"]
    return {**options, "com.docker.network.generic": {**options["com.docker.network.generic"], "subnet": "Other"}}


class Deadlines(RaceTestCase):
    """The time of a call is over in the middle of it."""

    async def test_join(self) -> None:
        """At each of its steps: the answer says so, and nothing is left but what DeleteEndpoint removes."""
        driver = self.plugin.driver
        # It waits for the link, for the database and for the device, which a switch that stands still does not open.
        self.vrs.signal("ovs-vswitchd", signal.SIGSTOP)
        for step in range(3):
            await driver.create_endpoint(_create_endpoint())
            work = _watched(driver.join(JOIN), step, lambda: self.clock.advance(DEADLINE))
            (outcome,) = await self.outcomes(self.call("Join", JOIN, work))
            await self.calls.drained()
            assert isinstance(outcome, DeadlineExceeded), step
            assert self.vrs.vsctl("list-ports", "alubr0") == "", f"a port is left of step {step}"
            assert self.rows(tables.NUAGE_VM) == self.rows(tables.NUAGE_PORT) == [], f"rows are left of step {step}"
            await driver.delete_endpoint(CALL)
            self.assert_nothing_left()
        self.vrs.signal("ovs-vswitchd", signal.SIGCONT)

    async def test_leave_and_delete_endpoint(self) -> None:
        """What is not finished in time is finished later."""
        driver = self.plugin.driver
        for method, work in (("Leave", driver.leave), ("DeleteEndpoint", driver.delete_endpoint)):
            await driver.create_endpoint(_create_endpoint())
            await driver.join(JOIN)
            cut = _watched(work(CALL), 1, lambda: self.clock.advance(DEADLINE))
            await self.outcomes(self.call(method, CALL, cut))
            await self.calls.drained()
            self.plugin.cleanup.resume()
            while self.plugin.cleanup.unfinished:
                await waiting(reactor, 0.01)
            assert self.vrs.vsctl("list-ports", "alubr0") == ""
            assert self.plugin.links.made == {}
            await driver.delete_endpoint(CALL)
        self.assert_nothing_left()


class Crashes(RaceTestCase):
    """The database server is killed with a transaction on its way, and started again."""

    async def test_each_call_goes_through(self) -> None:
        """What was not carried out, as the reloaded database shows, is sent once more."""
        driver = self.plugin.driver
        created, other = _create_endpoint(), _other_network()
        for work in (
            lambda: driver.create_network(other),
            lambda: driver.create_endpoint(created),
            lambda: driver.join(JOIN),
            lambda: driver.leave(CALL),
            lambda: driver.delete_endpoint(CALL),
            lambda: driver.delete_network(payloads.NetworkCall(OTHER)),
        ):
            self.vrs.signal("ovsdb-server", signal.SIGSTOP)
            call: Deferred[Any] = ensureDeferred(work())
            await waiting(reactor, 0.1)
            self.vrs.signal("ovsdb-server", signal.SIGKILL)
            self.vrs.start_database()
            await call
        assert self.plugin.cleanup.unfinished == frozenset()
        self.assert_nothing_left()
        assert self.plugin.switch.network(OTHER) is None


class LostReplies(RaceTestCase):
    """Each transaction loses its reply once."""

    lost = 0

    def lose_replies(self, *, committed: bool) -> None:
        """Have each transaction lose its reply the first time; it was ``committed`` nevertheless, or not."""
        transact, repeated = self.plugin.client.transact, [None]

        async def losing(*operations: Any, timeout: float | None = None) -> Any:
            again = not operations or operations[0] is repeated[0]
            if again or committed:
                results = await transact(*operations, timeout=timeout)
            if again:
                return results
            repeated[0] = operations[0]
            self.lost += 1
            raise ConnectionLost("transact", "the connection was lost during transact")

        self.patch(self.plugin.client, "transact", losing)

    async def test_of_what_was_carried_out(self) -> None:
        """It is not taken for a failure."""
        self.lose_replies(committed=True)
        await self._live()

    async def test_of_what_was_not_carried_out(self) -> None:
        """It is not taken for a success."""
        self.lose_replies(committed=False)
        await self._live()

    async def _live(self) -> None:
        """Have endpoints come and go, and look at the switch after each call."""
        driver, record = self.plugin.driver, tables.ENDPOINT_RECORD + ENDPOINT
        await driver.create_endpoint(_create_endpoint())
        assert record in self.bridge_ids()
        await driver.delete_endpoint(CALL)
        self.assert_nothing_left()
        await driver.create_endpoint(_create_endpoint())
        await driver.join(JOIN)
        self.assert_whole()
        await self.plugin.endpoints.name_endpoint(ENDPOINT, Container(id="c0ffee", name="renamed"))
        assert [row["vm_name"] for row in self.rows(tables.NUAGE_VM)] == ["renamed"]
        await driver.leave(CALL)
        assert self.rows(tables.NUAGE_VM) == self.rows(tables.NUAGE_PORT) == []
        assert record in self.bridge_ids()
        await driver.join(JOIN)
        self.vrs.vsctl("del-port", PORT)
        await driver.delete_endpoint(CALL)
        self.assert_nothing_left()
        await driver.create_network(_other_network())
        assert self.plugin.switch.network(OTHER) is not None
        await driver.delete_network(payloads.NetworkCall(OTHER))
        await driver.delete_network(payloads.NetworkCall(NETWORK))
        assert self.bridge_ids() == {}
        assert self.plugin.cleanup.unfinished == frozenset()
        assert self.lost == 11


class _Client(Protocol):
    """A connection to the plugin's socket, as Docker opens them."""

    def __init__(self) -> None:
        self._received = b""
        self._answered: Deferred[dict[str, Any]] = Deferred()

    def post(self, method: str, body: dict[str, Any]) -> Deferred[dict[str, Any]]:
        """Post a call; the Deferred fires with the answer."""
        content = json.dumps(body).encode()
        head = f"POST /NetworkDriver.{method} HTTP/1.1\r\nHost:\r\nContent-Length: {len(content)}\r\n\r\n"
        self.transport.write(head.encode() + content)  # type: ignore[union-attr]
        return self._answered

    def hang_up(self) -> None:
        """Close the connection."""
        self.transport.loseConnection()  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        """Take the body, which is in one chunk."""
        self._received += data
        if self._received.endswith(b"\r\n0\r\n\r\n"):
            self._answered.callback(json.loads(self._received.splitlines()[-4]))


class OnTheWire(RaceTestCase):
    """Through the server's socket."""

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        ready = super().setUp()
        self.path = Path(mkdtemp(dir=self.vrs.folder)) / "nuage.sock"
        calls = Calls(reactor, DEADLINE)
        site = PluginSite(Libnetwork(self.plugin.driver, calls).resource(), reactor)
        server = PluginServer(reactor, self.path, site, calls)
        server.privilegedStartService()
        self.addCleanup(server.stopService)
        return ready

    async def client(self) -> _Client:
        """Connect."""
        client: _Client = await connectProtocol(UNIXClientEndpoint(reactor, str(self.path)), _Client())
        return client

    async def test_a_client_hangs_up_while_the_switch_opens_the_device(self) -> None:
        """All of its Join is undone; the same call on another connection, which waited for its turn, succeeds."""
        await self.plugin.driver.create_endpoint(_create_endpoint())
        body = {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": "/x", "Options": {}}
        self.vrs.signal("ovs-vswitchd", signal.SIGSTOP)
        first = await self.client()
        first.post("Join", body)
        while self.plugin.switch.attachment(ENDPOINT) is None:
            await waiting(reactor, 0.01)
        second = await self.client()
        answer = second.post("Join", body)
        interface = self.plugin.switch.attachment(ENDPOINT)
        first.hang_up()
        while self.plugin.switch.attachment(ENDPOINT) in (None, interface):
            await waiting(reactor, 0.01)
        self.vrs.signal("ovs-vswitchd", signal.SIGCONT)
        assert (await answer)["InterfaceName"] == {"SrcName": "nca31e991e80064", "DstPrefix": "eth"}
        self.assert_whole()
        second.hang_up()
