"""Many endpoints on a real switch, and what they cost the plugin's own process."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.internet.task import LoopingCall

from nuage.audit.auditor import Auditor
from nuage.audit.rules import Docker
from nuage.driver.turns import Turns
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.links.veth import GROUP, Link
from nuage.model import Container, Use
from nuage.names import link_alias, port_name
from tests.driver_support import NETWORK, Plugin, endpoint_body, network_request
from tests.vrs_support import Vrs, waiting

#: Seconds that the switch may take for a port: with a thousand of them it takes a fifth of a second for each.
_WIRE_TIMEOUT = 60.0
#: Seconds of rest before and in a call that is measured, about as long as the switch takes for a port when it has a
#: thousand of them: a processor that was at rest runs the same code slower, and should do so for few endpoints too.
_REST = 0.2


@attrs.frozen
class Cost:
    """What a call costs the process: seconds of processor time, and lines of Python that are run."""

    seconds: float
    lines: int


class Lines:
    """Counts the lines of Python that are run inside of it: work, whatever else the machine does at the same time."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Lines:
        """Begin to count."""
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_failure: object) -> None:
        """Count no more."""
        sys.settrace(None)

    def _trace(self, _frame: object, _event: str, _argument: object) -> Any:
        self.count += 1
        return self._trace


class Load:
    """A driver on a switch of its own, and many endpoints."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.vrs = Vrs()
        self.plugin = Plugin(reactor, self.vrs, call_timeout=60.0, wire_timeout=_WIRE_TIMEOUT)
        self.attached = 0

    async def start(self) -> None:
        """Connect, and make a network with room for many."""
        await self.plugin.switch.ready()
        pool = [{"Gateway": "10.21.255.254/16", "Pool": "10.21.0.0/16"}]
        await self.plugin.driver.create_network(network_request(IPv4Data=pool))

    async def stop(self) -> None:
        """Leave nothing behind."""
        await self.plugin.stop()
        self.vrs.stop()

    async def fill(self, count: int, at_once: int = 100) -> None:
        """Attach endpoints until there are ``count``, so many at once."""
        while self.attached < count:
            first, self.attached = self.attached, min(self.attached + at_once, count)
            await gatherResults([ensureDeferred(self._attach(number)) for number in range(first, self.attached)])

    async def cycle(self, number: int) -> None:
        """Attach and detach an endpoint."""
        await self._attach(number)
        await self._detach(number)
        # The played kernel remembers each link that was removed, which is no memory of the daemon's.
        self.plugin.links.removed.clear()

    async def join_cost(self, samples: int) -> Cost:
        """Return what one more Join costs, the cheapest of some: what disturbs a measurement makes it dearer."""
        costs = [await self._sample(50_000 + number) for number in range(samples)]
        return Cost(min(cost.seconds for cost in costs), min(cost.lines for cost in costs))

    async def join_lines(self, samples: int) -> int:
        """Return how many lines of Python one more Join runs, the fewest of some."""
        return min([await self._lines(50_000 + number) for number in range(samples)])

    async def longest_turn(self, spent: Callable[[], float] = time.thread_time) -> float:
        """Return the most that an audit spends without letting the reactor go on, by default seconds of the processor.

        Args:
            spent: Tells what has been spent so far.
        """
        played: Any = _Played(self._reactor, self.attached)
        auditor = Auditor(
            self._reactor,
            30.0,
            switch=self.plugin.switch,
            links=played,
            census=played,
            endpoints=self.plugin.endpoints,
            networks=self.plugin.networks,
            turns=Turns(self._reactor),
        )
        with _turns(spent) as turns:
            # All that it looks at is as it should be: there is nothing to be done.
            assert (await auditor.look()).proposals == []
        return max(turns)

    async def _sample(self, number: int) -> Cost:
        return Cost(await self._seconds(number), await self._lines(number))

    async def _lines(self, number: int) -> int:
        await self._create(number)
        with Lines() as lines:
            await self._join(number)
        await self._detach(number)
        return lines.count

    async def _seconds(self, number: int) -> float:
        """Return the processor time of a Join before and in which the processor rests for a while."""
        await self._create(number)
        await waiting(self._reactor, _REST)
        self.vrs.signal("ovs-vswitchd", signal.SIGSTOP)
        self._reactor.callLater(_REST, self.vrs.signal, "ovs-vswitchd", signal.SIGCONT)
        start = time.process_time()
        await self._join(number)
        end = time.process_time()
        await self._detach(number)
        return end - start

    async def _attach(self, number: int) -> None:
        await self._create(number)
        await self._join(number)

    async def _create(self, number: int) -> None:
        endpoint_id = _endpoint_id(number)
        self.plugin.docker.containers[endpoint_id] = Container(id=f"{number:064x}", name=f"web-{number}")
        address = f"10.21.{number // 250 % 255}.{number % 250 + 1}/16"
        body = endpoint_body(EndpointID=endpoint_id, Interface={"Address": address})
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(body)))

    async def _join(self, number: int) -> None:
        await self.plugin.driver.join(payloads.EndpointCall(NETWORK, _endpoint_id(number)))

    async def _detach(self, number: int) -> None:
        call = payloads.EndpointCall(NETWORK, _endpoint_id(number))
        await self.plugin.driver.leave(call)
        await self.plugin.driver.delete_endpoint(call)
        del self.plugin.docker.containers[_endpoint_id(number)]


class _Played:
    """The kernel and Docker, which find everything as it should be. Each answer takes a moment."""

    def __init__(self, reactor: Any, count: int) -> None:
        self._reactor = reactor
        self._links = {link.name: link for link in map(_link, range(count))}
        uses = {
            _endpoint_id(number): Use(
                network_id=NETWORK, container=Container(id=f"{number:064x}", name=f"web-{number}")
            )
            for number in range(count)
        }
        self._docker = Docker(in_use=uses, networks={NETWORK: network_request()})

    async def owned(self, _mark: str) -> dict[str, Link]:
        """See nuage.links.links.Links."""
        await waiting(self._reactor, 0.01)
        return self._links

    async def take(self) -> Docker:
        """See nuage.audit.census.Census."""
        await waiting(self._reactor, 0.01)
        return self._docker

    async def without_deleted(self, docker: Docker, _doubtful: object) -> Docker:
        """See nuage.audit.census.Census. Where each link has a carrier, Docker is not asked."""
        return docker

    async def with_others(self, docker: Docker, _networks: object) -> Docker:
        """See nuage.audit.census.Census. Where the switch has nothing that Docker lacks, Docker is not asked."""
        return docker

    async def with_elsewhere(self, docker: Docker, _unlisted: object) -> Docker:
        """See nuage.audit.census.Census."""
        return docker


def _link(number: int) -> Link:
    endpoint_id = _endpoint_id(number)
    return Link(
        name=port_name(endpoint_id),
        index=number,
        alias=link_alias(endpoint_id),
        group=GROUP,
        mac="7a:42:00:00:00:01",
        mtu=1450,
        up=True,
        carrier=True,
        peer=None,
    )


def _endpoint_id(number: int) -> str:
    return f"{number:013x}".ljust(64, "e")


@contextmanager
def _turns(spent: Callable[[], float]) -> Iterator[list[float]]:
    """Note what is spent between any two chances that the reactor gives to others."""
    turns: list[float] = []
    last = spent()

    def tick() -> None:
        nonlocal last
        now = spent()
        turns.append(now - last)
        last = now

    ticking = LoopingCall(tick)
    ticking.start(0.001)
    try:
        yield turns
        tick()
    finally:
        ticking.stop()
