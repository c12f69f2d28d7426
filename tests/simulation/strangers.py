"""What others have at the switch and in the kernel: a virtual machine, and what looks like the daemon's own."""

from __future__ import annotations

from typing import Any

from tests.simulation.database.server import Database
from tests.simulation.kernel import Kernel

_VM = "0f5c63a6-0c9f-4f6b-9f0c-3c2d2b7e1a11"


def add_links(kernel: Kernel) -> None:
    """Add a machine's link, and a pair whose names and alias only look like those of the daemon."""
    kernel.link("add", ifname=DEVICE, kind="tun")
    kernel.link("set", index=kernel.host.devices[DEVICE].index, state="up")
    kernel.link("add", ifname="nu0123456789abc", kind="veth", peer={"ifname": "nc0123456789abc"})
    kernel.link("set", index=kernel.host.devices["nu0123456789abc"].index, ifalias="not of nuage endpoint")


def add_rows(database: Database, number: int) -> None:
    """Add a virtual machine, as another agent of Nuage's does it, and a key of the bridge that is nobody's.

    Args:
        database: That of the switch.
        number: Which of the hosts it is, from 0 on: each has a machine of its own.
    """
    port: dict[str, Any] = {
        "name": "tap0",
        "mac": f"52:54:00:00:00:{number + 1:02x}",
        "bridge": "alubr0",
        "vm_domain": 1,
        "nuage_domain": "Domain",
        "nuage_zone": "Zone",
        "nuage_network": "Subnet 1",
        "metadata": ["map", [["nuage-enterprise-domain", "Domain"], ["static-ip", f"10.21.58.{200 + number}"]]],
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
    of_bridge = ["external_ids", "insert", ["map", [["nuage-of-another", "value"], ["someone", "else"]]]]
    database.transact(
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
        {"op": "insert", "table": "Nuage_Port_Table", "row": port},
        {"op": "insert", "table": "Nuage_VM_Table", "row": entity},
        {
            "op": "mutate",
            "table": "Bridge",
            "where": [["name", "==", "alubr0"]],
            "mutations": [["ports", "insert", ["named-uuid", "port"]], of_bridge],
        },
    )
