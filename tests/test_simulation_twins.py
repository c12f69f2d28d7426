"""The simulated database server against a real one: they are told the same, and have to say the same.

``TWINS=1000`` in the environment plays so many scripts of each kind. A script that the servers differ about is printed,
as short as it can be.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.chance import Chance
from tests.simulation.database.schema import vrs_schema
from tests.simulation.twins.kinds import KINDS
from tests.simulation.twins.play import play, shortened
from tests.simulation.twins.script import Author
from tests.vrs_support import demand_programs

SCRIPTS = int(os.environ.get("TWINS", "20"))
TRANSACTIONS = 100


class TwinsTest(SynchronousTestCase):
    """Random transactions and monitors."""

    def compare(self, schema: dict[str, Any]) -> None:
        """Play scripts, and make sure that they are worth it: that enough is changed and seen, and enough refused."""
        demand_programs(("ovsdb-server", "ovsdb-tool"))
        outcomes: Counter[str] = Counter()
        for seed in range(SCRIPTS):
            script = Author(Chance(f"twins {seed}"), schema).script(TRANSACTIONS)
            difference = play(schema, script, outcomes)
            if difference is not None:
                short = shortened(schema, script)
                steps = "\n".join(json.dumps(step, ensure_ascii=False) for step in short)
                self.fail(f"seed {seed}: {difference}\nThe shortest script:\n{steps}\n{play(schema, short)}")
        self.assertEqual(outcomes.total(), SCRIPTS * TRANSACTIONS)
        self.assertGreater(outcomes["seen"], SCRIPTS * TRANSACTIONS / 5, str(outcomes))
        refused = {"constraint violation", "referential integrity violation", "timed out", "syntax error"}
        self.assertLessEqual(refused, outcomes.keys())

    def test_all_kinds(self) -> None:
        """Of each type of column, and each kind of reference."""
        self.compare(KINDS)

    def test_vrs(self) -> None:
        """On the tables of a VRS."""
        self.compare(vrs_schema())
