"""The numbers that the switches tell domains, subnets and L2 domains apart by."""

from __future__ import annotations

from lab.vrs.topology_file import EVPN_IDS, VRF_IDS
from lab.vsd.directory import Directory


def domain_number(directory: Directory) -> int:
    """Return a vrf_id that no domain has. They are taken from above: the topology file's come from below."""
    used = {each["serviceID"] for each in directory.below(directory.root, "domains").values()}
    return next(number for number in reversed(VRF_IDS) if number not in used)


def network_number(directory: Directory) -> int | None:
    """Return an evpn_id that no subnet and no L2 domain has, None if all are taken."""
    networks = (directory.below(directory.root, resource) for resource in ("subnets", "l2domains"))
    used = {each["serviceID"] for every in networks for each in every.values()}
    return next((number for number in reversed(EVPN_IDS) if number not in used), None)
