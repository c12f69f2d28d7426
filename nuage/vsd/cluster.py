"""The VSD's servers: a request goes to one that answers.

One server may be several: the nodes of a cluster. The one that answered last is asked first. What may be repeated goes
to the next one, and after a pause to all of them again. While none of them answers, a request is tried once at each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from nuage.errors import VsdUnavailable
from nuage.http import NoAnswer, Requests, Response
from nuage.vsd.answers import refusal
from nuage.watchers import Watchers

#: Seconds before another round of all servers, of which up to half are left to chance: the hosts of a data centre come
#: back all at once.
_PAUSES = (0.1, 0.3, 0.9)


@attrs.frozen(kw_only=True)
class Request:
    """What is asked of the VSD.

    Attributes:
        method: HTTP's method.
        path: Below the version, with its query.
        headers: Without those of the login.
        body: JSON.
        repeatable: Whether nothing comes of it if the VSD gets it twice.
    """

    method: str
    path: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    repeatable: bool = False

    def __str__(self) -> str:
        """Name it, for messages."""
        where = self.headers.get("X-Nuage-Filter")
        return f"{self.method} {self.path.partition('?')[0]}" + (f" where {where}" if where else "")


@attrs.frozen(kw_only=True)
class Asked:
    """How one server was asked.

    Args:
        method: HTTP's method.
        code: The status of its answer; "none" if it did not answer.
        seconds: How long that took.
    """

    method: str
    code: str
    seconds: float


class AnswerLost(VsdUnavailable):
    """The VSD may have done what was asked, and did not tell."""


class Cluster:
    """Sends requests to the servers of one VSD.

    Args:
        requests: Sends one over HTTP.
        clock: Measures the pauses.
        urls: The servers, each up to the version of the interface.
        timeout: Seconds that one request may take, its repetitions included.
        chance: Returns a number from 0 to 1.
    """

    def __init__(
        self,
        requests: Requests,
        clock: IReactorTime,
        urls: Sequence[str],
        timeout: float,
        chance: Callable[[], float],
    ) -> None:
        self._requests = requests
        self._clock = clock
        self._urls = list(urls)
        self._timeout = timeout
        self._chance = chance
        #: Tells how each server was asked, each repetition.
        self.asked: Watchers[Asked] = Watchers("requests to the VSD")
        #: Whether no server answered the last request that had time for it. The next one does not wait for that again.
        self._away = False

    async def ask(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Return the answer of a server that is able to give one.

        Args:
            request: What is asked.
            headers: Those of the login.

        Raises:
            AnswerLost: It may not be repeated, and one server may have carried it out.
            VsdUnavailable: None answers.
        """
        end = self._clock.seconds() + self._timeout
        for pause in (None,) if self._away else (*_PAUSES, None):
            for url in list(self._urls):
                try:
                    return await self._ask_at(url, request, headers, max(end - self._clock.seconds(), 0.001))
                except _Failed as failed:
                    problem = failed
                if problem.maybe_done and not request.repeatable:
                    raise AnswerLost(str(problem)) from problem
                if self._clock.seconds() >= end:
                    self._away = True
                    raise VsdUnavailable(str(problem)) from problem
            if pause is None or self._clock.seconds() + pause >= end:
                break
            await deferLater(self._clock, pause * (1 - self._chance() / 2))
        self._away = True
        raise VsdUnavailable(str(problem)) from problem

    def unavailable(self, request: Request, reason: str) -> VsdUnavailable:
        """Return the error of a request that was answered, and not in a form that is understood."""
        return VsdUnavailable(self.told(request, reason))

    def told(self, request: Request, reason: str) -> str:
        """Return a message about a request that was answered."""
        return _message(self._urls[0], request, reason)

    async def _ask_at(self, url: str, request: Request, headers: Mapping[str, str], left: float) -> Response:
        """Ask one server; each of several has its share of the time."""
        share = min(left, self._timeout / len(self._urls))
        began, code = self._clock.seconds(), "none"
        try:
            response = await self._requests.ask(
                request.method,
                url + request.path,
                share,
                headers={**request.headers, **headers},
                data=request.body,
            )
            code = str(response.status)
        except NoAnswer as problem:
            raise _Failed(_message(url, request, str(problem)), maybe_done=problem.connected) from problem
        finally:
            self.asked.tell(Asked(method=request.method, code=code, seconds=self._clock.seconds() - began))
        if response.status >= 301 and not 400 <= response.status < 500:
            raise _Failed(_message(url, request, str(refusal(response))), maybe_done=True)
        self._away = False
        self._prefer(url)
        return response

    def _prefer(self, url: str) -> None:
        """Ask a server first from now on."""
        if self._urls[0] != url:
            self._urls.remove(url)
            self._urls.insert(0, url)


class _Failed(Exception):
    """One server gave no answer that is of use."""

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


def _message(url: str, request: Request, reason: str) -> str:
    return f"the VSD at {url} (vsd_url): {request}: {reason}"
