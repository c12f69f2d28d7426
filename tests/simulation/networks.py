"""The networks that the hosts of a run have: where each of them is in Nuage."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Place:
    """Where a network is, in the topology of the lab."""

    domain: str
    zone: str = "Zone"
    subnet: str
    pool: str
    gateway: str

    def options(self) -> dict[str, str]:
        """Return the options that name it."""
        return {
            "organization": "Enterprise",
            "user": "admin",
            "domain": self.domain,
            "zone": self.zone,
            "subnet": self.subnet,
        }


PLACES: Mapping[str, Place] = {
    "n1": Place(domain="Domain", subnet="Subnet 2", pool="10.21.59.0/24", gateway="10.21.59.1"),
    "n2": Place(domain="Domain", subnet="Subnet 1", pool="10.21.58.0/24", gateway="10.21.58.1"),
    "n3": Place(domain="Domain", zone="Backend", subnet="Storage", pool="10.21.60.0/24", gateway="10.21.60.1"),
}
