"""``nuage-plugin explain``: why a container does not talk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nuage.cli.control import Control
from nuage.cli.output import again, as_json, plain, show, table
from nuage.text import age

#: Docker and the kernel are asked, each within its own time-out, Docker for four answers at most.
_PATIENCE = 30.0
_STYLES = {"ok": "green", "broken": "bold red", "waiting": "yellow", "unknown": "yellow"}


@click.command()
@click.argument("name", metavar="CONTAINER|ENDPOINT")
@as_json
@again
@click.pass_obj
def explain(control: Control, name: str, json_wanted: bool, watch: bool) -> int:
    """Explain what becomes of a container's traffic, stage by stage.

    CONTAINER is a name, or the first characters of an id; so is ENDPOINT. The first stage that is broken is the answer.
    """
    path = f"/explain/{quote(name, safe='')}"
    found = show(lambda: control.get(path, timeout=_PATIENCE), drawn, json_wanted=json_wanted, watch=watch)
    return 1 if any(explanation["answer"] for explanation in found) else 0


def drawn(explanations: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Draw explanations, with an empty line between them."""
    parts: list[RenderableType] = []
    for explanation in explanations:
        parts += ["", *_drawn(explanation)] if parts else _drawn(explanation)
    return Group(*parts)


def _drawn(explanation: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text(plain(_title(explanation)), style="bold")
    stages = Table.grid(padding=(0, 2, 0, 0))
    for stage in explanation["stages"]:
        stages.add_row(Text(stage["verdict"], style=_STYLES[stage["verdict"]]), stage["name"], plain(stage["text"]))
    yield stages
    yield _answer(explanation["answer"])
    if explanation["calls"]:
        yield table(("DOCKER'S LAST CALLS", "TOOK", "ENDED", "OUTCOME"), map(_call, explanation["calls"]))


def _title(explanation: Mapping[str, Any]) -> str:
    title = f'container "{explanation["container"]}"'
    if explanation["network"]:
        title += f' on network "{explanation["network"]}"'
    return f"{title}, endpoint {explanation['endpoint_id'][:12]}" if explanation["endpoint_id"] else title


def _answer(stage: Mapping[str, Any] | None) -> Text:
    if stage is None:
        return Text("All is well.", style="green")
    answer = Text(plain(f"{stage['name']}: {stage['text']}"), style=_STYLES[stage["verdict"]])
    if stage["remedy"]:
        answer.append(f"\nWhat to do: {plain(stage['remedy'])}", style="default")
    return answer


def _call(call: Mapping[str, Any]) -> tuple[str, str, str, str]:
    outcome = call["outcome"] if call["outcome"] == "ok" else f"{call['outcome']}: {call['problem']}"
    method = call["method"].removeprefix("NetworkDriver.")
    return method, f"{call['seconds'] * 1000:.1f} ms", f"{age(call['ago'])} ago", outcome
