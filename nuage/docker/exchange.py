"""One question to the Docker Engine API and its answer, bounded in time and in size.

Whatever goes wrong between connecting and the last byte is a :class:`nuage.errors.DockerUnavailable`. Proxies in front
of Docker's socket speak HTTP in many ways, and something that does not speak HTTP at all may listen at the address. The
message says which it was:

- "no answer": nobody listens there, or the connection closed too early.
- "late": no complete answer came in time.
- "not understood": what came is not HTTP, not what Docker answers, or too long.
- "it answered 403 Forbidden": Docker, or a proxy in front of it, answered with an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.web.client import URI, Agent
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from nuage.docker.mounts import MOUNTS, is_removed, read
from nuage.errors import DockerRefused, DockerRemoved, DockerUnavailable, DockerUnreachable
from nuage.http import Late, NoAnswer, Requests, excerpt
from nuage.text import joined

#: Bytes that an answer may have. A list of 10,000 containers has some 20 MB.
LARGEST_ANSWER = 64 << 20
#: Characters of Docker's own message that are shown. It says more than a proxy's page does.
_LONGEST_MESSAGE = 200
_REMOVED = "the socket that is mounted here is gone, since Docker has made a new one; start this container again"


@attrs.frozen
class Answer:
    """What Docker answered.

    ``server`` is the program that answered and its version, as it says, and ``api_version`` the highest version of the
    API that it takes; both are empty if it does not say. ``seconds`` is how long it took. ``path`` is what was asked.
    """

    status: int
    phrase: str
    body: bytes
    server: str = ""
    seconds: float = 0.0
    api_version: str = ""
    path: str = ""

    @property
    def refused(self) -> bool:
        """Whether the question was refused. An error of the daemon itself may go away by itself."""
        return 400 <= self.status < 500

    @property
    def unknown(self) -> bool:
        """Whether Docker says that it has no such thing. A proxy may answer 404 too, which proves nothing."""
        return self.status == 404 and bool(self.message)

    @property
    def message(self) -> str:
        """The ``message`` of Docker's own form of an error, empty if it is in another form."""
        try:
            message = json.loads(self.body)["message"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return ""
        return message if isinstance(message, str) else ""

    def refusal(self) -> str:
        """Return what a message says of an answer that is an error, in the words of Docker or of a proxy."""
        if self.message:
            return f"it answered {self.status}: {excerpt(self.message, _LONGEST_MESSAGE)}"
        words = excerpt(self.body.decode(errors="replace"))
        return f"it answered {self.status} {self.phrase}".rstrip() + (f": {words}" if words else "")


class Exchange:
    """Asks one Docker daemon.

    Each question has a connection of its own: a daemon that has to stop waits for open connections, and on a unix
    socket a new one costs next to nothing.

    Args:
        reactor: Makes the connections.
        address: The daemon's address, ``unix:///path`` or ``tcp://host:port``.
        clock: Measures the time-outs.
        timeout: Seconds that one question may take, from connecting to the last byte of the answer.
        largest: Bytes that an answer may have.
        mounts: Where the kernel tells what is mounted.
    """

    def __init__(
        self, reactor: Any, address: str, clock: IReactorTime, timeout: float, largest: int, mounts: Path = MOUNTS
    ) -> None:
        agent = Agent.usingEndpointFactory(reactor, _Always(_endpoint(reactor, address)))
        self._requests = Requests(agent, clock, largest)
        self.address = address
        self._clock = clock
        self._timeout = timeout
        self._mounts = mounts

    def now(self) -> float:
        """Return the time of the clock."""
        return self._clock.seconds()

    async def get(self, path: str, query: Mapping[str, str], since: float) -> Answer:
        """Ask, and return the answer, whatever its status.

        Args:
            path: What is asked.
            query: The parameters.
            since: When the time of the question began, by :meth:`now`.

        Raises:
            DockerUnreachable: Nobody listens there.
            DockerUnavailable: There was no answer, it was late, or it was not understood.
        """
        began = self.now()
        left = max(since + self._timeout - began, 0.0)
        try:
            response = await self._requests.ask("GET", f"http://docker{path}", left, params=query)
        except Late as problem:
            reason = f"late: it did not answer within docker_timeout, {self._timeout:g} seconds"
            raise self.unavailable(path, f"{reason}; raise that if Docker only needs longer") from problem
        except NoAnswer as problem:
            raise self._without_answer(path, problem) from problem
        return Answer(
            response.status,
            response.phrase,
            response.body,
            server=excerpt(response.header("Server")),
            seconds=self.now() - began,
            api_version=excerpt(response.header("Api-Version")),
            path=path,
        )

    def _without_answer(self, path: str, problem: NoAnswer) -> DockerUnavailable:
        if problem.connected:
            return self.unavailable(path, str(problem))
        scheme, _, place = self.address.partition("://")
        # Path.resolve would fail for a symbolic link that leads to itself.
        if scheme == "unix" and is_removed(Path(os.path.realpath(place)), read(self._mounts)):
            return self.unavailable(path, joined(str(problem), _REMOVED), DockerRemoved)
        return self.unavailable(path, str(problem), DockerUnreachable)

    def refusal(self, answer: Answer) -> DockerUnavailable:
        """Return the error of a question whose answer is an error."""
        return self.unavailable(answer.path, answer.refusal(), DockerRefused if answer.refused else DockerUnavailable)

    def unavailable(
        self, path: str, reason: str, kind: type[DockerUnavailable] = DockerUnavailable
    ) -> DockerUnavailable:
        """Return the error of a question about ``path``."""
        return kind(f"Docker at {self.address} (DockerEndpoint): GET {path}: {reason}")


@implementer(IAgentEndpointFactory)
@attrs.frozen
class _Always:
    """Connects to the daemon, whatever the address in the request says."""

    endpoint: IStreamClientEndpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: ARG002
        return self.endpoint


def _endpoint(reactor: Any, address: str) -> IStreamClientEndpoint:
    scheme, _, place = address.partition("://")
    if scheme == "unix":
        return UNIXClientEndpoint(reactor, place)
    host, _, port = place.rpartition(":")
    return HostnameEndpoint(reactor, host.strip("[]"), int(port))
