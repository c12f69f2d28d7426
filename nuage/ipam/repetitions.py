"""Docker asking for a pool without end.

Where a pool overlaps a route of its host, and the user named no subnet, Docker keeps the pool and asks for another one,
for as long as it gets one (moby/libnetwork#1465). A Nuage subnet is the same each time.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from nuage.errors import Refused
from nuage.ipam.pool import Pool

#: How often a pool may be asked for within so many seconds without being used or given back.
_MOST, _WITHIN = 3, 10.0


class Repetitions:
    """Counts the requests for pools.

    Args:
        clock: Measures the time between them.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._asked: dict[str, list[float]] = {}

    def asked(self, pool: Pool) -> None:
        """Note a request that named no subnet.

        Raises:
            Refused: It has been repeated too often.
        """
        now = self._clock.seconds()
        recent = [when for when in self._asked.get(pool.id, []) if now - when < _WITHIN]
        self._asked[pool.id] = [*recent, now][-_MOST:]
        if len(recent) >= _MOST:
            raise Refused(
                f"Docker asks again and again for {pool}: a route of this host overlaps it. "
                f"Give --subnet={pool.prefix}, with which Docker takes it in spite of the route"
            )

    def ended(self, pool_id: str) -> None:
        """Note that a pool is used, or was given back."""
        self._asked.pop(pool_id, None)
