"""What a stranger says to the daemon on its socket, which Docker would never say: each gets an answer, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.simulation.chance import Chance
from tests.simulation.docker.answer import Answer
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.store import PoolRequest
from tests.simulation.docker.transport import BrokenConnection, Transport
from tests.simulation.faults.fault import Fault, demand

if TYPE_CHECKING:
    from tests.simulation.world import World

_SOCKET = "/run/docker/plugins/nuage.sock"
#: Nobody has anything with this id.
_ID = "f" * 64
_INTERFACE = {"Address": "10.21.59.77/24", "AddressIPv6": "", "MacAddress": ""}
_POOL = {"AddressSpace": "LocalDefault", "Gateway": "10.21.59.1/24", "Pool": "10.21.59.0/24"}


def _endpoint(**changes: Any) -> dict[str, Any]:
    return {"NetworkID": _ID, "EndpointID": _ID, "Interface": _INTERFACE, "Options": {}, **changes}


def _network(generic: object, *pools: object, **changes: Any) -> dict[str, Any]:
    options = {"com.docker.network.generic": generic}
    return {"NetworkID": _ID, "IPv4Data": pools or [_POOL], "IPv6Data": [], "Options": options, **changes}


_METHODS: Mapping[str, Sequence[object]] = {
    "CreateNetwork": [
        _network({}),
        _network({"domain": "Domain"}),
        _network({"organization": "Enterprise", "organisation": "Other", "user": "", "domain": "Domain", "zone": "Z"}),
        _network({"no such option": "x", "com.docker.network.driver.mtu": "9"}),
        _network({"organization": 7}),
        _network({}, _POOL, _POOL),
        _network({}, {**_POOL, "Gateway": "10.99.0.1/24"}),
        _network({}, {**_POOL, "Pool": "0.0.0.0/0"}),
        _network({}, {**_POOL, "Pool": ""}),
        _network({}, "pool"),
        _network({}, IPv4Data="pools"),
        _network({}, IPv6Data=[{"Pool": "2001:db8::/64"}, {"Pool": "2001:db8:1::/64"}]),
        _network([]),
        _network({}, Options={"com.docker.network.internal": "perhaps"}),
        {f"{n}": n for n in range(1000)},
    ],
    "CreateEndpoint": [
        _endpoint(),
        _endpoint(Interface={**_INTERFACE, "Address": "10.21.59.77/99"}),
        _endpoint(Interface={**_INTERFACE, "MacAddress": "01:00:00:00:00:01"}),
        _endpoint(Interface={**_INTERFACE, "MacAddress": "x"}),
        _endpoint(Interface=[]),
        _endpoint(Options="x"),
        _endpoint(EndpointID=""),
    ],
    "Join": [_endpoint(), _endpoint(EndpointID="../..")],
    "Leave": [_endpoint()],
    "DeleteEndpoint": [_endpoint()],
    "DeleteNetwork": [_endpoint()],
    "EndpointOperInfo": [_endpoint()],
    "AllocateNetwork": [_network({"a": "b"}), {"NetworkID": _ID, "Options": {"a": 1}}],
    "FreeNetwork": [_endpoint()],
    "DiscoverNew": [{"DiscoveryType": 1}],
    "DiscoverDelete": [{"DiscoveryType": 1}],
    "GwAllocCheck": [{"Options": {}}],
    "NoSuchMethod": [{}],
}
#: What is no request of any method.
_ANYWHERE = (b"", b"{", b"[]", b"7", b'{"NetworkID": "\\u0000"}', b"[" * 100_000, b"\xff\xfe", b'{"NetworkID": 7}')


def say(world: World, method: str, body: bytes, patience: float) -> None:
    """Send a request, and hang up after some seconds, answered or not."""
    ask(world, method, body, patience, lambda answer: _judge(world, method, body, answer))


def ask(world: World, method: str, body: bytes, patience: float, judge: Callable[[Answer], object]) -> None:
    """Send a request, have its answer judged if it comes, and hang up after some seconds in any case."""
    stranger = world.reactor.spawn("stranger")
    transport = Transport(stranger, _SOCKET, lambda _data: None)
    head = f"POST /NetworkDriver.{method} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    asked: Deferred[Answer] = Deferred.fromCoroutine(transport.ask(head.encode() + body))
    asked.addCallbacks(judge, _unanswered)
    world.reactor.callLater(patience, stranger.kill)
    demand(world.daemon.running)


def _judge(world: World, method: str, body: bytes, answer: Answer) -> None:
    """See whether an answer is one: the daemon knows what it was asked, or says what is wrong with it.

    One that is cut says nothing more than no answer does.
    """
    if answer.status >= 500 or (answer.whole and not isinstance(json.loads(answer.body), dict)):
        world.history.violate(
            world.reactor.seconds(), "stranger", f"{method} {body[:200]!r} is answered with {answer.status}"
        )


def _unanswered(failure: Failure) -> None:
    """Take it: the daemon may be away, or end meanwhile."""
    failure.trap(BrokenConnection)


def _draw(chance: Chance) -> tuple[str, bytes, float]:
    method = chance.pick(tuple(_METHODS))
    if chance.happens(0.3):
        return method, chance.pick(_ANYWHERE), chance.delay(0, 30)
    return method, json.dumps(chance.pick(_METHODS[method])).encode(), chance.delay(0, chance.pick((0.01, 30)))


#: Options with which no network is made: one is wrong, or one is missing.
_WRONG: Sequence[Mapping[str, str]] = (
    {},
    {"organisation": "Enterprise", "domain": "Domain"},
    {"organization": "Enterprise", "user": "admin", "domain": "Domain", "zone": "Zone"},
    {"organization": "Enterprise", "user": "admin", "domain": "Domain", "Domain": "Other"},
    {"organization": "Enterprise", "user": "admin", "domain": "a\nb", "zonne": "Zone", "subnet": ""},
    {"organization": "Enterprise", "user": "admin", "domain": "Domain", "com.docker.network.driver.mtu": "60"},
    {f"option{number}": "x" for number in range(200)},
)


def misspell(world: World, which: int) -> None:
    """``docker network create`` with options that do not make a network."""
    pool = PoolRequest(subnet="10.99.0.0/24")
    creation = world.docker.create_network("misspelt", options=_WRONG[which], pools=[pool])
    creation.addCallback(lambda outcome: _refused(world, outcome))


def _refused(world: World, outcome: Outcome) -> None:
    if outcome.ok:
        world.history.violate(world.reactor.seconds(), "user", "a network is made with options that are wrong")


FAULTS: Mapping[str, Fault] = {
    "nonsense": Fault(do=say, draw=_draw, weight=4),
    "network misspelt": Fault(do=misspell, draw=lambda chance: (chance.number(0, len(_WRONG) - 1),)),
}
