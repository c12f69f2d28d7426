"""``nuage-plugin audit``: what disagrees."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Group, RenderableType

from nuage.cli.control import Control
from nuage.cli.output import as_json, plain, show
from nuage.text import age

#: Seconds for an audit, which asks Docker.
_TIMEOUT = 60.0


@click.command()
@click.option("--now", is_flag=True, help="Look at everything now. Otherwise show what the last audit found.")
@as_json
@click.pass_obj
def audit(control: Control, now: bool, json_wanted: bool) -> int:
    """Show what is amiss, and what the daemon does about it.

    This compares the switch, the kernel and Docker, and changes nothing. The daemon's own audits repair what they see
    for some seconds; SIGUSR2 has the daemon audit at once. Exits with 1 if something disagrees,
    or if not everything could be compared.
    """
    found = show(
        lambda: control.get("/audit?now=1", timeout=_TIMEOUT) if now else control.get("/audit"),
        _drawn,
        json_wanted=json_wanted,
    )
    return 1 if found["problem"] or found["proposals"] or found["unreadable"] else 0


def _drawn(found: Mapping[str, Any]) -> RenderableType:
    return Group(*map(plain, _lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    if found["ended"] is None:
        yield "no audit has ended yet"
        return
    yield f"the audit of {age(time.time() - found['ended'])} ago:"
    yield from (f"  passed over: {problem}" for problem in found["unreadable"])
    yield from (f"  would {proposal['text']}" for proposal in found["proposals"])
    if found["problem"]:
        yield f"  not everything could be compared: {found['problem']}"
    elif not (found["proposals"] or found["unreadable"]):
        yield "  nothing to do"
