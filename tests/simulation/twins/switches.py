"""A real ovs-vswitchd with links of its own, and the simulated one, to be told the same."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, Protocol

from lab.schema import write_schema
from lab.shell import run, wait_until
from tests.simulation import installation
from tests.simulation.chance import Chance
from tests.simulation.database.server import Database
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor
from tests.simulation.switch_daemon import SwitchDaemon

_BRIDGE = "alubr0"
#: Seconds that a real process gets.
_PATIENCE = 20.0

#: What the database tells of an interface: ``ofport`` and ``error``.
State = tuple[int | None, str | None]


class SwitchTwin(Protocol):
    """A switch daemon and its links."""

    def add_link(self, name: str) -> None:
        """Make a link."""

    def remove_link(self, name: str) -> None:
        """Remove a link."""

    def add_port(self, name: str) -> None:
        """Make a port of the bridge."""

    def remove_port(self, name: str) -> None:
        """Remove a port of the bridge."""

    def end(self, *, killed: bool) -> None:
        """End the daemon."""

    def start(self) -> None:
        """Start the daemon."""

    def states(self) -> dict[str, State]:
        """Return what the database tells of each interface once the daemon has done its work."""


class RealSwitch:
    """A real one, in a network namespace of its own.

    Args:
        folder: For its files, which is empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._namespace = f"twin-{os.getpid()}"
        self._running = False
        self._steps = 0
        write_schema(folder / "schema")
        run("ip", "netns", "add", self._namespace)
        run("ovsdb-tool", "create", folder / "db", folder / "schema")
        run("ovsdb-server", folder / "db", f"--remote=p{self._remote}", *self._options("database"))
        self._vsctl("init")
        self.start()
        self._vsctl("add-br", _BRIDGE, "--", "set", "bridge", _BRIDGE, "datapath_type=netdev")

    @property
    def _remote(self) -> str:
        return f"unix:{self._folder}/sock"

    def _options(self, name: str) -> tuple[str, ...]:
        files = (f"--{option}={self._folder}/{name}.{option}" for option in ("pidfile", "unixctl", "log-file"))
        return (*files, "-vconsole:off", "--detach", "--no-chdir")

    def remove(self) -> None:
        """End all, and remove the links."""
        if self._running:
            self.end(killed=True)
        os.kill(int((self._folder / "database.pidfile").read_text()), signal.SIGTERM)
        run("ip", "netns", "delete", self._namespace)

    def add_link(self, name: str) -> None:
        """See SwitchTwin."""
        run("ip", "-n", self._namespace, "link", "add", name, "type", "veth", "peer", "name", f"{name}-peer")

    def remove_link(self, name: str) -> None:
        """See SwitchTwin."""
        run("ip", "-n", self._namespace, "link", "delete", name)

    def add_port(self, name: str) -> None:
        """See SwitchTwin."""
        self._vsctl("add-port", _BRIDGE, name)

    def remove_port(self, name: str) -> None:
        """See SwitchTwin."""
        self._vsctl("del-port", _BRIDGE, name)

    def end(self, *, killed: bool) -> None:
        """See SwitchTwin."""
        pid = int((self._folder / "daemon.pidfile").read_text())
        if killed:
            os.kill(pid, signal.SIGKILL)
        else:
            run("ovs-appctl", "-t", self._folder / "daemon.unixctl", "exit")
        wait_until("ovs-vswitchd ends", lambda: not _runs(pid), _PATIENCE)
        self._running = False

    def start(self) -> None:
        """See SwitchTwin."""
        inside = ("nsenter", f"--net=/run/netns/{self._namespace}")
        run(*inside, "ovs-vswitchd", self._remote, *self._options("daemon"))
        self._running = True

    def states(self) -> dict[str, State]:
        """See SwitchTwin. A change that ovs-vsctl waits for comes after all that the daemon has to do before."""
        self._steps += 1
        run(
            *self._command(), f"--timeout={_PATIENCE:g}", "set", "Open_vSwitch", ".", f"external_ids:step={self._steps}"
        )
        columns = ("--format=json", "--columns=name,ofport,error")
        listed = json.loads(run(*self._command(), *columns, "list", "Interface").stdout)
        return {name: (_only(ofport), _only(error)) for name, ofport, error in listed["data"]}

    def _vsctl(self, *words: str) -> None:
        run(*self._command(), "--no-wait", *words)

    def _command(self) -> tuple[str, str]:
        return "ovs-vsctl", f"--db={self._remote}"


class SimulatedSwitch:
    """A simulated one."""

    def __init__(self) -> None:
        chance = Chance("switches")
        self._reactor = SimReactor(chance)
        self.database = Database(self._reactor, chance, History())
        self._links: set[str] = set()
        self.daemon = SwitchDaemon(self._reactor, chance, History(), self.database, self._links.__contains__)
        self.daemon.busy = 0.0
        self.database.start()
        installation.make_switch(self.database)
        self.daemon.start()
        installation.make_bridge(self.database, _BRIDGE, controller=None)

    def add_link(self, name: str) -> None:
        """See SwitchTwin."""
        self._links.add(name)
        self.daemon.device_changed(name)

    def remove_link(self, name: str) -> None:
        """See SwitchTwin."""
        self._links.remove(name)
        self.daemon.device_changed(name)

    def add_port(self, name: str) -> None:
        """See SwitchTwin."""
        installation.add_port(self.database, name, _BRIDGE)

    def remove_port(self, name: str) -> None:
        """See SwitchTwin."""
        installation.remove_port(self.database, name, _BRIDGE)

    def end(self, *, killed: bool) -> None:
        """See SwitchTwin."""
        self.daemon.stop()

    def start(self) -> None:
        """See SwitchTwin."""
        self.daemon.start()

    def states(self) -> dict[str, State]:
        """See SwitchTwin."""
        self._reactor.run_for(1.0)
        return {row["name"]: (row["ofport"], row["error"]) for row in self.database.rows("Interface")}


def _only(wire: Any) -> Any:
    """Return the atom of an optional value, None if there is none."""
    return None if wire == ["set", []] else wire


def _runs(pid: int) -> bool:
    """Tell whether any thread of a process is left. Its first one may be dead long before the others."""
    try:
        alone = len(os.listdir(f"/proc/{pid}/task")) == 1
        return not alone or " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
