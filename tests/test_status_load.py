"""What a report costs with a thousand endpoints, while a hundred Joins are under way."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from nuage.audit.auditor import Account
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.libnetwork.server import PluginSite
from nuage.model import Container, Endpoint
from nuage.names import port_name
from nuage.status.control import Status, tree
from nuage.status.judgement import Judge
from nuage.status.ledger import Ledger
from nuage.status.page import Page
from nuage.status.reporter import Reporter
from nuage.status.times import Times
from nuage.vrs import transactions
from tests.driver_support import NETWORK, Plugin, endpoint_body, network_request
from tests.http_support import Answer, Wire
from tests.load_support import Lines
from tests.vrs_support import BRIDGE, Vrs, waiting

MANY, JOINS = 1000, 100
#: Lines of Python that an answer may run for each endpoint, however slow or busy the machine is. They are 501 and 815.
ALLOWED = {b"/status": 600, b"/": 950}


def ident(number: int) -> str:
    """Return the id of an endpoint."""
    return f"{number:013x}{number:051x}"


class Load(TestCase):
    """A switch whose ports are never opened, so that a Join waits."""

    timeout = 120

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        self.vrs = Vrs()
        self.addCleanup(self.vrs.stop)
        self.vrs.end("ovs-vswitchd")
        self.plugin = Plugin(reactor, self.vrs, call_timeout=60.0, wire_timeout=60.0)
        self.addCleanup(lambda: ensureDeferred(self.plugin.stop()))
        judge = Judge(self.plugin.switch, self.plugin.containers, strict=False)
        times = Times(reactor)
        self.ledger = Ledger(reactor, times.now, self.plugin.switch, judge)
        self.ledger.start()
        self.addCleanup(self.ledger.stop)
        self.reporter = Reporter(
            times,
            scope="local",
            log_level=lambda: "Info",
            watches=(),
            ledger=self.ledger,
            account=Account(),
            unfinished=tuple,
        )
        report = self.reporter.report
        self.wire = Wire(PluginSite(tree(Status(report), {"": Page(report).resource()}), Clock()))
        return ensureDeferred(self.fill())

    async def fill(self) -> None:
        """Make the network and the endpoints, as rows."""
        await self.plugin.switch.ready()
        pool = [{"Gateway": "10.21.255.254/16", "Pool": "10.21.0.0/16"}]
        await self.plugin.driver.create_network(network_request(IPv4Data=pool))
        network = self.plugin.switch.network(NETWORK)
        assert network is not None
        for number in range(MANY):
            endpoint = Endpoint.from_record(json.dumps({**self.record(number)}))
            container = Container(id=ident(number), name=f"web-{number}")
            await self.plugin.client.transact(*transactions.attach(BRIDGE, network, endpoint, container, None))

    def record(self, number: int) -> dict[str, Any]:
        """Return the record of an endpoint."""
        return {
            "id": ident(number),
            "network_id": NETWORK,
            "mac": f"7a:42:0a:15:{number >> 8:02x}:{number & 255:02x}",
            "address": f"10.21.{number >> 8}.{number & 255}/16",
        }

    def answer(self, path: bytes) -> tuple[int, Answer]:
        """Return an answer, and how many lines of Python it ran."""
        with Lines() as lines:
            (answer,) = self.wire.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        return lines.count, answer

    async def test_an_answer(self) -> None:
        """The first one, and the one that follows, cost little and show all."""
        while self.ledger.pending:
            await waiting(reactor, 0.05)
        joins = [self.begin_join(number) for number in range(MANY, MANY + JOINS)]
        self.addCleanup(self.end, joins)
        while len(self.plugin.client.cache["Interface"].rows) < MANY + JOINS:
            await waiting(reactor, 0.05)
        seen = self.quick(b"/status").json()
        self.assertEqual((seen["endpoint_states"]["waiting"], len(seen["endpoints"])), (MANY + JOINS, MANY + JOINS))
        self.assertIn(port_name(ident(MANY)), {each["link"] for each in seen["endpoints"]})
        self.assertEqual(self.quick(b"/").body.count(b'<tr id="endpoint-'), MANY + JOINS)
        self.assertFalse(any(join.called for join in joins))

    def quick(self, path: bytes) -> Answer:
        """Return an answer that has to cost little; the same answer again, too."""
        (first, answer), (again, _) = self.answer(path), self.answer(path)
        self.assertLess(max(first, again) / (MANY + JOINS), ALLOWED[path])
        return answer

    def end(self, joins: list[Deferred[Any]]) -> Deferred[Any]:
        """Give up all Joins."""
        for join in joins:
            join.cancel()
        return DeferredList(joins, consumeErrors=True)

    def begin_join(self, number: int) -> Deferred[Any]:
        """Create an endpoint and begin to join it."""

        async def work() -> None:
            interface = {"Address": self.record(number)["address"], "AddressIPv6": "", "MacAddress": ""}
            body = endpoint_body(EndpointID=ident(number), Interface=interface)
            await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(body)))
            await self.plugin.driver.join(payloads.EndpointCall(NETWORK, ident(number)))

        return ensureDeferred(work())
