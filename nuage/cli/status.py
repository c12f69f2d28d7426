"""``nuage-plugin status``."""

from __future__ import annotations

import click

from nuage.cli.control import Control
from nuage.cli.output import as_json, print_json


@click.command()
@as_json
@click.pass_obj
def status(control: Control, json_wanted: bool) -> int:
    """Show at a glance how the driver does."""
    report = control.get("/status")
    if json_wanted:
        print_json(report)
    return 1 if report["problems"] else 0
