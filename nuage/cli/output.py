"""How answers are shown: as tables for people, as JSON for programs, once or again and again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON, for programs.")
again = click.option("--watch", "-w", is_flag=True, help="Show it again every two seconds, until it is interrupted.")

#: Seconds between two looks of --watch.
_INTERVAL = 2.0
#: The width of what is not a terminal: programs that filter lines want whole lines.
_WIDE = 10_000


def show(
    fetch: Callable[[], Any], drawn: Callable[[Any], RenderableType], *, json_wanted: bool, watch: bool = False
) -> Any:
    """Print an answer, as a table or as JSON, and return it.

    Args:
        fetch: Asks the daemon.
        drawn: Makes a table of an answer.
        json_wanted: Whether JSON is printed instead.
        watch: Whether it is asked again and again, until the user interrupts it. JSON then has one line each time.
    """
    if watch:
        _show_forever(fetch, drawn, json_wanted=json_wanted)
    content = fetch()
    if json_wanted:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        console().print(drawn(content))
    return content


def _show_forever(fetch: Callable[[], Any], drawn: Callable[[Any], RenderableType], *, json_wanted: bool) -> None:
    if json_wanted:
        while True:
            click.echo(json.dumps(fetch(), ensure_ascii=False))
            time.sleep(_INTERVAL)
    with Live(drawn(fetch()), console=console(), auto_refresh=False) as live:
        while True:
            time.sleep(_INTERVAL)
            live.update(drawn(fetch()), refresh=True)


def console() -> Console:
    """Return what tables are printed on. What is in them is never taken for markup."""
    printed = Console(markup=False, emoji=False, highlight=False)
    if not printed.is_terminal:
        printed.width = _WIDE
    return printed


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table with a line for each row, whose last column may be long."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        drawn.add_column(title, no_wrap=title != titles[-1], overflow="fold")
    for row in rows:
        drawn.add_row(*map(plain, row))
    return drawn


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Return lines that each begin with what they are about."""
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, text in rows:
        drawn.add_row(name, plain(text))
    return drawn


def plain(value: object) -> str:
    """Return a value as text without anything that a terminal could take for a command."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def counted(number: int, singular: str, plural: str) -> str:
    """Return a number with its noun."""
    return f"{number} {singular if number == 1 else plural}"
