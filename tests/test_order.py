"""The same is done in the same order in each run. Python's order of a set differs from run to run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.audit import rules
from nuage.audit.auditor import Auditor
from nuage.audit.rules import Docker, Observation
from nuage.libnetwork.server import PluginSite
from nuage.model import Survey, Trace, Use
from nuage.ovsdb.cache import Cache
from nuage.ovsdb.client import Change
from nuage.ovsdb.monitored import Monitored
from nuage.ovsdb.notation import encode
from nuage.ovsdb.schema import column_type
from nuage.ovsdb.waits import RowWaits
from nuage.status.control import Status, tree
from nuage.status.events import Events, _Listener
from nuage.status.ledger import Ledger
from nuage.vrs import tables
from nuage.vrs.survey import survey
from nuage.vrs.touched import Touched
from tests.http_support import Wire
from tests.ovsdb_support import schema, uuid
from tests.report_support import report
from tests.test_status_control import get

#: So many that a set does not have them in this order by chance.
NUMBERS = range(40)
IDS = [f"{number * 7919 % 41:064x}" for number in NUMBERS]


def _trace(endpoint_id: str, network_id: str) -> Trace:
    state: dict[str, Any] = {"attached": False, "announced": False, "waiting": True, "marked": False}
    return Trace(network_id=network_id, record=None, container_id=None, container_name=None, **state)


class OrderTests(SynchronousTestCase):
    """Where a set of texts is worked through."""

    def test_sets_on_the_wire(self) -> None:
        """A set is sent in the order of its elements."""
        tags = column_type(schema(), "T", "tags")
        self.assertEqual(encode(frozenset(IDS), tags), ["set", sorted(IDS)])

    def test_rows_of_a_value(self) -> None:
        """They are found in the order in which they got it."""
        uuids = [uuid(number * 7919 % 41) for number in NUMBERS]
        cache = Cache([Monitored("T", ("name",), ("name",))], self.fail)
        cache.load(schema(), {"T": {each: {"initial": {"name": "a"}} for each in uuids[:20]}})
        table = cache["T"]
        self.assertEqual([row.uuid for row in table.where("name", "a")], uuids[:20])
        cache.apply({"T": {each: {"insert": {"name": "a"}} for each in uuids[20:]}})
        self.assertEqual([row.uuid for row in table.where("name", "a")], uuids)

    def test_waits_of_several_tables(self) -> None:
        """They end in the order of the changes."""
        found: dict[str, object] = {}
        cache: Any = {name: SimpleNamespace(find=lambda _column, _value, name=name: found.get(name)) for name in IDS}
        cache = _Cache(cache)
        waits = RowWaits(Clock(), cast(Any, cache))
        ended: list[str] = []
        for name in IDS:
            waiting = Deferred.fromCoroutine(waits.wait_for(name, "column", "value", 10))
            waiting.addCallback(partial(_note, ended, name))
        found.update(dict.fromkeys(IDS, True))
        cache.changed([Change(name, uuid(1), None, None) for name in reversed(IDS)])
        self.assertEqual(ended, IDS[::-1])

    def test_endpoints_at_the_switch(self) -> None:
        """A survey has them as the switch has them."""
        mirror = SimpleNamespace(
            cache={table: SimpleNamespace(rows={}) for table in (tables.INTERFACE, tables.NUAGE_VM)},
            remembered_endpoints=lambda: [_waiting(each) for each in IDS],
            is_foreign=lambda _owner: False,
            interface=lambda _endpoint_id: None,
        )
        self.assertEqual([*survey(cast(Any, mirror)).traces], IDS)

    def test_proposals(self) -> None:
        """They are made as endpoints and networks are seen."""
        docker = Docker(in_use={}, networks={})
        traces = {each: _trace(each, f"network {each}") for each in IDS}
        proposals = rules.propose(Observation(traces=traces, networks=IDS, links={}, docker=docker))
        expected = [*map(rules.Forget, IDS), *map(rules.ForgetNetwork, IDS)]
        self.assertEqual(proposals, expected)

    def test_questions_of_an_audit(self) -> None:
        """Docker is asked about networks as they are seen."""
        asked: list[str] = []
        auditor = cast(Any, Auditor).__new__(Auditor)
        auditor._census = _Census(asked)
        traces = {each: _trace(each, f"network {each}") for each in IDS}
        uses = {f"used {each}": Use(network_id=f"its network {each}", container=cast(Any, None)) for each in IDS}
        docker = Docker(in_use=uses, networks={use.network_id: cast(Any, None) for use in uses.values()})
        completing = auditor._completed(docker, Survey(traces=traces, foreign=()), IDS, {})
        self.successResultOf(Deferred.fromCoroutine(completing))
        self.assertEqual(asked, [*uses, *(f"network {each}" for each in IDS), *IDS])

    def test_listeners(self) -> None:
        """Who came first is told first."""
        clock = Clock()
        told: list[Any] = []
        state = [report()]
        events = Events(clock, lambda: state[0])
        self.patch(_Listener, "tell", lambda listener, _message: told.append(listener))
        site = PluginSite(tree(Status(lambda: state[0]), {"events": events.resource()}), clock)
        for _ in NUMBERS:
            wire = Wire(site)
            self.addCleanup(wire.hang_up)
            wire.protocol.dataReceived(get("/events"))
            state[0] = report() if state[0].endpoints == () else report(endpoints=())
            clock.advance(0.5)
        # Each of them began last once.
        self.assertEqual(told, [each for number in NUMBERS for each in told[-len(NUMBERS) :][: number + 1]])

    def test_endpoints_that_may_look_different(self) -> None:
        """They are looked at in the order of their ids."""
        looked: list[str] = []

        def trace(endpoint_id: str) -> Trace:
            looked.append(endpoint_id)
            return _trace(endpoint_id, "")

        switch = SimpleNamespace(trace=trace)
        judge = SimpleNamespace(look=lambda *_arguments: None)
        ledger = Ledger(Clock(), lambda: 0.0, cast(Any, switch), cast(Any, judge))
        ledger._touched(Touched(endpoints={*IDS}))
        self.assertEqual([*ledger.endpoints()], [])
        self.assertEqual(looked, sorted(IDS))


class _Cache(dict[str, Any]):
    """Tables, whose changes a test tells."""

    loaded = True

    def subscribe(self, changed: Any) -> None:
        self.changed = changed


class _Census:
    """Notes which networks it is asked about."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    async def without_deleted(self, docker: Docker, doubtful: Iterable[str]) -> Docker:
        self._asked += doubtful
        return docker

    async def with_others(self, docker: Docker, networks: Iterable[str]) -> Docker:
        self._asked += networks
        return docker

    async def with_elsewhere(self, docker: Docker, unlisted: Iterable[str]) -> Docker:
        self._asked += unlisted
        return docker


def _waiting(endpoint_id: str) -> Any:
    return SimpleNamespace(id=endpoint_id, owner=None, network_id="", to_record=lambda: json.dumps({}))


def _note(ended: list[str], name: str, _row: object) -> None:
    ended.append(name)
