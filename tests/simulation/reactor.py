"""A reactor of virtual time and of connections in memory. Each process of the world has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import (
    IDelayedCall,
    IHostnameResolver,
    IHostResolution,
    IReactorFromThreads,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
    IResolutionReceiver,
)
from zope.interface import implementer

from tests.simulation.chance import Chance
from tests.simulation.network import Connector, Network, Port
from tests.simulation.streams import Weather
from tests.simulation.timeline import Event, Process, Timeline


@implementer(IHostResolution)
class _Resolution:
    """A name that is being looked up."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """See IHostResolution: it is over already."""


@implementer(IHostnameResolver)
class _Resolver:
    """Finds each name at once. Addresses in memory are names themselves."""

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """See IHostnameResolver."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        resolutionReceiver.addressResolved(IPv4Address("TCP", hostName, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IReactorTime, IReactorUNIX, IReactorTCP, IReactorFromThreads, IReactorPluggableNameResolver)
class SimReactor:
    """The reactor of one process of the world. The first one makes the world, the others are spawned from it.

    Args:
        chance: Draws delays and cuts of all connections.
        name: The process, for the history.

    Attributes:
        network: The sockets as this process sees them.
        process: Whose events these are.
        timeline: All events of the world.
        machine: The machine of this process: those of another one do not see its unix sockets. The first has no name.
        thread_pool: The pool that everybody in this process may use; see tests.simulation.threads.
    """

    thread_pool: Any = None

    def __init__(self, chance: Chance, name: str = "world") -> None:
        self._begin(Timeline(), Weather(chance.part("streams")), {}, name, "")

    def _begin(self, timeline: Timeline, weather: Weather, ports: dict[str, Port], name: str, machine: str) -> None:
        self.timeline = timeline
        self.machine = machine
        self.process = Process(timeline, name)
        self.network = Network(self, weather, ports)
        self.nameResolver: IHostnameResolver = _Resolver()
        self._descriptors: list[Any] = []

    def spawn(self, name: str, machine: str | None = None) -> SimReactor:
        """Return the reactor of another process of the same world, on the same machine unless another is named."""
        other = SimReactor.__new__(SimReactor)
        machine = self.machine if machine is None else machine
        other._begin(self.timeline, self.network.weather, self.network.ports, name, machine)
        return other

    def address(self, path: Any) -> str:
        """Return the address of a unix socket of this machine."""
        return f"unix:{self.machine}{path}"

    def port(self, path: Any) -> Port | None:
        """Return who listens at a unix socket of this machine, or has left its file; None if there is no file."""
        return self.network.ports.get(self.address(path))

    def open_descriptor(self, what: Any) -> int:
        """Return a number by which this process has something that others of the machine have too."""
        self._descriptors.append(what)
        return len(self._descriptors) - 1

    # What makes time pass.

    def run_for(self, seconds: float) -> None:
        """Let all happen that happens within some seconds."""
        end = self.timeline.now + seconds
        while self.timeline.step(end):
            pass
        self.timeline.now = max(self.timeline.now, end)

    def run_until(self, reached: Callable[[], bool], limit: float) -> bool:
        """Let things happen until something is reached, for ``limit`` seconds at most; return whether it was."""
        end = self.timeline.now + limit
        while not reached():
            if not self.timeline.step(end):
                self.timeline.now = max(self.timeline.now, end)
                return reached()
        return True

    # What is done to a process.

    def kill(self) -> None:
        """End the process at once, as SIGKILL does: its calls, its connections and its sockets are no more."""
        self.process.die()
        self.process.remains += self.network.ends()
        self.network.vanish()

    def freeze(self) -> None:
        """Stop the process, as SIGSTOP does: connections to it are made, and nobody answers."""
        self.process.freeze()

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self.process.thaw()

    # What Twisted calls.

    def seconds(self) -> float:
        """See IReactorTime."""
        return self.timeline.now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> Event:  # noqa: A002
        """See IReactorTime. A dead process calls nothing any more."""
        event = Event(self.process, callable, args, kwargs)
        if self.process.alive:
            self.timeline.put(event, delay)
        else:
            self.process.remains.append(event)
        return event

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """See IReactorTime."""
        return self.process.events()

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: A002
        """See IReactorFromThreads."""
        self.callLater(0.0, callable, *args, **kwargs)

    def getThreadPool(self) -> Any:
        """See IReactorThreads."""
        return self.thread_pool

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """See IReactorPluggableNameResolver."""
        former, self.nameResolver = self.nameResolver, resolver
        return former

    def listenUNIX(
        self, address: Any, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: bool = False
    ) -> Port:
        """See IReactorUNIX."""
        return self.network.listen(self.address(address), factory)

    def connectUNIX(self, address: Any, factory: Any, timeout: float = 30, checkPID: bool = False) -> Connector:
        """See IReactorUNIX."""
        return self.network.connect(self.address(address), factory, timeout)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Port:
        """See IReactorTCP."""
        return self.network.listen(f"tcp:{interface or 'localhost'}:{port}", factory)

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Connector:
        """See IReactorTCP."""
        return self.network.connect(f"tcp:{host}:{port}", factory, timeout)

    def addReader(self, reader: Any) -> None:
        """See IReactorFDSet. Only listening sockets that were passed have readers."""
        self._descriptors[reader.fileno()].watch(reader)

    def removeReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self._descriptors[reader.fileno()].watch(None)

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> None:
        """See IReactorSocket."""
        self.network.adopt(self._descriptors[fileDescriptor], factory)
