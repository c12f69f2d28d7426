"""The daemon as a service of Twisted: Docker's socket, readiness, and an end in time."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource

from nuage import __version__
from nuage.config.settings import Config
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.ipam_resource import methods_of, resource_of
from nuage.libnetwork.server import PluginServer, PluginSite
from nuage.service import systemd
from nuage.service.daemon import Daemon
from nuage.service.ending import GRACE, LAST_STEPS
from nuage.service.inspection import inspection
from nuage.service.logs import Log
from nuage.service.readiness import Readiness
from nuage.status.alarms import Alarms
from nuage.status.audits import Audits
from nuage.status.control import ControlServer, Status, tree
from nuage.status.endpoint import NamedSite, StatusEndpoint, StatusSite
from nuage.status.events import Events
from nuage.status.ipam import Ipam
from nuage.status.log_level import LogLevel
from nuage.status.page import Page
from nuage.status.prometheus import Metrics, MetricsPage
from nuage.status.reporter import Reporter
from nuage.status.watched import Watch


class NuagePlugin(MultiService):
    """The daemon as a service.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.
        environ: This process's environment, through which systemd may pass it sockets and ask for notices.
        log: The log, whose level can be changed and whose last lines are known.

    Raises:
        ConfigurationError: A socket that was passed is not a configured one.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config, environ: Mapping[str, str], log: Log) -> None:
        super().__init__()
        self._clock = reactor
        self._config = config
        passed = systemd.passed_sockets(
            environ,
            os.getpid(),
            {"plugin_socket": config.plugin_socket, "control_socket": config.control_socket},
        )
        self._daemon = Daemon(reactor, config)
        calls = Calls(reactor, config.call_timeout)
        site = PluginSite(resource_of(self._daemon.driver, self._daemon.ipam, calls), reactor)
        PluginServer(reactor, config.plugin_socket, site, calls, passed.get("plugin_socket")).setServiceParent(self)
        watches = [Watch(each, self._daemon.times.now) for each in self._daemon.watched()]
        calls.watch(self._daemon.ledger.call_ended)
        calls.watch(self._daemon.recent.note)
        self.reporter = Reporter(
            self._daemon.times,
            scope=config.scope,
            log_level=log.level,
            watches=watches,
            ledger=self._daemon.ledger,
            account=self._daemon.auditor.account,
            unfinished=self._daemon.unfinished,
            left=self._daemon.addressing.left if self._daemon.addressing is not None else None,
        )
        Alarms(reactor, self.reporter.report).setServiceParent(self)
        status, visible = Status(self.reporter.report), self._visible(calls)
        names = [socket.gethostname()]
        control = NamedSite(tree(status, {**visible, **self._control(log, watches)}), reactor, names)
        ControlServer(reactor, config.control_socket, control, passed.get("control_socket")).setServiceParent(self)
        if config.status_endpoint is not None:
            seen = StatusSite(tree(status, visible), reactor, names)
            StatusEndpoint(reactor, config.status_endpoint, seen).setServiceParent(self)
        self._readiness = Readiness(
            reactor,
            watches,
            systemd.Notices(environ).send,
            systemd.watchdog_interval(environ, os.getpid()),
        )
        self._readiness.setServiceParent(self)

    def startService(self) -> None:
        """Serve Docker, and connect to the switch for as long as it takes."""
        super().startService()
        self._log.info(
            "nuage-plugin {version}: scope {scope}, VRS {vrs}, bridge {bridge}, Docker {docker}",
            version=__version__,
            scope=self._config.scope,
            vrs=self._config.vrs_remote,
            bridge=self._config.vrs_bridge,
            docker=self._config.docker_endpoint,
        )
        if self._config.vsd_url is not None:
            self._log.info("VSD {urls}, user {user}", urls=", ".join(self._config.vsd_url), user=self._config.vsd_user)
        if self._config.vsd_accept_any_certificate:
            self._log.warn("the VSD's certificate is not checked (vsd_accept_any_certificate): anybody may be the VSD")
        self._daemon.switch.on_ready(self._ready)
        self._daemon.follow_vsd()
        self._daemon.start()

    def stopService(self) -> Deferred[None]:
        """Finish the calls in flight, then everything else. This ends in time, whatever hangs."""
        return Deferred.fromCoroutine(self._stop())

    def _visible(self, calls: Calls) -> dict[str, IResource]:
        """Return what only shows something: that may be seen over TCP too."""
        report = self.reporter.report
        return {
            "": Page(report).resource(),
            "events": Events(self._clock, report).resource(),
            "metrics": MetricsPage(self._counting(calls)).resource(),
        }

    def _control(self, log: Log, watches: Sequence[Watch]) -> dict[str, IResource]:
        """Return what changes something, or has the daemon do something."""
        audits = Audits(self._daemon.times, self._daemon.auditor)
        looking = inspection(
            self._clock, self._config, self._daemon, watches=watches, report=self.reporter.report, lines=log.lines
        )
        return {
            "audit": audits.resource(),
            "ipam": Ipam(self._daemon.holdings, self._daemon.switch.trace).resource(),
            "log-level": LogLevel(log).resource(),
            **looking,
        }

    def _counting(self, calls: Calls) -> Metrics:
        """Return the metrics, which are told of what happens from now on."""
        metrics = Metrics(self.reporter.report, lambda: calls.in_flight, methods_of(self._daemon.ipam))
        calls.watch(metrics.call_ended)
        self._daemon.client.on_transaction(metrics.transaction_ended)
        self._daemon.endpoints.resolutions.add(metrics.port_resolved)
        self._daemon.docker.questions.add(metrics.docker_asked)
        if self._daemon.vsd is not None:
            self._daemon.vsd.asked.add(metrics.vsd_asked)
        return metrics

    def audit(self) -> None:
        """Audit now."""
        self._daemon.auditor.trigger()

    async def _stop(self) -> None:
        end = self._clock.seconds() + self._config.call_timeout + GRACE - LAST_STEPS
        # The server first: its calls need all the others.
        await super().stopService()
        await self._daemon.stop(end - self._clock.seconds())
        self._readiness.end()

    def _ready(self) -> None:
        self._readiness.look()
        self._daemon.resume()
