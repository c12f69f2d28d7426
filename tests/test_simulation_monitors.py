"""What clients see of the simulated database, however their updates are cut, delayed and merged."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from nuage.ovsdb.client import Monitored, OvsdbClient
from nuage.ovsdb.remote import parse_remote
from nuage.ovsdb.session import MONITOR_FORMS
from tests.simulation.chance import Chance
from tests.simulation.database.server import Database
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor
from tests.simulation.twins.kinds import KINDS
from tests.simulation.twins.script import Author

_SEEDS = 10


class MonitorsTest(SynchronousTestCase):
    """One client for each form of monitor, while somebody else changes the database."""

    def client(self, reactor: SimReactor, database: Database, form: str) -> OvsdbClient:
        """Return a client that watches all."""
        monitored = [Monitored(name, tuple(table["columns"])) for name, table in KINDS["tables"].items()]
        remote = parse_remote(database.place)
        client = OvsdbClient(reactor, remote, "Kinds", monitored, monitor_forms=(form,), jitter=lambda: 0.5)
        client.start()
        self.assertTrue(reactor.run_until(lambda: client.synced, 10.0))
        return client

    def test_content(self) -> None:
        """All see the same in the end, after restarts too, and it is what there is."""
        for seed in range(_SEEDS):
            chance = Chance(f"monitors {seed}")
            reactor = SimReactor(chance)
            database = Database(reactor, chance.part("database"), History(), schema=KINDS)
            database.telling_delay = (0.0, 0.05)
            database.start()
            clients = [self.client(reactor, database, form) for form in MONITOR_FORMS]
            reloads: list[OvsdbClient] = []
            for client in clients:
                client.on_synced(partial(reloads.append, client))
            restarts = self.play(reactor, database, chance)
            self.assertGreater(database.store.commits, 10)
            for client in clients:
                # Who gets an update that does not fit reloads all.
                self.assertEqual(reloads.count(client), restarts, f"seed {seed}")
                for name in KINDS["tables"]:
                    self.assertEqual(self.seen(client, name), self.content(database, name), f"seed {seed}")

    def play(self, reactor: SimReactor, database: Database, chance: Chance) -> int:
        """Let somebody change the database; return how often it was restarted."""
        restarts = 0
        for step in Author(chance.part("script"), KINDS).script(100):
            if step["step"] == "restart":
                database.restart()
                restarts += 1
                reactor.run_for(10.0)
            elif step["step"] == "transact":
                database.transact(*step["operations"])
            reactor.run_for(chance.delay(0.0, 0.03))
        reactor.run_for(1.0)
        return restarts

    def test_merged(self) -> None:
        """Many changes may come as one update, and what comes and goes meanwhile does not come at all."""
        reactor = SimReactor(Chance(1))
        database = Database(reactor, Chance(2), History(), schema=KINDS)
        database.telling_delay = (1.0, 1.0)
        database.start()
        for form in MONITOR_FORMS:
            client = self.client(reactor, database, form)
            heard: list[Any] = []
            client.on_synced(lambda: self.fail("it had to reload"))
            client.cache.subscribe(lambda changes, heard=heard: heard.append(list(changes)))  # type: ignore[misc]
            (inserted,) = database.transact({"op": "insert", "table": "Root", "row": {"name": form}})
            for number in range(10):
                row = {"number": number}
                database.transact({"op": "update", "table": "Root", "where": [["name", "==", form]], "row": row})
                database.transact({"op": "insert", "table": "Root", "row": {"name": "brief"}})
                database.transact({"op": "delete", "table": "Root", "where": [["name", "==", "brief"]]})
            reactor.run_for(2.0)
            ((change,),) = heard
            self.assertEqual((change.uuid, change.old), (inserted["uuid"][1], None))
            self.assertEqual((change.new["name"], change.new["number"]), (form, 9))

    def test_own_change(self) -> None:
        """Before the reply to its own transaction, a client is told of all that came before."""
        reactor = SimReactor(Chance(1))
        database = Database(reactor, Chance(2), History(), schema=KINDS)
        database.telling_delay = (30.0, 30.0)
        database.start()
        client = self.client(reactor, database, "monitor_cond_since")
        database.transact({"op": "insert", "table": "Root", "row": {"name": "other"}})
        reactor.run_for(1.0)
        self.assertEqual(len(client.cache["Root"].rows), 0)
        done = Deferred.fromCoroutine(client.transact())
        reactor.run_for(1.0)
        self.assertEqual(self.successResultOf(done), [])
        self.assertEqual(len(client.cache["Root"].rows), 1)

    def seen(self, client: OvsdbClient, table: str) -> dict[str, dict[str, Any]]:
        """Return what a client sees of a table."""
        return {uuid: dict(row) for uuid, row in client.cache[table].rows.items()}

    def content(self, database: Database, table: str) -> dict[str, dict[str, Any]]:
        """Return what is in a table, as clients have it."""
        columns = KINDS["tables"][table]["columns"]
        return {
            row["_uuid"]: {
                name: frozenset(row[name]) if isinstance(row[name], tuple) else row[name] for name in columns
            }
            for row in database.rows(table)
        }
