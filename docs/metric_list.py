"""The directive ``metric-list``: the reference of the metrics, see :mod:`docs.metrics`."""

from __future__ import annotations

from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from docs.metrics import reference
from nuage.status import metrics


class MetricList(SphinxDirective):
    """Inserts the reference."""

    def run(self) -> list[Node]:
        """Return the parsed reference."""
        self.env.note_dependency(str(metrics.__file__))
        return self.parse_text_to_nodes(reference())


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("metric-list", MetricList)
    return {"parallel_read_safe": True}
