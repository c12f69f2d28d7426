"""The command's beginning: which daemon is asked, the commands, and the status that it exits with."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from nuage import __version__
from nuage.cli.audit import audit
from nuage.cli.control import Control, NotReachable, Refusal
from nuage.cli.diagnose import diagnose
from nuage.cli.explain import explain
from nuage.cli.ipam import ipam
from nuage.cli.lists import endpoints, networks
from nuage.cli.log_level import log_level
from nuage.cli.status import status
from nuage.cli.topology import topology
from nuage.config.loading import load
from nuage.errors import ConfigurationError

#: What the command exits with.
WELL, DEGRADED, NOT_REACHABLE = 0, 1, 2
#: The same if it was called wrongly: EX_USAGE in sysexits.h.
MISUSED = 64

_CONFIG = Path("/etc/nuage/nuage.yaml")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", "-c", type=click.Path(path_type=Path), default=_CONFIG, show_default=True, help="The configuration."
)
@click.option(
    "--socket", "-s", type=click.Path(path_type=Path), help="The control socket, if not the one that is configured."
)
@click.version_option(__version__, prog_name="nuage-plugin", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context, config: Path, socket: Path | None) -> None:
    """Look inside the Nuage driver of this host.

    Exits with 0 if all is well, 1 if something is not, 2 if the daemon cannot be reached.
    """
    if not context.resilient_parsing:
        context.obj = Control(socket or _configured(config))


for command in (status, endpoints, networks, explain, topology, audit, ipam, diagnose, log_level):
    commands.add_command(command)


def _configured(config: Path) -> Path:
    """Return the socket that the configuration names. Without a file, the daemon has all defaults."""
    try:
        return load(config if config.exists() or config != _CONFIG else Path(os.devnull), os.environ).control_socket
    except ConfigurationError as problem:
        raise NotReachable(f"{problem}\nCorrect it, or name the control socket with --socket") from problem


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command, and exit. Errors are one message without a traceback."""
    try:
        sys.exit(commands.main(arguments, prog_name="nuage-plugin", standalone_mode=False) or WELL)
    except NotReachable as problem:
        _fail(str(problem), NOT_REACHABLE)
    except Refusal as problem:
        _fail(str(problem), DEGRADED)
    except click.ClickException as problem:
        problem.show()
        sys.exit(MISUSED)
    except click.Abort:
        # The user interrupted it, for instance to end --watch.
        sys.exit(130)


def _fail(message: str, status: int) -> NoReturn:
    click.echo(f"nuage-plugin: {message}", err=True)
    sys.exit(status)
