"""The page as the daemon renders it: what a browser without JavaScript shows, and what it may do."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from html.parser import HTMLParser
from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.libnetwork.server import PluginSite
from nuage.status.control import Status, tree
from nuage.status.page import Page
from nuage.status.report import AuditSeen, EndpointSeen, Part, Problem, Report, State
from tests.http_support import Answer, Wire
from tests.report_support import NETWORK_SEEN

NETWORK = attrs.evolve(NETWORK_SEEN, id="4a" * 32, endpoints={})
WEB = EndpointSeen(
    id="e1" * 32,
    network_id=NETWORK.id,
    container_id="c1" * 32,
    container="web",
    address="10.21.59.2/24",
    mac="02:42:0a:15:3b:02",
    link="nue1e1e1e1e1",
    ofport=3,
    state=State.RESOLVED,
    since=900.0,
)
REPORT = Report(
    version="1.2.0",
    pid=812,
    time=1000.0,
    started=400.0,
    scope="local",
    log_level="Info",
    parts=(Part(key="vrs", name="the VRS", there=True, status="is connected", since=400.0),),
    networks=(NETWORK,),
    endpoints=(WEB,),
    audit=AuditSeen(),
    cleanup=(),
    problems=(),
)
#: Elements without an end.
VOID = ("meta", "link")
#: Names that would be markup, an attribute's end, a script's end or a format if somebody forgot what they are.
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</title></style></script><b>",
    "{0.__class__} {report} %s $x",
    "&lt;b&gt;",
)


class Seen(HTMLParser):
    """What a browser makes of a page.

    Attributes:
        elements: Each element's tag and attributes, in order.
        texts: The texts of the elements of each tag, with what is in them.
        cells: The texts of the cells of each row of the tables, without their heads.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.cells: list[list[str]] = []
        self._row: list[str] = []
        self._open: list[tuple[str, int]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.elements.append((tag, dict(attrs)))
        self.texts[tag].append("")
        if tag not in VOID:
            self._open.append((tag, len(self.texts[tag]) - 1))

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        ended, index = self._open.pop()
        assert ended == tag, f"{ended} ends with {tag}"
        if tag == "td":
            self._row.append(self.texts[tag][index].strip())
        elif tag == "tr" and self._row:
            self.cells.append(self._row)
            self._row = []

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        for tag, index in self._open:
            self.texts[tag][index] += data


class PageCase(SynchronousTestCase):
    """The control socket's tree with the page."""

    def ask(self, report: Report | Exception, method: str = "GET") -> Answer:
        """Return the answer at the tree's root."""
        (answer,) = wire(report).send(f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return answer

    def show(self, **changes: Any) -> Seen:
        """Return what a browser makes of the page for REPORT with other fields."""
        return Seen(self.ask(attrs.evolve(REPORT, **changes)).body.decode())


class TableTests(PageCase):
    """What is shown without JavaScript."""

    def test_an_endpoint(self) -> None:
        """With all that is known of it, below its network's place."""
        seen = self.show(endpoints=(attrs.evolve(WEB, policy_group="front", policy_from="label"),))
        self.assertEqual(
            seen.texts["caption"], ["Enterprise → Domain → Zone → Subnet 2 → network 4a4a4a4a4a4a, 10.21.59.0/24"]
        )
        cells = ["resolved for 1 min 40 s", "web", "10.21.59.2/24", WEB.mac, "front (from the label)", ""]
        self.assertEqual(seen.cells, [cells])

    def test_each_state(self) -> None:
        """Has a word and a shape, not a colour alone. Those that are not resolved say why."""
        for state in State:
            seen = self.show(endpoints=(attrs.evolve(WEB, state=state, reason="because"),))
            self.assertEqual((seen.cells[0][0], seen.cells[0][5]), (f"{state.value} for 1 min 40 s", "because"))
            icons = [attributes["href"] for tag, attributes in seen.elements if tag == "use"]
            self.assertEqual(icons[-1], f"#icon-{state.value}")
            self.assertIn(("symbol", f"icon-{state.value}"), [(tag, each.get("id")) for tag, each in seen.elements])

    def test_an_endpoint_that_docker_removed(self) -> None:
        """It still says why it was refused."""
        seen = self.show(endpoints=(attrs.evolve(WEB, state=State.REFUSED, reason="because", gone=True),))
        self.assertEqual((seen.cells[0][0], seen.cells[0][5]), ("refused, removed", "because"))

    def test_several_networks(self) -> None:
        """Each has its endpoints; those of which the network is not known come last."""
        flat = attrs.evolve(NETWORK, id="4b" * 32, domain="Flat", zone=None, subnet=None)
        other = attrs.evolve(WEB, id="e2" * 32, network_id=flat.id, container=None)
        stray = attrs.evolve(WEB, id="e3" * 32, network_id="4c" * 32)
        seen = self.show(networks=(NETWORK, flat), endpoints=(WEB, other, stray))
        self.assertEqual(
            seen.texts["caption"][1:], ["Enterprise → Flat → network 4b4b4b4b4b4b, 10.21.59.0/24", "network not known"]
        )
        rows = [attributes["id"] for tag, attributes in seen.elements if tag == "tr" and "id" in attributes]
        self.assertEqual(rows, [f"endpoint-{each.id}" for each in (WEB, other, stray)])
        self.assertEqual([row[1] for row in seen.cells], ["web", "e2e2e2e2e2e2", "web"])

    def test_nothing_yet(self) -> None:
        """No network, and a network without endpoints."""
        self.assertEqual(self.show(networks=(), endpoints=()).texts["section"], ["\nNo network yet.\n"])
        self.assertEqual(self.show(endpoints=()).cells, [["no endpoint"]])

    def test_what_the_daemon_works_with(self) -> None:
        """Whether it is there, by word and shape; and the problems with their remedies."""
        away = attrs.evolve(REPORT.parts[0], there=False, status="is away")
        seen = self.show(parts=(away,), problems=(Problem(subject="vrs", text="the VRS is away", remedy="start it"),))
        self.assertIn(("li", {"class": "away", "title": "is away"}), seen.elements)
        self.assertEqual(seen.texts["li"], ["VRS: away", "the VRS is away What to do: start it"])
        self.assertEqual(self.show().texts["h2"], ["No problem"])

    def test_it_is_loaded_anew(self) -> None:
        """By itself, and only without JavaScript."""
        page = self.ask(REPORT).body.decode()
        self.assertIn('<noscript><meta http-equiv="refresh" content="10"></noscript>', page)


class TrustTests(PageCase):
    """What the page lets a browser do, whatever somebody calls a network or a container."""

    def test_hostile_names(self) -> None:
        """They are text: the page has the elements that it has with other names, and shows the names as they are."""
        plain = self.named("plain")
        for name in HOSTILE:
            seen = self.named(name)
            self.assertEqual([tag for tag, _ in seen.elements], [tag for tag, _ in plain.elements], name)
            self.assertEqual(self.attributes(seen), self.attributes(plain), name)
            self.assertEqual(seen.cells[0][1:], [name, name, name, f"{name} (from the label)", name])
            self.assertEqual(
                seen.texts["caption"], [f"{name} → {name} → {name} → {name} → network 4a4a4a4a4a4a, {name}"]
            )

    def test_nothing_from_elsewhere(self) -> None:
        """No element names an address beyond the page; the browser is told to load and run nothing else."""
        answer = self.ask(REPORT)
        seen = Seen(answer.body.decode())
        addresses = [each[name] for _, each in seen.elements for name in ("src", "href", "action") if name in each]
        self.assertEqual({str(each)[:6] for each in addresses}, {"data:,", "#icon-"})
        policy = dict(each.split(" ", 1) for each in answer.headers["Content-Security-Policy"].split("; "))
        self.assertEqual(policy.pop("style-src"), digest(seen.texts["style"][0]))
        self.assertEqual(policy.pop("script-src"), digest(seen.texts["script"][0]))
        nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
        self.assertEqual(policy, nothing | {"connect-src": "'self'", "img-src": "data:"})
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")

    def test_it_changes_nothing(self) -> None:
        """Other methods are refused, and the script asks only with GET."""
        for method in ("POST", "PUT", "DELETE"):
            self.assertEqual(self.ask(REPORT, method).status, 405)
        script = Seen(self.ask(REPORT).body.decode()).texts["script"][0]
        self.assertNotRegex(script, r"method:|innerHTML =|outerHTML|insertAdjacentHTML|document\.write|eval\(")

    def test_a_report_that_fails(self) -> None:
        """It costs the one who asked for it the page, and nobody else anything."""
        self.assertEqual(self.ask(RuntimeError("a bug")).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def named(self, name: str) -> Seen:
        """Return the page when everything is called the same."""
        places: dict[str, Any] = dict.fromkeys(("organization", "domain", "zone", "subnet", "pool"), name)
        texts: dict[str, Any] = dict.fromkeys(("container", "address", "mac", "policy_group", "reason"), name)
        return self.show(
            version=name,
            scope=name,
            parts=(attrs.evolve(REPORT.parts[0], name=name, status=name),),
            networks=(attrs.evolve(NETWORK, **places),),
            endpoints=(attrs.evolve(WEB, policy_from="label", **texts),),
            problems=(Problem(subject=WEB.id, text=name, remedy=name),),
        )

    def attributes(self, seen: Seen) -> list[list[str]]:
        """Return the names of the attributes of each element."""
        return [list(attributes) for _, attributes in seen.elements]


def wire(report: Report | Exception) -> Wire:
    """Return a connection to the control socket's tree with a report."""

    def make() -> Report:
        if isinstance(report, Exception):
            raise report
        return report

    return Wire(PluginSite(tree(Status(make), {"": Page(make).resource()}), Clock()))


def digest(text: str) -> str:
    """Return what a Content-Security-Policy says of a text that may be run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
