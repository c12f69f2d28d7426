"""The VRSs on the hosts of containers and VMs, and whether they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import NAMESPACE_DNS, uuid5

from lab.vsd.directory import Directory, Thing
from lab.vsd.kinds import BY_ENTITY

UP, DOWN = "UP", "DOWN"


class Hosts:
    """Knows the VRSs, each by the name of its host.

    Args:
        directory: What exists.
        now: Tells the time, in seconds since the epoch.
        config: The system's configuration. After ``VMUnreachableTime`` (seconds) without an answer, what runs on a host
            is unreachable; after ``VMUnreachableCleanupTime`` (seconds) it is gone.
        addresses: Addresses of the hosts, by their names.
    """

    def __init__(
        self, directory: Directory, now: Callable[[], float], config: Thing, addresses: Mapping[str, str]
    ) -> None:
        self._directory = directory
        self._now = now
        self._config = config
        self._addresses = addresses
        self._hosts: dict[str, Thing] = {}
        self._lost: dict[str, float] = {}

    def __getitem__(self, name: str) -> Thing:
        """Return the VRS of a host."""
        if name not in self._hosts:
            values = {"name": name, "address": self._addresses.get(name), "hypervisorIdentifier": name, "status": UP}
            identity = str(uuid5(NAMESPACE_DNS, name))
            root = self._directory.root
            self._hosts[name] = self._directory.add(BY_ENTITY["vrs"], root, values, identity=identity)
        return self._hosts[name]

    def note(self, name: str, *, answers: bool) -> None:
        """Record whether a VRS answers."""
        if answers:
            self._lost.pop(name, None)
        else:
            self._lost.setdefault(name, self._now())
        status = UP if answers else DOWN
        if self[name]["status"] != status:
            self._directory.change(self[name], {"status": status, "lastStateChange": int(self._now() * 1000)})

    def unreachable(self, name: str) -> bool:
        """Tell whether it has not answered for too long."""
        return self._away(name, "VMUnreachableTime")

    def gone(self, name: str) -> bool:
        """Tell whether it has not answered for so long that what runs there counts as gone."""
        return self._away(name, "VMUnreachableCleanupTime")

    def states(self) -> list[tuple[bool, bool]]:
        """Return for each whether it is unreachable, and whether it is gone."""
        return [(self.unreachable(name), self.gone(name)) for name in self._hosts]

    def _away(self, name: str, longer_than: str) -> bool:
        lost = self._lost.get(name)
        return lost is not None and self._now() - lost > int(self._config[longer_than])
