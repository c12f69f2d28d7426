"""How one endpoint does, by what the switch has of it."""

from __future__ import annotations

import attrs

from nuage.driver.containers import Containers
from nuage.driver.resolution import check_resolution
from nuage.errors import Refused
from nuage.model import Container, Endpoint, Network, Trace
from nuage.names import port_name
from nuage.status.report import EndpointSeen, State, as_text
from nuage.vrs import tables
from nuage.vrs.policy import check_labels, group_origin
from nuage.vrs.switch import Switch

Verdict = tuple[State, str]

_UNATTACHED = "no container has joined it, or its container has left"
_UNTOLD = "the VRS has not been told of it, because Docker has not told the labels of its container"
_WITHDRAWN = "somebody removed it from the VRS's tables; an audit puts it back"
_UNPLUGGED = "somebody removed its port from the bridge; an audit puts it back"
_UNRESOLVED = "the VRS has not resolved its port"


class Judge:
    """Looks at endpoints, one at a time.

    Args:
        switch: The VRS.
        containers: Knows containers that the VRS was not told of.
        strict: Whether nothing passes before a container's labels are known (``label_policy``).
    """

    def __init__(self, switch: Switch, containers: Containers, *, strict: bool) -> None:
        self._switch = switch
        self._containers = containers
        self._strict = strict

    def look(self, endpoint_id: str, trace: Trace, network: Network | None, now: float) -> EndpointSeen | None:
        """Return how an endpoint does, None if the switch has nothing of it, or it is another plugin's.

        Args:
            endpoint_id: The endpoint.
            trace: What the switch has of it.
            network: Its network, None if that is not known.
            now: The time, which becomes its ``since``.
        """
        if not (trace.attached or trace.announced or trace.waiting):
            return None
        endpoint = self._switch.endpoint(endpoint_id)
        if endpoint is not None and self._switch.is_foreign(endpoint.owner):
            return None
        container = self._containers.known(endpoint_id)
        attachment = self._switch.attachment(endpoint_id)
        state, reason = self._verdict(endpoint_id, endpoint, network, trace, container)
        group = self._switch.announced_policy(endpoint_id).get(tables.POLICY_GROUP)
        return EndpointSeen(
            id=endpoint_id,
            network_id=trace.network_id,
            container_id=container.id if container else trace.container_id,
            container=_container_name(endpoint_id, trace, container),
            address=as_text(endpoint.address) if endpoint else None,
            address_v6=as_text(endpoint.address_v6) if endpoint else None,
            mac=endpoint.mac if endpoint else None,
            link=port_name(endpoint_id),
            ofport=attachment.ofport if attachment else None,
            state=state,
            since=now,
            reason=reason,
            policy_group=group,
            policy_from=group_origin(group, network, endpoint, container),
        )

    def _verdict(
        self,
        endpoint_id: str,
        endpoint: Endpoint | None,
        network: Network | None,
        trace: Trace,
        container: Container | None,
    ) -> Verdict:
        if not trace.attached:
            return (State.WAITING, _UNPLUGGED) if trace.announced else (State.UNATTACHED, _UNATTACHED)
        if trace.error:
            return State.REFUSED, f"the switch could not open its port: {trace.error}"
        if not trace.announced:
            return self._unannounced(endpoint_id, container)
        resolution = self._switch.resolution(endpoint_id)
        if resolution is None:
            return State.WAITING, _UNRESOLVED
        try:
            if network is not None and endpoint is not None:
                check_resolution(network, endpoint, resolution)
        except (Refused, ValueError) as problem:
            return State.REFUSED, str(problem)
        return State.RESOLVED, ""

    def _unannounced(self, endpoint_id: str, container: Container | None) -> Verdict:
        if container is not None:
            try:
                check_labels(container)
            except Refused as problem:
                return State.REFUSED, str(problem)
        shut = self._strict and not self._containers.settled(endpoint_id)
        return State.WAITING, _UNTOLD if shut else _WITHDRAWN


def refused(seen: EndpointSeen, reason: str) -> EndpointSeen:
    """Return an endpoint that a call of Docker's was refused about."""
    return attrs.evolve(seen, state=State.REFUSED, reason=reason)


def _container_name(endpoint_id: str, trace: Trace, container: Container | None) -> str | None:
    """Return the name that the VRS was told. Until Docker tells it, the endpoint's id stands for it."""
    if trace.container_name and trace.container_name != endpoint_id:
        return trace.container_name
    return container.name if container else None
