"""What is told of a Docker that does not answer: once, with its cause, and only when it lasts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from nuage.docker.engine import EndpointUnknown, Engine, NetworkUnknown
from nuage.docker.exchange import Answer, Exchange
from nuage.docker.presence import Presence
from nuage.errors import DockerRefused, DockerRemoved, DockerUnavailable, DockerUnreachable
from tests.test_docker_engine import NETWORK, PLUGINS

ADDRESS = "unix:///docker.sock"
GOOD = {"/networks": [NETWORK], "/containers/json": [], "/plugins": PLUGINS, f"/networks/{NETWORK['Id']}": NETWORK}
FORBIDDEN = Answer(403, "Forbidden", b"")


class PlayedExchange(Exchange):
    """Answers by path at once; a class of error is raised. It takes version 1.41, and others if it is told so."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        super().__init__(MemoryReactorClock(), ADDRESS, Clock(), 2, 1000)
        self.answers = answers

    async def get(self, path: str, query: Mapping[str, str], since: float) -> Answer:
        answer = self.answers.get(path.removeprefix("/v1.41"), self.answers.get("*"))
        if path == "/_ping" and answer is None:
            answer = Answer(200, "OK", b"OK", api_version="1.41")
        if isinstance(answer, type):
            raise self.unavailable(path, "nobody there", answer)
        given = answer if isinstance(answer, Answer) else Answer(200, "OK", json.dumps(answer).encode())
        return attrs.evolve(given, path=path)


class PresenceTests(SynchronousTestCase):
    """One Docker over time."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.exchange = PlayedExchange(GOOD)
        self.presence = Presence(self.clock, ADDRESS)
        self.presence.start()
        self.engine = Engine(self.exchange, self.presence)
        self.told: list[tuple[LogLevel, str]] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            self.told.append((event["log_level"], formatEvent(event)))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def ask(self, *questions: str) -> None:
        """Ask questions, as audits and calls do; what they come to is of no account here."""
        calls: dict[str, Any] = {
            "networks": lambda: self.engine.networks(bool),
            "network": lambda: self.engine.network(NETWORK["Id"]),
            "containers": self.engine.running_endpoints,
            "plugins": lambda: self.engine.managed_drivers("nuage.sock"),
        }
        for question in questions:
            Deferred.fromCoroutine(calls[question]()).addErrback(lambda failure: failure.trap(DockerUnavailable))

    def levels(self) -> list[str]:
        return [level.name for level, _ in self.told]

    def test_nothing_is_said_of_a_docker_that_answers(self) -> None:
        self.assertIn("not been asked", self.presence.status)
        self.ask("plugins", "networks", "network", "containers")
        self.assertEqual(self.told, [])
        self.assertTrue(self.presence.there)
        self.assertEqual(self.presence.status, f"Docker at {ADDRESS} answers")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_address_that_nobody_listens_on(self) -> None:
        """It is told after one question, without another by anybody else, and never again."""
        self.exchange.answers = {"*": DockerUnreachable}
        self.ask("networks")
        self.assertFalse(self.presence.there)
        self.assertIn("nobody there", self.presence.status)
        self.clock.pump([1.0] * 9)
        self.assertEqual(self.told, [])
        self.clock.pump([1.0] * 600)
        ((level, warning),) = self.told
        self.assertEqual(level, LogLevel.warn)
        self.assertTrue(warning.startswith(f"Docker at {ADDRESS} (DockerEndpoint): GET /_ping: nobody there; "))
        for part in (
            "no repairs",
            "new ones reach nothing unless label_policy is late",
            "GET /_ping, and",
            "such as /v1.41/networks",
            "/networks/ID",
            "/containers/json",
            "/plugins",
        ):
            self.assertIn(part, warning)

    def test_a_socket_that_is_gone(self) -> None:
        """It does not come back, so it is told at once."""
        self.ask("networks")
        self.exchange.answers = {"*": DockerRemoved}
        self.ask("networks")
        self.assertEqual(self.levels(), ["warn"])

    def test_back_again(self) -> None:
        """One line tells it, though nobody else asks."""
        self.exchange.answers = {"*": DockerUnreachable}
        self.ask("networks")
        self.clock.pump([1.0] * 100)
        self.exchange.answers = GOOD
        self.clock.pump([1.0] * 100)
        self.assertEqual(self.levels(), ["warn", "info"])
        self.assertEqual(self.told[1][1], f"Docker at {ADDRESS} (DockerEndpoint) answers again")
        self.assertTrue(self.presence.there)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_restart_of_docker(self) -> None:
        """A dockerd that was there may be away for as long as it takes to stop and start, however often it is asked."""
        self.ask("networks")
        for problem in (DockerUnreachable, DockerUnavailable, Answer(500, "", b"")):
            self.exchange.answers = {"*": problem}
            for _ in range(9):
                self.clock.advance(1)
                self.ask("plugins", "network")
        self.exchange.answers = GOOD
        self.ask("networks", "network", "plugins")
        self.clock.pump([1.0] * 100)
        self.assertEqual(self.told, [])

    def test_a_docker_that_hangs(self) -> None:
        """One that starts answers nothing for a while; one that goes on with that is told of."""
        self.exchange.answers = {"*": DockerUnavailable}
        self.ask("networks")
        self.clock.pump([1.0] * 29)
        self.assertEqual(self.told, [])
        self.clock.pump([1.0] * 2)
        self.assertEqual(self.levels(), ["warn"])

    def test_a_proxy_that_refuses_everything(self) -> None:
        """That does not pass by itself: it is told at once, and once."""
        self.exchange.answers = {"*": FORBIDDEN}
        for _ in range(5):
            self.ask("plugins", "networks", "network", "containers")
            self.clock.pump([1.0] * 30)
        self.assertEqual(self.levels(), ["info", "info", "warn"])
        self.assertIn("GET /networks: it answered 403 Forbidden; without its answers", self.told[2][1])

    def test_a_proxy_that_refuses_the_plugins(self) -> None:
        """Docker has none then, which is told once and is no trouble."""
        for status in (400, 401, 403, 404, 405):
            self.exchange.answers = {**GOOD, "/plugins": Answer(status, "No", b"")}
            self.assertEqual(
                self.successResultOf(Deferred.fromCoroutine(self.engine.managed_drivers("nuage.sock"))), frozenset()
            )
        self.ask("networks", "containers")
        self.assertEqual(self.levels(), ["info"])
        self.assertIn("GET /v1.41/plugins: it answered 400 No; ", self.told[0][1])
        self.assertTrue(self.presence.there)

    def test_plugins_that_cannot_be_told(self) -> None:
        """An error of the daemon is no answer: our networks would seem to be gone."""
        self.exchange.answers = {**GOOD, "/plugins": Answer(500, "Oops", b"")}
        self.failureResultOf(Deferred.fromCoroutine(self.engine.managed_drivers("nuage.sock")), DockerUnavailable)

    def test_one_refused_question_among_good_ones(self) -> None:
        """The good ones do not make it right."""
        self.exchange.answers = {**GOOD, "/containers/json": FORBIDDEN}
        for _ in range(5):
            self.ask("plugins", "networks", "containers")
            self.clock.pump([1.0] * 30)
        self.assertEqual(self.levels(), ["warn"])
        self.assertIn("/containers/json", self.presence.status)
        self.exchange.answers = GOOD
        self.clock.pump([1.0] * 30)
        self.assertEqual(self.levels(), ["warn", "info"])
        self.assertTrue(self.presence.there)

    def test_one_error_of_the_daemon(self) -> None:
        """What passes is not told, and leaves nothing."""
        self.exchange.answers = {**GOOD, "/networks": Answer(500, "Oops", b"")}
        self.ask("networks")
        self.exchange.answers = GOOD
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.told, [])
        self.assertTrue(self.presence.there)

    def test_a_network_is_unknown_in_dockers_own_words_only(self) -> None:
        """The page of a proxy does not say that a network is gone; Docker does, and that is a good answer."""
        path = f"/networks/{NETWORK['Id']}"
        self.exchange.answers = {path: Answer(404, "Not Found", b"<html>")}
        self.failureResultOf(Deferred.fromCoroutine(self.engine.network(NETWORK["Id"])), DockerRefused)
        self.exchange.answers = {path: Answer(404, "Not Found", b'{"message":"network not found"}')}
        self.failureResultOf(Deferred.fromCoroutine(self.engine.network(NETWORK["Id"])), NetworkUnknown)
        self.assertTrue(self.presence.there)

    def test_a_container_that_is_gone_by_now(self) -> None:
        """Docker says so, or lists it with another endpoint: both are good answers, and nobody asks again for ever."""
        path = "/containers/c0ffee/json"
        other = {"NetworkSettings": {"Networks": {"x": {"EndpointID": "other", "DriverOpts": None}}}}
        for answer in (Answer(404, "Not Found", b'{"message":"No such container: c0ffee"}'), other):
            self.exchange.answers = {path: answer}
            asking = Deferred.fromCoroutine(self.engine.driver_options("c0ffee", "endpoint"))
            problem = self.failureResultOf(asking, EndpointUnknown).value
            self.assertNotIsInstance(problem, DockerUnavailable)
            self.assertTrue(self.presence.there)
        self.assertEqual((self.told, self.clock.getDelayedCalls()), ([], []))
        self.exchange.answers = {path: Answer(404, "Not Found", b"<html>")}
        self.failureResultOf(Deferred.fromCoroutine(self.engine.driver_options("c0ffee", "endpoint")), DockerRefused)

    def test_stopped(self) -> None:
        """Nobody asks any more."""
        self.exchange.answers = {"*": DockerUnreachable}
        self.ask("networks")
        self.presence.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.ask("networks")
        self.assertEqual(self.clock.getDelayedCalls(), [])
