"""What is found out about a container that somebody names: from Docker, from the kernel, from a real switch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import attrs
from click.testing import CliRunner, Result
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.test.requesthelper import DummyRequest

from nuage.audit.census import Census
from nuage.cli.explain import explain
from nuage.config.settings import Config
from nuage.docker.descriptions import Endpoint as DockerEndpoint
from nuage.docker.descriptions import Listed
from nuage.errors import DockerUnavailable, LinkError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.libnetwork.calls import Ended
from nuage.links.veth import GROUP, Link
from nuage.model import Container, Endpoint, Network
from nuage.names import link_alias, port_name
from nuage.status.docker_views import DockerViews, UnknownName
from nuage.status.explainer import Explainer, ExplainResource, WhyUnresolved
from nuage.status.facts import DockerView, Explanation, Stage, Verdict
from nuage.status.recent import RecentCalls
from nuage.status.report import EndpointSeen, State
from tests.driver_support import ENDPOINT, Plugin, endpoint_body, network_request
from tests.test_diagnosis import report
from tests.test_docker_engine import DaemonCase, failure_of, http
from tests.vrs_support import BRIDGE, Vrs, waiting

reactor = cast(Any, _reactor)

WEB = "c" * 64
NETWORK_ID = "a" * 64
PLACE = {"Name": "mynet", "Id": NETWORK_ID, "Driver": "nuage", "Options": {}, "IPAM": {"Config": []}}


def listed(name: str, container_id: str, state: str, **networks: Mapping[str, object]) -> dict[str, Any]:
    """Return a container as Docker lists it."""
    return {"Id": container_id, "Names": [f"/{name}"], "State": state, "NetworkSettings": {"Networks": networks}}


class DockerViewTests(DaemonCase):
    """A Docker with a container that runs, one that is being started, and one that could not be."""

    def setUp(self) -> None:
        """Answer like that Docker."""
        super().setUp()
        endpoint = {
            "EndpointID": ENDPOINT,
            "IPAddress": "10.21.59.2",
            "IPPrefixLen": 24,
            "MacAddress": "7a:42:00:00:00:01",
        }
        containers = [
            listed("web", WEB, "running", mynet=endpoint, bridge={"EndpointID": "b" * 64}),
            listed("joins", "1" * 64, "created", mynet={"EndpointID": ""}),
            listed("failed", "2" * 64, "created", mynet={"EndpointID": ""}),
            listed("elsewhere", "3" * 64, "running", bridge={"EndpointID": "d" * 64}),
            # A name that begins another's id.
            listed("cccc", "4" * 64, "running"),
        ]
        joining = {f"ep-{'e' * 64}": {"Name": "joins", "EndpointID": "e" * 64}}
        answers: dict[str, Any] = {
            "/containers/json": containers,
            "/networks": [PLACE, {**PLACE, "Name": "bridge", "Id": "f" * 64, "Driver": "bridge"}],
            f"/networks/{NETWORK_ID}": {**PLACE, "Containers": joining},
            "/plugins": [],
            f"/containers/{'2' * 64}/json": {"State": {"Error": "the VRS did not resolve the port"}},
        }
        self.daemon = self.listen(lambda target: http(answers.get(urlsplit(target).path, {}), 200))
        self.views = DockerViews(self.engine, Census(self.engine, "nuage.sock"))

    async def view(self, name: str) -> DockerView:
        """Return the only view of a name."""
        (view,) = await self.views.of(name)
        return view

    async def test_a_container_that_runs(self) -> None:
        """By its name, by its id and by its endpoint's; only its endpoint on our network counts."""
        for name in ("web", WEB, WEB[:12], ENDPOINT, ENDPOINT[:12]):
            view = await self.view(name)
            assert view.listed is not None and view.endpoint is not None
            self.assertEqual((view.listed.container.name, view.endpoint.id, view.network), ("web", ENDPOINT, "mynet"))
            self.assertEqual((view.endpoint.ipv4, view.joining, view.failure), ("10.21.59.2/24", False, ""))

    async def test_a_name_that_looks_like_an_id(self) -> None:
        """The name counts more."""
        view = await self.view("cccc")
        assert view.listed is not None
        self.assertEqual(view.listed.container.id, "4" * 64)

    async def test_a_container_that_is_being_started(self) -> None:
        """Its endpoint is found where Docker shows it meanwhile. Nothing waits for Docker's lock of the container."""
        view = await self.view("joins")
        self.assertEqual((view.endpoint and view.endpoint.id, view.joining), ("e" * 64, True))

    async def test_a_container_that_did_not_start(self) -> None:
        """It has no endpoint, and Docker knows why."""
        view = await self.view("failed")
        self.assertEqual((view.endpoint and view.endpoint.id, view.failure), ("", "the VRS did not resolve the port"))

    async def test_a_container_on_other_networks(self) -> None:
        """It has no endpoint of ours."""
        view = await self.view("elsewhere")
        self.assertIsNone(view.endpoint)

    async def test_misspelt(self) -> None:
        """The nearest name is told."""
        problem = await failure_of(self.views.of("wbe"), UnknownName)
        self.assertEqual(str(problem), 'Docker has no container and no endpoint "wbe"; did you mean "web"?')
        await failure_of(self.views.of("c"), UnknownName)


class PlayedLinks:
    """The links that a test wants there to be."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.failure: LinkError | None = None

    async def owned(self, _mark: str) -> Mapping[str, Link]:
        """See nuage.links.links.Links."""
        if self.failure is not None:
            raise self.failure
        return self.links


class PlayedViews:
    """What Docker says."""

    def __init__(self, views: list[DockerView] | Exception) -> None:
        self.views = views

    async def of(self, _name: str) -> list[DockerView]:
        """See nuage.status.docker_views.DockerViews."""
        if isinstance(self.views, Exception):
            raise self.views
        return self.views


class ExplainerTests(TestCase):
    """An endpoint that is attached to a real switch without a controller."""

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        """Attach it."""
        vrs = Vrs()
        self.addCleanup(vrs.stop)
        self.vrs = vrs
        plugin = Plugin(reactor, vrs)
        self.addCleanup(lambda: Deferred.fromCoroutine(plugin.stop()))
        self.plugin = plugin
        container = Container(id=WEB, name="web")
        plugin.docker.containers[ENDPOINT] = container
        await plugin.driver.create_network(network_request())
        await plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))
        await plugin.driver.join(payloads.EndpointCall.from_body(Body(endpoint_body())))
        self.links, name = PlayedLinks(), port_name(ENDPOINT)
        self.links.links[name] = Link(
            name=name, index=7, alias=link_alias(ENDPOINT), group=GROUP, mac="", mtu=1450, up=True, carrier=True, peer=6
        )
        endpoint = plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        self.view = DockerView(
            listed=Listed(container=container, state="running"),
            endpoint=DockerEndpoint(id=ENDPOINT, mac=endpoint.mac, ipv4=str(endpoint.address)),
            network="mynet",
        )
        self.docker = PlayedViews([self.view])
        self.recent = RecentCalls(reactor)
        self.report = report()
        self.away: Stage | None = None
        self.explainer = self.explaining(None)

    def explaining(self, why_unresolved: WhyUnresolved | None) -> Explainer:
        """Return what explains."""
        return Explainer(
            reactor,
            Config(label_policy="late"),
            docker=cast(Any, self.docker),
            switch=self.plugin.switch,
            away=lambda: self.away,
            links=cast(Any, self.links),
            recent=self.recent,
            report=lambda: self.report,
            why_unresolved=why_unresolved,
        )

    async def explained(self, name: str = "web") -> Explanation:
        """Return the only explanation of a name."""
        (explanation,) = await self.explainer.explain(name)
        return explanation

    async def answer(self, name: str = "web") -> tuple[str, str]:
        """Return which stage is the answer, and its verdict."""
        stage = (await self.explained(name)).answer
        assert stage is not None
        return stage.name, stage.verdict.value

    async def test_what_the_switch_has(self) -> None:
        """All up to the VRS's answer is there, which a switch without a controller does not give."""
        found = await self.explained()
        verdicts = {stage.name: stage.verdict.value for stage in found.stages}
        broken = {name for name, verdict in verdicts.items() if verdict != "ok"}
        self.assertEqual(broken, {"resolution"}, found.stages)
        self.assertEqual(await self.answer(), ("resolution", "broken"))
        self.assertEqual((found.container, found.network, found.endpoint_id), ("web", "mynet", ENDPOINT))

    async def test_calls(self) -> None:
        """They are shown with their ages; how long the VRS is waited for begins with the Join."""
        call = Ended(method="NetworkDriver.Join", network_id="n", endpoint_id=ENDPOINT, seconds=0.035, outcome="ok")
        self.recent.note(call)
        self.recent.note(attrs.evolve(call, method="NetworkDriver.ProgramExternalConnectivity"))
        found = await self.explained()
        self.assertEqual(found.calls[0].method, "NetworkDriver.Join")
        self.assertLess(found.calls[0].ago, 10)
        assert found.answer is not None
        self.assertIn("has not been resolved for 0 s", found.answer.text)

    async def test_what_the_vsd_says(self) -> None:
        """It is asked about a port that is not resolved, if a controller is there."""
        asked: list[str] = []

        async def why(_network: Network, endpoint: Endpoint, _policy: Mapping[str, str]) -> str:
            asked.append(endpoint.id)
            return 'the VSD has no subnet "Subnet 2"'

        self.explainer = self.explaining(why)
        await self.explained()
        self.assertEqual(asked, [])
        self.vrs.end("ovs-vswitchd")
        self.vrs.vsctl("--no-wait", "set-controller", BRIDGE, "tcp:127.0.0.1:1")
        controller = self.vrs.vsctl("get", "bridge", BRIDGE, "controller").strip("[]\n")
        self.vrs.vsctl("--no-wait", "set", "controller", controller, "role=master", "is_connected=true")
        while not self.plugin.switch.controller_connected():
            await waiting(reactor, 0.01)
        answer = (await self.explained()).answer
        self.assertEqual(asked, [ENDPOINT])
        self.assertIn('the VSD has no subnet "Subnet 2"', answer.text if answer else "")

    async def test_a_link_that_was_renamed_or_lost_its_alias(self) -> None:
        """It is found by its alias, or by its name."""
        name = port_name(ENDPOINT)
        whole = self.links.links.pop(name)
        self.links.links["eth7"] = attrs.evolve(whole, name="eth7")
        self.assertEqual(await self.answer(), ("link", "broken"))
        self.links.links = {name: attrs.evolve(whole, alias="")}
        stage = (await self.explained()).answer
        self.assertIn("lost its alias", stage.text if stage else "")

    async def test_the_kernel_cannot_be_asked(self) -> None:
        """The stage says so, and the others are judged."""
        self.links.failure = LinkError("netlink failed: out of memory")
        stages = {stage.name: stage for stage in (await self.explained()).stages}
        self.assertEqual((stages["link"].verdict, stages["bridge port"].verdict), (Verdict.UNKNOWN, Verdict.OK))

    async def test_docker_is_silent(self) -> None:
        """The container is found by what the switch knows: its name, its id, its endpoint's id."""
        self.docker.views = DockerUnavailable("Docker is silent")
        for name in ("web", WEB[:12], ENDPOINT[:12]):
            found = await self.explained(name)
            self.assertEqual((found.container, found.endpoint_id), ("web", ENDPOINT))
            self.assertEqual((found.stages[0].verdict, found.stages[0].text), (Verdict.UNKNOWN, "Docker is silent"))
            self.assertEqual(await self.answer(name), ("resolution", "broken"))
        problem = await failure_of(self.explainer.explain("wbe"), UnknownName)
        self.assertIn('did you mean "web"?, and Docker is silent', str(problem))

    async def test_docker_has_forgotten_it(self) -> None:
        """An endpoint that only the switch has is explained, and what nobody has is not known."""
        self.docker.views = UnknownName('Docker has no container and no endpoint "web"')
        self.assertEqual(await self.answer(), ("Docker", "broken"))
        await failure_of(self.explainer.explain("nobody"), UnknownName)

    async def test_the_switch_is_away(self) -> None:
        """That is the answer: what follows is what was known before."""
        self.away = Stage("VRS", Verdict.BROKEN, "not connected to unix:/x", "check that ovsdb-server runs")
        self.assertEqual(await self.answer(), ("VRS", "broken"))

    async def test_a_container_without_an_endpoint(self) -> None:
        """There is one stage, and it is the answer. The calls are those of an endpoint that was refused."""
        stopped = attrs.evolve(
            self.view,
            endpoint=DockerEndpoint(id=""),
            listed=Listed(container=Container(id=WEB, name="web"), state="exited"),
        )
        self.docker.views = [stopped]
        found = await self.explained()
        self.assertEqual((found.endpoint_id, len(found.stages), found.calls), (None, 1, ()))
        self.assertEqual(await self.answer(), ("Docker", "broken"))
        refused = EndpointSeen(
            id=ENDPOINT, network_id="n", container="web", link="nu1", state=State.REFUSED, since=1.0, gone=True
        )
        self.report = attrs.evolve(self.report, endpoints=(refused,))
        call = Ended(method="NetworkDriver.Join", network_id="n", endpoint_id=ENDPOINT, seconds=1.0, outcome="failed")
        self.recent.note(call)
        self.assertEqual([each.method for each in (await self.explained()).calls], ["NetworkDriver.Join"])

    async def test_resource_and_command(self) -> None:
        """The socket's answer is shown; a name that nobody has gets its own status and message."""
        status, content = await self.get("web")
        self.assertEqual((status, content[0]["answer"]["name"]), (200, "resolution"))
        shown = run(content)
        self.assertEqual(shown.return_value, 1)
        for part in ('container "web" on network "mynet"', "broken", "What to do: connect the VRS to its VSC"):
            self.assertIn(part, shown.output)
        self.assertEqual(json.loads(run(content, "--json").output), content)
        self.docker.views = UnknownName("nobody")
        self.assertEqual(await self.get("nobody"), (404, {"error": "nobody"}))

    async def get(self, name: str) -> tuple[int, Any]:
        """Ask the resource."""
        request: Any = DummyRequest([b"explain", name.encode()])
        request.method = b"GET"
        resource = ExplainResource(self.explainer)
        content = await Deferred.fromCoroutine(resource.explain(request, name))
        return request.responseCode or 200, json.loads(content)


class PlayedControl:
    """A daemon that gives one answer."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def get(self, what: str, timeout: float) -> Any:
        """See nuage.cli.control.Control."""
        assert what == "/explain/we%2Fb" and timeout > 2
        return self.content


def run(content: Any, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(explain, ["we/b", *words], obj=PlayedControl(content), standalone_mode=False)
