"""The documentation: pages for Sphinx, and what builds them."""
