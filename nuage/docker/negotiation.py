"""In which version of its API a Docker daemon is asked.

A path begins with a version, such as ``/v1.41/networks``: Docker serves paths without one too, but they are deprecated.
``/_ping`` says the highest version that a daemon takes. Another release may take the daemon's place at any time, so
what was agreed holds until a question fails::

    not agreed --GET /_ping--> agreed --no answer--> not agreed
                                 |  ^
                                 +--+ 400: GET /_ping, and once more in the version that is agreed now

A proxy in front of Docker may refuse ``/_ping``, because it has a list of paths that it lets through. If that list was
made for a release of this plugin that asked without a version, so are its paths. So Docker is asked without one then.
A refusal may then mean that the proxy has a new list: what is to be done is as after a 400.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from nuage.docker.exchange import Answer, Exchange
from nuage.docker.presence import Presence
from nuage.errors import DockerRefused, DockerUnavailable

_PING = "/_ping"
_VERSION = re.compile("([0-9]{1,9})[.]([0-9]{1,9})")


@attrs.frozen(order=True)
class Version:
    """A version of the Engine API, such as 1.41."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read it.

        Raises:
            ValueError: The text is no version.
        """
        found = _VERSION.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no version")
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


#: The versions that have all that is asked here, in one form. The lowest is the first with the driver options of an
#: endpoint (moby ``api/docs/CHANGELOG.md`` and ``v1.32.yaml``; Docker 17.09). The highest is that of Docker 28.5, the
#: newest that the tests run with. Later releases take it too.
LOWEST, HIGHEST = Version(1, 32), Version(1, 51)
_KNOWN = f"this plugin knows API versions {LOWEST} to {HIGHEST}"


class Negotiation:
    """Asks one daemon in the highest version that both sides know.

    Args:
        exchange: Asks it.
        presence: Is told if the daemon has to be asked without a version.
    """

    def __init__(self, exchange: Exchange, presence: Presence) -> None:
        self._exchange = exchange
        self._presence = presence
        #: What comes before a path: ``/v1.41``; nothing if ``/_ping`` is refused; None if nothing is agreed.
        self._prefix: str | None = None

    @property
    def version(self) -> str:
        """The version that was agreed, such as "1.41"; empty if none was."""
        return (self._prefix or "").removeprefix("/v")

    async def get(self, path: str, query: Mapping[str, str]) -> Answer:
        """Ask, and return the answer, whatever its status. All of it takes no longer than one question may.

        Raises:
            DockerUnreachable: Nobody listens there.
            DockerRefused: The daemon knows only versions that are too old.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        began, before = self._exchange.now(), self._prefix
        try:
            return await self._get(path, query, began)
        except DockerUnavailable:
            # What was agreed meanwhile holds: if it is agreed for each question, a slow daemon answers none in time.
            if self._prefix == before:
                self._prefix = None
            raise

    def refusal(self, answer: Answer) -> DockerUnavailable:
        """Return the error of a question whose answer is an error."""
        if answer.status == 400 and self._prefix:
            # So a daemon answers that no longer takes the version: its words say what it takes.
            return self._exchange.unavailable(answer.path, f"{answer.refusal()}; {_KNOWN}", DockerRefused)
        return self._exchange.refusal(answer)

    async def _get(self, path: str, query: Mapping[str, str], began: float) -> Answer:
        if self._prefix is None:
            self._prefix = await self._agreed(began)
        prefix = self._prefix
        answer = await self._exchange.get(prefix + path, query, began)
        if answer.status == 400 or (answer.refused and not prefix):
            self._prefix = await self._agreed(began)
            if self._prefix != prefix:
                return await self._exchange.get(self._prefix + path, query, began)
        return answer

    async def _agreed(self, began: float) -> str:
        answer = await self._exchange.get(_PING, {}, began)
        if answer.status != 200 and not answer.refused:
            raise self._exchange.refusal(answer)
        try:
            offered = Version.parse(answer.api_version)
        except ValueError:
            reason = answer.refusal() if answer.refused else "its answer names no version"
            self._presence.without_version(self._exchange.unavailable(_PING, reason))
            return ""
        if offered < LOWEST:
            raise self._exchange.unavailable(_PING, f"it takes API {offered} and earlier; {_KNOWN}", DockerRefused)
        return f"/v{min(offered, HIGHEST)}"
