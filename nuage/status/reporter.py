"""Makes reports of what the daemon knows already. Nobody is asked for one: neither Docker nor the switch."""

from __future__ import annotations

from nuage.status.report import Report


class Reporter:
    """Makes reports."""

    def report(self) -> Report:
        """Return what is known at this moment. It does not wait for anything."""
        raise NotImplementedError
