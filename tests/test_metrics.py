"""The metrics: what is counted, what is read of a report, and whether Prometheus likes it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from types import SimpleNamespace
from typing import Any

import attrs
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage import __version__
from nuage.audit.auditor import Account
from nuage.docker.engine import Engine
from nuage.docker.presence import Presence
from nuage.errors import DockerUnavailable, DockerUnreachable, Refused
from nuage.http import NoAnswer
from nuage.libnetwork import payloads
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.resource import Libnetwork
from nuage.libnetwork.server import PluginSite
from nuage.model import Network
from nuage.status.control import Status, tree
from nuage.status.metrics import METRICS, Kind
from nuage.status.prometheus import Metrics, MetricsPage
from nuage.status.report import AuditSeen, Report, State
from nuage.status.reporter import Reporter
from nuage.status.times import Times
from tests.driver_support import ENDPOINT, NETWORK
from tests.http_support import Wire
from tests.metrics_support import endpoint, part, promtool, report
from tests.played_vsd import PlayedVsd, answer
from tests.report_support import NOW
from tests.test_docker_engine import NETWORK as DOCKER_NETWORK
from tests.test_docker_presence import ADDRESS, FORBIDDEN, PlayedExchange

#: A network of Docker's own addresses.
OTHER = "0" * 64
JOIN = "NetworkDriver.Join"
CALL = payloads.EndpointCall(NETWORK, ENDPOINT)


class MetricsCase(SynchronousTestCase):
    """The metrics of a daemon whose report is played."""

    def setUp(self) -> None:
        self.report = report()
        self.clock = Clock()
        self.calls = Calls(self.clock, deadline=25)
        self.metrics = Metrics(self.make_report, lambda: self.calls.in_flight, Libnetwork.methods())
        self.calls.watch(self.metrics.call_ended)

    def make_report(self) -> Report:
        """Return what is played."""
        return self.report

    def families(self) -> Mapping[str, Any]:
        """Return what Prometheus reads, by the names of the list."""
        families = text_string_to_metric_families(self.metrics.text().decode())
        return {f"{each.name}{'_total' if each.type == 'counter' else ''}": each for each in families}

    def samples(self) -> dict[str, float]:
        """Return each series that there is, and its value."""
        found: dict[str, float] = {}
        for family in self.families().values():
            for sample in family.samples:
                labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
                found[f"{sample.name.removeprefix('nuage_')}{{{labels}}}" if labels else sample.name[6:]] = sample.value
        return found

    def assert_samples(self, expected: Mapping[str, float | None]) -> None:
        """Assert that these series are there with these values; None for a series that is not there."""
        found = self.samples()
        self.assertEqual({key: found.get(key) for key in expected}, expected)


class TheList(MetricsCase):
    """It is complete, and nothing else is told."""

    def test_each_is_told(self) -> None:
        """With its kind, its text and its labels."""
        families = self.families()
        self.assertEqual(set(families), {metric.full_name for metric in METRICS})
        for metric in METRICS:
            family = families[metric.full_name]
            self.assertEqual((family.type, family.documentation), (metric.kind.value, metric.text))
            for sample in family.samples:
                self.assertEqual(set(sample.labels) - {"le"}, set(metric.labels), sample)

    def test_promtool(self) -> None:
        """Prometheus' own check has nothing to say, before anything happened and after."""
        self.assertEqual(promtool("check", "metrics", given=self.metrics.text().decode()), "")
        self.report = report(audit=AuditSeen(runs=1, succeeded=NOW))
        self.metrics.docker_asked("ok")
        self.metrics.port_resolved(0.2)
        self.metrics.transaction_ended(0.002)
        self.successResultOf(Deferred.fromCoroutine(self.calls.carry_out(JOIN, CALL, _done())))
        self.assertEqual(promtool("check", "metrics", given=self.metrics.text().decode()), "")

    def test_names(self) -> None:
        """Each says what it is, and has a sentence."""
        for metric in METRICS:
            self.assertEqual(metric.name.endswith("_total"), metric.kind is Kind.COUNTER, metric.name)
            self.assertEqual("duration_seconds" in metric.name, metric.kind is Kind.HISTOGRAM, metric.name)
            self.assertRegex(metric.text, r"^[A-Z0-9].*\.$")


class WhatIsSeen(MetricsCase):
    """What is read of a report."""

    def test_all_well(self) -> None:
        """The parts are there, and nothing has happened."""
        self.assert_samples(
            {
                f"build_info{{version={__version__}}}": 1,
                "vrs_connected": 1,
                "vrs_reconnects_total": 0,
                "controller_connected": 1,
                "docker_connected": 1,
                "endpoints{state=resolved}": 0,
                "endpoint_longest_wait_seconds": 0,
                "networks": 0,
                "cleanup_pending": 0,
                "audit_runs_total{outcome=ok}": 0,
                "audit_repairs_total{kind=restore}": 0,
                "audit_last_success_timestamp_seconds": None,
            }
        )

    def test_what_is_away(self) -> None:
        """What nobody can tell is left out, and so is a controller that is not needed."""
        self.report = report(parts=(part("vrs", there=False, returns=3), part("controller", there=None)))
        self.assert_samples(
            {
                "vrs_connected": 0,
                "vrs_reconnects_total": 3,
                "controller_connected": None,
                "docker_connected": None,
            }
        )

    def test_endpoints(self) -> None:
        """By state; the longest wait is that of one that still waits."""
        self.report = report(
            endpoints=(
                endpoint(1, State.RESOLVED, waits=5000),
                endpoint(2, State.WAITING, waits=4),
                endpoint(3, State.WAITING, waits=61.5),
                endpoint(4, State.REFUSED, waits=100),
            )
        )
        self.assert_samples(
            {
                "endpoints{state=resolved}": 1,
                "endpoints{state=waiting}": 2,
                "endpoints{state=refused}": 1,
                "endpoints{state=unattached}": 0,
                "endpoints{state=suspect}": 0,
                "endpoint_longest_wait_seconds": 61.5,
            }
        )

    def test_addresses_from_nuage(self) -> None:
        """Where there is a VSD."""
        states = ("in_use", "giving_back", "left_over")
        self.assert_samples({"vsd_connected": None, **{f"ipam_addresses{{state={each}}}": None for each in states}})
        counts = dict(zip(states, (40, 2, 1), strict=True))
        self.report = report(parts=(part("vsd", there=False),), addresses=counts)
        self.assert_samples(
            {"vsd_connected": 0, **{f"ipam_addresses{{state={key}}}": count for key, count in counts.items()}}
        )

    def test_audits_and_cleanup(self) -> None:
        """Repairs have a series for each kind."""
        audit = AuditSeen(runs=7, failures=2, last=NOW, succeeded=NOW - 30, repairs={"mend_link": 4})
        self.report = report(audit=audit, cleanup=("a", "b"))
        self.assert_samples(
            {
                "audit_runs_total{outcome=ok}": 7,
                "audit_runs_total{outcome=failed}": 2,
                "audit_repairs_total{kind=mend_link}": 4,
                "audit_repairs_total{kind=forget}": 0,
                "audit_repairs_total{kind=remark}": None,
                "audit_last_success_timestamp_seconds": NOW - 30,
                "cleanup_pending": 2,
            }
        )


class AddressesInReports(SynchronousTestCase):
    """What a report counts of addresses from Nuage."""

    def report(self, **left: int) -> Report:
        """Return a report with two endpoints on a network whose addresses are from Nuage, and two that do not count."""
        networks = {network.id: network for network in (_network(NETWORK, ipam=True), _network(OTHER, ipam=False))}
        endpoints = [
            endpoint(1, State.RESOLVED),
            attrs.evolve(endpoint(2, State.WAITING), address_v6="fd00::2/64"),
            attrs.evolve(endpoint(3, State.REFUSED), gone=True),
            attrs.evolve(endpoint(4, State.RESOLVED), network_id=OTHER),
        ]
        ledger: Any = SimpleNamespace(networks=lambda: networks, endpoints=lambda: endpoints)
        return Reporter(
            Times(Clock()),
            scope="local",
            log_level=lambda: "Info",
            watches=(),
            ledger=ledger,
            account=Account(),
            unfinished=frozenset,
            left=(lambda: left) if left else None,
        ).report()

    def test_with_a_vsd(self) -> None:
        """Each address of an endpoint that is there, and what is known to be left."""
        found = self.report(giving_back=2, left_over=1).addresses
        self.assertEqual(found, {"in_use": 3, "giving_back": 2, "left_over": 1})

    def test_without(self) -> None:
        """There are none."""
        self.assertEqual(self.report().addresses, {})


class WhatIsCounted(MetricsCase):
    """What happens."""

    def test_calls(self) -> None:
        """Each end of a call is counted under its outcome; all that there may be begin with 0."""
        methods = {key for key in self.samples() if key.startswith("calls_total")}
        self.assertEqual(len(methods), 4 * len(Libnetwork.methods()))
        self.assertIn(f"calls_total{{method={JOIN},outcome=given_up}}", methods)
        waiting: Deferred[payloads.Empty] = Deferred()
        endless: Deferred[payloads.Empty] = Deferred()
        held = Deferred.fromCoroutine(self.calls.carry_out(JOIN, CALL, _after(waiting)))
        self.assert_samples({"calls_in_flight": 1})
        self.clock.advance(0.2)
        waiting.callback(payloads.Empty())
        self.successResultOf(held)
        for problem in (Refused("no"), ZeroDivisionError()):
            failed = Deferred.fromCoroutine(self.calls.carry_out(JOIN, CALL, _failing(problem)))
            self.failureResultOf(failed, type(problem))
        overdue = Deferred.fromCoroutine(self.calls.carry_out(JOIN, CALL, _after(endless)))
        self.clock.advance(25)
        self.failureResultOf(overdue)
        self.assert_samples(
            {
                "calls_in_flight": 0,
                **{f"calls_total{{method={JOIN},outcome={each}}}": 1 for each in ("ok", "failed", "given_up", "bug")},
                f"call_duration_seconds_count{{method={JOIN}}}": 4,
                f"call_duration_seconds_bucket{{le=0.1,method={JOIN}}}": 2,
                f"call_duration_seconds_bucket{{le=0.25,method={JOIN}}}": 3,
            }
        )

    def test_questions_to_docker(self) -> None:
        """Each is counted once, by how it ended."""
        answers: dict[str, object] = {"/networks": [DOCKER_NETWORK]}
        exchange = PlayedExchange(answers)
        engine = Engine(exchange, Presence(self.clock, ADDRESS))
        engine.questions.add(self.metrics.docker_asked)
        played: list[object] = [[], FORBIDDEN, DockerUnreachable, DockerUnavailable, "nonsense"]
        for each in played:
            exchange.answers = {"*": each}
            Deferred.fromCoroutine(engine.networks(bool)).addErrback(lambda failure: failure.trap(DockerUnavailable))
        self.assert_samples(
            {
                "docker_requests_total{outcome=ok}": 1,
                "docker_requests_total{outcome=refused}": 1,
                "docker_requests_total{outcome=unreachable}": 1,
                "docker_requests_total{outcome=failed}": 2,
            }
        )

    def test_requests_to_the_vsd(self) -> None:
        """Each repetition, and what was not answered."""
        vsd = PlayedVsd({"/enterprises": []})
        session = vsd.session(self.clock)
        session.asked.add(self.metrics.vsd_asked)
        vsd.play(NoAnswer("it is away", connected=False), answer(503))
        asking = Deferred.fromCoroutine(session.get("/enterprises"))
        self.clock.pump([0.5] * 4)
        self.assertEqual(self.successResultOf(asking), [])
        self.successResultOf(Deferred.fromCoroutine(session.stop()))
        self.assert_samples(
            {
                "vsd_requests_total{code=none,method=GET}": 1,
                "vsd_requests_total{code=503,method=GET}": 1,
                # The login and the answer.
                "vsd_requests_total{code=200,method=GET}": 2,
                "vsd_request_duration_seconds_count": 4,
            }
        )

    def test_durations(self) -> None:
        """Of transactions and of answers of the VRS."""
        self.metrics.transaction_ended(0.002)
        self.metrics.port_resolved(3)
        self.assert_samples(
            {
                "vrs_transaction_duration_seconds_sum": 0.002,
                "vrs_transaction_duration_seconds_bucket{le=0.0025}": 1,
                "resolve_duration_seconds_bucket{le=2.5}": 0,
                "resolve_duration_seconds_bucket{le=5.0}": 1,
            }
        )


class Faults(MetricsCase):
    """What fails in the metrics harms nobody else."""

    def make_report(self) -> Report:
        """Fail."""
        raise ZeroDivisionError("a report that raises")

    def ask(self, path: str) -> int:
        """Return the status of the answer about a path."""
        root = tree(Status(self.make_report), {"metrics": MetricsPage(self.metrics).resource()})
        (answer,) = Wire(PluginSite(root, self.clock)).send(f"GET {path} HTTP/1.1\r\nHost: \r\n\r\n".encode())
        return answer.status

    def test_a_report_that_raises(self) -> None:
        """The metrics cannot be had, which the log tells; a call is carried out all the same."""
        self.assertEqual(self.ask("/metrics"), 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.successResultOf(Deferred.fromCoroutine(self.calls.carry_out(JOIN, CALL, _done())))

    def test_counting_that_raises(self) -> None:
        """A call gets its answer."""
        del self.metrics._calls
        for _ in range(3):
            done = Deferred.fromCoroutine(self.calls.carry_out(JOIN, CALL, _done()))
            self.assertEqual(self.successResultOf(done), payloads.Empty())
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)


class Page(MetricsCase):
    """``/metrics`` over HTTP."""

    def test_answer(self) -> None:
        """It has the type that Prometheus asks for."""
        root = tree(Status(self.make_report), {"metrics": MetricsPage(self.metrics).resource()})
        (answer,) = Wire(PluginSite(root, self.clock)).send(b"GET /metrics HTTP/1.1\r\nHost: \r\n\r\n")
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.headers["Content-Type"], r"^text/plain; version=[0-9.]+; charset=utf-8$")
        self.assertEqual(answer.body, self.metrics.text())


def _network(network_id: str, *, ipam: bool) -> Network:
    return Network(id=network_id, organization="E", user="u", domain="D", pool=IPv4Network("10.21.59.0/24"), ipam=ipam)


async def _done() -> payloads.Empty:
    return payloads.Empty()


async def _after(waiting: Deferred[payloads.Empty]) -> payloads.Empty:
    return await waiting


async def _failing(problem: Exception) -> payloads.Empty:
    raise problem
