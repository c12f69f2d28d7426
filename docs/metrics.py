"""The reference of the metrics, made of the one list in ``nuage/status/metrics.py``."""

from __future__ import annotations

from collections.abc import Iterator

from nuage.status.metrics import METRICS, Metric


def reference() -> str:
    """Return the reference of all metrics as reStructuredText."""
    return "\n".join(line for metric in METRICS for line in _entry(metric))


def _entry(metric: Metric) -> Iterator[str]:
    labels = ", ".join(metric.labels)
    yield f"``{metric.full_name}``" + (f" {{{labels}}}" if labels else "") + f", a {metric.kind.value}"
    yield f"    {metric.text}"
    yield ""
