"""The controller: it learns of ports from the hosts' databases, resolves them, and programs the hosts' switches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from lab.vrs.connection import SwitchConnection
from lab.vrs.database import HostDatabase
from lab.vrs.delays import Delays
from lab.vrs.flows import flows
from lab.vrs.neighbours import Neighbours
from lab.vrs.pipeline import ResolvedPort
from lab.vrs.resolution import EntityRow, Key, Outcome, PortRow, Resolved, Unresolved
from nuage.errors import NuageError
from nuage.ovsdb.errors import OvsdbError
from nuage.ovsdb.remote import Remote


@attrs.frozen(kw_only=True)
class Settings:
    """What the stand-in has to do.

    ``databases`` are those of the hosts by their names; ``listen`` are Twisted endpoints for the switches; ``delay``
    (seconds) is the time that it takes to resolve a port; ``bridge`` is the bridge whose ports count and ``uplink`` its
    port to the other hosts.
    """

    databases: Mapping[str, Remote]
    listen: Sequence[str]
    delay: float
    bridge: str
    uplink: str


class Policy(Protocol):
    """What resolves ports: :class:`lab.vsd.activation.Activation`."""

    def resolve(self, rows: Sequence[tuple[PortRow, EntityRow | None]], /) -> Mapping[Key, Outcome]:
        """Resolve all ports."""

    def note_hosts(self, answering: Mapping[str, bool], /) -> None:
        """Record which hosts' databases answer."""

    def watch(self, hear: Callable[[], None], /) -> None:
        """Have something called when ports may have to be resolved anew."""


class Vsc(Service):
    """The stand-in as a service.

    Args:
        reactor: Does all input and output, keeps the time.
        policy: Resolves ports.
    """

    _log = Logger(namespace="vsc")

    def __init__(self, reactor: Any, settings: Settings, policy: Policy) -> None:
        self._reactor = reactor
        self._settings = settings
        self._policy = policy
        policy.watch(self._look_soon)
        self._databases = {
            name: HostDatabase(reactor, name, remote, settings.bridge, self._look_soon)
            for name, remote in settings.databases.items()
        }
        self._neighbours = Neighbours(reactor, self._send, self._look_soon)
        self._delays = Delays(reactor, settings.delay, self._look_soon)
        self._switches: set[SwitchConnection] = set()
        self._reasons: dict[Key, str] = {}
        self._ports: list[IListeningPort] = []
        self._due: IDelayedCall | None = None
        self._looking = False
        self._pulse = LoopingCall(self._note_hosts)
        self._pulse.clock = reactor

    def startService(self) -> None:
        """Listen for switches and connect to the databases."""
        super().startService()
        for database in self._databases.values():
            database.start()
        self._pulse.start(_PULSE, now=False)
        self.come_back()

    def stopService(self) -> Deferred[None]:
        """Disconnect from everything. The switches keep their flows."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def leave(self) -> None:
        """Close the connections to the switches and accept none until :meth:`come_back`: the controller is lost."""
        self._log.info("the switches are left to themselves")
        Deferred.fromCoroutine(self._leave()).addErrback(self._failed)

    def come_back(self) -> None:
        """Accept switches."""
        Deferred.fromCoroutine(self._listen()).addErrback(self._failed)

    def switch_ready(self, switch: SwitchConnection) -> None:
        """See Listener."""
        self._log.info("master of switch {id}", id=switch.datapath_id)
        self._switches.add(switch)
        self._look_soon()

    def switch_gone(self, switch: SwitchConnection) -> None:
        """See Listener."""
        if switch in self._switches:
            self._log.info("switch {id} is gone", id=switch.datapath_id)
            self._switches.discard(switch)
            self._look_soon()

    def packet_received(self, switch: SwitchConnection, in_port: int, frame: bytes) -> None:
        """See Listener."""
        for host in self._databases:
            if self._switch(host) is switch:
                self._neighbours.hear(host, in_port, frame)

    def build_connection(self) -> SwitchConnection:
        """Return the protocol of a new connection."""
        return SwitchConnection(self._reactor, self, lambda: int(self._reactor.seconds() * 1000))

    async def _listen(self) -> None:
        if not self._ports:
            for listen in self._settings.listen:
                self._ports.append(await serverFromString(self._reactor, listen).listen(_Connections(self)))
                self._log.info("waiting for switches at {listen}", listen=listen)

    async def _leave(self) -> None:
        ports, self._ports = self._ports, []
        for switch in tuple(self._switches):
            switch.drop()
        for port in ports:
            await maybeDeferred(port.stopListening)

    async def _stop(self) -> None:
        await self._leave()
        if self._pulse.running:
            self._pulse.stop()
        self._delays.stop()
        self._neighbours.stop()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        for database in self._databases.values():
            await database.stop()

    def _look_soon(self) -> None:
        """Look at everything, once for all changes of this turn of the reactor."""
        if self.running and self._due is None:
            self._due = self._reactor.callLater(0, self._begin_look)

    def _begin_look(self) -> None:
        self._due = None
        if self._looking:
            # The present look began before this change; it will end soon.
            self._due = self._reactor.callLater(_AGAIN, self._begin_look)
            return
        self._looking = True
        Deferred.fromCoroutine(self._look()).addErrback(self._failed)

    async def _look(self) -> None:
        try:
            rows = [row for database in self._databases.values() if database.known for row in database.ports()]
            outcomes = self._policy.resolve(rows)
            self._tell(rows, outcomes)
            settled = self._neighbours.follow(self._settled([port for port, _ in rows], outcomes))
            # The flows first: whoever waits for the row will send at once.
            await self._program(settled)
            self._neighbours.deliver(settled)
            await self._write([port for port, _ in rows], {port.row.key: port.resolved for port in settled})
        finally:
            self._looking = False

    def _note_hosts(self) -> None:
        self._policy.note_hosts({name: database.current for name, database in self._databases.items()})

    def _settled(self, ports: Sequence[PortRow], outcomes: Mapping[Key, Outcome]) -> list[ResolvedPort]:
        """Return the ports that are resolved by now. A host's new ports need the connection to its switch."""
        resolvable = {}
        for port in ports:
            outcome = outcomes[port.key]
            if isinstance(outcome, Resolved) and (port.ip_addr or self._switch(port.host)):
                resolvable[port.key] = bool(port.ip_addr)
        settled = self._delays.settled(resolvable)
        found = ((port, outcomes[port.key]) for port in ports if port.key in settled)
        return [ResolvedPort(port, outcome) for port, outcome in found if isinstance(outcome, Resolved)]

    async def _program(self, ports: Sequence[ResolvedPort]) -> None:
        for host, database in self._databases.items():
            switch = self._switch(host)
            if switch is not None:
                try:
                    await switch.program(flows(ports, host, database.ofport(self._settings.uplink)))
                except NuageError as problem:
                    self._log.warn("{host}: {problem}", host=host, problem=str(problem))

    async def _write(self, ports: Sequence[PortRow], resolved: Mapping[Key, Resolved]) -> None:
        for port in ports:
            answer = resolved.get(port.key)
            written = not port.ip_addr if answer is None else answer.written_in(port)
            if not written and self._switch(port.host) and self._databases[port.host].current:
                self._log.info(
                    "{host}: port {port} is {answer}",
                    host=port.host,
                    port=port.name,
                    answer=answer or "no longer resolved",
                )
                try:
                    await self._databases[port.host].write(port.name, answer)
                except OvsdbError as problem:
                    self._log.warn("{host}: {problem}", host=port.host, problem=str(problem))

    def _tell(self, rows: Sequence[tuple[PortRow, EntityRow | None]], outcomes: Mapping[Key, Outcome]) -> None:
        """Log why ports are not resolved, once for each reason."""
        reasons = {key: outcome.reason for key, outcome in outcomes.items() if isinstance(outcome, Unresolved)}
        for port, entity in rows:
            reason = reasons.get(port.key)
            if reason is not None and self._reasons.get(port.key) != reason:
                self._log.info(
                    "{host}: port {port} of {entity} is not resolved: {reason}",
                    host=port.host,
                    port=port.name,
                    entity=entity.name if entity else "no entity",
                    reason=reason,
                )
        self._reasons = reasons

    def _send(self, host: str, in_port: int, ports: Iterable[int], frame: bytes) -> None:
        switch = self._switch(host)
        if switch is not None:
            switch.send(in_port, ports, frame)

    def _switch(self, host: str) -> SwitchConnection | None:
        datapath_id = self._databases[host].datapath_id
        return next((switch for switch in self._switches if switch.datapath_id == datapath_id), None)

    def _failed(self, failure: Any) -> None:
        self._log.failure("unexpected", failure)


#: Seconds after which a look that had to wait is tried again.
_AGAIN = 0.01
#: Seconds from one look at which databases answer to the next.
_PULSE = 1.0


class _Connections(Factory):
    """Makes a protocol for each switch that connects."""

    noisy = False

    def __init__(self, vsc: Vsc) -> None:
        self._vsc = vsc

    def buildProtocol(self, _address: Any) -> SwitchConnection:
        return self._vsc.build_connection()
