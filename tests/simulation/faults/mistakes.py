"""What users get wrong: each mistake is refused with what was given, what is wrong with it, and what to give."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.simulation.chance import Chance
from tests.simulation.docker.answer import Answer
from tests.simulation.faults.fault import Fault
from tests.simulation.faults.nonsense import ask

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Nobody has anything with this id.
_ID = "e" * 64
#: Seconds that somebody waits for an answer.
_PATIENCE = 60.0
_GOOD = {"organization": "Enterprise", "user": "admin", "domain": "Domain", "zone": "Zone", "subnet": "Subnet 1"}
_POOL = {"Pool": "10.98.3.0/24", "Gateway": "10.98.3.1/24"}
_POOLS_V6 = ({"Pool": "fd00:98:3::/64"}, {"Pool": "fd00:98:4::/64"})
_IFNAME = "com.docker.network.endpoint.ifname"
_MTU = "com.docker.network.driver.mtu"


def _network(
    options: Mapping[str, str], *pools: object, v6: Sequence[object] = (), internal: bool = False
) -> Mapping[str, Any]:
    """Return what Docker asks for if a user adds options to good ones; an empty one is left out."""
    given = {key: value for key, value in {**_GOOD, **options}.items() if value}
    generic = {"com.docker.network.generic": given, "com.docker.network.internal": internal}
    return {"NetworkID": _ID, "IPv4Data": pools, "IPv6Data": v6, "Options": generic}


def _endpoint(options: Mapping[str, object], **interface: str) -> Mapping[str, Any]:
    """Return what Docker asks for if a user gives such options; without an address it is one of the network's."""
    interface = {"AddressIPv6": "", "MacAddress": "", **interface}
    return {"EndpointID": _ID, "Interface": interface, "Options": options}


#: What is asked, and what the answer has to name.
_NETWORKS: Sequence[tuple[Mapping[str, Any], Sequence[str]]] = (
    (_network({"external": "no"}, _POOL), ('option "external" is "no"', "give none or gwbridge")),
    (_network({"external": "gwbridge"}, _POOL, internal=True), ('"external" is "gwbridge"', "leave out --internal")),
    (_network({"zonne": "Zone"}, _POOL), ('unknown option "zonne"', '"zone"')),
    (_network({"zone": ""}, _POOL), ('"subnet" (Subnet 1) needs "zone"', "-o zone=")),
    (_network({"subnet": ""}, _POOL), ('"zone" (Zone) needs "subnet"', "-o subnet=")),
    (_network({"domain": ""}, _POOL), ('option "domain" is missing', "-o domain=")),
    (_network({"domain": " "}, _POOL), ('option "domain" is empty', "give a name")),
    (_network({"domain": "a\tb"}, _POOL), ('"domain" has a character that cannot be printed', "leave it out")),
    (_network({"domain": "d" * 300}, _POOL), ('"domain" has 300 characters', "255 are allowed")),
    (_network({"enterprise": "Acme"}, _POOL), ('"Enterprise" and "Acme"', "give one")),
    (_network({f"o{n}": "x" for n in range(1000)}, _POOL), ("1005 options are given", "up to 1000 are allowed")),
    (_network({f"o{n}": "x" for n in range(20)}, _POOL), ('unknown option "o0"', "and 10 more")),
    (_network({_MTU: "60"}, _POOL), (f'option "{_MTU}" is "60"', "from 68 to 65535")),
    (_network({_MTU: "1000"}, _POOL, v6=_POOLS_V6[:1]), ("from 1280 to 65535",)),
    (_network({}, _POOL, v6=_POOLS_V6), ("fd00:98:3::/64, fd00:98:4::/64", "give one")),
    (_network({}, v6=_POOLS_V6[:1]), ("a network of IPv6 alone (fd00:98:3::/64)", "leave out --ipv4=false")),
    (_network({}), ("exactly one IPv4 subnet is needed, not none", "give one --subnet")),
    (_network({}, _POOL, {"Pool": "10.98.4.0/24"}), ("10.98.3.0/24, 10.98.4.0/24", "give one --subnet")),
    (_network({}, {"Pool": "0.0.0.0/0"}), ("every address there is", "leave out --ipam-driver=null")),
    (_network({}, {**_POOL, "Gateway": "10.99.0.1/24"}), ("gateway 10.99.0.1", "give a --gateway inside it")),
)
_ENDPOINTS: Sequence[tuple[Mapping[str, Any], Sequence[str]]] = (
    (_endpoint({"nuage.policy-grup": "web"}), ('unknown driver-opt "nuage.policy-grup"', "nuage.policy-group")),
    (_endpoint({"policy-group": "web"}), ('unknown driver-opt "policy-group"', "nuage.policy-group")),
    (_endpoint({"nuage.policy-group": " "}), ('driver-opt "nuage.policy-group" is empty', "give a name")),
    (_endpoint({"nuage.policy-group": 7}), ('"nuage.policy-group" is 7', "give a name")),
    (_endpoint({_IFNAME: "a/b"}), (f'driver-opt "{_IFNAME}" is "a/b"', "give a name of 1 to 15")),
    (_endpoint({_IFNAME: "all"}), (f'driver-opt "{_IFNAME}" is "all"', "other than")),
    (_endpoint({}, MacAddress="01:00:00:00:00:01"), ("01:00:00:00:00:01",)),
    (_endpoint({}, Address=""), ("address",)),
    (_endpoint({}, Address="10.1.1.1/24"), ("10.1.1.1",)),
)


def misdescribe_network(world: World, which: int) -> None:
    """Describe a network wrongly. What a user gives is looked at before anything else is."""
    body, words = _NETWORKS[which]
    _ask(world, "CreateNetwork", body, words)


def misdescribe_endpoint(world: World, which: int) -> None:
    """Describe an endpoint of some network wrongly. If that is not known at present, no more can be said."""
    networks = [each for each in world.docker.store.known_networks if each.driver == world.docker.settings.plugin]
    if networks:
        body, words = _ENDPOINTS[which]
        # Nobody has this one.
        address = f"{networks[0].pools[0].gateway.rpartition('.')[0]}.254/24"
        asked = {**body, "NetworkID": networks[0].id, "Interface": {"Address": address, **body["Interface"]}}
        known = world.daemon.knows(networks[0].id)
        _ask(world, "CreateEndpoint", asked, words if known else ())


def _ask(world: World, method: str, body: Mapping[str, Any], words: Sequence[str]) -> None:
    def judge(answer: Answer) -> None:
        said = json.loads(answer.body).get("Err", "")
        if not said or not all(word in said for word in words):
            world.history.violate(world.reactor.seconds(), "user", f"{method} {body} is answered with {said!r}")

    ask(world, method, json.dumps(body).encode(), _PATIENCE, judge)


def _which(mistakes: Sequence[object]) -> Any:
    def draw(chance: Chance) -> tuple[int]:
        return (chance.number(0, len(mistakes) - 1),)

    return draw


FAULTS: Mapping[str, Fault] = {
    "network misdescribed": Fault(do=misdescribe_network, draw=_which(_NETWORKS), weight=4),
    "endpoint misdescribed": Fault(do=misdescribe_endpoint, draw=_which(_ENDPOINTS), weight=2),
}
