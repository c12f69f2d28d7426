"""The routes, the form of answers and errors, and the carrying out of calls within their deadline."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import DeadlineExceeded, Refused
from nuage.libnetwork import payloads
from nuage.libnetwork.calls import Calls
from tests.driver_support import ENDPOINT, NETWORK, endpoint_body, network_body
from tests.http_support import (
    WITH_BODY,
    WITHOUT_BODY,
    Answer,
    PlayedDriver,
    Wire,
    never,
    post,
    post_json,
    read_answers,
    site_of,
)

IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
BODIES: Mapping[str, dict[str, Any]] = {
    "create_network": network_body(),
    "create_endpoint": endpoint_body(),
}
DONE_WITHOUT: Mapping[str, dict[str, Any]] = {
    "NetworkDriver.EndpointOperInfo": {"Value": {}},
    "NetworkDriver.ProgramExternalConnectivity": {},
    "NetworkDriver.RevokeExternalConnectivity": {},
}
MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"


def good_body(method: str) -> dict[str, Any]:
    """Return a body that the method takes."""
    return BODIES.get(WITH_BODY[method], IDS)


class ResourceCase(SynchronousTestCase):
    """A site with a driver that is played behind it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.calls = Calls(self.clock, deadline=25)
        self.driver = PlayedDriver()
        self.given_up: list[str] = []
        self.site = site_of(self.driver, self.calls, self.clock)
        self.wire = Wire(self.site)
        self.events: list[dict[str, Any]] = []
        observer: Any = self.events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def ask(self, data: bytes) -> Answer:
        """Send one request on a connection of its own and return its answer."""
        (answer,) = Wire(self.site).send(data)
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        return answer

    def log(self) -> list[str]:
        """Return the lines that the calls logged."""
        lines = [event for event in self.events if event["log_namespace"] == "nuage.libnetwork.calls.Calls"]
        return [str(formatEvent(line)) for line in lines]


class Routes(ResourceCase):
    """Which request reaches which method."""

    def test_each_call_reaches_the_drivers_method(self) -> None:
        """With its request read."""
        for method, name in WITH_BODY.items():
            answer = self.ask(post_json(method, good_body(method)))
            assert (answer.status, answer.json()) == (200, {}), method
            called, request = self.driver.calls.pop()
            assert called == name
            assert getattr(request, "network_id", NETWORK) == NETWORK

    def test_the_handshake_has_no_body(self) -> None:
        """One with a body is answered as well."""
        for body in (b"", b"{}", b"nonsense"):
            assert self.ask(post("Plugin.Activate", body)).json() == {"Implements": ["NetworkDriver", "IpamDriver"]}
            assert self.ask(post("NetworkDriver.GetCapabilities", body)).status == 200
        assert [name for name, _ in self.driver.calls] == ["capabilities"] * 3

    def test_an_unknown_method_is_not_implemented(self) -> None:
        """Docker takes 404 for that, and nothing else."""
        for path in ("IpamDriver.Nothing", "NetworkDriver.Nothing", "", "x/y", "NetworkDriver.Join/", "%00"):
            answer = self.ask(post_json(path, IDS))
            assert answer.status == 404
            assert re.fullmatch(".*is not implemented by this driver", answer.json()["Err"])
        assert self.driver.calls == []

    def test_calls_are_posted(self) -> None:
        """Any other verb is refused."""
        for verb in (b"GET", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"):
            answer = self.ask(post_json("NetworkDriver.Leave", IDS).replace(b"POST", verb, 1))
            assert (answer.status, answer.json()) == (405, {"Err": "NetworkDriver.Leave has to be posted"})

    def test_the_host_does_not_matter(self) -> None:
        """Docker's is empty, or the path of the socket, or a name of its own."""
        for host in (
            b"",
            b"%2Frun%2Fdocker%2Fplugins%2Fnuage.sock",
            b"plugin.moby.localhost",
            b"a..b",
            b"\xff",
            b"[::",
        ):
            request = post_json("NetworkDriver.Leave", IDS).replace(b"Host: \r\n", b"Host: " + host + b"\r\n")
            assert self.ask(request).status == 200
        assert self.ask(post_json("NetworkDriver.Leave", IDS).replace(b"Host: \r\n", b"")).status == 200


class Answering(ResourceCase):
    """The forms of answers and errors."""

    def test_a_request_that_cannot_be_decoded(self) -> None:
        """A clean 400 with Docker's own key for errors; the driver is not asked."""
        for method in WITH_BODY:
            for body in (b"{", b"[]", b'"x"', rb'{"a": "\ud800"}'):
                answer = self.ask(post(method, body))
                assert answer.status == 400
                assert answer.json()["Err"].startswith(("the request", '"'))
        assert self.driver.calls == []

    def test_a_request_that_lost_its_body(self) -> None:
        """Docker repeats one so when a connection broke. It fails, unless nothing was to be done in the first place."""
        for method in WITH_BODY:
            answer = self.ask(post(method, b""))
            if method in DONE_WITHOUT:
                assert (answer.status, answer.json()) == (200, DONE_WITHOUT[method])
            else:
                assert (answer.status, answer.json()["Err"][:27]) == (400, "the request has no body; it")
        assert self.driver.calls == []

    def test_a_field_of_a_wrong_type(self) -> None:
        """It is named."""
        answer = self.ask(post_json("NetworkDriver.Join", {**IDS, "EndpointID": 7}))
        assert answer.status == 400
        assert answer.json() == {"Err": "field EndpointID: 7 is not allowed; it has to be a string"}

    def test_what_was_understood_and_failed(self) -> None:
        """Libnetwork expects status 200 and the message."""

        async def refuse(_request: object) -> Any:
            raise Refused('subnet "Ä" is unknown')

        self.driver.work = refuse
        answer = self.ask(post_json("NetworkDriver.CreateNetwork", network_body()))
        assert (answer.status, answer.json()) == (200, {"Err": 'subnet "Ä" is unknown'})

    def test_a_bug_is_logged_and_its_traceback_stays_inside(self) -> None:
        """The user is told where to look."""

        async def fail(_request: object) -> Any:
            raise ZeroDivisionError("secret")

        self.driver.work = fail
        answer = self.ask(post_json("NetworkDriver.Leave", IDS))
        assert answer.status == 500
        assert answer.json() == {"Err": "the nuage plugin has a bug; its log says more"}
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1
        assert "a bug: ZeroDivisionError('secret')" in self.log()[-1]

    def test_an_answer_that_cannot_be_written_is_a_bug_too(self) -> None:
        """It does not break the connection."""

        async def answer_nonsense(_request: object) -> Any:
            return payloads.OperationalInfo({"a": object()})

        self.driver.work = answer_nonsense
        assert self.ask(post_json("NetworkDriver.EndpointOperInfo", IDS)).status == 500
        assert len(self.flushLoggedErrors(TypeError)) == 1

    def test_requests_that_come_together_are_answered_in_order(self) -> None:
        """The second begins when the first is answered; the connection stays open."""
        first: Deferred[payloads.Empty] = Deferred()
        self.driver.work = lambda _request: first
        leave, oper = post_json("NetworkDriver.Leave", IDS), post_json("NetworkDriver.Nothing", IDS)
        assert self.wire.send(leave + oper + post_json("Plugin.Activate", None)) == []
        assert len(self.driver.calls) == 1
        first.callback(payloads.Empty())
        assert [answer.status for answer in self.wire.answers()] == [200, 404, 200]
        assert not self.wire.closed

    def test_a_connection_is_not_closed_for_being_idle(self) -> None:
        """Docker would repeat its next request without a body."""
        self.wire.send(post_json("NetworkDriver.Leave", IDS))
        self.clock.advance(10_000_000)
        assert not self.wire.closed
        assert [answer.status for answer in self.wire.send(post_json("NetworkDriver.Leave", IDS))] == [200]


class Deadlines(ResourceCase):
    """A call that takes too long, and one that nobody waits for."""

    def test_a_call_that_hangs_is_answered_in_time(self) -> None:
        """It is cancelled, and may take longer to undo what it did."""
        undone: Deferred[None] = Deferred()
        cancelled = []

        async def hang(_request: object) -> Any:
            try:
                return await Deferred()
            except CancelledError:
                cancelled.append(True)
                await undone
                raise

        self.driver.work = hang
        self.wire.send(post_json("NetworkDriver.Join", IDS))
        self.clock.advance(24.9)
        assert self.wire.answers() == []
        self.clock.advance(0.1)
        (answer,) = self.wire.answers()
        assert answer.status == 200
        assert answer.json()["Err"].startswith("NetworkDriver.Join did not finish within 25 s")
        assert cancelled == [True]
        drained = Deferred.fromCoroutine(self.calls.drained())
        self.assertNoResult(drained)
        undone.callback(None)
        self.successResultOf(drained)
        assert self.log()[-1].endswith("25000.0 ms: given up")

    def test_a_call_that_ends_well_in_spite_of_being_cancelled(self) -> None:
        """Its client has been told otherwise, and will undo it."""

        async def insist(_request: object) -> Any:
            try:
                await Deferred()
            except CancelledError:
                return payloads.Empty()

        self.driver.work = insist
        self.wire.send(post_json("NetworkDriver.Join", IDS))
        self.clock.advance(25)
        (answer,) = self.wire.answers()
        assert "did not finish" in answer.json()["Err"]

    def test_a_bug_in_the_undoing_is_logged(self) -> None:
        """Though nobody waits any more."""

        async def fail(_request: object) -> Any:
            try:
                await Deferred()
            except CancelledError:
                raise ZeroDivisionError from None

        self.driver.work = fail
        self.wire.send(post_json("NetworkDriver.Join", IDS))
        self.clock.advance(25)
        assert len(self.wire.answers()) == 1
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1

    def test_a_call_that_ends_leaves_no_timer(self) -> None:
        """However it ends."""

        async def refuse(_request: object) -> Any:
            raise Refused("no")

        for work in (PlayedDriver().work, refuse):
            self.driver.work = work
            self.ask(post_json("NetworkDriver.Join", IDS))
            assert self.clock.getDelayedCalls() == []

    def test_a_client_that_hangs_up_does_not_stop_a_removal(self) -> None:
        """Docker never asks for it again."""
        for method in ("NetworkDriver.Leave", "NetworkDriver.DeleteEndpoint", "NetworkDriver.DeleteNetwork"):
            drained, work = self.hung_up(method)
            assert self.given_up == []
            self.assertNoResult(drained)
            work.callback(payloads.Empty())
            self.successResultOf(drained)
            assert self.clock.getDelayedCalls() == []
            assert self.log()[-1].endswith(": ok")

    def test_a_client_that_hangs_up_gives_up_what_was_being_made(self) -> None:
        """It takes the call for failed; what is made then is of use to nobody."""
        for method in ("NetworkDriver.CreateNetwork", "NetworkDriver.CreateEndpoint", "NetworkDriver.Join"):
            drained, _work = self.hung_up(method)
            assert self.given_up == [method]
            self.given_up.clear()
            self.successResultOf(drained)
            assert self.clock.getDelayedCalls() == []
            assert self.log()[-1].endswith(": given up")

    def hung_up(self, method: str) -> tuple[Deferred[None], Deferred[payloads.Empty]]:
        """Return the end of the calls in flight, and the work of a call whose client is gone."""
        work: Deferred[payloads.Empty] = Deferred(lambda _deferred: self.given_up.append(method))
        self.driver.work = lambda _request: work
        wire = Wire(self.site)
        wire.send(post_json(method, good_body(method)))
        wire.hang_up()
        return Deferred.fromCoroutine(self.calls.drained()), work

    def test_the_deadline_holds_for_a_client_that_hung_up(self) -> None:
        """A call does not stay for ever because nobody waits for it."""
        self.driver.work = never
        self.wire.send(post_json("NetworkDriver.Leave", IDS))
        self.wire.hang_up()
        self.clock.advance(25)
        self.successResultOf(Deferred.fromCoroutine(self.calls.drained()))

    def test_the_error_is_one_of_this_project(self) -> None:
        """Whoever carries a call out without HTTP gets it as it is."""

        async def hang() -> Any:
            return await Deferred()

        carried_out = Deferred.fromCoroutine(self.calls.carry_out("X", None, hang()))
        self.clock.advance(25)
        self.failureResultOf(carried_out, DeadlineExceeded)

    def test_waiting_for_the_last_call(self) -> None:
        """Every waiter is told, at once where there is none in flight."""
        self.successResultOf(Deferred.fromCoroutine(self.calls.drained()))
        works = [Deferred[payloads.Empty]() for _ in range(2)]
        for work in works:
            self.driver.work = lambda _request, work=work: work
            Wire(self.site).send(post_json("NetworkDriver.Join", IDS))
        waiting = [Deferred.fromCoroutine(self.calls.drained()) for _ in range(2)]
        works[0].callback(payloads.Empty())
        self.assertNoResult(waiting[0])
        works[1].callback(payloads.Empty())
        for each in waiting:
            self.successResultOf(each)


class Log(ResourceCase):
    """One line per call."""

    def test_method_ids_duration_and_outcome(self) -> None:
        """The ids as far as Docker's own commands show them."""
        work: Deferred[payloads.Empty] = Deferred()
        self.driver.work = lambda _request: work
        self.wire.send(post_json("NetworkDriver.Join", IDS))
        self.clock.advance(0.0123)
        work.callback(payloads.Empty())
        assert self.log() == ["NetworkDriver.Join network=116f9b54de58 endpoint=a31e991e8006 12.3 ms: ok"]
        assert self.events[-1]["log_level"] == LogLevel.info

    def test_a_failure_is_a_warning_with_its_message(self) -> None:
        """In the same line; braces in it mean nothing."""

        async def refuse(_request: object) -> Any:
            raise Refused("no {subnet}")

        self.driver.work = refuse
        self.ask(post_json("NetworkDriver.DeleteNetwork", {"NetworkID": NETWORK}))
        assert self.log() == ["NetworkDriver.DeleteNetwork network=116f9b54de58 0.0 ms: failed: no {subnet}"]
        assert self.events[-1]["log_level"] == LogLevel.warn

    def test_calls_without_ids(self) -> None:
        """Only the method and the outcome."""
        for method in WITHOUT_BODY:
            self.ask(post(method, b""))
        assert self.log() == [f"{method} 0.0 ms: ok" for method in WITHOUT_BODY]

    def test_a_body_that_cannot_be_read_is_a_warning(self) -> None:
        """With the path."""
        self.ask(post("NetworkDriver.Join", b"{"))
        (event,) = [event for event in self.events if event["log_level"] == LogLevel.warn]
        assert formatEvent(event).startswith("/NetworkDriver.Join: the request's body is not JSON")


class Bodies(ResourceCase):
    """Bodies of any length."""

    def test_the_longest_allowed_body(self) -> None:
        """A mebibyte."""
        content = json.dumps(IDS).encode().ljust(1 << 20)
        assert self.ask(post("NetworkDriver.Leave", content)).status == 200

    def test_a_longer_one_is_refused_before_it_has_come(self) -> None:
        """By its length; the connection is closed, for what follows is no request."""
        head = post("NetworkDriver.Leave", b"").replace(b"Content-Length: 0", b"Content-Length: 1048577")
        for more in (b"", b"{", json.dumps(IDS).encode(), b" " * 70_000):
            wire = Wire(self.site)
            (answer,) = wire.send(head + more)
            assert (answer.status, answer.body) == (413, b"")
            assert wire.closed
        assert self.driver.calls == []

    def test_chunks_are_counted(self) -> None:
        """A call is not carried out by the part of its body that was allowed."""
        head = post("NetworkDriver.Leave", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        content = json.dumps(IDS).encode()
        chunk = b"%x\r\n%s\r\n"
        good = head + chunk % (len(content), content) + b"0\r\n\r\n"
        assert self.ask(good).status == 200
        padding = b" " * (1 << 20)
        long = head + chunk % (len(content), content) + chunk % (len(padding), padding) + b"0\r\n\r\n"
        self.driver.calls.clear()
        for size in (len(long), 65536):
            wire = Wire(self.site)
            wire.transport.clear()
            for start in range(0, len(long), size):
                wire.protocol.dataReceived(long[start : start + size])
                if wire.closed:
                    break
            (answer,) = wire.answers()
            assert answer.status == 413
        assert self.driver.calls == []

    def test_a_request_may_come_in_any_pieces(self) -> None:
        """Byte by byte."""
        self.wire.transport.clear()
        for byte in post_json("NetworkDriver.Leave", IDS):
            assert read_answers(self.wire.transport.value()) == []
            self.wire.protocol.dataReceived(bytes([byte]))
        assert [answer.status for answer in self.wire.answers()] == [200]
