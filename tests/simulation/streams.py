"""Connections in memory: bytes arrive later than they were written, cut and merged at drawn places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IConsumer, IPushProducer, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.simulation.chance import Chance
from tests.simulation.timeline import Event

#: Bytes that the kernel keeps for a reader; what is beyond them stays with the writer.
CAPACITY = 1 << 17
#: Bytes after which Twisted asks a producer to pause.
_BUFFER = 1 << 16


class Weather:
    """How long bytes take, and where they are cut.

    Args:
        chance: Draws both.
    """

    #: Seconds that bytes take on a unix socket.
    QUICK = (0.00002, 0.0004)
    #: Seconds that they take if the reader is busy with something else.
    BUSY = (0.001, 0.04)
    _BUSINESS = 0.02
    _CUT = 0.1

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.drawn = chance.number

    def delay(self, pace: float) -> float:
        """Draw the seconds until bytes arrive; ``pace`` multiplies them."""
        low, high = self.BUSY if self._chance.happens(self._BUSINESS) else self.QUICK
        return pace * self._chance.delay(low, high)

    def arriving(self, length: int) -> int:
        """Draw how many of so many bytes arrive at once."""
        if length > 1 and self._chance.happens(self._CUT):
            return self._chance.number(1, length - 1)
        return length


class Calm(Weather):
    """Where bytes take no time and stay together. A connection is cut at a drawn place all the same."""

    def delay(self, pace: float) -> float:
        """See Weather."""
        del pace
        return 0.0

    def arriving(self, length: int) -> int:
        """See Weather."""
        return length


@implementer(ITCPTransport, IConsumer, IPushProducer)
class End:
    """One end of a connection, as the transport of a protocol.

    Args:
        call: Has the process that owns this end do something after some seconds.
        weather: Draws delays and cuts.
        address: Where the connection leads.
        lost: Is told once this end is closed.

    Attributes:
        peer: The other end.
        protocol: Who uses this end; None before the connection is accepted.
        pace: What the delays of arriving bytes are multiplied with.
    """

    _log = Logger()

    peer: End
    protocol: Any = None
    disconnecting = False
    disconnected = False
    connected = True
    producer: Any = None
    pace = 1.0

    def __init__(
        self, call: Callable[..., Event], weather: Weather, address: IAddress, lost: Callable[[End, Failure], None]
    ) -> None:
        self._call = call
        self._weather = weather
        self._address = address
        self._lost = lost
        self._inbox = bytearray()
        #: The next that comes: bytes, or the acceptance by a protocol.
        self._arrival: Event | None = None
        self._reading = True
        self._last: Failure | None = None
        self._aborting = self._streaming = self._producer_paused = self._draining = self._deaf = False

    # What the user of this end calls.

    def use(self, protocol: Any) -> None:
        """Give this end to a protocol."""
        self.protocol = protocol
        protocol.makeConnection(self)
        self._expect_arrival()

    def hand_over(self, call: Callable[..., Event], lost: Callable[[End], None]) -> None:
        """Let another process of the machine have this end; ``lost`` is told too once it is closed."""
        before = self._lost

        def closed(end: End, reason: Failure) -> None:
            lost(end)
            before(end, reason)

        self._call, self._lost = call, closed

    def write(self, data: bytes) -> None:
        """See ITransport."""
        if not self.connected or not data:
            return
        self.peer.take(data)
        if self.producer is None:
            return
        if not self._streaming:
            self._drain_later()
        elif len(self.peer._inbox) > _BUFFER and not self._producer_paused:
            self._producer_paused = True
            self.producer.pauseProducing()
            self._drain_later()

    def writeSequence(self, iovec: Any) -> None:
        """See ITransport."""
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """See ITransport: what is written still goes out."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._drain_later()

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        if self.connected and not self._aborting:
            self._aborting = self.disconnecting = True
            self._call(0.0, self._close, Failure(error.ConnectionAborted()))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer."""
        if self.producer is not None:
            raise RuntimeError(f"{self.producer} still produces")
        if not self.connected:
            producer.stopProducing()
            return
        self.producer, self._streaming, self._producer_paused = producer, streaming, False
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self.producer = None
        if self.connected and self.disconnecting:
            self._drain_later()

    def pauseProducing(self) -> None:
        """See IPushProducer: read nothing for a while."""
        self._reading = False

    def resumeProducing(self) -> None:
        """See IPushProducer."""
        self._reading = True
        self._expect_arrival()

    def stopProducing(self) -> None:
        """See IProducer."""
        self.loseConnection()

    def getPeer(self) -> Any:
        """See ITransport."""
        return self._address

    def getHost(self) -> Any:
        """See ITransport."""
        return self._address

    def loseWriteConnection(self) -> None:
        """See ITCPTransport. Nobody here closes one half."""
        raise NotImplementedError

    def getTcpNoDelay(self) -> bool:
        """See ITCPTransport."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """See ITCPTransport."""

    def getTcpKeepAlive(self) -> bool:
        """See ITCPTransport."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """See ITCPTransport."""

    # What the world does to this end.

    def await_acceptance(self, accept: Callable[[End], None]) -> None:
        """Have a new connection accepted after a while, if it is still open then."""

        def arrive() -> None:
            self._arrival = None
            if self.connected:
                accept(self)

        self._arrival = self._call(self._weather.delay(self.pace), arrive)

    def change_pace(self, pace: float) -> None:
        """Multiply delays with another number from now on. What is left of one that has begun changes as well."""
        if self._arrival is not None and self.connected:
            self._arrival.stretch(pace / self.pace)
        self.pace = pace

    def take(self, data: bytes) -> None:
        """Let bytes be on their way to this end."""
        if self.connected and self._last is None and not self._deaf:
            self._inbox += data
            self._expect_arrival()

    def cut(self) -> None:
        """Break the connection: each side gets some of what was under way, and no more."""
        for end in (self, self.peer):
            end.finish(Failure(error.ConnectionLost()), whole=False)

    def lose_peer(self) -> None:
        """Be left half open: the other end is gone without a word, as after a power loss of its machine."""
        self._deaf = True
        self.peer.finish(Failure(error.ConnectionLost()), whole=False)

    def vanish(self) -> None:
        """Be closed by the kernel, because the process of this end is dead."""
        if self.connected:
            self.connected, self.disconnected = False, True
            self.peer.finish(Failure(error.ConnectionDone()), whole=False)

    def finish(self, reason: Failure, whole: bool) -> None:
        """Let the connection end once what was under way has arrived; all of it, or as much as is drawn."""
        if self.connected and self._last is None and not self._deaf:
            self._last = reason
            if not whole and self._inbox:
                del self._inbox[self._weather.drawn(0, len(self._inbox)) :]
            self._expect_arrival()

    def _expect_arrival(self) -> None:
        waits = self._inbox or self._last is not None
        if waits and self._arrival is None and self.protocol is not None and self._reading and self.connected:
            self._arrival = self._call(self._weather.delay(self.pace), self._arrive)

    def _arrive(self) -> None:
        self._arrival = None
        if not self.connected or not self._reading:
            return
        if not self._inbox:
            assert self._last is not None
            self._close(self._last)
            return
        if self.disconnecting:
            # Who closes a connection does not read any more.
            self._inbox.clear()
        else:
            self._deliver()
        if self.peer.connected and (self.peer._producer_paused or self.peer.disconnecting):
            self.peer._drain_later()
        self._expect_arrival()

    def _deliver(self) -> None:
        length = self._weather.arriving(len(self._inbox))
        data = bytes(self._inbox[:length])
        del self._inbox[:length]
        try:
            self.protocol.dataReceived(data)
        except Exception:
            self._log.failure("a protocol failed on what it received", Failure())
            self.abortConnection()

    def _drain_later(self) -> None:
        if not self._draining:
            self._draining = True
            self._call(0.0, self._drain)

    def _drain(self) -> None:
        """Do what Twisted does once the kernel has taken all that was written."""
        self._draining = False
        if not self.connected or len(self.peer._inbox) > CAPACITY:
            return
        if self.producer is not None and (self._producer_paused or not self._streaming):
            self._producer_paused = False
            self.producer.resumeProducing()
        elif self.disconnecting and not self._aborting:
            self._close(Failure(error.ConnectionDone()))

    def _close(self, reason: Failure) -> None:
        if not self.connected:
            return
        self.connected, self.disconnected = False, True
        self.peer.finish(Failure(error.ConnectionDone()), whole=not self._aborting)
        self._lost(self, reason)
        if self.protocol is not None:
            protocol, self.protocol = self.protocol, None
            protocol.connectionLost(reason)


def address_of(name: str) -> IAddress:
    """Return Twisted's form of an address such as ``unix:/run/docker.sock`` or ``tcp:10.0.0.1:6640``."""
    kind, _, rest = name.partition(":")
    if kind == "unix":
        return UNIXAddress(rest)
    host, _, port = rest.rpartition(":")
    return IPv4Address("TCP", host, int(port))
