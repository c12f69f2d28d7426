"""Scripts of steps for two servers, drawn from a seed.

A script is made before it is played, so that any part of it can be left out and the rest played again. The uuids of
rows are part of it.
"""

from __future__ import annotations

from typing import Any

from tests.simulation.chance import Chance
from tests.simulation.twins.kinds import Wire
from tests.simulation.twins.transactions import Transactions

_FORMS = ("monitor", "monitor_cond", "monitor_cond_since")


class Author:
    """Writes the scripts for one schema.

    Args:
        chance: Draws everything.
        schema: The JSON form of the schema.
    """

    def __init__(self, chance: Chance, schema: Wire) -> None:
        self._chance = chance
        self._schema = schema
        self._transactions = Transactions(chance, schema)

    def script(self, transactions: int) -> list[Wire]:
        """Write a script with so many transactions."""
        steps: list[Wire] = [self._watch()]
        for _ in range(transactions):
            if self._chance.happens(0.03):
                steps.append({"step": "restart"})
                steps.append(self._watch())
            elif self._chance.happens(0.05):
                steps.append(self._watch())
            elif self._chance.happens(0.05):
                steps.append(self._call())
            steps.append({"step": "transact", "operations": self._transactions.draw()})
        return steps

    def _call(self) -> Wire:
        """Call another method, most often in a wrong way."""
        name = self._schema["name"]
        calls: list[tuple[str, list[Any]]] = [
            ("echo", ["one", 2]),
            ("list_dbs", []),
            ("unheard", []),
            ("get_schema", ["nothing"]),
            ("transact", []),
            ("transact", ["nothing"]),
            ("transact", [name]),
            ("monitor_cancel", [self._chance.pick(_FORMS)]),
            ("monitor_cancel", ["nothing"]),
            ("monitor", [name, self._chance.pick(_FORMS), {}]),
            ("monitor", [name, "another", {"Nowhere": {}}]),
            ("monitor", [name, "another", {self._chance.pick(list(self._schema["tables"])): {"columns": ["nothing"]}}]),
            ("monitor_cond_since", [name, "another", {}]),
        ]
        method, params = self._chance.pick(calls)
        return {"step": "call", "method": method, "params": params}

    def _watch(self) -> Wire:
        """Begin to watch, with each form of monitor, on a new connection."""
        return {"step": "watch", "requests": {form: self._requests() for form in _FORMS}}

    def _requests(self) -> Wire:
        return {table: self._request(table) for table in self._schema["tables"] if self._chance.happens(0.8)}

    def _request(self, table: str) -> Any:
        columns = [column for column in self._schema["tables"][table]["columns"] if self._chance.happens(0.7)]
        if self._chance.happens(0.1):
            cut = self._chance.number(0, len(columns))
            return [{"columns": columns[:cut], **self._choice()}, {"columns": columns[cut:], **self._choice()}]
        if self._chance.happens(0.1):
            return [self._choice()]
        return [{"columns": columns, **self._choice()}]

    def _choice(self) -> Wire:
        if self._chance.happens(0.8):
            return {}
        kinds = ("initial", "insert", "delete", "modify")
        return {"select": {kind: self._chance.happens(0.7) for kind in kinds if self._chance.happens(0.7)}}
