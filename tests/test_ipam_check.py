"""``nuage-plugin ipam check``, and what answers it on the control socket."""

from __future__ import annotations

import json
from collections.abc import Collection
from ipaddress import IPv4Address
from typing import Any, cast

import attrs
from twisted.internet.task import Clock
from twisted.web.resource import IResource

from nuage.errors import DockerUnavailable
from nuage.ipam.holdings import Comparison, Held, Unheld
from nuage.ipam.pool import Pool
from nuage.libnetwork.server import PluginSite
from nuage.model import Trace
from nuage.status.control import Status, tree
from nuage.status.ipam import Ipam
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS
from tests.http_support import Wire, asynchronous
from tests.test_cli import CommandCase
from tests.test_ipam import CIDR
from tests.test_ipam_leftovers import LeftoversCase

TRACE = Trace(
    network_id=NETWORK,
    record=None,
    attached=True,
    announced=True,
    waiting=False,
    container_id="c" * 64,
    container_name="web",
)
FREE, USED, LOST = (Held(Pool.at(OPTIONS, CIDR), IPv4Address(f"10.21.59.{number}")) for number in (7, 8, 9))
UNHELD = Unheld(LOST.pool, LOST.address, ENDPOINT)
WELL = Comparison((USED,), (), ())


class Routes(LeftoversCase):
    """What the control socket answers, before the lab's VSD."""

    def ask(self, method: str, path: str, body: object = None, *, vsd: bool = True) -> tuple[int, Any]:
        """Return status and content of an answer."""
        plugin = self.killed()
        holdings = self.holdings(plugin) if vsd else None
        status = Status(lambda: cast(Any, None))
        site = PluginSite(tree(status, {"ipam": Ipam(holdings, lambda _endpoint: TRACE).resource()}), Clock())
        content = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        wire = Wire(site)
        wire.send(head + content)
        plugin.clock.pump([0.1] * 100)
        (answer,) = wire.answers()
        return answer.status, answer.json()

    def test_what_is_held(self) -> None:
        """Address, place and user; what is unused is given back, if it is named."""
        first, second = sorted((self.take(self.pool_id) for _ in range(2)), key=IPv4Address)
        status, found = self.ask("GET", "/ipam")
        assert (status, found["unheld"]) == (200, [])
        assert (
            found["held"]
            == found["unused"]
            == [{"address": each, "place": OPTIONS, "pool": self.pool_id} for each in (first, second)]
        )
        assert self.ask("POST", "/ipam/release", found["unused"][1:]) == (200, found["unused"][1:])
        assert self.ask("POST", "/ipam/release", found["unused"][1:]) == (200, [])
        assert self.held() == {first}

    def test_bad_bodies(self) -> None:
        """They say what is wanted, and nothing is given back."""
        self.take(self.pool_id)
        expected = {"error": 'the body has to be a list of what /ipam has as "unused"'}
        bodies: tuple[object, ...] = (None, [1], ["x"], [{"pool": "x"}], 7)
        for body in bodies:
            assert self.ask("POST", "/ipam/release", body) == (400, expected), body
        assert len(self.held()) == 1

    def test_who_does_not_tell(self) -> None:
        """Without Docker or the VSD nobody knows, and without a VSD there is nothing to know."""
        address = self.take(self.pool_id)
        self.users.silent = True
        assert self.ask("GET", "/ipam") == (503, {"error": "it starts"})
        assert self.ask("POST", "/ipam/release", [{"pool": self.pool_id, "address": address}])[0] == 503
        self.users.silent = False
        assert self.held() == {address}
        self.vsd.away = True
        assert self.ask("GET", "/ipam")[0] == 503
        self.vsd.away = False
        status, found = self.ask("GET", "/ipam", vsd=False)
        assert (status, found) == (503, {"error": "no addresses are from a VSD: vsd_url is not set"})


@attrs.define
class PlayedHoldings:
    """Holds and uses that a test sets."""

    comparison: Comparison = WELL
    kept: Collection[Held] = ()
    silent: bool = False

    async def compared(self) -> Comparison:
        """See nuage.ipam.holdings.Holdings."""
        if self.silent:
            raise DockerUnavailable("Docker is silent")
        return self.comparison

    async def unused(self) -> list[Held]:
        """See nuage.ipam.holdings.Holdings."""
        return list(self.comparison.unused)

    async def give_back(self, unused: Collection[Held]) -> list[Held]:
        """See nuage.ipam.holdings.Holdings."""
        given = [each for each in unused if each not in self.kept]
        self.comparison = attrs.evolve(self.comparison, unused=tuple(self.kept))
        return given


class Check(CommandCase):
    """What the command prints and exits with."""

    def setUp(self) -> None:
        super().setUp()
        self.holdings = PlayedHoldings()

    def resource(self) -> IResource:
        """Return what is served."""
        return tree(Status(self.make_report), {"ipam": Ipam(cast(Any, self.holdings), lambda _: TRACE).resource()})

    @asynchronous
    async def test_well(self) -> None:
        """0, in one line."""
        self.serve()
        for words in ((), ("--release",)):
            done = await self.asked("ipam", "check", *words)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines() == [
                "1 address held at the VSD for this host",
                "each is used, and all that is used is held",
            ]

    @asynchronous
    async def test_what_disagrees(self) -> None:
        """1, with whose it is and what to do; JSON has all of it."""
        self.serve()
        self.holdings.comparison = Comparison((FREE, USED), (FREE,), (UNHELD,))
        done = await self.asked("ipam", "check")
        lines = [line.rstrip() for line in done.stdout.splitlines()]
        assert done.returncode == 1
        assert [" ".join(line.split()) for line in lines] == [
            "2 addresses held at the VSD for this host",
            "ADDRESS WHERE USED BY",
            "10.21.59.7 Enterprise/Domain/Zone/Subnet 2 nobody: it can be given back",
            "10.21.59.9 Enterprise/Domain/Zone/Subnet 2 web, and it is not held: start the container again",
        ]
        done = await self.asked("ipam", "check", "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, [each["address"] for each in found["held"]]) == (1, ["10.21.59.7", "10.21.59.8"])
        assert found["unheld"][0]["container"] == "web"

    @asynchronous
    async def test_giving_back(self) -> None:
        """It asks, unless it is told not to; 1 if something is left."""
        self.serve()
        self.holdings.comparison = Comparison((FREE, USED), (FREE, USED), ())
        done = await self.asked("ipam", "check", "--release")
        assert (done.returncode, len(self.holdings.comparison.unused)) == (130, 2)
        assert "Give back 2 addresses?" in done.stderr
        self.holdings.kept = [USED]
        done = await self.asked("ipam", "check", "--release", "--yes")
        assert (done.returncode, done.stderr) == (1, "1 address given back\n")
        self.holdings.kept = []
        done = await self.asked("ipam", "check", "--release", "--yes", "--json")
        assert (done.returncode, done.stderr) == (0, "1 address given back\n")
        assert json.loads(done.stdout)["unused"]

    @asynchronous
    async def test_nobody_tells(self) -> None:
        """2, whether it is the daemon or Docker."""
        done = await self.asked("ipam", "check")
        assert (done.returncode, done.stdout) == (2, "")
        self.serve()
        self.holdings.silent = True
        done = await self.asked("ipam", "check")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "nuage-plugin: Docker is silent\n")
