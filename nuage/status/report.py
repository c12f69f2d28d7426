"""What is known of the daemon at one moment, as plain values.

Times are Unix times in seconds. They go by a clock that nobody sets, which was compared with the time of day when the
daemon started. So the difference of two of them is right, whatever happened to the time of day since then.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

import attrs


class State(str, enum.Enum):
    """How an endpoint does."""

    #: The VRS resolved it as Docker expects: it is connected.
    RESOLVED = "resolved"
    #: It is at the bridge, and the VRS has not answered, or waits for its labels.
    WAITING = "waiting"
    #: It is not connected as it should be, and waiting does not help. Its reason says why.
    REFUSED = "refused"
    #: It was created, and no container has joined it yet, or it has left.
    UNATTACHED = "unattached"
    #: Docker does not know it, and its link carries traffic.
    SUSPECT = "suspect"


@attrs.frozen(kw_only=True)
class Part:
    """Something that the daemon works with.

    Args:
        key: What programs call it: ``vrs``, ``bridge``, ``controller``, ``docker``, ``vsd``.
        name: What sentences call it, such as "the VRS".
        there: Whether it is there, None if nobody can tell now.
        status: One sentence on how it does.
        address: Where it is, empty if that says nothing.
        since: Since when ``there`` is as it is.
        returns: How often it came back after it was away.
        returned: When it came back last, None if it never did.
        details: What else is known: of Docker its ``version``, and the ``seconds`` that its last answer took.
    """

    key: str
    name: str
    there: bool | None
    status: str
    address: str = ""
    since: float
    returns: int = 0
    returned: float | None = None
    details: Mapping[str, object] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class NetworkSeen:
    """A network that the switch remembers; see :class:`nuage.model.Network`. ``endpoints`` counts them by state."""

    id: str
    organization: str
    domain: str
    zone: str | None
    subnet: str | None
    user: str
    pool: str
    gateway: str | None
    pool_v6: str | None
    gateway_v6: str | None
    internal: bool
    gwbridge: bool
    mtu: int | None
    policy_group: str | None
    redirection_target: str | None
    endpoints: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class EndpointSeen:
    """An endpoint.

    Args:
        id: Docker's id.
        network_id: Its network's id, None if the switch does not tell.
        container_id: Its container, None if Docker has not told it.
        container: The container's name, None as well.
        address: With the length of the prefix, None if the switch does not tell.
        address_v6: The same for IPv6.
        mac: Its MAC address.
        link: The host end of its link, which is its port at the bridge too.
        ofport: The port's number at the bridge, None if the switch has not opened it.
        state: How it does.
        since: Since when it does so, as far as this daemon has seen.
        reason: Why, in one sentence; empty if it is resolved.
        policy_group: What the VRS was told, None for none.
        policy_from: Where that comes from: ``endpoint``, ``label`` or ``network``; None for none.
        gone: Docker has removed it after it was refused. It is shown for some minutes, so that one can see why.
    """

    id: str
    network_id: str | None
    container_id: str | None = None
    container: str | None = None
    address: str | None = None
    address_v6: str | None = None
    mac: str | None = None
    link: str
    ofport: int | None = None
    state: State
    since: float
    reason: str = ""
    policy_group: str | None = None
    policy_from: str | None = None
    gone: bool = False


@attrs.frozen(kw_only=True)
class AuditSeen:
    """What the auditor did.

    Args:
        runs: Audits that ended well.
        failures: Audits that failed.
        last: When the last one ended, None if none has.
        succeeded: When the last one ended that was well, None if none has.
        problem: Why the last one failed, or was not complete; None if it was well.
        proposals: What it would do, or leave to the operator, as it saw last.
        repairs: What it did since the start, by kind, such as ``restore``.
    """

    runs: int = 0
    failures: int = 0
    last: float | None = None
    succeeded: float | None = None
    problem: str | None = None
    proposals: tuple[str, ...] = ()
    repairs: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Problem:
    """Something that is not well, and what to do about it. ``subject`` is a part's key or an endpoint's id."""

    subject: str
    text: str
    remedy: str


@attrs.frozen(kw_only=True)
class Report:
    """All that is known.

    Args:
        version: The plugin's version.
        pid: Its process.
        time: Now.
        started: When it was started.
        scope: ``local`` or ``global``.
        log_level: What is logged, as the configuration spells it.
        parts: What it works with, in order of dependence.
        networks: By organization, domain, zone and subnet.
        endpoints: By network.
        audit: What the auditor did.
        cleanup: Endpoints and networks whose clean-up is due.
        addresses: Addresses from Nuage, by what becomes of them: ``in_use`` by an endpoint, ``giving_back`` until the
            VSD takes them, ``left_over`` by a crash. Empty where there is no VSD.
        problems: What is not well; empty if all is well.
    """

    version: str
    pid: int
    time: float
    started: float
    scope: str
    log_level: str
    parts: tuple[Part, ...]
    networks: tuple[NetworkSeen, ...]
    endpoints: tuple[EndpointSeen, ...]
    audit: AuditSeen
    cleanup: tuple[str, ...]
    addresses: Mapping[str, int] = attrs.field(factory=dict)
    problems: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        """Whether all that it works with is there."""
        return all(part.there for part in self.parts)

    def count(self) -> dict[str, int]:
        """Count the endpoints by state, each state included; those that are gone do not count."""
        counts = {state.value: 0 for state in State}
        for endpoint in self.endpoints:
            if endpoint.gone:
                continue
            counts[endpoint.state.value] += 1
        return counts

    def to_json(self) -> dict[str, Any]:
        """Return what ``/status`` answers; the fields keep their names."""
        return {**dict(_fields(self)), "ready": self.ready, "endpoint_states": self.count()}


def as_text(value: object) -> str | None:
    """Return how a report shows an address or a subnet; None for one that is not there."""
    return None if value is None else str(value)


def as_json(value: Any) -> Any:
    """Return a value of this module as JSON has it. A class becomes an object; its fields keep their names."""
    if attrs.has(type(value)):
        return dict(_fields(value))
    if isinstance(value, tuple):
        return [as_json(each) for each in value]
    return value.value if isinstance(value, enum.Enum) else value


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    for field in attrs.fields(type(value)):
        yield field.name, as_json(getattr(value, field.name))
