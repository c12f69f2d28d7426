"""Whole Docker hosts on one machine, each in namespaces of its own, with a real VRS database, switch and plugin."""
