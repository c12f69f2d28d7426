"""Whole Docker hosts on one machine, each in its own namespaces, with a real VRS database, switch and plugin."""
