"""The controllers of all hosts, which resolve ports by what the VSD has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lab.vrs.resolution import EntityRow, Key, Outcome, PortRow
from lab.vsd.activation import Activation

_Row = tuple[PortRow, EntityRow | None]


class Controller:
    """Knows the ports of all hosts.

    Args:
        activation: Gives interfaces to ports.
    """

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._rows: dict[str, Sequence[_Row]] = {}

    def of(self, host: str) -> HostController:
        """Return the controller of one host."""
        self._rows[host] = ()
        return HostController(host, self._resolve, self._activation.watch)

    def _resolve(self, host: str, rows: Sequence[_Row]) -> Mapping[Key, Outcome]:
        self._rows[host] = rows
        return self._activation.resolve([row for rows in self._rows.values() for row in rows])


class HostController:
    """The controller as the VRS of one host knows it; see tests.simulation.vrs_agent.Policy.

    Args:
        host: The host's name.
        resolve: Resolves the ports of a host among those of all.
        watch: Has something called when ports may have to be resolved anew.
    """

    def __init__(
        self,
        host: str,
        resolve: Callable[[str, Sequence[_Row]], Mapping[Key, Outcome]],
        watch: Callable[[Callable[[], None]], None],
    ) -> None:
        self._host = host
        self._resolve = resolve
        self.watch = watch

    def resolve(self, rows: Sequence[_Row]) -> Mapping[Key, Outcome]:
        """Resolve the ports of this host."""
        return self._resolve(self._host, rows)
