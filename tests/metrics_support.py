"""Reports for tests of what is measured, and what ``promtool`` says."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import attrs

from nuage.status.report import AuditSeen, EndpointSeen, Part, Report, State
from tests import report_support
from tests.report_support import ENDPOINT_SEEN, NOW
from tests.vrs_support import demand_programs


def part(key: str, *, there: bool | None = True, returns: int = 0) -> Part:
    """Return something that the daemon works with."""
    return Part(key=key, name=key, there=there, status="", since=NOW, returns=returns)


def endpoint(number: int, state: State, *, waits: float = 0.0) -> EndpointSeen:
    """Return an endpoint that has been in a state for some seconds."""
    return attrs.evolve(ENDPOINT_SEEN, id=f"{number:064x}", state=state, since=NOW - waits)


def report(**changes: Any) -> Report:
    """Return a report of a daemon that is well and has done nothing yet; ``changes`` replace fields."""
    return report_support.report(**{"networks": (), "endpoints": (), "audit": AuditSeen(), **changes})


def promtool(*words: object, given: str = "") -> str:
    """Run promtool, which has to be content, and return what it says."""
    demand_programs(("promtool",))
    argv = ("promtool", *map(str, words))
    done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def check_rules(folder: Path, text: str) -> str:
    """Have promtool check rules."""
    path = folder / "rules.yaml"
    path.write_text(text)
    return promtool("check", "rules", path)
