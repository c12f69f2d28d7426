"""How all endpoints do, kept up to date as the switch's tables change: a report costs no look at each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from nuage.libnetwork.calls import Ended
from nuage.model import Network
from nuage.names import port_name
from nuage.status.judgement import Judge, refused
from nuage.status.report import EndpointSeen, State
from nuage.vrs.switch import Switch
from nuage.vrs.touched import Touched

#: Seconds after a change until it is looked at, together with those that follow it.
_PAUSE = 0.2
#: Endpoints that are looked at before other work gets its turn.
_AT_ONCE = 50
#: For how many seconds an endpoint that Docker removed after it was refused is shown, and how many of them.
_REFUSED_SHOWN, _MOST_REFUSED = 600.0, 100

_CREATING = ("NetworkDriver.CreateEndpoint", "NetworkDriver.Join")


class Ledger:
    """Keeps how each endpoint does, and since when.

    Args:
        clock: Measures pauses.
        now: Returns the time; see :mod:`nuage.status.report`.
        switch: The VRS.
        judge: Looks at one endpoint.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, now: Callable[[], float], switch: Switch, judge: Judge) -> None:
        self._clock = clock
        self._now = now
        self._switch = switch
        self._judge = judge
        self._networks: dict[str, Network] = {}
        self._seen: dict[str, EndpointSeen] = {}
        self._by_port: dict[str, str] = {}
        self._refused: dict[str, EndpointSeen] = {}
        self._due: dict[str, None] = {}
        self._next: IDelayedCall | None = None
        self._ends: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to follow the switch."""
        self._ends = [self._switch.on_touched(self._touched), self._switch.on_ready(self._all)]

    def stop(self) -> None:
        """Follow it no more."""
        while self._ends:
            self._ends.pop()()
        self._due.clear()
        if self._next is not None and self._next.active():
            self._next.cancel()

    @property
    def pending(self) -> bool:
        """Whether something has changed and was not looked at yet."""
        return bool(self._due)

    def touch(self, endpoint_id: str) -> None:
        """Look at an endpoint again: something else than the switch has changed."""
        self._due[endpoint_id] = None
        self._schedule()

    def call_ended(self, ended: Ended) -> None:
        """Note how a call about an endpoint ended; see :meth:`nuage.libnetwork.calls.Calls.watch`."""
        endpoint_id = ended.endpoint_id
        if endpoint_id is None or ended.method not in _CREATING:
            return
        if ended.outcome == "ok":
            self._refused.pop(endpoint_id, None)
            return
        now = self._now()
        network = self._networks.get(ended.network_id or "")
        seen = self._judge.look(endpoint_id, self._switch.trace(endpoint_id), network, now) or EndpointSeen(
            id=endpoint_id,
            network_id=ended.network_id,
            link=port_name(endpoint_id),
            state=State.REFUSED,
            since=now,
        )
        self._refused.pop(endpoint_id, None)
        self._refused[endpoint_id] = refused(seen, ended.problem)
        if len(self._refused) > _MOST_REFUSED:
            del self._refused[next(iter(self._refused))]

    def networks(self) -> Mapping[str, Network]:
        """Return the networks by id."""
        return self._networks

    def endpoints(self) -> Iterator[EndpointSeen]:
        """Yield how each endpoint does, and those that were refused not long ago."""
        self._look(len(self._due))
        for endpoint_id, seen in self._seen.items():
            refusal = self._refused.get(endpoint_id)
            yield refusal if refusal is not None and seen.state is State.UNATTACHED else seen
        yield from self._gone()

    def _gone(self) -> Iterator[EndpointSeen]:
        oldest = self._now() - _REFUSED_SHOWN
        started = (
            {(each.network_id, each.container) for each in self._seen.values() if each.container}
            if self._refused
            else ()
        )
        self._refused = {
            key: each
            for key, each in self._refused.items()
            if each.since > oldest and (key in self._seen or (each.network_id, each.container) not in started)
        }
        for endpoint_id, refusal in self._refused.items():
            if endpoint_id not in self._seen:
                gone = refusal if refusal.gone else attrs.evolve(refusal, gone=True, ofport=None)
                self._refused[endpoint_id] = gone
                yield gone

    def _all(self) -> None:
        """Look at everything: the tables were loaded, or the bridge was made."""
        self._networks = {network.id: network for network in self._switch.networks()}
        self._due |= dict.fromkeys([*self._seen, *self._switch.survey().traces])
        self._schedule()

    def _touched(self, found: Touched) -> None:
        for network_id in sorted(found.networks):
            self._network_touched(network_id)
        self._due |= dict.fromkeys(sorted(found.endpoints))
        self._due |= dict.fromkeys(self._by_port[name] for name in sorted(found.ports) if name in self._by_port)
        self._by_port |= {port_name(endpoint_id): endpoint_id for endpoint_id in found.endpoints}
        self._schedule()

    def _network_touched(self, network_id: str) -> None:
        network = self._switch.network(network_id)
        if network is None or self._switch.is_foreign(network.owner):
            self._networks.pop(network_id, None)
        else:
            self._networks[network_id] = network
        # Whether a resolution fits, and who named a policy group, depends on the network.
        self._due |= dict.fromkeys(each.id for each in self._seen.values() if each.network_id == network_id)

    def _schedule(self, pause: float = _PAUSE) -> None:
        if self._due and self._ends and (self._next is None or not self._next.active()):
            self._next = self._clock.callLater(pause, self._go_on)

    def _go_on(self) -> None:
        self._look(_AT_ONCE)
        self._schedule(0)

    def _look(self, count: int) -> None:
        now = self._now()
        for endpoint_id in list(self._due)[:count]:
            del self._due[endpoint_id]
            self._look_at(endpoint_id, now)

    def _look_at(self, endpoint_id: str, now: float) -> None:
        former = self._seen.get(endpoint_id)
        trace = self._switch.trace(endpoint_id)
        seen = self._judge.look(endpoint_id, trace, self._networks.get(trace.network_id or ""), now)
        if seen is None:
            self._seen.pop(endpoint_id, None)
            self._by_port.pop(port_name(endpoint_id), None)
            return
        if former is not None and former.state is seen.state:
            seen = attrs.evolve(seen, since=former.since)
        self._by_port[port_name(endpoint_id)] = endpoint_id
        # What is the same stays the same object: differences are found by identity.
        self._seen[endpoint_id] = former if former == seen else seen
