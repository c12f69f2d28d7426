"""Which container an endpoint belongs to.

Docker does not say so in its calls, and answers no question while it starts. So it is asked as soon as an endpoint
exists, and again when its Join begins. A Join waits for the answer, but not for long, and a late answer is passed on
when it comes.

All searches share their questions. Docker is asked one at a time, about the endpoint that is due and about those of its
network that will be due before it is due again. The longer a search lasts, the longer are its pauses. So many searches
need hardly more questions than one.

A Docker that does not answer is asked until it does, because only its answer can end a search. It may be away for hours
while hundreds of containers run, so it then gets one question a second for all of them.
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
#: Seconds until a Docker that did not answer is asked again, about any endpoint. While it starts, it also keeps each
#: question waiting.
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
    failed: bool = False
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
        self._question: Deferred[None] | None = None
        #: Those that the question is about, until it is answered.
        self._asked_for: list[_Search] = []
        self._silent = False
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
            search.restart(self._clock.seconds())
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
            answered.addTimeout(_PATIENCE, self._clock, lambda _outcome, _seconds: self._patience_ended())
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

    def forget(self, endpoint_id: str) -> None:
        """Ask no more for an endpoint that is gone."""
        self._searches.pop(endpoint_id, None)
        self._sought.pop(endpoint_id, None)
        if self._question is not None and self._asked_for and not any(map(self._goes_on, self._asked_for)):
            self._question.cancel()
        self._schedule()

    def stop(self) -> None:
        """Ask no more at all."""
        for endpoint_id in list(self._searches):
            self.forget(endpoint_id)

    def _goes_on(self, search: _Search) -> bool:
        return self._sought.get(search.endpoint_id) is search

    def _patience_ended(self) -> None:
        # A Docker that answers others has no answer for this one.
        if self._clock.seconds() - self._heard >= _PATIENCE:
            self._fell_silent()

    def _fell_silent(self) -> None:
        """Let nobody wait until Docker has answered something."""
        self._silent = True
        # A call that goes on may end at once, and let in one that begins or ends another search.
        for search in list(self._sought.values()):
            search.release()

    def _schedule(self) -> None:
        """Have the next question asked when it is time for it, unless one is being asked."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._sought and self._question is None:
            pause = min(map(_DUE, self._sought.values())) - self._clock.seconds()
            self._next = self._clock.callLater(max(pause, 0), self._begin_question)

    def _begin_question(self) -> None:
        self._next = None
        now = self._clock.seconds()
        first = min(self._sought.values(), key=_DUE)
        first.pause(now)
        searches = self._asked_for = [
            search
            for search in self._sought.values()
            if search.network_id == first.network_id and search.due <= first.due
        ]
        for search in searches:
            search.pause(now)
        self._question = Deferred.fromCoroutine(self._ask(first.network_id, searches))
        self._question.addErrback(self._failed, searches).addCallback(self._end_question)

    def _end_question(self, _result: None) -> None:
        self._question = None
        self._schedule()

    def _failed(self, failure: Failure, searches: Collection[_Search]) -> None:
        if not failure.check(CancelledError):
            endpoints = [search.endpoint_id for search in searches]
            self._log.failure("asking for the containers of endpoints {endpoints}", failure, endpoints=endpoints)
            for search in filter(self._goes_on, searches):
                del self._sought[search.endpoint_id]

    async def _ask(self, network_id: str, searches: Collection[_Search]) -> None:
        asked = self._clock.seconds()
        problem = f"Docker knows no such endpoint of network {network_id}"
        found: Mapping[str, Container | None] = {}
        try:
            found = await self._source.containers_of(network_id, [search.endpoint_id for search in searches])
        except DockerUnavailable as unavailable:
            self._log.debug("{problem}", problem=str(unavailable))
            self._unanswered(searches)
            return
        except NuageError as unknown:
            problem = str(unknown)
        self._answered()
        for search in filter(self._goes_on, searches):
            search.found = found.get(search.endpoint_id)
            if search.found is not None or asked - search.begun >= _SEARCH_TIME:
                self._end(search, "" if search.endpoint_id in found else problem)

    def _unanswered(self, searches: Collection[_Search]) -> None:
        """Have a Docker that did not answer asked again, in turn about each network of which it told nothing."""
        self._asked_for = []
        for search in searches:
            search.failed = True
        networks = {search.network_id for search in self._sought.values() if search.failed}
        moment = self._clock.seconds() + _SILENCE * len(networks)
        for search in searches:
            search.restart(moment)
        self._fell_silent()

    def _answered(self) -> None:
        """Have Docker asked at once for all about which it did not answer before."""
        self._asked_for = []
        self._heard = now = self._clock.seconds()
        if self._silent:
            self._silent = False
            for search in self._sought.values():
                if search.failed:
                    search.failed = False
                    search.restart(now)

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
