"""The client against a real ovsdb-server, over each transport, by each form of monitor.

Without the programs of Open vSwitch these tests are skipped, except in continuous integration, where they fail.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ovs.db.schema import DbSchema
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SkipTest, TestCase

from lab.schema import write_schema
from nuage.ovsdb import errors
from nuage.ovsdb.client import Change, Monitored, OvsdbClient, Row
from nuage.ovsdb.notation import Named
from nuage.ovsdb.operations import Comment, Delete, Insert, Mutate, Operation, Select, Update, Wait
from nuage.ovsdb.remote import TlsFiles, parse_remote
from nuage.ovsdb.results import Affected, Done, Inserted, Selected
from nuage.ovsdb.session import MONITOR_FORMS
from tests.tls_support import certificates

MONITORED = [
    Monitored(
        "Interface",
        ("name", "external_ids", "ofport", "error", "mac_in_use", "statistics"),
        ("name", ("external_ids", "nuage-endpoint"), ("external_ids", "nuage-network")),
    ),
    Monitored("Port", ("name", "interfaces", "external_ids"), ("name",)),
    Monitored("Bridge", ("name", "ports"), ("name",)),
    Monitored("Open_vSwitch", ("bridges",)),
    Monitored("Nuage_Port_Table", ("name", "ip_addr", "metadata", "vrf_id", "later"), ("name",)),
    Monitored("Nuage_VM_Table", ("vm_uuid", "ports"), ("vm_uuid",)),
    Monitored("Not_There", ("name",), ("name",)),
]


class Server:
    """An ovsdb-server in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Create the database; ``options`` are for each start."""
        self.folder = folder
        self.options = options
        write_schema(folder / "schema")
        subprocess.run(["ovsdb-tool", "create", folder / "db", folder / "schema"], check=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and return when it listens: with --detach the program returns only then."""
        subprocess.run(
            [
                "ovsdb-server",
                "-vconsole:off",
                str(self.folder / "db"),
                f"--remote=punix:{self.folder}/sock",
                f"--unixctl={self.folder}/ctl",
                f"--pidfile={self.folder}/pid",
                f"--log-file={self.folder}/log",
                "--no-chdir",
                "--detach",
                *self.options,
            ],
            check=True,
        )

    def port(self) -> int:
        """Return the TCP port that the server chose, which only its log tells."""
        lines = [line for line in (self.folder / "log").read_text().splitlines() if "listening on port" in line]
        return int(lines[-1].rsplit(" ", 1)[1])

    @property
    def pid(self) -> int:
        """The process's id."""
        return int((self.folder / "pid").read_text())

    def stop(self) -> None:
        """End it, however it is."""
        if (self.folder / "pid").exists():
            pid = self.pid
            self.resume()
            subprocess.run(["ovs-appctl", "-t", str(self.folder / "ctl"), "exit"], check=True)
            while os.path.exists(f"/proc/{pid}") and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
                os.sched_yield()

    def hang(self) -> None:
        """Let it do nothing for a while."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def alter(self, *operations: dict[str, Any]) -> None:
        """Change the database while the server is down."""
        command = ["ovsdb-tool", "transact", str(self.folder / "db"), json.dumps(["Open_vSwitch", *operations])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def convert(self, table: str, column: str, definition: dict[str, Any]) -> None:
        """Add a column to the schema of the running server, as an upgrade of the switch does."""
        wanted = json.loads((self.folder / "schema").read_text())
        wanted["tables"][table]["columns"][column] = definition
        (self.folder / "schema").write_text(json.dumps(wanted))
        subprocess.run(["ovsdb-client", "convert", f"unix:{self.folder}/sock", self.folder / "schema"], check=True)


def endpoint(name: str, network: str = "n") -> list[Operation]:
    """Return the operations that add an endpoint to bridge ``br``."""
    ids = {"nuage-endpoint": f"e-{name}", "nuage-network": network}
    return [
        Insert("Interface", {"name": name, "external_ids": ids}, "interface"),
        Insert("Port", {"name": name, "interfaces": frozenset([Named("interface")])}, "port"),
        Mutate("Bridge", [("name", "==", "br")], [("ports", "insert", frozenset([Named("port")]))]),
        Insert("Nuage_Port_Table", {"name": name, "metadata": {"a": "é"}}),
        Insert("Nuage_VM_Table", {"vm_uuid": f"e-{name}", "ports": frozenset([name])}),
    ]


class ContractCase(TestCase):
    """A running server and a way to make clients."""

    timeout = 20
    options: Sequence[str] = ()

    def setUp(self) -> None:
        # The name of a Unix socket is limited to 107 bytes, which a folder of the test runner may exceed.
        folder = TemporaryDirectory(prefix="ovsdb")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.prepare()
        self.server = self.make_server()
        self.addCleanup(self.server.stop)
        self.server.start()

    def prepare(self) -> None:
        """Make what the server's options name."""
        self.tls = certificates(self.folder)

    def make_server(self) -> Any:
        """Return a server that is not started."""
        if not shutil.which("ovsdb-server") and not os.environ.get("CI"):
            raise SkipTest("ovsdb-server is not installed")
        return Server(self.folder, *(option.format(folder=self.folder) for option in self.options))

    def remote(self) -> str:
        return f"unix:{self.folder}/sock"

    def client(self, **options: Any) -> OvsdbClient:
        remote = parse_remote(options.pop("remote", self.remote()), options.pop("tls", self.tls))
        options = {"max_retry_delay": 0.1, **options}
        client = OvsdbClient(reactor, remote, options.pop("database", "Open_vSwitch"), MONITORED, **options)
        client.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(client.stop()))
        return client

    async def bridge(self, client: OvsdbClient) -> None:
        await client.transact(
            Insert("Open_vSwitch", {"bridges": frozenset([Named("bridge")])}),
            Insert("Bridge", {"name": "br"}, "bridge"),
        )


class OverUnix(ContractCase):
    """The whole contract, over a Unix socket and by the newest form of monitor."""

    async def test_life_of_an_endpoint(self) -> None:
        """Insert, look up, change, delete; after each transaction the cache is current."""
        client = self.client()
        await self.bridge(client)
        inserted = await client.transact(*endpoint("a"))
        self.assertEqual([type(result) for result in inserted], [Inserted, Inserted, Affected, Inserted, Inserted])
        row = client.cache["Interface"].find("external_ids", "e-a", key="nuage-endpoint")
        assert row is not None
        self.assertEqual(row["external_ids"], {"nuage-endpoint": "e-a", "nuage-network": "n"})
        self.assertEqual((row["ofport"], row["error"], row["statistics"]), (None, None, {}))
        port = client.cache["Port"].find("name", "a")
        assert port is not None
        self.assertEqual(port["interfaces"], frozenset([row.uuid]))
        self.assertEqual(client.cache["Nuage_Port_Table"].find("name", "a")["metadata"], {"a": "é"})  # type: ignore[index]
        self.assertEqual(len(client.cache["Not_There"].rows), 0)

        changes: list[Change] = []
        client.cache.subscribe(changes.extend)
        mine = [("_uuid", "==", row.uuid)]
        result = await client.transact(
            Mutate("Interface", mine, [("external_ids", "delete", frozenset(["nuage-network"]))]),
            Mutate("Interface", mine, [("external_ids", "insert", {"more": "x", "nuage-endpoint": "ignored"})]),
            Update("Interface", mine, {"ofport": 7, "mac_in_use": "00:00:00:00:00:01"}),
            Select("Interface", [("external_ids", "includes", {"more": "x"})], ["_uuid", "ofport"]),
            Wait("Interface", mine, ["ofport"], "==", [{"ofport": 7}]),
            Comment("done"),
        )
        self.assertEqual(
            result,
            [Affected(1), Affected(1), Affected(1), Selected(({"_uuid": row.uuid, "ofport": 7},)), Done(), Done()],
        )
        (change,) = changes
        assert change.new is not None
        self.assertEqual(change.old, row)
        self.assertEqual(change.new["external_ids"], {"nuage-endpoint": "e-a", "more": "x"})
        self.assertEqual((change.new["ofport"], change.new["mac_in_use"]), (7, "00:00:00:00:00:01"))
        self.assertEqual(client.cache["Interface"].where("external_ids", "n", key="nuage-network"), ())

        await client.transact(Update("Interface", mine, {"ofport": None, "external_ids": {}}))
        self.assertIsNone(client.cache["Interface"].rows[row.uuid]["ofport"])
        await client.transact(Mutate("Bridge", [("name", "==", "br")], [("ports", "delete", frozenset([port.uuid]))]))
        self.assertEqual((len(client.cache["Interface"].rows), len(client.cache["Port"].rows)), (0, 0))
        self.assertEqual(await client.transact(Delete("Nuage_Port_Table", [("name", "==", "zz")])), [Affected(0)])

    async def test_two_clients(self) -> None:
        """Each form of monitor shows the same content, loaded or followed."""
        followers = [self.client(monitor_forms=(form,)) for form in MONITOR_FORMS]
        for follower in followers:
            await follower.when_synced()
        writer = self.client()
        await self.bridge(writer)
        for name in "abc":
            await writer.transact(*endpoint(name))
        row = writer.cache["Nuage_Port_Table"].find("name", "b")
        assert row is not None
        await writer.transact(
            Update(
                "Nuage_Port_Table", [("name", "==", "b")], {"ip_addr": "10.0.0.1", "metadata": {"a": "1", "b": "2"}}
            ),
            Mutate("Nuage_VM_Table", [("vm_uuid", "==", "e-a")], [("ports", "insert", frozenset(["x", "y"]))]),
            Delete("Nuage_VM_Table", [("vm_uuid", "==", "e-c")]),
        )

        def address(row: Row | None) -> Any:
            return row and (row["ip_addr"] or None)

        for client in (*followers, *[self.client(monitor_forms=(form,)) for form in MONITOR_FORMS]):
            await client.when_synced()
            self.assertEqual(await client.wait_until("Nuage_Port_Table", row.uuid, address, 5), "10.0.0.1")
            for name, table in writer.cache.tables.items():
                self.assertEqual(dict(client.cache[name].rows), dict(table.rows))

    async def test_unknown_form(self) -> None:
        """A form that the server does not know is passed over."""
        client = self.client(monitor_forms=("monitor_of_the_future", "monitor"))
        await client.when_synced()
        self.assertTrue(client.synced)

    async def test_restart(self) -> None:
        """A server that comes back with other data: listeners hear the difference, and nothing else."""
        client = self.client()
        await self.bridge(client)
        for name in "abc":
            await client.transact(*endpoint(name))
        heard: list[Change] = []
        client.cache.subscribe(heard.extend)
        waiting = Deferred.fromCoroutine(
            client.wait_until(
                "Nuage_Port_Table",
                client.cache["Nuage_Port_Table"].find("name", "a").uuid,  # type: ignore[union-attr]
                lambda row: (row and row["ip_addr"]) or None,
                10,
            )
        )
        await maybeDeferred(self.server.stop)
        where = ["name", "==", "a"]
        self.server.alter(
            {"op": "update", "table": "Nuage_Port_Table", "where": [where], "row": {"ip_addr": "10.1.1.1"}},
            {"op": "delete", "table": "Nuage_VM_Table", "where": [["vm_uuid", "==", "e-b"]]},
            {"op": "insert", "table": "Nuage_VM_Table", "row": {"vm_uuid": "e-new"}},
        )
        self.server.start()
        self.assertEqual(await waiting, "10.1.1.1")
        await client.when_synced()
        told = {(change.table, change.old is None, change.new is None) for change in heard}
        self.assertEqual(
            told,
            {
                ("Nuage_Port_Table", False, False),
                ("Nuage_VM_Table", False, True),
                ("Nuage_VM_Table", True, False),
            },
        )
        self.assertEqual(len(heard), 3)

    async def test_conversion(self) -> None:
        """A schema that is converted while the server runs: the new one is read, and a new column seen at once."""
        client = self.client()
        await self.bridge(client)
        await client.transact(*endpoint("a"))
        before = client.cache["Nuage_Port_Table"].find("name", "a")
        assert before is not None
        self.assertNotIn("later", before)
        heard: list[Change] = []
        client.cache.subscribe(heard.extend)
        reloaded = Deferred[None]()
        self.addCleanup(client.on_synced(lambda: reloaded.callback(None)))
        self.server.convert("Nuage_Port_Table", "later", {"type": "string"})
        await reloaded
        after = client.cache["Nuage_Port_Table"].find("name", "a")
        assert after is not None
        self.assertEqual((dict(after), after.uuid), ({**before, "later": ""}, before.uuid))
        self.assertEqual([(change.old, change.new) for change in heard], [(before, after)])
        await client.transact(Update("Nuage_Port_Table", [("name", "==", "a")], {"later": "x"}))
        self.assertEqual(client.cache["Nuage_Port_Table"].rows[after.uuid]["later"], "x")

    async def test_transaction_errors(self) -> None:
        """Each error of a transaction has its class and, but for the commit, its operation."""
        client = self.client()
        await self.bridge(client)
        await client.transact(*endpoint("a"))
        name = [("name", "==", "a")]
        port = Insert("Nuage_Port_Table", {"name": "x"}, "same")
        cases: list[tuple[type[errors.TransactionError], int | None, Sequence[Operation]]] = [
            (errors.ConstraintViolation, None, [Comment("x"), Insert("Nuage_Port_Table", {"name": "a"})]),
            (errors.ConstraintViolation, 1, [Comment("x"), Update("Interface", name, {"ofport_request": 70000})]),
            (errors.ReferentialIntegrityViolation, None, [Delete("Port", name)]),
            (errors.WaitTimedOut, 0, [Wait("Port", name, ["name"], "!=", [{"name": "a"}]), Comment("x")]),
            (errors.DuplicateUuidName, 1, [port, port]),
            (errors.DomainError, 0, [Mutate("Nuage_Port_Table", name, [("vrf_id", "/=", 0)])]),
            (
                errors.RangeError,
                0,
                [Mutate("Nuage_Port_Table", name, [("vrf_id", "+=", 2**63 - 1), ("vrf_id", "+=", 2**63 - 1)])],
            ),
            (errors.TransactionError, 0, [Mutate("Nuage_Port_Table", name, [("vrf_id", "^=", 1)])]),
            (errors.Aborted, 0, [_Raw({"op": "abort"})]),
            (errors.NotOwner, 0, [_Raw({"op": "assert", "lock": "none"})]),
            (errors.TransactionError, 0, [_Raw({"op": "unheard of"})]),
            (errors.MalformedOperation, 0, [_Raw({"op": "comment"})]),
        ]
        for error, index, operations in cases:
            failure: Any = await self.assertFailure(Deferred.fromCoroutine(client.transact(*operations)), error)
            self.assertEqual(failure.operation, index, str(failure))
        self.assertEqual(len(client.cache["Nuage_Port_Table"].rows), 1)

    async def test_unknown_database(self) -> None:
        """A server without the database is reported by name."""
        client = self.client(database="Nope")
        failure: Any = None
        # On a busy machine the first answer may take longer than one wait.
        while "unknown database" not in str(failure):
            failure = await self.assertFailure(Deferred.fromCoroutine(client.when_synced(0.5)), errors.NotConnected)

    async def test_schema_check(self) -> None:
        """A schema check that refuses is told to who waits."""

        def check(schema: DbSchema) -> None:
            raise errors.SchemaMismatch(f"version {schema.version} is too old")

        client = self.client(check_schema=check)
        await self.assertFailure(Deferred.fromCoroutine(client.when_synced()), errors.SchemaMismatch)

    async def test_stopped_server(self) -> None:
        """A server that does not answer any more is noticed, and its return as well."""
        client = self.client(probe_interval=0.2, call_timeout=5)
        await client.when_synced()
        lost = Deferred[Any]()
        original = client.session_ended

        def ended(session: Any, reason: Exception) -> None:
            original(session, reason)
            if not lost.called:
                lost.callback(reason)

        client.session_ended = ended  # type: ignore[method-assign]
        self.server.hang()
        self.assertIn("did not answer a probe", str(await lost))
        self.server.resume()
        await client.when_synced()
        self.assertTrue(client.synced)

    async def test_transaction_without_reply(self) -> None:
        """A transaction that times out is found done, or not, after the reload."""
        client = self.client()
        await self.bridge(client)
        self.server.hang()
        await self.assertFailure(
            Deferred.fromCoroutine(client.transact(Insert("Nuage_VM_Table", {"vm_uuid": "u"}), timeout=0.2)),
            errors.CallTimedOut,
        )
        self.assertFalse(client.synced)
        self.server.resume()
        await client.when_synced()
        # The order of two connections' input is the server's affair: it may have carried it out after the load.
        await client.transact(Comment("after"))
        selected = await client.transact(Select("Nuage_VM_Table", [], ["vm_uuid"]))
        rows = [{"vm_uuid": row["vm_uuid"]} for row in client.cache["Nuage_VM_Table"].rows.values()]
        self.assertEqual(selected, [Selected(tuple(rows))])


class _Raw:
    """An operation that the client has no class for."""

    def __init__(self, wire: dict[str, Any]) -> None:
        self._wire = wire

    def to_wire(self, schema: DbSchema) -> dict[str, Any]:
        return self._wire

    def result(self, schema: DbSchema, wire: Any) -> Done:
        return Done()


class OverTcp(OverUnix):
    """The same over TCP."""

    options: Sequence[str] = ("--remote=ptcp:0:127.0.0.1",)

    def remote(self) -> str:
        return f"tcp:127.0.0.1:{self.server.port()}"

    async def test_restart(self) -> None:
        """On its return the server listens on the port that it had."""
        self.server.options = (f"--remote=ptcp:{self.server.port()}:127.0.0.1",)
        await super().test_restart()


class OverTls(OverTcp):
    """The same over TLS."""

    options: Sequence[str] = (
        "--private-key={folder}/key.pem",
        "--certificate={folder}/certificate.pem",
        "--ca-cert={folder}/ca.pem",
        "--remote=pssl:0:127.0.0.1",
    )

    def remote(self) -> str:
        return f"ssl:127.0.0.1:{self.server.port()}"

    async def test_restart(self) -> None:
        """On its return the server listens on the port that it had."""
        self.server.options = (*self.server.options[:3], f"--remote=pssl:{self.server.port()}:127.0.0.1")
        await OverUnix.test_restart(self)

    async def test_unknown_authority(self) -> None:
        """A server whose certificate comes from another authority is not talked to."""
        files = TlsFiles(self.tls.private_key, self.tls.certificate, self.folder / "other.pem")
        client = self.client(tls=files)
        failure: Any = await self.assertFailure(Deferred.fromCoroutine(client.when_synced(0.5)), errors.NotConnected)
        self.assertIn(f'comes from "throw-away CA", which is not in {self.folder}/other.pem', str(failure))
