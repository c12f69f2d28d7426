"""Playing a script to both servers, comparing what they say, and shortening a script that they differ about."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from tests.simulation.database.schema import ZERO_UUID
from tests.simulation.twins.kinds import Wire
from tests.simulation.twins.servers import Real, Simulated, Twin


@attrs.frozen
class Difference:
    """What the servers said to a step, if that was not the same."""

    step: Wire
    real: Any
    simulated: Any

    def __str__(self) -> str:
        """Show it to a person."""
        parts = {"step": self.step, "real": self.real, "simulated": self.simulated}
        return "\n".join(f"{name}: {json.dumps(part, ensure_ascii=False)}" for name, part in parts.items())


def play(schema: Wire, script: list[Wire], outcomes: Counter[str] | None = None) -> Difference | None:
    """Play a script to two new servers; return the first difference.

    Args:
        schema: That of the servers.
        script: What is said to them.
        outcomes: Counts what became of the transactions.
    """
    with tempfile.TemporaryDirectory(prefix="twins") as folder:
        real = Real(Path(folder, "real"), schema)
        try:
            simulated = Simulated(schema)
            for twin in (real, simulated):
                twin.connect()
            for step in script:
                said = _do(real, schema, step), _do(simulated, schema, step)
                if said[0] != said[1]:
                    return Difference(step, *said)
                if outcomes is not None and step["step"] == "transact":
                    outcomes[_outcome(*said[0])] += 1
        finally:
            real.stop()
    return None


def shortened(schema: Wire, script: list[Wire]) -> list[Wire]:
    """Return as few steps, with as few operations, as the servers still differ about."""

    def differs(steps: list[Wire]) -> bool:
        return play(schema, steps) is not None

    steps = _shortest(script, differs)
    for index, step in enumerate(steps):
        if step["step"] == "transact":
            before, after = steps[:index], steps[index + 1 :]
            steps[index] = _fewer_operations(step, lambda fewer, b=before, a=after: differs([*b, fewer, *a]))  # type: ignore[misc]
    return steps


def _fewer_operations(step: Wire, differs: Callable[[Wire], bool]) -> Wire:
    operations = _shortest(step["operations"], lambda fewer: differs({**step, "operations": fewer}))
    return {**step, "operations": operations}


def _shortest(script: list[Wire], differs: Callable[[list[Wire]], bool]) -> list[Wire]:
    """Return a part of a script about which the servers differ still, and no more if any step is left out."""
    size = len(script) // 2
    while size:
        start = 0
        while start < len(script):
            shorter = script[:start] + script[start + size :]
            if differs(shorter):
                script = shorter
            else:
                start += size
        size //= 2
    return script


def _do(twin: Twin, schema: Wire, step: Wire) -> Any:
    if step["step"] == "restart":
        twin.restart()
        twin.connect()
        return None
    if step["step"] == "call":
        said = _comparable(twin.call(step["method"], step["params"]))
        # Databases come in any order.
        return [said[0], sorted(said[1]), said[2]] if step["method"] == "list_dbs" else said
    if step["step"] == "transact":
        return _comparable(twin.call("transact", [schema["name"], *step["operations"]]))
    twin.connect()
    last = {"monitor_cond_since": [ZERO_UUID]}
    return [
        _comparable(twin.call(form, [schema["name"], form, requests, *last.get(form, [])]))
        for form, requests in step["requests"].items()
    ]


def _comparable(messages: list[Any]) -> Any:
    """Return messages without what may differ: words, versions, ids of transactions, and the order of sets."""
    *updates, reply = messages
    return [[_plain(update["params"]) for update in updates], _plain(reply.get("result")), _plain(reply["error"])]


def _outcome(updates: list[Any], results: Any, error: Any) -> str:
    """Name what became of a transaction: its error, or whether it changed what is watched."""
    errors = [result["error"] for result in results or [error] if result and "error" in result]
    return str(errors[0]) if errors else "seen" if updates else "unseen"


def _order(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("error"), str):
            return {"error": value["error"]}
        plain = {key: "any" if key == "_version" else _plain(item) for key, item in value.items()}
        if isinstance(plain.get("rows"), list):
            plain["rows"] = sorted(plain["rows"], key=_order)
        return plain
    if not isinstance(value, list):
        return float(value) if type(value) is int and abs(value) < 1 << 53 else value
    if len(value) == 2 and value[0] in ("set", "map") and isinstance(value[1], list):
        return [value[0], sorted(map(_plain, value[1]), key=_order)]
    return [_plain(item) for item in value]
