"""``nuage-plugin diagnose``: an archive to send to somebody."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import click

from nuage.cli.control import Control

#: The switch, the kernel and Docker are asked, each within its own time-out.
_PATIENCE = 120.0


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that is written; it must not exist yet.",
)
@click.pass_obj
def diagnose(control: Control, output: Path | None) -> int:
    """Write an archive to send to somebody who helps.

    Nothing in it is a secret. It holds the configuration without passwords, the status, rows of the switch, links,
    Docker's networks of this driver, what an audit would do, the last lines of the log, and versions.
    """
    path = output or Path(f"nuage-plugin-{platform.node()}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz")
    content = control.ask("GET", "/diagnose", timeout=_PATIENCE)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as problem:
        raise click.ClickException(
            f"{path} cannot be written: {problem.strerror}; choose another with --output"
        ) from None
    click.echo(f"{path}: {len(content)} bytes; it names containers, networks and addresses, and holds no secret")
    return 0
