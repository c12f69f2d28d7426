"""The schema of the simulated VRS against that of the Open vSwitch on this machine."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from lab.schema import NUAGE_TABLES, STOCK_SCHEMA
from nuage.ovsdb.schema import parse_schema
from nuage.vrs import tables
from tests.simulation.database.schema import vrs_schema


def _same_everywhere(definition: Any) -> Any:
    """Return a definition as its long form, for releases write the short one or the long one."""
    if isinstance(definition, dict) and definition.keys() == {"type"}:
        return _same_everywhere(definition["type"])
    if isinstance(definition, dict):
        return {key: _same_everywhere(value) for key, value in definition.items()}
    return definition


class SchemaTest(SynchronousTestCase):
    """It is a part of the real one."""

    def test_is_a_part(self) -> None:
        """Each table and column is as in the real one."""
        stock = json.loads(STOCK_SCHEMA.read_text())["tables"]
        for name, table in vrs_schema()["tables"].items():
            if name in json.loads(NUAGE_TABLES.read_text()):
                continue
            for key, value in table.items():
                if key != "columns":
                    self.assertEqual(value, stock[name][key], name)
            for column, definition in table["columns"].items():
                self.assertEqual(
                    _same_everywhere(definition), _same_everywhere(stock[name]["columns"][column]), f"{name}.{column}"
                )

    def test_is_enough(self) -> None:
        """It has all that the plugin works with."""
        schema = parse_schema(vrs_schema())
        tables.check_schema(schema)
        self.assertEqual(tables.lacking(schema), [])
