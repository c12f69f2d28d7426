"""Why a container does not talk: the chain from Docker to the VRS's answer, with a verdict for each stage.

The first broken stage is the answer: those after it usually follow from it. This only judges;
:mod:`nuage.status.explainer` finds out what there is to judge.
"""

from __future__ import annotations

from collections.abc import Mapping

from nuage.docker.descriptions import Endpoint as DockerEndpoint
from nuage.docker.descriptions import Listed
from nuage.driver.resolution import check_resolution
from nuage.errors import Refused
from nuage.links.veth import Link
from nuage.model import Container, Endpoint, Network
from nuage.names import link_alias
from nuage.status.facts import DockerView, Facts, Stage, Verdict
from nuage.text import age, joined
from nuage.vrs import policy, tables
from nuage.vrs.views import ToldEntity, ToldPort

_AUDITED = "the next audit puts it back; systemctl kill --signal=USR2 nuage-plugin has it audit now"
#: What Docker calls the state of a container whose program runs.
_RUNNING = "running"


def chain(facts: Facts) -> tuple[Stage, ...]:
    """Judge an endpoint, stage by stage."""
    return (
        of_docker(facts.docker, facts.endpoint, facts.endpoint_id),
        _of_network(facts),
        Stage("link", *_of_link(facts)),
        Stage("bridge port", *_of_port(facts)),
        Stage(tables.NUAGE_PORT, *_of_row(facts, facts.port, _port_differences(facts))),
        Stage(tables.NUAGE_VM, *_of_row(facts, facts.entity, _entity_differences(facts))),
        Stage("resolution", *_of_resolution(facts)),
        Stage("policy", *_of_policy(facts)),
    )


def of_docker(docker: DockerView, endpoint: Endpoint | None, endpoint_id: str | None) -> Stage:
    """Judge what Docker says, which may be that there is no endpoint."""
    return Stage("Docker", *_of_docker(docker, endpoint, endpoint_id))


_Judgement = tuple[Verdict, str] | tuple[Verdict, str, str]


def _of_docker(docker: DockerView, endpoint: Endpoint | None, endpoint_id: str | None) -> _Judgement:
    if docker.problem:
        return Verdict.UNKNOWN, docker.problem, "start Docker, or correct DockerEndpoint; nuage-plugin status says more"
    if docker.listed is None:
        text = f"Docker has no container with endpoint {endpoint_id}"
        return Verdict.BROKEN, text, "nuage-plugin audit tells whether the plugin removes it"
    name = docker.listed.container.name
    if docker.joining:
        return Verdict.OK, f'Docker is starting container "{name}"'
    if docker.listed.state != _RUNNING:
        return _not_running(docker.listed, docker.failure)
    if docker.endpoint is None:
        text = f'container "{name}" is on no network of this plugin'
        return Verdict.BROKEN, text, f"docker network connect NETWORK {name}"
    if endpoint is not None and (differing := _differing(docker.endpoint, endpoint)):
        return Verdict.BROKEN, differing, f"docker restart {name}"
    return Verdict.OK, f'container "{name}" runs, with {docker.endpoint.ipv4 or "no address"}, {docker.endpoint.mac}'


def _not_running(listed: Listed, failure: str) -> _Judgement:
    name, text = listed.container.name, f'container "{listed.container.name}" is {listed.state or "not running"}'
    if listed.state == "paused":
        return Verdict.BROKEN, text, f"docker unpause {name}"
    if failure:
        return Verdict.BROKEN, f"{text}: {failure}", f"correct what this names, then docker start {name}"
    return Verdict.BROKEN, text, f"docker start {name}"


def _differing(docker: DockerEndpoint, endpoint: Endpoint) -> str:
    pairs = (
        ("address", docker.ipv4, str(endpoint.address or "")),
        ("MAC address", docker.mac.lower(), endpoint.mac.lower()),
    )
    differing = [f"{what}: Docker {said}, the switch {kept}" for what, said, kept in pairs if said and said != kept]
    return "; ".join(differing)


def _of_network(facts: Facts) -> Stage:
    name = f'network "{facts.docker.network}"' if facts.docker.network else f"network {facts.trace.network_id}"
    if facts.network is None:
        return Stage("network", Verdict.BROKEN, f"the switch has no record of {name}", _AUDITED)
    text = f"{name}: {facts.network.place()}, {facts.network.pool}"
    return Stage("network", Verdict.OK, joined(text, _way_out(facts.network)))


def _way_out(network: Network) -> str:
    """Tell how containers get out of a network, if it is not by its gateway."""
    if network.gwbridge:
        return "its way out is docker_gwbridge, past the VRS and its policy (external=gwbridge)"
    return "it has no way out (--internal)" if network.internal else ""


def _of_link(facts: Facts) -> _Judgement:
    if facts.link_problem:
        return Verdict.UNKNOWN, facts.link_problem
    link = facts.link
    if link is None:
        if facts.docker.joining:
            return Verdict.WAITING, "the Join that is under way makes it"
        text = f'there is no link {facts.link_name} with the alias "{link_alias(facts.endpoint_id)}"'
        return Verdict.BROKEN, text, f"docker restart {facts.container}"
    if link.name != facts.link_name:
        return Verdict.BROKEN, f"link {facts.link_name} is now called {link.name}", _AUDITED
    if not link.alias:
        return Verdict.BROKEN, f"link {link.name} has lost its alias", _AUDITED
    if not link.up:
        text = f"link {link.name} is down"
        return Verdict.BROKEN, text, f"ip link set {link.name} up, or wait for the next audit"
    if not link.carrier and not facts.docker.joining:
        text = f"link {link.name} has no carrier: its other end, in the container, is down or gone"
        return Verdict.BROKEN, text, f"docker restart {facts.container}"
    return _of_mtu(facts, link)


def _of_mtu(facts: Facts, link: Link) -> _Judgement:
    wanted = (facts.network.mtu if facts.network else None) or facts.mtu
    if link.mtu != wanted:
        text = f"the MTU of link {link.name} is {link.mtu}, that of its network {wanted}: packets may get lost"
        return Verdict.BROKEN, text, f"ip link set {link.name} mtu {wanted}"
    return Verdict.OK, f"{link.name} is up, with MTU {link.mtu}"


def _of_port(facts: Facts) -> _Judgement:
    attachment, name = facts.attachment, facts.link_name
    if attachment is None:
        if facts.docker.joining:
            return Verdict.WAITING, "the Join that is under way makes it"
        return Verdict.BROKEN, f"bridge {facts.bridge} has no port {name}", _AUDITED
    if attachment.failure:
        text = f"the switch could not open port {name}: {attachment.failure}"
        return Verdict.BROKEN, text, f"ovs-vsctl del-port {name} has the next audit attach it again"
    if attachment.ofport is None:
        return Verdict.WAITING, f"the switch has not opened port {name} yet", "ovs-vswitchd has to run"
    if not facts.trace.marked:
        return Verdict.BROKEN, f"port {name} has lost external_ids that say whose it is", _AUDITED
    return Verdict.OK, f"port {name} of {facts.bridge}, ofport {attachment.ofport}"


def _of_row(facts: Facts, row: ToldPort | ToldEntity | None, differences: list[str]) -> _Judgement:
    if row is None and facts.shut:
        return _of_shut(facts)
    if row is None and facts.docker.joining:
        return Verdict.WAITING, "the Join that is under way writes it"
    if row is None:
        return Verdict.BROKEN, f"there is no row of {facts.link_name}: somebody removed it", _AUDITED
    if differences:
        text = "; ".join(differences)
        return Verdict.BROKEN, text, f"somebody changed the row: docker restart {facts.container}"
    return Verdict.OK, _shown_row(row)


def _shown_row(row: ToldPort | ToldEntity) -> str:
    if isinstance(row, ToldEntity):
        return f'"{row.name}" of organization "{row.organization}"'
    return f"{row.address} at {row.mac}"


def _of_shut(facts: Facts) -> _Judgement:
    try:
        if facts.docker.listed is not None:
            policy.check_labels(facts.docker.listed.container)
    except Refused as problem:
        return Verdict.BROKEN, str(problem), "correct the label and start the container again"
    return (
        Verdict.WAITING,
        "the VRS is not told of the endpoint before Docker tells the plugin the container's labels",
        "Docker has to answer the plugin at DockerEndpoint; with label_policy: late this does not wait",
    )


def _port_differences(facts: Facts) -> list[str]:
    port, network, endpoint = facts.port, facts.network, facts.endpoint
    if port is None or network is None or endpoint is None:
        return []
    mac = ("MAC address", port.mac.lower(), endpoint.mac.lower())
    if endpoint.split:
        # The VSD knows the place from its own Container.
        return _differences((mac,))
    pairs = (
        mac,
        ("domain", port.domain, network.domain),
        ("zone", port.zone, network.zone),
        ("subnet", port.subnet, network.subnet),
        ("static-ip", port.address, str(endpoint.address.ip) if endpoint.address else None),
    )
    return _differences(pairs)


def _entity_differences(facts: Facts) -> list[str]:
    entity, network = facts.entity, facts.network
    if entity is None or network is None or (facts.endpoint is not None and facts.endpoint.split):
        return []
    return _differences((("organization", entity.organization, network.organization),))


def _differences(pairs: tuple[tuple[str, str | None, str | None], ...]) -> list[str]:
    return [f"its {what} is {row}, it should be {wanted}" for what, row, wanted in pairs if row != wanted]


def _of_resolution(facts: Facts) -> _Judgement:
    if facts.port is None:
        return Verdict.WAITING, "the VRS resolves the port once it is told of it"
    if facts.resolution is None:
        return _of_silence(facts)
    if facts.network is not None and facts.endpoint is not None:
        try:
            check_resolution(facts.network, facts.endpoint, facts.resolution)
        except Refused as problem:
            return Verdict.BROKEN, str(problem)
    return Verdict.OK, str(facts.resolution)


def _of_silence(facts: Facts) -> _Judgement:
    since = "" if facts.waited is None else f" for {age(facts.waited)}"
    if not facts.controller:
        text = f"the port has not been resolved{since}: no row of the VRS's table Controller has the role master"
        return Verdict.BROKEN, text, "connect the VRS to its VSC"
    if facts.reason:
        return Verdict.BROKEN, f"the VRS has not resolved the port{since}: {facts.reason}"
    place = facts.network.place() if facts.network else ""
    user = f', user "{facts.network.user}"' if facts.network else ""
    text = f"the VRS has not resolved the port{since}: {place}{user}"
    if facts.docker.joining:
        return Verdict.WAITING, f"{text}; the Join waits {facts.resolve_timeout:g} s for it"
    return (
        Verdict.BROKEN,
        text,
        "if Nuage does not know one of these names, or has given the address to another, create the network again "
        "with the right ones; a controller is connected",
    )


#: What messages call the places of a policy.
_ORIGINS: Mapping[str, str] = {
    "endpoint": "a driver-opt of the endpoint",
    "label": "a label of the container",
    "network": "an option of the network",
}


def _of_policy(facts: Facts) -> _Judgement:
    if facts.port is None:
        return Verdict.WAITING, "the VRS is told of it together with the port"
    if facts.network is None or facts.endpoint is None:
        return Verdict.UNKNOWN, f"{_shown(facts.port.policy)}; its network or its endpoint has no record"
    return _compared(facts, facts.port.policy, facts.network, facts.endpoint)


def _compared(facts: Facts, told: Mapping[str, str], network: Network, endpoint: Endpoint) -> _Judgement:
    container = facts.docker.listed.container if facts.docker.listed else None
    try:
        if container is not None:
            policy.check_labels(container)
    except Refused as problem:
        return Verdict.BROKEN, f"{problem}; its labels are ignored", "correct the label and start the container again"
    wanted = policy.port_metadata(network, endpoint, container)
    origin = _origin(wanted, network, endpoint, container)
    if container is None and facts.trace.container_id is None:
        return Verdict.UNKNOWN, f"{_shown(told)}{origin}; the container's labels are not known before Docker answers"
    if endpoint.split and told == wanted:
        named = policy.named_policy(network, endpoint, container)
        origin = _origin(named, network, endpoint, container)
        return Verdict.OK, f"{_shown(named)}{origin}, as it was at the start; the vPort at the VSD has what counts now"
    if told == wanted:
        late = f"; Docker told the labels late, {age(facts.late)} ago" if facts.late is not None else ""
        return Verdict.OK, f"{_shown(told)}{origin}{late}"
    if container is None:
        return Verdict.UNKNOWN, f"{_shown(told)}; where it comes from is not known while Docker does not answer"
    if facts.trace.container_id is None:
        text = f"{_shown(told)}; {_shown(wanted)}{origin}, comes late: Docker has not told the plugin the labels yet"
        return Verdict.WAITING, text, "Docker has to answer the plugin at DockerEndpoint; nuage-plugin status says more"
    text = f"the VRS was told of {_shown(told)}, it should be {_shown(wanted)}{origin}"
    return Verdict.BROKEN, text, f"somebody changed the row: docker restart {facts.container}"


def _origin(named: Mapping[str, str], network: Network, endpoint: Endpoint, container: Container | None) -> str:
    """Say who named a policy group."""
    place = policy.group_origin(named.get(tables.POLICY_GROUP), network, endpoint, container)
    return f", from {_ORIGINS[place]}" if place else ""


def _shown(metadata: Mapping[str, str]) -> str:
    named = [f'{key.removeprefix("nuage-").replace("-", " ")} "{name}"' for key, name in metadata.items()]
    return ", ".join(named) or "no policy group"
