"""A server, or what stands between, that answers and sends no updates any more."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import UNIXClientEndpoint, UNIXServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from lab.schema import write_schema
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.model import Endpoint
from nuage.ovsdb.cache import Cache
from nuage.ovsdb.client import Monitored
from nuage.ovsdb.comparison import Comparison
from nuage.ovsdb.effects import must_show
from nuage.ovsdb.errors import MonitorSilent
from nuage.ovsdb.framing import Splitter
from nuage.ovsdb.notation import Named, Value
from nuage.ovsdb.operations import Comment, Delete, Insert, Mutate, Operation, Select, Update, Wait, Where
from nuage.ovsdb.results import Affected, Done, Inserted, Result, Selected
from nuage.ovsdb.schema import parse_schema
from nuage.vrs import tables, transactions
from tests.driver_support import ENDPOINT, NETWORK, Plugin, endpoint_body, network_request
from tests.ovsdb_support import SCHEMA_WIRE, schema, uuid
from tests.test_ovsdb_client import ClientCase, run
from tests.vrs_support import BRIDGE, Vrs, waiting

reactor: Any = _reactor
ONE: Where = [("name", "==", "one")]
MONITORED = [Monitored("T", ("name", "number", "tags", "ids"), ("name",))]
ROW = {"name": "one", "number": 1, "tags": ["set", ["a"]], "ids": ["map", [["k", "v"]]]}


class Effects(SynchronousTestCase):
    """What a transaction must have changed."""

    def shows(self, *operations: Operation, found: int = 1) -> bool:
        """Tell whether a transaction must show, whose operations find so many rows."""
        cache = Cache(MONITORED, self.fail)
        cache.load(schema(), {"T": {uuid(1): {"initial": ROW}}})
        results: list[Result] = []
        for operation in operations:
            if isinstance(operation, Insert):
                results.append(Inserted(uuid(2)))
            else:
                results.append(Done() if isinstance(operation, Comment | Wait) else Affected(found))
        return must_show(schema(), cache, operations, results)

    def test_rows_that_come_or_go(self) -> None:
        """Unless one transaction inserts and deletes, or nothing was found, or nobody monitors the table."""
        assert self.shows(Insert("T", {}))
        assert self.shows(Delete("T", ONE))
        assert not self.shows(Delete("T", ONE), found=0)
        assert not self.shows(Insert("T", {}), Delete("T", ONE))
        assert self.shows(Delete("T", ONE), Insert("T", {}))
        assert self.shows(Delete("T", ONE), Insert("T", {}), Delete("T", ONE))
        assert self.shows(Wait("T", ONE, ["name"], "==", []), Update("T", ONE, {"number": 2}))
        assert not self.shows(Insert("U", {}), Delete("U", ONE))
        assert not self.shows(Comment("x"))
        assert not self.shows()

    def test_rows_whose_table_is_no_root(self) -> None:
        """One that nothing refers to goes at once; one that a row which is there refers to stays."""
        known = SCHEMA_WIRE["tables"]
        wire = {**SCHEMA_WIRE, "tables": {**known, "U": {**known["U"], "isRoot": False}}}
        cache = Cache([*MONITORED, Monitored("U", ("name",))], self.fail)
        cache.load(parse_schema(wire), {"T": {uuid(1): {"initial": ROW}}})
        insert, refers = Insert("U", {}, "new"), frozenset({Named("new")})
        for others, found, shows in (
            ([], 1, False),
            ([Mutate("T", ONE, [("refs", "insert", refers)])], 1, True),
            ([Update("T", ONE, {"refs": refers})], 1, True),
            ([Mutate("T", ONE, [("refs", "insert", refers)])], 0, False),
            ([Mutate("T", ONE, [("refs", "delete", refers)])], 1, False),
            ([Mutate("T", ONE, [("peers", "insert", {"x": Named("new")})])], 1, False),
            ([Mutate("T", ONE, [("refs", "insert", refers)]), Update("T", ONE, {"refs": frozenset()})], 1, False),
            ([Insert("T", {"refs": refers}), Delete("T", ONE)], 1, False),
        ):
            results = [Inserted(uuid(2)) if isinstance(each, Insert) else Affected(found) for each in others]
            shown = must_show(parse_schema(wire), cache, [insert, *others], [Inserted(uuid(2)), *results])
            self.assertEqual(shown, shows, others)

    def test_a_port_that_is_put_back(self) -> None:
        """The bridge had no record to lose, and its ports are not monitored."""
        path = Path(self.mktemp())
        write_schema(path)
        known = parse_schema(json.loads(path.read_text()))
        endpoint = Endpoint(
            id="e" * 64, network_id=NETWORK, mac="7a:42:00:00:00:01", address=IPv4Interface("10.0.0.2/24")
        )
        cache = Cache(tables.MONITORED, self.fail)
        cache.load(known, {tables.BRIDGE: {uuid(1): {"initial": {"name": BRIDGE, "external_ids": ["map", []]}}}})
        plug = transactions.plug(BRIDGE, endpoint)
        results = [Inserted(uuid(2)) if isinstance(each, Insert) else Affected(1) for each in plug]
        assert must_show(known, cache, plug, results)

    def test_updates(self) -> None:
        """Of what is monitored, to another value."""
        assert self.shows(Update("T", ONE, {"number": 2}))
        assert self.shows(Update("T", [("_uuid", "==", uuid(1))], {"number": 2}))
        assert not self.shows(Update("T", ONE, {"number": 1}))
        assert not self.shows(Update("T", ONE, {"number": 2}), found=0)
        assert not self.shows(Update("T", ONE, {"share": 0.5}))
        assert not self.shows(Update("T", [("number", "==", 1)], {"number": 2}))
        assert not self.shows(Update("T", [("name", "!=", "two")], {"number": 2}))
        assert not self.shows(Update("T", ONE, {"number": 2}), Update("T", ONE, {"number": 1}))

    def test_mutations(self) -> None:
        """What they come to."""
        for column, mutator, operand, changes in (
            ("ids", "insert", {"new": "x"}, True),
            ("ids", "insert", {"k": "another"}, False),
            ("ids", "delete", frozenset({"k"}), True),
            ("ids", "delete", frozenset({"absent"}), False),
            ("ids", "delete", {"k": "v"}, True),
            ("ids", "delete", {"k": "another"}, False),
            ("tags", "insert", frozenset({"b"}), True),
            ("tags", "insert", frozenset({"a"}), False),
            ("tags", "insert", frozenset({Named("x")}), True),
            ("tags", "delete", frozenset({"a"}), True),
            ("tags", "delete", frozenset({"b"}), False),
            ("number", "+=", 1, False),
            ("refs", "insert", frozenset({uuid(3)}), False),
        ):
            assert self.shows(Mutate("T", ONE, [(column, mutator, operand)])) == changes, (column, mutator, operand)
        overwritten: list[tuple[str, str, Value]] = [("ids", "delete", frozenset({"k"})), ("ids", "insert", {"k": "v"})]
        assert not self.shows(Mutate("T", ONE, overwritten))
        assert self.shows(Mutate("T", ONE, [overwritten[0], ("ids", "insert", {"k": "w"})]))


class Played(ClientCase):
    """On a server that the test plays."""

    def test_a_transaction_that_must_show(self) -> None:
        """Its outcome is not known until the tables are loaded again."""
        self.load({})
        call = run(self.client.transact(Insert("T", {"name": "x"})))
        self.remote.last.answer("transact", [{"uuid": ["uuid", uuid(1)]}])
        self.failureResultOf(call, MonitorSilent)
        assert self.remote.last.lost
        self.reconnect()
        self.remote.last.load({"T": {uuid(1): {"initial": {"name": "x"}}}})
        assert [line for line in self.logged if "monitor fell silent" in line] == self.logged

    def test_a_transaction_without_an_effect(self) -> None:
        """There is nothing that had to come."""
        self.load({})
        for _ in range(2):
            call = run(self.client.transact(Delete("T", ONE)))
            self.remote.last.answer("transact", [{"count": 0}])
            self.successResultOf(call)
        assert self.client.synced


class Compared(SynchronousTestCase):
    """What is read of a small table, T, and of a large one, U."""

    def setUp(self) -> None:
        self.cache = Cache([*MONITORED, Monitored("U", ("name",))], self.fail)
        self.load(120)

    def load(self, number: int) -> None:
        """Load the cache with one row of T and some rows of U."""
        rows = {uuid(each): {"initial": {"name": str(each)}} for each in range(number)}
        self.cache.load(schema(), {"T": {uuid(1): {"initial": ROW}}, "U": rows})

    def read(self, comparison: Comparison, **others: str | None) -> Sequence[str]:
        """Have a database answer that has what the cache has, but for others; return in which tables it differs."""
        results = []
        for question in comparison.questions():
            rows = {key: dict(row) for key, row in self.cache[question.table].rows.items()}
            if question.where:
                ((_, _, key),) = question.where
                assert isinstance(key, str)
                self.asked.append(key)
                name = others.get(f"row{int(key[-4:], 16)}", rows[key]["name"])
                rows = {} if name is None else {key: {"name": name}}
            results.append(Selected(tuple({"_uuid": key, **row} for key, row in rows.items())))
        return comparison.differing(results)

    def test_rows_in_turn(self) -> None:
        """All are read before the first is read again, with those that have come meanwhile."""
        comparison = Comparison(self.cache, schema(), ["T", "U", "Absent"], ["T"])
        rounds = []
        for _ in range(4):
            self.asked: list[str] = []
            assert self.read(comparison) == []
            rounds.append(self.asked)
            self.load(121)
        assert [len(each) for each in rounds] == [50, 50, 20, 50]
        assert {each for some in rounds[:3] for each in some} == {uuid(number) for number in range(120)}
        assert len([*comparison.questions()]) == 51

    def test_a_row_that_differs(self) -> None:
        """It is read again until it agrees: one that others have changed or removed."""
        comparison = Comparison(self.cache, schema(), ["T", "U"], ["T"])
        self.asked = []
        for other in ("other", None):
            assert self.read(comparison, row7=other) == ["U"]
        assert self.read(comparison) == []
        assert len({*self.asked}) == 50
        # A row that has gone from both.
        comparison.questions()
        self.load(0)
        there = Selected(({"_uuid": uuid(1), **self.cache["T"].rows[uuid(1)]},))
        assert comparison.differing([there, *[Selected(())] * 50]) == []

    def test_nothing_to_compare(self) -> None:
        """Without a small table that the database has."""
        assert not Comparison(self.cache, schema(), ["T", "U"], [])
        assert not Comparison(self.cache, schema(), ["T", "U"], ["Absent"])


class Witnesses(ClientCase):
    """Small tables that are read now and then."""

    def make(self, **options: Any) -> Any:
        return super().make(witnesses=("T", "Absent"), **options)

    def answer(self, *numbers: int) -> None:
        """Answer a question with rows of these numbers."""
        rows = [{"_uuid": ["uuid", uuid(n)], "name": str(n), "number": n} for n in numbers]
        question = {"op": "select", "table": "T", "where": [], "columns": ["_uuid", "name", "number"]}
        assert self.reply({"rows": rows}) == [question]

    def reply(self, result: object) -> Any:
        """Answer a question, and the probe that came with it; return the question's operations."""
        (question,) = [message for message in self.remote.last.received() if message["method"] != "echo"]
        self.remote.last.send(id=question["id"], result=[result], error=None)
        return question["params"][1:]

    def tell(self, number: int) -> None:
        """Send the update that inserts a row."""
        update = {uuid(number): {"insert": {"name": str(number), "number": number}}}
        self.remote.last.notify("update3", "nuage", uuid(0), {"T": update})

    def test_all_is_well(self) -> None:
        """Nothing happens, however long."""
        self.load({})
        for number in range(1, 9):
            self.tell(number)
            self.clock.advance(5)
            self.answer(*range(1, number + 1))
        assert self.client.synced

    def test_a_difference_that_lasts(self) -> None:
        """The connection is dropped at the second look."""
        self.load({})
        self.clock.advance(5)
        self.answer(1)
        assert self.client.synced
        self.clock.advance(5)
        self.answer(1)
        assert not self.client.synced
        assert "monitor fell silent: updates of T did not come" in self.client.status
        self.reconnect()
        self.remote.last.load({"T": {uuid(1): {"initial": {"name": "1", "number": 1}}}})
        self.clock.advance(5)
        self.answer(1)
        assert self.client.synced

    def test_a_difference_that_does_not_last(self) -> None:
        """Updates came meanwhile."""
        self.load({})
        for number in range(1, 5):
            self.clock.advance(5)
            self.answer(*range(1, number + 1))
            self.tell(number)
        assert self.client.synced

    def test_a_refused_question(self) -> None:
        """It is not asked again, and nothing else changes."""
        self.load({})
        self.clock.advance(5)
        self.reply({"error": "permission error"})
        assert self.client.synced
        self.clock.advance(5)
        assert [message["method"] for message in self.remote.last.received()] == ["echo"]


class _Deaf(Protocol):
    """A connection through which no notification comes once it is deaf."""

    def __init__(self, path: str, deaf: Callable[[], bool]) -> None:
        self._deaf = deaf
        self._splitter = Splitter()
        self._early: list[bytes] = []
        self._server: Any = None
        server = Protocol()
        server.dataReceived = self._answered  # type: ignore[method-assign]
        server.connectionLost = lambda *_: self.transport.loseConnection()  # type: ignore[method-assign,union-attr]
        connectProtocol(UNIXClientEndpoint(reactor, path), server).addCallback(self._connected)

    def _connected(self, server: Any) -> None:
        self._server = server
        for data in self._early:
            server.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        if self._server is None:
            self._early.append(data)
        else:
            self._server.transport.write(data)

    def _answered(self, data: bytes) -> None:
        for frame in self._splitter.feed(data):
            if not self._deaf() or json.loads(frame).get("id") is not None:
                self.transport.write(bytes(frame))  # type: ignore[union-attr]

    def connectionLost(self, *_reason: object) -> None:
        if self._server is not None:
            self._server.transport.loseConnection()


class OnAServer(TestCase):
    """A real ovsdb-server behind a proxy that drops all notifications."""

    timeout = 60

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        self.vrs = Vrs()
        self.addCleanup(self.vrs.stop)
        self.told: list[str] = []
        globalLogPublisher.addObserver(self._observe)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, self._observe)  # type: ignore[arg-type]
        return ensureDeferred(self._start())

    def _observe(self, event: Any) -> None:
        if event["log_namespace"].startswith("nuage.ovsdb") and event["log_level"] == LogLevel.warn:
            self.told.append(event["log_format"].format(**event))

    async def _start(self) -> None:
        self.deaf = False
        path = self.vrs.folder / "proxy.sock"
        sessions = Factory()
        sessions.buildProtocol = lambda _address: _Deaf(str(self.vrs.socket), lambda: self.deaf)  # type: ignore[method-assign,assignment]
        port = await UNIXServerEndpoint(reactor, str(path)).listen(sessions)
        self.addCleanup(port.stopListening)
        self.vrs.socket, database = path, self.vrs.socket
        self.plugin = Plugin(reactor, self.vrs, call_timeout=5.0, probe_interval=0.2, witnesses=tables.WITNESSES)
        self.vrs.socket = database
        self.addCleanup(lambda: ensureDeferred(self.plugin.stop()))
        await self.plugin.switch.ready()
        # Who waits for the load goes on before all have been told of it.
        await waiting(reactor, 0)

    async def loaded_again(self) -> None:
        """Wait until the tables have been loaded once more."""
        again: Deferred[None] = Deferred()
        end = self.plugin.switch.on_ready(lambda: None if again.called else again.callback(None))
        await again
        end()

    async def test_calls(self) -> None:
        """Each is carried out, and the mirror shows what it did."""
        await self.plugin.driver.create_network(network_request())
        self.deaf = True
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))
        assert self.plugin.switch.endpoint(ENDPOINT) is not None
        self.deaf = False
        await self.plugin.driver.join(payloads.EndpointCall(NETWORK, ENDPOINT))
        assert any("monitor fell silent" in line for line in self.told)

    async def test_a_hand(self) -> None:
        """What ovs-vsctl changes is noticed although the plugin writes nothing."""
        self.deaf = True
        again = ensureDeferred(self.loaded_again())
        self.vrs.vsctl("--no-wait", "--", "set", "bridge", BRIDGE, "external_ids:x=y")
        self.vrs.vsctl("set", "bridge", BRIDGE, "external_ids:x=z")
        await again
        row = self.plugin.client.cache[tables.BRIDGE].find("name", BRIDGE)
        assert row is not None
        assert dict(row["external_ids"])["x"] == "z"  # type: ignore[arg-type]

    async def test_a_controller(self) -> None:
        """The address that it gives to a port is noticed: it changes nothing else."""
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))
        await self.plugin.driver.join(payloads.EndpointCall(NETWORK, ENDPOINT))
        self.deaf = True
        again = ensureDeferred(self.loaded_again())
        other = self.vrs.client(reactor)
        other.start()
        await other.when_synced()
        await other.transact(Update(tables.NUAGE_PORT, [], {"ip_addr": "10.21.59.99"}))
        await other.stop()
        await again
        resolution = self.plugin.switch.resolution(ENDPOINT)
        assert resolution is not None
        assert resolution.address == "10.21.59.99"

    async def test_a_busy_server_that_is_not_deaf(self) -> None:
        """Whatever others change at the same time."""
        running = True

        async def change() -> None:
            number = 0
            while running:
                number += 1
                await other.transact(
                    Update(tables.OPEN_VSWITCH, [], {"next_cfg": number}),
                    Update(tables.BRIDGE, [], {"external_ids": {"x": str(number)}}),
                )

        other = self.vrs.client(reactor)
        other.start()
        (row,) = self.plugin.client.cache[tables.OPEN_VSWITCH].rows.values()
        first = row["next_cfg"]
        changing = ensureDeferred(change())
        for _ in range(300):
            (result,) = await self.plugin.client.transact(Select(tables.OPEN_VSWITCH, [], ("_uuid", "next_cfg")))
            assert isinstance(result, Selected)
            (row,) = self.plugin.client.cache[tables.OPEN_VSWITCH].rows.values()
            assert row["next_cfg"] == result.rows[0]["next_cfg"]
        assert row["next_cfg"] != first
        running = False
        await changing
        await other.stop()
        assert self.told == []
