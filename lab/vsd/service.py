"""The stand-in for a VSD: its parts put together, and what it listens at."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
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

from lab.vrs.topology_file import TopologyError
from lab.vsd import certificates
from lab.vsd.api import VERSIONS
from lab.vsd.parts import Character, Parts, Source

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
class Settings(Character):
    """What the stand-in is to be like, and where it listens.

    ``folder`` is for its certificates, and has the file ``url`` while it listens.
    """

    folder: Path
    doors: Sequence[Door] = (Door(),)


class Vsd(Parts, Service):
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
        super().__init__(reactor, settings, Source(now))
        self._reactor = reactor
        self.site = self.make_site(reactor)
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
