"""Faults that this driver or its peers once had, put back one at a time: the simulated world has to find each."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.known import audit, driver, peers, switch
from tests.simulation.known.fault import Known

#: All of them.
KNOWN: Sequence[Known] = (*switch.KNOWN, *driver.KNOWN, *audit.KNOWN, *peers.KNOWN)
