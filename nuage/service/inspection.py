"""The daemon, as it can be seen from outside: the control socket, the TCP address and what the log is told."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.web.resource import IResource

from nuage.config.settings import Config
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.ipam_resource import methods_of
from nuage.service.daemon import Daemon
from nuage.service.logs import Log
from nuage.service.machine import Machine
from nuage.status.alarms import Alarms
from nuage.status.audits import Audits
from nuage.status.control import ControlServer, Status, tree
from nuage.status.diagnosis import DiagnoseResource, Diagnosis
from nuage.status.docker_views import DockerViews
from nuage.status.endpoint import NamedSite, StatusEndpoint, StatusSite
from nuage.status.events import Events
from nuage.status.explainer import Explainer, ExplainResource
from nuage.status.facts import Stage, Verdict
from nuage.status.ipam import Ipam
from nuage.status.log_level import LogLevel
from nuage.status.page import Page
from nuage.status.prometheus import Metrics, MetricsPage
from nuage.status.reporter import Reporter
from nuage.status.watched import Watch

#: The keys of what each endpoint needs.
_WITHOUT_WHICH = ("vrs", "bridge")


class Inspection(MultiService):
    """Lets others look into the daemon.

    Args:
        reactor: Keeps the time, has threads, listens.
        config: What the user configured.
        daemon: What is looked into.
        machine: Where it runs.
        calls: Docker's calls.
        watches: What the daemon works with, in order of dependence.
        log: The log, whose level can be changed and whose last lines are known.
        passed: The control socket if systemd made it.
    """

    def __init__(
        self,
        reactor: Any,
        config: Config,
        daemon: Daemon,
        machine: Machine,
        *,
        calls: Calls,
        watches: Sequence[Watch],
        log: Log,
        passed: socket.socket | None,
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._config = config
        self._daemon = daemon
        self._calls = calls
        self._watches = watches
        self._log = log
        calls.watch(daemon.ledger.call_ended)
        calls.watch(daemon.recent.note)
        self._report = Reporter(
            daemon.times,
            scope=config.scope,
            log_level=log.level,
            watches=watches,
            ledger=daemon.ledger,
            account=daemon.auditor.account,
            unfinished=daemon.unfinished,
            left=daemon.vsd.left,
            process_id=machine.process_id,
        ).report
        Alarms(reactor, self._report).setServiceParent(self)
        status, visible = Status(self._report), self._visible()
        names = [machine.host_name]
        control = NamedSite(tree(status, {**visible, **self._control()}), reactor, names)
        ControlServer(reactor, config.control_socket, control, passed, make_room=machine.make_room).setServiceParent(
            self
        )
        if config.status_endpoint is not None:
            seen = StatusSite(tree(status, visible), reactor, names)
            StatusEndpoint(reactor, config.status_endpoint, seen).setServiceParent(self)

    def _visible(self) -> dict[str, IResource]:
        """Return what only shows something: that may be seen over TCP too."""
        return {
            "": Page(self._report).resource(),
            "events": Events(self._reactor, self._report).resource(),
            "metrics": MetricsPage(self._metrics()).resource(),
        }

    def _control(self) -> dict[str, IResource]:
        """Return what changes something, or has the daemon do something: ask Docker, the kernel or the switch."""
        daemon = self._daemon
        return {
            "audit": Audits(daemon.times, daemon.auditor).resource(),
            "diagnose": DiagnoseResource(self._diagnosis()).resource(),
            "explain": ExplainResource(self._explainer()).resource(),
            "ipam": Ipam(daemon.vsd.holdings, daemon.switch.trace).resource(),
            "log-level": LogLevel(self._log).resource(),
        }

    def _metrics(self) -> Metrics:
        """Return the metrics, which are told of what happens from now on."""
        daemon = self._daemon
        metrics = Metrics(self._report, lambda: self._calls.in_flight, methods_of(daemon.vsd.ipam))
        self._calls.watch(metrics.call_ended)
        daemon.client.on_transaction(metrics.transaction_ended)
        daemon.endpoints.resolutions.add(metrics.port_resolved)
        daemon.docker.questions.add(metrics.docker_asked)
        daemon.vsd.on_asked(metrics.vsd_asked)
        return metrics

    def _explainer(self) -> Explainer:
        daemon = self._daemon
        return Explainer(
            self._reactor,
            self._config,
            docker=DockerViews(daemon.docker, daemon.census),
            switch=daemon.switch,
            away=partial(_away, self._watches),
            links=daemon.links,
            recent=daemon.recent,
            report=self._report,
            why_unresolved=daemon.vsd.places.why_unresolved if daemon.vsd.places is not None else None,
        )

    def _diagnosis(self) -> Diagnosis:
        daemon = self._daemon
        return Diagnosis(
            self._reactor,
            self._config,
            report=self._report,
            switch=daemon.switch,
            links=daemon.links,
            census=daemon.census,
            auditor=daemon.auditor,
            lines=self._log.lines,
            now=daemon.times.now,
        )


def _away(watches: Sequence[Watch]) -> Stage | None:
    """Return the stage of what is away and holds up all endpoints, None if it is there."""
    for watched in (watch.watched for watch in watches):
        if watched.key in _WITHOUT_WHICH and watched.there() is False:
            return Stage("VRS", Verdict.BROKEN, watched.status(), watched.remedy)
    return None
