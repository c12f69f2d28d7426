"""Which policy applies to an endpoint, out of the places where a user can name it.

The endpoint's own option (the driver-opt ``nuage.policy-group=web``) comes first, then the container's label
(``nuage.policy-group=web``), then the network's option (``-o policy-group=web``).
"""

from __future__ import annotations

from collections.abc import Mapping

from nuage.errors import Refused
from nuage.libnetwork.body import shown
from nuage.model import Container, Endpoint, Network
from nuage.names import NAME_LENGTH, is_name
from nuage.suggest import did_you_mean

#: Options of an endpoint and labels of a container that are ours start so.
PREFIX = "nuage."
POLICY_GROUP = "nuage.policy-group"
REDIRECTION_TARGET = "nuage.redirection-target"
ORCHESTRATION_ID = "nuage.orchestration-id"

ENDPOINT_OPTIONS = (POLICY_GROUP, REDIRECTION_TARGET)


def endpoint_options(options: Mapping[str, object]) -> dict[str, str]:
    """Return those options of an endpoint that are this driver's.

    Raises:
        Refused: One is unknown, or its value is no name.
    """
    ours = {key: value for key, value in options.items() if key.startswith(PREFIX)}
    for key, value in ours.items():
        if key not in ENDPOINT_OPTIONS:
            hint = did_you_mean(key[:NAME_LENGTH], ENDPOINT_OPTIONS) or f"; known are {', '.join(ENDPOINT_OPTIONS)}"
            raise Refused(f"unknown driver-opt {shown(key)}{hint}")
        if not is_name(value):
            raise Refused(f"driver-opt {key} is {shown(value)}; it has to be a name of up to {NAME_LENGTH} characters")
    return {key: str(value) for key, value in ours.items()}


def port_metadata(network: Network, endpoint: Endpoint, container: Container | None) -> dict[str, str]:
    """Return what the metadata of the endpoint's port say of its policy (libvrsdk, port metadata keys)."""
    found = {
        "nuage-policy-group": _first(POLICY_GROUP, endpoint, container) or network.policy_group,
        "nuage-redirection-target": _first(REDIRECTION_TARGET, endpoint, container) or network.redirection_target,
    }
    return {key: value for key, value in found.items() if value}


def entity_metadata(network: Network, container: Container | None, site_id: str | None) -> dict[str, str]:
    """Return the metadata of the endpoint's entity (libvrsdk, entity metadata keys)."""
    found = {
        "enterprise": network.organization,
        "nuage-orchestrationID": container.labels.get(ORCHESTRATION_ID) if container else None,
        "nuage-siteID": site_id,
    }
    return {key: value for key, value in found.items() if value}


def _first(key: str, endpoint: Endpoint, container: Container | None) -> str | None:
    labels: Mapping[str, str] = container.labels if container else {}
    return endpoint.options.get(key) or labels.get(key)
