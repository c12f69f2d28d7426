"""The process that serves the VSD's API over HTTP, and what a user of the daemon may see of it.

TLS is left out: what it adds is between the bytes of HTTP and the network, and has tests of its own. The daemon asks an
``http`` URL here, which its configuration would refuse.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.web.resource import IResource, Resource

import lab
from lab.vsd.directory import Thing
from lab.vsd.kinds import BY_ENTITY
from lab.vsd.parts import Character, Parts, Source
from lab.vsd.seed import PROVIDER, PROVIDER_ORGANIZATION
from tests.simulation.chance import Chance
from tests.simulation.history import History
from tests.simulation.reactor import SimReactor
from tests.simulation.vsd.controller import Controller

#: Where it listens.
ADDRESS = "tcp:vsd.example.net:8443"
#: What the daemon knows it by.
URL = "http://vsd.example.net:8443"
ORGANIZATION = PROVIDER_ORGANIZATION
_TOPOLOGY = Path(lab.__file__).with_name("topology.yaml")
#: The Unix time at which the world begins.
_BEGINNING = 1_700_000_000.0
#: Seconds that a key is good for; a VSD allows from ten minutes to a day.
_VALIDITIES = (600, 600, 86_400)
#: Part of the VSDs that are of a release with reservations.
_WITH_RESERVATIONS = 0.7


class Vsd:
    """A VSD. What it has outlives its process.

    Args:
        world: Its process is spawned from it.
        chance: Draws what it is like, and its IDs and keys.
        history: Is told of each request.

    Attributes:
        parts: What it has.
        controller: What resolves the ports of all hosts.
        asking: The user whose request is being carried out, empty for none.
        failing: The status with which it answers instead of the right one; 0 for none.
        late: Whether it has done what was asked when it answers so.
        process: Its process, or the last one.
        offers_reservations: Whether it is of a release that has vmipreservations.
        moved: By the ID of a vPort, the name of the policy group that an administrator has put it into.
    """

    def __init__(self, world: SimReactor, chance: Chance, history: History) -> None:
        self._world = world
        self._history = history
        self._site: Any = None
        self.process = world
        self.failing, self.late = 0, False
        self.asking = ""
        self.moved: dict[str, str] = {}
        self.offers_reservations = chance.happens(_WITH_RESERVATIONS)
        character = Character(
            topology=_TOPOLOGY,
            key_validity=chance.pick(_VALIDITIES),
            expired_status=chance.pick((401, 419)),
            reservations=self.offers_reservations,
        )
        source = Source(lambda: _BEGINNING + world.seconds(), chance.uuid, lambda: chance.hexadecimal(32))
        self.parts = Parts(world, character, source)
        self.controller = Controller(self.parts.activation)

    @property
    def running(self) -> bool:
        """Whether there is a process, be it that it hangs."""
        return self._site is not None

    def start(self) -> None:
        """Start the process. Do nothing if it runs."""
        if self.running:
            return
        self.note("starts")
        self.process = self._world.spawn("vsd")
        self._site = self.parts.make_site(self.process, _Gate(self))
        self.process.network.listen(ADDRESS, self._site)

    def kill(self) -> None:
        """End the process at once. Do nothing if there is none."""
        if self.running:
            self.note("is killed")
            self.process.process.remains.append(self._site)
            self._site = None
            self.process.kill()

    def add_user(self, name: str) -> None:
        """Make an account of the provider's, whose password is its name."""
        directory = self.parts.directory
        provider = directory.named(directory.root, "enterprises", PROVIDER)
        assert provider is not None
        values = {"userName": name, "firstName": name, "lastName": name, "email": f"{name}@example.net"}
        directory.add(BY_ENTITY["user"], provider, {**values, "password": name})

    def subnet(self, domain: str, zone: str, name: str) -> Thing:
        """Return a subnet of the topology."""
        directory, found = self.parts.directory, self.parts.directory.root
        for resource, each in (("enterprises", "Enterprise"), ("domains", domain), ("zones", zone), ("subnets", name)):
            below = directory.named(found, resource, each)
            assert below is not None
            found = below
        return found

    def all(self, resource: str) -> Sequence[Thing]:
        """Return all objects of a kind."""
        return list(self.parts.directory.below(self.parts.directory.root, resource).values())

    def note(self, what: str) -> None:
        """Add what happens to the history."""
        self._history.add(self._world.seconds(), "vsd", what)

    def count(self, kind: str) -> None:
        """Count something that happens."""
        self._history.count(kind)


class _Gate(Resource):
    """Passes requests on, and answers with a failure while the VSD is to fail."""

    isLeaf = True  # noqa: N815

    def __init__(self, vsd: Vsd) -> None:
        super().__init__()
        self._vsd = vsd
        self._api: IResource = vsd.parts.api.resource()

    def render(self, request: Any) -> Any:
        """See twisted.web.resource.Resource."""
        vsd, failing = self._vsd, self._vsd.failing
        path = request.path.decode("ascii", "replace").removeprefix("/nuage/api/v6")
        user = _user(request)
        what = f"{user} {request.method.decode('ascii')} {path}"
        if failing and not vsd.late:
            vsd.note(f"{what}: {failing}")
            request.setResponseCode(failing)
            return b"out of order"
        if failing:
            answered = request.setResponseCode
            request.setResponseCode = lambda _code, _message=None: answered(failing)
        vsd.asking = user
        rendered = self._api.render(request)
        vsd.asking = ""
        # The API answers at once.
        vsd.note(f"{what}: {request.code}")
        vsd.count(f"vsd {request.method.decode('ascii')} {request.code}")
        return rendered


def _user(request: Any) -> str:
    """Return who asks."""
    _, _, secret = (request.getHeader(b"Authorization") or b"").partition(b" ")
    return b64decode(secret).partition(b":")[0].decode("ascii", "replace") or "nobody"
