"""The stand-in for a VSD: its parts put together, and what it listens at."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs
from pyroute2 import netns
from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.server import Request, Site

from lab.vrs.topology_file import TopologyError
from lab.vsd import certificates
from lab.vsd.activation import Activation
from lab.vsd.addresses import Addresses
from lab.vsd.api import VERSIONS, Api
from lab.vsd.attachments import Attachments
from lab.vsd.directory import Change, Directory
from lab.vsd.events import Events
from lab.vsd.hosts import Hosts
from lab.vsd.keys import Keys
from lab.vsd.kinds import BY_ENTITY
from lab.vsd.permissions import Permissions
from lab.vsd.rules import Rules
from lab.vsd.seed import Seed
from lab.vsd.showing import Showing
from lab.vsd.view import View

#: The port of a real VSD.
PORT = 8443
#: What the server's certificate is for.
NAMES = ("localhost", "127.0.0.1")


@attrs.frozen
class Door:
    """Where it listens: a port (0: any that is free) of 127.0.0.1, in a network namespace (empty: this one)."""

    port: int = 0
    namespace: str = ""

    @classmethod
    def parse(cls, text: str) -> Door:
        """Read ``PORT`` or ``PORT@NAMESPACE``.

        Raises:
            ValueError: It is neither.
        """
        port, _, namespace = text.partition("@")
        return cls(int(port), namespace)


@attrs.frozen(kw_only=True)
class Settings:
    """What the stand-in is to be like.

    ``topology`` is the file; ``folder`` is for its certificates, and has the file ``url`` while it listens; ``delay``
    (seconds) is that of each answer.
    ``key_validity`` is how many seconds a key is good for, None meaning a day, and ``expired_status`` what an ended one
    is answered with, 401 or 419. Without ``reservations`` it is as a release before vmipreservations. ``hosts`` are
    the addresses of those that have a VRS, by their names.
    """

    topology: Path
    folder: Path
    doors: Sequence[Door] = (Door(),)
    delay: float = 0.0
    key_validity: int | None = None
    expired_status: int = 401
    reservations: bool = True
    hosts: Mapping[str, str] = attrs.field(factory=dict)


class Vsd(Service):
    """The stand-in as a service. What exists outlives that it listens.

    Args:
        reactor: Does all input and output, keeps the time.
        settings: What it is to be like.
        now: Tells the time, in seconds since the epoch.

    Raises:
        TopologyError: The topology file cannot be used.
    """

    _log = Logger(namespace="vsd")

    def __init__(self, reactor: Any, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self._reactor = reactor
        self._settings = settings
        self.directory = directory = Directory(now)
        validity = {} if settings.key_validity is None else {"APIKeyValidity": settings.key_validity}
        config = directory.add(BY_ENTITY["systemconfig"], directory.root, validity, permanent=True)
        showing = Showing(directory)
        # They hear of each change in this order: an object that goes is told of before what goes with it.
        self._events = Events(reactor, now, config, showing.show)
        directory.watch(self._record)
        self.addresses = Addresses(directory)
        permissions = Permissions(directory)
        self.attachments = attachments = Attachments(directory, self.addresses, permissions)
        rules = Rules(directory, self.addresses, permissions, attachments)
        self.view = View(directory)
        hosts = Hosts(directory, now, config, settings.hosts)
        self.activation = Activation(directory, self.view, attachments, self.addresses, hosts)
        self._seed = Seed(directory, settings.topology)
        self.keys = Keys(directory, now, config, settings.expired_status)
        missing = frozenset() if settings.reservations else frozenset({"vmipreservations"})
        self.api = Api(reactor, directory, rules, permissions, self.keys, self._events, showing, missing)
        self.api.delay = settings.delay
        self.site = _Site(self.api.resource(), reactor=reactor)
        self._connections = _Connections(self.site)
        self.certificates = certificates.make(settings.folder, *NAMES)
        self._url = settings.folder / "url"
        self._doors = list(settings.doors)
        self._ports: list[IListeningPort] = []

    @property
    def urls(self) -> list[str]:
        """Where it listens now, one for each door."""
        return [f"https://localhost:{_number(port)}" for port in self._ports]

    def startService(self) -> None:
        """Listen."""
        super().startService()
        self.come_back()

    def stopService(self) -> Deferred[None]:
        """Listen no more."""
        super().stopService()
        self._events.stop()
        return self.leave()

    def come_back(self) -> None:
        """Listen at each door; one that cannot be opened is logged."""
        if not self._ports:
            opened = {door: self._open(door) for door in self._doors}
            self._ports = [port for port in opened.values() if port is not None]
            # It comes back where it was.
            self._doors = [
                door if port is None else attrs.evolve(door, port=_number(port)) for door, port in opened.items()
            ]
        for url in self.urls[:1]:
            self._log.info("the VSD's API is at {url}, versions {versions}", url=url, versions=", ".join(VERSIONS))
            self._url.write_text(f"{url}\n")

    def leave(self) -> Deferred[None]:
        """Listen no more, and break all connections, as if it were killed."""
        self._url.unlink(missing_ok=True)
        ports, self._ports = self._ports, []
        self._connections.abort()
        done = gatherResults([maybeDeferred(port.stopListening) for port in ports])
        return done.addCallback(lambda _results: None)

    def reload(self) -> None:
        """Read the topology file again; one that cannot be used is logged, and changes nothing."""
        try:
            self._seed.read()
        except TopologyError as problem:
            self._log.error("the topology stays as it was: {problem}", problem=str(problem))
        else:
            self._log.info("the topology was read again")

    def _open(self, door: Door) -> IListeningPort | None:
        context = DefaultOpenSSLContextFactory(str(self.certificates.key), str(self.certificates.certificate))
        factory = TLSMemoryBIOFactory(context, False, self._connections)
        try:
            listening = _listening_socket(door)
        except OSError as problem:
            self._log.error("{door} cannot be opened: {problem}", door=door, problem=str(problem))
            return None
        try:
            port: IListeningPort = self._reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, factory)
        finally:
            # The reactor has a descriptor of its own.
            listening.close()
        return port

    def _record(self, change: Change) -> None:
        by = self.directory.of("user", change.by)
        self._events.record(change, "" if by is None else by.name)


class _Request(Request):
    """A request whose Host header plays no part in routing."""

    def getRequestHostname(self) -> bytes:
        return b"localhost"


class _Site(Site):
    """HTTP that shows no traceback to a client and writes no access log: the API logs itself."""

    noisy = False
    displayTracebacks = False  # noqa: N815
    requestFactory = _Request  # noqa: N815

    def log(self, request: Any) -> None:
        """Write nothing."""


class _Connections(WrappingFactory):
    """Knows the open connections."""

    noisy = False

    def abort(self) -> None:
        """Break all of them."""
        for connection in list(self.protocols):
            connection.transport.abortConnection()


def _number(port: IListeningPort) -> int:
    return cast(IPv4Address, port.getHost()).port


def _listening_socket(door: Door) -> socket.socket:
    """Return a socket that listens; one in another namespace belongs to that for as long as it is open."""
    made: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            if door.namespace:
                # That of this thread, which ends here. Without flags it makes none that is not there.
                netns.setns(door.namespace, flags=0)
            made.append(socket.create_server(("127.0.0.1", door.port)))
        except OSError as problem:
            made.append(problem)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    made[0].setblocking(False)
    return made[0]
