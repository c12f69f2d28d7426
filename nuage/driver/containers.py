"""Which container an endpoint belongs to.

Docker does not tell this in its calls, and answers no question while it starts. So it is asked as soon as an endpoint
exists. A Join waits for the answer, but not for long, and a late answer is passed on when it comes.
A Docker that does not answer is asked until it does, because only its answer can end the search. It is then asked about
one endpoint at a time: it may be away for hours while hundreds of containers run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.driver.turns import Turns
from nuage.errors import DockerUnavailable, NuageError
from nuage.model import Container

#: Seconds before each question. The first is asked right after CreateEndpoint is answered: Docker lists an endpoint
#: once it has stored it, and calls Join some five milliseconds later. If the last answer names no container, the
#: endpoint counts as one that has none, such as Swarm's own. It does not if Docker does not know the endpoint at all.
_PAUSES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, *[5.0] * 12)
#: Seconds until a Docker that did not answer is asked again, about any endpoint. While it starts, it also keeps each
#: question waiting.
_SILENCE = 1.0
#: Seconds that a Join waits for the answer. Docker gives it within 2 ms, or 0.3 s when 40 containers start at once.
#: A Docker that is starting gives none, and all its Joins wait at the same time.
_PATIENCE = 0.5


class ContainerSource(Protocol):
    """What can be asked: :class:`nuage.docker.engine.Engine`."""

    async def container_of(self, network_id: str, endpoint_id: str) -> Container | None:
        """Return the endpoint's container, None if it has none yet.

        Raises:
            DockerUnavailable: Docker does not tell.
            NuageError: Docker knows no such endpoint.
        """


@attrs.define(eq=False)
class _Search:
    search: Deferred[None] | None = None
    found: Container | None = None
    problem: str = ""
    over: bool = False
    waiting: list[Deferred[None]] = attrs.field(factory=list)

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
        self._silent = False
        self._heard = -_PATIENCE
        self._turns = Turns(clock)

    def expect(self, network_id: str, endpoint_id: str) -> None:
        """Begin to ask for an endpoint's container."""
        if endpoint_id not in self._searches:
            search = self._searches[endpoint_id] = _Search()
            search.search = Deferred.fromCoroutine(self._search(network_id, endpoint_id, search))
            search.search.addErrback(self._ended, endpoint_id)

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
        search = self._searches.pop(endpoint_id, None)
        if search is not None and search.search is not None:
            search.search.cancel()

    def stop(self) -> None:
        """Ask no more at all."""
        for endpoint_id in list(self._searches):
            self.forget(endpoint_id)

    def _patience_ended(self) -> None:
        # A Docker that answers others has no answer for this one.
        if self._clock.seconds() - self._heard >= _PATIENCE:
            self._fell_silent()

    def _fell_silent(self) -> None:
        """Let nobody wait until Docker has answered something."""
        self._silent = True
        # A call that goes on may end at once, and let in one that begins or ends another search.
        for search in list(self._searches.values()):
            search.release()

    def _ended(self, failure: Failure, endpoint_id: str) -> None:
        if not failure.check(CancelledError):
            self._log.failure("asking for the container of endpoint {endpoint}", failure, endpoint=endpoint_id)

    async def _search(self, network_id: str, endpoint_id: str, search: _Search) -> None:
        for pause in _PAUSES:
            await deferLater(self._clock, pause)
            while not await self._ask(network_id, endpoint_id, search):
                await self._silence_over()
            if search.found is not None:
                break
        if search.problem:
            # If Docker has a container after all, the audit finds it.
            self._log.warn(
                "the container of endpoint {endpoint} is not known: {problem}; "
                "does DockerEndpoint name the Docker that calls this plugin?",
                endpoint=endpoint_id,
                problem=search.problem,
            )
            return
        search.over = True
        if not search.release():
            self._found_late(endpoint_id, search.found)

    async def _silence_over(self) -> None:
        """Wait until Docker has answered somebody, or until it is time to ask again."""
        async with self._turns.turn("silence"):
            if self._silent:
                await deferLater(self._clock, _SILENCE)

    async def _ask(self, network_id: str, endpoint_id: str, search: _Search) -> bool:
        """Ask once; return whether Docker answered, whatever it said."""
        search.problem = ""
        try:
            search.found = await self._source.container_of(network_id, endpoint_id)
        except DockerUnavailable as problem:
            self._fell_silent()
            self._log.debug("{problem}", problem=str(problem))
            return False
        except NuageError as problem:
            search.problem = str(problem)
        self._silent = False
        self._heard = self._clock.seconds()
        return True
