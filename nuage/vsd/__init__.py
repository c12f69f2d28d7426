"""The VSD's REST API: asking it, and the names and places that it has."""
