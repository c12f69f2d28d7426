"""A database server that sends anything: the client gives up that connection or goes on, and works afterwards."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import globalLogPublisher

from nuage.ovsdb.operations import Insert
from tests.ovsdb_support import SCHEMA_WIRE, uuid
from tests.test_ovsdb_client import ClientCase, run

#: The id of the client's monitor: an update for another one is not looked at.
MONITOR = "nuage"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
COLUMNS = st.dictionaries(st.sampled_from(["name", "number", "absent", "_uuid", ""]), VALUES, max_size=3)
#: What fits the schema, so that some of it is taken in.
_GOOD = st.fixed_dictionaries({}, optional={"name": st.text(max_size=6), "number": st.integers(-9, 9)})
_GOOD_ROWS = st.sampled_from(["initial", "insert", "new"]).flatmap(lambda form: st.fixed_dictionaries({form: _GOOD}))
ROW_UPDATES = VALUES | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("initial", "insert", "modify", "delete", "old", "new"), VALUES | COLUMNS)
)
_GOOD_UPDATES = st.fixed_dictionaries({"T": st.dictionaries(st.sampled_from([uuid(1), uuid(2)]), _GOOD_ROWS)})
TABLE_UPDATES = (
    VALUES
    | _GOOD_UPDATES
    | st.dictionaries(
        st.sampled_from(["T", "Absent", "Strange"]),
        VALUES | st.dictionaries(st.sampled_from([uuid(1), uuid(2), "x"]), ROW_UPDATES, max_size=3),
        max_size=2,
    )
)
METHODS = st.sampled_from(["update", "update2", "update3", "echo", "monitor_canceled", "locked", "stolen", "", "x"])
PARAMETERS = (
    VALUES
    | st.lists(VALUES | TABLE_UPDATES, max_size=4)
    | st.lists(VALUES | TABLE_UPDATES, max_size=3).map(lambda others: [MONITOR, *others])
)
CALLS = st.fixed_dictionaries({"method": METHODS | VALUES, "params": PARAMETERS}, optional={"id": VALUES})
REPLIES = st.fixed_dictionaries({}, optional={"id": VALUES, "result": VALUES, "error": VALUES})
MESSAGES = (CALLS | REPLIES | VALUES).map(lambda message: json.dumps(message).encode())
CUT = st.tuples(MESSAGES, st.integers(0, 40)).map(lambda pair: pair[0][: -pair[1] or None])
GARBAGE = st.binary(max_size=60) | MESSAGES | CUT
REPLY_RESULTS = VALUES | st.lists(
    VALUES | st.fixed_dictionaries({}, optional=dict.fromkeys(("uuid", "count", "rows", "error", "details"), VALUES)),
    max_size=3,
)
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


class Hostile(ClientCase):
    """After anything, the next good connection works and no bug was logged."""

    def setUp(self) -> None:
        super().setUp()
        self.bugs: list[Any] = []
        observer = self.note_bugs
        globalLogPublisher.addObserver(observer)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, observer)  # type: ignore[arg-type]

    def note_bugs(self, event: Any) -> None:
        """Keep what would be a traceback in the log."""
        if event.get("log_failure") is not None:
            self.bugs.append(event["log_failure"])

    def loaded(self) -> None:
        """Have a loaded connection, whatever happened before."""
        if not self.client.synced:
            for _ in range(3):
                self.reconnect()
            self.remote.last.load({})
            assert self.remote.last.monitor == MONITOR
        assert self.client.synced

    def rows(self) -> dict[str, int]:
        """Return which rows there are: an immutable object each, of which not all can be decoded."""
        return {key: id(row) for key, row in self.client.cache["T"].rows.items()}

    def assert_works(self) -> None:
        """Assert that a transaction is answered on a good connection."""
        assert self.bugs == []
        # The rest of a cut message may still be waited for: what a good server sends next is then lost with it.
        self.remote.last.transport.lose(ConnectionError())
        self.clock.advance(0)
        self.loaded()
        self.remote.last.received()
        call = run(self.client.transact(Insert("T", {"name": "good"})))
        self.remote.last.notify("update3", MONITOR, uuid(0), {"T": {uuid(9): {"insert": {"name": "good"}}}})
        self.remote.last.answer("transact", [{"uuid": ["uuid", uuid(9)]}])
        (result,) = self.successResultOf(call)
        assert result.uuid == uuid(9)

    @settings(QUIET, max_examples=2500)
    @given(GARBAGE)
    def test_anything_at_any_time(self, data: bytes) -> None:
        """Garbage, cut messages, calls and updates that make no sense, replies that nobody asked for."""
        self.ready()
        self.remote.last.protocol.dataReceived(data)
        self.clock.advance(0)
        self.assert_works()

    def test_updates(self) -> None:
        """Updates of our own monitor that do not fit it are refused as a whole, or applied. The test sees both."""
        outcomes = Counter[str]()

        @settings(QUIET, max_examples=1000)
        @given(TABLE_UPDATES, st.sampled_from(["update", "update2", "update3"]))
        def send(updates: Any, method: str) -> None:
            self.ready()
            before = self.rows()
            extra = [uuid(0)] if method == "update3" else []
            self.remote.last.notify(method, MONITOR, *extra, updates)
            self.clock.advance(0)
            after = self.rows()
            if not self.client.synced:
                assert after == before
                outcomes["refused"] += 1
            elif after != before:
                outcomes["applied"] += 1
            self.assert_works()

        send()
        assert outcomes["refused"] > 100, outcomes
        assert outcomes["applied"] > 20, outcomes

    @settings(QUIET, max_examples=1000)
    @given(REPLY_RESULTS, VALUES)
    def test_replies(self, result: Any, error: Any) -> None:
        """A transaction ends, one way or the other."""
        self.ready()
        call = run(self.client.transact(Insert("T", {"name": "x"})))
        ended: list[Any] = []
        call.addBoth(ended.append)
        (message,) = self.remote.last.received()
        self.remote.last.send(id=message["id"], result=result, error=error)
        self.clock.advance(0)
        assert len(ended) == 1
        self.assert_works()

    @settings(QUIET, max_examples=500)
    @given(VALUES, VALUES)
    def test_handshake(self, schema: Any, snapshot: Any) -> None:
        """A schema and a first content that are none."""
        self.ready()
        self.remote.last.transport.lose(ConnectionError())
        for _ in range(3):
            self.reconnect()
        self.remote.last.answer("get_schema", schema)
        self.clock.advance(0)
        self.loaded()
        self.remote.last.transport.lose(ConnectionError())
        for _ in range(3):
            self.reconnect()
        self.remote.last.answer("get_schema", SCHEMA_WIRE)
        self.remote.last.answer("monitor_cond_since", snapshot)
        self.clock.advance(0)
        self.assert_works()

    def ready(self) -> None:
        """Have a loaded connection at the start of each case."""
        self.bugs.clear()
        if not self.remote.connections:
            self.client.start()
            self.remote.last.load({})
        self.loaded()
