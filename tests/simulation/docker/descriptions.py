"""How the Engine API describes networks and containers."""

from __future__ import annotations

from typing import Any

from tests.simulation.docker.store import Attachment, Container, Endpoint, GivenPool, Network, PoolRequest

_CREATED = "2026-01-01T00:00:00.000000000Z"


def listed(container: Container) -> dict[str, Any]:
    """Describe a container as ``GET /containers/json`` does."""
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": "busybox:local",
        "State": container.state,
        "Labels": dict(container.labels),
        "HostConfig": {"NetworkMode": container.main_network},
        "NetworkSettings": {
            # This list leaves the options of drivers out.
            "Networks": {
                name: {**_attachment(each), "DriverOpts": None} for name, each in container.attachments.items()
            }
        },
    }


def inspected(container: Container) -> dict[str, Any]:
    """Describe a container as ``GET /containers/ID/json`` does."""
    return {
        "Id": container.id,
        "Name": f"/{container.name}",
        "State": {
            "Status": container.state,
            "Running": container.running,
            "Restarting": container.awaits_restart,
            "ExitCode": container.exit_code,
            "Error": container.error,
        },
        "Config": {"Labels": dict(container.labels)},
        "NetworkSettings": {"Networks": {name: _attachment(each) for name, each in container.attachments.items()}},
    }


def _attachment(attachment: Attachment) -> dict[str, Any]:
    endpoint = attachment.endpoint
    address, _, length = endpoint.address.partition("/") if endpoint else ("", "", "")
    address_v6, _, length_v6 = endpoint.address_v6.partition("/") if endpoint else ("", "", "")
    configured = {"IPv4Address": attachment.ip, "IPv6Address": attachment.ip6}
    return {
        "IPAMConfig": {key: value for key, value in configured.items() if value} or None,
        "Links": None,
        "Aliases": None,
        "NetworkID": attachment.network_id,
        "EndpointID": endpoint.id if endpoint else "",
        "Gateway": endpoint.gateway if endpoint else "",
        "IPAddress": address,
        "IPPrefixLen": int(length or 0),
        "IPv6Gateway": endpoint.gateway_v6 if endpoint else "",
        "GlobalIPv6Address": address_v6,
        "GlobalIPv6PrefixLen": int(length_v6 or 0),
        "MacAddress": endpoint.mac if endpoint else "",
        "DriverOpts": dict(attachment.driver_options) or None,
    }


def plugin(name: str, socket: str) -> dict[str, Any]:
    """Describe a managed plugin as ``GET /plugins`` does, by as much as tells what it is."""
    types = ["docker.networkdriver/1.0", "docker.ipamdriver/1.0"]
    return {"Name": name, "Enabled": True, "Config": {"Interface": {"Types": types, "Socket": socket}}}


def network(of: Network, *, endpoints: bool) -> dict[str, Any]:
    """Describe a network; a list of networks names no endpoints."""
    return {
        "Name": of.name,
        "Id": of.id,
        "Created": _CREATED,
        "Scope": of.scope,
        "Driver": of.driver,
        "EnableIPv6": of.ipv6,
        "IPAM": {"Driver": of.ipam, "Options": dict(of.ipam_options), "Config": _pools(of)},
        "Internal": of.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": dict(map(_endpoint, of.endpoints.values())) if endpoints else {},
        "Options": dict(of.options),
        "Labels": dict(of.labels),
    }


def _endpoint(endpoint: Endpoint) -> tuple[str, dict[str, str]]:
    # Docker does not know the container before the Join is answered.
    key = endpoint.sandbox.container_id if endpoint.sandbox else f"ep-{endpoint.id}"
    return key, {
        "Name": endpoint.name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": endpoint.address,
        "IPv6Address": endpoint.address_v6,
    }


def _pools(of: Network) -> list[dict[str, Any]]:
    """What the user gave; what Docker chose itself is only shown where the user gave nothing."""
    given = [_asked(each) for each in of.asked]
    if not any(":" not in each.subnet for each in of.asked):
        given += [_chosen(each) for each in of.pools]
    return given


def _asked(pool: PoolRequest) -> dict[str, Any]:
    told: dict[str, Any] = {"Subnet": pool.subnet}
    if pool.ip_range:
        told["IPRange"] = pool.ip_range
    if pool.gateway:
        told["Gateway"] = pool.gateway
    if pool.auxiliary:
        told["AuxiliaryAddresses"] = dict(pool.auxiliary)
    return told


def _chosen(pool: GivenPool) -> dict[str, Any]:
    return {"Subnet": str(pool.pool.subnet), "Gateway": pool.gateway.partition("/")[0]}
