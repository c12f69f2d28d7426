"""Faults that other network plugins have had, as their users tell."""

from __future__ import annotations

from collections.abc import Sequence

from nuage.driver.driver import Driver
from nuage.links import links
from tests.simulation.known.fault import Edit, Known

KNOWN: Sequence[Known] = (
    Known(
        name="the driver answers a MAC address that it was given",
        edits=[Edit(Driver, "create_endpoint", "None if request.mac else endpoint.mac", "endpoint.mac")],
        seen="which the request had",
        within=10,
        seed=1,
    ),
    Known(
        name="links are taken for ours by the prefix of their names",
        edits=[
            Edit(
                links,
                "_owned",
                "if link.alias.startswith(mark) or link.half_made",
                "if link.name.startswith('nu')",
            )
        ],
        seen="somebody else's",
        within=5,
        seed=1,
    ),
)
