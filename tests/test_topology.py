"""``nuage-plugin topology``: what it shows of a report, as text, as a graph and as a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from nuage.cli.topology import topology

HOSTILE = 'we"b\\n<b>&'


def network(number: int, **places: str | None) -> dict[str, Any]:
    """Return a network of a report; ``places`` replace its places."""
    known = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "subnet": f"Subnet {number}"}
    return {"id": str(number) * 64, "pool": f"10.21.{number}.0/24", **known, **places}


def endpoint(name: str | None, number: int, state: str = "resolved", gone: bool = False) -> dict[str, Any]:
    """Return an endpoint of a report."""
    return {
        "id": f"{number}e" * 32,
        "network_id": str(number) * 64,
        "container": name,
        "address": f"10.21.{number}.2/24",
        "state": state,
        "gone": gone,
    }


REPORT = {
    "networks": [network(1), network(2), network(3, domain="Flat", zone=None, subnet=None)],
    "endpoints": [
        endpoint("web", 1),
        endpoint(HOSTILE, 1, "waiting"),
        endpoint(None, 3, "refused"),
        endpoint("lost", 9, "suspect"),
        endpoint("refused before", 2, "refused", gone=True),
    ],
}


class PlayedControl:
    """A daemon that answers one report."""

    def __init__(self, report: Any) -> None:
        self.report = report

    def get(self, what: str) -> Any:
        """See nuage.cli.control.Control."""
        assert what == "/status"
        return self.report


def run(*words: str, report: Any = REPORT) -> Result:
    """Run the command."""
    return CliRunner().invoke(topology, words, obj=PlayedControl(report), standalone_mode=False)


def outline(nodes: Sequence[Any], depth: int = 0) -> list[str]:
    """Return kinds and names, with a dot for each level."""
    lines = []
    for node in nodes:
        lines += ["." * depth + f"{node['kind']} {node['name']}", *outline(node["children"], depth + 1)]
    return lines


class TopologyTests(SynchronousTestCase):
    """A report with both kinds of domains, a network without a record, a hostile name, and an endpoint that is gone."""

    def test_json(self) -> None:
        """Each place is there once, and holds what is in it."""
        found = outline(json.loads(run("--json").output))
        self.assertEqual(
            found,
            [
                "organization Enterprise",
                ".domain Domain",
                "..zone Zone",
                "...subnet Subnet 1",
                f"....network {'1' * 12}",
                ".....endpoint web",
                f".....endpoint {HOSTILE}",
                "...subnet Subnet 2",
                f"....network {'2' * 12}",
                ".domain Flat",
                f"..network {'3' * 12}",
                f"...endpoint {'3e' * 6}",
                f"network {'9' * 12}",
                ".endpoint lost",
            ],
        )

    def test_text(self) -> None:
        """Below its network, each endpoint with its address and its state; names are not taken for markup."""
        lines = run().output.splitlines()
        (web,) = (line for line in lines if "web  " in line)
        self.assertIn("10.21.1.2/24  resolved", web)
        self.assertIn(HOSTILE, "\n".join(lines))
        self.assertNotIn("\x1b", "\n".join(lines))

    def test_no_networks(self) -> None:
        """The output says so."""
        self.assertIn("no networks yet", run(report={"networks": [], "endpoints": []}).output)

    def test_picture(self) -> None:
        """Graphviz understands the graph: each place, network and endpoint is a node, joined to what it is in."""
        root = ElementTree.fromstring(run("--svg").output)
        kinds = [element.get("class") for element in root.iter("{http://www.w3.org/2000/svg}g")]
        self.assertEqual((kinds.count("node"), kinds.count("edge")), (14, 12))
        texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
        self.assertLessEqual({HOSTILE, "Subnet 2", "waiting", "lost"}, texts)

    def test_one_form_at_a_time(self) -> None:
        """A graph is not JSON, and is not shown again and again."""
        for words in (("--dot", "--json"), ("--svg", "--watch")):
            self.assertIn("leave them out", str(getattr(run(*words).exception, "message", "")))

    def test_without_graphviz(self) -> None:
        """The message says what is missing, and what does without it."""
        with patch.dict(os.environ, {"PATH": "/nonexistent"}):
            problem = run("--svg").exception
            self.assertIn("apt-get install graphviz", str(getattr(problem, "message", problem)))
            self.assertTrue(run("--dot").output.startswith("digraph nuage {"))
