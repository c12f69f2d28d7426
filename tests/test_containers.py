"""Asking Docker whose endpoint it is: early, patiently, and without holding anything up."""

from __future__ import annotations

from collections.abc import Collection, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.containers import Containers
from nuage.errors import DockerUnavailable, NuageError
from nuage.model import Container
from tests.driver_support import ENDPOINT, NETWORK

WEB = Container(id="c0ffee", name="web")
OTHER = "b" * 64
OTHER_NETWORK = "d" * 64
#: Longer than all questions about an endpoint take.
LONG = 300
#: Seconds that a Join waits.
_PATIENCE = 0.5


class Docker:
    """Answers with ``answer``: a value, a failure, or not at all; but nothing of endpoints that are ``unknown``."""

    def __init__(self) -> None:
        self.answer: Container | Exception | Deferred[Container | None] | None = None
        self.unknown: set[str] = set()
        #: Network and endpoints of each question.
        self.asked: list[tuple[str, set[str]]] = []

    async def containers_of(self, network_id: str, endpoint_ids: Collection[str]) -> dict[str, Container | None]:
        """See nuage.docker.engine.Engine."""
        self.asked.append((network_id, set(endpoint_ids)))
        if isinstance(self.answer, Exception):
            raise self.answer
        answer = await self.answer if isinstance(self.answer, Deferred) else self.answer
        return {each: answer for each in endpoint_ids if each not in self.unknown}


def begin(work: Coroutine[Any, Any, Container | None]) -> Deferred[Container | None]:
    """Begin to wait for an answer."""
    return Deferred.fromCoroutine(work)


class ContainersCase(SynchronousTestCase):
    """A Docker that is played, on a clock that a test moves."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.docker = Docker()
        self.late: list[tuple[str, Container | None]] = []
        self.containers = Containers(self.clock, self.docker, lambda *found: self.late.append(found))
        self.addCleanup(self.assert_nothing_left)

    def assert_nothing_left(self) -> None:
        """No question is asked and no timer left once it is stopped."""
        self.containers.stop()
        assert self.clock.getDelayedCalls() == []

    def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps."""
        for _ in range(int(seconds * 100)):
            self.clock.advance(0.01)


class Asking(ContainersCase):
    """Questions."""

    def test_the_first_question_does_not_hold_up_the_call(self) -> None:
        """It is asked after CreateEndpoint is answered: before, Docker cannot know."""
        self.containers.expect(NETWORK, ENDPOINT)
        assert self.docker.asked == []
        self.clock.advance(0)
        assert self.docker.asked == [(NETWORK, {ENDPOINT})]

    def test_an_endpoint_is_expected_once(self) -> None:
        """A repeated CreateEndpoint asks no second time."""
        self.docker.answer = Deferred()
        for _ in range(3):
            self.containers.expect(NETWORK, ENDPOINT)
        self.pass_time(1)
        assert len(self.docker.asked) == 1

    def test_questions_become_rare_and_end(self) -> None:
        """Swarm makes endpoints without a container."""
        self.containers.expect(NETWORK, ENDPOINT)
        self.pass_time(0.1)
        early = len(self.docker.asked)
        assert 2 <= early <= 10
        self.pass_time(LONG)
        assert early < len(self.docker.asked) <= 30
        assert self.clock.getDelayedCalls() == []

    def test_an_endpoint_without_a_container_is_told_at_the_end(self) -> None:
        """It is settled then, and not before."""
        self.containers.expect(NETWORK, ENDPOINT)
        self.pass_time(10)
        assert not self.containers.settled(ENDPOINT)
        self.pass_time(LONG)
        assert self.containers.settled(ENDPOINT)
        assert self.late == [(ENDPOINT, None)]

    def test_a_docker_that_does_not_know_the_network_settles_nothing(self) -> None:
        """It may be another one than that which calls: what it cannot know is no word on the container. It is told."""
        self.docker.answer = NuageError("Docker at x knows no network y")
        self.containers.expect(NETWORK, ENDPOINT)
        with capturedLogs() as logged:
            self.pass_time(LONG)
        assert not self.containers.settled(ENDPOINT)
        assert self.late == []
        (warning,) = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]
        assert f"endpoint {ENDPOINT}" in warning
        assert "knows no network y; does DockerEndpoint name the Docker that calls this plugin?" in warning

    def test_a_docker_that_does_not_answer_ends_nothing(self) -> None:
        """However long it takes to start: what it has not said is not known."""
        self.docker.answer = DockerUnavailable("starting")
        self.containers.expect(NETWORK, ENDPOINT)
        self.pass_time(LONG)
        assert not self.containers.settled(ENDPOINT)
        self.docker.answer = WEB
        self.pass_time(1.1)
        assert self.containers.settled(ENDPOINT)
        assert self.late == [(ENDPOINT, WEB)]

    def test_a_docker_that_is_away_is_asked_once_a_second(self) -> None:
        """It may be away for hours, and have hundreds. Once it answers, it is asked about all of them."""
        self.docker.answer = DockerUnavailable("away")
        endpoints = [f"{number:064x}" for number in range(100)]
        for number, each in enumerate(endpoints):
            self.containers.expect(f"{number % 20:064x}", each)
        self.pass_time(LONG)
        assert LONG / 2 < len(self.docker.asked) <= LONG + 20
        # In turn about each network: what fails of one does not keep others from being asked about.
        assert len({network for network, _ in self.docker.asked[-20:]}) == 20
        self.docker.answer = WEB
        self.pass_time(2)
        while self.clock.getDelayedCalls():
            self.clock.advance(0)
        assert all(self.containers.settled(each) for each in endpoints)

    def test_many_searches_need_no_more_questions_than_one(self) -> None:
        """Five hundred endpoints that were created at once and not joined."""
        self.containers.expect(NETWORK, ENDPOINT)
        self.pass_time(LONG)
        one = len(self.docker.asked)
        many = {f"{number:064x}" for number in range(500)}
        for each in many:
            self.containers.expect(NETWORK, each)
        self.pass_time(LONG)
        assert len(self.docker.asked) == 2 * one
        assert self.docker.asked[one:] == [(NETWORK, many)] * one

    def test_searches_that_began_one_after_the_other_come_to_share_their_questions(self) -> None:
        """Five hundred endpoints within five seconds: soon they need a question every five seconds."""
        for number in range(500):
            self.containers.expect(NETWORK, f"{number:064x}")
            self.clock.advance(0.01)
        self.pass_time(10)
        before = len(self.docker.asked)
        self.pass_time(30)
        assert 6 <= len(self.docker.asked) - before <= 12

    def test_a_new_search_does_not_wait_for_old_ones(self) -> None:
        """Its first question is asked at once, and carries none of them."""
        for number in range(500):
            self.containers.expect(NETWORK, f"{number:064x}")
        self.pass_time(12)
        self.containers.expect(NETWORK, ENDPOINT)
        self.clock.advance(0)
        assert self.docker.asked[-1] == (NETWORK, {ENDPOINT})

    def test_one_question_at_a_time_about_a_network(self) -> None:
        """However many endpoints it has; the others follow when it is answered."""
        self.docker.answer = first = Deferred[Container | None]()
        self.containers.expect(NETWORK, ENDPOINT)
        self.clock.advance(0)
        self.containers.expect(NETWORK, OTHER)
        self.pass_time(1)
        assert self.docker.asked == [(NETWORK, {ENDPOINT})]
        self.docker.answer = None
        first.callback(None)
        self.clock.advance(0)
        assert OTHER in self.docker.asked[1][1]

    def test_a_slow_answer_about_a_network_does_not_hold_up_another(self) -> None:
        """Even if that is the only answer there has been; nor when it never comes."""
        for slow in range(3):
            self.docker.answer = hanging = Deferred[Container | None]()
            if slow:
                self.pass_time(1.1)
            else:
                self.join_in_vain(NETWORK, ENDPOINT)
            assert self.docker.asked[-1] == (NETWORK, {ENDPOINT})
            self.docker.answer = WEB
            other = f"{slow:064x}"
            self.containers.expect(OTHER_NETWORK, other)
            self.pass_time(1)
            assert self.containers.known(other) == WEB
            hanging.errback(DockerUnavailable("late"))
        assert not self.containers.settled(ENDPOINT)

    def join_in_vain(self, network_id: str, endpoint_id: str) -> None:
        """Wait for an answer that does not come in time."""
        found = begin(self.containers.of(network_id, endpoint_id))
        self.pass_time(_PATIENCE)
        assert self.successResultOf(found) is None

    def test_a_failure_about_a_network_does_not_silence_docker(self) -> None:
        """It has just answered about another one: Joins of that wait for it, those of the network do not."""
        self.docker.answer = failing = Deferred[Container | None]()
        first = begin(self.containers.of(NETWORK, ENDPOINT))
        self.pass_time(0.4)
        self.docker.answer = WEB
        self.containers.expect(OTHER_NETWORK, OTHER)
        self.clock.advance(0)
        failing.errback(DockerUnavailable("it answered 500"))
        assert self.successResultOf(first) is None
        self.docker.answer = Deferred()
        second = begin(self.containers.of(OTHER_NETWORK, "c" * 64))
        self.clock.advance(0)
        self.assertNoResult(second)
        self.docker.answer.callback(WEB)
        assert self.successResultOf(second) == WEB

    def test_a_docker_that_hangs_has_few_questions(self) -> None:
        """One more a second, and at most one about each network."""
        self.docker.answer = Deferred()
        self.join_in_vain(NETWORK, ENDPOINT)
        for number in range(100):
            self.containers.expect(f"{number % 20:064x}", f"{number:064x}")
        self.pass_time(5)
        assert 4 <= len(self.docker.asked) - 1 <= 6
        self.pass_time(LONG)
        assert len(self.docker.asked) == 21

    def test_a_join_has_docker_asked_at_once(self) -> None:
        """Also if Docker is just answering that it does not know the endpoint; not if the container is known."""
        self.docker.answer = first = Deferred[Container | None]()
        self.containers.expect(NETWORK, ENDPOINT)
        self.clock.advance(0)
        self.containers.ask_now(NETWORK, ENDPOINT)
        self.docker.answer = None
        first.callback(None)
        self.clock.advance(0)
        assert len(self.docker.asked) == 2
        self.pass_time(10)
        asked = len(self.docker.asked)
        self.docker.answer = WEB
        self.containers.ask_now(NETWORK, ENDPOINT)
        self.clock.advance(0)
        assert len(self.docker.asked) == asked + 1
        self.containers.ask_now(NETWORK, ENDPOINT)
        self.pass_time(1)
        assert len(self.docker.asked) == asked + 1

    def test_an_endpoint_that_docker_does_not_know(self) -> None:
        """It is told, and settles nothing; others of its network are settled. A Join has Docker asked again."""
        self.docker.unknown.add(OTHER)
        for each in (ENDPOINT, OTHER):
            self.containers.expect(NETWORK, each)
        with capturedLogs() as logged:
            self.pass_time(LONG)
        assert (self.containers.settled(ENDPOINT), self.containers.settled(OTHER)) == (True, False)
        (warning,) = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]
        assert f"endpoint {OTHER} is not known: Docker knows no such endpoint of network {NETWORK}" in warning
        self.docker.unknown.clear()
        self.docker.answer = WEB
        self.containers.ask_now(NETWORK, OTHER)
        self.clock.advance(0)
        assert self.containers.known(OTHER) == WEB

    def test_failures_end_nothing(self) -> None:
        """Docker away, or an answer that makes no sense."""
        self.containers.expect(NETWORK, ENDPOINT)
        for failure in (DockerUnavailable("away"), NuageError("nonsense")):
            self.docker.answer = failure
            asked = len(self.docker.asked)
            self.pass_time(10)
            assert len(self.docker.asked) > asked
        self.docker.answer = WEB
        self.pass_time(10)
        assert self.containers.known(ENDPOINT) == WEB

    def test_a_bug_is_logged_and_holds_nothing_up(self) -> None:
        """A Join goes on without the name."""
        self.docker.answer = ZeroDivisionError()
        found = begin(self.containers.of(NETWORK, ENDPOINT))
        self.pass_time(1)
        assert self.successResultOf(found) is None
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1

    def test_an_endpoint_that_is_gone_is_forgotten(self) -> None:
        """Even while Docker is being asked; forgetting twice is no error."""
        self.docker.answer = Deferred()
        self.containers.expect(NETWORK, ENDPOINT)
        self.clock.advance(0)
        self.containers.forget(ENDPOINT)
        self.containers.forget(ENDPOINT)
        assert self.docker.answer.called
        assert self.containers.known(ENDPOINT) is None
        assert self.clock.getDelayedCalls() == []

    def test_an_endpoint_that_is_gone_before_it_was_asked_about(self) -> None:
        """Docker is not asked for it, nor early for others."""
        self.containers.expect(NETWORK, OTHER)
        self.pass_time(10)
        asked = len(self.docker.asked)
        self.containers.expect(NETWORK, ENDPOINT)
        self.containers.forget(ENDPOINT)
        self.clock.advance(0)
        assert len(self.docker.asked) == asked
        self.containers.forget(OTHER)
        assert self.clock.getDelayedCalls() == []

    def test_a_question_that_others_share_goes_on(self) -> None:
        """One of its endpoints is gone; the answer is that of the other."""
        self.docker.answer = answer = Deferred[Container | None]()
        for each in (ENDPOINT, OTHER):
            self.containers.expect(NETWORK, each)
        self.clock.advance(0)
        self.containers.forget(ENDPOINT)
        assert not answer.called
        answer.callback(WEB)
        assert self.late == [(OTHER, WEB)]

    def both_removed_by_the_first(self) -> tuple[Deferred[Container | None], Deferred[Container | None]]:
        """Have two Joins wait, the first of which removes both endpoints when it goes on; return it and the answer."""

        def end(found: Container | None) -> Container | None:
            for each in (ENDPOINT, OTHER):
                self.containers.forget(each)
            return found

        self.docker.answer = answer = Deferred[Container | None]()
        first = begin(self.containers.of(NETWORK, ENDPOINT)).addCallback(end)
        begin(self.containers.of(NETWORK, OTHER))
        self.clock.advance(0)
        return first, answer

    def test_an_answer_that_ends_another_search_of_the_question(self) -> None:
        """A Join that goes on may let in the removal of the other endpoint."""
        first, answer = self.both_removed_by_the_first()
        answer.callback(WEB)
        assert self.successResultOf(first) == WEB
        self.clock.advance(_PATIENCE)
        assert self.clock.getDelayedCalls() == []

    def test_a_failure_that_ends_all_searches_of_the_question(self) -> None:
        """The same if Docker does not answer: the Joins go on without it."""
        first, answer = self.both_removed_by_the_first()
        answer.errback(DockerUnavailable("away"))
        assert self.successResultOf(first) is None
        self.clock.advance(_PATIENCE)
        assert self.clock.getDelayedCalls() == []

    def test_an_endpoint_that_comes_back_is_a_new_search(self) -> None:
        """What Docker is just saying of the former one is no answer."""
        self.docker.answer = answer = Deferred[Container | None]()
        for each in (ENDPOINT, OTHER):
            self.containers.expect(NETWORK, each)
        self.clock.advance(0)
        self.containers.forget(ENDPOINT)
        self.containers.expect(NETWORK, ENDPOINT)
        answer.callback(WEB)
        assert self.containers.known(ENDPOINT) is None
        self.docker.answer = None
        self.clock.advance(0)
        assert self.docker.asked[-1] == (NETWORK, {ENDPOINT})


class Waiting(ContainersCase):
    """A Join that wants the name."""

    def test_what_was_found_before_is_there_at_once(self) -> None:
        """And nobody is told of it late."""
        self.docker.answer = WEB
        self.containers.expect(NETWORK, ENDPOINT)
        self.clock.advance(0)
        assert self.successResultOf(begin(self.containers.of(NETWORK, ENDPOINT))) == WEB

    def test_an_answer_within_the_patience_is_waited_for(self) -> None:
        """By all who wait, and then it is not late."""
        self.docker.answer = waiting = Deferred[Container | None]()
        found = [begin(self.containers.of(NETWORK, ENDPOINT)) for _ in range(2)]
        self.clock.advance(0)
        self.clock.advance(0.05)
        waiting.callback(WEB)
        assert [self.successResultOf(each) for each in found] == [WEB, WEB]
        assert self.late == []

    def test_a_late_answer_is_passed_on(self) -> None:
        """The Join went on without it after half a second."""
        self.docker.answer = waiting = Deferred[Container | None]()
        found = begin(self.containers.of(NETWORK, ENDPOINT))
        self.clock.advance(0)
        self.clock.advance(0.499)
        self.assertNoResult(found)
        self.clock.advance(0.001)
        assert self.successResultOf(found) is None
        waiting.callback(WEB)
        assert self.late == [(ENDPOINT, WEB)]
        assert self.containers.known(ENDPOINT) == WEB

    def test_a_silent_docker_is_waited_for_once(self) -> None:
        """A daemon that starts restores a hundred containers, and answers nothing before."""
        self.docker.answer = Deferred()
        first, second = (begin(self.containers.of(NETWORK, each)) for each in (ENDPOINT, OTHER))
        self.clock.advance(0.5)
        assert (self.successResultOf(first), self.successResultOf(second)) == (None, None)
        assert self.successResultOf(begin(self.containers.of(NETWORK, "c" * 64))) is None

    def test_others_come_and_go_when_it_falls_silent(self) -> None:
        """A Join that goes on may end at once, and let in a call about another endpoint, or its removal."""
        self.docker.answer = Deferred()
        found = [begin(self.containers.of(NETWORK, each)) for each in (ENDPOINT, OTHER)]
        found[0].addCallback(lambda _: self.containers.expect(NETWORK, "c" * 64))
        found[1].addCallback(lambda _: self.containers.forget(ENDPOINT))
        self.pass_time(1)
        for each in found:
            self.successResultOf(each)

    def test_one_endpoint_without_an_answer_makes_no_silent_docker(self) -> None:
        """Swarm's own have no container: Docker answers for the others meanwhile, who are waited for."""
        found = begin(self.containers.of(NETWORK, ENDPOINT))
        self.pass_time(0.6)
        assert self.successResultOf(found) is None
        other = begin(self.containers.of(NETWORK, OTHER))
        self.assertNoResult(other)
        self.docker.answer = WEB
        self.clock.advance(0)
        assert self.successResultOf(other) == WEB

    def test_a_docker_that_refuses_is_not_waited_for(self) -> None:
        """Its failure to answer is known at once."""
        self.docker.answer = DockerUnavailable("refused")
        found = begin(self.containers.of(NETWORK, ENDPOINT))
        self.clock.advance(0)
        assert self.successResultOf(found) is None

    def test_a_docker_that_answers_again_is_waited_for_again(self) -> None:
        """It was silent, and has told something since."""
        self.docker.answer = DockerUnavailable("refused")
        self.containers.expect(NETWORK, ENDPOINT)
        self.clock.advance(0)
        self.docker.answer = WEB
        self.pass_time(1)
        self.docker.answer = None
        self.assertNoResult(begin(self.containers.of(NETWORK, OTHER)))
        self.clock.advance(0.5)

    def test_a_join_that_is_given_up_waits_no_more(self) -> None:
        """The others go on waiting, and the search too."""
        self.docker.answer = waiting = Deferred[Container | None]()
        given_up, other = (begin(self.containers.of(NETWORK, ENDPOINT)) for _ in range(2))
        self.clock.advance(0)
        given_up.cancel()
        self.failureResultOf(given_up, CancelledError)
        self.assertNoResult(other)
        waiting.callback(WEB)
        assert self.successResultOf(other) == WEB

    def test_the_end_leaves_nobody_waiting_for_long(self) -> None:
        """A Join that waits while the daemon stops goes on when its patience is over."""
        found = begin(self.containers.of(NETWORK, ENDPOINT))
        self.containers.stop()
        self.clock.advance(0.5)
        assert self.successResultOf(found) is None
