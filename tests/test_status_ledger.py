"""How endpoints do, as the report shows it, on a real switch."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from nuage import names
from nuage.audit import rules
from nuage.audit.auditor import Account, Findings
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.libnetwork.calls import Ended
from nuage.model import Container
from nuage.status.judgement import Judge
from nuage.status.ledger import Ledger
from nuage.status.report import EndpointSeen, Report, State
from nuage.status.reporter import Reporter
from nuage.status.times import Times
from nuage.vrs import tables
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS, Plugin, endpoint_body, network_request
from tests.test_resolution import ResolvingCase
from tests.vrs_support import BRIDGE

PORT = names.port_name(ENDPOINT)
CALL = payloads.EndpointCall(NETWORK, ENDPOINT)
WEB = Container(id="c0ffee", name="web", labels={"nuage.policy-group": "front"})
GROUPED = {"com.docker.network.generic": {**OPTIONS, "policy-group": "all"}}


class LedgerCase(ResolvingCase):
    """A ledger of the driver's switch, whose time the test sets."""

    label_policy = "late"
    time = 1000.0

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        ready = super().setUp()
        self.ledger = self.ledger_of(self.plugin)
        return ready

    def restarted(self, **options: Any) -> Plugin:
        """See DriverTestCase."""
        return super().restarted(label_policy=self.label_policy, **options)

    def ledger_of(self, plugin: Plugin) -> Ledger:
        """Return a ledger that follows a driver's switch until the end of the test."""
        judge = Judge(plugin.switch, plugin.containers, strict=self.label_policy == "strict")
        ledger = Ledger(reactor, lambda: self.time, plugin.switch, judge)
        ledger.start()
        self.addCleanup(ledger.stop)
        return ledger

    def seen(self) -> EndpointSeen:
        """Return the only endpoint."""
        (endpoint,) = self.ledger.endpoints()
        return endpoint

    async def becomes(self, state: State) -> EndpointSeen:
        """Wait until the only endpoint does so; trial's time-out is the bound."""
        await self.until(lambda: [each.state for each in self.ledger.endpoints()] == [state])
        return self.seen()

    async def resolved(self) -> EndpointSeen:
        """Join the endpoint, and have it resolved."""
        self.answer()
        await self.join()
        return await self.becomes(State.RESOLVED)

    def report(self, findings: Findings | None = None) -> Report:
        """Return a report with what an audit found."""
        times = Times(reactor, lambda: 0.0)
        self.patch(times, "now", lambda: self.time)
        return Reporter(
            times,
            scope="local",
            log_level=lambda: "Info",
            watches=(),
            ledger=self.ledger,
            account=Account(findings=findings),
            unfinished=lambda: self.plugin.cleanup.unfinished,
        ).report()


class Life(LedgerCase):
    """An endpoint from its beginning to its end."""

    async def test_states(self) -> None:
        """Each has its time, which stays while the state does."""
        seen = self.seen()
        assert (seen.state, seen.since, seen.address, seen.network_id) == (
            State.UNATTACHED,
            1000,
            "10.21.59.2/24",
            NETWORK,
        )
        self.plugin.docker.containers[ENDPOINT] = WEB
        self.time = 1001
        joining = self.join()
        seen = await self.becomes(State.WAITING)
        assert (seen.since, seen.reason, seen.link) == (1001, "the VRS has not resolved its port", PORT)
        self.time = 1002
        self.write_answer()
        await joining
        seen = await self.becomes(State.RESOLVED)
        assert (seen.since, seen.reason, seen.container, seen.container_id) == (1002, "", "web", "c0ffee")
        await self.until(lambda: self.seen().ofport is not None)
        self.time = 1003
        self.vrs.vsctl("set", "interface", PORT, "external_ids:other=1")
        await self.until(lambda: not self.ledger.pending)
        assert self.seen().since == 1002
        await self.plugin.driver.leave(CALL)
        assert (await self.becomes(State.UNATTACHED)).since == 1003
        await self.plugin.driver.delete_endpoint(CALL)
        assert [*self.ledger.endpoints()] == []
        assert self.report().networks[0].endpoints == {}
        await self.plugin.driver.delete_network(payloads.NetworkCall(NETWORK))
        await self.until(lambda: not self.ledger.networks())

    async def test_the_way_out_of_a_network(self) -> None:
        """Whether it is Docker's bridge; the gateway is shown all the same."""
        for external in ("none", "gwbridge"):
            options = {"com.docker.network.generic": {**OPTIONS, "external": external}}
            await self.plugin.driver.create_network(network_request(Options=options))
            await self.until(lambda: not self.ledger.pending)
            (seen,) = self.report().networks
            assert (seen.gwbridge, seen.gateway) == (external == "gwbridge", "10.21.59.1")

    async def test_after_a_restart(self) -> None:
        """All is read from the switch, with all that was known."""
        self.plugin.docker.containers[ENDPOINT] = WEB
        before = await self.resolved()
        again = self.restarted()
        self.ledger = self.ledger_of(again)
        await again.switch.ready()
        seen = await self.becomes(State.RESOLVED)
        assert attrs.evolve(seen, since=before.since) == before
        assert [*self.ledger.networks()] == [NETWORK]

    async def test_of_another_plugin(self) -> None:
        """It is not ours to show."""
        await self.plugin.driver.delete_endpoint(CALL)
        plugins = [self.restarted(owner=f"{name}.sock") for name in ("one", "two")]
        ledgers = [self.ledger_of(each) for each in plugins]
        for each in plugins:
            await each.switch.ready()
        await plugins[0].driver.create_network(network_request())
        await plugins[0].driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))
        await self.until(lambda: plugins[1].switch.endpoint(ENDPOINT) is not None)
        assert [[each.id for each in ledger.endpoints()] for ledger in ledgers] == [[ENDPOINT], []]
        assert [[*ledger.networks()] for ledger in ledgers] == [[NETWORK], []]


class Unwell(LedgerCase):
    """What keeps an endpoint from being connected."""

    async def test_another_address(self) -> None:
        """The VRS resolved the port to what Docker did not assign."""
        await self.resolved()
        self.write_answer(ip_addr="10.21.59.77")
        seen = await self.becomes(State.REFUSED)
        assert "address: Docker 10.21.59.2, Nuage 10.21.59.77" in seen.reason
        (problem,) = self.report().problems
        assert (problem.subject, seen.reason in problem.text) == (ENDPOINT, True)
        assert self.report().count() == {"resolved": 0, "waiting": 0, "refused": 1, "unattached": 0, "suspect": 0}

    async def test_rows_removed_by_hand(self) -> None:
        """It waits for an audit, whichever row it is."""
        await self.resolved()
        self.transact({"op": "delete", "table": tables.NUAGE_PORT, "where": [["name", "==", PORT]]})
        assert "removed it from the VRS's tables; an audit" in (await self.becomes(State.WAITING)).reason

    async def test_port_removed_by_hand(self) -> None:
        """The VRS's rows are still there."""
        await self.resolved()
        self.vrs.vsctl("del-port", BRIDGE, PORT)
        assert "removed its port from the bridge; an audit" in (await self.becomes(State.WAITING)).reason

    async def test_long_wait(self) -> None:
        """After a minute it is a problem with a remedy, unless the cause is another problem."""
        joining = self.join()
        await self.becomes(State.WAITING)
        assert self.report().problems == ()
        self.time += 60
        (problem,) = self.report().problems
        assert "not resolved its port" in problem.text
        assert problem.remedy == f"nuage-plugin explain {ENDPOINT[:12]} says what it waits for"
        self.write_answer()
        await joining

    async def test_suspect(self) -> None:
        """The last audit tells."""
        await self.resolved()
        remark = rules.Remark(ENDPOINT, "its MTU is 9; that is few", "ip link set x")
        findings = Findings(proposals=[rules.Suspect(ENDPOINT), remark])
        report = self.report(findings)
        assert report.endpoints[0].state is State.SUSPECT
        _, problem = report.problems
        assert (problem.text, problem.remedy) == ("its MTU is 9; that is few", "ip link set x")
        assert len(report.audit.proposals) == 2


class Refusals(LedgerCase):
    """What Docker was refused."""

    def end(self, method: str, outcome: str, problem: str = "") -> None:
        """Tell the ledger of the end of a call about the endpoint."""
        self.ledger.call_ended(
            Ended(
                method=f"NetworkDriver.{method}",
                network_id=NETWORK,
                endpoint_id=ENDPOINT,
                seconds=0.1,
                outcome=outcome,
                problem=problem,
            )
        )

    async def test_shown_for_a_while(self) -> None:
        """With its reason, first as it is, then, for some minutes, as gone. That is no problem any more."""
        self.plugin.docker.containers[ENDPOINT] = WEB
        await self.plugin.containers.of(NETWORK, ENDPOINT)
        self.end("Join", "failed", "the VRS did not resolve the port")
        seen = self.seen()
        assert (seen.state, seen.reason, seen.gone, seen.container) == (
            State.REFUSED,
            "the VRS did not resolve the port",
            False,
            "web",
        )
        await self.plugin.driver.delete_endpoint(CALL)
        await self.until(lambda: self.seen().gone)
        assert (self.seen().reason, self.seen().address) == ("the VRS did not resolve the port", "10.21.59.2/24")
        assert self.report().problems == ()
        assert self.report().count()["refused"] == 0
        self.time += 601
        assert [*self.ledger.endpoints()] == []

    async def test_another_try(self) -> None:
        """A Join that succeeds takes it back; others have nothing to do with it."""
        self.end("Join", "failed", "no")
        self.end("EndpointOperInfo", "failed", "no")
        self.answer()
        await self.join()
        assert (await self.becomes(State.RESOLVED)).reason == ""
        self.end("Join", "ok")
        await self.plugin.driver.leave(CALL)
        await self.becomes(State.UNATTACHED)

    async def test_bounded(self) -> None:
        """A container that is started again and again does not fill the memory."""
        for number in range(300):
            self.ledger.call_ended(
                Ended(
                    method="NetworkDriver.CreateEndpoint",
                    network_id=NETWORK,
                    endpoint_id=f"{number:064}",
                    seconds=0,
                    outcome="failed",
                    problem="no address",
                )
            )
        shown = [each.id for each in self.ledger.endpoints() if each.gone]
        assert shown == [f"{number:064}" for number in range(200, 300)]


class PolicyGroups(LedgerCase):
    """Whose word counted."""

    async def origin(self, **options: str) -> tuple[str | None, str | None]:
        """Join an endpoint with these driver options, and return its policy group and where that comes from."""
        body = endpoint_body(Options=options)
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(body)))
        seen = await self.resolved()
        return seen.policy_group, seen.policy_from

    async def test_none(self) -> None:
        """Nobody names one."""
        assert await self.origin() == (None, None)

    async def test_network(self) -> None:
        """The network's option."""
        await self.plugin.driver.create_network(network_request(Options=GROUPED))
        assert await self.origin() == ("all", "network")

    async def test_label(self) -> None:
        """The container's label, before the network's option."""
        await self.plugin.driver.create_network(network_request(Options=GROUPED))
        self.plugin.docker.containers[ENDPOINT] = WEB
        assert await self.origin() == ("front", "label")

    async def test_endpoint(self) -> None:
        """The endpoint's own option, before all."""
        self.plugin.docker.containers[ENDPOINT] = WEB
        assert await self.origin(**{"nuage.policy-group": "own"}) == ("own", "endpoint")


class Strict(LedgerCase):
    """An endpoint that is shut."""

    label_policy = "strict"

    async def test_shut_then_refused(self) -> None:
        """First its labels are not known, then they are bad; the switch does not change."""
        self.plugin.docker.silent = True
        await self.join()
        seen = await self.becomes(State.WAITING)
        assert "Docker has not told the labels of its container" in seen.reason
        self.plugin.docker.silent = False
        self.plugin.docker.containers[ENDPOINT] = attrs.evolve(WEB, labels={"nuage.policy-grup": "x"})
        await self.until(lambda: bool(self.plugin.late))
        self.ledger.touch(ENDPOINT)
        seen = self.seen()
        assert (seen.state, 'label "nuage.policy-grup"' in seen.reason) == (State.REFUSED, True), seen
