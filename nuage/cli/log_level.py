"""``nuage-plugin log-level``."""

from __future__ import annotations

import json

import click

from nuage.cli.control import Control
from nuage.cli.output import as_json, pairs, show


@click.command("log-level")
@click.argument("level", required=False)
@as_json
@click.pass_obj
def log_level(control: Control, level: str | None, json_wanted: bool) -> int:
    """Show or change how much is logged.

    A change lasts until the daemon starts again. LEVEL is Debug, Info, Warn, Error or Critical.
    """
    show(
        lambda: control.get("/log-level") if level is None else json.loads(control.ask("PUT", "/log-level", level)),
        lambda answer: pairs([("Log level", answer["level"])]),
        json_wanted=json_wanted,
    )
    return 0
