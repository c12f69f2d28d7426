"""One switch's connection to the controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any, NoReturn, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from lab.vrs import openflow
from lab.vrs.openflow import Flow, Message, Type
from lab.vrs.pipeline import FlowKey
from nuage.errors import NuageError

#: Seconds that a switch may take to install flows.
_BARRIER_TIME = 5.0


class SwitchLost(NuageError):
    """The connection to the switch ended before it confirmed what it was told."""


class Listener(Protocol):
    """Who hears of connections."""

    def switch_ready(self, switch: SwitchConnection) -> None:
        """The switch has accepted this controller as its master. Nobody knows which flows it has."""

    def packet_received(self, switch: SwitchConnection, in_port: int, frame: bytes) -> None:
        """The switch has handed over a packet that came in by one of its ports."""

    def switch_gone(self, switch: SwitchConnection) -> None:
        """The connection is over, whether it was ready or not."""


class SwitchConnection(TwistedProtocol):
    """Speaks OpenFlow 1.3 with one switch, as its master::

        connected --HELLO--> greeted --FEATURES--> known --ROLE--> ready --FLOW_MOD, BARRIER--> …

    Args:
        clock: Keeps the time.
        listener: Hears when it is ready and when it is over.
        generation: Returns a number that grows from one call to the next, even when this process restarts.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, listener: Listener, generation: Callable[[], int]) -> None:
        self._clock = clock
        self._listener = listener
        self._generation = generation
        self._splitter = openflow.Splitter()
        self._xids = count(1)
        self._barriers: dict[int, Deferred[None]] = {}
        self._installed: dict[FlowKey, Flow] | None = None
        self.datapath_id: str | None = None

    def connectionMade(self) -> None:
        """Greet the switch."""
        self._write(openflow.hello(next(self._xids)))

    def dataReceived(self, data: bytes) -> None:
        """Take messages; close a connection that brings something else."""
        try:
            for message in self._splitter.feed(data):
                self._received(message)
        except openflow.Malformed as problem:
            self._log.error("what a switch says is not understood: {problem}", problem=str(problem))
            self.drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail whoever waits."""
        self._listener.switch_gone(self)
        barriers, self._barriers = self._barriers, {}
        for barrier in barriers.values():
            if not barrier.called:
                barrier.errback(SwitchLost(f"the connection to the switch ended: {reason.getErrorMessage()}"))

    def drop(self) -> None:
        """Close the connection."""
        assert self.transport is not None
        self.transport.loseConnection()

    async def program(self, flows: Mapping[FlowKey, Flow]) -> None:
        """Make the switch use exactly these flows; return when it does.

        Raises:
            SwitchLost: The connection ended before.
        """
        known = self._installed or {}
        removed = [flow for key, flow in known.items() if key not in flows]
        added = [flow for key, flow in flows.items() if known.get(key) != flow]
        # Flows that an earlier connection left are not known here. They go as the new ones come.
        unknown = [openflow.delete_all_flows(next(self._xids))] if self._installed is None else []
        if not removed and not added and not unknown:
            return
        self._installed = dict(flows)
        self._write(
            *unknown,
            *(openflow.delete_flow(next(self._xids), flow) for flow in removed),
            *(openflow.add_flow(next(self._xids), flow) for flow in added),
        )
        self._log.debug(
            "switch {id}: {removed} flows removed, {added} added",
            id=self.datapath_id,
            removed=len(removed),
            added=len(added),
        )
        await self._barrier()

    def send(self, in_port: int, ports: Iterable[int], frame: bytes) -> None:
        """Have the switch send a packet out of ports, as if it had come in by ``in_port``."""
        self._write(openflow.packet_out(next(self._xids), in_port, ports, frame))

    async def _barrier(self) -> None:
        xid = next(self._xids)
        waiter: Deferred[None] = Deferred()
        self._barriers[xid] = waiter
        self._write(openflow.message(Type.BARRIER_REQUEST, xid))
        waiter.addTimeout(_BARRIER_TIME, self._clock, self._expired)
        await waiter

    def _expired(self, _result: object, seconds: float) -> NoReturn:
        self.drop()
        raise SwitchLost(f"the switch did not do what it was told within {seconds:g} s")

    def _received(self, message: Message) -> None:
        replies: dict[int, Callable[[Message], Any]] = {
            Type.HELLO: self._greeted,
            Type.ERROR: self._refused,
            Type.ECHO_REQUEST: self._echo,
            Type.FEATURES_REPLY: self._known,
            Type.ROLE_REPLY: self._ready,
            Type.BARRIER_REPLY: self._passed,
            Type.PACKET_IN: self._handed_over,
        }
        if message.type in replies:
            replies[message.type](message)

    def _greeted(self, message: Message) -> None:
        if not openflow.speaks_version(message.body):
            raise openflow.Malformed("it does not speak OpenFlow 1.3; set the bridge's protocols")
        self._write(openflow.message(Type.FEATURES_REQUEST, next(self._xids)))

    def _refused(self, message: Message) -> None:
        self._log.error(
            "switch {id} refused message {xid}: {problem}",
            id=self.datapath_id,
            xid=message.xid,
            problem=openflow.describe_error(message.body),
        )

    def _echo(self, message: Message) -> None:
        self._write(openflow.message(Type.ECHO_REPLY, message.xid, message.body))

    def _known(self, message: Message) -> None:
        self.datapath_id = openflow.datapath_id(message.body)
        self._write(openflow.role_request(next(self._xids), self._generation()))

    def _ready(self, _message: Message) -> None:
        self._listener.switch_ready(self)

    def _passed(self, message: Message) -> None:
        waiter = self._barriers.pop(message.xid, None)
        if waiter is not None and not waiter.called:
            waiter.callback(None)

    def _handed_over(self, message: Message) -> None:
        packet = openflow.packet_in(message.body)
        self._listener.packet_received(self, packet.in_port, packet.data)

    def _write(self, *messages: bytes) -> None:
        assert self.transport is not None
        self.transport.writeSequence(messages)
