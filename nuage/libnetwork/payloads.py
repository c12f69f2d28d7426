"""The bodies of libnetwork's requests and answers.

The names on the wire are those of moby's ``libnetwork/drivers/remote/api/api.go``. A request is read by its
``from_body``, which raises :class:`nuage.errors.MalformedRequest`; an answer is written by its ``to_json``. A request
for a network becomes the domain's own :class:`nuage.model.NetworkRequest`, which can also come from Docker's API.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

import attrs

from nuage.libnetwork.body import Body
from nuage.model import NetworkRequest, Pool4, Pool6
from nuage.names import DEVICE_NAME_LENGTH

#: The kinds of plugins, as they name themselves (moby ``libnetwork/driverapi`` and ``ipamapi``).
NETWORK_DRIVER, IPAM_DRIVER = "NetworkDriver", "IpamDriver"

#: Characters before the number of an interface: Docker up to 26.1 raises the number with each connection of a running
#: container, and cannot connect it if the name gets too long. So there is room for three digits.
_LONGEST_PREFIX = DEVICE_NAME_LENGTH - 3

#: The key of a network's options that holds those that the user gave with ``-o``.
GENERIC = "com.docker.network.generic"
INTERNAL = "com.docker.network.internal"


@attrs.frozen
class AllocateNetwork:
    """A Swarm manager asks for the options that CreateNetwork will have on every node."""

    network_id: str
    options: Mapping[str, str]

    @classmethod
    def from_body(cls, body: Body) -> AllocateNetwork:
        """Read the request."""
        return cls(body.id("NetworkID"), body.nested("Options").texts())


def network_request(body: Body) -> NetworkRequest:
    """Read CreateNetwork: ``docker network create``, or the first use of a Swarm network on this node."""
    options = body.nested("Options")
    return NetworkRequest(
        network_id=body.id("NetworkID"),
        options=options.nested(GENERIC).texts(),
        internal=options.flag(INTERNAL),
        pools=tuple(
            Pool4(data.network_v4("Pool"), data.gateway_v4("Gateway"), data.text("AddressSpace"))
            for data in body.objects("IPv4Data")
        ),
        pools_v6=tuple(Pool6(data.network_v6("Pool"), data.gateway_v6("Gateway")) for data in body.objects("IPv6Data")),
    )


@attrs.frozen
class NetworkCall:
    """A request about a network that names nothing else: DeleteNetwork, FreeNetwork."""

    network_id: str

    @classmethod
    def from_body(cls, body: Body) -> NetworkCall:
        """Read the request."""
        return cls(body.id("NetworkID"))


@attrs.frozen
class EndpointCall:
    """A request about an endpoint that names nothing else of interest here.

    It serves Join, Leave, DeleteEndpoint, EndpointOperInfo, ProgramExternalConnectivity and
    RevokeExternalConnectivity. The sandbox that Join names is Docker's own business: it moves the link there itself.
    """

    network_id: str
    endpoint_id: str

    @classmethod
    def from_body(cls, body: Body) -> EndpointCall:
        """Read the request."""
        return cls(body.id("NetworkID"), body.id("EndpointID"))


@attrs.frozen
class CreateEndpoint:
    """Docker asks for an endpoint for a container. What Docker has already assigned is not None."""

    network_id: str
    endpoint_id: str
    address: IPv4Interface | None
    address_v6: IPv6Interface | None
    mac: str | None
    options: Mapping[str, object]

    @classmethod
    def from_body(cls, body: Body) -> CreateEndpoint:
        """Read the request."""
        interface = body.nested("Interface")
        return cls(
            network_id=body.id("NetworkID"),
            endpoint_id=body.id("EndpointID"),
            address=interface.interface_v4("Address"),
            address_v6=interface.interface_v6("AddressIPv6"),
            mac=interface.mac("MacAddress"),
            options=body.nested("Options").fields,
        )


@attrs.frozen
class Discovery:
    """News of another node of the cluster. A ``DiscoveryType`` of 1 is a node; the data depend on the type."""

    @classmethod
    def from_body(cls, _body: Body) -> Discovery:
        """Read nothing: the VRS learns of its peers from its controller."""
        return cls()


@attrs.frozen
class Empty:
    """The answer that only says: done."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {}


@attrs.frozen
class Activation:
    """What this plugin implements: :data:`NETWORK_DRIVER`, :data:`IPAM_DRIVER`."""

    implements: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {"Implements": list(self.implements)}


@attrs.frozen
class Capabilities:
    """``scope``: whether Docker shares the networks of this driver in its cluster ("global") or not ("local").

    ``GwAllocChecker`` (Docker 28) is not among them: this driver has an address set aside for each gateway. Even where
    the VSD knows none, in an L2 domain, there may be a router that it does not know. And Docker does not tell a host
    that learns the network later whether an address was set aside.
    """

    scope: str

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        # Wherever the network is known, a Nuage subnet reaches the containers of all hosts.
        return {"Scope": self.scope, "ConnectivityScope": "global"}


@attrs.frozen
class Allocation:
    """The options that CreateNetwork will have on every node."""

    options: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {"Options": dict(self.options)}


@attrs.frozen
class CreatedEndpoint:
    """``mac`` is None if the request named one: Docker takes a repetition for an attempt to change it."""

    mac: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {"Interface": {} if self.mac is None else {"MacAddress": self.mac}}


@attrs.frozen
class Joined:
    """The interface that Docker has to move into the sandbox, and the container's default routes.

    ``name`` is what the interface is to be called there, None for Docker's choice. Docker up to 29.7 overlooks it
    (moby#52865), and puts a number after ``DstPrefix``: a name that ends with 0 comes about in this way.

    If no endpoint of a container has an IPv4 gateway, Docker would add a second interface on its ``docker_gwbridge``,
    past the VRS. An answer without an IPv4 gateway forbids that, unless ``gwbridge`` is true, even if it has an IPv6
    gateway: only Docker from 28 on takes that one for a gateway (``needDefaultGW`` in moby's
    ``libnetwork/default_gateway.go``).
    """

    source: str
    gateway: IPv4Address | None = None
    gateway_v6: IPv6Address | None = None
    name: str | None = None
    gwbridge: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        answer: dict[str, Any] = {"InterfaceName": {"SrcName": self.source, **_named(self.name)}}
        if self.gateway is not None:
            answer["Gateway"] = str(self.gateway)
        elif not self.gwbridge:
            answer["DisableGatewayService"] = True
        if self.gateway_v6 is not None:
            answer["GatewayIPv6"] = str(self.gateway_v6)
        return answer


def _named(name: str | None) -> dict[str, str]:
    """Return what an answer to Join says of the interface's name in the container."""
    if name is None:
        return {"DstPrefix": "eth"}
    prefix = name.removesuffix("0")
    counted = prefix != name and 1 <= len(prefix) <= _LONGEST_PREFIX
    return {"DstPrefix": prefix if counted else "eth", "DstName": name}


@attrs.frozen
class OperationalInfo:
    """What an operator sees of an endpoint, by name."""

    values: Mapping[str, object]

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes out."""
        return {"Value": dict(self.values)}
