"""``nuage-plugin ipam``: addresses that are from Nuage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from rich.console import Group, RenderableType

from nuage.cli.control import Control, NotReachable, Refusal
from nuage.cli.output import as_json, counted, plain, show, table

#: Seconds for an answer, for which Docker and the VSD are asked.
_TIMEOUT = 60.0


@click.group()
def ipam() -> None:
    """Look after the addresses that are from Nuage."""


@ipam.command()
@click.option("--release", is_flag=True, help="Give back what is held and not used.")
@click.option("--yes", is_flag=True, help="Do not ask before that.")
@as_json
@click.pass_obj
def check(control: Control, release: bool, yes: bool, json_wanted: bool) -> int:
    """Compare addresses held at the VSD with those in use.

    It compares those that the VSD holds for this host with those that its containers have. Exits with 0 if they agree,
    1 if not, 2 if the daemon, Docker or the VSD does not tell. After nobody has used an address for ten minutes, the
    daemon gives it back by itself.
    """
    found = _shown(control, json_wanted=json_wanted)
    if not (release and found["unused"]):
        return 1 if found["unused"] or found["unheld"] else 0
    if not yes:
        click.confirm(f"Give back {_counted(found['unused'])}?", abort=True, err=True)
    given = _answered(lambda: json.loads(_release(control, found["unused"])))
    click.echo(f"{_counted(given)} given back", err=True)
    return 1 if len(given) < len(found["unused"]) or found["unheld"] else 0


def _shown(control: Control, *, json_wanted: bool) -> Any:
    return _answered(lambda: show(lambda: control.get("/ipam", timeout=_TIMEOUT), _drawn, json_wanted=json_wanted))


def _release(control: Control, unused: Sequence[Mapping[str, Any]]) -> bytes:
    return control.ask("POST", "/ipam/release", json.dumps(unused), timeout=_TIMEOUT)


def _answered(ask: Callable[[], Any]) -> Any:
    """Return an answer. Without one, nobody knows whether anything is wrong."""
    try:
        return ask()
    except Refusal as problem:
        raise NotReachable(str(problem)) from problem


def _drawn(found: Mapping[str, Any]) -> RenderableType:
    unused = [(each["address"], _place(each), "nobody: it can be given back") for each in found["unused"]]
    unheld = [(each["address"], _place(each), _user(each)) for each in found["unheld"]]
    lines = [f"{_counted(found['held'])} held at the VSD for this host"]
    if not unused and not unheld:
        return Group(*lines, "each is used, and all that is used is held")
    return Group(*lines, table(("ADDRESS", "WHERE", "USED BY"), [*unused, *unheld]))


def _user(unheld: Mapping[str, Any]) -> str:
    whose = unheld["container"] or unheld["endpoint"][:12]
    return f"{whose}, and it is not held: start the container again"


def _place(found: Mapping[str, Any]) -> str:
    place = found["place"]
    return plain("/".join(place[key] for key in ("organization", "domain", "zone", "subnet") if key in place))


def _counted(addresses: Sequence[object]) -> str:
    return counted(len(addresses), "address", "addresses")
