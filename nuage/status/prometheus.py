"""Counts what happens, and tells it and what is known to Prometheus.

Nothing that the daemon does depends on this: whoever makes an event tells :class:`nuage.watchers.Watchers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TypeVar

from klein import Klein
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from twisted.web.iweb import IRequest

from nuage.docker.questions import OUTCOMES as DOCKER_OUTCOMES
from nuage.libnetwork.calls import OUTCOMES as CALL_OUTCOMES
from nuage.libnetwork.calls import Ended
from nuage.status.control import MakeReport, Small
from nuage.status.metrics import BUCKETS, METRICS, Kind, Metric
from nuage.vsd.cluster import Asked

_Kept = TypeVar("_Kept", bound=MetricWrapperBase)


class Metrics:
    """All metrics of one daemon.

    Each series that can be known beforehand is there from the start, with 0: Prometheus sees no increase in a series
    that begins with 1.

    Args:
        report: Makes a report, for what is only looked at.
        in_flight: Tells how many calls have not ended.
        methods: The calls that Docker may make.
    """

    def __init__(self, report: MakeReport, in_flight: Callable[[], int], methods: Sequence[str]) -> None:
        # When a counter was made says nothing that the start of the process does not.
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._registry.register(_Seen(report))
        self._calls = self._counted("calls_total", Counter)
        for method, outcome in product(methods, CALL_OUTCOMES):
            self._calls.labels(method, _word(outcome))
        self._call_seconds = self._counted("call_duration_seconds", Histogram)
        self._counted("calls_in_flight", Gauge).set_function(in_flight)
        self._transactions = self._counted("vrs_transaction_duration_seconds", Histogram)
        self._resolutions = self._counted("resolve_duration_seconds", Histogram)
        self._questions = self._counted("docker_requests_total", Counter)
        for outcome in DOCKER_OUTCOMES:
            self._questions.labels(outcome)
        self._requests = self._counted("vsd_requests_total", Counter)
        self._request_seconds = self._counted("vsd_request_duration_seconds", Histogram)

    def call_ended(self, ended: Ended) -> None:
        """Count a call of Docker's."""
        self._calls.labels(ended.method, _word(ended.outcome)).inc()
        self._call_seconds.labels(ended.method).observe(ended.seconds)

    def transaction_ended(self, seconds: float) -> None:
        """Count a transaction with the VRS's database."""
        self._transactions.observe(seconds)

    def port_resolved(self, seconds: float) -> None:
        """Count an answer of the VRS about a port."""
        self._resolutions.observe(seconds)

    def docker_asked(self, outcome: str) -> None:
        """Count a question to Docker."""
        self._questions.labels(outcome).inc()

    def vsd_asked(self, asked: Asked) -> None:
        """Count a request to the VSD."""
        self._requests.labels(asked.method, asked.code).inc()
        self._request_seconds.observe(asked.seconds)

    def text(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self._registry)

    def _counted(self, name: str, kind: Callable[..., _Kept]) -> _Kept:
        """Begin to count a metric of the list."""
        (metric,) = (each for each in METRICS if each.name == name)
        buckets = {"buckets": BUCKETS} if metric.kind is Kind.HISTOGRAM else {}
        return kind(metric.full_name, metric.text, metric.labels, registry=self._registry, **buckets)


class MetricsPage(Small):
    """Answers ``/metrics``.

    Args:
        metrics: What is told.
    """

    _app: Klein = Small.routes()

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @_app.route("/metrics", methods=["GET"])
    def tell(self, request: IRequest) -> bytes:
        """Tell all metrics."""
        request.setHeader(b"Content-Type", CONTENT_TYPE_LATEST.encode("ascii"))
        return self._metrics.text()


class _Seen(Collector):
    """Reads of a report what is only looked at."""

    def __init__(self, report: MakeReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Family]:
        """See the registry."""
        report = self._report()
        for metric in METRICS:
            if metric.seen is None:
                continue
            family = _family(metric)
            for labels, number in metric.seen(report):
                family.add_metric(labels, number)
            yield family

    def describe(self) -> Iterator[Family]:
        """See the registry, which asks for the names when there is no report yet."""
        return (_family(metric) for metric in METRICS if metric.seen is not None)


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return family(metric.full_name, metric.text, labels=metric.labels)


def _word(outcome: str) -> str:
    return outcome.replace(" ", "_")
