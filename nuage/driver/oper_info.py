"""What an operator sees of an endpoint: the answer to EndpointOperInfo."""

from __future__ import annotations

from collections.abc import Mapping

from nuage.vrs.switch import Switch


def oper_info(switch: Switch, endpoint_id: str) -> Mapping[str, object]:
    """Return what an operator sees of an endpoint, nothing if it is not known."""
    endpoint = switch.endpoint(endpoint_id)
    if endpoint is None:
        return {}
    told: dict[str, object] = {"mac": endpoint.mac, "bridge": switch.bridge}
    return {**told, **_attachment(switch, endpoint_id), **_resolution(switch, endpoint_id)}


def _attachment(switch: Switch, endpoint_id: str) -> Mapping[str, object]:
    attachment = switch.attachment(endpoint_id)
    if attachment is None:
        return {"attached": False}
    seen: dict[str, object] = {"attached": True, "port": attachment.port, "ofport": attachment.ofport}
    if attachment.error:
        seen["error"] = attachment.error
    return seen


def _resolution(switch: Switch, endpoint_id: str) -> Mapping[str, object]:
    resolution = switch.resolution(endpoint_id)
    if resolution is None:
        return {"resolved": False, "controller": switch.controller_connected()}
    return {
        "resolved": True,
        "address": resolution.address,
        "mask": resolution.mask,
        "gateway": resolution.gateway,
        "vrf_id": resolution.vrf_id,
        "evpn_id": resolution.evpn_id,
    }
