"""What is compared, and what follows from it.

The switch, the kernel and Docker each know something of an endpoint, and they can disagree: Docker forgets, without
telling, the endpoints of containers that died with it; a hand removes a row or a port; a daemon is killed between two
steps.
:func:`propose` looks at one observation of all three and says what would make them agree. It decides; nothing is
done here.

It goes by marks that prove ownership, never by the look of a name, and it never proposes to cut off a container that
may be alive: an endpoint that Docker does not know and whose link carries traffic is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import attrs

from nuage.libnetwork.payloads import CreateNetwork
from nuage.model import Container, Trace, Use
from nuage.names import LINK_MARK, port_name
from nuage.veth import Link


@attrs.frozen
class Forget:
    """Docker has no such endpoint any more: remove all of it."""

    endpoint_id: str

    def __str__(self) -> str:
        return f"remove endpoint {self.endpoint_id}, which Docker does not know"


@attrs.frozen
class RemoveLink:
    """A link of ours that belongs to no endpoint."""

    name: str
    alias: str

    def __str__(self) -> str:
        return f"remove link {self.name}, whose endpoint is gone"


@attrs.frozen
class Restore:
    """An endpoint in use, of which the switch lacks something."""

    endpoint_id: str
    network_id: str

    def __str__(self) -> str:
        return f"put back what the switch lacks of endpoint {self.endpoint_id}"


@attrs.frozen
class ForgetNetwork:
    """Docker has no such network any more."""

    network_id: str

    def __str__(self) -> str:
        return f"forget network {self.network_id}, which Docker does not know"


@attrs.frozen
class Name:
    """An endpoint was attached without its container's name, which Docker tells now."""

    endpoint_id: str
    container: Container = attrs.field(eq=False)

    def __str__(self) -> str:
        return f'tell the VRS that endpoint {self.endpoint_id} is that of container "{self.container.name}"'


@attrs.frozen
class Suspect:
    """An endpoint that Docker does not know and whose link carries traffic. It is for the operator to judge."""

    endpoint_id: str

    def __str__(self) -> str:
        return (
            f"leave endpoint {self.endpoint_id} alone: Docker does not know it, but its link carries traffic; "
            "is DockerEndpoint that of the daemon which calls this plugin?"
        )


@attrs.frozen
class Learn:
    """A network that was made on another host of the cluster, or while this daemon did not run."""

    network_id: str
    request: CreateNetwork = attrs.field(eq=False)

    def __str__(self) -> str:
        return f"learn network {self.network_id} from Docker"


Proposal = Forget | RemoveLink | Restore | ForgetNetwork | Name | Learn | Suspect

#: What takes nothing away and gives nothing to anybody: it need not be seen twice.
HARMLESS = (Name, Learn)


@attrs.frozen(kw_only=True)
class Docker:
    """What Docker says: the endpoints of running containers, and the networks of this driver.

    ``networks`` are as they would have been created here; of those that are ``unreadable``, what is wrong with them.
    ``others`` are endpoints that Docker knows and that belong to no running container, of those that were asked for.
    ``elsewhere`` are networks that Docker has and does not list as ours: those of another plugin. Where it is not
    ``complete`` Docker named containers or endpoints that could not be read.
    """

    in_use: Mapping[str, Use]
    networks: Mapping[str, CreateNetwork]
    others: Collection[str] = ()
    unreadable: Mapping[str, str] = attrs.field(factory=dict)
    elsewhere: Collection[str] = ()
    complete: bool = True


@attrs.frozen(kw_only=True)
class Observation:
    """All that is compared. ``docker`` is None where it does not answer, which is no reason to remove anything.

    ``busy`` are endpoints that a call is about at this moment, ``foreign`` those of other plugins on the same switch.
    """

    traces: Mapping[str, Trace]
    networks: Collection[str]
    links: Mapping[str, Link]
    docker: Docker | None
    busy: Collection[str] = ()
    foreign: Collection[str] = ()


def propose(seen: Observation) -> list[Proposal]:
    """Return what would make the switch, the kernel and Docker agree."""
    proposals = [
        *_stale_endpoints(seen),
        *_lacking_endpoints(seen),
        *_nameless_endpoints(seen),
        *_stale_links(seen),
        *_stale_networks(seen),
        *_unknown_networks(seen),
    ]
    return [proposal for proposal in proposals if getattr(proposal, "endpoint_id", None) not in seen.busy]


def missing_in_docker(traces: Collection[str], docker: Docker) -> set[str]:
    """Return the endpoints that belong to no running container: candidates for removal, if Docker knows no more."""
    return set(traces) - set(docker.in_use)


def unlisted_in_docker(networks: Collection[str], docker: Docker) -> set[str]:
    """Return the networks that Docker does not list: to be forgotten, if it says so of each."""
    return set(networks) - {*docker.networks, *docker.unreadable}


def _stale_endpoints(seen: Observation) -> Iterator[Proposal]:
    # An endpoint may be that of a container which could not be read.
    if seen.docker is None or not seen.docker.complete:
        return
    for endpoint_id in missing_in_docker(seen.traces, seen.docker) - set(seen.docker.others):
        link = seen.links.get(port_name(endpoint_id))
        yield Suspect(endpoint_id) if link is not None and link.carrier else Forget(endpoint_id)


def _lacking_endpoints(seen: Observation) -> Iterator[Restore]:
    """Find endpoints in use that are not wholly in the switch. Without a link there is nothing to attach."""
    if seen.docker is None:
        return
    for endpoint_id, use in seen.docker.in_use.items():
        trace, link = seen.traces.get(endpoint_id), seen.links.get(port_name(endpoint_id))
        if use.network_id in seen.networks and link is not None and link.alias == LINK_MARK + endpoint_id:
            whole = trace is not None and (trace.waiting or (trace.attached and trace.marked and trace.announced))
            if not whole:
                yield Restore(endpoint_id, use.network_id)


def _nameless_endpoints(seen: Observation) -> Iterator[Name]:
    for endpoint_id, trace in seen.traces.items():
        use = seen.docker.in_use.get(endpoint_id) if seen.docker else None
        if use is not None and trace.attached and trace.marked and trace.container_id is None:
            yield Name(endpoint_id, use.container)


def _stale_links(seen: Observation) -> Iterator[RemoveLink]:
    """Find links of endpoints that the switch does not have attached, and that no container uses."""
    for name, link in seen.links.items():
        endpoint_id = link.alias.removeprefix(LINK_MARK)
        trace = seen.traces.get(endpoint_id)
        attached = trace is not None and (trace.attached or trace.announced)
        used = seen.docker is not None and endpoint_id in seen.docker.in_use
        busy = endpoint_id in seen.busy or (not link.alias and bool(seen.busy))
        if not (attached or used or link.carrier or busy or endpoint_id in seen.foreign):
            yield RemoveLink(name, link.alias)


def _stale_networks(seen: Observation) -> Iterator[ForgetNetwork]:
    if seen.docker is None:
        return
    occupied = {trace.network_id for trace in seen.traces.values()}
    for network_id in unlisted_in_docker(seen.networks, seen.docker) - {*seen.docker.elsewhere, *occupied}:
        yield ForgetNetwork(network_id)


def _unknown_networks(seen: Observation) -> Iterator[Learn]:
    for network_id, request in (seen.docker.networks if seen.docker else {}).items():
        if network_id not in seen.networks:
            yield Learn(network_id, request)
