"""The composition root: everything that serves Docker's calls is built and tied together here."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.defer import TimeoutError as WaitedTooLong
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.audit.auditor import Auditor
from nuage.audit.census import Census
from nuage.config.settings import Config
from nuage.docker import engine
from nuage.docker.network_request import find_network
from nuage.driver.cleanup import Cleanup
from nuage.driver.containers import Containers
from nuage.driver.driver import Driver
from nuage.driver.endpoints import Endpoints
from nuage.driver.networks import Networks
from nuage.driver.turns import Turns
from nuage.errors import ConfigurationError
from nuage.links.links import Links
from nuage.model import Container
from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.errors import RemoteUnusable
from nuage.ovsdb.remote import Remote, TlsFiles, parse_remote
from nuage.service.machine import Machine
from nuage.service.vsd import VsdParts, WithVsd
from nuage.status.judgement import Judge
from nuage.status.ledger import Ledger
from nuage.status.recent import RecentCalls
from nuage.status.times import Times
from nuage.status.watched import Watched
from nuage.vrs import tables
from nuage.vrs.schema import SchemaCheck
from nuage.vrs.switch import Switch

#: Seconds that ovs-vswitchd may take to write the controller's role into the database: it does so every 5 s
#: (ovs-vswitchd.conf.db(5), "stats-update-interval"), and the role is empty after each start of ovsdb-server.
_CONTROLLER_LAG = 6.0


class Daemon:
    """All that serves Docker's calls, put together and not yet started.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.
        machine: Where it runs.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config, machine: Machine) -> None:
        turns = Turns(reactor)
        self._clock = reactor
        self._config = config
        self.client = OvsdbClient(
            reactor,
            _remote(config),
            tables.DATABASE,
            tables.MONITORED,
            check_schema=SchemaCheck(resolving=config.resolve_timeout > 0),
            call_timeout=config.vrs_timeout,
            probe_interval=config.probe_interval,
            witnesses=tables.WITNESSES,
            jitter=machine.random.random,
        )
        self.switch = Switch(
            self.client, config.vrs_bridge, config.wire_timeout, config.site_id, config.plugin_socket.name
        )
        self.links = Links(reactor, reactor, machine.open_netlink, machine.make_pool)
        self.cleanup = Cleanup(reactor, turns)
        self.docker = docker = engine.connect(reactor, config.docker_endpoint, config.docker_timeout)
        self.census = Census(docker, config.plugin_socket.name)
        self.recent = RecentCalls(reactor)
        self.containers = Containers(reactor, docker, self._found_late)
        if config.vsd_url is None:
            self.vsd = VsdParts()
        else:
            self.vsd = WithVsd(reactor, config, machine, switch=self.switch, docker=docker, turns=turns)
        # Without a controller no port is resolved.
        self._needs_controller = config.resolve_timeout > 0
        self.endpoints = Endpoints(
            mtu=config.mtu,
            resolve_timeout=config.resolve_timeout,
            label_policy=config.label_policy,
            switch=self.switch,
            links=self.links,
            containers=self.containers,
            cleanup=self.cleanup,
            turns=turns,
            clock=reactor,
            places=self.vsd.places,
            ports=self.vsd.ports,
        )
        networks = Networks(
            reactor,
            switch=self.switch,
            find_network=partial(find_network, docker),
            endpoints=self.endpoints,
            cleanup=self.cleanup,
            turns=turns,
            places=self.vsd.places,
            pools=self.vsd.pools,
            abandoned=self.vsd.abandoned,
        )
        self.driver = Driver(scope=config.scope, switch=self.switch, networks=networks, endpoints=self.endpoints)
        self.auditor = Auditor(
            reactor,
            config.audit_interval,
            switch=self.switch,
            links=self.links,
            census=self.census,
            endpoints=self.endpoints,
            networks=networks,
            turns=turns,
        )
        self.times = Times(reactor, machine.time_of_day)
        judge = Judge(self.switch, self.containers, strict=config.label_policy == "strict")
        self.ledger = Ledger(reactor, self.times.now, self.switch, judge)

    def watched(self) -> list[Watched]:
        """Return what the daemon waits for and reports."""
        watched = [
            Watched(
                key="vrs",
                name="the VRS",
                address=self._config.vrs_remote,
                remedy="check that ovsdb-server runs and listens where VrsEndpoint says",
                arrivals=lambda: self.client.loads,
                there=lambda: self.client.synced,
                status=lambda: self.client.status,
                promise="Docker is served as soon as it is there",
                # Later, the database's client logs it.
                once=True,
            ),
            Watched(
                key="bridge",
                name=f"bridge {self.switch.bridge}",
                address=self.switch.bridge,
                remedy="make the bridge, or have VrsBridge name that of the VRS",
                # While the database is away, its mirror says nothing new.
                there=self._has_bridge,
                status=self.switch.bridge_status,
                promise="networks and containers are served as soon as it is there",
            ),
        ]
        if self._needs_controller:
            watched.append(
                Watched(
                    key="controller",
                    name="the controller",
                    remedy="connect the VRS to its VSC",
                    # It belongs to the bridge.
                    there=lambda: self.switch.controller_connected() if self._has_bridge() else None,
                    status=self.switch.controller_status,
                    promise="containers start as soon as it is there",
                    grace=_CONTROLLER_LAG,
                )
            )
        docker = self.docker.presence
        # The daemon does not wait for Docker, because Docker waits for the daemon.
        watched.append(
            Watched(
                key="docker",
                name=docker.name,
                there=lambda: docker.there if docker.asked else None,
                status=lambda: docker.status,
                address=self._config.docker_endpoint,
                remedy=docker.remedy,
                needed=False,
                details=lambda: {
                    "server": docker.server,
                    "api_version": docker.api_version,
                    "seconds": docker.seconds,
                },
            )
        )
        return watched + self.vsd.watched()

    def unfinished(self) -> frozenset[str]:
        """Return what is still to be cleaned up: endpoints, networks and addresses."""
        return self.cleanup.unfinished | self.vsd.unfinished

    def start(self) -> None:
        """Start what runs by itself."""
        self.links.start()
        self.ledger.start()
        self.client.start()
        self.docker.presence.start()
        self.vsd.start()

    def resume(self) -> None:
        """Do what waited for the switch. Call this when it is back."""
        self.cleanup.resume()
        self.endpoints.seek_containers()
        self.vsd.resume()
        self.auditor.trigger()

    async def stop(self, patience: float) -> None:
        """Stop everything; return when nothing is left.

        Args:
            patience: Seconds after which what has not ended is cut off and named in the log.
        """
        self.auditor.stop()
        self.ledger.stop()
        self.containers.stop()
        self.cleanup.stop()
        self.docker.presence.stop()
        ends = {
            "a request to the kernel about links": self.links.stop(),
            "the connection to the switch's database": self.client.stop(),
            **self.vsd.stop(),
        }
        await gatherResults([self._within(patience, what, end) for what, end in ends.items()])

    def _has_bridge(self) -> bool | None:
        return self.switch.has_bridge() if self.client.synced else None

    def _within(self, seconds: float, what: str, end: Coroutine[Any, Any, None]) -> Deferred[None]:
        def cut_off(failure: Failure) -> None:
            failure.trap(WaitedTooLong)
            self._log.error("{what} does not end and is cut off", what=what)

        return Deferred.fromCoroutine(end).addTimeout(seconds, self._clock).addErrback(cut_off)

    def _found_late(self, endpoint_id: str, container: Container | None) -> None:
        if self.switch.trace(endpoint_id).attached:
            self.recent.note_late(endpoint_id)
        naming = Deferred.fromCoroutine(self.endpoints.name_endpoint(endpoint_id, container))
        naming.addErrback(self._not_named, endpoint_id)
        # If its labels cannot be followed, nothing changes at the switch.
        naming.addCallback(lambda _: self.ledger.touch(endpoint_id))

    def _not_named(self, failure: Failure, endpoint_id: str) -> None:
        # At the end of the plugin, what asks the VSD is cancelled.
        if not failure.check(CancelledError):
            self._log.warn(
                "the VRS does not know yet whose endpoint {endpoint} is: {problem}",
                endpoint=endpoint_id,
                problem=failure.getErrorMessage(),
            )


def _remote(config: Config) -> Remote:
    """Return where the switch's database is.

    Raises:
        ConfigurationError: A file for TLS cannot be used.
    """
    try:
        return parse_remote(config.vrs_remote, _tls_files(config), config.vrs_server_name)
    except RemoteUnusable as problem:
        raise ConfigurationError(str(problem)) from problem


def _tls_files(config: Config) -> TlsFiles | None:
    if config.vrs_private_key is None or config.vrs_certificate is None or config.vrs_ca_certificate is None:
        return None
    return TlsFiles(config.vrs_private_key, config.vrs_certificate, config.vrs_ca_certificate)
