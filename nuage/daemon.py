"""The composition root: everything is built and tied together here, and nowhere else."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from nuage import __version__
from nuage.cleanup import Cleanup
from nuage.config import Config
from nuage.containers import Containers
from nuage.docker import engine
from nuage.docker.networks import find_network
from nuage.driver import Driver
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.resource import Libnetwork
from nuage.libnetwork.server import PluginServer, PluginSite
from nuage.links import Links
from nuage.model import Container
from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.remote import TlsFiles, parse_remote
from nuage.serial import Turns
from nuage.vrs import tables
from nuage.vrs.switch import Switch


class NuagePlugin(MultiService):
    """The daemon as a service.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.
    """

    _log = Logger(namespace="nuage")

    def __init__(self, reactor: Any, config: Config) -> None:
        super().__init__()
        self._config = config
        turns = Turns()
        self._client = OvsdbClient(
            reactor,
            parse_remote(config.vrs_remote, _tls_files(config)),
            tables.DATABASE,
            tables.MONITORED,
            check_schema=tables.check_schema,
            call_timeout=config.vrs_timeout,
            probe_interval=config.probe_interval,
        )
        self._switch = Switch(self._client, config.vrs_bridge, config.wire_timeout)
        self._links = Links(reactor, reactor)
        self._cleanup = Cleanup(reactor, turns)
        docker = engine.connect(reactor, config.docker_endpoint, config.docker_timeout)
        self._containers = Containers(reactor, docker, self._found_late)
        driver = Driver(
            scope=config.scope,
            mtu=config.mtu,
            switch=self._switch,
            links=self._links,
            containers=self._containers,
            find_network=partial(find_network, docker),
            cleanup=self._cleanup,
            turns=turns,
            random_bytes=os.urandom,
        )
        calls = Calls(reactor, config.call_timeout)
        site = PluginSite(Libnetwork(driver, calls).resource(), reactor)
        self._server = PluginServer(reactor, config.plugin_socket, site, calls)
        self._server.setServiceParent(self)

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
        self._links.start()
        self._switch.on_ready(self._ready)
        self._client.start()

    def stopService(self) -> Deferred[None]:
        """Finish the calls in flight, then everything else."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        # The server first: its calls need all the others.
        await super().stopService()
        self._containers.stop()
        self._cleanup.stop()
        await self._links.stop()
        await self._client.stop()

    def _ready(self) -> None:
        self._log.info("{status}", status=self._client.status)
        self._cleanup.resume()

    def _found_late(self, endpoint_id: str, container: Container) -> None:
        endpoint = self._switch.endpoint(endpoint_id)
        if endpoint is not None:
            Deferred.fromCoroutine(self._switch.rename(endpoint, container)).addErrback(
                lambda failure: self._log.warn(
                    "endpoint {endpoint} keeps no name: {problem}",
                    endpoint=endpoint_id,
                    problem=failure.getErrorMessage(),
                )
            )


def _tls_files(config: Config) -> TlsFiles | None:
    if config.vrs_private_key is None or config.vrs_certificate is None or config.vrs_ca_certificate is None:
        return None
    return TlsFiles(config.vrs_private_key, config.vrs_certificate, config.vrs_ca_certificate)
