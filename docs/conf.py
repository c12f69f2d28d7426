"""How Sphinx builds the documentation: ``tests/docs``."""

from __future__ import annotations

from nuage import __version__

project = "nuage-plugin"
project_copyright = "the authors of nuage-plugin, Apache-2.0"
version = release = __version__

extensions = ["docs.configuration_keys", "docs.metric_list"]
highlight_language = "none"
exclude_patterns = ["__pycache__"]
# Each link is one within the documentation, and has to lead somewhere.
nitpicky = True
# An option of a command keeps both of its hyphens, wherever it stands.
smartquotes = False

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["drawings.css"]
html_title = f"nuage-plugin {__version__}"
html_show_sphinx = False
html_copy_source = False

man_pages = [
    ("man/nuage-plugin", "nuage-plugin", "Docker network driver for Nuage VRS", "", 8),
    ("man/nuage.yaml", "nuage.yaml", "configuration of nuage-plugin", "", 5),
]
