"""The Engine API on dockerd's socket: what a driver may ask it, and how it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from tests.simulation.docker import descriptions
from tests.simulation.docker.containers import Containers
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.networks import Networks
from tests.simulation.docker.releases import Release
from tests.simulation.docker.store import Store

#: A path may begin with a version, such as /v1.41.
_PATH = re.compile(r"(?:/v[0-9.]+)?(/.*)")


class EngineApi:
    """Answers questions.

    Args:
        release: Which Docker answers.
        store: What is on the disk.
        networks: Finds networks.
        containers: Finds containers, and has their locks.
        ready: Waits until dockerd has started: before, nothing is answered.
        plugins: What it tells of its managed plugins.
    """

    def __init__(
        self,
        release: Release,
        store: Store,
        networks: Networks,
        containers: Containers,
        ready: Callable[[], Awaitable[None]],
        plugins: Sequence[Any],
    ) -> None:
        self.release = release
        self._store = store
        self._networks = networks
        self._containers = containers
        self._ready = ready
        self._plugins = plugins

    async def answer(self, target: str) -> tuple[int, Any]:
        """Return the status and the JSON, or the text, that answer ``GET target``."""
        await self._ready()
        parts = urlsplit(target)
        found = _PATH.fullmatch(parts.path)
        try:
            return 200, await self._found(found[1] if found else "", parse_qs(parts.query))
        except DockerError as problem:
            return problem.status, {"message": str(problem)}

    async def _found(self, path: str, query: dict[str, list[str]]) -> Any:
        words = path.strip("/").split("/")
        if words == ["_ping"]:
            return "OK"
        if words == ["version"]:
            return {"Version": self.release.version, "ApiVersion": self.release.api}
        if words == ["plugins"]:
            return self._plugins
        if words == ["networks"]:
            return [descriptions.network(each, endpoints=False) for each in self._store.known_networks]
        if words[0] == "networks" and len(words) == 2:
            return descriptions.network(self._networks.find(words[1]), endpoints=True)
        if words == ["containers", "json"]:
            return self._listed(query)
        if words[0] == "containers" and len(words) == 3 and words[2] == "json":
            container = self._containers.find(words[1])
            async with self._containers.lock_of(container):
                return descriptions.inspected(container)
        raise DockerError("page not found", 404)

    def _listed(self, query: dict[str, list[str]]) -> list[Any]:
        every = query.get("all", ["0"])[0] not in ("", "0", "false")
        filters = json.loads(query.get("filters", ["{}"])[0])
        names = [re.compile(each) for each in filters.get("name", ())]
        listed = [dict(each.listed) for each in reversed(self._store.containers.values())]
        return [
            each
            for each in listed
            if (every or each["State"] in ("running", "restarting"))
            and (not names or any(name.search(each["Names"][0]) for name in names))
        ]


class _Connection(Protocol):
    """A client of the API. Its requests have no bodies."""

    transport: Any

    def __init__(self, api: EngineApi) -> None:
        self._api = api
        self._received = bytearray()
        self._busy = False

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        self._read()

    def _read(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if self._busy or end < 0:
            return
        first, *fields = bytes(self._received[:end]).decode("latin-1").lower().split("\r\n")
        target = bytes(self._received[:end]).decode("latin-1").split(" ")[1]
        del self._received[: end + 4]
        self._busy = True
        close = "connection: close" in fields or first.endswith("http/1.0")
        answering = Deferred.fromCoroutine(self._api.answer(target))
        answering.addCallbacks(self._answer, self._failed, callbackArgs=(close,))

    def _answer(self, answer: tuple[int, Any], close: bool) -> None:
        status, content = answer
        kind = "text/plain" if isinstance(content, str) else "application/json"
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode() + b"\n"
        release = self._api.release
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nApi-Version: {release.api}\r\nContent-Type: {kind}\r\n"
            f"Server: Docker/{release.version} (linux)\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self._busy = False
        if close:
            self.transport.loseConnection()
        else:
            self._read()

    def _failed(self, failure: Failure) -> Failure:
        self.transport.abortConnection()
        return failure


class EngineFactory(Factory):
    """Serves the API."""

    noisy = False

    def __init__(self, api: EngineApi) -> None:
        self._api = api

    def buildProtocol(self, _address: Any) -> _Connection:
        """See twisted.internet.protocol.Factory."""
        return _Connection(self._api)
