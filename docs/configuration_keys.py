"""The directive ``configuration-keys``: the reference of the configuration, see :mod:`docs.keys`."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils.nodes import Node
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from docs.keys import SHIPPED, reference
from nuage.config import settings


class ConfigurationKeys(SphinxDirective):
    """Inserts the reference. With ``no-index`` other pages do not find the keys there."""

    option_spec: ClassVar[dict[str, Any]] = {"no-index": directives.flag}

    def run(self) -> list[Node]:
        """Return the parsed reference."""
        for source in (str(SHIPPED), str(settings.__file__)):
            self.env.note_dependency(source)
        text = reference(SHIPPED.read_text(), index="no-index" not in self.options)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("configuration-keys", ConfigurationKeys)
    return {"parallel_read_safe": True}
