"""The least that attaching an endpoint can take: a veth pair over netlink, one transaction, and the switch's answer.

It runs inside a host of the lab (see attach.py), blocks, and does only these three steps. For each line that it reads,
it attaches once, detaches again, and prints the seconds that attaching took. The lines come as often as the plugin is
called: what is done once in a while finds cold caches, what is done in a tight loop does not.

    python benchmarks/floor.py --database /var/run/openvswitch/db.sock
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from typing import Any

from pyroute2 import IPRoute

BRIDGE = "alubr0"


class Database:
    """A blocking OVSDB connection that watches the column ofport."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._buffer = ""
        self._decoder = json.JSONDecoder()
        self.call("monitor", ["Open_vSwitch", None, {"Interface": {"columns": ["name", "ofport"]}}])

    def call(self, method: str, params: list[Any]) -> Any:
        """Return the result of a call; updates that come before it are ignored."""
        self._socket.sendall(json.dumps({"id": method, "method": method, "params": params}).encode())
        while True:
            message = self.receive()
            if "method" not in message:
                return message["result"]

    def receive(self) -> dict[str, Any]:
        """Return the next message."""
        while True:
            try:
                message, end = self._decoder.raw_decode(self._buffer)
            except ValueError:
                self._buffer += self._socket.recv(1 << 16).decode()
                continue
            self._buffer = self._buffer[end:]
            return dict(message)

    def await_port(self, name: str) -> None:
        """Wait until the switch has opened the port."""
        while True:
            message = self.receive()
            if message.get("method") == "update":
                for row in message["params"][1].get("Interface", {}).values():
                    new = row.get("new", {})
                    if new.get("name") == name and isinstance(new.get("ofport"), int):
                        return


def attach(netlink: IPRoute, database: Database, name: str) -> tuple[float, str]:
    """Attach; return the seconds that it took and the uuid of the port."""
    start = time.perf_counter()
    netlink.link("add", ifname=name, kind="veth", peer={"ifname": f"p{name}"}, mtu=1450)
    (index,) = netlink.link_lookup(ifname=name)
    netlink.link("set", index=index, state="up")
    results = database.call(
        "transact",
        [
            "Open_vSwitch",
            {"op": "insert", "table": "Interface", "row": {"name": name}, "uuid-name": "i"},
            {
                "op": "insert",
                "table": "Port",
                "row": {"name": name, "interfaces": ["named-uuid", "i"]},
                "uuid-name": "p",
            },
            {
                "op": "mutate",
                "table": "Bridge",
                "where": [["name", "==", BRIDGE]],
                "mutations": [["ports", "insert", ["named-uuid", "p"]]],
            },
        ],
    )
    database.await_port(name)
    return time.perf_counter() - start, results[1]["uuid"][1]


def detach(netlink: IPRoute, database: Database, name: str, port: str) -> None:
    """Undo an attach."""
    mutations = [["ports", "delete", ["uuid", port]]]
    operation = {"op": "mutate", "table": "Bridge", "where": [["name", "==", BRIDGE]], "mutations": mutations}
    database.call("transact", ["Open_vSwitch", operation])
    netlink.link("del", ifname=name)


def main() -> None:
    """Attach and detach whenever a line comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    arguments = parser.parse_args()
    netlink, database = IPRoute(), Database(arguments.database)
    for number, _ in enumerate(sys.stdin):
        seconds, port = attach(netlink, database, f"floor{number}")
        print(seconds, flush=True)
        detach(netlink, database, f"floor{number}", port)


if __name__ == "__main__":
    main()
