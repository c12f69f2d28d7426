"""The metrics: what there is, and what each of them means. This is the only list of them.

A label has few values, never an id: each value is a time series of its own for whoever stores it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence

import attrs

from nuage import __version__
from nuage.audit.rules import REPAIRS
from nuage.status.report import Part, Report, State

#: What the name of each metric begins with.
PREFIX = "nuage_"

#: Bounds of the buckets of a histogram, in seconds. A call takes milliseconds, or the seconds that it waits for others.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

#: A metric's values: those of its labels, and the number.
Values = Iterator[tuple[Sequence[str], float]]


class Kind(enum.Enum):
    """What a number does: it goes up and down, only up, or it is many, counted by their size."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@attrs.frozen(kw_only=True)
class Metric:
    """One metric.

    Args:
        name: Its name without the prefix.
        kind: What its number does.
        text: What it tells, in one sentence.
        labels: What its values are told apart by.
        seen: Reads its values of a report. None for what is counted while it happens.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    seen: Callable[[Report], Values] | None = None

    @property
    def full_name(self) -> str:
        """The name that Prometheus knows."""
        return PREFIX + self.name


def _one(number: float) -> Values:
    yield (), number


def _part(report: Report, key: str) -> Part | None:
    return next((part for part in report.parts if part.key == key), None)


def _there(key: str) -> Callable[[Report], Values]:
    """Tell whether a part is there. There is no value while nobody can tell, or if it is not needed."""

    def seen(report: Report) -> Values:
        part = _part(report, key)
        if part is not None and part.there is not None:
            yield (), float(part.there)

    return seen


def _reconnects(report: Report) -> Values:
    part = _part(report, "vrs")
    if part is not None:
        yield (), part.returns


def _endpoints(report: Report) -> Values:
    for state, count in report.count().items():
        yield (state,), count


def _longest_wait(report: Report) -> Values:
    waits = (report.time - each.since for each in report.endpoints if each.state is State.WAITING)
    yield (), max(waits, default=0.0)


def _audits(report: Report) -> Values:
    yield ("ok",), report.audit.runs
    yield ("failed",), report.audit.failures


def _repairs(report: Report) -> Values:
    for kind in REPAIRS:
        yield (kind,), report.audit.repairs.get(kind, 0)


def _addresses(report: Report) -> Values:
    for state, count in report.addresses.items():
        yield (state,), count


def _last_success(report: Report) -> Values:
    if report.audit.succeeded is not None:
        yield (), report.audit.succeeded


#: All of them, in the order in which they are told and described.
METRICS = (
    Metric(
        name="build_info",
        kind=Kind.GAUGE,
        text="Always 1; the label has the version of the plugin that runs.",
        labels=("version",),
        seen=lambda _report: iter([((__version__,), 1.0)]),
    ),
    Metric(
        name="calls_total",
        kind=Kind.COUNTER,
        text="Calls from Docker that ended: ok, failed (Docker was told why), given_up (Docker had gone, or the call's "
        "time was over) or bug.",
        labels=("method", "outcome"),
    ),
    Metric(
        name="call_duration_seconds",
        kind=Kind.HISTOGRAM,
        text="How long calls from Docker took.",
        labels=("method",),
    ),
    Metric(
        name="calls_in_flight",
        kind=Kind.GAUGE,
        text="Calls from Docker that have not ended.",
    ),
    Metric(
        name="vrs_connected",
        kind=Kind.GAUGE,
        text="1 if the VRS's database is connected and its tables are loaded, else 0.",
        seen=_there("vrs"),
    ),
    Metric(
        name="vrs_reconnects_total",
        kind=Kind.COUNTER,
        text="How often the VRS's database came back after it was away.",
        seen=_reconnects,
    ),
    Metric(
        name="vrs_transaction_duration_seconds",
        kind=Kind.HISTOGRAM,
        text="How long transactions with the VRS's database took, failed ones too.",
    ),
    Metric(
        name="controller_connected",
        kind=Kind.GAUGE,
        text="1 if the VRS's controller is connected, else 0. Left out while the bridge is away, or if resolve_timeout "
        "is 0.",
        seen=_there("controller"),
    ),
    Metric(
        name="resolve_duration_seconds",
        kind=Kind.HISTOGRAM,
        text="How long the VRS took to resolve ports. Those that it did not resolve in time are not among them.",
    ),
    Metric(
        name="endpoints",
        kind=Kind.GAUGE,
        text="Endpoints that the switch has: resolved, waiting, refused, unattached or suspect.",
        labels=("state",),
        seen=_endpoints,
    ),
    Metric(
        name="endpoint_longest_wait_seconds",
        kind=Kind.GAUGE,
        text="For how long the endpoint has been waiting that waits for longest; 0 if no endpoint waits.",
        seen=_longest_wait,
    ),
    Metric(
        name="networks",
        kind=Kind.GAUGE,
        text="Networks that the switch remembers.",
        seen=lambda report: _one(len(report.networks)),
    ),
    Metric(
        name="cleanup_pending",
        kind=Kind.GAUGE,
        text="Endpoints and networks whose clean-up is still to be done.",
        seen=lambda report: _one(len(report.cleanup)),
    ),
    Metric(
        name="audit_runs_total",
        kind=Kind.COUNTER,
        text="Audits: ok if all could be compared, failed otherwise.",
        labels=("outcome",),
        seen=_audits,
    ),
    Metric(
        name="audit_repairs_total",
        kind=Kind.COUNTER,
        text="What audits repaired, by kind.",
        labels=("kind",),
        seen=_repairs,
    ),
    Metric(
        name="audit_last_success_timestamp_seconds",
        kind=Kind.GAUGE,
        text="When the last audit ended that could compare all, as a Unix time. Left out until there is one.",
        seen=_last_success,
    ),
    Metric(
        name="docker_connected",
        kind=Kind.GAUGE,
        text="1 if Docker answers the plugin's questions, or has not been asked yet, else 0.",
        seen=_there("docker"),
    ),
    Metric(
        name="vsd_connected",
        kind=Kind.GAUGE,
        text="1 if the VSD answers and accepts the account, else 0. Left out without a VSD.",
        seen=_there("vsd"),
    ),
    Metric(
        name="ipam_addresses",
        kind=Kind.GAUGE,
        text="Addresses from Nuage: in_use by an endpoint, giving_back until the VSD takes them, left_over by a crash.",
        labels=("state",),
        seen=_addresses,
    ),
    Metric(
        name="docker_requests_total",
        kind=Kind.COUNTER,
        text="Questions to Docker: ok, refused (by Docker or a proxy in front of it), unreachable (nobody listens) or "
        "failed (no answer in time, or none that makes sense).",
        labels=("outcome",),
    ),
    Metric(
        name="vsd_requests_total",
        kind=Kind.COUNTER,
        text="Requests to the VSD, each repetition, by the method and the status of HTTP; none if no answer came.",
        labels=("method", "code"),
    ),
    Metric(
        name="vsd_request_duration_seconds",
        kind=Kind.HISTOGRAM,
        text="How long requests to the VSD took, failed ones too.",
    ),
)
