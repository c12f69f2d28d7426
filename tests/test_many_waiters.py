"""A thousand at once who wait for the same event: each gets it, however short the work is that follows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.containers import Containers
from nuage.libnetwork.calls import Calls
from nuage.model import Container
from nuage.ovsdb.client import Row
from nuage.ovsdb.errors import ConnectionLost
from nuage.ovsdb.operations import Comment
from tests.driver_support import ENDPOINT, NETWORK
from tests.http_support import PlayedDriver, Wire, post, site_of
from tests.ovsdb_support import uuid
from tests.test_ovsdb_client import ROW, ClientCase, run

MANY = 1000


class Database(ClientCase):
    """Those who wait for the database, one turn after the other."""

    def test_the_first_load(self) -> None:
        """Each transaction is sent once the cache is there, and answered."""
        self.client.start()
        calls = [run(self.client.transact(Comment("x"))) for _ in range(MANY)]
        self.remote.last.load(ROW)
        for message in self.remote.last.received():
            self.remote.last.send(id=message["id"], result=[{}], error=None)
        assert [len(self.successResultOf(call)) for call in calls] == [1] * MANY

    def test_a_row(self) -> None:
        """Who waits for the next state of a row as soon as it saw one is served as well."""

        def reached(number: int) -> Callable[[Row | None], bool | None]:
            return lambda row: True if row is not None and row["number"] == number else None

        async def twice() -> list[bool]:
            return [await self.client.wait_until("T", uuid(1), reached(number), 5) for number in (2, 3)]

        self.load()
        waits = [run(twice()) for _ in range(MANY)]
        for number in (2, 3):
            self.remote.last.notify("update3", "nuage", uuid(0), {"T": {uuid(1): {"modify": {"number": number}}}})
        assert [self.successResultOf(wait) for wait in waits] == [[True, True]] * MANY

    def test_a_lost_connection(self) -> None:
        """Each call fails by name."""
        self.load()
        calls = [run(self.client.transact(Comment("x"))) for _ in range(MANY)]
        self.remote.last.transport.lose(ConnectionError())
        self.clock.advance(0)
        for call in calls:
            assert "during transact" in str(self.failureResultOf(call, ConnectionLost).value)


class _Docker:
    """A Docker that answers when the test says so."""

    def __init__(self) -> None:
        self.answer: Deferred[Container | None] = Deferred()

    async def containers_of(self, _network_id: str, endpoint_ids: Collection[str]) -> dict[str, Container | None]:
        """See nuage.docker.engine.Engine."""
        return dict.fromkeys(endpoint_ids, await self.answer)


class Others(SynchronousTestCase):
    """Those who wait for Docker, for the end of all calls, or for their turn on one connection."""

    def test_a_container(self) -> None:
        """Whoever asks for the container of one endpoint."""
        clock, docker = Clock(), _Docker()
        containers = Containers(clock, docker, lambda _endpoint, _container: None)
        asked = [Deferred.fromCoroutine(containers.of(NETWORK, ENDPOINT)) for _ in range(MANY)]
        clock.advance(0)
        container = Container(id="c0ffee", name="web")
        docker.answer.callback(container)
        assert [self.successResultOf(each) for each in asked] == [container] * MANY
        containers.stop()

    def test_the_end_of_all_calls(self) -> None:
        """Whoever waits for it."""
        calls, working = Calls(Clock(), 10), Deferred[Any]()

        async def work() -> Any:
            return await working

        call = Deferred.fromCoroutine(calls.carry_out("Plugin.Activate", None, work()))
        drained = [Deferred.fromCoroutine(calls.drained()) for _ in range(MANY)]
        working.callback(None)
        self.successResultOf(call)
        assert [self.successResultOf(each) for each in drained] == [None] * MANY

    def test_requests_on_one_connection(self) -> None:
        """A client that does not wait for its answers."""
        clock = Clock()
        wire = Wire(site_of(PlayedDriver(), Calls(clock, 10), clock))
        answers = wire.send(post("Plugin.Activate", b"") * MANY)
        assert [answer.status for answer in answers] == [200] * MANY

    def test_answers_that_are_there_already(self) -> None:
        """What awaits one after the other."""

        async def work() -> int:
            total = 0
            for _ in range(10 * MANY):
                fired: Deferred[int] = Deferred()
                fired.callback(1)
                total += await fired
            return total

        assert self.successResultOf(Deferred.fromCoroutine(work())) == 10 * MANY
