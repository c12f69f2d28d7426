"""The client against a server that the test plays, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from itertools import pairwise
from typing import Any

from ovs.db.schema import DbSchema
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from nuage.ovsdb.client import Change, Monitored, OvsdbClient, Row
from nuage.ovsdb.errors import (
    CallTimedOut,
    ConnectionLost,
    ConstraintViolation,
    NotConnected,
    ProtocolViolation,
    SchemaMismatch,
    ValueNotEncodable,
    WaitExpired,
)
from nuage.ovsdb.operations import Comment, Insert
from nuage.ovsdb.protocol import CLOSING_TIME
from nuage.ovsdb.results import Done, Inserted
from tests.ovsdb_support import SCHEMA_WIRE, FakeRemote, uuid

MONITORED = [Monitored("T", ("name", "number", "absent"), ("name",)), Monitored("Absent", ("name",))]
ROW = {"T": {uuid(1): {"initial": {"name": "one", "number": 1}}}}


def run(coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
    """Start a coroutine."""
    return Deferred.fromCoroutine(coroutine)


class ClientCase(SynchronousTestCase):
    """A started client on a fake remote."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.remote = FakeRemote()
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self.observe)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)  # type: ignore[arg-type]
        self.client = self.make()

    def make(self, **options: Any) -> OvsdbClient:
        options = {"call_timeout": 10, "probe_interval": 5, "jitter": lambda: 0.0, **options}
        return OvsdbClient(self.clock, self.remote, "db", MONITORED, **options)

    def observe(self, event: Any) -> None:
        if event["log_level"] == LogLevel.warn and event["log_namespace"].startswith("nuage"):
            self.logged.append(event["log_format"].format(**event))

    def tearDown(self) -> None:
        stopping = run(self.client.stop())
        self.clock.advance(0)
        self.assertIsNone(self.successResultOf(stopping))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def load(self, content: Any = ROW) -> None:
        self.client.start()
        self.remote.last.load(content)
        self.assertTrue(self.client.synced)

    def reconnect(self) -> None:
        self.clock.advance(0)
        self.clock.advance(10)


class Handshake(ClientCase):
    """From the connection to a loaded cache."""

    def test_load(self) -> None:
        """The schema is read, then what it has of the wanted columns is asked for."""
        self.client.start()
        connection = self.remote.last
        self.assertEqual(connection.answer("get_schema", SCHEMA_WIRE)["params"], ["db"])
        call = connection.answer("monitor_cond_since", [False, uuid(0), ROW])
        self.assertEqual(call["params"][2], {"T": [{"columns": ["name", "number"]}]})
        row = self.client.cache["T"].find("name", "one")
        assert row is not None
        self.assertEqual(dict(row), {"name": "one", "number": 1})
        self.assertEqual(dict(self.client.cache["Absent"].rows), {})
        assert self.client.schema is not None
        self.assertEqual(self.client.schema.version, "1.2.3")
        self.assertIn("cache is current", self.client.status)

    def test_older_servers(self) -> None:
        """An unknown form of monitor is replaced by the next older one, and only then."""
        self.client.start()
        connection = self.remote.last
        connection.answer("get_schema", SCHEMA_WIRE)
        connection.answer("monitor_cond_since", None, error="unknown method")
        connection.answer("monitor_cond", None, error={"error": "unknown method", "details": "no"})
        connection.answer("monitor", {"T": {uuid(1): {"new": {"name": "one", "number": 1}}}})
        self.assertTrue(self.client.synced)

    def test_monitor_refused(self) -> None:
        """Any other error ends the session."""
        self.client.start()
        self.remote.last.answer("get_schema", SCHEMA_WIRE)
        self.remote.last.answer("monitor_cond_since", None, error="syntax error")
        self.assertTrue(self.remote.last.lost)
        self.assertIn("syntax error", self.client.status)

    def test_malformed(self) -> None:
        """A reply that makes no sense ends the session, and another one is tried."""
        for schema, content in ((1, None), (SCHEMA_WIRE, 1), (SCHEMA_WIRE, [0, 0, {"T": 1}])):
            self.client.start()
            self.remote.last.answer("get_schema", schema)
            if content is not None:
                self.remote.last.answer("monitor_cond_since", content)
            self.assertTrue(self.remote.last.lost)
            self.assertFalse(self.client.synced)
            self.reconnect()
        self.remote.last.load(ROW)
        self.assertTrue(self.client.synced)

    def test_schema_check(self) -> None:
        """A refused schema is told to those who wait, at once, and tried again; it is logged once."""

        def check(schema: DbSchema) -> None:
            if schema.version == "1.2.3":
                raise SchemaMismatch("no Nuage tables")

        self.client = self.make(check_schema=check)
        self.client.start()
        waiting = run(self.client.when_synced())
        for _ in range(3):
            self.remote.last.answer("get_schema", SCHEMA_WIRE)
            self.assertTrue(self.remote.last.lost)
            self.reconnect()
        self.assertIn("no Nuage tables", str(self.failureResultOf(waiting, SchemaMismatch).value))
        self.failureResultOf(run(self.client.transact(Comment("x"))), SchemaMismatch)
        self.assertEqual(len(self.logged), 1)
        self.remote.last.answer("get_schema", {**SCHEMA_WIRE, "version": "2.0.0"})
        self.remote.last.answer("monitor_cond_since", [False, uuid(0), ROW])
        self.assertIsNone(self.successResultOf(run(self.client.when_synced())))

    def test_schema_check_with_a_bug(self) -> None:
        """An unexpected error is logged as such and ends the session."""
        self.client = self.make(check_schema=lambda schema: 1 / 0)
        self.client.start()
        self.remote.last.answer("get_schema", SCHEMA_WIRE)
        self.assertTrue(self.remote.last.lost)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_silent_server(self) -> None:
        """A handshake that is not answered ends by its time-out."""
        self.client.start()
        self.clock.advance(9.9)
        self.assertFalse(self.remote.last.lost)
        self.clock.advance(0.1)
        self.assertTrue(self.remote.last.lost)
        self.assertIn("did not reply to get_schema within 10 s", self.client.status)


class Reconnecting(ClientCase):
    """Connections come and go, the cache stays."""

    def test_refused(self) -> None:
        """Attempts are spaced out up to the maximum and logged once."""
        self.remote.refusing = True
        self.client.start()
        waiting = run(self.client.when_synced(3))
        times = []
        for _ in range(400):
            before = self.remote.attempts
            self.clock.advance(0.1)
            if self.remote.attempts > before:
                times.append(round(self.clock.seconds(), 1))
        gaps = [later - earlier for earlier, later in pairwise(times)]
        self.assertGreaterEqual(min(gaps), 0.2)
        self.assertTrue(4.9 < max(gaps) < 5.2)
        self.assertEqual(len(self.logged), 1)
        message = str(self.failureResultOf(waiting, NotConnected).value)
        for part in ("unix:/fake", "within 3 s", "refused", "check that ovsdb-server runs"):
            self.assertIn(part, message)
        self.remote.refusing = False
        self.clock.advance(5)
        self.remote.last.load(ROW)
        self.assertTrue(self.client.synced)

    def test_dropped_at_once(self) -> None:
        """A server that accepts and drops connections is tried ever more rarely as well."""
        self.client.start()
        for _ in range(600):
            if not self.remote.last.lost:
                self.remote.last.transport.loseConnection()
            self.clock.advance(0.1)
        self.assertLess(len(self.remote.connections), 25)
        self.assertEqual(len(self.logged), 1)

    def test_real_changes(self) -> None:
        """After a reload listeners hear what really changed, whatever the form, and rows that did not are the same."""
        self.load({"T": {uuid(n): {"initial": {"name": f"r{n}", "number": n}} for n in range(4)}})
        heard: list[Sequence[Change]] = []
        reloads: list[bool] = []
        self.client.cache.subscribe(heard.append)
        self.client.on_synced(lambda: reloads.append(self.client.synced))
        kept = self.client.cache["T"].rows[uuid(1)]
        self.remote.last.transport.loseConnection()
        self.clock.advance(0)
        self.assertFalse(self.client.synced)
        self.assertEqual(len(self.client.cache["T"].rows), 4)
        self.clock.advance(10)
        self.remote.last.load(
            {
                "T": {
                    uuid(0): {"new": {"name": "r0", "number": 0}},
                    uuid(1): {"new": {"number": 1, "name": "r1"}},
                    uuid(2): {"new": {"name": "r2", "number": 22}},
                    uuid(5): {"new": {"name": "r5", "number": 5}},
                }
            }
        )
        (changes,) = heard
        self.assertEqual({change.uuid for change in changes}, {uuid(2), uuid(3), uuid(5)})
        self.assertIs(self.client.cache["T"].rows[uuid(1)], kept)
        self.assertIsNone(self.client.cache["T"].find("name", "r3"))
        self.assertEqual(reloads, [True])

    def test_stop(self) -> None:
        """Stopping closes the connection, fails who waits, and leaves nothing behind."""
        self.load()
        row = run(self.client.wait_until("T", uuid(1), lambda _: None, 10))
        stopping = run(self.client.stop())
        synced = run(self.client.when_synced(1))
        self.clock.advance(0)
        self.assertIsNone(self.successResultOf(stopping))
        self.failureResultOf(row, NotConnected)
        self.clock.advance(1)
        self.failureResultOf(synced, NotConnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.logged, [])

    def test_stop_with_a_stuck_peer(self) -> None:
        """A peer that does not take the rest of the data is cut off."""
        self.load()
        transport = self.remote.last.transport
        transport.loseConnection = lambda: None  # type: ignore[method-assign]
        stopping = run(self.client.stop())
        self.clock.advance(CLOSING_TIME - 0.01)
        self.assertNoResult(stopping)
        self.clock.advance(0.01)
        self.clock.advance(0)
        self.assertIsNone(self.successResultOf(stopping))

    def test_conversion(self) -> None:
        """A canceled monitor means that the schema changes: connect anew."""
        self.load()
        self.remote.last.notify("monitor_canceled", "nuage")
        self.assertTrue(self.remote.last.lost)
        self.reconnect()
        self.remote.last.load(ROW)
        self.assertTrue(self.client.synced)


class Stream(ClientCase):
    """What the server may send."""

    def test_echo(self) -> None:
        """The server's probes are answered."""
        self.load()
        self.remote.last.send(id="echo", method="echo", params=["x"])
        self.assertEqual(self.remote.last.received(), [{"id": "echo", "result": ["x"], "error": None}])

    def test_probe(self) -> None:
        """Silence is probed, an answer calms, no answer drops the connection."""
        self.load()
        self.clock.advance(3)
        self.remote.last.notify("update3", "nuage", uuid(0), {})
        self.clock.advance(4.9)
        self.assertEqual(self.remote.last.received(), [])
        self.clock.advance(0.1)
        self.remote.last.answer("echo", [])
        self.clock.advance(5)
        self.remote.last.expect("echo")
        self.clock.advance(4.9)
        self.assertFalse(self.remote.last.lost)
        # A busy machine is a little late, which is nobody's business.
        self.clock.advance(0.1004)
        self.assertTrue(self.remote.last.lost)
        self.assertIn("was silent for 10 s and did not answer a probe", self.client.status)

    def test_probe_of_a_rounded_time(self) -> None:
        """The time of the next probe may not be that of the last word plus the interval, but a rounding error less."""
        self.load()
        heard = 5.914992793381413
        self.assertLess((heard + 5) - heard, 5)
        self.clock.rightNow = heard
        self.remote.last.notify("update3", "nuage", uuid(0), {})
        asked: list[float] = []
        later = self.clock.callLater

        def note(delay: float, *arguments: Any, **keywords: Any) -> IDelayedCall:
            asked.append(delay)
            if len(asked) > 10:
                raise AssertionError("it is called at once again and again")
            return later(delay, *arguments, **keywords)

        self.patch(self.clock, "callLater", note)
        self.clock.advance(1)
        self.clock.rightNow = heard + 5
        self.clock.advance(0)
        self.remote.last.expect("echo")

    def test_ignored(self) -> None:
        """What nobody asked for does no harm."""
        self.load()
        connection = self.remote.last
        connection.send(id=99, result={}, error=None)
        connection.send(id=[], result={})
        connection.send(id=True, error="x")
        connection.send(id="x", method="steal", params=[])
        connection.notify("update", "other", {"T": {}})
        connection.notify("stolen", "nuage")
        connection.notify("locked")
        self.assertTrue(self.client.synced)
        self.assertEqual(connection.received(), [])

    def test_garbage(self) -> None:
        """What is not the protocol drops the connection, and the client comes back."""
        for garbage in (
            b"HTTP/1.1 400 Bad Request",
            b"{]}",
            b"{}",
            b'{"id": null, "method": "update3", "params": ["nuage", 0, {"T": {"x": {"modify": {}}}}]}',
            b'{"id": null, "method": "update3", "params": ["nuage", 0, {"Other": {}}]}',
            b'{"id": null, "method": "update3", "params": ["nuage"]}',
            b'{"id": null, "method": "update3", "params": {}}',
            b'{"a":' * 200,
        ):
            with self.subTest(garbage=garbage):
                self.client.start()
                if not self.client.synced:
                    self.remote.last.load(ROW)
                self.remote.last.protocol.dataReceived(garbage)
                self.assertTrue(self.remote.last.lost)
                self.assertFalse(self.client.synced)
                self.assertIsInstance(self.client._failure, ProtocolViolation)
                self.reconnect()

    def test_frame_limit(self) -> None:
        """The memory that a server can take is bounded."""
        self.client = self.make(frame_limit=1000)
        self.client.start()
        self.remote.last.protocol.dataReceived(b'{"' + b"x" * 1000)
        self.assertTrue(self.remote.last.lost)

    def test_nothing_after_a_drop(self) -> None:
        """What came with the offending message, behind it, is not looked at."""
        self.load()
        heard: list[Sequence[Change]] = []
        self.client.cache.subscribe(heard.append)
        update = b'{"id":null,"method":"update3","params":["nuage",0,{"T":{"x":{"insert":{"name":"x"}}}}]}'
        self.remote.last.protocol.dataReceived(b'{"id":null,"method":"monitor_canceled","params":["nuage"]}' + update)
        self.assertEqual(heard, [])


class Transactions(ClientCase):
    """Operations out, results in."""

    def test_success(self) -> None:
        """Operations are encoded by the schema; when the result is there the cache is current."""
        self.load()
        outcome = run(self.client.transact(Insert("T", {"name": "two", "ids": {"a": "b"}}, "new"), Comment("hello")))
        call = self.remote.last.expect("transact")
        self.assertEqual(
            call["params"],
            [
                "db",
                {
                    "op": "insert",
                    "table": "T",
                    "row": {"name": "two", "ids": ["map", [["a", "b"]]]},
                    "uuid-name": "new",
                },
                {"op": "comment", "comment": "hello"},
            ],
        )
        self.remote.last.notify("update3", "nuage", uuid(0), {"T": {uuid(2): {"insert": {"name": "two"}}}})
        self.assertNoResult(outcome)
        self.remote.last.send(id=call["id"], error=None, result=[{"uuid": ["uuid", uuid(2)]}, {}])
        self.assertEqual(self.successResultOf(outcome), [Inserted(uuid(2)), Done()])
        self.assertIsNotNone(self.client.cache["T"].find("name", "two"))

    def test_failure(self) -> None:
        """An error inside of the result is an exception, the connection stays."""
        self.load()
        outcome = run(self.client.transact(Comment("x")))
        self.remote.last.answer("transact", [{}, {"error": "constraint violation", "details": "dup"}])
        self.assertIsNone(self.failureResultOf(outcome, ConstraintViolation).value.operation)
        self.assertTrue(self.client.synced)

    def test_waits_for_a_connection(self) -> None:
        """Nothing is sent before the cache is loaded."""
        self.client.start()
        outcome = run(self.client.transact(Comment("x")))
        self.clock.advance(4)
        self.remote.last.load(ROW)
        self.remote.last.answer("transact", [{}])
        self.assertEqual(self.successResultOf(outcome), [Done()])

    def test_not_connected(self) -> None:
        """The wait for a connection is bounded."""
        outcome = run(self.client.transact(Comment("x"), timeout=2))
        self.clock.advance(2)
        self.failureResultOf(outcome, NotConnected)

    def test_lost(self) -> None:
        """A lost connection fails each pending call, naming it."""
        self.load()
        outcomes = [run(self.client.transact(Comment("x"))) for _ in range(2)]
        self.remote.last.transport.loseConnection()
        self.clock.advance(0)
        for outcome in outcomes:
            error = self.failureResultOf(outcome, ConnectionLost).value
            self.assertEqual(error.method, "transact")

    def test_timed_out(self) -> None:
        """When no reply comes the session ends: only a fresh load tells what happened."""
        self.load()
        outcome = run(self.client.transact(Comment("x"), timeout=1))
        self.clock.advance(1)
        self.assertEqual(self.failureResultOf(outcome, CallTimedOut).value.method, "transact")
        self.assertTrue(self.remote.last.lost)
        self.assertFalse(self.client.synced)

    def test_durations(self) -> None:
        """Whoever wants to hears how long each took, well or not, without the wait for a connection."""
        heard: list[float] = []

        def fail(_seconds: float) -> None:
            raise ZeroDivisionError

        self.client.on_transaction(fail)
        self.client.on_transaction(heard.append)
        early = run(self.client.transact(Comment("x")))
        self.clock.advance(5)
        self.load()
        self.clock.advance(2)
        self.remote.last.answer("transact", [{}])
        self.assertEqual(self.successResultOf(early), [Done()])
        refused = run(self.client.transact(Comment("y")))
        self.clock.advance(1)
        self.remote.last.answer("transact", [{"error": "constraint violation", "details": ""}])
        self.failureResultOf(refused, ConstraintViolation)
        self.assertEqual(heard, [2, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_given_up(self) -> None:
        """Giving up leaves the connection alone; the late reply is ignored."""
        self.load()
        outcome = run(self.client.transact(Comment("x")))
        outcome.cancel()
        self.failureResultOf(outcome)
        self.remote.last.answer("transact", [{}])
        self.assertTrue(self.client.synced)

    def test_one_that_waits_for_the_connection_gives_up_another(self) -> None:
        """As soon as it stands; the third is not disturbed."""
        first, second, third = (run(self.client.when_synced()) for _ in range(3))
        first.addBoth(lambda _: second.cancel())
        self.load()
        self.failureResultOf(second, CancelledError)
        self.successResultOf(third)

    def test_one_that_waits_in_vain_gives_up_another(self) -> None:
        """The third is told that there will be no connection."""
        first, second, third = (run(self.client.when_synced()) for _ in range(3))
        first.addBoth(lambda _: second.cancel())
        run(self.client.stop())
        self.failureResultOf(second, CancelledError)
        self.failureResultOf(third, NotConnected)

    def test_not_encodable(self) -> None:
        """A value that does not fit is not sent."""
        self.load()
        outcome = run(self.client.transact(Insert("T", {"name": 1})))
        self.assertIn("column name of table T", str(self.failureResultOf(outcome, ValueNotEncodable).value))
        self.assertEqual(self.remote.last.received(), [])


class Waiting(ClientCase):
    """wait_until."""

    def number(self, row: Row | None) -> Any:
        return "gone" if row is None else row["number"] if row["number"] != 1 else None

    def change(self, **columns: Any) -> None:
        self.remote.last.notify("update3", "nuage", uuid(0), {"T": {uuid(1): {"modify": columns}}})

    def wait(self) -> Deferred[Any]:
        return run(self.client.wait_until("T", uuid(1), self.number, 30))

    def test_now(self) -> None:
        """A row that is there already is enough."""
        self.load()
        self.assertEqual(self.successResultOf(run(self.client.wait_until("T", uuid(9), self.number, 1))), "gone")

    def test_change(self) -> None:
        """Each waiter gets the first result that is not None."""
        self.load()
        waits = [self.wait(), self.wait()]
        self.change(name="other")
        for wait in waits:
            self.assertNoResult(wait)
        self.change(number=2)
        self.assertEqual([self.successResultOf(wait) for wait in waits], [2, 2])

    def test_deleted(self) -> None:
        """A deleted row is None."""
        self.load()
        wait = self.wait()
        self.remote.last.notify("update3", "nuage", uuid(0), {"T": {uuid(1): {"delete": None}}})
        self.assertEqual(self.successResultOf(wait), "gone")

    def test_reconnect(self) -> None:
        """A wait outlives the connection."""
        self.load()
        wait = self.wait()
        self.remote.last.transport.loseConnection()
        self.reconnect()
        self.assertNoResult(wait)
        self.remote.last.load({"T": {uuid(1): {"initial": {"name": "one", "number": 7}}}})
        self.assertEqual(self.successResultOf(wait), 7)

    def test_before_the_first_load(self) -> None:
        """A row that was not loaded yet is not taken for a deleted one."""
        wait = self.wait()
        self.load()
        self.assertNoResult(wait)
        self.change(number=3)
        self.assertEqual(self.successResultOf(wait), 3)

    def test_expired(self) -> None:
        """It does not last forever."""
        self.load()
        wait = run(self.client.wait_until("T", uuid(1), self.number, 3))
        self.clock.advance(3)
        self.assertIn(uuid(1), str(self.failureResultOf(wait, WaitExpired).value))
        self.change(number=3)
        self.assertEqual(self.client._waits._waits, {})

    def test_predicate_fails(self) -> None:
        """What the predicate raises is raised by the wait."""
        self.load()

        def predicate(row: Row | None) -> int | None:
            assert row is not None
            if row["number"] == 2:
                raise LookupError("bad")
            return None

        wait = run(self.client.wait_until("T", uuid(1), predicate, 3))
        self.change(number=2)
        self.failureResultOf(wait, LookupError)

    def test_one_gives_up_another(self) -> None:
        """When the row changes; the third gets its result."""
        self.load()
        first, second, third = (self.wait() for _ in range(3))
        first.addBoth(lambda _: second.cancel())
        self.change(number=2)
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.successResultOf(third), 2)
        self.assertEqual(self.client._waits._waits, {})

    def test_one_gives_up_another_at_the_end(self) -> None:
        """When the client is stopped; the third fails with that."""
        self.load()
        first, second, third = (self.wait() for _ in range(3))
        first.addBoth(lambda _: second.cancel())
        run(self.client.stop())
        self.failureResultOf(second, CancelledError)
        self.failureResultOf(third, NotConnected)
        self.assertEqual(self.client._waits._waits, {})

    def test_given_up(self) -> None:
        """A waiter that leaves is forgotten."""
        self.load()
        wait = self.wait()
        wait.cancel()
        self.failureResultOf(wait)
        self.assertEqual(self.client._waits._waits, {})


class WaitingForARow(ClientCase):
    """when_there."""

    def wait(self, name: str = "two") -> Deferred[Row]:
        return run(self.client.when_there("T", "name", name))

    def insert(self, name: str) -> None:
        inserted = {"T": {uuid(2): {"insert": {"name": name, "number": 2}}}}
        self.remote.last.notify("update3", "nuage", uuid(0), inserted)

    def test_now(self) -> None:
        """One that is there already is enough."""
        self.load()
        self.assertEqual(self.successResultOf(self.wait("one")).uuid, uuid(1))

    def test_comes(self) -> None:
        """Another one does not count."""
        self.load()
        wait = self.wait()
        self.insert("three")
        self.assertNoResult(wait)
        self.remote.last.notify("update3", "nuage", uuid(0), {"T": {uuid(2): {"modify": {"name": "two"}}}})
        self.assertEqual(self.successResultOf(wait).uuid, uuid(2))
        self.assertEqual(self.client._waits._waits, {})

    def test_comes_with_the_load(self) -> None:
        """What is waited for longest need not be the row."""
        self.client.start()
        wait = self.wait("one")
        self.assertNoResult(wait)
        self.remote.last.load(ROW)
        self.assertEqual(self.successResultOf(wait).uuid, uuid(1))

    def test_expired(self) -> None:
        """The time that the connection takes is part of it."""
        self.client.start()
        wait = self.wait()
        self.clock.advance(4)
        self.remote.last.load(ROW)
        self.clock.advance(5)
        self.assertNoResult(wait)
        self.clock.advance(1)
        self.failureResultOf(wait, WaitExpired)
        self.assertEqual(self.client._waits._waits, {})

    def test_the_database_goes_meanwhile(self) -> None:
        """It is what is missing then."""
        self.load()
        wait = self.wait()
        self.remote.last.transport.loseConnection()
        self.clock.advance(10)
        self.failureResultOf(wait, NotConnected)


class Listening(ClientCase):
    """Listeners of the client."""

    def test_failing_listener(self) -> None:
        """A listener that fails is logged and disturbs nobody."""
        heard: list[Sequence[Change]] = []
        synced: list[None] = []
        self.client.cache.subscribe(lambda changes: 1 / 0)  # type: ignore[arg-type]
        self.client.cache.subscribe(heard.append)
        self.client.on_synced(lambda: 1 / 0)  # type: ignore[arg-type]
        unsubscribe = self.client.on_synced(lambda: synced.append(None))
        self.load()
        self.assertEqual((len(heard), len(synced)), (1, 1))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        unsubscribe()
        unsubscribe()
