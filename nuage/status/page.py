"""The page: a picture of networks and endpoints, for people who would rather look.

The daemon renders a table, which is what a browser without JavaScript shows. With JavaScript, ``page.js`` draws the
picture in its place and keeps it up to date by ``/status`` and ``/events``. The page is one answer: nothing of it comes
from elsewhere, and its Content-Security-Policy lets the browser run and load nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from importlib.resources import files

from markupsafe import Markup
from twisted.web.iweb import IRequest

from nuage.ovsdb.garbage import collection_paused
from nuage.status.control import MakeReport, Small
from nuage.status.report import EndpointSeen, NetworkSeen, Part, Problem, Report
from nuage.text import age

_EMPTY = Markup()
_ICON = Markup('<svg class="icon" aria-hidden="true"><use href="#icon-{}"/></svg>')
_PART = Markup('<li class="{kind}" title="{status}">{icon}{name}<span class="spoken">: {kind}</span></li>')
_PROBLEM = Markup('<li class="problem">{0.text} <span class="remedy">What to do: {0.remedy}</span></li>')
_COLUMNS = ("state", "container", "address", "MAC address", "policy group", "why")
_HEAD = _EMPTY.join(map(Markup("<th>{}</th>").format, _COLUMNS))
_TABLE = Markup("<table><caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>\n")
_ROW = Markup(
    '<tr id="endpoint-{0.id}" class="{kind}"><td>{icon} {state}</td><td>{name}</td><td>{address}</td><td>{mac}</td>'
    "<td>{group}</td><td>{why}</td></tr>\n"
)
_NO_ROW = Markup('<tr><td colspan="6">no endpoint</td></tr>')


class Page(Small):
    """Answers with the page.

    Args:
        report: Makes what it shows.
    """

    _app = Small.routes()

    def __init__(self, report: MakeReport) -> None:
        self._report = report
        self._frame, style, script = map(_own, ("page.html", "page.css", "page.js"))
        self._parts = {"style": style, "script": script}
        self._policy = "; ".join(
            (
                "default-src 'none'",
                f"style-src {_hash(style)}",
                f"script-src {_hash(script)}",
                "connect-src 'self'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        ).encode("ascii")

    @_app.route("/", methods=["GET"])
    def page(self, request: IRequest) -> bytes:
        """Show what is known."""
        # Of what is made for an answer, nothing is garbage before it is sent.
        with collection_paused():
            content = render(self._report(), self._frame, self._parts).encode("utf-8")
        for name, value in (
            (b"Content-Type", b"text/html; charset=utf-8"),
            (b"Content-Security-Policy", self._policy),
            (b"X-Content-Type-Options", b"nosniff"),
            (b"Referrer-Policy", b"no-referrer"),
            (b"Cache-Control", b"no-store"),
        ):
            request.setHeader(name, value)
        return content


def render(report: Report, frame: Markup, parts: dict[str, Markup]) -> Markup:
    """Return the page as the daemon tells it, before its script draws the picture.

    Args:
        report: What it shows.
        frame: The page without its content.
        parts: Its style and its script.
    """
    return frame.format(
        **parts,
        version=report.version,
        scope=report.scope,
        pid=report.pid,
        started=report.started,
        uptime=age(report.time - report.started),
        parts=_EMPTY.join(map(_part, report.parts)),
        tables=_EMPTY.join(_tables(report)) or Markup("<p>No network yet.</p>"),
        health="unwell" if report.problems else "",
        problems=_problems(report.problems),
    )


def _part(part: Part) -> Markup:
    kind, icon = {True: ("well", "resolved"), False: ("away", "refused"), None: ("unknown", "waiting")}[part.there]
    return _PART.format(kind=kind, status=part.status, icon=_ICON.format(icon), name=part.name.removeprefix("the "))


def _problems(problems: Iterable[Problem]) -> Markup:
    listed = _EMPTY.join(map(_PROBLEM.format, problems))
    return Markup("<h2>Problems</h2><ul>{}</ul>").format(listed) if listed else Markup("<h2>No problem</h2>")


def _tables(report: Report) -> Iterator[Markup]:
    """Yield a table for each network, and one for the endpoints whose network nobody knows."""
    members: dict[str | None, list[EndpointSeen]] = {network.id: [] for network in report.networks}
    strays: list[EndpointSeen] = []
    for endpoint in report.endpoints:
        members.get(endpoint.network_id, strays).append(endpoint)
    for network in report.networks:
        yield _table(_caption(network), members[network.id], report.time)
    if strays:
        yield _table("network not known", strays, report.time)


def _caption(network: NetworkSeen) -> str:
    names = (network.organization, network.domain, network.zone, network.subnet)
    return f"{' → '.join(filter(None, names))} → network {network.id[:12]}, {network.pool}"


def _table(caption: str, endpoints: Iterable[EndpointSeen], now: float) -> Markup:
    rows = _EMPTY.join(_row(endpoint, now) for endpoint in endpoints)
    return _TABLE.format(caption=caption, head=_HEAD, rows=rows or _NO_ROW)


def _row(endpoint: EndpointSeen, now: float) -> Markup:
    state = endpoint.state.value
    return _ROW.format(
        endpoint,
        kind=f"{state} gone" if endpoint.gone else state,
        icon=_ICON.format(state),
        state=f"{state}, removed" if endpoint.gone else f"{state} for {age(now - endpoint.since)}",
        name=endpoint.container or endpoint.id[:12],
        address=" ".join(filter(None, (endpoint.address, endpoint.address_v6))),
        mac=endpoint.mac or "",
        group=f"{endpoint.policy_group} (from the {endpoint.policy_from})" if endpoint.policy_group else "",
        why=endpoint.reason,
    )


def _own(name: str) -> Markup:
    return Markup(files("nuage.status").joinpath(name).read_text("utf-8"))  # noqa: S704 - it is a file of this package


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest())
    return f"'sha256-{digest.decode('ascii')}'"
