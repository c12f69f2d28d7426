"""Reports for tests that need no switch."""

from __future__ import annotations

from typing import Any

import attrs

from nuage.status.report import AuditSeen, EndpointSeen, NetworkSeen, Part, Problem, Report, State
from tests.driver_support import ENDPOINT, NETWORK

NOW = 1_000_000.0
NETWORK_SEEN = NetworkSeen(
    id=NETWORK,
    organization="Enterprise",
    domain="Domain",
    zone="Zone",
    subnet="Subnet 2",
    user="admin",
    pool="10.21.59.0/24",
    gateway="10.21.59.1",
    pool_v6=None,
    gateway_v6=None,
    internal=False,
    gwbridge=False,
    mtu=None,
    policy_group=None,
    redirection_target=None,
    endpoints={"resolved": 1},
)
ENDPOINT_SEEN = EndpointSeen(
    id=ENDPOINT,
    network_id=NETWORK,
    container_id="c0ffee",
    container="web",
    address="10.21.59.2/24",
    mac="7a:42:0a:15:3b:02",
    link=f"nu{ENDPOINT[:13]}",
    ofport=1,
    state=State.RESOLVED,
    since=NOW - 60,
    policy_group="front",
    policy_from="label",
)
VRS = Part(key="vrs", name="the VRS", there=True, status="connected", address="unix:/db.sock", since=NOW - 90)
BRIDGE = Part(key="bridge", name="bridge alubr0", there=True, status="there", address="alubr0", since=NOW - 90)
CONTROLLER = Part(key="controller", name="the controller", there=True, status="connected", since=NOW - 90)
DOCKER = Part(
    key="docker",
    name="Docker",
    there=True,
    status="answers",
    address="unix:///docker.sock",
    since=NOW - 90,
    details={"server": "Docker/26.1.5 (linux)", "api_version": "1.45", "seconds": 0.0021},
)
PARTS = (VRS, BRIDGE, CONTROLLER, DOCKER)


def report(**changes: Any) -> Report:
    """Return a report of a daemon that is well; ``changes`` replace fields."""
    well = Report(
        version="1.1.0",
        pid=812,
        time=NOW,
        started=NOW - 3 * 86400 - 4 * 3600,
        scope="local",
        log_level="Info",
        parts=PARTS,
        networks=(NETWORK_SEEN,),
        endpoints=(ENDPOINT_SEEN,),
        audit=AuditSeen(runs=7, last=NOW - 12),
        cleanup=(),
        problems=(),
    )
    return attrs.evolve(well, **changes)


def many(count: int, **changes: Any) -> tuple[EndpointSeen, ...]:
    """Return so many endpoints, each with an id and a container of its own."""
    return tuple(
        attrs.evolve(ENDPOINT_SEEN, id=f"{number:064x}", container=f"web-{number}", **changes)
        for number in range(count)
    )


PROBLEM = Problem(subject="vrs", text="not connected to unix:/db.sock", remedy="check that ovsdb-server runs")
