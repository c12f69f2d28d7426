"""JSON-RPC over a Twisted transport (RFC 7047 section 4): calls, notifications and probes.

This knows nothing of databases; see session for what is said over it.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.ovsdb.errors import NotConnected, OvsdbError
from nuage.ovsdb.framing import DEFAULT_FRAME_LIMIT, Splitter
from nuage.ovsdb.garbage import collection_paused
from nuage.ovsdb.messages import Message, Reply, Request, decode, encode_reply, encode_request
from nuage.ovsdb.pending import PendingCalls
from nuage.ovsdb.reasons import in_words

#: Seconds that a peer gets to take what is still unsent when the connection is closed, before it is cut.
CLOSING_TIME = 1.0
#: Messages of at least this many bytes are decoded and taken in without the garbage collector.
LARGE_FRAME = 1 << 16
_PROBE_ID = "probe"


class Peer(Protocol):
    """Who uses a connection."""

    def opened(self) -> None:
        """The connection stands."""

    def notified(self, notification: Request) -> None:
        """The server sent a notification; a ProtocolViolation from here drops the connection."""

    def closed(self, reason: Exception) -> None:
        """The connection is no more; calls that wait fail right after this."""


class JsonRpcConnection(TwistedProtocol):
    """One connection; never reused.

    After ``probe_interval`` seconds of silence the server is asked for an echo. After as many seconds again without a
    byte the connection is dropped: otherwise nobody would notice that a peer vanished (on Unix sockets ovsdb-server
    does not probe at all).
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, peer: Peer, probe_interval: float, frame_limit: int = DEFAULT_FRAME_LIMIT
    ) -> None:
        """Tell ``peer`` what happens; accept messages of up to ``frame_limit`` bytes."""
        self._clock = clock
        self._peer = peer
        self._probe_interval = probe_interval
        self._splitter = Splitter(frame_limit)
        self._pending = PendingCalls(clock)
        self._open = False
        self._heard = 0.0
        self._probed = False
        self._probe_call: IDelayedCall | None = None
        self._closing_call: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Tell the peer. Twisted's name."""
        self._open = True
        self._heard = self._clock.seconds()
        self._peer.opened()

    def start_probing(self) -> None:
        """Watch for silence from now on."""
        if self._open and self._probe_call is None:
            self._probe_call = self._clock.callLater(self._probe_interval, self._probe)

    def call(self, method: str, params: list[Any], timeout: float) -> Deferred[Any]:
        """Send a call; return a Deferred for its result.

        :param timeout: seconds to wait for the reply.
        :raises NotConnected: when nothing can be sent any more.
        """
        if not self._open:
            raise NotConnected(f"{method} was not sent: the connection is closed")
        id_, result = self._pending.expect(method, timeout)
        self._write(encode_request(id_, method, params))
        return result

    def drop(self, reason: Exception) -> None:
        """Cut the connection; what is not sent yet never will be. Do nothing if it is closed already."""
        if self._open:
            self._end(reason)
            self._abort()

    def close(self, reason: Exception) -> None:
        """Close the connection in an orderly way."""
        if self._open:
            self._end(reason)
            self._closing_call = self._clock.callLater(CLOSING_TIME, self._abort)
            assert self.transport is not None
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of the stream. Twisted's name."""
        self._heard = self._clock.seconds()
        self._probed = False
        try:
            if self._open:
                for frame in self._splitter.feed(data):
                    with collection_paused() if len(frame) >= LARGE_FRAME else nullcontext():
                        self._received(decode(frame))
        except OvsdbError as error:
            self.drop(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Settle everything. Twisted's name."""
        if self._closing_call is not None and self._closing_call.active():
            self._closing_call.cancel()
        assert isinstance(reason.value, Exception)
        self._end(reason.value)

    def _received(self, message: Message) -> None:
        if not self._open:
            return
        if isinstance(message, Reply):
            if not self._pending.settle(message) and message.id != _PROBE_ID:
                self._log.debug("ignored a reply that nobody waits for, id {id!r}", id=message.id)
        elif message.method == "echo":
            self._write(encode_reply(message.id, message.params))
        elif message.id is None:
            self._peer.notified(message)
        else:
            self._log.debug("ignored a call of {method!r} by the server", method=message.method)

    def _probe(self) -> None:
        now, due = self._clock.seconds(), self._heard + self._probe_interval
        if now < due:
            # Points in time are compared: a time span may be rounded to less than the interval for ever.
            self._probe_call = self._clock.callLater(due - now, self._probe)
        elif self._probed:
            silence = now - self._heard
            self.drop(OvsdbError(f"the database server was silent for {silence:.3g} s and did not answer a probe"))
        else:
            self._probed = True
            self._write(encode_request(_PROBE_ID, "echo", []))
            self._probe_call = self._clock.callLater(self._probe_interval, self._probe)

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def _abort(self) -> None:
        # Absent from the interface, but each transport of Twisted has it.
        self.transport.abortConnection()  # type: ignore[union-attr]

    def _end(self, reason: Exception) -> None:
        if not self._open:
            return
        self._open = False
        if self._probe_call is not None and self._probe_call.active():
            self._probe_call.cancel()
        self._peer.closed(reason)
        self._pending.fail_all(in_words(reason))
