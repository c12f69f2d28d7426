"""The VSD's directory: names become places, and what is not there is told with what is near."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from twisted.internet.task import Clock

from nuage.errors import NotInDirectory, Refused, VsdRefused
from nuage.http import Response
from nuage.vsd.directory import Directory, Place
from nuage.vsd.session import PAGE
from tests.played_vsd import Asked, PlayedVsd, answer, error
from tests.test_vsd_session import SessionCase


def named(id_: str, name: str, **more: Any) -> dict[str, Any]:
    """Return an object of the VSD."""
    return {"ID": id_, "name": name, **more}


def topology() -> dict[str, list[dict[str, Any]]]:
    """Return what a VSD has, by paths."""
    subnet = {
        "address": "10.21.59.0",
        "netmask": "255.255.255.0",
        "gateway": "10.21.59.1",
        "IPv6Address": "fd00:59::/64",
        "IPv6Gateway": "fd00:59::1",
        "parentID": "z1",
    }
    subnets = [
        named("s1", "Subnet 1", address="10.21.58.0", netmask="255.255.255.0", gateway="10.21.58.1", parentID="z1"),
        named("s2", "Subnet 2", **subnet),
        named("s3", "Shared", associatedSharedNetworkResourceID="sn1", parentID="z1"),
        named("s4", "Old", entityState="MARKED_FOR_DELETION", **subnet),
        named("s5", "Older_MARKED_FOR_DELETION", **subnet),
        named("s6", "Bare", IPv6Address="fd00:60::/64", parentID="z1"),
    ]
    elsewhere = [named("s9", "Subnet 9", address="10.9.0.0", netmask="255.255.0.0", parentID="z2")]
    return {
        "/enterprises": [named("e1", "Enterprise"), named("e2", 'Quote " it')],
        "/enterprises/e1/users": [{"ID": "u1", "userName": "admin"}, {"ID": "u2", "userName": "operator"}],
        "/enterprises/e1/domains": [named("d1", "Domain"), named("d2", "Gone", entityState="MARKED_FOR_DELETION")],
        "/enterprises/e1/l2domains": [
            named("l1", "L2", address="10.7.0.0", netmask="255.255.0.0", gateway="10.7.0.1"),
            named("l2", "Unmanaged", address=None, netmask=None, gateway=None),
            named("l3", "Borrowed", associatedSharedNetworkResourceID="sn1"),
        ],
        "/domains/d1/zones": [named("z1", "Zone"), named("z2", "Other Zone")],
        "/domains/d1/subnets": subnets + elsewhere,
        "/zones/z1/subnets": subnets,
        "/zones/z2/subnets": elsewhere,
        "/domains/d1/policygroups": [named("p1", "web"), named("p2", "database")],
        "/domains/d1/redirectiontargets": [named("r1", "firewall")],
        "/l2domains/l1/policygroups": [named("p3", "switches")],
        "/sharednetworkresources/sn1": [
            named("sn1", "Pool", address="192.0.2.0", netmask="255.255.255.128", gateway="192.0.2.1")
        ],
    }


class DirectoryCase(SessionCase):
    """One directory of a VSD that is played."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.vsd = PlayedVsd(topology())
        self.session = self.vsd.session(self.clock)
        self.directory = Directory(self.session, self.clock)

    def find(self, *, fresh: bool = False, **names: str | None) -> Place:
        return self.done(self.directory.find(**self.names(names), fresh=fresh))  # type: ignore[arg-type]

    def names(self, changes: dict[str, str | None]) -> dict[str, str | None]:
        names = {"organization": "Enterprise", "domain": "Domain", "zone": "Zone", "subnet": "Subnet 2"}
        return {**names, "user": "admin", **changes}

    def without_names(self, outcome: Response, asked: Asked) -> Response | None:
        """Let all users be asked for in vain, and one by its name be found."""
        return outcome if asked.path.endswith("/users") and "X-Nuage-Filter" not in asked.headers else None

    def missing(self, **names: str | None) -> str:
        """Return what is said where a place is not there."""
        work = self.directory.find(**self.names(names))  # type: ignore[arg-type]
        return str(self.problem(work, NotInDirectory))


class Finding(DirectoryCase):
    """What is there."""

    def test_a_subnet(self) -> None:
        place = self.find()
        self.assertEqual(
            place,
            Place(
                organization="Enterprise",
                domain="Domain",
                zone="Zone",
                subnet="Subnet 2",
                enterprise_id="e1",
                domain_id="d1",
                zone_id="z1",
                network_id="s2",
                kind="SUBNET",
                pool=IPv4Network("10.21.59.0/24"),
                gateway=IPv4Address("10.21.59.1"),
                pool_v6=IPv6Network("fd00:59::/64"),
                gateway_v6=IPv6Address("fd00:59::1"),
            ),
        )
        self.assertEqual((place.path, place.policy_path), ("/subnets/s2", "/domains/d1"))

    def test_an_l2_domain(self) -> None:
        place = self.find(domain="L2", zone=None, subnet=None)
        self.assertEqual((place.kind, place.network_id, place.domain_id), ("L2DOMAIN", "l1", None))
        self.assertEqual((place.pool, place.gateway), (IPv4Network("10.7.0.0/16"), IPv4Address("10.7.0.1")))
        self.assertEqual((place.path, place.policy_path), ("/l2domains/l1", "/l2domains/l1"))
        bare = self.find(domain="Unmanaged", zone=None, subnet=None)
        self.assertEqual((bare.pool, bare.gateway, bare.pool_v6, bare.gateway_v6), (None, None, None, None))

    def test_addresses_of_a_shared_network(self) -> None:
        for names in ({"subnet": "Shared"}, {"domain": "Borrowed", "zone": None, "subnet": None}):
            place = self.find(**names)
            self.assertEqual((place.pool, place.gateway), (IPv4Network("192.0.2.0/25"), IPv4Address("192.0.2.1")))
        self.assertIn("GET /sharednetworkresources/sn1", self.vsd.told)

    def test_no_ipv4(self) -> None:
        place = self.find(subnet="Bare")
        self.assertEqual((place.pool, place.pool_v6), (None, IPv6Network("fd00:60::/64")))

    def test_names_are_compared_again(self) -> None:
        """The VSD may take a quote in a name for the end of it, and find everything."""
        self.vsd.objects["/zones/z1/subnets"].append(named("s7", "a\"b'c", address="10.1.0.0", netmask="255.255.255.0"))
        self.assertEqual(self.find(subnet="a\"b'c").network_id, "s7")
        self.assertIn("has no subnet", self.missing(subnet="a\\b\"'"))

    def test_known_for_a_while(self) -> None:
        """The calls of one network cost one look."""
        self.find()
        self.vsd.asked.clear()
        self.clock.advance(29.9)
        self.find()
        self.assertEqual(self.vsd.asked, [])
        self.find(fresh=True)
        self.assertEqual(self.vsd.told, [f"GET {path}" for path in LOOKED_AT])
        self.clock.advance(30)
        self.find()
        self.assertEqual(len(self.vsd.asked), 10)

    def test_what_is_not_there_is_asked_again(self) -> None:
        self.missing(subnet="New")
        self.vsd.objects["/zones/z1/subnets"].append(named("s8", "New", address="10.1.0.0", netmask="255.255.255.0"))
        self.assertEqual(self.find(subnet="New").network_id, "s8")

    def test_policies(self) -> None:
        place = self.find()
        self.done(self.directory.policy(place, None, None))
        self.done(self.directory.policy(place, "web", "firewall"))
        work = self.directory.policy(place, "Web", None)
        self.assertEqual(
            str(self.problem(work, NotInDirectory)),
            'the VSD has no policy group "Web" in domain "Domain"; did you mean "web"?',
        )
        work = self.directory.policy(place, "web", "fire")
        self.assertIn('no redirection target "fire" in domain "Domain"', str(self.problem(work, NotInDirectory)))
        place = self.find(domain="L2", zone=None, subnet=None)
        self.done(self.directory.policy(place, "switches", None))

    def test_permissions(self) -> None:
        """A user who may only read is refused, unless a group may do more or our own account may not see it."""
        place = self.find()
        mine = {"permittedEntityName": "admin", "permittedEntityType": "user"}
        reading, using = {"ID": "1", "permittedAction": "READ", **mine}, {"ID": "2", "permittedAction": "USE", **mine}
        other = {**using, "ID": "3", "permittedEntityName": "operator"}
        group = {"ID": "4", "permittedAction": "READ", "permittedEntityName": "Staff", "permittedEntityType": "group"}
        for zone, domain, refused in (
            ([], [], False),
            ([reading], [], True),
            ([], [reading, other], True),
            ([reading], [using], False),
            ([reading], [{**group, "permittedAction": "USE"}], False),
            ([using], [group], False),
            ([other], [], False),
        ):
            self.vsd.objects |= {"/zones/z1/permissions": zone, "/domains/d1/permissions": domain}
            with self.subTest(zone=zone, domain=domain):
                work = self.directory.demand_permission(place, "admin")
                if refused:
                    self.assertEqual(
                        str(self.problem(work, Refused)),
                        'the VSD lets user "admin" only read zone "Zone" and domain "Domain"; '
                        "give the user the permission USE there, or name another -o user=",
                    )
                else:
                    self.done(work)
        del self.vsd.objects["/zones/z1/permissions"]
        self.done(self.directory.demand_permission(place, "admin"))

    def test_users_that_may_not_be_seen(self) -> None:
        """That our account may not list them proves nothing of them."""
        self.vsd.script = lambda asked: answer(403, b"no") if asked.path.endswith("/users") else None
        self.assertEqual(self.find(user="nobody").network_id, "s2")


LOOKED_AT = (
    "/enterprises",
    "/enterprises/e1/users",
    "/enterprises/e1/domains",
    "/domains/d1/zones",
    "/zones/z1/subnets",
)


class Missing(DirectoryCase):
    """What is not there."""

    def test_each_name(self) -> None:
        for key, name, message in (
            (
                "organization",
                "Enterprize",
                'the VSD has no organization "Enterprize"; did you mean "Enterprise"?',
            ),
            (
                "user",
                "opperator",
                'the VSD has no user "opperator" in organization "Enterprise"; did you mean "operator"?',
            ),
            ("user", "x", 'the VSD has no user "x" in organization "Enterprise"; it has "admin", "operator"'),
            ("domain", "domian", 'the VSD has no domain "domian" in organization "Enterprise"; did you mean "Domain"?'),
            (
                "zone",
                "Zoen",
                'the VSD has no zone "Zoen" in domain "Domain" of organization "Enterprise"; did you mean "Zone"?',
            ),
            (
                "subnet",
                "Subnet2",
                'the VSD has no subnet "Subnet2" in zone "Zone" of domain "Domain" of organization "Enterprise"; '
                'did you mean "Subnet 2"?',
            ),
        ):
            with self.subTest(name):
                self.assertEqual(self.missing(**{key: name}), message)

    def test_what_is_being_deleted(self) -> None:
        for key, name in (("subnet", "Old"), ("subnet", "Older_MARKED_FOR_DELETION"), ("domain", "Gone")):
            message = self.missing(**{key: name})
            self.assertIn(f'no {key} "{name}"', message)
            self.assertNotIn(f'"{name}"', message.partition(";")[2])

    def test_the_other_kind_of_domain(self) -> None:
        self.assertIn("it has an L2 domain of this name: leave out zone and subnet", self.missing(domain="L2"))
        self.assertIn(
            "it has an L3 domain of this name: name a zone and a subnet of it", self.missing(zone=None, subnet=None)
        )

    def test_another_zone(self) -> None:
        self.assertIn('there is one of this name in zone "Other Zone"', self.missing(subnet="Subnet 9"))

    def test_many_and_none(self) -> None:
        """A message lists a few names and no more."""
        self.vsd.objects["/domains/d1/zones"] = [named(f"x{number}", f"q{number}") for number in range(11)]
        self.assertTrue(self.missing(zone="Zone").endswith('of organization "Enterprise"'))
        self.vsd.objects["/domains/d1/zones"] = []
        self.assertTrue(self.missing(zone="Zone").endswith('of organization "Enterprise"'))

    def test_thousands(self) -> None:
        """One page of names will do for a message: all of them would take longer than a call has."""
        users = [{"ID": f"u{number}", "userName": f"user-{number}"} for number in range(20 * PAGE)]
        self.vsd.objects["/enterprises/e1/users"] = users
        self.assertIn('did you mean "user-7"?', self.missing(user="usr-7"))
        self.assertEqual(self.vsd.told.count("GET /enterprises/e1/users"), 2)

    def test_names_that_do_not_come(self) -> None:
        """It is known that a name is not there, even if the VSD does not say which ones are."""
        for outcome in (answer(403, b"no"), answer(503, b"busy")):
            with self.subTest(outcome.status):
                self.vsd.script = partial(self.without_names, outcome)
                self.assertEqual(
                    self.missing(user="opperator"), 'the VSD has no user "opperator" in organization "Enterprise"'
                )

    def test_no_access(self) -> None:
        """What our account may not see is the VSD's refusal, not a name that is missing."""
        self.vsd.script = lambda asked: answer(403, error(0, "Forbidden", "no")) if "zones" in asked.path else None
        self.problem(self.directory.find(**self.names({})), VsdRefused)  # type: ignore[arg-type]

    def test_addresses_that_make_no_sense(self) -> None:
        subnet = self.vsd.objects["/zones/z1/subnets"][1]
        for key, value in (
            ("address", "10.21.59.300"),
            ("netmask", "255.0.255.0"),
            ("netmask", ""),
            ("gateway", "fe80::1%eth0"),
            ("IPv6Address", "fd00::/129"),
            ("IPv6Gateway", "x"),
        ):
            with self.subTest(key):
                former, subnet[key] = subnet[key], value
                problem = str(self.problem(self.directory.find(**self.names({}))))  # type: ignore[arg-type]
                self.assertIn('what the VSD says of "Subnet 2" (s2) is not understood', problem)
                subnet[key] = former
