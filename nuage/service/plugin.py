"""The daemon as a service of Twisted: Docker's socket, readiness, and an end in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from nuage import __version__
from nuage.config.settings import Config
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.ipam_resource import resource_of
from nuage.libnetwork.server import PluginServer, PluginSite
from nuage.service import systemd
from nuage.service.daemon import Daemon
from nuage.service.ending import GRACE, LAST_STEPS
from nuage.service.inspection import Inspection
from nuage.service.logs import Log
from nuage.service.machine import Machine
from nuage.service.readiness import Readiness
from nuage.status.watched import Watch


class NuagePlugin(MultiService):
    """The daemon as a service.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.
        environ: This process's environment, through which systemd may pass it sockets and ask for notices.
        log: The log, whose level can be changed and whose last lines are known.
        machine: Where it runs.

    Raises:
        ConfigurationError: A socket that was passed is not a configured one.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config, environ: Mapping[str, str], log: Log, machine: Machine) -> None:
        super().__init__()
        self._clock = reactor
        self._config = config
        passed = machine.passed_sockets(
            environ,
            machine.process_id(),
            {"plugin_socket": config.plugin_socket, "control_socket": config.control_socket},
        )
        self._daemon = Daemon(reactor, config, machine)
        calls = Calls(reactor, config.call_timeout)
        site = PluginSite(resource_of(self._daemon.driver, self._daemon.vsd.ipam, calls), reactor)
        PluginServer(
            reactor,
            config.plugin_socket,
            site,
            calls,
            passed.get("plugin_socket"),
            make_room=machine.make_room,
        ).setServiceParent(self)
        watches = [Watch(each, self._daemon.times.now) for each in self._daemon.watched()]
        Inspection(
            reactor,
            config,
            self._daemon,
            machine,
            calls=calls,
            watches=watches,
            log=log,
            passed=passed.get("control_socket"),
        ).setServiceParent(self)
        self._readiness = Readiness(
            reactor,
            watches,
            systemd.Notices(environ).send,
            systemd.watchdog_interval(environ, machine.process_id()),
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
        self._daemon.vsd.follow()
        self._daemon.start()

    def stopService(self) -> Deferred[None]:
        """Finish the calls in flight, then everything else. This ends in time, whatever hangs."""
        return Deferred.fromCoroutine(self._stop())

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
