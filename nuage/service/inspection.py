"""What the control socket serves beside the report: what asks Docker, the kernel and the switch anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.web.resource import IResource

from nuage.config.settings import Config
from nuage.service.daemon import Daemon
from nuage.status.control import MakeReport
from nuage.status.diagnosis import DiagnoseResource, Diagnosis
from nuage.status.docker_views import DockerViews
from nuage.status.explainer import Explainer, ExplainResource
from nuage.status.facts import Stage, Verdict
from nuage.status.watched import Watch

#: The keys of what each endpoint needs.
_WITHOUT_WHICH = ("vrs", "bridge")


def inspection(
    reactor: Any,
    config: Config,
    daemon: Daemon,
    *,
    watches: Sequence[Watch],
    report: MakeReport,
    lines: Callable[[], list[str]],
) -> Mapping[str, IResource]:
    """Return the resources by the first part of their paths.

    Args:
        reactor: Keeps the time, and has threads.
        config: What the user configured.
        daemon: What is looked into.
        watches: What the daemon works with, in order of dependence.
        report: Makes a report.
        lines: Returns the last lines of the log.
    """
    explainer = Explainer(
        reactor,
        config,
        docker=DockerViews(daemon.docker, daemon.census),
        switch=daemon.switch,
        away=partial(_away, watches),
        links=daemon.links,
        recent=daemon.recent,
        report=report,
        why_unresolved=daemon.places.why_unresolved if daemon.places is not None else None,
    )
    diagnosis = Diagnosis(
        reactor,
        config,
        report=report,
        switch=daemon.switch,
        links=daemon.links,
        census=daemon.census,
        auditor=daemon.auditor,
        lines=lines,
    )
    return {"explain": ExplainResource(explainer).resource(), "diagnose": DiagnoseResource(diagnosis).resource()}


def _away(watches: Sequence[Watch]) -> Stage | None:
    """Return the stage of what is away and holds up all endpoints, None if it is there."""
    for watched in (watch.watched for watch in watches):
        if watched.key in _WITHOUT_WHICH and watched.there() is False:
            return Stage("VRS", Verdict.BROKEN, watched.status(), watched.remedy)
    return None
