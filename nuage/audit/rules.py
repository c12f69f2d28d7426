"""What is compared, and what follows from it.

The switch, the kernel and Docker each know something of an endpoint, and they can disagree: Docker silently forgets the
endpoints of containers that died with it; somebody removes a row or a port by hand; a daemon is killed between two
steps.
:func:`propose` looks at one observation of all three and says what would make them agree. It only decides; the auditor
carries it out.

It goes by marks that prove ownership, never by what a name looks like. It never proposes to cut off a container that
may be alive: an endpoint that Docker does not know and whose link carries traffic is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import get_args

import attrs

from nuage.links.veth import Link
from nuage.model import Container, NetworkRequest, Trace, Use
from nuage.names import LINK_MARK, link_alias, port_name


@attrs.frozen
class Forget:
    """Docker no longer has this endpoint: remove all of it."""

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
    """The switch lacks something of an endpoint in use. Its container's labels tell its policy."""

    endpoint_id: str
    network_id: str
    container: Container | None = attrs.field(default=None, eq=False)

    def __str__(self) -> str:
        return f"put back what the switch lacks of endpoint {self.endpoint_id}"


@attrs.frozen
class ForgetNetwork:
    """Docker no longer has this network."""

    network_id: str

    def __str__(self) -> str:
        return f"forget network {self.network_id}, which Docker does not know"


@attrs.frozen
class Name:
    """An endpoint was attached without its container's name, and Docker now tells it, or the container was renamed."""

    endpoint_id: str
    container: Container = attrs.field(eq=False)

    def __str__(self) -> str:
        return f'tell the VRS that endpoint {self.endpoint_id} belongs to container "{self.container.name}"'


@attrs.frozen
class Suspect:
    """An endpoint that Docker does not know and whose link carries traffic. The operator has to judge."""

    endpoint_id: str

    def __str__(self) -> str:
        return (
            f"leave endpoint {self.endpoint_id} alone: Docker does not know it, but its link carries traffic; "
            "does DockerEndpoint name the Docker that calls this plugin?"
        )


@attrs.frozen
class MendLink:
    """The host end of an endpoint in use is not as it was made: down, renamed, or without its alias."""

    endpoint_id: str
    name: str
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return f"mend link {self.name} of endpoint {self.endpoint_id}: {', '.join(self.faults)}"


@attrs.frozen
class Remark:
    """Something about an endpoint in use that only the operator can judge or mend."""

    endpoint_id: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"leave endpoint {self.endpoint_id} alone: {self.text}; {self.remedy}"


@attrs.frozen
class Learn:
    """A network that was made on another host of the cluster, or while this daemon did not run."""

    network_id: str
    request: NetworkRequest = attrs.field(eq=False)

    def __str__(self) -> str:
        return f"learn network {self.network_id} from Docker"


Proposal = Forget | RemoveLink | Restore | ForgetNetwork | Name | Learn | MendLink | Suspect | Remark

#: What takes nothing away and gives nothing to anybody: seeing it once is enough.
HARMLESS = (Name, Learn)
#: What is only reported.
TOLD = (Suspect, Remark)


def kind_of(proposal: Proposal) -> str:
    """Return the kind of a proposal in one word, such as ``mend_link``."""
    return _kind(type(proposal))


def _kind(proposal: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", proposal.__name__).lower()


#: The kinds of what is not only reported.
REPAIRS = tuple(_kind(proposal) for proposal in get_args(Proposal) if proposal not in TOLD)


@attrs.frozen(kw_only=True)
class Docker:
    """What Docker says: the endpoints of running containers, and the networks of this driver.

    ``running`` are these containers by their ids. ``networks`` are as they would have been created here. ``unreadable``
    says of other networks why they cannot be read. ``others`` are those endpoints, of the ones that were asked about,
    that Docker knows and no running container has. ``untold`` are networks whose endpoints could not be read.
    ``elsewhere`` are networks that Docker has and does not list as ours: those of another plugin. If it is not
    ``complete``, some containers could not be read.
    """

    in_use: Mapping[str, Use]
    networks: Mapping[str, NetworkRequest]
    running: Mapping[str, Container] = attrs.field(factory=dict)
    others: Collection[str] = ()
    unreadable: Mapping[str, str] = attrs.field(factory=dict)
    untold: Collection[str] = ()
    elsewhere: Collection[str] = ()
    complete: bool = True


@attrs.frozen(kw_only=True)
class Observation:
    """All that is compared. ``docker`` is None if Docker does not answer, which is no reason to remove anything.

    ``busy`` are endpoints that a call is about at this moment, ``foreign`` those of other plugins on the same switch.
    ``mtus`` has the MTU, in bytes, of each network that was given one.
    """

    traces: Mapping[str, Trace]
    networks: Collection[str]
    links: Mapping[str, Link]
    docker: Docker | None
    busy: Collection[str] = ()
    foreign: Collection[str] = ()
    mtus: Mapping[str, int] = attrs.field(factory=dict)

    def links_by_owner(self) -> dict[str, Link]:
        """Return the links by their endpoints, whatever their names are now."""
        return {endpoint_id: link for link in self.links.values() if (endpoint_id := self.owner_of(link))}

    def owner_of(self, link: Link) -> str:
        """Return the endpoint of a link: the one that its alias names, or its own name if it has no alias."""
        if link.alias:
            return link.alias.removeprefix(LINK_MARK)
        known = (*self.traces, *(self.docker.in_use if self.docker else ()))
        return next((endpoint_id for endpoint_id in known if port_name(endpoint_id) == link.name), "")


def propose(seen: Observation) -> list[Proposal]:
    """Return what would make the switch, the kernel and Docker agree."""
    proposals = [
        *_stale_endpoints(seen),
        # What was renamed has its name again before it is attached.
        *_faulty_links(seen),
        *_lacking_endpoints(seen),
        *_nameless_endpoints(seen),
        *_stale_links(seen),
        *_stale_networks(seen),
        *_unknown_networks(seen),
    ]
    return [proposal for proposal in proposals if getattr(proposal, "endpoint_id", None) not in seen.busy]


def doubtful_in_docker(docker: Docker, links: Mapping[str, Link]) -> list[str]:
    """Return the endpoints in use whose links are gone or carry nothing: Docker may have deleted them.

    Of networks that it does not list it cannot tell.
    """
    unnamed = [each for each in docker.in_use if not _carries(links.get(port_name(each)))]
    # Somebody may have renamed a link. That is looked at only then: most hosts have none of these.
    carrying = {link.alias for link in links.values() if link.carrier} if unnamed else ()
    return [
        each
        for each in unnamed
        if link_alias(each) not in carrying and docker.in_use[each].network_id in docker.networks
    ]


def _carries(link: Link | None) -> bool:
    return link is not None and link.carrier


def missing_in_docker(traces: Iterable[str], docker: Docker) -> list[str]:
    """Return the endpoints that belong to no running container: candidates for removal, unless Docker knows more."""
    return [endpoint_id for endpoint_id in traces if endpoint_id not in docker.in_use]


def has_unnamed(links: Mapping[str, Link], known: Collection[str], docker: Docker) -> bool:
    """Tell whether one of our links is of an endpoint that neither the switch nor a running container names.

    Args:
        links: The links.
        known: The endpoints that the switch has, those of other plugins too.
        docker: What Docker lists.
    """
    owners = {link.alias.removeprefix(LINK_MARK) for link in links.values() if link.alias}
    return not owners <= {*known, *docker.in_use}


def unlisted_in_docker(networks: Iterable[str], docker: Docker) -> list[str]:
    """Return the networks that Docker does not list: candidates for removal, if it does not know them either."""
    return [each for each in networks if each not in docker.networks and each not in docker.unreadable]


def _stale_endpoints(seen: Observation) -> Iterator[Proposal]:
    # An endpoint may belong to a container that could not be read.
    if seen.docker is None or not seen.docker.complete:
        return
    links = seen.links_by_owner()
    for endpoint_id in missing_in_docker(seen.traces, seen.docker):
        if endpoint_id in seen.docker.others or seen.traces[endpoint_id].network_id in seen.docker.untold:
            continue
        link = links.get(endpoint_id)
        yield Suspect(endpoint_id) if link is not None and link.carrier else Forget(endpoint_id)


def _in_use(seen: Observation) -> Iterator[tuple[str, Use]]:
    """Yield the endpoints of running containers on our networks, except those of another plugin.

    A network that is learnt in the same audit counts as ours: a bridge that was made again has to learn all of them.
    """
    if seen.docker is None:
        return
    networks = {*seen.networks, *seen.docker.networks}
    for endpoint_id, use in seen.docker.in_use.items():
        if use.network_id in networks and endpoint_id not in seen.foreign:
            yield endpoint_id, use


def _lacking_endpoints(seen: Observation) -> Iterator[Restore]:
    """Find endpoints in use that the switch has only in part, or not. Without a link there is nothing to attach."""
    links = seen.links_by_owner()
    for endpoint_id, use in _in_use(seen):
        trace = seen.traces.get(endpoint_id)
        if endpoint_id in links:
            # One that is attached without its container, and perhaps shut until that is known, lacks its name.
            nameless = trace is not None and trace.attached and trace.marked and trace.container_id is None
            whole = trace is not None and (trace.waiting or (trace.attached and trace.marked and trace.announced))
            if not (whole or nameless):
                yield Restore(endpoint_id, use.network_id, use.container)


def _nameless_endpoints(seen: Observation) -> Iterator[Name]:
    for endpoint_id, trace in seen.traces.items():
        use = seen.docker.in_use.get(endpoint_id) if seen.docker else None
        # Docker lists no name for a container that it is removing.
        if use is not None and use.container.name and trace.attached and not _is_named(trace, use.container):
            yield Name(endpoint_id, use.container)


def _is_named(trace: Trace, container: Container) -> bool:
    # An endpoint that lost its marks gets them back with its name.
    return not trace.marked or (trace.container_id is not None and trace.container_name == container.name)


def _faulty_links(seen: Observation) -> Iterator[MendLink | Remark]:
    """Find links of endpoints in use that somebody changed by hand, and endpoints in use that have none."""
    links = seen.links_by_owner()
    for endpoint_id, use in _in_use(seen):
        link, trace = links.get(endpoint_id), seen.traces.get(endpoint_id)
        if link is None:
            yield _without_link(endpoint_id, use)
        elif faults := _faults(endpoint_id, link):
            yield MendLink(endpoint_id, link.name, faults)
        else:
            yield from _oddities(endpoint_id, link, trace, seen.mtus.get(use.network_id))


def _without_link(endpoint_id: str, use: Use) -> Remark:
    text = (
        f'container "{use.container.name}" uses it, but there is no link {port_name(endpoint_id)} with the alias '
        f'"{link_alias(endpoint_id)}" in this network namespace'
    )
    remedy = "move it back or set its alias again, if somebody changed that, or restart the container"
    return Remark(endpoint_id, text, remedy)


def _faults(endpoint_id: str, link: Link) -> tuple[str, ...]:
    faults = {
        f"its name is not {port_name(endpoint_id)}": link.name != port_name(endpoint_id),
        "it has lost its alias": not link.alias,
        "it is down": not link.up,
    }
    return tuple(text for text, there in faults.items() if there)


def _oddities(endpoint_id: str, link: Link, trace: Trace | None, mtu: int | None) -> Iterator[Remark]:
    if mtu is not None and link.mtu != mtu:
        text = f"the MTU of its link is {link.mtu}, that of its network {mtu}: packets may get lost"
        yield Remark(endpoint_id, text, f"ip link set {link.name} mtu {mtu}")
    if trace is not None and trace.error:
        text = f"the switch could not open its port: {trace.error}"
        yield Remark(endpoint_id, text, f"ovs-vsctl del-port {link.name} has it attached again")


def _stale_links(seen: Observation) -> Iterator[RemoveLink]:
    """Find links of endpoints that the switch does not have attached, and that no container uses.

    Docker has to say so. A link without a carrier may be in use: somebody may have set it down, or its other end.
    """
    if seen.docker is None or not seen.docker.complete:
        return
    for name, link in seen.links.items():
        endpoint_id = seen.owner_of(link)
        trace = seen.traces.get(endpoint_id)
        attached = trace is not None and (trace.attached or trace.announced)
        used = endpoint_id in seen.docker.in_use
        busy = endpoint_id in seen.busy or (not link.alias and bool(seen.busy))
        if not (attached or used or link.carrier or busy or endpoint_id in seen.foreign):
            yield RemoveLink(name, link.alias)


def _stale_networks(seen: Observation) -> Iterator[ForgetNetwork]:
    if seen.docker is None:
        return
    occupied = {trace.network_id for trace in seen.traces.values()}
    for network_id in unlisted_in_docker(seen.networks, seen.docker):
        if network_id not in seen.docker.elsewhere and network_id not in occupied:
            yield ForgetNetwork(network_id)


def _unknown_networks(seen: Observation) -> Iterator[Learn]:
    for network_id, request in (seen.docker.networks if seen.docker else {}).items():
        if network_id not in seen.networks:
            yield Learn(network_id, request)
