"""The time that a controller takes to resolve a port."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from lab.vrs.resolution import Key


class Delays:
    """Tells which ports can have been resolved by now.

    Args:
        clock: Keeps the time.
        delay: Seconds that it takes.
        elapsed: Called when it has passed for a port.
    """

    def __init__(self, clock: IReactorTime, delay: float, elapsed: Callable[[], None]) -> None:
        self._clock = clock
        self._delay = delay
        self._elapsed = elapsed
        self._settled: set[Key] = set()
        self._waiting: dict[Key, IDelayedCall] = {}

    def settled(self, resolvable: Mapping[Key, bool]) -> frozenset[Key]:
        """Return which of the ports are settled. Ports that are no longer named will have to wait again.

        Args:
            resolvable: The ports that can be resolved, and whether they already were.
        """
        for key in [key for key in self._waiting if key not in resolvable]:
            self._waiting.pop(key).cancel()
        self._settled &= resolvable.keys()
        for key, already in resolvable.items():
            if already or not self._delay:
                self._settle(key)
            elif key not in self._settled and key not in self._waiting:
                self._waiting[key] = self._clock.callLater(self._delay, self._expire, key)
        return frozenset(self._settled)

    def stop(self) -> None:
        """Wait for nothing any more."""
        self.settled({})

    def _settle(self, key: Key) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            waiting.cancel()
        self._settled.add(key)

    def _expire(self, key: Key) -> None:
        del self._waiting[key]
        self._settled.add(key)
        self._elapsed()
