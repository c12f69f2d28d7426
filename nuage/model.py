"""What a Nuage network and an endpoint on it are, and how the switch's database keeps them.

These values come from Docker's requests, from its API, and from the switch's database: a daemon that was killed finds
there all that it knew. The record of a value is JSON text, so that it fits one value of an ``external_ids`` map.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TypeVar

import attrs

Recorded = TypeVar("Recorded", bound=attrs.AttrsInstance)
Parsed = TypeVar("Parsed")

#: The types of those fields of a record that are not texts.
_KINDS: Mapping[str, type] = {
    "internal": bool,
    "gwbridge": bool,
    "mtu": int,
    "options": dict,
    "unchecked": bool,
    "ipam": bool,
    "split": bool,
}


def parse_address(kind: Callable[[str], Parsed], text: str) -> Parsed:
    """Read an address or a prefix, whoever wrote it.

    Args:
        kind: One of the types of :mod:`ipaddress`.
        text: What Docker's call, Docker's API or a record says.

    Raises:
        ValueError: The text is not one. An address with a zone ("fe80::1%eth0") means something on one host only, and
            may hold any character.
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    return kind(text)


@attrs.frozen
class Pool4:
    """An IPv4 pool of a network and the gateway that Docker's IPAM chose or the user named.

    ``space`` is the address space that it is from, which tells whose IPAM gave it; empty if nobody told.
    """

    subnet: IPv4Network
    gateway: IPv4Address | None
    space: str = ""


@attrs.frozen
class Pool6:
    """An IPv6 pool of a network and its gateway."""

    subnet: IPv6Network
    gateway: IPv6Address | None


@attrs.frozen(kw_only=True)
class NetworkRequest:
    """What somebody asked for with ``docker network create``, not yet checked.

    The host on which the network is made gets it with a call from Docker. The other hosts read it from what their own
    Docker says of the network. ``options`` are those that the user gave with ``-o``. ``ipam``: its
    addresses are from Nuage. ``ipam_options`` are those of ``--ipam-opt`` where this plugin gives the addresses; only
    Docker's API tells them.
    """

    network_id: str
    options: Mapping[str, str]
    internal: bool
    pools: tuple[Pool4, ...]
    pools_v6: tuple[Pool6, ...]
    ipam: bool = False
    ipam_options: Mapping[str, str] | None = None


@attrs.frozen(kw_only=True)
class Network:
    """A Docker network, and the place in the Nuage organization's topology that it stands for.

    ``zone`` and ``subnet`` are None for an L2 domain, which has neither. A gateway of None means that Docker was not
    told one. ``gwbridge``: its containers get out by Docker's ``docker_gwbridge``, not by a gateway. ``mtu`` (bytes) is
    None if the daemon's own setting applies. The policy group and the redirection target are those of endpoints that
    name none of their own. ``owner`` is the plugin that keeps the network, by the file name of its socket; a record of
    release 1.0 names none. ``unchecked``: there is a VSD, and it was away when the network was created. ``ipam``: its
    addresses are from Nuage.
    """

    id: str
    organization: str
    user: str
    domain: str
    zone: str | None = None
    subnet: str | None = None
    pool: IPv4Network
    gateway: IPv4Address | None = None
    pool_v6: IPv6Network | None = None
    gateway_v6: IPv6Address | None = None
    internal: bool = False
    gwbridge: bool = False
    mtu: int | None = None
    policy_group: str | None = None
    redirection_target: str | None = None
    owner: str | None = None
    ipam: bool = False
    unchecked: bool = False

    def place(self) -> str:
        """Name the network's place in the topology, for messages."""
        where = f'organization "{self.organization}", domain "{self.domain}"'
        if self.subnet is None:
            return where
        return f'{where}, zone "{self.zone}", subnet "{self.subnet}"'

    def competes_with(self, other: Network) -> bool:
        """Tell whether both assign the same addresses of the same Nuage subnet."""
        return self.location() == other.location() and self.pool.overlaps(other.pool)

    def location(self) -> tuple[str | None, ...]:
        """Return the names of the network's place in the topology. If they are equal, it is the same Nuage subnet."""
        return (self.organization, self.domain, self.zone, self.subnet)

    def to_record(self) -> str:
        """Return the text that :meth:`from_record` reads."""
        return _to_record(self)

    @classmethod
    def from_record(cls, text: str) -> Network:
        """Read a network back.

        Raises:
            ValueError: The text is not the record of a network.
        """
        return _from_record(
            cls,
            text,
            pool=IPv4Network,
            gateway=IPv4Address,
            pool_v6=IPv6Network,
            gateway_v6=IPv6Address,
        )


@attrs.frozen(kw_only=True)
class Endpoint:
    """One attachment of one container to one network.

    ``options`` are the driver options of the endpoint: Docker tells them when it creates the endpoint, and never again.
    ``interface_name`` is what the user calls the interface in the container, None for Docker's choice. ``owner`` is as
    in a network. ``split``: the VSD has a Container of its id already, which has the address; the VRS is told of no
    place then (split activation).
    """

    id: str
    network_id: str
    mac: str
    address: IPv4Interface | None = None
    address_v6: IPv6Interface | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)
    interface_name: str | None = None
    owner: str | None = None
    split: bool = False

    def to_record(self) -> str:
        """Return the text that :meth:`from_record` reads."""
        return _to_record(self)

    @classmethod
    def from_record(cls, text: str) -> Endpoint:
        """Read an endpoint back.

        Raises:
            ValueError: The text is not the record of an endpoint.
        """
        return _from_record(cls, text, address=IPv4Interface, address_v6=IPv6Interface)


@attrs.frozen(kw_only=True)
class Container:
    """What Docker says of the container that an endpoint belongs to."""

    id: str
    name: str
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Use:
    """An endpoint of a running container, as Docker tells it."""

    network_id: str
    container: Container


@attrs.frozen(kw_only=True)
class Trace:
    """What the switch has of an endpoint.

    ``record`` is the text that :meth:`Endpoint.from_record` reads, None if there is none. ``attached``: it is
    plugged into the bridge; ``marked``: its interface and its port say whose they are; ``announced``: the VRS is told
    of it, by both of its rows; ``waiting``: it was created and is not joined. ``error`` is why the switch could not
    open its device, None if it did or has not tried yet. ``container_id`` and ``container_name`` are what the VRS
    was told of the container; there is no name if it was told two.
    """

    network_id: str | None
    record: str | None
    attached: bool
    announced: bool
    waiting: bool
    container_id: str | None
    container_name: str | None
    marked: bool = True
    error: str | None = None


@attrs.frozen(kw_only=True)
class Survey:
    """What the switch has at one moment: the trace of each endpoint by its id, without those of other plugins.

    ``foreign`` are the ids of those.
    """

    traces: Mapping[str, Trace]
    foreign: Collection[str]


def _to_record(value: Network | Endpoint) -> str:
    fields = attrs.asdict(value, filter=lambda _attribute, content: content is not None)
    return json.dumps(fields, default=str, sort_keys=True, separators=(",", ":"))


def _from_record(cls: type[Recorded], text: str, **address_types: type) -> Recorded:
    """Rebuild ``cls``; fields that only a newer release knows are passed over, so that a downgrade keeps working."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ValueError("it is not JSON") from problem
    if not isinstance(fields, dict):
        raise ValueError("it is not a JSON object")
    _demand_all(cls, fields)
    known = {a.name: fields[a.name] for a in attrs.fields(cls) if a.name in fields}
    for name, value in known.items():
        _demand_kind(name, value)
    for name, address_type in address_types.items():
        if name in known:
            known[name] = parse_address(address_type, known[name])
    return cls(**known)


def _demand_all(cls: type[Recorded], fields: Mapping[str, object]) -> None:
    """Make sure that a record has all its fields."""
    required = [attribute.name for attribute in attrs.fields(cls) if attribute.default is attrs.NOTHING]
    missing = [name for name in required if name not in fields]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")


def _demand_kind(name: str, value: object) -> None:
    """Make sure that a field of a record is of the kind that was written; addresses are written as texts."""
    if not isinstance(value, _KINDS.get(name, str)):
        raise ValueError(f"its {name} is {value!r}")
    if isinstance(value, dict) and not all(isinstance(each, str) for each in value.values()):
        raise ValueError(f"its {name} is {value!r}")
