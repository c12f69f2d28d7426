"""The lab's VSD for tests: in memory with a clock of the test's, or on a port with a client in a thread."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lab.standin import TOPOLOGY
from lab.vsd.directory import Thing
from lab.vsd.service import Settings, Vsd


class Reply:
    """What the API answered."""

    def __init__(self, status: int, body: bytes, headers: Any) -> None:
        self.status = status
        self.raw = body
        self._headers = headers

    @property
    def body(self) -> Any:
        """The JSON."""
        return json.loads(self.raw)

    @property
    def one(self) -> dict[str, Any]:
        """The only object in a list."""
        (found,) = self.body
        assert isinstance(found, dict)
        return found

    @property
    def code(self) -> int | None:
        """The internalErrorCode."""
        return self.body.get("internalErrorCode")  # type: ignore[no-any-return]

    @property
    def reason(self) -> str:
        """Field and description of the error."""
        (error,) = self.body["errors"]
        (described,) = error["descriptions"]
        return f"{error['property']}: {described['description']}"

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self._headers.getRawHeaders(name, [None])[0]  # type: ignore[no-any-return]


class VsdTestCase(SynchronousTestCase):
    """A VSD in memory, asked by the provider's user."""

    #: How the VSD differs from the usual one.
    settings: Mapping[str, Any] = {}

    def setUp(self) -> None:
        """Make it, and get a key."""
        self.clock = Clock()
        # Another one in the same test has the same certificates, which take long to make.
        self.folder = getattr(self, "folder", None) or Path(self.mktemp())
        self.topology = Path(self.mktemp())
        self.topology.write_text(TOPOLOGY.read_text())
        settings = Settings(**{"topology": self.topology, "folder": self.folder, **self.settings})
        self.vsd = Vsd(self.clock, settings, lambda: 1_000_000 + self.clock.seconds())
        self.agent: Any = StubTreq(self.vsd.api.resource())
        self.key = self.log_in()

    def log_in(self, user: str = "csproot", organization: str = "csp", password: str = "") -> str:
        """Return a key of a user; the password is the user's name."""
        reply = self.ask("GET", "me", user=user, organization=organization, secret=password or user)
        assert reply.status == 200, reply.raw
        return str(reply.one["APIKey"])

    def begin(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "csproot",
        organization: str = "csp",
        secret: str | None = None,
        version: str = "v6",
        raw: bytes | None = None,
        **headers: str,
    ) -> Deferred[Reply]:
        """Send a request; a name of a header has ``_`` for ``-``, and ``X-Nuage-`` before it unless it is known."""
        credentials = base64.b64encode(f"{user}:{self.key if secret is None else secret}".encode()).decode()
        sent = {"Authorization": f"XREST {credentials}", "X-Nuage-Organization": organization}
        sent |= {name if name in sent else f"X-Nuage-{name}": value for name, value in headers.items()}

        async def exchange() -> Reply:
            response = await self.agent.request(
                method,
                f"https://localhost/nuage/api/{version}/{path}",
                headers={name: value.encode() for name, value in sent.items() if value},
                data=json.dumps(body).encode() if raw is None else raw,
            )
            return Reply(response.code, await self.agent.content(response), response.headers)

        return Deferred.fromCoroutine(exchange())

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """Send a request and return the reply, which has to come at once."""
        asked = self.begin(method, path, body, **more)
        self.agent.flush()
        # What is told to those who wait is told in the next turn.
        self.clock.advance(0)
        return self.successResultOf(asked)

    def done(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Return what is answered to a request that succeeds: the object, if it is one."""
        reply = self.ask(method, path, body, **more)
        assert reply.status in (200, 201, 204, 207), reply.raw
        found = reply.body if reply.raw else None
        return found[0] if method == "POST" and isinstance(found, list) else found

    def refused(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """Return the reply to a request that is refused."""
        reply = self.ask(method, path, body, **more)
        assert reply.status >= 400, reply.raw
        assert b"Traceback" not in reply.raw
        return reply

    def thing(self, *names: str) -> Thing:
        """Return an object by the names on its way: organization, domain, zone, subnet; or what a domain has."""
        found = self.vsd.directory.root
        for name in names:
            lower = self.vsd.directory.children(found)
            (found,) = (thing for thing in lower if thing.name == name and not thing.is_a("domaintemplate"))
        return found

    @property
    def subnet(self) -> Thing:
        """10.21.59.0/24, gateway 10.21.59.1."""
        return self.thing("Enterprise", "Domain", "Zone", "Subnet 2")

    def container(self, number: int, network: Thing | None = None, **more: Any) -> dict[str, Any]:
        """Return what is posted to make a container."""
        interface = {"MAC": mac(number), "attachedNetworkID": (network or self.subnet).id, **more}
        return {"UUID": f"{number:064x}", "name": f"c{number}", "interfaces": [interface]}


def mac(number: int) -> str:
    """Return a MAC."""
    return f"7a:42:00:00:{number >> 8:02x}:{number & 0xFF:02x}"
