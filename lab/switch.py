"""The VRS of a host: ovsdb-server with the VRS's schema, and ovs-vswitchd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.namespace import Namespace
from lab.schema import write_schema
from lab.shell import Process, run, wait_until

BRIDGE = "alubr0"
#: Its address inside the host.
DATABASE = "unix:/var/run/openvswitch/db.sock"
#: Where ovs-appctl looks for a daemon's pid file and, by the pid, for its socket: ovs-appctl(8), "--target".
_RUN = "/var/run/openvswitch"
#: The socket that a controller listens on. ovs-vswitchd only connects to sockets in that folder.
CONTROLLER_SOCKET = Path("/run/openvswitch/vsc.sock")


class Switch:
    """The database and the switch daemon."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self._namespace = namespace
        self._folder = folder
        self.database = Process("ovsdb-server", folder)
        self.daemon = Process("ovs-vswitchd", folder)

    def make(self) -> None:
        """Make the database, start both, and add the bridge."""
        schema, database = self._folder / "vswitch.ovsschema", self._folder / "conf.db"
        write_schema(schema)
        run("ovsdb-tool", "create", database, schema)
        self.start_database()
        self.vsctl("--no-wait", "init")
        # Containers leave the checksums of TCP and UDP to the device. This makes the userspace datapath fill them in.
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:userspace-tso-enable=true")
        self.start_daemon()
        self.add_bridge()

    def add_bridge(self) -> None:
        """Make the bridge, without a controller."""
        # There may be no kernel module, so use the datapath of the daemon itself.
        self.vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev")

    def remove_bridge(self) -> None:
        """Remove the bridge, with its ports and all that is kept there."""
        self.vsctl("del-br", BRIDGE)

    def start_database(self) -> None:
        """Start ovsdb-server with the database as it is."""
        self.database.start(
            *self._namespace.inside(
                "ovsdb-server",
                self._folder / "conf.db",
                f"--remote=p{DATABASE}",
                "--remote=ptcp:6633:127.0.0.1",
                f"--pidfile={_RUN}/ovsdb-server.pid",
            )
        )
        wait_until("ovsdb-server answers", self._answers, 10)

    def start_daemon(self) -> None:
        """Start ovs-vswitchd."""
        self.daemon.start(
            *self._namespace.inside("ovs-vswitchd", DATABASE, f"--pidfile={_RUN}/ovs-vswitchd.pid"),
        )

    def start(self) -> None:
        """Start both with the database as it is."""
        self.start_database()
        self.start_daemon()

    def stop(self) -> None:
        """End both."""
        self.daemon.stop()
        self.database.stop()

    def vsctl(self, *words: str) -> str:
        """Run ovs-vsctl and return what it prints."""
        return run(*self._namespace.inside("ovs-vsctl", f"--db={DATABASE}", *words)).stdout

    def ports(self) -> list[str]:
        """Return the ports of the bridge."""
        return self.vsctl("list-ports", BRIDGE).split()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table, maps as dicts, sets as lists."""
        operation = {"op": "select", "table": table, "where": []}
        command = ("ovsdb-client", "transact", DATABASE, json.dumps(["Open_vSwitch", operation]))
        (result,) = json.loads(run(*self._namespace.inside(*command)).stdout)
        return [{column: _plain(value) for column, value in row.items()} for row in result["rows"]]

    def _answers(self) -> bool:
        return run(*self._namespace.inside("ovsdb-client", "list-dbs", DATABASE), check=False).returncode == 0


def _plain(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2:
        kind, content = value
        if kind == "map":
            return {key: _plain(item) for key, item in content}
        if kind == "set":
            return [_plain(item) for item in content]
        if kind == "uuid":
            return content
    return value
