"""The reference of the configuration, as the documentation has it."""

from __future__ import annotations

import re

import attrs
from twisted.trial.unittest import SynchronousTestCase

from docs import metrics
from docs.keys import SHIPPED, described, reference
from nuage.config.settings import Config
from nuage.status.metrics import METRICS
from tests.test_tap import PROJECT

FILE = """\
# What is said of the file.

# --- Times ------

# Seconds, or **hours**_. Allowed: 0.1 to
# 600. It is short. Default: 5.
#
# Two forms:
#   a   the first
#   b   the second
# Both are good.
mtu: 1450
"""


class Reference(SynchronousTestCase):
    """What becomes of the settings and the shipped file."""

    def test_each_key(self) -> None:
        """It has its heading, its words, what is allowed, its default and its variable."""
        words = described(SHIPPED.read_text())
        text = reference(SHIPPED.read_text())
        entries = {entry.partition("\n")[0]: entry for entry in text.split(".. confval:: ")[1:]}
        self.assertEqual([*entries], [*words])
        self.assertEqual({*entries}, {field.metadata["yaml"] for field in attrs.fields(Config)})
        for field in attrs.fields(Config):
            key = field.metadata["yaml"]
            self.assertTrue(words[key].group, key)
            self.assertRegex(entries[key], rf"(?s)\A{key}\n\n   [A-Z].*\n\n   :Allowed: \S.*\n   :Default: \S.*\n", key)
            self.assertIn(f"\n   :Variable: ``NUAGE_{field.name.upper()}``\n", entries[key])
            self.assertNotIn(" Allowed:", entries[key])

    def test_defaults(self) -> None:
        """A number, a path and nothing."""
        text = reference(SHIPPED.read_text())
        for shown in ("``0.1``", "``35``", "``/run/docker/plugins/nuage.sock``", "empty"):
            self.assertEqual(f":Default: {shown}\n" in text, shown != "``0.1``", shown)

    def test_words(self) -> None:
        """Paragraphs are kept, so is what is indented; what the settings know and marks of reStructuredText are not."""
        others = "".join(
            f"\n# More.\n{field.metadata['yaml']}:\n" for field in attrs.fields(Config) if field.name != "mtu"
        )
        entry = reference(FILE + others, index=False).partition("\n.. confval:: VrsEndpoint")[0]
        self.assertEqual(
            entry.splitlines(),
            [
                "Times",
                "-----",
                "",
                ".. confval:: mtu",
                "   :no-index:",
                "",
                r"   Seconds, or \*\*hours\*\*\_. It is short.",
                "",
                "   Two forms:",
                "",
                "   ::",
                "",
                "     a   the first",
                "     b   the second",
                "",
                "   Both are good.",
                "",
                "   :Allowed: a whole number from 1280 to 65535",
                "   :Default: ``1450``",
                "   :Variable: ``NUAGE_MTU``",
            ],
        )

    def test_a_key_that_is_not_described(self) -> None:
        """It is not left out in silence."""
        problem = self.assertRaises(ValueError, reference, SHIPPED.read_text().replace("\nmtu: 1450\n", "\n"))
        self.assertEqual(str(problem), "etc/nuage.yaml does not describe mtu")


class Metrics(SynchronousTestCase):
    """The reference of the metrics."""

    def test_each(self) -> None:
        """It has its name, its labels, its kind and its sentence."""
        text = metrics.reference()
        self.assertIn("``nuage_calls_in_flight``, a gauge\n    Calls from Docker that have not ended.\n", text)
        self.assertIn("``nuage_calls_total`` {method, outcome}, a counter\n", text)
        for metric in METRICS:
            self.assertEqual(text.count(f"``{metric.full_name}``"), 1, metric.name)
            self.assertIn(f"\n    {metric.text}\n", text)

    def test_alerts(self) -> None:
        """The page names each of those that are shipped, and no other."""
        page = (PROJECT / "docs" / "monitoring.rst").read_text()
        named = re.findall(r"^``(Nuage\w+)``", page, re.M)
        shipped = re.findall(r"alert: (\w+)", (PROJECT / "examples" / "alerts.yaml").read_text())
        self.assertEqual(named, shipped)


class Readme(SynchronousTestCase):
    """The page that everybody sees first."""

    def setUp(self) -> None:
        self.text = (PROJECT / "README.rst").read_text()

    def test_short(self) -> None:
        """It can be read at once."""
        self.assertLessEqual(len(self.text.splitlines()), 150)

    def test_where_to_read_on(self) -> None:
        """Each page and file that it names is there, and so are its two commands."""
        named = re.findall(r"``([a-z]+/[\w./-]+|[A-Z]+\.rst)``", self.text)
        self.assertIn("docs/tutorial.rst", named)
        self.assertEqual([name for name in named if not (PROJECT / name).exists() and "build/" not in name], [])
        self.assertEqual(re.findall(r"^    # ((?:lab|tests)/\w+)$", self.text, re.M), ["lab/up", "tests/run"])
