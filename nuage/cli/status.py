"""``nuage-plugin status``: how the driver does, at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Group, RenderableType

from nuage.cli.control import Control
from nuage.cli.output import again, as_json, counted, pairs, plain, show
from nuage.text import age

Report = Mapping[str, Any]

#: Problems and names that are shown; --json has all.
_MOST = 10
_MOST_NAMES = 3

#: What the auditor did, in words for one and for several.
_REPAIRS = {
    "forget": ("endpoint removed", "endpoints removed"),
    "remove_link": ("link removed", "links removed"),
    "restore": ("endpoint put back", "endpoints put back"),
    "forget_network": ("network forgotten", "networks forgotten"),
    "name": ("container named", "containers named"),
    "learn": ("network learnt", "networks learnt"),
    "mend_link": ("link mended", "links mended"),
}
_TITLES = {"vrs": "VRS", "bridge": "Bridge", "controller": "Controller", "docker": "Docker", "vsd": "VSD"}


@click.command()
@as_json
@again
@click.pass_obj
def status(control: Control, json_wanted: bool, watch: bool) -> int:
    """Show at a glance how the driver does.

    Exits with 1 if there is a problem.
    """
    report = show(lambda: control.get("/status"), drawn, json_wanted=json_wanted, watch=watch)
    return 1 if report["problems"] else 0


def drawn(report: Report) -> RenderableType:
    """Draw a report."""
    head = (
        f"nuage-plugin {report['version']}  up {age(report['time'] - report['started'])}  "
        f"scope {report['scope']}  pid {report['pid']}"
    )
    return Group(head, pairs(_lines(report)))


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    now = report["time"]
    parts = {part["key"]: part for part in report["parts"]}
    for part in parts.values():
        yield _TITLES.get(part["key"], part["name"]), _part(part, now)
    if "controller" not in parts:
        yield "Controller", "not needed: resolve_timeout is 0"
    if "vsd" not in parts:
        yield "VSD", "not configured"
    yield "Networks", f"{len(report['networks'])}"
    yield "Endpoints", _endpoints(report)
    yield "Audit", _audit(report["audit"], now)
    cleanup = len(report["cleanup"])
    yield "Clean-up", f"{cleanup} pending" if cleanup else "nothing pending"
    yield from _problems(report["problems"])


def _part(part: Mapping[str, Any], now: float) -> str:
    if part["there"] is None:
        return "not asked yet" if part["key"] == "docker" else "unknown while the VRS is away"
    if not part["there"]:
        return f"away for {age(now - part['since'])}: {part['status']}"
    words = [_well(part), part["address"]]
    if part["returns"]:
        returns = counted(part["returns"], "reconnect", "reconnects")
        words.append(f"{returns}, last {age(now - part['returned'])} ago")
    return "  ".join(filter(None, words))


def _well(part: Mapping[str, Any]) -> str:
    if part["key"] == "bridge":
        return "there"
    if part["key"] != "docker":
        return "connected"
    server = part["details"].get("server") or ""
    version = server.removeprefix("Docker/").partition(" ")[0] if server.startswith("Docker/") else ""
    seconds = part["details"].get("seconds")
    answers = "answers" if seconds is None else f"answers in {seconds * 1000:.0f} ms"
    api_version = part["details"].get("api_version")
    return "  ".join(filter(None, [version, api_version and f"API {api_version}", answers]))


def _endpoints(report: Report) -> str:
    counts = {state: count for state, count in report["endpoint_states"].items() if count}
    shown = []
    for state, count in counts.items():
        names = _names(report, state) if state not in ("resolved", "unattached") else ""
        shown.append(f"{count} {state}{names}")
    return ", ".join(shown) or "none"


def _names(report: Report, state: str) -> str:
    """Name those that do so, the newest first, and since when."""
    found = [each for each in report["endpoints"] if each["state"] == state and not each["gone"]]
    found.sort(key=lambda each: -each["since"])
    named = [f"{each['container'] or each['id'][:12]}, {age(report['time'] - each['since'])}" for each in found]
    more = "; …" if len(named) > _MOST_NAMES else ""
    return f" ({'; '.join(named[:_MOST_NAMES])}{more})"


def _audit(audit: Mapping[str, Any], now: float) -> str:
    if audit["last"] is None:
        return "none yet"
    found = f"failed: {audit['problem']}" if audit["problem"] else _found(len(audit["proposals"]))
    return f"{age(now - audit['last'])} ago: {found}; {_repaired(audit['repairs'])}"


def _found(count: int) -> str:
    return counted(count, "thing to do or to judge", "things to do or to judge") if count else "nothing to do"


def _repaired(repairs: Mapping[str, int]) -> str:
    if not repairs:
        return "repaired since start: nothing"
    words = [counted(count, *_REPAIRS.get(kind, (kind, kind))) for kind, count in sorted(repairs.items())]
    return f"repaired since start: {sum(repairs.values())} ({', '.join(words)})"


def _problems(problems: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    if not problems:
        yield "Problems", "none"
    for number, problem in enumerate(problems[:_MOST]):
        yield "" if number else "Problems", plain(problem["text"])
        yield "", f"  → {plain(problem['remedy'])}"
    if len(problems) > _MOST:
        yield "", f"… and {len(problems) - _MOST} more: nuage-plugin status --json"
