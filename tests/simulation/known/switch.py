"""Known faults in what is kept of the switch's database and written to it."""

from __future__ import annotations

from collections.abc import Sequence

from nuage.ovsdb.cache import Cache, _IndexEntries
from nuage.ovsdb.waits import RowWaits
from nuage.vrs import transactions
from nuage.vrs.switch import Switch
from tests.simulation.known.fault import Edit, Known

KNOWN: Sequence[Known] = (
    Known(
        name="an outcome that nobody knows is taken for success",
        edits=[Edit(Switch, "_transact", "if not done():\n            await self._client.transact(*steps)", "pass")],
        seen="succeeds, and|is refused|(deleted|refused) long ago|known to",
        within=100,
        seed=80,
    ),
    Known(
        name="the mirror is not loaded anew after a reconnect",
        edits=[Edit(Cache, "load", "self._replaced(content) if self.loaded", "[] if self.loaded")],
        seen="is not announced|is not remembered",
        within=30,
        seed=12,
    ),
    Known(
        name="an index keeps rows that are gone",
        edits=[Edit(_IndexEntries, "commit", "if before is not None:", "if False:")],
        seen="KeyError",
        within=5,
        seed=1,
    ),
    Known(
        name="a wait for a row is not taken back",
        edits=[Edit(RowWaits, "_wait", "self._remove(key, wait)", "pass")],
        seen="does not come to rest.*waits for rows",
        within=5,
        seed=1,
    ),
    Known(
        name="a record is dropped before the port is there that has it next",
        edits=[
            Edit(transactions, "_plug", '"external_ids": marks}', '"external_ids": ids}'),
        ],
        seen="Docker has it",
        within=5,
        seed=1,
    ),
)
