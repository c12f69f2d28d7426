"""How answers are shown: as tables for people, as JSON for programs, once or again and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON, for programs.")


def print_json(content: Any) -> None:
    """Print JSON that people can read too."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def console() -> Console:
    """Return what tables are printed on. It has no colours if the output is not a terminal, or NO_COLOR is set."""
    return Console(highlight=False, soft_wrap=True)


def age(seconds: float) -> str:
    """Show a time span by its two largest units: ``3d 4h``."""
    left = int(max(seconds, 0))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}" if unit in "dh" else f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
