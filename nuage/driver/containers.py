"""Which container an endpoint belongs to.

Docker does not say so in its calls, and answers no question while it starts. So it is asked as soon as an endpoint
exists, and again when its Join begins. A Join waits for the answer, but not for long, and a late answer is passed on
when it comes.

The searches of a network share their questions. They are asked one at a time, about the endpoint that is due and about
those that will be due before it is due again. The longer a search lasts, the longer are its pauses. So many searches
need hardly more questions than one. Networks do not wait for each other: Docker may be slow about one of them alone.

A Docker that does not answer is asked until it does, because only its answer can end a search. It may be away for hours
while hundreds of containers run, so it then gets one question a second for all of them, about each network in turn, and
one for each Join.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.errors import DockerUnavailable, NuageError
from nuage.model import Container

#: Seconds between two questions about an endpoint: as long as its search has lasted, within these bounds. The first one
#: is asked right after CreateEndpoint is answered: Docker lists an endpoint once it has stored it, and calls Join some
#: five milliseconds later.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 5.0
#: Seconds that a search lasts. If Docker then still names no container, the endpoint counts as one that has none, such
#: as Swarm's own. It does not if Docker does not know the endpoint at all.
_SEARCH_TIME = 60.0
#: Seconds between two questions to a Docker that does not answer, about any endpoint.
_SILENCE = 1.0
#: Seconds that a Join waits for the answer. Docker gives it within 2 ms, or 0.3 s when 40 containers start at once.
#: A Docker that is starting gives none, and all its Joins wait at the same time.
_PATIENCE = 0.5


class ContainerSource(Protocol):
    """What can be asked: :class:`nuage.docker.engine.Engine`."""

    async def containers_of(self, network_id: str, endpoint_ids: Collection[str]) -> Mapping[str, Container | None]:
        """Return the container of each endpoint that Docker knows, None if it has none yet.

        Raises:
            DockerUnavailable: Docker does not tell.
            NuageError: Docker knows no such network.
        """


#: When to ask about an endpoint.
_DUE = attrgetter("due")


@attrs.define(eq=False)
class _Search:
    """What is known of an endpoint, and when to ask about it. Times are the clock's, in seconds."""

    network_id: str
    endpoint_id: str
    begun: float
    due: float
    found: Container | None = None
    over: bool = False
    waiting: list[Deferred[None]] = attrs.field(factory=list)

    def restart(self, moment: float) -> None:
        """Let it begin anew at some moment, with short pauses."""
        self.begun = self.due = moment

    def pause(self, now: float) -> None:
        """Make it due after a pause. A restart before Docker has answered makes it due again at once."""
        self.due = now + min(max(now - self.begun, _SHORTEST_PAUSE), _LONGEST_PAUSE)

    def release(self) -> bool:
        """Let everybody who waits for the answer go on; return whether anybody did."""
        waiting, self.waiting = [waiter for waiter in self.waiting if not waiter.called], []
        for waiter in waiting:
            waiter.callback(None)
        return bool(waiting)


@attrs.define(eq=False)
class _Question:
    """A question about endpoints of one network that is not answered yet; it was asked at the clock's ``moment``."""

    network_id: str
    searches: Collection[_Search]
    moment: float
    answer: Deferred[Mapping[str, Container | None]]


class Containers:
    """Finds the containers of endpoints.

    Args:
        clock: Measures pauses and patience.
        source: Answers the questions.
        found_late: Called with an endpoint's id and its container (None if it has none) if nobody waits any more when
            that becomes known.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, source: ContainerSource, found_late: Callable[[str, Container | None], None]
    ) -> None:
        self._clock = clock
        self._source = source
        self._found_late = found_late
        self._searches: dict[str, _Search] = {}
        #: Those of the searches that go on.
        self._sought: dict[str, _Search] = {}
        self._next: IDelayedCall | None = None
        #: By network.
        self._questions: dict[str, _Question] = {}
        self._silent = False
        #: When a silent Docker may be asked again.
        self._again = 0.0
        self._heard = -_PATIENCE

    def expect(self, network_id: str, endpoint_id: str) -> None:
        """Begin to ask for an endpoint's container."""
        if endpoint_id not in self._searches:
            now = self._clock.seconds()
            search = _Search(network_id, endpoint_id, begun=now, due=now)
            self._searches[endpoint_id] = self._sought[endpoint_id] = search
            self._schedule()

    def ask_now(self, network_id: str, endpoint_id: str) -> None:
        """Ask at once, unless the container is known: Docker calls Join, so it has stored the endpoint."""
        self.expect(network_id, endpoint_id)
        search = self._searches[endpoint_id]
        if not search.over:
            self._again = self._clock.seconds()
            search.restart(self._again)
            self._sought[endpoint_id] = search
            self._schedule()

    async def of(self, network_id: str, endpoint_id: str) -> Container | None:
        """Return the endpoint's container, None if Docker does not tell it soon."""
        self.expect(network_id, endpoint_id)
        search = self._searches[endpoint_id]
        # Nobody waits again for a Docker that was silent until it has answered something.
        if search.found is None and not (search.over or self._silent):
            answered: Deferred[None] = Deferred()
            search.waiting.append(answered)
            answered.addTimeout(_PATIENCE, self._clock, lambda _outcome, _seconds: self._missed())
            await answered
        return search.found

    def known(self, endpoint_id: str) -> Container | None:
        """Return the endpoint's container if it has been found already."""
        search = self._searches.get(endpoint_id)
        return search.found if search else None

    def settled(self, endpoint_id: str) -> bool:
        """Tell whether Docker has told the endpoint's container, or that it has none."""
        search = self._searches.get(endpoint_id)
        return search is not None and search.over

    @property
    def endpoints(self) -> list[str]:
        """The endpoints whose containers are known or asked for."""
        return list(self._searches)

    def forget(self, endpoint_id: str) -> None:
        """Ask no more for an endpoint that is gone."""
        self._sought.pop(endpoint_id, None)
        search = self._searches.pop(endpoint_id, None)
        question = self._questions.get(search.network_id) if search else None
        if question is not None and not any(map(self._goes_on, question.searches)):
            question.answer.cancel()
        self._schedule()

    def stop(self) -> None:
        """Ask no more at all."""
        for endpoint_id in list(self._searches):
            self.forget(endpoint_id)

    def _goes_on(self, search: _Search) -> bool:
        return self._sought.get(search.endpoint_id) is search

    def _missed(self) -> None:
        """Note that an answer is missing. That is silence, unless Docker has just answered another question."""
        if self._clock.seconds() - self._heard < _PATIENCE:
            return
        # Let nobody wait until Docker has answered something.
        self._silent = True
        # A call that goes on may end at once, and let in one that begins or ends another search.
        for search in list(self._sought.values()):
            search.release()

    def _askable(self) -> list[_Search]:
        """Return the searches of networks about which no question is under way."""
        return [search for search in self._sought.values() if search.network_id not in self._questions]

    def _schedule(self) -> None:
        """Have the next question asked when it is time for it."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if searches := self._askable():
            moment = min(map(_DUE, searches))
            if self._silent:
                moment = max(moment, self._again)
            self._next = self._clock.callLater(max(moment - self._clock.seconds(), 0), self._begin_question)

    def _begin_question(self) -> None:
        self._next = None
        now = self._clock.seconds()
        self._again = now + _SILENCE
        first = min(self._askable(), key=_DUE)
        first.pause(now)
        network_id = first.network_id
        searches = [
            search for search in self._sought.values() if search.network_id == network_id and search.due <= first.due
        ]
        for search in searches:
            search.pause(now)
        endpoint_ids = [search.endpoint_id for search in searches]
        answer = Deferred.fromCoroutine(self._source.containers_of(network_id, endpoint_ids))
        question = self._questions[network_id] = _Question(network_id, searches, now, answer)
        taking = Deferred.fromCoroutine(self._take(question)).addErrback(self._failed, question)
        taking.addCallback(lambda _result: self._schedule())
        self._schedule()

    def _failed(self, failure: Failure, question: _Question) -> None:
        if not failure.check(CancelledError):
            endpoints = [search.endpoint_id for search in question.searches]
            self._log.failure("asking for the containers of endpoints {endpoints}", failure, endpoints=endpoints)
            for search in filter(self._goes_on, question.searches):
                del self._sought[search.endpoint_id]

    async def _take(self, question: _Question) -> None:
        """Take the answer when it comes."""
        problem = f"Docker knows no such endpoint of network {question.network_id}"
        found: Mapping[str, Container | None] = {}
        try:
            found = await question.answer
        except DockerUnavailable as unavailable:
            self._log.debug("{problem}", problem=str(unavailable))
            self._unanswered(question.searches)
            return
        except NuageError as unknown:
            problem = str(unknown)
        finally:
            del self._questions[question.network_id]
        self._heard = self._clock.seconds()
        self._silent = False
        for search in filter(self._goes_on, question.searches):
            search.found = found.get(search.endpoint_id)
            if search.found is not None or question.moment - search.begun >= _SEARCH_TIME:
                self._end(search, "" if search.endpoint_id in found else problem)

    def _unanswered(self, searches: Collection[_Search]) -> None:
        """Have Docker asked again soon. Nobody waits for that."""
        for search in searches:
            search.restart(self._clock.seconds() + _SILENCE)
            search.release()
        self._missed()

    def _end(self, search: _Search, problem: str) -> None:
        del self._sought[search.endpoint_id]
        if problem:
            # If Docker has a container after all, the audit finds it.
            self._log.warn(
                "the container of endpoint {endpoint} is not known: {problem}; "
                "does DockerEndpoint name the Docker that calls this plugin?",
                endpoint=search.endpoint_id,
                problem=problem,
            )
            return
        search.over = True
        if not search.release():
            self._found_late(search.endpoint_id, search.found)
