"""From the options that a user gives with ``docker network create -o`` to a :class:`nuage.model.Network`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from nuage.errors import Refused
from nuage.given import problem_of
from nuage.model import Network, NetworkRequest, Pool4, Pool6
from nuage.text import shown

#: Options that Docker gives a meaning to; they may come with any driver.
_DOCKER_PREFIX = "com.docker."
_MTU = "com.docker.network.driver.mtu"

_ALIASES = {"enterprise": "organization"}
_REQUIRED = ("organization", "user", "domain")
_OPTIONAL = ("zone", "subnet", "policy-group", "redirection-target")
#: How containers get out where the network gives them no gateway, and the value that has Docker add its own bridge.
_EXTERNAL, _GWBRIDGE = "external", "gwbridge"
#: Options whose value is one of a few words, not the name of something in Nuage.
_WORDS: Mapping[str, Sequence[str]] = {_EXTERNAL: ("none", _GWBRIDGE)}
#: What names a place in the topology, and who uses it.
PLACE = ("organization", "user", "domain", "zone", "subnet")

_MTU_MAX = 65535
#: Far more than anybody gives. It limits how long it takes to look for the nearest known name.
_MOST_OPTIONS = 1000
#: How many problems a message lists.
_LISTED = 10
#: RFC 791 and RFC 8200, section 5: the smallest MTU that a link has to carry.
_MTU_MIN, _MTU_MIN_V6 = 68, 1280


def network_of(request: NetworkRequest) -> Network:
    """Return the network that a request describes.

    Raises:
        Refused: An option is missing, unknown or out of range, or the pools do not fit; the message names every
            such option, its value and the remedy.
    """
    _demand_ipv4(request)
    options, problems = _checked(request.options, "option", (*_REQUIRED, *_OPTIONAL, *_WORDS), "-o")
    gwbridge = options.pop(_EXTERNAL, None) == _GWBRIDGE
    problems += _contradiction(request, gwbridge=gwbridge)
    problems += _pool_problems(request)
    mtu, mtu_problems = _mtu(request)
    problems += mtu_problems
    if problems:
        raise Refused(_listed(problems, "; "))
    pool = request.pools[0]
    pool_v6 = request.pools_v6[0] if request.pools_v6 else None
    return Network(
        id=request.network_id,
        **{name.replace("-", "_"): value for name, value in options.items()},
        pool=pool.subnet,
        gateway=pool.gateway,
        pool_v6=pool_v6.subnet if pool_v6 else None,
        gateway_v6=pool_v6.gateway if pool_v6 else None,
        internal=request.internal,
        gwbridge=gwbridge,
        mtu=mtu,
        ipam=request.ipam,
        unchecked=False,
    )


def place_of(options: Mapping[str, str]) -> dict[str, str]:
    """Return the place that options of ``--ipam-opt`` name: each key by its main name.

    Raises:
        Refused: One is missing, unknown or no name; the message names every such option, its value and the remedy.
    """
    place, problems = _checked(options, "ipam-opt", PLACE, "--ipam-opt")
    if problems:
        raise Refused(_listed(problems, "; "))
    return place


def given_place(options: Mapping[str, str]) -> dict[str, str]:
    """Return those of a network's options that name a place, by their main names, as far as they are good."""
    return {name: value for key, value in options.items() if (name := _main_name(key)) in PLACE}


def _checked(given: Mapping[str, str], kind: str, known: Sequence[str], flag: str) -> tuple[dict[str, str], list[str]]:
    """Return our own options by their main names, and all that is wrong with what was given.

    Args:
        given: The options.
        kind: What messages call one.
        known: The names that are allowed.
        flag: How they are given to the docker command.
    """
    if len(given) > _MOST_OPTIONS:
        raise Refused(f"{len(given)} {kind}s are given; up to {_MOST_OPTIONS} are allowed")
    options, problems = _named(given, kind, known)
    return options, problems + _missing(options, given, kind, flag)


def _listed(items: Sequence[object], separator: str) -> str:
    """Join what a message lists, but no more than anybody would read."""
    more = [f"and {len(items) - _LISTED} more"] if len(items) > _LISTED else []
    return separator.join([*map(str, items[:_LISTED]), *more])


def _named(given: Mapping[str, str], kind: str, known: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return our own options by their main names, and what is wrong with them."""
    options: dict[str, str] = {}
    problems = []
    for key, value in given.items():
        if key.startswith(_DOCKER_PREFIX):
            continue
        name = _main_name(key)
        if problem := _problem(kind, key, value, known):
            problems.append(problem)
        elif options.get(name, value) != value:
            problems.append(f'{kind} "{name}" is given twice, as {shown(options[name])} and {shown(value)}; give one')
        else:
            options[name] = value
    return options, problems


def _problem(kind: str, key: str, value: str, known: Sequence[str]) -> str | None:
    name = _main_name(key)
    if name not in known or name not in _WORDS:
        return problem_of(kind, name if name in known else key, value, known, _ALIASES)
    if value not in _WORDS[name]:
        return f'{kind} "{name}" is {shown(value)}; give {" or ".join(_WORDS[name])}'
    return None


def _contradiction(request: NetworkRequest, *, gwbridge: bool) -> list[str]:
    if gwbridge and request.internal:
        return [
            f'option "{_EXTERNAL}" is "{_GWBRIDGE}", and an --internal network has no way out; '
            f"leave out --internal, or give -o {_EXTERNAL}=none"
        ]
    return []


def _main_name(key: str) -> str:
    return _ALIASES.get(key.lower(), key.lower())


def _missing(options: Mapping[str, str], given: Mapping[str, str], kind: str, flag: str) -> list[str]:
    """Return what is missing. What was given with a bad value is reported already."""
    names = {_main_name(key) for key in given}
    problems = [f'{kind} "{name}" is missing; add {flag} {name}=…' for name in _REQUIRED if name not in names]
    for one, other in (("zone", "subnet"), ("subnet", "zone")):
        if one in options and other not in names:
            problems.append(
                f'{kind} "{one}" ({options[one]}) needs "{other}" with it; '
                f"add {flag} {other}=…, or leave both out for an L2 domain"
            )
    return problems


def _demand_ipv4(request: NetworkRequest) -> None:
    """Refuse a network of IPv6 alone.

    The column ``Nuage_Port_Table.ip_addr``, the key ``static-ip`` and the network type ``ipv4`` are all that public
    sources (libvrsdk, nuage-cni) know of addresses at a VRS.
    """
    if request.pools_v6 and not request.pools:
        subnets = _listed([pool.subnet for pool in request.pools_v6], ", ")
        raise Refused(
            f"a network of IPv6 alone ({subnets}) is not possible: a VRS resolves a port to an IPv4 address; "
            "leave out --ipv4=false, and give the IPv4 --subnet of the Nuage subnet as well"
        )


def _pool_problems(request: NetworkRequest) -> list[str]:
    problems = []
    # Sorted: Docker's command line does not keep the order in which they were given.
    if len(request.pools) != 1:
        given = _listed(sorted(pool.subnet for pool in request.pools), ", ") or "none"
        # Only with that option Docker assigns none.
        first = "" if request.pools else "leave out --ipv4=false, and "
        remedy = f"{first}give one --subnet, that of the Nuage subnet"
        problems.append(f"exactly one IPv4 subnet is needed, not {given}; {remedy}")
    if len(request.pools_v6) > 1:
        given = _listed(sorted(pool.subnet for pool in request.pools_v6), ", ")
        problems.append(f"at most one IPv6 subnet is possible, not {given}; give one")
    pools: tuple[Pool4 | Pool6, ...] = (*request.pools, *request.pools_v6)
    for pool in pools:
        problems += _everything_problems(pool.subnet) or _gateway_problems(pool.subnet, pool.gateway)
    return problems


def _everything_problems(pool: IPv4Network | IPv6Network) -> list[str]:
    if pool.prefixlen == 0:
        return [
            f"subnet {pool} is every address there is; leave out --ipam-driver=null, which gives no addresses, "
            "and give the --subnet of the Nuage subnet"
        ]
    return []


def _gateway_problems(pool: IPv4Network | IPv6Network, gateway: IPv4Address | IPv6Address | None) -> list[str]:
    if gateway is not None and gateway not in pool:
        return [f"gateway {gateway} is not in the subnet {pool}; give a --gateway inside it"]
    return []


def _mtu(request: NetworkRequest) -> tuple[int | None, list[str]]:
    text = request.options.get(_MTU)
    if text is None:
        return None, []
    low = _MTU_MIN_V6 if request.pools_v6 else _MTU_MIN
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and low <= int(text) <= _MTU_MAX):
        return None, [f'option "{_MTU}" is {shown(text)}; it has to be a whole number from {low} to {_MTU_MAX}']
    return int(text), []
