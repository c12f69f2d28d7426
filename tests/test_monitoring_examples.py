"""The examples for Prometheus and Grafana: they are understood there, and name metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from nuage.status.metrics import METRICS, Kind
from tests.metrics_support import check_rules, promtool
from tests.test_tap import PROJECT

ALERTS = PROJECT / "examples" / "alerts.yaml"
DASHBOARD = PROJECT / "examples" / "dashboard.json"
#: When the alerts fire.
SCENES = PROJECT / "tests" / "alerts.yaml"


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    """Yield what the dashboard asks Prometheus."""
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]


def series() -> set[str]:
    """Return the names of all series that the plugin has."""
    names = {metric.full_name for metric in METRICS if metric.kind is not Kind.HISTOGRAM}
    histograms = [metric.full_name for metric in METRICS if metric.kind is Kind.HISTOGRAM]
    return names | {f"{name}{part}" for name in histograms for part in ("_bucket", "_count", "_sum")}


def named(text: str) -> set[str]:
    """Return the names of series that an expression has."""
    return set(re.findall(r"\bnuage_\w+", text))


class Alerts(SynchronousTestCase):
    """The alert rules."""

    def test_understood(self) -> None:
        """By Prometheus' own check."""
        self.assertIn(f"SUCCESS: {len(alerts())} rules found", promtool("check", "rules", ALERTS))

    def test_scenes(self) -> None:
        """Each fires when it should, and not before; each has its scene."""
        self.assertIn("SUCCESS", promtool("test", "rules", SCENES))
        scenes = SCENES.read_text()
        self.assertEqual([rule["alert"] for rule in alerts() if rule["alert"] not in scenes], [])

    def test_words(self) -> None:
        """Each names the host, and says what to do; each series that it looks at is there."""
        for rule in alerts():
            self.assertIn("{{ $labels.instance }}: ", rule["annotations"]["summary"], rule["alert"])
            self.assertRegex(rule["annotations"]["description"], r"^[A-Z].*\.$", rule["alert"])
            self.assertTrue(named(rule["expr"]), rule["alert"])
            self.assertLessEqual(named(rule["expr"]), series(), rule["alert"])


class Dashboard(SynchronousTestCase):
    """The dashboard for Grafana."""

    def test_expressions(self) -> None:
        """Prometheus understands each of them."""
        # What Grafana fills in.
        filled = [each.replace("$__rate_interval", "5m").replace("$instance", ".*") for each in expressions()]
        self.assertEqual([each for each in filled if "$" in each], [])
        rules = [{"record": f"dashboard:{number}", "expr": each} for number, each in enumerate(filled)]
        text = yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})
        folder = Path(self.mktemp())
        folder.mkdir()
        self.assertIn(f"SUCCESS: {len(filled)} rules found", check_rules(folder, text))

    def test_complete(self) -> None:
        """It shows each metric, and no series that is not there."""
        shown = named(" ".join(expressions()))
        self.assertLessEqual(shown, series())
        self.assertEqual({each.full_name for each in METRICS} - _base(shown), set())

    def test_panels(self) -> None:
        """Each has a title, a description and a place of its own."""
        places: set[tuple[int, int]] = set()
        for panel in panels():
            self.assertTrue(panel["title"])
            self.assertRegex(panel["description"], r"^[A-Z].*\.$")
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertEqual(places & cells, set(), panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            places |= cells


def _base(shown: set[str]) -> set[str]:
    """Return the names of metrics that series belong to."""
    return {re.sub(r"_(bucket|count|sum)$", "", each) for each in shown}
