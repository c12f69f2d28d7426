"""The schema of a VRS: stock Open vSwitch plus the two Nuage tables.

The vendor publishes no schema file. ``nuage-tables.json`` describes the two tables as the public clients of a VRS use
them, in the form of the ``tables`` member of an ovsschema (RFC 7047 section 3.2).
"""

from __future__ import annotations

import json
from pathlib import Path

NUAGE_TABLES = Path(__file__).with_name("nuage-tables.json")
STOCK_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


def write_schema(target: Path, base: Path = STOCK_SCHEMA) -> None:
    """Write the schema at ``base`` with the Nuage tables added to ``target``, for ``ovsdb-tool create``.

    :raises OSError: when ``base`` cannot be read or ``target`` cannot be written.
    """
    schema = json.loads(base.read_text())
    schema["tables"].update(json.loads(NUAGE_TABLES.read_text()))
    # The checksum belongs to the stock file; without one the server computes its own.
    schema.pop("cksum", None)
    target.write_text(json.dumps(schema, indent=2) + "\n")
