"""The bodies of the requests and answers of Docker's IPAM.

The names on the wire are those of moby's ``libnetwork/ipams/remote/api/api.go``. No call names a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

import attrs

from nuage.libnetwork.body import Body

#: What an address is asked for: its value is :data:`GATEWAY` for that of a gateway.
ADDRESS_TYPE = "RequestAddressType"
#: The value of that option, and the name under which the answer of RequestPool tells the gateway.
GATEWAY = "com.docker.network.gateway"
#: Swarm's manager sends this option with each address that it asks for; a node's own Docker does not.
SERIAL = "com.docker.network.ipam.serial"
#: The container's name, from Docker 29 on.
ENDPOINT_NAME = "com.docker.network.endpoint.name"


@attrs.frozen
class RequestPool:
    """Docker asks for the subnet of a network. ``pool`` and ``sub_pool`` are what the user gave, None for nothing.

    ``options`` are those of ``--ipam-opt``, and Swarm's own.
    """

    address_space: str
    pool: IPv4Network | IPv6Network | None
    sub_pool: IPv4Network | IPv6Network | None
    options: Mapping[str, str]
    v6: bool

    @classmethod
    def from_body(cls, body: Body) -> RequestPool:
        """Read the request."""
        return cls(
            address_space=body.text("AddressSpace"),
            pool=body.network("Pool"),
            sub_pool=body.network("SubPool"),
            options=body.nested("Options").texts(),
            v6=body.flag("V6"),
        )


@attrs.frozen
class PoolCall:
    """A request about a pool that names nothing else: ReleasePool."""

    pool_id: str

    @classmethod
    def from_body(cls, body: Body) -> PoolCall:
        """Read the request."""
        return cls(body.text("PoolID"))


@attrs.frozen
class RequestAddress:
    """Docker asks for an address of a pool, or for the one that ``address`` is."""

    pool_id: str
    address: IPv4Address | IPv6Address | None
    options: Mapping[str, str]

    @classmethod
    def from_body(cls, body: Body) -> RequestAddress:
        """Read the request."""
        return cls(body.text("PoolID"), body.address("Address"), body.nested("Options").texts())

    @property
    def for_gateway(self) -> bool:
        """Whether the address is that of the network's gateway."""
        return self.options.get(ADDRESS_TYPE) == GATEWAY

    @property
    def by_manager(self) -> bool:
        """Whether Swarm's manager asks, for a task that may run on another node."""
        return SERIAL in self.options


@attrs.frozen
class ReleaseAddress:
    """Docker gives an address back."""

    pool_id: str
    address: IPv4Address | IPv6Address | None

    @classmethod
    def from_body(cls, body: Body) -> ReleaseAddress:
        """Read the request."""
        return cls(body.text("PoolID"), body.address("Address"))


@attrs.frozen
class IpamCapabilities:
    """Docker names no MAC address when it asks for an address, and asks for nothing again after its restart."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {"RequiresMACAddress": False, "RequiresRequestReplay": False}


@attrs.frozen
class AddressSpaces:
    """``name`` serves networks of either scope.

    Where both names are the same, Docker does not compare a pool with the routes of its host.
    """

    name: str

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {"LocalDefaultAddressSpace": self.name, "GlobalDefaultAddressSpace": self.name}


@attrs.frozen
class GivenPool:
    """The subnet of a network, and its gateway, with which Docker need not ask for one."""

    id: str
    subnet: IPv4Network | IPv6Network
    gateway: IPv4Interface | IPv6Interface | None

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        data = {} if self.gateway is None else {GATEWAY: str(self.gateway)}
        return {"PoolID": self.id, "Pool": str(self.subnet), "Data": data}


@attrs.frozen
class GivenAddress:
    """An address with the prefix length of its subnet."""

    address: IPv4Interface | IPv6Interface

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {"Address": str(self.address), "Data": {}}
