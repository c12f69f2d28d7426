"""Whether Docker answers, as all that ask it see it together.

A question may fail because Docker cannot be reached, or because this one question is refused: by a proxy, for instance.
Both kinds of trouble begin with a failed question and end with a good answer::

    well --failed--> failing --it lasts--> told (one warning) --answered--> well (one line)
                        |
                        +----answered---> well

A Docker that stops or starts fails questions for a while, which is not worth a warning.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.errors import DockerRefused, DockerRemoved, DockerUnavailable, DockerUnreachable, NuageError
from nuage.text import joined

#: What fails if Docker cannot be reached at all, whatever the question.
REACHING = "reaching"

#: Seconds that questions may fail without a word. A dockerd takes up to 15 s to stop with its containers and some 11 s
#: to start after a crash.
_RESTART = 30.0
#: The same if no question has been answered yet and nobody listens: the address may be wrong.
_NEVER_THERE = 10.0
#: Seconds after which a failed question is asked again, before and after the warning. It is asked for as long as it
#: fails: if there are no containers, nobody else asks.
_AGAIN, _AGAIN_ONCE_TOLD = 10.0, 30.0

_MEANING = (
    "without its answers, containers get no names, no policy from their labels and no repairs, and new ones reach "
    "nothing unless label_policy is late"
)
_REMEDY = (
    "DockerEndpoint has to name the socket of Docker, and this process has to be allowed to open it; a proxy in front "
    "of it has to allow GET /_ping, and /networks, /networks/ID, /containers/json, /containers/ID/json and /plugins, "
    "each after a version, such as /v1.41/networks"
)

Again = Callable[[], Awaitable[object]]


@attrs.frozen(eq=False)
class _Trouble:
    """A question that fails: why, since when, and how to ask it again."""

    problem: DockerUnavailable
    since: float
    again: Again


class Presence:
    """Keeps what is known of one Docker, and logs it.

    Args:
        clock: Measures how long something fails.
        address: Docker's address.
    """

    name = "Docker"
    #: What to do about a Docker that does not answer.
    remedy = _REMEDY
    _log = Logger()

    def __init__(self, clock: IReactorTime, address: str) -> None:
        self._clock = clock
        self._address = address
        self._troubles: dict[str, _Trouble] = {}
        self._was_there = self._told = self._plugins_refused = self._version_untold = False
        self._started = False
        #: How long the last answer took, in seconds; the program that gave it, such as "Docker/26.1.5 (linux)"; and the
        #: version of the API in which it was asked, such as "1.41", empty without one.
        self.seconds: float | None = None
        self.server = self.api_version = ""
        self._next: IDelayedCall | None = None
        self._asking: Deferred[None] | None = None

    @property
    def there(self) -> bool:
        """Whether no question is known to fail."""
        return not self._troubles

    @property
    def asked(self) -> bool:
        """Whether any question has ended."""
        return self._was_there or not self.there

    @property
    def status(self) -> str:
        """One sentence on how Docker is doing."""
        for trouble in self._troubles.values():
            return str(trouble.problem)
        return f"Docker at {self._address} {'answers' if self._was_there else 'has not been asked yet'}"

    def took(self, seconds: float, server: str, api_version: str) -> None:
        """Note how long an answer took, who gave it, and in which version of the API it was asked."""
        self.seconds, self.server, self.api_version = seconds, server, api_version

    def answered(self, question: str) -> None:
        """Note that a question was answered well."""
        self._was_there = True
        if self._troubles.pop(question, None) and not self._troubles:
            self._unschedule()
            if self._told:
                self._told = False
                self._log.info("Docker at {address} (DockerEndpoint) answers again", address=self._address)

    def failed(self, question: str, problem: DockerUnavailable, again: Again) -> None:
        """Note that a question failed; ``again`` asks it again."""
        former, now = self._troubles.get(question), self._clock.seconds()
        trouble = self._troubles[question] = _Trouble(problem, former.since if former else now, again)
        if not self._told and now - trouble.since >= self._patience(problem):
            self._told = True
            self._log.warn("{trouble}", trouble=joined(str(problem), _MEANING, _REMEDY))
        self._schedule()

    def without_plugins(self, problem: DockerUnavailable) -> None:
        """Note that we may not ask for Docker's managed plugins. Most hosts do without them."""
        if not self._plugins_refused:
            self._plugins_refused = True
            self._log.info(
                "{refusal}",
                refusal=joined(
                    str(problem),
                    "the networks of managed plugins are left alone",
                    "if this driver is a managed plugin, a proxy in front of Docker has to allow GET /plugins",
                ),
            )

    def without_version(self, problem: DockerUnavailable) -> None:
        """Note that nobody says which version of the API Docker takes."""
        if not self._version_untold:
            self._version_untold = True
            self._log.info(
                "{refusal}",
                refusal=joined(
                    str(problem),
                    "Docker is asked without a version of its API, which it deprecates",
                    "a proxy in front of Docker has to allow GET /_ping and paths with a version, "
                    "such as /v1.41/networks",
                ),
            )

    def start(self) -> None:
        """From now on, ask failed questions again."""
        self._started = True
        self._schedule()

    def stop(self) -> None:
        """Ask no more."""
        self._started = False
        self._unschedule()
        if self._asking is not None:
            self._asking.cancel()

    def _patience(self, problem: DockerUnavailable) -> float:
        if isinstance(problem, (DockerRefused, DockerRemoved)):
            return 0.0
        return _RESTART if self._was_there or not isinstance(problem, DockerUnreachable) else _NEVER_THERE

    def _schedule(self) -> None:
        if self._started and self._next is None and self._troubles:
            self._next = self._clock.callLater(_AGAIN_ONCE_TOLD if self._told else _AGAIN, self._ask_again)

    def _unschedule(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = None

    def _ask_again(self) -> None:
        self._next = None
        self._asking = Deferred.fromCoroutine(self._ask([trouble.again for trouble in self._troubles.values()]))
        self._asking.addErrback(self._ended)

    async def _ask(self, questions: list[Again]) -> None:
        """Ask again. Each question notes its own result."""
        for again in questions:
            with suppress(NuageError):
                await again()

    def _ended(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("asking Docker again", failure)
