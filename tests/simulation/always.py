"""What must hold at each moment, whatever is being done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from nuage.names import port_name
from tests.simulation.database.rows import Change
from tests.simulation.database.server import Database
from tests.simulation.docker.docker import Docker
from tests.simulation.history import History
from tests.simulation.kernel import Kernel
from tests.simulation.namespaces import KernelNamespaces

_PORTS = "Nuage_Port_Table"
#: What the MAC addresses begin with that nobody chose.
_OUR_MACS = "7a:42:"


class Guard:
    """Looks at each change of the switch and of the kernel's links.

    Args:
        now: Returns the seconds of the world.
        history: Is told what must never be.
        database: The switch's.
        kernel: Has the links.
        docker: Knows the containers.
        namespaces: Those of containers.
        last_call: Returns the method that Docker called last about an endpoint.
        cut_off: The links that a hand has deleted.
    """

    def __init__(
        self,
        now: Callable[[], float],
        history: History,
        *,
        database: Database,
        kernel: Kernel,
        docker: Docker,
        namespaces: KernelNamespaces,
        last_call: Callable[[str], str],
        cut_off: Collection[str] = (),
    ) -> None:
        self._now = now
        self._history = history
        self._database = database
        self._docker = docker
        self._namespaces = namespaces
        self._last_call = last_call
        self._cut_off = cut_off
        database.watch(self._look_at_ports)
        kernel.watch(self._look_at_link)

    def _look_at_ports(self, changes: Sequence[Change]) -> None:
        """No two ports have the same MAC, or the same address of a domain."""
        if not any(change.table == _PORTS and change.old is None for change in changes):
            return
        seen: dict[tuple[object, ...], str] = {}
        for row in self._database.rows(_PORTS):
            # Users may give two containers one MAC address, and Docker lets them.
            keys: list[tuple[object, ...]] = [("MAC", row["mac"])] if row["mac"].startswith(_OUR_MACS) else []
            if address := row["metadata"].get("static-ip"):
                keys.append(("address", row["nuage_domain"], address))
            for key in keys:
                other = seen.setdefault(key, row["name"])
                if other != row["name"]:
                    self._violate(f"ports {other} and {row['name']} have the same {key}")

    def _look_at_link(self, name: str) -> None:
        """No running container loses its link: it is gone with its other end, or it is Docker that takes it out."""
        if name in self._cut_off:
            return
        for endpoint, container in self._docker.attached().items():
            if port_name(endpoint.id) != name or endpoint.sandbox is None or not endpoint.device:
                continue
            if self._last_call(endpoint.id) in ("Leave", "DeleteEndpoint"):
                # Docker is told that it may take the other end out only when the link may be gone already.
                continue
            if container.process and not self._namespaces.has(endpoint.sandbox.key, endpoint.device):
                self._violate(f"the link of {container.name}, which runs, is removed: {name}")

    def _violate(self, what: str) -> None:
        self._history.violate(self._now(), "always", what)
