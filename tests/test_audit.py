"""What an audit proposes, and when it is carried out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nuage.audit import rules
from nuage.audit.auditor import Auditor
from nuage.audit.rules import (
    Docker,
    Forget,
    ForgetNetwork,
    Learn,
    MendLink,
    Name,
    Observation,
    Proposal,
    Remark,
    RemoveLink,
    Restore,
    Suspect,
)
from nuage.driver.options import network_of
from nuage.driver.turns import Turns
from nuage.errors import DockerUnavailable, LinkError, Refused, SwitchError, VsdUnavailable
from nuage.links.veth import GROUP, Link
from nuage.model import Container, Endpoint, NetworkRequest, Survey, Trace, Use
from nuage.names import LINK_MARK, link_alias, port_name
from tests.driver_support import network_request

ENDPOINTS = [digit * 64 for digit in "abcd"]
NETWORKS = [digit * 64 for digit in "12"]
ENDPOINT, NETWORK = ENDPOINTS[0], NETWORKS[0]
WEB = Container(id="c0ffee", name="web")


def _request(network_id: str) -> NetworkRequest:
    return network_request(NetworkID=network_id)


def _record(endpoint_id: str) -> str:
    return Endpoint(id=endpoint_id, network_id=NETWORK, mac="7a:42:00:00:00:01").to_record()


def _trace(endpoint_id: str = ENDPOINT, **changes: Any) -> Trace:
    whole: dict[str, Any] = {
        "network_id": NETWORK,
        "record": _record(endpoint_id),
        "attached": True,
        "announced": True,
        "waiting": False,
        "container_id": WEB.id,
        "container_name": WEB.name,
    }
    return Trace(**{**whole, **changes})


def _link(endpoint_id: str = ENDPOINT, *, carrier: bool = False, alias: str | None = None) -> Link:
    return Link(
        name=port_name(endpoint_id),
        index=7,
        alias=link_alias(endpoint_id) if alias is None else alias,
        group=GROUP,
        mac="7a:42:00:00:00:02",
        mtu=1450,
        up=True,
        carrier=carrier,
        peer=8,
    )


def _by_name(*links: Link) -> dict[str, Link]:
    return {link.name: link for link in links}


def _docker(*endpoint_ids: str, networks: tuple[str, ...] = (NETWORK,), others: tuple[str, ...] = ()) -> Docker:
    uses = {endpoint_id: Use(network_id=NETWORK, container=WEB) for endpoint_id in endpoint_ids}
    return Docker(in_use=uses, networks={each: _request(each) for each in networks}, others=others)


def _seen(**changes: Any) -> Observation:
    """Return an observation of one endpoint with which everything is well; ``changes`` replace parts of it."""
    well: dict[str, Any] = {
        "traces": {ENDPOINT: _trace()},
        "networks": {NETWORK},
        "links": _by_name(_link(carrier=True)),
        "docker": _docker(ENDPOINT),
    }
    return Observation(**{**well, **changes})


class Rules(SynchronousTestCase):
    """Each rule, where it holds and where it does not."""

    def propose(self, **changes: Any) -> list[Proposal]:
        """Return what follows from an observation that differs so from one with which everything is well."""
        return rules.propose(_seen(**changes))

    def test_all_well(self) -> None:
        """Nothing is to be done."""
        assert self.propose() == []

    def test_an_endpoint_that_docker_does_not_know(self) -> None:
        """It is removed, unless its link carries traffic or a call is about it."""
        unknown = {"docker": _docker()}
        assert self.propose(**unknown, links={}) == [Forget(ENDPOINT)]
        assert self.propose(**unknown, links=_by_name(_link())) == [Forget(ENDPOINT)]
        assert self.propose(**unknown) == [Suspect(ENDPOINT)]
        assert self.propose(**unknown, links={}, busy={ENDPOINT}) == []
        assert self.propose(docker=_docker(others=(ENDPOINT,)), links={}) == []
        assert self.propose(docker=None, links={}) == []
        assert self.propose(docker=attrs.evolve(_docker(), untold={NETWORK}), links={}) == []
        # It may be that of a container which could not be read.
        assert self.propose(docker=attrs.evolve(_docker(), complete=False), links={}) == []

    def test_an_endpoint_that_was_created_only(self) -> None:
        """Docker knows it before it has a link; where Docker does not, it is stale."""
        waiting = {"traces": {ENDPOINT: _trace(attached=False, announced=False, waiting=True)}, "links": {}}
        assert self.propose(**waiting, docker=_docker(others=(ENDPOINT,))) == []
        assert {*map(type, self.propose(**waiting, docker=_docker(ENDPOINT)))} == {Remark}
        assert self.propose(**waiting, docker=_docker()) == [Forget(ENDPOINT)]

    def test_what_the_switch_lacks_of_an_endpoint_in_use(self) -> None:
        """Its port or its rows are put back where there is a link of its own to be plugged in."""
        restore = [Restore(ENDPOINT, NETWORK)]
        for change in ({"attached": False}, {"announced": False}, {"marked": False, "container_id": None}, None):
            lacking = {} if change is None else {ENDPOINT: _trace(**change)}
            assert self.propose(traces=lacking) == restore
            for links in ({}, _by_name(_link(alias="mine", carrier=True))):
                assert {*map(type, self.propose(traces=lacking, links=links))} == {Remark}
            assert self.propose(traces=lacking, busy={ENDPOINT}) == []
            assert self.propose(traces=lacking, docker=None) == []
        # A link that somebody renamed has its name again before it is plugged in.
        renamed = self.propose(traces={}, links=_by_name(attrs.evolve(_link(carrier=True), name="hand0")))
        assert [*map(type, renamed)] == [MendLink, Restore]
        # A bridge that was made again has lost all: the networks are learnt meanwhile.
        learn = Learn(NETWORK, _request(NETWORK))
        assert self.propose(traces={}, networks=set()) == [*restore, learn]
        # It is no network of ours.
        assert self.propose(traces={}, networks=set(), docker=attrs.evolve(_docker(ENDPOINT), networks={})) == []

    def test_an_endpoint_without_its_containers_name(self) -> None:
        """It is told as soon as Docker tells it."""
        nameless = {ENDPOINT: _trace(container_id=None)}
        assert self.propose(traces=nameless) == [Name(ENDPOINT, WEB)]
        assert self.propose(traces=nameless, docker=None) == []
        assert self.propose(traces=nameless, busy={ENDPOINT}) == []
        assert self.propose(traces={ENDPOINT: _trace(container_id=None, announced=False)}) == [Name(ENDPOINT, WEB)]

    def test_a_container_that_was_renamed(self) -> None:
        """Its new name is told; Docker lists none for a container that it is removing."""
        renamed = {ENDPOINT: _trace(container_name="former")}
        assert self.propose(traces=renamed) == [Name(ENDPOINT, WEB)]
        assert self.propose(traces=renamed, docker=None) == []
        nameless = Use(network_id=NETWORK, container=attrs.evolve(WEB, name=""))
        docker = attrs.evolve(_docker(), in_use={ENDPOINT: nameless})
        assert self.propose(traces=renamed, docker=docker) == []

    def test_a_link_without_an_endpoint(self) -> None:
        """It goes, unless somebody uses it, may use it or is about to."""
        alone: dict[str, Any] = {"traces": {}, "links": _by_name(_link()), "docker": _docker()}
        remove = [RemoveLink(port_name(ENDPOINT), link_alias(ENDPOINT))]
        assert self.propose(**alone) == remove
        # Its container may run: somebody may have set the link down, and the switch may have lost its database.
        for unsure in (None, attrs.evolve(_docker(), complete=False)):
            assert self.propose(**{**alone, "docker": unsure}) == []
        assert self.propose(**{**alone, "links": _by_name(_link(carrier=True))}) == []
        assert self.propose(**alone, busy={ENDPOINT}) == []
        assert RemoveLink not in map(type, self.propose(**{**alone, "docker": _docker(ENDPOINT)}))
        assert RemoveLink not in map(type, self.propose(**{**alone, "traces": {ENDPOINT: _trace()}}))

    def test_a_half_made_link(self) -> None:
        """Whose it is nobody knows: it stays while any call is under way."""
        half: dict[str, Any] = {"traces": {}, "links": _by_name(_link(alias="")), "docker": _docker()}
        assert self.propose(**half) == [RemoveLink(port_name(ENDPOINT), "")]
        assert self.propose(**half, busy={ENDPOINTS[1]}) == []

    def test_a_link_of_another_plugin(self) -> None:
        """Its endpoint is known by its owner."""
        alone: dict[str, Any] = {"traces": {}, "links": _by_name(_link()), "docker": _docker()}
        assert self.propose(**alone, foreign={ENDPOINT}) == []

    def test_a_link_that_somebody_changed(self) -> None:
        """It is mended where a container uses it: it was set down, renamed, or has lost its alias."""
        name = port_name(ENDPOINT)
        for change, found, faults in (
            ({"up": False}, name, ("it is down",)),
            ({"name": "eth7"}, "eth7", (f"its name is not {name}",)),
            ({"alias": ""}, name, ("it has lost its alias",)),
            ({"name": "eth7", "up": False}, "eth7", (f"its name is not {name}", "it is down")),
        ):
            for carrier in (True, False):
                links = _by_name(attrs.evolve(_link(carrier=carrier), **change))
                assert self.propose(links=links) == [MendLink(ENDPOINT, found, faults)]
                assert self.propose(links=links, busy={ENDPOINT}) == []
                assert self.propose(links=links, foreign={ENDPOINT}, traces={}) == []
                assert self.propose(links=links, docker=None) == []
        # One of an endpoint that nobody uses is none of these.
        renamed = _by_name(attrs.evolve(_link(), name="eth7"))
        assert self.propose(links=renamed, docker=_docker(), traces={}) == [RemoveLink("eth7", link_alias(ENDPOINT))]
        carrying = _by_name(attrs.evolve(_link(carrier=True), name="eth7"))
        assert self.propose(links=carrying, docker=_docker()) == [Suspect(ENDPOINT)]

    def test_what_only_the_operator_can_mend(self) -> None:
        """A link that is gone, another MTU than the network's, a device that the switch could not open."""
        (gone,) = self.propose(links={})
        # It may be there with another alias: then the alias is what is to be put back.
        assert f'there is no link {port_name(ENDPOINT)} with the alias "{link_alias(ENDPOINT)}" in this' in str(gone)
        assert self.propose(links={}, docker=_docker(ENDPOINT, networks=()), networks=set()) == []
        (narrow,) = self.propose(mtus={NETWORK: 9000})
        assert "the MTU of its link is 1450, that of its network 9000: packets may get lost; ip link set" in str(narrow)
        assert self.propose(mtus={NETWORK: 1450}) == []
        (unopened,) = self.propose(traces={ENDPOINT: _trace(error="No such device")})
        assert "the switch could not open its port: No such device; ovs-vsctl del-port" in str(unopened)
        assert {type(each) for each in (gone, narrow, unopened)} == {Remark}

    def test_an_endpoint_that_docker_may_have_deleted(self) -> None:
        """It has no link that carries anything, on a network that Docker lists."""
        docker = _docker(ENDPOINT)
        alone = _by_name(_link(), _link(ENDPOINTS[1], carrier=True))
        for links in ({}, alone):
            assert rules.doubtful_in_docker(docker, links) == [ENDPOINT]
        assert rules.doubtful_in_docker(_docker(ENDPOINT, networks=()), {}) == []
        carrying = _link(carrier=True)
        for link in (carrying, attrs.evolve(carrying, alias=""), attrs.evolve(carrying, name="renamed")):
            assert rules.doubtful_in_docker(docker, _by_name(link)) == []

    def test_a_network_that_docker_does_not_know(self) -> None:
        """It is forgotten, unless an endpoint is on it."""
        assert self.propose(traces={}, links={}, docker=_docker(networks=())) == [ForgetNetwork(NETWORK)]
        assert self.propose(traces={}, links={}, docker=None) == []
        unreadable = attrs.evolve(_docker(networks=()), unreadable={NETWORK: "its subnet is none"})
        assert self.propose(traces={}, links={}, docker=unreadable) == []
        elsewhere = attrs.evolve(_docker(networks=()), elsewhere={NETWORK})
        assert self.propose(traces={}, links={}, docker=elsewhere) == []
        left = {"traces": {ENDPOINT: _trace()}, "links": {}, "docker": _docker(networks=())}
        assert self.propose(**left) == [Forget(ENDPOINT)]

    def test_a_network_that_docker_knows(self) -> None:
        """It is learnt, in the form in which it would have been created."""
        (learn,) = self.propose(networks=set(), traces={}, links={}, docker=_docker())
        assert isinstance(learn, Learn)
        assert learn.request == _request(NETWORK)

    def test_each_says_what_it_is(self) -> None:
        """In one line, with the id or the name."""
        for proposal in (
            Forget(ENDPOINT),
            RemoveLink("nuaaa", "x"),
            Restore(ENDPOINT, NETWORK),
            ForgetNetwork(NETWORK),
            Name(ENDPOINT, WEB),
            Suspect(ENDPOINT),
            MendLink(ENDPOINT, "eth7", ("it is down",)),
            Remark(ENDPOINT, "its link is gone", "restart the container"),
            Learn(NETWORK, _request(NETWORK)),
        ):
            assert any(word in str(proposal) for word in (ENDPOINT, NETWORK, "nuaaa"))
            assert "\n" not in str(proposal)


traces = st.builds(
    _trace,
    endpoint_id=st.just(ENDPOINT),
    attached=st.booleans(),
    announced=st.booleans(),
    waiting=st.booleans(),
    marked=st.booleans(),
    container_id=st.sampled_from([None, WEB.id]),
    container_name=st.sampled_from([None, ENDPOINT, "former", WEB.name]),
)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Any state of the switch, the kernel and Docker: they need not agree in anything."""

    def some(of: list[str]) -> set[str]:
        return draw(st.sets(st.sampled_from(of)))

    def trace(endpoint_id: str) -> Trace:
        network, record = draw(st.sampled_from([None, *NETWORKS])), draw(st.sampled_from([None, _record(endpoint_id)]))
        return attrs.evolve(draw(traces), network_id=network, record=record)

    def link(endpoint_id: str) -> Link:
        alias = draw(st.sampled_from([None, "", LINK_MARK + "e" * 64]))
        name = draw(st.sampled_from([port_name(endpoint_id), f"eth{endpoint_id[0]}"]))
        made = _link(endpoint_id, carrier=draw(st.booleans()), alias=alias)
        return attrs.evolve(made, name=name, up=draw(st.booleans()))

    links = [link(endpoint_id) for endpoint_id in some(ENDPOINTS)]
    known = some(NETWORKS)
    uses = {
        endpoint_id: Use(network_id=draw(st.sampled_from(NETWORKS)), container=WEB) for endpoint_id in some(ENDPOINTS)
    }
    docker = Docker(
        in_use={endpoint_id: use for endpoint_id, use in uses.items() if use.network_id in known},
        networks={network_id: _request(network_id) for network_id in known},
        others=some(ENDPOINTS),
    )
    return Observation(
        traces={endpoint_id: trace(endpoint_id) for endpoint_id in some(ENDPOINTS)},
        networks=some(NETWORKS),
        links=_by_name(*links),
        docker=draw(st.sampled_from([None, docker])),
        busy=some(ENDPOINTS),
    )


def _carried_out(seen: Observation, proposals: list[Proposal]) -> Observation:
    """Return what is seen after the proposals were carried out."""
    networks = {*seen.networks, *(each.network_id for each in proposals if isinstance(each, Learn))}
    networks -= {each.network_id for each in proposals if isinstance(each, ForgetNetwork)}
    forgotten = {each.endpoint_id for each in proposals if isinstance(each, Forget)}
    removed = {each.name for each in proposals if isinstance(each, RemoveLink)}
    links = {
        name: link
        for name, link in seen.links.items()
        if name not in removed and link.alias.removeprefix(LINK_MARK) not in forgotten
    }
    traces = {endpoint_id: trace for endpoint_id, trace in seen.traces.items() if endpoint_id not in forgotten}
    for proposal in proposals:
        if isinstance(proposal, Restore):
            traces[proposal.endpoint_id] = _trace(proposal.endpoint_id, network_id=proposal.network_id)
        elif isinstance(proposal, Name):
            container, trace = proposal.container, traces[proposal.endpoint_id]
            told = attrs.evolve(trace, container_id=container.id, container_name=container.name, announced=True)
            traces[proposal.endpoint_id] = told
        elif isinstance(proposal, MendLink):
            mended = attrs.evolve(
                links.pop(proposal.name),
                name=port_name(proposal.endpoint_id),
                alias=link_alias(proposal.endpoint_id),
                up=True,
            )
            links[mended.name] = mended
    return attrs.evolve(seen, traces=traces, links=links, networks=networks)


class Properties(SynchronousTestCase):
    """What holds in any state, even one that cannot be."""

    @settings(deadline=None, max_examples=500)
    @given(observations())
    def test_nothing_alive_is_touched(self, seen: Observation) -> None:
        """Neither what a container uses, nor what carries traffic, nor what a call is about."""
        used = set() if seen.docker is None else {*seen.docker.in_use, *seen.docker.others}
        for proposal in rules.propose(seen):
            if isinstance(proposal, Forget):
                assert proposal.endpoint_id not in used | set(seen.busy)
                links = [each for each in seen.links.values() if each.alias == link_alias(proposal.endpoint_id)]
                assert not any(link.carrier for link in links)
            if isinstance(proposal, RemoveLink):
                owner = proposal.alias.removeprefix(LINK_MARK)
                assert owner not in seen.busy
                assert seen.docker is not None
                assert owner not in seen.docker.in_use
                assert not seen.links[proposal.name].carrier
                assert owner not in seen.traces or not seen.traces[owner].attached

    @settings(deadline=None, max_examples=500)
    @given(observations())
    def test_without_docker_nothing_is_known_to_be_stale(self, seen: Observation) -> None:
        """Nothing is proposed then."""
        assert rules.propose(attrs.evolve(seen, docker=None)) == []

    @settings(deadline=None, max_examples=500)
    @given(observations())
    def test_it_comes_to_an_end(self, seen: Observation) -> None:
        """After three rounds nothing is left to propose but what an operator has to judge."""
        for _ in range(3):
            seen = _carried_out(seen, rules.propose(seen))
        assert {type(each) for each in rules.propose(seen)} <= {Suspect, Remark}


class _Played:
    """The switch, the kernel, Docker and the driver, as a test plays them: what they see, and what is asked of them."""

    bridge = "alubr0"

    def __init__(self) -> None:
        self.seen = _seen()
        self.done: list[tuple[str, str]] = []
        self.restored: list[tuple[Endpoint, Container | None]] = []
        self.failure: Exception | None = None
        self.refusal: Exception | None = None
        self.looked = 0
        self.surveys = 0
        self.elsewhere: list[str] = []
        self.deleted: list[str] = []
        self.unnamed: Mapping[str, Use] = {}
        self.asked: list[str] = []
        self.changed = False
        self.searches_ended = 0

    async def ready(self) -> None:
        """See nuage.vrs.switch.Switch."""
        self.looked += 1
        if self.failure is not None:
            raise self.failure

    async def owned(self, _mark: str) -> Mapping[str, Link]:
        """See nuage.links.links.Links."""
        return self.seen.links

    def networks(self) -> list[Any]:
        """See nuage.vrs.switch.Switch."""
        return [network_of(_request(network_id)) for network_id in self.seen.networks]

    def survey(self) -> Survey:
        """See nuage.vrs.switch.Switch."""
        self.surveys += 1
        return Survey(traces=self.seen.traces, foreign=self.seen.foreign)

    def trace(self, endpoint_id: str) -> Trace:
        """See nuage.vrs.switch.Switch."""
        return self.seen.traces.get(endpoint_id, _trace(attached=False))

    def has_endpoints(self) -> bool:
        """See nuage.vrs.switch.Switch."""
        return bool(self.seen.traces)

    async def endpoint(self, network_id: str, endpoint_id: str, container: Container | None) -> Endpoint | None:
        """See nuage.audit.census.Census."""
        assert container is not None
        return Endpoint(id=endpoint_id, network_id=network_id, mac="7a:42:00:00:00:03", options={"from": "Docker"})

    async def take(self) -> Docker:
        """See nuage.audit.census.Census."""
        if self.seen.docker is None:
            raise DockerUnavailable("Docker did not answer")
        return self.seen.docker

    async def without_deleted(self, docker: Docker, doubtful: Collection[str]) -> Docker:
        """See nuage.audit.census.Census."""
        deleted = {*doubtful} & {*self.deleted}
        return attrs.evolve(docker, in_use={key: use for key, use in docker.in_use.items() if key not in deleted})

    async def with_others(self, docker: Docker, networks: Collection[str]) -> Docker:
        """See nuage.audit.census.Census."""
        self.asked += networks
        found = {key: use for key, use in self.unnamed.items() if use.network_id in networks}
        return attrs.evolve(docker, in_use={**docker.in_use, **found})

    async def with_elsewhere(self, docker: Docker, unlisted: Collection[str]) -> Docker:
        """See nuage.audit.census.Census."""
        return attrs.evolve(docker, elsewhere=[each for each in unlisted if each in self.elsewhere])

    async def remove(self, name: str, _alias: str) -> bool:
        """See nuage.links.links.Links."""
        self.done.append(("remove link", name))
        return True

    async def mend(self, name: str, host_name: str, _alias: str) -> None:
        """See nuage.links.links.Links."""
        self.done.append(("mend link", f"{name} {host_name}"))

    async def forget_endpoint(self, endpoint_id: str) -> None:
        """See nuage.driver.endpoints.Endpoints."""
        self.done.append(("forget endpoint", endpoint_id))

    async def forget_lost_network(self, network_id: str) -> bool:
        """See nuage.driver.networks.Networks."""
        self.done.append(("forget network", network_id))
        return True

    async def get(self, network_id: str) -> str:
        """See nuage.driver.networks.Networks."""
        return network_id

    async def restore_endpoint(self, _network: str, endpoint: Endpoint, container: Container | None) -> bool:
        """See nuage.driver.endpoints.Endpoints."""
        if self.changed:
            return False
        self.restored.append((endpoint, container))
        self.done.append(("restore endpoint", endpoint.id))
        return True

    def end_searches(self) -> None:
        """See nuage.driver.endpoints.Endpoints."""
        self.searches_ended += 1

    async def name_endpoint(self, endpoint_id: str, _container: Container) -> None:
        """See nuage.driver.endpoints.Endpoints."""
        self.done.append(("name endpoint", endpoint_id))
        if self.refusal is not None:
            raise self.refusal

    async def learn_network(self, request: NetworkRequest) -> None:
        """See nuage.driver.networks.Networks."""
        self.done.append(("learn network", request.network_id))
        if self.refusal is not None:
            raise self.refusal


def _played() -> Any:
    return _Played()


def _lines(events: Sequence[LogEvent]) -> list[str | None]:
    """Return the lines of the log but those for debugging."""
    return [formatEvent(event) for event in events if event["log_level"] > LogLevel.debug]


class Auditing(SynchronousTestCase):
    """When what was proposed is carried out."""

    def setUp(self) -> None:
        """Put an auditor among things that a test plays."""
        self.clock = Clock()
        self.played = _played()
        self.turns = Turns(self.clock)
        self.auditor = self.auditing_every(30.0)

    def auditing_every(self, interval: float) -> Auditor:
        """Return an auditor with this interval, which is stopped at the end."""
        auditor = Auditor(
            self.clock,
            interval,
            switch=self.played,
            links=self.played,
            census=self.played,
            endpoints=self.played,
            networks=self.played,
            turns=self.turns,
        )
        self.addCleanup(auditor.stop)
        return auditor

    def see(self, **changes: Any) -> None:
        """Have it seen that something differs from a state in which all is well."""
        self.played.seen = _seen(**changes)

    def test_what_is_stale_is_removed_after_five_seconds(self) -> None:
        """Not earlier: it may be what a call is doing at that moment. The next audit does not wait for the interval."""
        self.see(docker=_docker(), links={})
        self.auditor.trigger()
        self.clock.advance(4.9)
        assert self.played.done == []
        self.clock.advance(0.1)
        assert self.played.done == [("forget endpoint", ENDPOINT)]

    def test_searches_that_nobody_ends(self) -> None:
        """Each audit ends them. Only looking does not."""
        self.successResultOf(Deferred.fromCoroutine(self.auditor.look()))
        assert self.played.searches_ended == 0
        self.auditor.trigger()
        assert self.played.searches_ended == 1

    def test_the_switch_is_surveyed_once(self) -> None:
        """With Docker or without it, and whoever asks for the audit."""
        states: list[dict[str, Any]] = [
            {"docker": _docker(), "links": {}},
            {"docker": None},
            {"traces": {}, "links": {}},
        ]
        for seen in states:
            for sparing in (True, False):
                self.see(**seen)
                self.played.surveys = 0
                self.successResultOf(Deferred.fromCoroutine(self.auditor.look(sparing=sparing)))
                assert self.played.surveys == 1

    def test_the_switch_is_surveyed_after_docker_has_listed(self) -> None:
        """An endpoint that a container gets while Docker is asked is not taken for one that the switch lacks."""
        listed: Deferred[None] = Deferred()

        async def take() -> Docker:
            await listed
            return _docker(ENDPOINT)

        self.see(traces={})
        self.played.take = take
        looking = Deferred.fromCoroutine(self.auditor.look())
        self.see()
        listed.callback(None)
        assert self.successResultOf(looking).proposals == []

    def test_an_endpoint_that_neither_switch_nor_container_names(self) -> None:
        """There is its link, and its network names it: it is put back, and its link is not removed."""
        self.played.unnamed = _docker(ENDPOINT).in_use
        for carrier in (True, False):
            self.see(traces={}, docker=_docker(), links=_by_name(_link(carrier=carrier)))
            found = self.successResultOf(Deferred.fromCoroutine(self.auditor.look()))
            assert found.proposals == [Restore(ENDPOINT, NETWORK)]

    def test_networks_that_are_not_asked_about(self) -> None:
        """Nobody looks there for what the switch or a container names, or a link that has lost its alias."""
        self.played.unnamed = _docker(ENDPOINTS[1]).in_use
        seen: list[dict[str, Any]] = [
            {},
            {"traces": {}, "links": _by_name(_link(alias="")), "docker": _docker(ENDPOINT)},
            {"traces": {}, "foreign": {ENDPOINT}, "docker": _docker()},
        ]
        for changes in seen:
            self.see(**changes)
            self.successResultOf(Deferred.fromCoroutine(self.auditor.look()))
            assert self.played.asked == []

    def test_audits_that_are_asked_for_confirm_nothing_earlier(self) -> None:
        """However many there are within the five seconds."""
        self.see(docker=_docker(), links={})
        for _ in range(10):
            self.auditor.trigger()
            self.clock.advance(0.4)
        assert self.played.looked == 10
        assert self.played.done == []
        self.clock.advance(0.6)
        self.auditor.trigger()
        assert self.played.done == []
        self.clock.advance(5)
        assert self.played.done == [("forget endpoint", ENDPOINT)]

    def test_an_audit_that_takes_long_confirms_nothing_by_that(self) -> None:
        """What it saw at its end is five seconds old when the next one begins five seconds later."""
        answered: Deferred[None] = Deferred()

        async def take() -> Docker:
            if not answered.called:
                await answered
            return _docker()

        self.see(docker=_docker(), links={})
        self.played.take = take
        self.auditor.trigger()
        self.clock.advance(60)
        self.auditor.trigger()
        answered.callback(None)
        assert self.played.looked == 2
        assert self.played.done == []
        self.clock.advance(5)
        assert self.played.done == [("forget endpoint", ENDPOINT)]

    def test_an_audit_that_fails_confirms_nothing(self) -> None:
        """What is seen after an outage of the switch may have begun with its end."""
        self.see(docker=_docker(), links={})
        self.auditor.trigger()
        self.played.failure = SwitchError("away")
        self.clock.advance(5)
        self.played.failure = None
        self.clock.advance(30)
        assert self.played.done == []
        self.clock.advance(5)
        assert self.played.done == [("forget endpoint", ENDPOINT)]

    def test_a_short_interval(self) -> None:
        """It takes the place of the five seconds."""
        auditor = self.auditing_every(1.0)
        self.see(docker=_docker(), links={})
        auditor.trigger()
        self.clock.advance(1)
        assert self.played.done == [("forget endpoint", ENDPOINT)]

    def test_what_is_well_at_the_second_look_stays(self) -> None:
        """And begins anew when it is seen again."""
        self.see(docker=_docker(), links={})
        self.auditor.trigger()
        self.see()
        self.clock.advance(5)
        self.see(docker=_docker(), links={})
        self.clock.advance(30)
        assert self.played.done == []
        self.clock.advance(5)
        assert self.played.done == [("forget endpoint", ENDPOINT)]

    def test_each_kind_is_carried_out(self) -> None:
        """By whom it concerns."""
        for changes, done in (
            ({"docker": _docker(), "links": {}}, ("forget endpoint", ENDPOINT)),
            ({"traces": {}, "docker": _docker(), "links": _by_name(_link())}, ("remove link", port_name(ENDPOINT))),
            ({"traces": {ENDPOINT: _trace(attached=False)}}, ("restore endpoint", ENDPOINT)),
            ({"links": _by_name(attrs.evolve(_link(), name="x"))}, ("mend link", f"x {port_name(ENDPOINT)}")),
            ({"traces": {ENDPOINT: _trace(container_id=None)}}, ("name endpoint", ENDPOINT)),
            ({"traces": {}, "links": {}, "docker": _docker(networks=())}, ("forget network", NETWORK)),
            ({"traces": {}, "links": {}, "networks": set(), "docker": _docker()}, ("learn network", NETWORK)),
        ):
            self.played.done.clear()
            self.see(**changes)
            self.auditor.trigger()
            self.clock.advance(5)
            assert done in self.played.done

    def test_what_is_put_back_is_what_was_there(self) -> None:
        """The options that Docker named once; and the container, whose labels tell the policy."""
        endpoint = Endpoint(
            id=ENDPOINT, network_id=NETWORK, mac="7a:42:00:00:00:02", options={"nuage.policy-group": "q"}
        )
        self.see(traces={ENDPOINT: _trace(record=endpoint.to_record())})
        self.auditor.trigger()
        self.see(traces={})
        self.auditor.trigger()
        for _ in range(2):
            self.clock.advance(5)
        assert self.played.restored == [(endpoint, WEB)] * 2

    def test_a_bridge_that_is_made_again(self) -> None:
        """Its networks are learnt at once and its ports put back after five seconds, with the options that they had."""
        policy = {"nuage.policy-group": "q"}
        endpoint = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="7a:42:00:00:00:02", options=policy)
        self.see(traces={ENDPOINT: _trace(record=endpoint.to_record())})
        self.auditor.trigger()
        self.played.failure = SwitchError("no bridge")
        for _ in range(3):
            self.clock.advance(30)
        self.played.failure = None
        # The rows at the VRS outlive the bridge.
        lost = {ENDPOINT: _trace(attached=False, record=None, network_id=None, container_id=None, container_name=None)}
        self.see(traces=lost, networks=set())
        self.auditor.trigger()
        self.see(traces=lost)
        assert self.played.done == [("learn network", NETWORK)]
        self.clock.advance(5)
        assert self.played.restored == [(endpoint, WEB)]

    def test_what_docker_could_not_tell_is_no_reason_to_forget(self) -> None:
        """The container may be one of those that could not be read."""
        self.see()
        self.auditor.trigger()
        self.see(traces={}, docker=attrs.evolve(_docker(), complete=False))
        self.auditor.trigger()
        self.see(traces={})
        self.auditor.trigger()
        self.clock.advance(5)
        ((endpoint, _),) = self.played.restored
        assert endpoint.to_record() == _trace().record

    def test_what_no_audit_saw_is_put_back_as_docker_tells_it(self) -> None:
        """So is what Docker had forgotten meanwhile: nothing is kept for ever."""
        self.see()
        self.auditor.trigger()
        self.see(traces={}, docker=_docker(), links={})
        self.auditor.trigger()
        self.see(traces={})
        self.auditor.trigger()
        self.clock.advance(5)
        ((endpoint, container),) = self.played.restored
        assert (endpoint.options, container) == ({"from": "Docker"}, WEB)

    def test_an_endpoint_that_only_a_container_names(self) -> None:
        """Docker has deleted it: what is left of it goes, and nothing is put back from what an earlier audit saw."""
        forgotten, removed = ("forget endpoint", ENDPOINT), ("remove link", port_name(ENDPOINT))
        for traces, done in (({ENDPOINT: _trace()}, forgotten), ({}, removed)):
            self.see()
            self.auditor.trigger()
            self.played.deleted = [ENDPOINT]
            self.see(links=_by_name(_link()), traces=traces)
            self.auditor.trigger()
            self.clock.advance(5)
            assert (self.played.done, self.played.restored) == ([done], [])
            self.played.done.clear()

    def test_a_name_is_told_at_once(self) -> None:
        """It takes nothing away from anybody."""
        self.see(traces={ENDPOINT: _trace(container_id=None)})
        self.auditor.trigger()
        assert self.played.done == [("name endpoint", ENDPOINT)]

    def test_what_a_network_uncovers_is_looked_for_soon(self) -> None:
        """Endpoints are judged with the network that is learnt: an emptied database lost both."""
        self.see(traces={}, networks=set())
        self.auditor.trigger()
        assert self.played.done == [("learn network", NETWORK)]
        self.see(traces={})
        self.clock.advance(5)
        assert [endpoint.id for endpoint, _ in self.played.restored] == [ENDPOINT]

    def test_a_refusal_is_told_once(self) -> None:
        """It does not hasten the next audit either, at which it is tried again; another reason is told."""
        self.see(traces={}, links={}, networks=set(), docker=_docker())
        with capturedLogs() as events:
            self.played.refusal = Refused("bad")
            self.auditor.trigger()
            self.clock.advance(30)
            self.played.refusal = Refused("worse")
            self.clock.advance(30)
            self.clock.advance(29)
        learning = f"audit: cannot learn network {NETWORK} from Docker: "
        told = [formatEvent(event) for event in events if event["log_level"] is not LogLevel.debug]
        assert told == [f"{learning}bad", f"{learning}worse"]
        assert self.played.done == [("learn network", NETWORK)] * 3

    def test_what_is_put_off_is_told_once(self) -> None:
        """A clean-up that the switch refuses is tried at each audit."""
        self.see(docker=_docker(), links={})
        with capturedLogs() as events:
            self.auditor.trigger()
            for _ in range(4):
                self.clock.advance(5)
        assert self.played.done == [("forget endpoint", ENDPOINT)] * 4
        assert len(_lines(events)) == 1

    def test_ids_in_a_reason_make_no_difference(self) -> None:
        """The switch names the row that it refused by a uuid, which is another one each time."""
        self.see(traces={}, links={}, networks=set())
        with capturedLogs() as events:
            for uuid in ("0a1b2c3d-0000-4000-8000-0123456789ab", "fedcba98-7654-4210-8000-0123456789ab"):
                self.played.refusal = Refused(f"row {uuid} of port nu0123456789abc")
                self.auditor.trigger()
        assert len(_lines(events)) == 1

    def test_what_cannot_be_read_is_told_once(self) -> None:
        """And told anew when it comes again, or when what is wrong is something else."""
        unreadable = attrs.evolve(_docker(ENDPOINT), unreadable={NETWORKS[1]: "bad"})
        with capturedLogs() as events:
            for docker in (unreadable, unreadable, _docker(ENDPOINT), unreadable):
                self.see(docker=docker)
                self.auditor.trigger()
        assert _lines(events) == ["audit: bad"] * 2

    def test_a_bug_in_one_repair_does_not_keep_the_others_from_being_done(self) -> None:
        """Each is logged once, and tried again."""
        self.see(traces={ENDPOINT: _trace(container_id=None)}, networks=set())
        self.played.refusal = ZeroDivisionError()
        for _ in range(2):
            self.auditor.trigger()
        assert self.played.done == [("name endpoint", ENDPOINT), ("learn network", NETWORK)] * 2
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 2

    def test_docker_is_asked_before_a_network_is_forgotten(self) -> None:
        """A network that it does not list is another plugin's where Docker has it all the same."""
        self.see(traces={}, links={}, networks=set(NETWORKS), docker=_docker(networks=()))
        self.played.elsewhere = [NETWORK]
        self.auditor.trigger()
        self.clock.advance(5)
        assert self.played.done == [("forget network", NETWORKS[1])]

    def test_a_suspect_is_left_alone(self) -> None:
        """However often it is seen. It is told once, and does not hasten the audits after that."""
        self.see(docker=_docker())
        with capturedLogs() as events:
            self.auditor.trigger()
            assert _lines(events) == []
            self.clock.advance(5)
            assert _lines(events) == [f"audit: {Suspect(ENDPOINT)}"]
            for looks in (2, 3, 4):
                assert self.played.looked == looks
                self.clock.advance(29)
                assert self.played.looked == looks
                self.clock.advance(1)
        assert len(_lines(events)) == 1
        assert self.played.done == []

    def test_what_a_call_is_about_is_left_alone(self) -> None:
        """It is no business of an audit."""
        self.see(docker=_docker(), links={})
        turn = self.turns.turn(ENDPOINT)
        self.successResultOf(Deferred.fromCoroutine(turn.__aenter__()))
        self.auditor.trigger()
        self.clock.advance(30)
        self.clock.advance(30)
        assert self.played.done == []
        self.successResultOf(Deferred.fromCoroutine(turn.__aexit__(None, None, None)))

    def test_a_link_that_a_call_makes_meanwhile(self) -> None:
        """A Join that begins after the look makes the link of that name its own; the audit waits for its end."""
        self.see(traces={ENDPOINTS[1]: _trace()}, docker=_docker(), links=_by_name(_link()))
        turn = self.turns.turn(ENDPOINT)
        self.patch(self.played, "forget_endpoint", lambda _other: turn.__aenter__())
        self.auditor.trigger()
        self.clock.advance(5)
        assert self.turns.taken(ENDPOINT)
        self.see()
        self.successResultOf(Deferred.fromCoroutine(turn.__aexit__(None, None, None)))
        self.clock.advance(0)
        assert self.played.done == []
        assert not self.turns.taken(ENDPOINT)

    def test_what_a_call_has_changed_is_not_told(self) -> None:
        """Nothing was repaired."""
        self.see(traces={ENDPOINT: _trace(attached=False)})
        self.played.changed = True
        with capturedLogs() as events:
            self.auditor.trigger()
            self.clock.advance(5)
        assert _lines(events) == []
        assert not self.auditor.account.repairs

    def test_a_switch_that_is_away(self) -> None:
        """There is no audit then, and there is one at the next time."""
        self.played.failure = SwitchError("away")
        self.auditor.trigger()
        self.clock.advance(30)
        assert self.played.looked == 2
        self.played.failure = None
        self.see(docker=_docker(), links={})
        self.clock.advance(30)
        self.clock.advance(5)
        assert self.played.done == [("forget endpoint", ENDPOINT)]

    def check_pauses(self, pause: float, *, interval: float = 300.0) -> None:
        """Have audits begin, and see the pauses between the first ones."""
        auditor = self.auditing_every(interval)
        auditor.trigger()
        for looks in (1, 2, 3):
            assert self.played.looked == looks
            self.clock.advance(pause - 1)
            assert self.played.looked == looks
            self.clock.advance(1)

    def test_an_audit_without_docker_is_made_up_for(self) -> None:
        """After half a minute, until Docker answers. Then the long interval holds again."""
        self.see(docker=None)
        self.check_pauses(30)
        self.see()
        self.clock.advance(30)
        looked = self.played.looked
        self.clock.advance(299)
        assert self.played.looked == looked

    def test_an_audit_that_fails_is_made_up_for(self) -> None:
        """The kernel may list its links the next time."""
        self.played.failure = LinkError("no memory")
        self.check_pauses(30)

    def test_what_the_vsd_has_put_off_is_made_up_for(self) -> None:
        """A port that is shut for its sake is opened soon after it is back."""
        self.see(traces={ENDPOINT: _trace(container_id=None)})
        self.played.refusal = VsdUnavailable("away")
        self.check_pauses(30)
        assert self.played.done == [("name endpoint", ENDPOINT)] * 4

    def test_audits_that_are_frequent_are_not_put_off(self) -> None:
        """What could not be done is tried at the next one."""
        self.see(docker=None)
        self.check_pauses(10, interval=10.0)

    def test_nothing_is_made_up_for_where_an_operator_has_to_judge(self) -> None:
        """What is refused would be refused again."""
        self.see(traces={}, links={}, networks=set(), docker=_docker())
        self.played.refusal = Refused("bad")
        self.check_pauses(300)

    def test_a_bug_does_not_end_the_audits(self) -> None:
        """It is logged once, and the next audit takes place."""
        self.played.failure = RuntimeError("a bug")
        self.auditor.trigger()
        assert len(self.flushLoggedErrors(RuntimeError)) == 1
        self.clock.advance(30)
        assert self.played.looked == 2
        assert self.flushLoggedErrors(RuntimeError) == []
        self.played.failure = None
        self.clock.advance(30)
        self.played.failure = RuntimeError("a bug")
        self.clock.advance(30)
        assert len(self.flushLoggedErrors(RuntimeError)) == 1

    def test_the_account(self) -> None:
        """It tells what was done, and since when nothing has been compared well."""
        account = self.auditor.account
        self.auditor.trigger()
        self.clock.advance(7)
        self.assertEqual((account.runs, account.failures, account.succeeded), (1, 0, 0.0))
        self.see(docker=None)
        self.auditor.trigger()
        self.assertEqual((account.runs, account.failures), (1, 1))
        self.assertEqual((account.ended, account.succeeded), (7.0, 0.0))
        self.assertEqual(account.problem, "Docker did not answer")
        self.see(docker=_docker(), links={})
        self.auditor.trigger()
        self.clock.advance(5)
        self.assertEqual((account.succeeded, account.problem), (12.0, None))
        self.assertEqual(account.repairs, {"forget": 1})
        self.assertIn("forget", rules.REPAIRS)
        self.assertNotIn("remark", rules.REPAIRS)

    def test_one_at_a_time(self) -> None:
        """An audit that is asked for while one is under way follows it."""
        waiter: Deferred[None] = Deferred()
        looked: list[int] = []

        async def ready() -> None:
            looked.append(1)
            await waiter

        self.played.ready = ready
        self.auditor.trigger()
        self.auditor.trigger()
        self.auditor.trigger()
        assert len(looked) == 1
        waiter.callback(None)
        assert len(looked) == 2

    def test_looking_changes_nothing(self) -> None:
        """So a dry run does."""
        self.see(docker=_docker(), links={})
        for _ in range(2):
            findings = self.successResultOf(Deferred.fromCoroutine(self.auditor.look()))
            assert findings.proposals == [Forget(ENDPOINT)]
        assert self.played.done == []
        assert self.clock.getDelayedCalls() == []

    def test_the_end(self) -> None:
        """No time is left running."""
        self.auditor.trigger()
        assert self.clock.getDelayedCalls()
        self.auditor.stop()
        assert self.clock.getDelayedCalls() == []
