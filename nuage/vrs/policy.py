"""Which policy applies to an endpoint, out of the places where a user can name it.

The endpoint's own option (the driver-opt ``nuage.policy-group=web``) comes first, then the container's label
(``nuage.policy-group=web``), then the network's option (``-o policy-group=web``).
"""

from __future__ import annotations

from collections.abc import Mapping

from nuage.errors import Refused
from nuage.given import problem_of
from nuage.model import Container, Endpoint, Network
from nuage.vrs import tables

#: What our options of an endpoint and our labels of a container start with. In capitals they are misspelt.
PREFIX = "nuage."
POLICY_GROUP = "nuage.policy-group"
REDIRECTION_TARGET = "nuage.redirection-target"
ORCHESTRATION_ID = "nuage.orchestration-id"

ENDPOINT_OPTIONS = (POLICY_GROUP, REDIRECTION_TARGET)
LABELS = (POLICY_GROUP, REDIRECTION_TARGET, ORCHESTRATION_ID)


def check_labels(container: Container) -> None:
    """Make sure that this driver's labels of a container can be followed.

    Raises:
        Refused: One is unknown, or its value is not a name.
    """
    for key, value in ours(container.labels).items():
        if problem := problem_of("label", key, value, LABELS):
            raise Refused(f'container "{container.name}": {problem}')


def named_policy(network: Network, endpoint: Endpoint, container: Container | None) -> dict[str, str]:
    """Return the policy of an endpoint, by the keys of a port's metadata (libvrsdk, port metadata keys)."""
    found = {
        tables.POLICY_GROUP: _first(POLICY_GROUP, endpoint, container) or network.policy_group,
        tables.REDIRECTION_TARGET: _first(REDIRECTION_TARGET, endpoint, container) or network.redirection_target,
    }
    return {key: value for key, value in found.items() if value}


def port_metadata(network: Network, endpoint: Endpoint, container: Container | None) -> dict[str, str]:
    """Return what the metadata of the endpoint's port say of its policy.

    That is nothing where the VSD has the port already: the policy is assigned there.
    """
    return {} if endpoint.split else named_policy(network, endpoint, container)


def group_origin(
    group: str | None, network: Network | None, endpoint: Endpoint | None, container: Container | None
) -> str | None:
    """Tell who named an endpoint's policy group: ``endpoint``, ``label`` or ``network``; None if there is no group.

    What is not known, such as the container before Docker tells its labels, is None.
    """
    if group is None:
        return None
    places = {
        "endpoint": endpoint.options.get(POLICY_GROUP) if endpoint else None,
        "label": container.labels.get(POLICY_GROUP) if container else None,
        "network": network.policy_group if network else None,
    }
    # After a restart the labels are not known. What nobody else names can only be one of them.
    return next((place for place, name in places.items() if name == group), "label")


def entity_metadata(
    network: Network, endpoint: Endpoint, container: Container | None, site_id: str | None
) -> dict[str, str]:
    """Return the metadata of the endpoint's entity (libvrsdk, entity metadata keys)."""
    found = {
        # The VSD finds what it knows already by the entity's id, and does not make it anew.
        "nuage-extension": "true" if endpoint.split else None,
        "enterprise": None if endpoint.split else network.organization,
        "nuage-orchestrationID": container.labels.get(ORCHESTRATION_ID) if container else None,
        "nuage-siteID": site_id,
    }
    return {key: value for key, value in found.items() if value}


def _first(key: str, endpoint: Endpoint, container: Container | None) -> str | None:
    labels: Mapping[str, str] = container.labels if container else {}
    return endpoint.options.get(key) or labels.get(key)


def ours(given: Mapping[str, object]) -> dict[str, object]:
    """Return those of some options or labels that are this driver's."""
    return {key: value for key, value in given.items() if key.lower().startswith(PREFIX)}
