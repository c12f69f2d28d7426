"""Finds out what there is to say of a container, for :mod:`nuage.status.explain`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from nuage.config.settings import Config
from nuage.errors import DockerUnavailable, LinkError
from nuage.links.links import Links
from nuage.links.veth import Link
from nuage.model import Endpoint, Network, Trace
from nuage.names import LINK_MARK, link_alias, port_name
from nuage.status.control import MakeReport, Small, answer
from nuage.status.docker_views import SHORTEST_ID, DockerViews, UnknownName
from nuage.status.explain import chain, of_docker
from nuage.status.facts import CallSeen, DockerView, Explanation, Facts, Stage
from nuage.status.recent import RecentCalls
from nuage.status.report import as_json
from nuage.text import did_you_mean
from nuage.vrs.switch import Switch
from nuage.vrs.views import told_entity_of, told_port_of

WhyUnresolved = Callable[[Network, Endpoint, Mapping[str, str]], Awaitable[str]]

#: The calls after which the VRS has to answer.
_BEGINNINGS = ("NetworkDriver.CreateEndpoint", "NetworkDriver.Join")


class Explainer:
    """Explains what becomes of a container's traffic.

    Args:
        clock: The clock by which recent calls are kept.
        config: The daemon's configuration.
        docker: Is asked about the container.
        switch: The VRS.
        away: Returns the stage that says why the switch or its bridge is away, None if both are there.
        links: Are looked up in the kernel.
        recent: The last calls.
        report: Makes a report, which names endpoints that Docker removed after they were refused.
        why_unresolved: Asks the VSD; see :meth:`nuage.driver.places.Places.why_unresolved`. None without a VSD.
    """

    def __init__(
        self,
        clock: IReactorTime,
        config: Config,
        *,
        docker: DockerViews,
        switch: Switch,
        away: Callable[[], Stage | None],
        links: Links,
        recent: RecentCalls,
        report: MakeReport,
        why_unresolved: WhyUnresolved | None = None,
    ) -> None:
        self._clock = clock
        self._config = config
        self._docker = docker
        self._switch = switch
        self._away = away
        self._links = links
        self._recent = recent
        self._report = report
        self._why_unresolved = why_unresolved

    async def explain(self, name: str) -> list[Explanation]:
        """Explain each endpoint of a container, or one endpoint.

        Args:
            name: The container's name, or the first characters of its id or of an endpoint's.

        Raises:
            UnknownName: Neither Docker nor the switch knows it.
        """
        try:
            views = await self._docker.of(name)
        except DockerUnavailable as problem:
            return await self._by_switch(name, DockerView(problem=str(problem)))
        except UnknownName:
            # It may be what Docker forgot.
            if not (found := await self._by_switch(name, DockerView(), strict=False)):
                raise
            return found
        links, link_problem = await self._links_by_owner()
        return [await self._explained(view, links, link_problem) for view in views]

    async def _by_switch(self, name: str, view: DockerView, *, strict: bool = True) -> list[Explanation]:
        traces = self._switch.survey().traces
        found = [endpoint_id for endpoint_id, trace in traces.items() if _is_meant(name, endpoint_id, trace)]
        if strict and not found:
            # The VRS has the endpoint's id for a name until Docker tells the container's.
            known = [told for each, trace in traces.items() if (told := trace.container_name) and told != each]
            raise UnknownName(
                f'the switch has no container and no endpoint "{name}"{did_you_mean(name, known)}, and {view.problem}. '
                "If the plugin has not been told the container's name yet, give the id of its endpoint"
            )
        links, problem = await self._links_by_owner()
        return [await self._endpoint(each, view, links, problem) for each in found]

    async def _explained(self, view: DockerView, links: Mapping[str, Link], problem: str) -> Explanation:
        if view.endpoint is not None and view.endpoint.id:
            return await self._endpoint(view.endpoint.id, view, links, problem)
        container = view.listed.container.name if view.listed else ""
        stage = of_docker(view, None, None)
        refused = [each for each in self._report().endpoints if each.gone and each.container == container]
        last = max(refused, key=lambda each: each.since, default=None)
        calls = tuple(self._calls(last.id)) if last else ()
        return Explanation(container=container, network=view.network, endpoint_id=None, stages=(stage,), calls=calls)

    async def _endpoint(
        self, endpoint_id: str, view: DockerView, links: Mapping[str, Link], problem: str
    ) -> Explanation:
        facts = self._facts(endpoint_id, view, links, problem)
        facts = attrs.evolve(facts, reason=await self._reason(facts))
        stages = chain(facts)
        if away := self._away():
            # All that follows is what was known before.
            docker, *others = stages
            stages = (docker, away, *others)
        return Explanation(
            container=facts.container,
            network=view.network or facts.trace.network_id or "",
            endpoint_id=endpoint_id,
            stages=stages,
            calls=tuple(self._calls(endpoint_id)),
        )

    def _facts(self, endpoint_id: str, view: DockerView, links: Mapping[str, Link], problem: str) -> Facts:
        switch = self._switch
        endpoint, trace = switch.endpoint(endpoint_id), switch.trace(endpoint_id)
        network_id = endpoint.network_id if endpoint else trace.network_id
        port, entity = switch.nuage_port(endpoint_id), switch.entity(endpoint_id)
        late = self._recent.late(endpoint_id)
        return Facts(
            endpoint_id=endpoint_id,
            docker=view,
            network=switch.network(network_id) if network_id else None,
            endpoint=endpoint,
            trace=trace,
            link=links.get(link_alias(endpoint_id)) or links.get(port_name(endpoint_id)),
            link_problem=problem,
            bridge=switch.bridge,
            attachment=switch.attachment(endpoint_id),
            port=told_port_of(port) if port else None,
            entity=told_entity_of(entity) if entity else None,
            resolution=switch.resolution(endpoint_id),
            controller=switch.controller_connected(),
            mtu=self._config.mtu,
            label_policy=self._config.label_policy,
            resolve_timeout=self._config.resolve_timeout,
            waited=self._waited(endpoint_id),
            late=None if late is None else self._clock.seconds() - late,
        )

    async def _reason(self, facts: Facts) -> str:
        """Return what the VSD knows of why a port is not resolved; nothing if there is no VSD, or if it is resolved."""
        if self._why_unresolved is None or facts.resolution is not None or not facts.controller:
            return ""
        if facts.port is None or facts.network is None or facts.endpoint is None:
            return ""
        return await self._why_unresolved(facts.network, facts.endpoint, facts.port.policy)

    async def _links_by_owner(self) -> tuple[Mapping[str, Link], str]:
        """Return the links by their aliases, those that have none by their names, and why they could not be listed."""
        try:
            links = await self._links.owned(LINK_MARK)
        except LinkError as problem:
            return {}, str(problem)
        return {link.alias or link.name: link for link in links.values()}, ""

    def _calls(self, endpoint_id: str) -> Iterator[CallSeen]:
        now = self._clock.seconds()
        for at, call in self._recent.about(endpoint_id):
            yield CallSeen(
                method=call.method, ago=now - at, seconds=call.seconds, outcome=call.outcome, problem=call.problem
            )

    def _waited(self, endpoint_id: str) -> float | None:
        """Return the seconds since the last call after which the VRS has to answer."""
        begun = [at for at, call in self._recent.about(endpoint_id) if call.method in _BEGINNINGS]
        return self._clock.seconds() - begun[-1] if begun else None


def _is_meant(name: str, endpoint_id: str, trace: Trace) -> bool:
    container_id = trace.container_id or ""
    return name == trace.container_name or (
        len(name) >= SHORTEST_ID and (endpoint_id.startswith(name) or container_id.startswith(name))
    )


class ExplainResource(Small):
    """Answers ``/explain/NAME``.

    Args:
        explainer: Explains.
    """

    _app = Small.routes()

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    @_app.route("/explain/<name>", methods=["GET"])
    async def explain(self, request: IRequest, name: str) -> bytes:
        """Explain a container or an endpoint."""
        try:
            found = await self._explainer.explain(name)
        except UnknownName as problem:
            return answer(request, {"error": str(problem)}, 404)
        return answer(request, [_as_json(each) for each in found])


def _as_json(explanation: Explanation) -> dict[str, object]:
    return {**as_json(explanation), "answer": as_json(explanation.answer)}
