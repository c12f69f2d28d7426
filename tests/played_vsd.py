"""A VSD that a test plays: it answers requests without a network."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import attrs
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers

from nuage.http import NoAnswer, Response
from nuage.vsd.cluster import Cluster
from nuage.vsd.login import Account, Login
from nuage.vsd.presence import Presence
from nuage.vsd.session import Session

reactor = cast(Any, _reactor)

URLS = ("https://one:8443/nuage/api/v6", "https://two:8443/nuage/api/v6")
PASSWORD = "s3cret"


class Hurried(Clock):
    """A clock by which pauses are over at once, and longer times do not pass."""

    def callLater(self, delay: float, *what: Any, **named: Any) -> Any:
        """See IReactorTime."""
        call = super().callLater(delay, *what, **named)
        if delay < 1:
            reactor.callLater(0, self.advance, delay)
        return call


@attrs.frozen
class Asked:
    """A request as it came."""

    server: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def user(self) -> str:
        """Who asks, and by which secret."""
        return b64decode(self.headers["Authorization"].removeprefix("XREST ")).decode()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def answer(status: int, content: Any = None, **headers: str) -> Response:
    """Return an answer; bytes are sent as they are, anything else as JSON."""
    body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
    named = {f"X-Nuage-{name}" if name != "Date" else name: [text] for name, text in headers.items()}
    return Response(status, "Phrase", body, Headers(named))


def error(code: int, title: str, description: str, about: str = "name") -> dict[str, Any]:
    """Return the body of an error in the VSD's form."""
    descriptions = [{"title": title, "description": description}]
    return {"internalErrorCode": code, "errors": [{"property": about, "descriptions": descriptions}]}


class PlayedVsd:
    """Answers with the objects that it has, by their path; ``script`` may answer first.

    What the script returns is the answer, None leaves it to the objects. What it raises is raised.
    """

    def __init__(self, objects: Mapping[str, list[dict[str, Any]]] | None = None) -> None:
        self.objects = {path: list(each) for path, each in (objects or {}).items()}
        self.asked: list[Asked] = []
        self.key = "key-1"
        self.me: dict[str, Any] = {}
        self.date: str | None = None
        self.script: Callable[[Asked], Response | Deferred[Response] | None] = lambda _asked: None

    def session(self, clock: Clock, *, urls: tuple[str, ...] = URLS[:1], timeout: float = 4.0) -> Session:
        """Return a session with this VSD, of the user csproot."""
        cluster = Cluster(self, clock, urls, timeout, chance=lambda: 0.0)  # type: ignore[arg-type]
        account = Account(organization="csp", user="csproot", password=lambda: PASSWORD)
        presence = Presence(clock, chance=lambda: 0.0)
        return Session(cluster, Login(cluster, clock, account), presence, lambda: succeed(None))

    def play(self, *outcomes: Response | Exception | None, method: str = "", login: bool = False) -> None:
        """Let requests end in this way, one after the other, and further ones be answered by the objects.

        Args:
            outcomes: Answers, exceptions, or None for what the objects say.
            method: Of the requests that are meant; empty for all.
            login: Whether logins are meant too.
        """
        left = list(outcomes)

        def script(asked: Asked) -> Response | None:
            meant = (login or asked.path != "/me") and method in ("", asked.method)
            outcome = left.pop(0) if left and meant else None
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        self.script = script

    @property
    def told(self) -> list[str]:
        """What was asked, but for logins."""
        return [str(each) for each in self.asked if each.path != "/me"]

    async def ask(self, method: str, url: str, timeout: float, **details: Any) -> Response:
        """See nuage.http.Requests."""
        assert timeout > 0
        split = urlsplit(url)
        path = split.path.removeprefix("/nuage/api/v6") + (f"?{split.query}" if split.query else "")
        body = json.loads(details["data"]) if details.get("data") else None
        asked = Asked(split.netloc, method, path, details["headers"], body)
        self.asked.append(asked)
        scripted = self.script(asked)
        if isinstance(scripted, Deferred):
            return await scripted
        return scripted or self._answer(asked)

    def _answer(self, asked: Asked) -> Response:
        secret = asked.user.partition(":")[2]
        if asked.path == "/me" and secret in (PASSWORD, self.key):
            me = {"ID": "me", "APIKey": self.key, **self.me}
            return answer(200, [me], **({"Date": self.date} if self.date else {}))
        if secret != self.key:
            return answer(401, b"Unauthorized")
        if asked.method == "GET":
            return self._page(asked)
        if asked.method == "POST":
            made = {"ID": f"new-{len(self.objects)}", **asked.body}
            self.objects.setdefault(asked.path, []).append(made)
            return answer(201, [made])
        return answer(204)

    def _page(self, asked: Asked) -> Response:
        if asked.path not in self.objects:
            return answer(404, error(0, "Cannot find object", f"nothing is at {asked.path}"))
        found = [each for each in self.objects[asked.path] if _fits(each, asked.headers.get("X-Nuage-Filter"))]
        page, size = (int(asked.headers[f"X-Nuage-{name}"]) for name in ("Page", "PageSize"))
        return answer(200, found[page * size : (page + 1) * size], Count=str(len(found)))


def _fits(entity: Mapping[str, Any], predicate: str | None) -> bool:
    """Tell whether an object fits a predicate. As the VSD may, it finds all whose predicate it does not understand."""
    match = re.fullmatch(r"""(\w+) == (["'])([^"'\\]*)\2""", predicate or "")
    return match is None or entity.get(match[1]) == match[3]


def basic(user: str, secret: str) -> str:
    """Return the header by which somebody asks."""
    return f"XREST {b64encode(f'{user}:{secret}'.encode()).decode()}"


def gone(reason: str = "cannot connect: Connection refused", *, connected: bool = False) -> NoAnswer:
    """Return what a server that is away ends a request with."""
    return NoAnswer(reason, connected=connected)
