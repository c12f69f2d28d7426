"""The composition root: everything is built and tied together here, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from nuage import __version__, systemd
from nuage.auditor import Auditor, Findings
from nuage.cleanup import Cleanup
from nuage.config import Config
from nuage.containers import Containers
from nuage.docker import engine
from nuage.docker.census import Census
from nuage.docker.networks import find_network
from nuage.driver import Driver
from nuage.errors import NuageError
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.resource import Libnetwork
from nuage.libnetwork.server import PluginServer, PluginSite
from nuage.links import Links
from nuage.model import Container
from nuage.networks import Networks
from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.remote import TlsFiles, parse_remote
from nuage.readiness import Readiness
from nuage.serial import Turns
from nuage.vrs import tables
from nuage.vrs.switch import Switch


class Parts:
    """All that the daemon is made of, put together and not yet started.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config) -> None:
        turns = Turns()
        self.client = OvsdbClient(
            reactor,
            parse_remote(config.vrs_remote, _tls_files(config)),
            tables.DATABASE,
            tables.MONITORED,
            check_schema=tables.check_schema,
            call_timeout=config.vrs_timeout,
            probe_interval=config.probe_interval,
        )
        self.switch = Switch(
            self.client, config.vrs_bridge, config.wire_timeout, config.site_id, config.plugin_socket.name
        )
        self.links = Links(reactor, reactor)
        self.cleanup = Cleanup(reactor, turns)
        docker = engine.connect(reactor, config.docker_endpoint, config.docker_timeout)
        self.containers = Containers(reactor, docker, self._found_late)
        self.driver = Driver(
            scope=config.scope,
            mtu=config.mtu,
            resolve_timeout=config.resolve_timeout,
            switch=self.switch,
            links=self.links,
            containers=self.containers,
            networks=Networks(self.switch, partial(find_network, docker), turns),
            cleanup=self.cleanup,
            turns=turns,
            random_bytes=os.urandom,
        )
        self.auditor = Auditor(
            reactor,
            config.audit_interval,
            switch=self.switch,
            links=self.links,
            census=Census(docker, config.plugin_socket.name),
            driver=self.driver,
            turns=turns,
        )

    def start(self) -> None:
        """Start what runs by itself."""
        self.links.start()
        self.client.start()

    async def stop(self) -> None:
        """Stop everything; return when nothing is left."""
        self.auditor.stop()
        self.containers.stop()
        self.cleanup.stop()
        await self.links.stop()
        await self.client.stop()

    def _found_late(self, endpoint_id: str, container: Container) -> None:
        Deferred.fromCoroutine(self.driver.name_endpoint(endpoint_id, container)).addErrback(
            lambda failure: self._log.warn(
                "endpoint {endpoint} has no name yet: {problem}",
                endpoint=endpoint_id,
                problem=failure.getErrorMessage(),
            )
        )


class NuagePlugin(MultiService):
    """The daemon as a service.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.
        environ: This process's environment, through which systemd may pass it a socket and ask for notices.

    Raises:
        ConfigurationError: The socket that was passed is not the configured one.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._config = config
        passed = systemd.passed_socket(environ, os.getpid(), config.plugin_socket)
        self._parts = Parts(reactor, config)
        calls = Calls(reactor, config.call_timeout)
        site = PluginSite(Libnetwork(self._parts.driver, calls).resource(), reactor)
        PluginServer(reactor, config.plugin_socket, site, calls, passed).setServiceParent(self)
        self._readiness = Readiness(
            reactor,
            self._parts.client,
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
        self._parts.switch.on_ready(self._ready)
        self._parts.start()

    def stopService(self) -> Deferred[None]:
        """Finish the calls in flight, then everything else."""
        return Deferred.fromCoroutine(self._stop())

    def audit(self) -> None:
        """Audit now."""
        self._parts.auditor.trigger()

    async def _stop(self) -> None:
        # The server first: its calls need all the others.
        await super().stopService()
        await self._parts.stop()
        self._readiness.end()

    def _ready(self) -> None:
        self._readiness.look()
        self._parts.cleanup.resume()
        self._parts.auditor.trigger()


async def dry_run(reactor: Any, config: Config) -> int:
    """Audit once, print what the daemon would do once it had seen the same for a while, and do nothing.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.

    Returns:
        The status to exit with: 0, or 1 where not all could be compared.
    """
    parts = Parts(reactor, config)
    parts.start()
    try:
        return _say_all(await parts.auditor.look())
    except CancelledError:
        _say("no audit: it was interrupted")
    except NuageError as problem:
        _say(f"no audit: {problem}")
    except Exception as problem:
        _say(f"no audit: a bug: {problem!r}")
    finally:
        await parts.stop()
    return 1


def _say_all(findings: Findings) -> int:
    for problem in findings.unreadable:
        _say(f"passed over: {problem}")
    for proposal in findings.proposals:
        _say(f"would {proposal}")
    _say(f"{len(findings.proposals)} proposals; nothing was done")
    if findings.docker_problem is None:
        return 0
    _say(f"no complete audit: {findings.docker_problem}")
    return 1


def _say(line: str) -> None:
    """Print to the terminal; what goes to ``sys.stdout`` becomes a line of the log."""
    print(line, file=sys.__stdout__, flush=True)


def _tls_files(config: Config) -> TlsFiles | None:
    if config.vrs_private_key is None or config.vrs_certificate is None or config.vrs_ca_certificate is None:
        return None
    return TlsFiles(config.vrs_private_key, config.vrs_certificate, config.vrs_ca_certificate)
