"""What Docker describes, and reading it out of the JSON of its answers.

Each reader raises one of :data:`UNREADABLE` if the JSON does not have the form of Docker's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from nuage.model import Container

#: What reading an answer raises if it does not have the form of Docker's.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)

#: The interface that a managed plugin implements to be a network driver; a version follows.
_NETWORK_DRIVER = "docker.networkdriver/"

#: What Docker's key for an endpoint starts with while its Join is under way and it has no container yet.
_JOINING = "ep-"


@attrs.frozen(kw_only=True)
class Pool:
    """One address pool of a network, as Docker's IPAM keeps it. What it does not tell is empty."""

    subnet: str
    ip_range: str = ""
    gateway: str = ""
    auxiliary: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Endpoint:
    """An endpoint of a network. During its Join Docker knows no container id yet: ``container_id`` is then empty.

    ``ipv4`` and ``ipv6`` are addresses with a prefix length, or empty.
    """

    id: str
    container_id: str = ""
    container_name: str = ""
    mac: str = ""
    ipv4: str = ""
    ipv6: str = ""


@attrs.frozen(kw_only=True)
class Listed:
    """A container of any state, as a list of containers shows it.

    ``state`` is Docker's word, such as "running" or "exited". ``endpoints`` are by the name of their network. While a
    container does not run, or is being started, they have no id.
    """

    container: Container
    state: str
    endpoints: Mapping[str, Endpoint] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Network:
    """A network as the Engine describes it. A list of networks names no endpoints."""

    id: str
    name: str
    driver: str
    internal: bool = False
    options: Mapping[str, str] = attrs.field(factory=dict)
    ipv4: tuple[Pool, ...] = ()
    ipv6: tuple[Pool, ...] = ()
    ipam: str = ""
    ipam_options: Mapping[str, str] = attrs.field(factory=dict)
    endpoints: Mapping[str, Endpoint] = attrs.field(factory=dict)


def network(item: Any) -> Network:
    """Read a network, of a list or by itself."""
    ipam = item.get("IPAM") or {}
    pools = [_pool(config) for config in ipam.get("Config") or ()]
    containers = (item.get("Containers") or {}).items()
    return Network(
        id=item["Id"],
        name=item["Name"],
        driver=item["Driver"],
        internal=bool(item.get("Internal")),
        options=dict(item.get("Options") or {}),
        ipv4=tuple(pool for pool in pools if ":" not in pool.subnet),
        ipv6=tuple(pool for pool in pools if ":" in pool.subnet),
        ipam=ipam.get("Driver") or "",
        ipam_options=dict(ipam.get("Options") or {}),
        endpoints={endpoint.id: endpoint for endpoint in (_endpoint(*entry) for entry in containers)},
    )


def _pool(item: Any) -> Pool:
    return Pool(
        subnet=item.get("Subnet") or "",
        ip_range=item.get("IPRange") or "",
        gateway=item.get("Gateway") or "",
        auxiliary=tuple((item.get("AuxiliaryAddresses") or {}).values()),
    )


def items(content: Any) -> list[Any]:
    """Read a list, whose items are read one by one."""
    if not isinstance(content, list | None):
        raise TypeError("not a list")
    return content or []


def container_names(item: Any) -> dict[str, str]:
    """Read of a network the name of each endpoint's container, by the endpoint's id, and nothing else.

    A search needs no more, and a network may have hundreds of endpoints.
    """
    containers = (item.get("Containers") or {}).items()
    return {_endpoint_id(key, told): told.get("Name") or "" for key, told in containers if isinstance(told, dict)}


def _endpoint_id(key: str, told: Mapping[str, Any]) -> str:
    endpoint_id: str = told.get("EndpointID") or key.removeprefix(_JOINING)
    return endpoint_id


def _endpoint(key: str, content: Any) -> Endpoint:
    # If one endpoint cannot be read, the others still can.
    item = content if isinstance(content, dict) else {}
    return Endpoint(
        id=_endpoint_id(key, item),
        container_id="" if key.startswith(_JOINING) else key,
        container_name=item.get("Name") or "",
        mac=item.get("MacAddress") or "",
        ipv4=item.get("IPv4Address") or "",
        ipv6=item.get("IPv6Address") or "",
    )


def plugin(item: Any) -> tuple[str, str]:
    """Return a managed plugin's name and the file name of its socket, empty if it is not a network driver."""
    interface = item["Config"]["Interface"]
    driver = any(kind.startswith(_NETWORK_DRIVER) for kind in interface.get("Types") or ())
    return item["Name"], interface.get("Socket") or "" if driver else ""


def container(item: Any) -> tuple[Container, dict[str, str]]:
    """Return a container, and the network of each of its endpoints by the endpoint's id."""
    if not isinstance(item["Id"], str):
        raise TypeError("an id that is no text")
    # Links give a container more names, "/other/alias"; its own has one slash.
    names = [name[1:] for name in item.get("Names") or () if name.count("/") == 1]
    networks = ((item.get("NetworkSettings") or {}).get("Networks") or {}).values()
    described = Container(id=item["Id"], name=names[0] if names else "", labels=dict(item.get("Labels") or {}))
    joined = {each["EndpointID"]: each.get("NetworkID") or "" for each in networks if each and each.get("EndpointID")}
    return described, joined


def listed(item: Any) -> Listed:
    """Read a container of a list with its state and all its endpoints."""
    described, _joined = container(item)
    networks = ((item.get("NetworkSettings") or {}).get("Networks") or {}).items()
    endpoints = {name: _listed_endpoint(described, each) for name, each in networks if each}
    return Listed(container=described, state=item.get("State") or "", endpoints=endpoints)


def _listed_endpoint(of: Container, item: Any) -> Endpoint:
    address = item.get("IPAddress") or ""
    return Endpoint(
        id=item.get("EndpointID") or "",
        container_id=of.id,
        container_name=of.name,
        mac=item.get("MacAddress") or "",
        ipv4=f"{address}/{item.get('IPPrefixLen') or 0}" if address else "",
    )


def failure(item: Any) -> str:
    """Return why a container did not start the last time, empty if it did."""
    return str(item["State"].get("Error") or "")


def driver_options(item: Any) -> dict[str, dict[str, str]]:
    """Return the driver options of a container's endpoints by their ids."""
    networks = item["NetworkSettings"]["Networks"].values()
    return {each["EndpointID"]: dict(each.get("DriverOpts") or {}) for each in networks if each}
