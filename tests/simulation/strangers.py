"""What others have at the switch and in the kernel: a virtual machine, and what looks like the daemon's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lab.vsd.kinds import BY_ENTITY
from tests.simulation.database.rows import Change
from tests.simulation.database.server import Database
from tests.simulation.kernel import Kernel
from tests.simulation.vsd.server import Vsd

#: The machine's link and port.
DEVICE = "tap0"
#: Its subnet, after domain and zone.
_SUBNET = ("Domain", "Zone", "Subnet 1")
_VM = "0f5c63a6-0c9f-4f6b-9f0c-3c2d2b7e1a11"
#: An endpoint of another plugin like ours, which has another socket, and its port.
_ENDPOINT, _PLUGIN = "f0" * 32, "other.sock"
_PORT = "nu" + _ENDPOINT[:13]
#: Links that look like ours, with their aliases.
LINKS = {"nu0123456789abc": "not of nuage endpoint", "nuabcdefabcdefa": "", _PORT: f"nuage endpoint {_ENDPOINT}"}
#: What is kept at the bridge.
_KEPT = {"nuage-of-another": "value", "someone": "else"}
#: What the switch and the agent write.
_NOT_OURS_TO_KEEP = {"_version", "ofport", "error", "statistics", "ip_addr", "subnet_mask", "gateway"}
_NOT_OURS_TO_KEEP |= {"vrf_id", "evpn_id"}


def add_links(kernel: Kernel) -> None:
    """Add a machine's link, and a pair whose names and alias only look like those of the daemon."""
    kernel.link("add", ifname=DEVICE, kind="tun")
    kernel.link("set", index=kernel.host.devices[DEVICE].index, state="up")
    for name, alias in LINKS.items():
        kernel.link("add", ifname=name, kind="veth", peer={"ifname": f"nc{name[2:]}"})
        if alias:
            kernel.link("set", ifname=name, ifalias=alias)


def add_rows(database: Database, number: int) -> None:
    """Add a virtual machine, as another agent of Nuage's does it, and a key of the bridge that is nobody's.

    Args:
        database: That of the switch.
        number: Which of the hosts it is, from 0 on: each has a machine of its own.
    """
    domain, zone, subnet = _SUBNET
    port: dict[str, Any] = {
        "name": DEVICE,
        "mac": _mac(number),
        "bridge": "alubr0",
        "vm_domain": 1,
        "nuage_domain": domain,
        "nuage_zone": zone,
        "nuage_network": subnet,
        "metadata": ["map", [["nuage-enterprise-domain", domain], ["static-ip", _address(number)]]],
    }
    entity: dict[str, Any] = {
        "vm_uuid": _VM,
        "vm_name": "a machine",
        "type": 1,
        "domain": 1,
        "event": 2,
        "state": 1,
        "nuage_enterprise": "Enterprise",
        "nuage_user": "admin",
        "ports": DEVICE,
    }
    *inserts, mutation = _ports()
    database.transact(
        *inserts,
        {"op": "insert", "table": "Nuage_Port_Table", "row": port},
        {"op": "insert", "table": "Nuage_VM_Table", "row": entity},
        mutation,
    )


def bind_address(vsd: Vsd, number: int) -> None:
    """Have the VSD give the machine's address to nobody else, also while a switch that lost its database has no port.

    A VSD keeps a machine until somebody removes it; the lab's keeps one only for as long as its port is there.
    """
    binding = {"IPAddress": _address(number), "MAC": _mac(number)}
    # An ID of its own: one that is drawn would change all that is drawn after it.
    identity = f"{_VM[:-2]}{32 + number:02x}"
    vsd.parts.directory.add(BY_ENTITY["ipreservation"], vsd.subnet(*_SUBNET), binding, identity=identity)


def _mac(number: int) -> str:
    return f"52:54:00:00:00:{number + 1:02x}"


def _address(number: int) -> str:
    return f"10.21.58.{200 + number}"


def put_back(database: Database, number: int) -> None:
    """Add what of theirs went with the bridge, and the rest if the whole database was lost."""
    if any(row["vm_uuid"] == _VM for row in database.rows("Nuage_VM_Table")):
        database.transact(*_ports())
    else:
        add_rows(database, number)


def _ports() -> Sequence[dict[str, Any]]:
    """Return what adds that of theirs which is at the bridge."""
    of_bridge = ["external_ids", "insert", ["map", [list(pair) for pair in _KEPT.items()]]]
    ports = ["ports", "insert", ["set", [["named-uuid", "port"], ["named-uuid", "other"]]]]
    return [
        {"op": "insert", "table": "Interface", "row": {"name": DEVICE}, "uuid-name": "interface"},
        {
            "op": "insert",
            "table": "Port",
            "row": {
                "name": DEVICE,
                "interfaces": ["named-uuid", "interface"],
                "external_ids": ["map", [["vm-uuid", _VM], ["vm-name", "a machine"]]],
            },
            "uuid-name": "port",
        },
        {
            "op": "insert",
            "table": "Interface",
            "row": {"name": _PORT, "external_ids": ["map", [list(pair) for pair in _marks().items()]]},
            "uuid-name": "another",
        },
        {
            "op": "insert",
            "table": "Port",
            "row": {"name": _PORT, "interfaces": ["named-uuid", "another"]},
            "uuid-name": "other",
        },
        {
            "op": "mutate",
            "table": "Bridge",
            "where": [["name", "==", "alubr0"]],
            "mutations": [ports, of_bridge],
        },
    ]


def _marks() -> dict[str, str]:
    """Return the marks of another plugin's endpoint."""
    record = {"id": _ENDPOINT, "network_id": "f1" * 32, "mac": "7a:42:00:00:00:99", "owner": _PLUGIN}
    return {
        "nuage-endpoint": _ENDPOINT,
        "nuage-network": "f1" * 32,
        "nuage-record": json.dumps(record),
        "nuage-owner": _PLUGIN,
        "vm-uuid": _ENDPOINT,
        "vm-name": "theirs",
    }


def harmed(change: Change) -> bool:
    """Tell whether something of theirs was changed that only they may change."""
    if change.old is None:
        return False
    if change.table == "Bridge":
        before, after = (row["external_ids"] if row else {} for row in (change.old, change.new))
        return any(before.get(key) == text and after.get(key) != text for key, text in _KEPT.items())
    theirs = change.table in ("Port", "Interface", "Nuage_Port_Table") and change.old["name"][0] in (DEVICE, _PORT)
    theirs = theirs or (change.table == "Nuage_VM_Table" and change.old["vm_uuid"][0] == _VM)
    return theirs and (change.new is None or _content(change.old) != _content(change.new))


def _content(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _NOT_OURS_TO_KEEP}
