"""Docker's IPAM before the lab's stand-in for a VSD, all in memory: no socket, no TLS, no switch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers

from lab.vsd.service import Settings, Vsd
from nuage.driver.cleanup import Cleanup
from nuage.driver.turns import Turns
from nuage.errors import SwitchError, VsdRefused, VsdUnavailable
from nuage.http import NoAnswer, Response
from nuage.ipam.abandoned import Abandoned
from nuage.ipam.addresses import Addresses
from nuage.ipam.driver import Ipam
from nuage.ipam.handed_out import HandedOut
from nuage.ipam.pool import Address, Pool
from nuage.ipam.pool_places import PoolPlaces
from nuage.ipam.ports import Ports
from nuage.ipam.repetitions import Repetitions
from nuage.ipam.unfinished import Unfinished
from nuage.libnetwork.ipam_payloads import RequestAddress, RequestPool
from nuage.model import Network
from nuage.vsd.cluster import Cluster
from nuage.vsd.directory import Directory
from nuage.vsd.login import Account, Login
from nuage.vsd.presence import Presence
from nuage.vsd.session import Session
from tests.driver_support import OPTIONS
from tests.http_support import Wire

TOPOLOGY = Path(__file__).parent.parent / "lab" / "topology.yaml"
URL = "https://vsd:8443/nuage/api/v6"


class LabVsd:
    """The lab's VSD, asked in memory. ``away`` makes it not answer, ``lose`` answers that are lost on the way back.

    While it is ``slow``, requests wait for :meth:`let_in`. It takes the first text of ``replaced`` for the second one.
    """

    def __init__(self, folder: Path, *, reservations: bool = True, topology: Path = TOPOLOGY) -> None:
        self.clock = Clock()
        settings = Settings(topology=topology, folder=folder, reservations=reservations)
        self.vsd = Vsd(self.clock, settings, now=lambda: 1_000_000.0 + self.clock.seconds())
        self.away = False
        self.lose = 0
        self.slow = False
        self.replaced = ("", "")
        self._waiting: list[Deferred[None]] = []
        self.asked: list[str] = []

    async def ask(self, method: str, url: str, timeout: float, **details: Any) -> Response:
        """See nuage.http.Requests."""
        if self.away:
            raise NoAnswer("cannot connect: Connection refused", connected=False)
        if self.slow:
            waiter: Deferred[None] = Deferred()
            self._waiting.append(waiter)
            await waiter
        split = urlsplit(url)
        target = split.path + (f"?{split.query}" if split.query else "")
        if not split.path.endswith("/me"):
            self.asked.append(f"{method} {split.path.removeprefix('/nuage/api/v6')}")
        body = details.get("data") or b""
        if all(self.replaced):
            text, other = self.replaced
            body = body.replace(text.encode(), other.encode())
        lines = [f"{method} {target} HTTP/1.1", "Host: vsd", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in details["headers"].items()]
        (given,) = Wire(self.vsd.site).send("\r\n".join([*lines, "", ""]).encode() + body)  # type: ignore[arg-type]
        if self.lose and method in ("POST", "DELETE"):
            self.lose -= 1
            raise NoAnswer("it closed the connection without an answer in HTTP")
        headers = Headers({name: [value] for name, value in given.headers.items()})
        return Response(given.status, "", given.body, headers)

    def let_in(self, most: int) -> None:
        """Answer so many of the requests that wait because it is slow."""
        waiting, self._waiting = self._waiting[:most], self._waiting[most:]
        for waiter in waiting:
            waiter.callback(None)

    def session(self, clock: Clock, user_and_organization: str) -> Session:
        """Return a session of a user, whose password is the user's name."""
        cluster = Cluster(self, clock, [URL], 4.0, chance=lambda: 0.0)  # type: ignore[arg-type]
        user, _, organization = user_and_organization.partition("@")
        account = Account(organization=organization, user=user, password=lambda: user)
        login, presence = Login(cluster, clock, account), Presence(clock, chance=lambda: 0.0)
        return Session(cluster, login, presence, lambda: succeed(None))


@attrs.define
class MemoryHost:
    """A host. ``used`` are addresses that its containers have."""

    name: str
    used: dict[str, str] = attrs.field(factory=dict)
    switch_away: bool = False

    async def identity(self) -> str:
        """See nuage.ipam.addresses.Host."""
        if self.switch_away:
            raise SwitchError("the switch is away")
        return self.name

    def user_of(self, _pool: Pool, address: Address) -> str | None:
        """See nuage.ipam.addresses.Host."""
        return self.used.get(str(address))


@attrs.define
class MemoryRecords:
    """What a switch keeps of pools and networks."""

    texts: dict[str, str] = attrs.field(factory=dict)
    known: dict[str, Network] = attrs.field(factory=dict)
    away: bool = False

    async def ready(self) -> None:
        """See nuage.ipam.handed_out.PoolRecords."""

    def pool_records(self) -> Mapping[str, str]:
        """See nuage.ipam.handed_out.PoolRecords."""
        return dict(self.texts)

    async def remember_pool(self, key: str, text: str) -> None:
        """See nuage.ipam.handed_out.PoolRecords."""
        self.texts[key] = text

    async def forget_pools(self, keys: list[str]) -> None:
        """See nuage.ipam.handed_out.PoolRecords."""
        if self.away:
            raise SwitchError("the switch is away")
        for key in keys:
            del self.texts[key]

    def network(self, network_id: str) -> Network | None:
        """See nuage.ipam.handed_out.PoolRecords."""
        return self.known.get(network_id)

    def networks(self) -> Iterator[Network]:
        """See nuage.ipam.handed_out.PoolRecords."""
        yield from self.known.values()


class Plugin:
    """The IPAM of one host. Another one with the same host and records is the same host's, after a kill."""

    def __init__(
        self,
        vsd: LabVsd,
        host: str | MemoryHost = "one",
        *,
        form: str = "auto",
        seed: int = 1,
        account: str = "csproot@csp",
        records: MemoryRecords | None = None,
    ) -> None:
        self.clock = Clock()
        self.host = MemoryHost(host) if isinstance(host, str) else host
        self.records = records or MemoryRecords()
        self.session = vsd.session(self.clock, account)
        self.directory = directory = Directory(self.session, self.clock)
        turns = Turns(self.clock)
        self.cleanup = Cleanup(self.clock, turns, (SwitchError, VsdUnavailable, VsdRefused), "addresses")
        places = PoolPlaces(directory)
        self.addresses = Addresses(
            self.clock,
            session=self.session,
            account=account,
            places=places,
            host=self.host,
            host_name=f"{self.host.name}.example",
            form=form,
            cleanup=self.cleanup,
            unfinished=Unfinished(self.records),
            turns=turns,
            random=Random(seed),
        )
        self.ports = Ports(session=self.session, directory=directory, places=places, addresses=self.addresses)
        repetitions = Repetitions(self.clock)
        self.abandoned = Abandoned(self.records, self.addresses)
        self.handed_out = HandedOut(self.clock, self.records, places, repetitions)
        self.ipam = Ipam(
            directory=directory,
            places=places,
            addresses=self.addresses,
            handed_out=self.handed_out,
            repetitions=repetitions,
            abandoned=self.abandoned,
        )

    def run(self, coroutine: Any, seconds: float = 10.0) -> Any:
        """Return what comes of a call, within a time that this clock measures; what it raises is raised."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(outcome.append)
        for _ in range(int(seconds * 100)):
            if outcome:
                break
            self.clock.advance(0.01)
        assert outcome, "it does not end"
        if hasattr(outcome[0], "raiseException"):
            outcome[0].raiseException()
        return outcome[0]

    def stop(self) -> None:
        """Leave nothing behind."""
        self.cleanup.stop()


def pool_request(options: Mapping[str, str] = OPTIONS, **changes: Any) -> RequestPool:
    """Return what Docker asks for with ``--ipam-opt``."""
    wanted: dict[str, Any] = {"address_space": "nuage", "pool": None, "sub_pool": None, "options": options, "v6": False}
    return RequestPool(**{**wanted, **changes})


def address_request(pool_id: str, address: Any = None, **options: str) -> RequestAddress:
    """Return a request for an address."""
    return RequestAddress(pool_id, address, {key.replace("_", "."): value for key, value in options.items()})


def shown(answer: Any) -> Any:
    """Return what goes out."""
    return json.loads(json.dumps(answer.to_json()))
