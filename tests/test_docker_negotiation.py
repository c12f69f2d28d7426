"""In which version of its API Docker is asked: the highest that both know, agreed anew when another Docker is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nuage.docker.engine import connect
from nuage.docker.negotiation import HIGHEST, LOWEST, Version
from nuage.errors import DockerRefused, DockerUnavailable
from tests.test_docker_engine import NETWORK_ID, Daemon, DaemonCase, docker, failure_of, http

reactor = cast(Any, _reactor)

KNOWN = f"this plugin knows API versions {LOWEST} to {HIGHEST}"


class VersionTests(SynchronousTestCase):
    """What a version is."""

    def test_order(self) -> None:
        """It is that of numbers, not of texts."""
        self.assertLess(Version.parse("1.9"), Version.parse("1.41"))
        self.assertLess(Version.parse("1.51"), Version.parse("2.0"))
        self.assertEqual(str(Version.parse("1.41")), "1.41")

    def test_not_a_version(self) -> None:
        not_versions = ("", "1", "1.x", "1.4.1", "v1.41", "1.-5", "+1.41", "1.4_1", " 1.41", "1.41\n", "1.٤١")
        for text in (*not_versions, "1." + "9" * 10):
            with self.subTest(text):
                self.assertRaises(ValueError, Version.parse, text)


class NegotiationTests(DaemonCase):
    """Questions to daemons that take some versions only."""

    async def ask(self) -> None:
        """Ask for the networks, with success."""
        self.assertEqual([network.id for network in await self.engine.networks(bool)], [NETWORK_ID, "e" * 64])

    async def check(self, versions: tuple[str, str], spoken: str) -> None:
        """Ask a daemon twice; see that it was asked in a version, which was agreed once."""
        daemon = self.listen(docker, versions)
        await self.ask()
        await self.engine.network(NETWORK_ID)
        paths = [f"/v{spoken}/networks", f"/v{spoken}/networks/{NETWORK_ID}"]
        self.assertEqual(daemon.paths, ["/_ping", *paths])
        self.assertEqual(self.engine.presence.api_version, spoken)
        self.assertTrue(self.engine.presence.there)

    async def test_docker_20_10(self) -> None:
        await self.check(("1.12", "1.41"), "1.41")

    async def test_only_1_44_and_later(self) -> None:
        await self.check(("1.44", "1.54"), str(HIGHEST))

    async def test_only_1_40_and_earlier(self) -> None:
        await self.check(("1.12", "1.40"), "1.40")

    async def test_only_too_late_versions(self) -> None:
        """The message has the daemon's words, and what is known here."""
        self.listen(docker, ("1.60", "1.70"))
        problem = await failure_of(self.engine.networks(bool), DockerRefused)
        said = f"client version {HIGHEST} is too old. Minimum supported API version is 1.60"
        self.assertIn(f"(DockerEndpoint): GET /v{HIGHEST}/networks: it answered 400: {said}", str(problem))
        self.assertTrue(str(problem).endswith(f"; {KNOWN}"), problem)
        self.assertIn(said, self.engine.presence.status)

    async def test_only_too_early_versions(self) -> None:
        """Docker is not asked for more, and is asked anew for its version the next time."""
        daemon = self.listen(docker, ("1.12", "1.31"))
        for _ in range(2):
            problem = await failure_of(self.engine.networks(bool), DockerRefused)
            self.assertEqual(
                str(problem),
                f"Docker at {self.address} (DockerEndpoint): GET /_ping: it takes API 1.31 and earlier; {KNOWN}",
            )
        self.assertEqual(daemon.paths, ["/_ping"] * 2)
        daemon.versions = ("1.12", "1.32")
        await self.ask()

    async def test_another_release_takes_its_place(self) -> None:
        """It refuses the version: another is agreed, and whoever asked notices nothing."""
        daemon = self.listen(docker, ("1.44", "1.51"))
        await self.ask()
        for versions, spoken in ((("1.12", "1.41"), "1.41"), (("1.44", "1.48"), "1.48")):
            daemon.versions, daemon.paths = versions, []
            await self.ask()
            self.assertEqual(daemon.paths[1:], ["/_ping", f"/v{spoken}/networks"])
            self.assertEqual(self.engine.presence.api_version, spoken)

    async def test_docker_was_away(self) -> None:
        """Nobody listened, or the connection was closed: who is there now is asked for its version."""
        daemon = Daemon(docker, ("1.12", "1.41"))
        for away in (False, True):
            port = self.port(daemon)
            await self.ask()
            if away:
                await port.stopListening()
            else:
                daemon.answer = lambda _target: b""
            await failure_of(self.engine.networks(bool), DockerUnavailable)
            if not away:
                await port.stopListening()
            daemon.answer, daemon.paths, daemon.versions = docker, [], ("1.12", "1.48")
        port = self.port(daemon)
        await self.ask()
        self.assertEqual(daemon.paths, ["/_ping", "/v1.48/networks"])
        await port.stopListening()

    def port(self, daemon: Daemon) -> Any:
        """Listen for a while."""
        return reactor.listenUNIX(str(self.path), daemon)

    async def test_a_refusal_that_has_another_reason(self) -> None:
        """The version is asked for again, but a question is not repeated in the same version."""
        daemon = self.listen(lambda _target: http({"message": "odd"}, 400))
        problem = await failure_of(self.engine.networks(bool), DockerRefused)
        self.assertIn("GET /v1.41/networks: it answered 400: odd; ", str(problem))
        self.assertEqual(daemon.paths, ["/_ping", "/v1.41/networks", "/_ping"])

    async def test_a_proxy_that_does_not_tell(self) -> None:
        """It refuses the question, or cuts the answer's header: Docker is asked without one, which is told once."""
        daemon = self.listen(docker)
        for ping, said in (
            (http(b"<html>", 403), "GET /_ping: it answered 403 X: <html>; Docker is asked without a version"),
            (http(b"OK"), "GET /_ping: its answer names no version; Docker is asked without a version"),
        ):
            self.engine = connect(reactor, self.address, 2.0, clock=self.clock)
            daemon.ping, daemon.paths = partial(bytes, ping), []
            with capturedLogs() as events:
                await self.ask()
                await self.ask()
            self.assertEqual(daemon.paths, ["/_ping", "/networks", "/networks"])
            (line,) = [str(formatEvent(event)) for event in events if event["log_namespace"].endswith("Presence")]
            self.assertIn(said, line)
            self.assertIn("has to allow GET /_ping and paths with a version", line)
            self.assertTrue(self.engine.presence.there)

    async def test_a_header_that_is_not_text(self) -> None:
        """It names no version, and does no other harm."""
        daemon = self.listen(docker)
        for header in (b"Api-Version: \xff1.41\r\n", b"Server: Docker/\xff\r\nApi-Version: one\r\n"):
            self.engine = connect(reactor, self.address, 2.0, clock=self.clock)
            pong = http(b"OK").replace(b"Content-Type", header + b"Content-Type")
            daemon.ping, daemon.paths = partial(bytes, pong), []
            await self.ask()
            self.assertEqual(daemon.paths, ["/_ping", "/networks"])

    async def test_a_header_without_end(self) -> None:
        """The connection is cut, and the message says what was asked."""
        daemon = self.listen(docker)
        daemon.ping = partial(http, b"OK", headers=f"Api-Version: {'1' * 70000}\r\n")
        problem = await failure_of(self.engine.networks(bool), DockerUnavailable)
        self.assertIn("GET /_ping: no answer", str(problem))

    async def test_a_proxy_that_is_put_right(self) -> None:
        """It refused ``/_ping``. Now it takes that, and only paths with a version."""
        daemon = self.listen(docker)
        good, daemon.ping = daemon.ping, partial(http, b"<html>", 403)
        await self.ask()
        daemon.ping, daemon.paths = good, []
        daemon.answer_without_version = partial(http, b"<html>", 403)
        await self.ask()
        self.assertEqual(daemon.paths, ["/networks", "/_ping", "/v1.41/networks"])

    async def test_an_error_of_the_daemon(self) -> None:
        """It is no answer: the question is not asked, and the next one begins anew."""
        daemon = self.listen(docker)
        good, daemon.ping = daemon.ping, lambda: http({"message": "starting"}, 503)
        problem = await failure_of(self.engine.networks(bool), DockerUnavailable)
        self.assertNotIsInstance(problem, DockerRefused)
        self.assertIn("GET /_ping: it answered 503: starting", str(problem))
        daemon.ping = good
        await self.ask()

    async def test_one_time_for_all(self) -> None:
        """Agreeing takes from the time of the question."""
        daemon = self.listen(lambda _target: None)
        ping = daemon.ping

        def slow() -> bytes:
            self.clock.advance(1.5)
            return ping()

        daemon.ping = slow
        asked = daemon.event(daemon.asked)
        outcome = Deferred.fromCoroutine(self.engine.networks(bool))
        await asked
        self.clock.advance(0.4)
        self.assertNoResult(outcome)
        self.clock.advance(0.2)
        problem = str(await failure_of(outcome, DockerUnavailable))
        self.assertTrue(re.search("GET /v1.41/networks: late: .* docker_timeout, 2 seconds", problem), problem)

    async def test_slow_answers(self) -> None:
        """If agreeing and the question together take too long, what was agreed holds for the next question."""
        daemon = self.listen(docker)

        def slow(good: Callable[..., bytes]) -> Callable[..., bytes]:
            def answer(*arguments: str) -> bytes:
                self.clock.advance(1.5)
                return good(*arguments)

            return answer

        daemon.ping, daemon.answer = slow(daemon.ping), slow(docker)
        await failure_of(self.engine.networks(bool), DockerUnavailable)
        daemon.paths = []
        await self.ask()
        self.assertEqual(daemon.paths, ["/v1.41/networks"])
