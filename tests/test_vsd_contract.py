"""The client of the VSD and the lab's stand-in for one, over TLS: what a played VSD promises is true of it too."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from lab.vsd import service
from nuage.errors import NotInDirectory, VsdRefused, VsdUnavailable
from nuage.vsd import in_use
from nuage.vsd.connection import Settings, connect
from nuage.vsd.directory import Directory
from nuage.vsd.predicates import equals
from nuage.vsd.session import PAGE, Session
from nuage.vsd.tls import Trust
from tests.http_support import asynchronous
from tests.played_vsd import Hurried
from tests.test_docker_engine import failure_of

reactor = cast(Any, _reactor)
TOPOLOGY = Path(service.__file__).parents[1] / "topology.yaml"


class Contract(TestCase):
    """A session as the daemon has one."""

    timeout = 60

    def setUp(self) -> None:
        self.now = 1_800_000_000.0
        self.vsd = self.stand_in()
        self.session = self.connected(self.vsd)
        self.directory = Directory(self.session, Hurried())

    def stand_in(self, **settings: Any) -> service.Vsd:
        """Return a VSD that listens."""
        folder = Path(self.mktemp())
        folder.mkdir()
        vsd = service.Vsd(reactor, service.Settings(topology=TOPOLOGY, folder=folder, **settings), lambda: self.now)
        vsd.startService()
        self.addCleanup(vsd.stopService)
        return vsd

    def connected(self, vsd: service.Vsd, *further: str, **changes: Any) -> Session:
        """Return a session with it."""
        given = {"organization": "csp", "user": "csproot", "password": "csproot", "version": "v6", "timeout": 5.0}
        trust = Trust(ca_certificate=vsd.certificates.authority)
        settings = Settings(urls=(*further, *vsd.urls), trust=trust, **{**given, **changes})
        session = connect(reactor, settings, clock=Hurried())
        self.addCleanup(lambda: Deferred.fromCoroutine(session.stop()))
        return session

    @asynchronous
    async def test_places(self) -> None:
        place = await self.directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "admin")
        self.assertEqual((place.pool, place.gateway), (IPv4Network("10.21.59.0/24"), IPv4Address("10.21.59.1")))
        await self.directory.demand_permission(place, "admin")
        await self.directory.policy(place, "web", "firewall")
        flat = await self.directory.find("Enterprise", "Flat", None, None, "admin")
        self.assertEqual((flat.kind, flat.pool, flat.gateway), ("L2DOMAIN", IPv4Network("10.21.61.0/24"), None))
        await self.directory.demand_permission(flat, "admin")

    @asynchronous
    async def test_an_account_of_one_organization(self) -> None:
        """It is enough for that one's networks, and sees no other."""
        session = self.connected(self.vsd, organization="Enterprise", user="admin", password="admin")
        directory = Directory(session, Hurried())
        place = await directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "developer")
        await directory.demand_permission(place, "developer")
        await directory.policy(place, "web", "firewall")
        problem = await failure_of(directory.find("Acme", "Domain", "Zone", "Subnet 2", "admin"), NotInDirectory)
        self.assertIn('no organization "Acme"; it has "Enterprise"', str(problem))

    @asynchronous
    async def test_what_is_not_there(self) -> None:
        for names, part in (
            (("Enterprize", "Domain", "Zone", "Subnet 2", "admin"), 'did you mean "Enterprise"?'),
            (("Enterprise", "Domain", "Zoen", "Subnet 2", "admin"), 'did you mean "Zone"?'),
            (("Enterprise", "Domain", "Zone", "Storage", "admin"), 'there is one of this name in zone "Backend"'),
            (("Enterprise", "Domain", "Zone", 'a "quoted" \\ name\'s', "admin"), "no subnet"),
            (("Enterprise", "Flat", "Zone", "Subnet 2", "admin"), "it has an L2 domain of this name"),
            (("Enterprise", "Domain", "Zone", "Subnet 2", "amdin"), 'did you mean "admin"?'),
        ):
            problem = await failure_of(self.directory.find(*names), NotInDirectory)
            self.assertIn(part, str(problem))
        place = await self.directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "admin")
        problem = await failure_of(self.directory.policy(place, "wbe", None), NotInDirectory)
        self.assertIn('did you mean "web"?', str(problem))

    @asynchronous
    async def test_a_reader(self) -> None:
        """Who may only read a zone is told so."""
        place = await self.directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "developer")
        user = await self.session.first(f"/enterprises/{place.enterprise_id}/users", equals("userName", "developer"))
        assert user is not None
        body = {"permittedAction": "READ", "permittedEntityID": user["ID"]}
        await self.session.post(f"/zones/{place.zone_id}/permissions", body)
        problem = await failure_of(self.directory.demand_permission(place, "developer"), Exception)
        self.assertIn('the VSD lets user "developer" only read zone "Zone"', str(problem))

    @asynchronous
    async def test_shared_networks_and_names_with_quotes(self) -> None:
        place = await self.directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "admin")
        shared = await self.session.post(
            "/sharednetworkresources",
            {
                "name": "Pool",
                "type": "PUBLIC",
                "address": "192.0.2.0",
                "netmask": "255.255.255.0",
                "gateway": "192.0.2.1",
            },
        )
        for name in ("Shared", 'a "quoted" name', "it's", "both \" and '", "back\\slash", "Zürich 研发"):
            body = {"name": name, "associatedSharedNetworkResourceID": shared["ID"], "resourceType": "PUBLIC"}
            made = await self.session.post(f"/zones/{place.zone_id}/subnets", body)
            found = await self.directory.find("Enterprise", "Domain", "Zone", name, "admin")
            self.assertEqual((found.network_id, found.pool), (made["ID"], IPv4Network("192.0.2.0/24")))

    @asynchronous
    async def test_containers(self) -> None:
        """Made for a user, found, not made twice, and removed."""
        place = await self.directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "admin")
        interface = {"MAC": "7a:42:00:00:00:02", "IPAddress": "10.21.59.7", "attachedNetworkID": place.network_id}
        uuid = "11111111-2222-3333-4444-555555555555"
        body = {"UUID": uuid, "name": "web", "interfaces": [interface]}
        made = await self.session.post("/containers", body, as_user="admin@Enterprise")
        self.assertEqual((made["name"], made["userName"]), ("web", "admin"))
        address = IPv4Address("10.21.59.7")
        for mac, expected in (("7A:42:00:00:00:02", ""), ("7a:42:00:00:00:03", f'container "{uuid}"')):
            self.assertEqual(await in_use.holder(self.session, place, address, besides=mac), expected)
        problem = await failure_of(self.session.post("/containers", body), VsdRefused)
        self.assertEqual(problem.status, 409)
        self.assertIsNotNone(problem.code)
        await self.session.delete(f"/containers/{made['ID']}")
        await self.session.delete(f"/containers/{made['ID']}")
        self.assertIsNone(await self.session.first("/containers", equals("UUID", uuid)))

    @asynchronous
    async def test_pages(self) -> None:
        place = await self.directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "admin")
        path = f"/domains/{place.domain_id}/policygroups"
        before = len(await self.session.get(path))
        for number in range(PAGE):
            await self.session.post(path, {"name": f"group {number}", "type": "SOFTWARE"})
        self.assertEqual(len(await self.session.get(path)), before + PAGE)

    @asynchronous
    async def test_keys_that_expire(self) -> None:
        """With either status."""
        for status in (401, 419):
            session = self.connected(self.stand_in(expired_status=status, key_validity=600))
            await session.get("/enterprises")
            self.now += 601
            self.assertEqual(len(await session.get("/enterprises", filter=equals("name", "Acme"))), 1)

    @asynchronous
    async def test_another_version_and_a_cluster(self) -> None:
        """A node that is away is passed over."""
        session = self.connected(self.vsd, "https://localhost:1", version="v5_0")
        self.assertEqual(len(await session.get("/enterprises", filter=equals("name", "Acme"))), 1)

    @asynchronous
    async def test_a_wrong_password(self) -> None:
        problem = await failure_of(self.connected(self.vsd, password="other").get("/enterprises"), VsdRefused)
        self.assertIn('it does not accept "csproot" of organization "csp"', str(problem))
        self.assertNotIn("other", str(problem))

    @asynchronous
    async def test_away_and_back(self) -> None:
        await self.session.get("/enterprises")
        await self.vsd.leave()
        await failure_of(self.session.get("/enterprises"), VsdUnavailable)
        self.assertIs(self.session.presence.there, False)
        self.vsd.come_back()
        await self.session.get("/enterprises")
        self.assertIs(self.session.presence.there, True)
