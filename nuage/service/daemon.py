"""The composition root: everything that serves Docker's calls is built and tied together here."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
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
from nuage.driver.places import Places
from nuage.driver.turns import Turns
from nuage.errors import ConfigurationError
from nuage.ipam.driver import Ipam
from nuage.ipam.holdings import Holdings
from nuage.ipam.without_vsd import WithoutVsd
from nuage.links.links import Links
from nuage.model import Container
from nuage.ovsdb.client import OvsdbClient
from nuage.ovsdb.errors import RemoteUnusable
from nuage.ovsdb.remote import Remote, TlsFiles, parse_remote
from nuage.service.addressing import Addressing
from nuage.service.machine import Machine
from nuage.status.judgement import Judge
from nuage.status.ledger import Ledger
from nuage.status.recent import RecentCalls
from nuage.status.times import Times
from nuage.status.watched import Watched
from nuage.vrs import tables
from nuage.vrs.schema import SchemaCheck
from nuage.vrs.switch import Switch
from nuage.vsd.connection import Settings, connect
from nuage.vsd.directory import Directory
from nuage.vsd.presence import Presence
from nuage.vsd.session import Session
from nuage.vsd.tls import Trust

#: Seconds that ovs-vswitchd may take to write the controller's role into the database: it does so every 5 s
#: (ovs-vswitchd.conf.db(5), "stats-update-interval"), and the role is empty after each start of ovsdb-server.
_CONTROLLER_LAG = 6.0

#: Seconds that a VSD may be away without a word in the log: it is a cluster, whose nodes take each other's place.
_VSD_LAG = 10.0


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
        self.vsd = _vsd(reactor, config, machine)
        self.places = None
        self.addressing: Addressing | None = None
        if self.vsd is not None:
            directory = Directory(self.vsd, reactor)
            self.places = Places(reactor, self.vsd, directory, config.vsd_timeout, switch=self.switch, turns=turns)
            self.addressing = Addressing(
                reactor,
                session=self.vsd,
                account=f"{config.vsd_user}@{config.vsd_organization}",
                directory=directory,
                switch=self.switch,
                docker=docker,
                host_name=machine.host_name.partition(".")[0],
                random=machine.random,
                form=config.vsd_address_form,
            )
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
            places=self.places,
            ports=self.addressing.ports if self.addressing is not None else None,
        )
        networks = Networks(
            reactor,
            switch=self.switch,
            find_network=partial(find_network, docker),
            endpoints=self.endpoints,
            cleanup=self.cleanup,
            turns=turns,
            places=self.places,
            pools=self.addressing.handed_out if self.addressing is not None else None,
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

    @property
    def ipam(self) -> Ipam | WithoutVsd:
        """What answers Docker's IPAM."""
        return self.addressing.ipam if self.addressing is not None else WithoutVsd()

    @property
    def holdings(self) -> Holdings | None:
        """What compares held addresses with those in use; None without a VSD."""
        return self.addressing.holdings if self.addressing is not None else None

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
                details=lambda: {"server": docker.server, "seconds": docker.seconds},
            )
        )
        if self.vsd is not None:
            watched.append(_watched_vsd(self.vsd.presence, self._config))
        return watched

    def unfinished(self) -> frozenset[str]:
        """Return what is still to be cleaned up: endpoints, networks and addresses."""
        of_addresses = self.addressing.unfinished if self.addressing is not None else frozenset()
        return self.cleanup.unfinished | of_addresses

    def start(self) -> None:
        """Start what runs by itself."""
        self.links.start()
        self.ledger.start()
        self.client.start()
        self.docker.presence.start()
        if self.vsd is not None:
            self.vsd.start()
        if self.addressing is not None:
            self.addressing.start()

    def follow_vsd(self) -> None:
        """Check networks that the VSD could not judge, each time that it is back."""
        if self.vsd is not None and self.places is not None:
            self.vsd.presence.on_return(self.places.resume)
        if self.vsd is not None and self.addressing is not None:
            self.vsd.presence.on_return(self.addressing.resume)

    def resume(self) -> None:
        """Do what waited for the switch. Call this when it is back."""
        self.cleanup.resume()
        self.endpoints.seek_containers()
        if self.places is not None:
            self.places.resume()
        if self.addressing is not None:
            self.addressing.resume()
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
        if self.addressing is not None:
            self.addressing.stop()
        self.docker.presence.stop()
        ends = {
            "a request to the kernel about links": self.links.stop(),
            "the connection to the switch's database": self.client.stop(),
        }
        if self.places is not None and self.vsd is not None:
            self.places.stop()
            ends["the connection to the VSD"] = self.vsd.stop()
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
        naming.addErrback(
            lambda failure: self._log.warn(
                "the VRS does not know yet whose endpoint {endpoint} is: {problem}",
                endpoint=endpoint_id,
                problem=failure.getErrorMessage(),
            )
        )
        # If its labels cannot be followed, nothing changes at the switch.
        naming.addCallback(lambda _: self.ledger.touch(endpoint_id))


def _remote(config: Config) -> Remote:
    """Return where the switch's database is.

    Raises:
        ConfigurationError: A file for TLS cannot be used.
    """
    try:
        return parse_remote(config.vrs_remote, _tls_files(config), config.vrs_server_name)
    except RemoteUnusable as problem:
        raise ConfigurationError(str(problem)) from problem


def _vsd(reactor: Any, config: Config, machine: Machine) -> Session | None:
    """Return the session with the VSD; None without a VSD.

    Raises:
        ConfigurationError: A file for TLS cannot be used.
    """
    if config.vsd_url is None or config.vsd_user is None:
        return None
    trust = Trust(
        ca_certificate=config.vsd_ca_certificate,
        any_certificate=config.vsd_accept_any_certificate,
        certificate=config.vsd_certificate,
        private_key=config.vsd_private_key,
    )
    settings = Settings(
        urls=config.vsd_url,
        version=config.vsd_version,
        organization=config.vsd_organization,
        user=config.vsd_user,
        password=config.vsd_password,
        password_file=config.vsd_password_file,
        trust=trust,
        timeout=config.vsd_timeout,
    )
    return connect(reactor, settings, chance=machine.random.random)


def _watched_vsd(presence: Presence, config: Config) -> Watched:
    return Watched(
        key="vsd",
        name=presence.name,
        address=" ".join(config.vsd_url or ()),
        remedy="check vsd_url and the account; networks that it does not know yet are compared once it is there",
        there=lambda: presence.there,
        status=lambda: presence.status,
        promise="networks are created without it, and compared when it is back; "
        "containers whose addresses come from it do not start",
        needed=False,
        grace=_VSD_LAG,
    )


def _tls_files(config: Config) -> TlsFiles | None:
    if config.vrs_private_key is None or config.vrs_certificate is None or config.vrs_ca_certificate is None:
        return None
    return TlsFiles(config.vrs_private_key, config.vrs_certificate, config.vrs_ca_certificate)
