"""Restart policies (moby daemon/internal/restartmanager)."""

from __future__ import annotations

from tests.simulation.docker.store import Container

#: Seconds before the first restart, and the longest pause. Each pause is twice as long as the one before.
_FIRST, _LONGEST = 0.1, 60.0
#: Seconds after which a container that runs counts as steady: its next restart is the first one again.
STEADY = 10.0


def wanted(container: Container) -> bool:
    """Tell whether a container that ended by itself is to be started again."""
    policy, _, most = container.restart.partition(":")
    if policy == "on-failure":
        return container.exit_code != 0 and (not most or container.restarts < int(most))
    return policy in ("always", "unless-stopped")


def wanted_at_start(container: Container) -> bool:
    """Tell whether dockerd starts a container when it starts itself."""
    held = container.restart == "unless-stopped" and container.stopped_by_hand
    return container.started_before and wanted(container) and not held


def pause(container: Container) -> float:
    """Return the seconds before a container is started again."""
    return min(_FIRST * 2.0**container.restarts, _LONGEST)
