"""A pool of addresses as Docker knows it: by an ID that says all that there is to say of it.

Docker keeps the ID, and brings it with each call. So nothing of a pool has to be remembered here: a daemon that was
killed serves it as the former one did, and the same subnet has the same ID on each host.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

import attrs

from nuage.driver.options import PLACE
from nuage.errors import Refused
from nuage.given import name_problem
from nuage.model import Network
from nuage.text import shown

Prefix: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

#: What an ID starts with: its form. Another one may come.
_FORM = "nuage:"
#: Characters of an ID. Five names of 255 characters, each of which takes twelve in quotation at most, fit in.
_LONGEST = 20_000
#: What is left as it is in an ID, so that it can be read: all that parts nothing.
_READABLE = " /:.,"


@attrs.frozen(kw_only=True)
class Pool:
    """The addresses of a Nuage subnet, of one family.

    Attributes:
        organization, user, domain: Whose it is, and where.
        zone, subnet: None for an L2 domain.
        prefix: All of the subnet's addresses.
        range: Those that are chosen from, where the user gave some.
    """

    organization: str
    user: str
    domain: str
    zone: str | None = None
    subnet: str | None = None
    prefix: Prefix
    range: Prefix | None = None

    @classmethod
    def from_id(cls, text: str) -> Pool:
        """Read an ID.

        Raises:
            Refused: The text is not an ID of this plugin's.
        """
        try:
            return _read(text)
        except (ValueError, TypeError) as problem:
            raise Refused(
                f"pool {shown(text)} was not made by this plugin: {problem}; create the network again"
            ) from problem

    @property
    def id(self) -> str:
        """The ID."""
        told = {"pool": str(self.prefix), "range": str(self.range) if self.range else None, **self.options()}
        fields = {key: value for key, value in told.items() if value is not None}
        return _FORM + urlencode(fields, quote_via=quote, safe=_READABLE)

    def location(self) -> tuple[str | None, ...]:
        """Return the names of the place: see :meth:`nuage.model.Network.location`."""
        return (self.organization, self.domain, self.zone, self.subnet)

    @classmethod
    def at(cls, place: Mapping[str, str], prefix: Prefix, range_: Prefix | None = None) -> Pool:
        """Return the pool of a place that options name; see :func:`nuage.driver.options.place_of`."""
        names: dict[str, Any] = dict(place)
        return cls(prefix=prefix, range=range_, **names)

    @classmethod
    def all_of(cls, network: Network) -> list[Pool]:
        """Return the pools of a network, one of each family that it has."""
        pool = cls.of(network)
        return [pool] if network.pool_v6 is None else [pool, attrs.evolve(pool, prefix=network.pool_v6)]

    @classmethod
    def of(cls, network: Network) -> Pool:
        """Return the pool of a network, without a range, which a network does not know."""
        names = {key: value for key in PLACE if (value := getattr(network, key)) is not None}
        return cls.at(names, network.pool)

    def options(self) -> dict[str, str]:
        """Return the place as the options that name it."""
        named = {key: getattr(self, key) for key in PLACE}
        return {key: value for key, value in named.items() if value is not None}

    @property
    def place(self) -> str:
        """The place, for messages."""
        where = f'domain "{self.domain}", organization "{self.organization}"'
        return where if self.subnet is None else f'subnet "{self.subnet}", zone "{self.zone}", {where}'

    def __str__(self) -> str:
        """Name the pool, for messages."""
        return f"{self.prefix} of {self.place}"


def _read(text: str) -> Pool:
    if not text.startswith(_FORM) or len(text) > _LONGEST:
        raise ValueError(f'its ID has to start with "{_FORM}"')
    fields = dict(parse_qsl(text.removeprefix(_FORM), strict_parsing=True, max_num_fields=len(PLACE) + 2))
    prefix = ip_network(fields.pop("pool", ""))
    range_ = fields.pop("range", None)
    names = {key: fields[key] for key in PLACE if key in fields}
    for key, value in names.items():
        if problem := name_problem(value):
            raise ValueError(f"its {key} {problem}")
    return Pool.at(names, prefix, ip_network(range_) if range_ else None)
