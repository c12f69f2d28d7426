"""How long loading a database takes, relative to the least that any client in Python must do.

The raw client connects over a blocking socket, reads the schema and one monitor reply, decodes it with a single
``json.loads`` and builds dicts of rows, all without the garbage collector. Ours loads the same columns into its cache.
Each run is a fresh process; runs alternate, so that a busy machine slows both. Times start with the connection, after
the imports. Three points are timed:

- *loaded*: the content is complete: what waited for the cache goes on, and any row can be asked for;
- *settled*: ours has returned to the reactor, and the garbage collector, which is on again, has done the next round
  over young objects that its pause put off (the raw client leaves it off and has nothing to settle);
- *indexed*: each index has been used once. Ours builds an index when it is first asked; the raw client puts the same
  keys into plain dicts.

    python benchmarks/ovsdb_load.py --endpoints 10000 --rounds 7
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from lab.schema import write_schema

DATABASE = "Open_vSwitch"
COLUMNS = {
    "Interface": ("name", "external_ids", "ofport", "error", "type", "mac_in_use"),
    "Port": ("name", "interfaces", "external_ids"),
    "Bridge": ("name", "ports"),
    "Nuage_Port_Table": ("name", "mac", "ip_addr", "subnet_mask", "gateway", "metadata"),
    "Nuage_VM_Table": ("vm_uuid", "vm_name", "metadata", "ports"),
}
INDEXES: dict[str, tuple[str | tuple[str, str], ...]] = {
    "Interface": ("name", ("external_ids", "nuage-endpoint"), ("external_ids", "nuage-network")),
    "Port": ("name",),
    "Bridge": ("name",),
    "Nuage_Port_Table": ("name",),
    "Nuage_VM_Table": ("vm_uuid",),
}


def cpu() -> float:
    """Return the seconds of processor time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Stopwatch:
    """Wall and processor time since it was made, at several points."""

    def __init__(self) -> None:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), cpu()
        self._points: dict[str, list[float]] = {}

    def pass_point(self, name: str) -> None:
        """Note the time."""
        self._points[name] = [time.perf_counter() - self._wall, cpu() - self._cpu]

    def report(self, rows: int) -> None:
        """Print the result of a run."""
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rows": rows, "memory": memory, "points": self._points}))


def endpoint(number: int) -> list[dict[str, Any]]:
    """Return the operations that add one endpoint, without the reference to its port."""
    name, id_ = f"nu{number:013x}", f"{number:064x}"
    ids = {"nuage-endpoint": id_, "nuage-network": f"{number % 100:064x}", "vm-uuid": id_, "vm-name": f"vm{number}"}
    external_ids = ["map", list(map(list, ids.items()))]
    settings = {
        "nuage-enterprise-domain": "domain",
        "nuage-enterprise-zone": "zone",
        "nuage-enterprise-network": "subnet",
        "nuage-enterprise-network-type": "ipv4",
        "static-ip": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
    }
    interface, port = f"i{number}", f"p{number}"
    return [
        {
            "op": "insert",
            "table": "Interface",
            "uuid-name": interface,
            "row": {"name": name, "external_ids": external_ids, "ofport": number + 1},
        },
        {
            "op": "insert",
            "table": "Port",
            "uuid-name": port,
            "row": {"name": name, "external_ids": external_ids, "interfaces": ["named-uuid", interface]},
        },
        {
            "op": "insert",
            "table": "Nuage_Port_Table",
            "row": {
                "name": name,
                "mac": f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
                "bridge": "alubr0",
                "vm_domain": 4,
                "nuage_domain": "domain",
                "nuage_zone": "zone",
                "nuage_network": "subnet",
                "ip_addr": settings["static-ip"],
                "subnet_mask": "255.255.0.0",
                "gateway": "10.0.0.1",
                "metadata": ["map", list(map(list, settings.items()))],
            },
        },
        {
            "op": "insert",
            "table": "Nuage_VM_Table",
            "row": {
                "vm_uuid": id_,
                "vm_name": f"vm{number}",
                "ports": name,
                "metadata": ["map", [["enterprise", "enterprise"]]],
            },
        },
    ]


#: What ovsdb-server puts after the result of a call. No value of this database contains it.
_END = b',"error":null}'


class RawConnection:
    """A blocking connection that does not frame: it knows how this server ends its replies."""

    def __init__(self, path: str) -> None:
        """Connect."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def call(self, method: str, params: list[Any]) -> Any:
        """Return the result of a call."""
        self._socket.sendall(json.dumps({"id": 0, "method": method, "params": params}).encode())
        parts: list[bytes] = []
        while True:
            parts.append(self._socket.recv(1 << 16))
            if not parts[-1]:
                raise ConnectionError(f"the server hung up during {method}")
            if b"".join(parts[-2:]).endswith(_END):
                return json.loads(b"".join(parts))["result"]


def fill(path: str, endpoints: int) -> None:
    """Put a bridge and ``endpoints`` endpoints into the database."""
    connection = RawConnection(path)
    bridge = {"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": "alubr0"}}
    root = {"op": "insert", "table": "Open_vSwitch", "row": {"bridges": ["named-uuid", "b"]}}
    connection.call("transact", [DATABASE, bridge, root])
    for start in range(0, endpoints, 500):
        numbers = range(start, min(start + 500, endpoints))
        ports = ["set", [["named-uuid", f"p{number}"] for number in numbers]]
        batch = [operation for number in numbers for operation in endpoint(number)]
        batch.append({"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "insert", ports]]})
        failed = [entry for entry in connection.call("transact", [DATABASE, *batch]) if entry and "error" in entry]
        if failed:
            raise RuntimeError(str(failed[0]))


def load_raw(path: str) -> None:
    """Load with the raw client."""
    gc.disable()
    stopwatch = Stopwatch()
    connection = RawConnection(path)
    connection.call("get_schema", [DATABASE])
    requests = {table: [{"columns": list(columns)}] for table, columns in COLUMNS.items()}
    zero = "00000000-0000-0000-0000-000000000000"
    _, _, updates = connection.call("monitor_cond_since", [DATABASE, "raw", requests, zero])
    tables = {table: {uuid: row["initial"] for uuid, row in rows.items()} for table, rows in updates.items()}
    stopwatch.pass_point("loaded")
    stopwatch.pass_point("settled")
    found = sum(raw_index(tables[table], index) for table, indexes in INDEXES.items() for index in indexes)
    stopwatch.pass_point("indexed")
    assert found
    stopwatch.report(sum(map(len, tables.values())))


def raw_index(rows: dict[str, dict[str, Any]], index: str | tuple[str, str]) -> int:
    """Put the uuids of rows in wire form into a dict by the value of ``index``; return the number of values."""
    entries: dict[str, list[str]] = {}
    for uuid, row in rows.items():
        if isinstance(index, str):
            value = row.get(index)
        else:
            value = dict(row[index[0]][1]).get(index[1]) if index[0] in row else None
        if value is not None:
            entries.setdefault(value, []).append(uuid)
    return len(entries)


def load_ours(path: str) -> None:
    """Load with the client of this project."""
    from twisted.internet import reactor, task

    from nuage.ovsdb.client import Monitored, OvsdbClient
    from nuage.ovsdb.remote import parse_remote

    monitored = [Monitored(table, columns, INDEXES[table]) for table, columns in COLUMNS.items()]

    async def main(_: Any) -> None:
        stopwatch = Stopwatch()
        client = OvsdbClient(reactor, parse_remote(f"unix:{path}"), DATABASE, monitored)
        client.start()
        await client.when_synced(600)
        stopwatch.pass_point("loaded")
        await task.deferLater(reactor, 0)
        gc.collect(0)
        stopwatch.pass_point("settled")
        for table, indexes in INDEXES.items():
            for index in indexes:
                column, key = (index, None) if isinstance(index, str) else index
                client.cache[table].where(column, "", key)
        stopwatch.pass_point("indexed")
        stopwatch.report(sum(len(table.rows) for table in client.cache.tables.values()))
        await client.stop()

    task.react(main)


CLIENTS: dict[str, Callable[[str], None]] = {"raw": load_raw, "ours": load_ours}


def measure(client: str, path: str) -> dict[str, Any]:
    """Return the report of one run in a fresh process."""
    output = subprocess.run(
        [sys.executable, __file__, "--client", client, "--socket", path], check=True, stdout=subprocess.PIPE
    )
    report: dict[str, Any] = json.loads(output.stdout)
    return report


def show(runs: list[dict[str, Any]]) -> None:
    """Print the medians and the range of each figure, and the ratio of the medians."""
    for point, (figure, name) in itertools.product(("loaded", "settled", "indexed"), enumerate(("wall", "CPU"))):
        figures = {client: [run[client]["points"][point][figure] for run in runs] for client in CLIENTS}
        medians = {client: statistics.median(values) for client, values in figures.items()}
        described = [f"{c} {medians[c]:.3f} s ({min(v):.3f} to {max(v):.3f})" for c, v in figures.items()]
        print(f"{point:8} {name:5} {', '.join(described)}, ratio {medians['ours'] / medians['raw']:.2f}")
    memory = [f"{client} {statistics.median(run[client]['memory'] for run in runs):.0f} MiB" for client in CLIENTS]
    print(f"largest resident size: {', '.join(memory)}")


def compare(endpoints: int, rounds: int) -> None:
    """Serve a database, fill it, and print how fast both clients are."""
    with tempfile.TemporaryDirectory(prefix="ovsdb") as folder:
        write_schema(Path(folder, "schema"))
        subprocess.run(["ovsdb-tool", "create", f"{folder}/db", f"{folder}/schema"], check=True)
        path = f"{folder}/sock"
        options = [f"--remote=punix:{path}", f"--unixctl={folder}/ctl", f"--pidfile={folder}/pid", "--no-chdir"]
        subprocess.run(["ovsdb-server", "-vconsole:off", f"{folder}/db", *options, "--detach"], check=True)
        try:
            fill(path, endpoints)
            runs = [{client: measure(client, path) for client in CLIENTS} for _ in range(rounds)]
        finally:
            os.kill(int(Path(folder, "pid").read_text()), signal.SIGTERM)
    print(f"{endpoints} endpoints, {runs[0]['raw']['rows']} rows, medians and ranges of {rounds} rounds")
    show(runs)
    if any(run["raw"]["rows"] != run["ours"]["rows"] for run in runs):
        sys.exit("the clients did not load the same number of rows")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--endpoints", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--socket", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        CLIENTS[options.client](options.socket)
    else:
        compare(options.endpoints, options.rounds)


if __name__ == "__main__":
    main()
