"""The API of the lab's VSD: who asks, what is listed, and the form of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from lab.vsd.kinds import BY_RESOURCE
from tests.vsd_support import VsdTestCase, mac


class AuthenticationTests(VsdTestCase):
    """Users, passwords and keys."""

    def test_me(self) -> None:
        """A password gets a key, and who one is."""
        me = self.ask("GET", "me", secret="csproot").one
        self.assertEqual((me["userName"], me["enterpriseName"], me["role"]), ("csproot", "CSP", "CSPROOT"))
        self.assertEqual(me["APIKeyExpiry"], (1_000_000 + 86400) * 1000)
        self.assertNotIn("password", me)
        me = self.ask("GET", "me", user="admin", organization="Acme", secret="admin").one
        self.assertEqual((me["userName"], me["enterpriseName"], me["role"]), ("admin", "Acme", "USER"))

    def test_not_authenticated(self) -> None:
        """Whoever says something else, or nothing, is answered 401."""
        for said in (
            {"secret": "wrong"},
            {"user": "nobody"},
            {"organization": "Enterprise"},
            {"organization": ""},
            {"Authorization": ""},
            {"Authorization": "XREST !!"},
            {"Authorization": "XREST /w=="},
            {"Authorization": "Digest x"},
        ):
            for path in ("me", "enterprises"):
                self.assertEqual(self.refused("GET", path, **said).status, 401, (said, path))
        self.assertEqual(self.refused("GET", "enterprises", secret="csproot").status, 401)

    def test_basic(self) -> None:
        """The usual scheme means the same."""
        self.assertEqual(self.ask("GET", "me", Authorization="Basic Y3Nwcm9vdDpjc3Byb290").status, 200)

    def test_key_is_renewed(self) -> None:
        """In a key's last minutes another one is given, and the former one is good until its end."""
        self.clock.advance(86400 - 301)
        self.assertEqual(self.log_in(), self.key)
        self.clock.advance(1)
        later = self.log_in()
        self.assertNotEqual(later, self.key)
        self.done("GET", "enterprises")
        self.clock.advance(300)
        self.assertIn("expired", self.refused("GET", "enterprises").reason)
        self.done("GET", "enterprises", secret=later)

    def test_key_expires(self) -> None:
        """All keys can be ended at once; a password gets a new one."""
        self.vsd.keys.expire()
        self.assertEqual(self.refused("GET", "enterprises").status, 401)
        self.key = self.log_in()
        self.done("GET", "enterprises")

    def test_disabled_user(self) -> None:
        """A user who may not log in is not known."""
        self.done("PUT", f"users/{self.thing('Acme', 'admin').id}", {"disabled": True})
        self.assertEqual(self.refused("GET", "me", user="admin", organization="Acme", secret="admin").status, 401)

    def test_password(self) -> None:
        """A password that is set is what counts from now on, and is never shown."""
        user = self.thing("Acme", "admin")
        self.done("PUT", f"users/{user.id}", {"password": "other"})
        self.log_in("admin", "Acme", "other")
        self.assertEqual(self.refused("GET", "me", user="admin", organization="Acme", secret="admin").status, 401)
        self.assertNotIn(b"other", self.ask("GET", f"users/{user.id}").raw)


class ExpiredStatusTests(VsdTestCase):
    """Another release."""

    settings: Mapping[str, Any] = {"expired_status": 419, "key_validity": 2, "reservations": False}

    def test_status(self) -> None:
        """It answers 419 for a key that has ended, which it does early."""
        self.clock.advance(2)
        self.assertEqual(self.refused("GET", "enterprises").status, 419)
        self.assertEqual(self.refused("GET", "enterprises", secret="x").status, 401)

    def test_no_reservations(self) -> None:
        """It has no vmipreservations."""
        self.assertEqual(self.refused("GET", f"subnets/{self.subnet.id}/vmipreservations").status, 404)


class VersionTests(VsdTestCase):
    """The versions of the API."""

    def test_versions(self) -> None:
        """There are two; the older one has no vmipreservations."""
        path = f"subnets/{self.subnet.id}/vmipreservations"
        self.assertEqual(self.done("GET", path), [])
        self.assertEqual(self.refused("GET", path, version="v5_0").status, 404)
        self.assertEqual(self.done("GET", "enterprises", version="v5_0"), self.done("GET", "enterprises"))
        self.assertEqual(self.refused("GET", "enterprises", version="v3_2").status, 404)


class ListingTests(VsdTestCase):
    """Lists."""

    def names(self, path: str, **headers: str) -> list[str]:
        """Return the names in a list."""
        return [each["name"] for each in self.done("GET", path, **headers)]

    def test_places(self) -> None:
        """An object is listed below what it was made under, and below what that is under."""
        domain, zone = self.thing("Enterprise", "Domain"), self.thing("Enterprise", "Domain", "Zone")
        self.assertEqual(self.names("enterprises"), ["Enterprise", "Acme"])
        self.assertEqual(self.names(f"domains/{domain.id}/subnets"), ["Subnet 1", "Subnet 2", "Storage"])
        self.assertEqual(self.names(f"zones/{zone.id}/subnets"), ["Subnet 1", "Subnet 2"])
        self.assertEqual(len(self.names("subnets")), 5)
        self.assertEqual(self.names("l2domains"), ["Flat"])
        self.assertEqual(self.names(f"domains/{domain.id}/policygroups"), ["web", "db", "quarantine"])
        self.assertEqual(self.names(f"domains/{domain.id}/redirectiontargets"), ["firewall"])
        self.assertEqual(self.refused("GET", "vports").status, 405)

    def test_one(self) -> None:
        """One object is a list of it."""
        (subnet,) = self.done("GET", f"subnets/{self.subnet.id}")
        shown = {name: subnet[name] for name in ("name", "address", "netmask", "gateway", "parentType", "serviceID")}
        self.assertEqual(
            shown,
            {
                "name": "Subnet 2",
                "address": "10.21.59.0",
                "netmask": "255.255.255.0",
                "gateway": "10.21.59.1",
                "parentType": "zone",
                "serviceID": 102,
            },
        )
        self.assertEqual(subnet["creationDate"], 1_000_000_000)

    def test_filter(self) -> None:
        """A predicate chooses, and is told in the answer; a quote in a name is escaped."""
        reply = self.ask("GET", "subnets", Filter='name == "Subnet 2"')
        self.assertEqual((len(reply.body), reply.header("X-Nuage-Count")), (3, "3"))
        self.assertEqual(reply.header("X-Nuage-Filter"), 'name == "Subnet 2"')
        zone = self.thing("Enterprise", "Domain", "Zone")
        name = 'a "quoted" \\ näme'
        self.done("PUT", f"zones/{zone.id}", {"name": name})
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        self.assertEqual(self.names("zones", Filter=f'name == "{escaped}"'), [name])
        self.assertEqual(self.names("zones", Filter="näme", FilterType="plain"), [name])

    def test_filter_that_cannot_be(self) -> None:
        """It is refused."""
        for text in ("gateway == 'x'", "name ==", "name == x", "((", "name ~ 'x'", "(" * 5000):
            self.assertEqual(self.refused("GET", "subnets", Filter=text).status, 400, text)

    def test_pages(self) -> None:
        """A list comes in pages, and tells how many there are."""
        seen = []
        for page in range(3):
            reply = self.ask("GET", "subnets", Page=str(page), PageSize="2", OrderBy="name DESC, address")
            self.assertEqual((reply.header("X-Nuage-Count"), reply.header("X-Nuage-Page")), ("5", str(page)))
            seen += [(each["name"], each["address"]) for each in reply.body]
        self.assertEqual(len(seen), 5)
        self.assertEqual([name for name, _ in seen], ["Subnet 2"] * 3 + ["Subnet 1", "Storage"])
        self.assertEqual(self.done("GET", "subnets", Page="3", PageSize="2"), [])
        reply = self.ask("GET", "subnets", PageSize="100000")
        self.assertEqual(reply.header("X-Nuage-PageSize"), "500")

    def test_page_that_cannot_be(self) -> None:
        """It is refused, and so is an order."""
        for header, value in (
            ("Page", "-1"),
            ("Page", "x"),
            ("PageSize", "1e3"),
            ("OrderBy", "nome ASC"),
            ("OrderBy", "name UP"),
            ("OrderBy", "name ASC x"),
            ("OrderBy", ","),
        ):
            self.assertEqual(self.refused("GET", "subnets", **{header: value}).status, 400, (header, value))

    def test_order_of_what_is_missing(self) -> None:
        """Objects without a value come first."""
        self.done("PUT", f"subnets/{self.subnet.id}", {"description": "x"})
        found = self.done("GET", "subnets", OrderBy="description ASC, name ASC")
        self.assertEqual(found[-1]["ID"], self.subnet.id)

    def test_count(self) -> None:
        """HEAD has the numbers alone."""
        reply = self.ask("HEAD", "subnets")
        self.assertEqual((reply.status, reply.raw, reply.header("X-Nuage-Count")), (200, b"", "5"))

    def test_paths_that_are_not_there(self) -> None:
        """They are 404, and methods that are not for a path 405."""
        for path in ("nothing", "subnets/x", "subnets/x/vports", f"subnets/{self.subnet.id}/x", "a/b/c/d", ""):
            self.assertEqual(self.refused("GET", path).status, 404, path)
        self.assertEqual(self.refused("POST", f"subnets/{self.subnet.id}").status, 405)
        self.assertEqual(self.refused("GET", f"zones/{self.thing('Acme', 'Domain', 'Zone').id}/l2domains").status, 405)
        self.assertEqual(self.refused("POST", "me").status, 405)


class VisibilityTests(VsdTestCase):
    """Users of an organization, and those who act for them."""

    def test_own_enterprise(self) -> None:
        """A user sees the own one alone."""
        own = {"user": "admin", "organization": "Acme", "secret": self.log_in("admin", "Acme")}
        self.assertEqual([each["name"] for each in self.done("GET", "enterprises", **own)], ["Acme"])
        self.assertEqual(len(self.done("GET", "subnets", **own)), 1)
        self.assertEqual(self.refused("GET", f"subnets/{self.subnet.id}", **own).status, 404)
        self.assertEqual(self.refused("POST", "containers", self.container(1), **own).status, 403)
        self.assertEqual(self.refused("POST", "enterprises", {"name": "x"}, **own).status, 403)
        self.assertEqual(self.refused("GET", "subnets", ProxyUser="admin@Enterprise", **own).status, 403)

    def test_permissions(self) -> None:
        """Where a domain has permissions, they say what a user may do; a zone's say more."""
        domain, zone = self.thing("Enterprise", "Domain"), self.thing("Enterprise", "Domain", "Zone")
        admin, developer = self.thing("Enterprise", "admin"), self.thing("Enterprise", "developer")
        group = self.done("POST", f"enterprises/{self.thing('Enterprise').id}/groups", {"name": "team"})
        self.done("PUT", f"groups/{group['ID']}/users", [developer.id])
        made = {"permittedAction": "READ", "permittedEntityID": group["ID"]}
        permission = self.done("POST", f"domains/{domain.id}/permissions", made)
        self.assertEqual((permission["permittedEntityName"], permission["permittedEntityType"]), ("team", "group"))
        seen = self.done("GET", "domains", ProxyUser="developer@Enterprise")
        self.assertEqual([each["permittedAction"] for each in seen if each["name"] == "Domain"], ["READ"])
        self.assertEqual(
            self.refused("POST", "containers", self.container(1), ProxyUser="developer@Enterprise").status, 403
        )
        self.assertNotIn("Domain", [each["name"] for each in self.done("GET", "domains", ProxyUser="admin@Enterprise")])
        self.assertEqual(self.refused("GET", f"domains/{domain.id}", ProxyUser="admin@Enterprise").status, 404)
        made = {"permittedAction": "USE", "permittedEntityID": admin.id}
        self.done("POST", f"zones/{zone.id}/permissions", made)
        self.done("POST", "containers", self.container(1), ProxyUser="admin@Enterprise")
        self.assertEqual(
            self.refused("PUT", f"subnets/{self.subnet.id}", {"name": "x"}, ProxyUser="admin@Enterprise").status, 403
        )

    def test_acting_for_a_user(self) -> None:
        """The provider's user makes a container that is another's; who is not there is refused."""
        made = self.done("POST", "containers", self.container(1), ProxyUser="admin@Enterprise")
        self.assertEqual((made["userName"], made["enterpriseName"]), ("admin", "Enterprise"))
        for proxied in ("nobody@Enterprise", "admin@Nowhere", "admin", "@"):
            self.assertEqual(self.refused("GET", "subnets", ProxyUser=proxied).status, 403, proxied)


class ChangingTests(VsdTestCase):
    """Making, changing and removing."""

    def test_structure(self) -> None:
        """An organization with a domain, a zone, a subnet and policies is made, and removed."""
        enterprise = self.done("POST", "enterprises", {"name": "New"})
        (template,) = self.done("GET", f"enterprises/{enterprise['ID']}/domaintemplates")
        domain = self.done(
            "POST", f"enterprises/{enterprise['ID']}/domains", {"name": "D", "templateID": template["ID"]}
        )
        zone = self.done("POST", f"domains/{domain['ID']}/zones", {"name": "Z"})
        subnet = self.done(
            "POST", f"zones/{zone['ID']}/subnets", {"name": "S", "address": "10.9.0.0", "netmask": "255.255.0.0"}
        )
        self.assertEqual((subnet["gateway"], subnet["parentID"]), ("10.9.0.1", zone["ID"]))
        self.assertNotIn(subnet["serviceID"], (None, 101, 102, 103, 104, 105, 106))
        group = self.done("POST", f"domains/{domain['ID']}/policygroups", {"name": "web", "type": "SOFTWARE"})
        self.assertEqual(group["policyGroupID"], 1)
        user = {"userName": "u", "firstName": "U", "lastName": "S", "email": "u@lab.invalid", "password": "p"}
        self.done("POST", f"enterprises/{enterprise['ID']}/users", user)
        self.log_in("u", "New", "p")
        topology = self.vsd.view.topology().organizations["New"]
        self.assertEqual(topology.users, {"u"})
        self.assertEqual(str(topology.domains["D"].zones["Z"]["S"].cidr), "10.9.0.0/16")
        self.done("DELETE", f"enterprises/{enterprise['ID']}?responseChoice=1")
        self.assertNotIn("New", self.vsd.view.topology().organizations)
        self.assertEqual(self.refused("GET", f"subnets/{subnet['ID']}").status, 404)

    def test_dual_stack(self) -> None:
        """A subnet may have an IPv6 network, and a gateway in it; the first address unless somebody says otherwise."""
        zone = self.thing("Enterprise", "Domain", "Zone")
        four = {"address": "10.9.0.0", "netmask": "255.255.0.0"}
        six = {**four, "name": "S", "IPType": "DUALSTACK", "IPv6Address": "fd00:9::/64"}
        subnet = self.done("POST", f"zones/{zone.id}/subnets", six)
        self.assertEqual(subnet["IPv6Gateway"], "fd00:9::1")
        (found,) = (each for each in self.vsd.view.topology().domains() if each.vrf_id == 2001)
        self.assertEqual(str(found.zones["Zone"]["S"].cidr6), "fd00:9::/64")
        self.assertEqual(str(found.zones["Zone"]["S"].gateway6), "fd00:9::1")
        others = {"name": "T", "address": "10.10.0.0", "netmask": "255.255.0.0"}
        for wrong, field in (
            ({"IPv6Address": "fd00:9:0:0:8000::/65"}, "IPv6Address"),
            ({"IPv6Address": "fd00:10::1/64"}, "IPv6Address"),
            ({"IPv6Address": "10.10.0.0/16"}, "IPv6Address"),
            ({"IPType": "DUALSTACK"}, "IPv6Address"),
            ({"IPv6Address": "fd00:10::/64", "IPv6Gateway": "fd00:11::1"}, "IPv6Gateway"),
            ({"IPv6Address": "fd00:10::/64", "IPv6Gateway": "fd00:10::"}, "IPv6Gateway"),
            ({"IPv6Gateway": "fd00:10::1"}, "IPv6Gateway"),
        ):
            refused = self.refused("POST", f"zones/{zone.id}/subnets", {**others, **wrong})
            self.assertEqual(refused.body["errors"][0]["property"], field, wrong)
        path = f"subnets/{subnet['ID']}"
        self.done("PUT", path, {"IPv6Gateway": "fd00:9::9"})
        four_only = self.done("POST", f"zones/{zone.id}/subnets", others)
        self.done("PUT", f"subnets/{four_only['ID']}", {"IPv6Address": "fd00:12::/64"})
        self.assertEqual(self.done("GET", f"subnets/{four_only['ID']}")[0]["IPv6Gateway"], "fd00:12::1")
        network = self.vsd.directory.get(subnet["ID"])
        self.done("POST", "containers", self.container(1, network, IPv6Address="fd00:9::2"))
        self.assertIn("in use", self.refused("PUT", path, {"IPv6Address": "fd00:10::/64"}).reason)
        self.assertEqual(self.refused("PUT", path, {"IPv6Gateway": "fd00:9::2"}).code, 2704)

    def test_ranges_of_ipv6(self) -> None:
        """A range is one of the IPv6 network, or is refused."""
        path = f"subnets/{self.subnet.id}/addressranges"
        self.done("POST", path, {"IPType": "IPV6", "minAddress": "fd00:21:59::2", "maxAddress": "fd00:21:59::9"})
        for low, high in (("fd00::2", "fd00:21:59::9"), ("fd00:21:59::9", "fd00:21:59::2"), ("10.21.59.2", "x")):
            wanted = {"IPType": "IPV6", "minAddress": low, "maxAddress": high}
            self.assertEqual(self.refused("POST", path, wanted).body["errors"][0]["property"], "minAddress")

    def test_l2_domain(self) -> None:
        """It has the addresses and ranges of its template."""
        enterprise = self.thing("Acme")
        template = self.done(
            "POST",
            f"enterprises/{enterprise.id}/l2domaintemplates",
            {"name": "T", "address": "10.8.0.0", "netmask": "255.255.255.0", "gateway": "10.8.0.1"},
        )
        bounds = {"minAddress": "10.8.0.100", "maxAddress": "10.8.0.101"}
        self.done("POST", f"l2domaintemplates/{template['ID']}/addressranges", bounds)
        made = self.done("POST", f"enterprises/{enterprise.id}/l2domains", {"name": "L", "templateID": template["ID"]})
        (found,) = self.done("GET", f"l2domains/{made['ID']}/addressranges")
        self.assertEqual(found["minAddress"], "10.8.0.100")
        network = self.vsd.directory.get(made["ID"])
        container = self.done("POST", "containers", self.container(1, network))
        self.assertEqual(container["interfaces"][0]["IPAddress"], "10.8.0.100")
        self.assertEqual(container["interfaces"][0]["attachedNetworkType"], "L2DOMAIN")
        flat = self.vsd.view.topology().organizations["Acme"].domains["L"].flat
        assert flat is not None
        self.assertEqual((str(flat.cidr), str(flat.gateway)), ("10.8.0.0/24", "10.8.0.1"))

    def test_shared_network_resource(self) -> None:
        """A subnet may have its addresses there, together with another one."""
        shared = {
            "name": "P",
            "type": "PUBLIC",
            "address": "10.7.0.0",
            "netmask": "255.255.255.0",
            "gateway": "10.7.0.1",
        }
        resource = self.done("POST", "sharednetworkresources", shared)
        zones = [self.thing("Enterprise", "Domain", "Zone"), self.thing("Acme", "Domain", "Zone")]
        wanted = {"name": "P", "associatedSharedNetworkResourceID": resource["ID"]}
        subnets = [self.done("POST", f"zones/{zone.id}/subnets", wanted) for zone in zones]
        self.assertEqual([each["address"] for each in subnets], [None, None])
        networks = [self.vsd.directory.get(each["ID"]) for each in subnets]
        made = [self.done("POST", "containers", self.container(n, network)) for n, network in enumerate(networks)]
        self.assertEqual([each["interfaces"][0]["IPAddress"] for each in made], ["10.7.0.2", "10.7.0.3"])
        self.assertIn("has its addresses", self.refused("DELETE", f"sharednetworkresources/{resource['ID']}").reason)

    def test_values_that_cannot_be(self) -> None:
        """They are refused, with the field."""
        zone = self.thing("Enterprise", "Domain", "Zone")
        path, good = f"zones/{zone.id}/subnets", {"name": "S", "address": "10.9.0.0", "netmask": "255.255.255.0"}
        for changes, field, code in (
            ({"name": None}, "name", 0),
            ({"name": "Subnet 2"}, "name", 2505),
            ({"name": 5}, "name", 0),
            ({"name": "x" * 256}, "name", 0),
            ({"IPType": "IPV5"}, "IPType", 0),
            ({"address": None}, "address", 0),
            ({"address": "10.9.0.7"}, "address", 0),
            ({"address": "ten"}, "address", 0),
            ({"netmask": "255.0.255.0"}, "address", 0),
            ({"address": "10.21.59.128", "netmask": "255.255.255.128"}, "address", 0),
            ({"gateway": "10.9.1.1"}, "gateway", 0),
            ({"gateway": "10.9.0.255"}, "gateway", 0),
            ({"associatedSharedNetworkResourceID": "x"}, "associatedSharedNetworkResourceID", 0),
        ):
            reply = self.refused("POST", path, good | changes)
            self.assertEqual((reply.status, reply.code), (409, code), changes)
            self.assertEqual(reply.body["errors"][0]["property"], field, changes)
        self.assertEqual(len(self.done("GET", path)), 2)

    def test_names_that_are_taken(self) -> None:
        """Each kind has its number."""
        enterprise, domain = self.thing("Enterprise"), self.thing("Enterprise", "Domain")
        for path, body, code in (
            ("enterprises", {"name": "Acme"}, 2510),
            (f"domains/{domain.id}/zones", {"name": "Zone"}, 2510),
            (f"domains/{domain.id}/policygroups", {"name": "web", "type": "SOFTWARE"}, 9501),
            (f"enterprises/{enterprise.id}/groups", {"name": "g"}, None),
            (f"enterprises/{enterprise.id}/groups", {"name": "g"}, 2510),
        ):
            reply = self.ask("POST", path, body)
            self.assertEqual(reply.code if reply.status != 201 else None, code, path)

    def test_change(self) -> None:
        """A change may hold what changes alone, or all; nothing changed is told by its number."""
        path = f"subnets/{self.subnet.id}"
        self.assertEqual(self.ask("PUT", path, {"description": "x"}).status, 204)
        (subnet,) = self.done("GET", path)
        self.assertEqual((subnet["description"], subnet["gateway"]), ("x", "10.21.59.1"))
        self.assertEqual(self.refused("PUT", path, subnet).code, 2039)
        self.assertEqual(self.refused("PUT", path, {"ID": "x", "serviceID": 5}).code, 2039)
        self.assertEqual(self.ask("PUT", path, subnet | {"name": "Renamed"}).status, 204)
        self.assertIn("Renamed", self.vsd.view.topology().organizations["Enterprise"].domains["Domain"].zones["Zone"])
        self.assertEqual(self.refused("PUT", path, {"name": None}).reason, "name: This value is mandatory.")
        self.assertEqual(self.refused("PUT", path, {"name": "Subnet 1"}).code, 2505)
        self.assertIn("needs a gateway", self.refused("PUT", path, {"gateway": None}).reason)
        self.assertIn("overlaps", self.refused("PUT", path, {"address": "10.21.58.0", "gateway": "10.21.58.1"}).reason)
        self.assertIn("is not an address for a machine", self.refused("PUT", path, {"gateway": "10.21.58.7"}).reason)

    def test_network_that_is_used(self) -> None:
        """Its addresses do not change; its gateway does, to an address that is free."""
        self.done("POST", "containers", self.container(1))
        path = f"subnets/{self.subnet.id}"
        self.assertIn("has addresses in use", self.refused("PUT", path, {"address": "10.99.0.0"}).reason)
        self.assertEqual(self.refused("PUT", path, {"gateway": "10.21.59.2"}).code, 2704)
        self.done("PUT", path, {"gateway": "10.21.59.3"})
        made = [self.done("POST", "containers", self.container(n))["interfaces"][0]["IPAddress"] for n in (2, 3)]
        self.assertEqual(made, ["10.21.59.1", "10.21.59.4"])

    def test_question(self) -> None:
        """What matters is asked about; the answer 1 goes ahead, 0 does not."""
        path = f"zones/{self.thing('Acme', 'Domain', 'Zone').id}"
        reply = self.ask("DELETE", path)
        self.assertEqual((reply.status, [each["id"] for each in reply.body["choices"]]), (300, [1, 0]))
        self.assertEqual(self.ask("DELETE", f"{path}?responseChoice=0").status, 204)
        self.done("GET", path)
        self.assertEqual(self.ask("DELETE", f"{path}?responseChoice=1", {"name": "Zone"}).status, 204)
        self.assertEqual(self.refused("DELETE", f"{path}?responseChoice=1").status, 404)

    def test_what_is_in_use_stays(self) -> None:
        """Something with interfaces below it is not removed, nor is a policy group with vPorts."""
        container = self.done("POST", "containers", self.container(1))
        vport = container["interfaces"][0]["VPortID"]
        group = self.thing("Enterprise", "Domain", "web")
        self.done("PUT", f"vports/{vport}/policygroups", [group.id])
        for path, code in (
            (f"vports/{vport}", 7010),
            (f"policygroups/{group.id}", 7097),
            (f"subnets/{self.subnet.id}", 0),
            (f"zones/{self.thing('Enterprise', 'Domain', 'Zone').id}", 0),
            (f"enterprises/{self.thing('Enterprise').id}", 0),
        ):
            self.assertEqual(self.refused("DELETE", f"{path}?responseChoice=1").code, code, path)
        self.done("DELETE", f"containers/{container['ID']}?responseChoice=1")
        self.done("DELETE", f"policygroups/{group.id}")
        self.assertEqual(self.refused("DELETE", f"users/{self.vsd.directory.get(container['userID']).id}").status, 403)  # type: ignore[union-attr]

    def test_bulk(self) -> None:
        """Many at once, each with its own status."""
        path = f"domains/{self.thing('Enterprise', 'Domain').id}/zones"
        made = self.done("POST", path, [{"name": "A"}, {"name": "Zone"}, {"name": "B"}, 5])
        self.assertEqual([each["status"] for each in made["response"]], [201, 409, 201, 400])
        self.assertEqual(made["responseMetadata"], {"total": 4, "success": 2, "failure": 2})
        first, second = (made["response"][n]["data"][0]["ID"] for n in (0, 2))
        changed = self.done("PUT", "zones", [{"ID": first, "name": "C"}, {"ID": "x"}, {"ID": second, "name": "C"}])
        self.assertEqual([each["status"] for each in changed["response"]], [200, 404, 409])
        removed = self.done("DELETE", f"zones?responseChoice=1&id={first}&id={second}&id={first}")
        self.assertEqual([each["status"] for each in removed["response"]], [204, 204, 404])
        self.assertEqual(self.refused("DELETE", "zones").status, 400)

    def test_members(self) -> None:
        """They are replaced, added and removed, and seen from both sides; an interface has its vPort's."""
        container = self.done("POST", "containers", self.container(1))
        interface = container["interfaces"][0]
        path = f"vports/{interface['VPortID']}/policygroups"
        web, db = (self.thing("Enterprise", "Domain", name) for name in ("web", "db"))

        def names(of: str = path) -> list[str]:
            return [each["name"] for each in self.done("GET", of)]

        self.assertEqual(self.ask("PUT", path, [web.id]).status, 204)
        self.assertEqual(names(), ["web"])
        self.done("PATCH", path, [db.id], PatchType="add")
        self.assertEqual(sorted(names()), ["db", "web"])
        self.assertEqual(sorted(names(f"containerinterfaces/{interface['ID']}/policygroups")), ["db", "web"])
        self.done("PATCH", path, [web.id], PatchType="remove")
        self.assertEqual(names(), ["db"])
        self.assertEqual(names(f"policygroups/{db.id}/vports"), [interface["VPortName"]])
        self.done("PUT", f"policygroups/{web.id}/vports", [interface["VPortID"]])
        self.assertEqual(sorted(names()), ["db", "web"])
        self.done("PUT", path, [])
        self.assertEqual(self.done("GET", f"policygroups/{db.id}/vports"), [])
        target = self.thing("Enterprise", "Domain", "firewall")
        self.done("PUT", f"vports/{interface['VPortID']}/redirectiontargets", [target.id])
        self.assertEqual(names(f"vports/{interface['VPortID']}/redirectiontargets"), ["firewall"])

    def test_members_that_cannot_be(self) -> None:
        """A group of another domain, something else, or no list."""
        vport = self.done("POST", "containers", self.container(1))["interfaces"][0]["VPortID"]
        acme = self.thing("Acme", "Domain")
        group = self.done("POST", f"domains/{acme.id}/policygroups", {"name": "g", "type": "SOFTWARE"})
        for body, status in (([group["ID"]], 409), (["x"], 404), ([self.subnet.id], 404), ({}, 400), ([5], 400)):
            self.assertEqual(self.refused("PUT", f"vports/{vport}/policygroups", body).status, status, body)
        self.assertEqual(self.refused("PUT", f"vports/{vport}/containers", {}).status, 400)
        self.assertEqual(self.done("GET", f"vports/{vport}/policygroups"), [])

    def test_bodies_that_cannot_be_read(self) -> None:
        """They are refused, and nothing is made."""
        for raw in (b"", b"{", b"\xff", b"[" * 100_000, b"5", b"null", b'"x"', b"NaN"):
            reply = self.refused("POST", "enterprises", raw=raw)
            self.assertEqual(reply.status, 400, raw[:20])
        self.assertEqual(len(self.done("GET", "enterprises")), 2)

    @given(st.sampled_from(sorted(BY_RESOURCE)), st.data())
    @settings(max_examples=100, deadline=None)
    def test_any_body(self, resource: str, data: st.DataObject) -> None:
        """Whatever is sent for whatever attribute is answered, by an object or by a refusal, and can be read after."""
        self.setUp()
        self.make_some()
        kind, directory = BY_RESOURCE[resource], self.vsd.directory
        subnet = self.subnet
        identities = [thing.id for thing in directory.below(directory.root, resource).values()]
        name = data.draw(st.sampled_from(sorted(kind.attributes)))
        value = data.draw(_ANYTHING | st.sampled_from([*_TELLING, *identities]))
        upper = data.draw(st.sampled_from(["", *(f"{each}/" for each in self.places())]))
        good = {"name": "n", "type": "VM", "endPointType": "L3", "userName": "u", "MAC": mac(1)}
        good |= {"address": "10.200.0.0", "netmask": "255.255.0.0", "attachedNetworkID": subnet.id, "UUID": "u"}
        for body in (value, {name: value}, good | {name: value}, [good | {name: value}]):
            reply = self.ask("POST", f"{upper}{resource}", raw=json.dumps(body).encode())
            self.assertIn(reply.status, (201, 207, 400, 403, 404, 405, 409), reply.raw)
        if identities:
            path = f"{resource}/{data.draw(st.sampled_from(identities))}"
            self.assertIn(self.ask("PUT", path, {name: value}).status, (204, 400, 403, 409), (name, value))
            self.assertEqual(self.ask("GET", path).status, 200)
        self.vsd.view.topology()
        self.ask("POST", "containers", self.container(1, subnet))

    def make_some(self) -> None:
        """Make an object of each kind that the file has none of."""
        interface = self.done("POST", "containers", self.container(7))["interfaces"][0]
        enterprise, domain = f"enterprises/{self.thing('Enterprise').id}", f"domains/{interface['domainID']}"
        path = f"subnets/{self.subnet.id}"
        vport = self.done("POST", f"{path}/vports", {"name": "vm", "type": "VM"})
        user = self.thing("Enterprise", "admin").id
        network = {"name": "P", "address": "10.210.0.0", "netmask": "255.255.0.0"}
        for where, body in (
            (f"vports/{vport['ID']}/vminterfaces", {"MAC": mac(8)}),
            (f"{path}/vmipreservations", {"IPV4Address": "10.21.59.20"}),
            (f"{path}/ipreservations", {"IPAddress": "10.21.59.21", "MAC": mac(9)}),
            (f"{path}/addressranges", {"minAddress": "10.21.59.2", "maxAddress": "10.21.59.3"}),
            (f"{domain}/permissions", {"permittedEntityID": user}),
            (f"{enterprise}/groups", {"name": "G"}),
            (f"{enterprise}/l2domaintemplates", network),
            ("sharednetworkresources", {"type": "PUBLIC", **network}),
        ):
            self.done("POST", where, body)

    def places(self) -> list[str]:
        """Return the paths of what something can be made under."""
        directory = self.vsd.directory
        resources = ("enterprises", "domains", "zones", "subnets", "l2domains", "l2domaintemplates", "vports")
        first = (next(iter(directory.below(directory.root, resource)), None) for resource in resources)
        return [f"{resource}/{found}" for resource, found in zip(resources, first, strict=True) if found]


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
#: Values that mean something somewhere.
_TELLING = ("10.200.0.0", "10.200.0.1", "0.0.0.0", "255.255.255.0", "255.255.255.255", "IPV6", "VM", "DUALSTACK")


class EventsTests(VsdTestCase):
    """The push channel."""

    def test_changes(self) -> None:
        """Who waits hears of the next change; who comes back, of all since."""
        waiting = self.begin("GET", "events")
        self.agent.flush()
        self.assertNoResult(waiting)
        self.done("POST", f"domains/{self.thing('Acme', 'Domain').id}/zones", {"name": "Z"})
        self.agent.flush()
        answer = self.successResultOf(waiting).body
        (event,) = answer["events"]
        self.assertEqual((event["type"], event["entityType"], event["userName"]), ("CREATE", "zone", "csproot"))
        zone = event["entities"][0]
        self.assertEqual(zone["name"], "Z")
        self.done("PUT", f"zones/{zone['ID']}", {"name": "Y"})
        self.done("DELETE", f"zones/{zone['ID']}?responseChoice=1")
        for _ in range(2):
            later = self.done("GET", f"events?uuid={answer['uuid']}")
            self.assertEqual([each["type"] for each in later["events"]], ["UPDATE", "DELETE"])

    def test_container(self) -> None:
        """A container comes with its vPort and its interface, and goes with them."""
        waiting = self.begin("GET", "events")
        self.agent.flush()
        made = self.done("POST", "containers", self.container(1))
        self.agent.flush()
        first = self.successResultOf(waiting).body
        self.done("DELETE", f"containers/{made['ID']}?responseChoice=1")
        later = self.done("GET", f"events?uuid={first['uuid']}")
        seen = [(each["type"], each["entityType"]) for each in first["events"] + later["events"]]
        self.assertEqual(
            seen,
            [
                ("CREATE", "container"),
                ("CREATE", "vport"),
                ("CREATE", "containerinterface"),
                ("DELETE", "containerinterface"),
                ("DELETE", "vport"),
                ("DELETE", "container"),
            ],
        )

    def test_nothing_happens(self) -> None:
        """The answer is an empty one after a while, and the channel goes on."""
        waiting = self.begin("GET", "events")
        self.agent.flush()
        self.clock.advance(25)
        self.agent.flush()
        answer = self.successResultOf(waiting).body
        self.assertEqual(answer["events"], [])
        self.done("PUT", f"subnets/{self.subnet.id}", {"description": "x"})
        self.assertEqual(len(self.done("GET", f"events?uuid={answer['uuid']}")["events"]), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forgotten(self) -> None:
        """Who does not ask for long, or asks for what was not, has to list everything."""
        waiting = self.begin("GET", "events")
        self.agent.flush()
        self.done("PUT", f"subnets/{self.subnet.id}", {"description": "x"})
        self.agent.flush()
        uuid = self.successResultOf(waiting).body["uuid"]
        self.clock.advance(600)
        self.assertIn("list everything", self.refused("GET", f"events?uuid={uuid}").reason)
        self.assertIn("list everything", self.refused("GET", "events?uuid=x").reason)

    def test_at_most(self) -> None:
        """An answer has so many changes, and the next one the rest."""
        waiting = self.begin("GET", "events")
        self.agent.flush()
        path = f"domains/{self.thing('Acme', 'Domain').id}/zones"
        self.done("POST", path, [{"name": str(n)} for n in range(151)])
        self.agent.flush()
        first = self.successResultOf(waiting).body
        second = self.done("GET", f"events?uuid={first['uuid']}")
        counts = [len(each["events"]) for each in (first, second)]
        self.assertEqual(sum(counts), 151)
        self.assertLessEqual(max(counts), 100)


class DelayTests(VsdTestCase):
    """Answers that take their time."""

    def test_delay(self) -> None:
        """Each is late by what was set."""
        self.vsd.api.delay = 0.02
        asked = self.begin("GET", "enterprises")
        self.agent.flush()
        self.clock.advance(0.019)
        self.agent.flush()
        self.assertNoResult(asked)
        self.clock.advance(0.001)
        self.agent.flush()
        self.assertEqual(self.successResultOf(asked).status, 200)


class LogTests(VsdTestCase):
    """What the log has."""

    def test_lines(self) -> None:
        """A request is one line, whatever is in it, without anything secret."""
        enterprise = f"enterprises/{self.thing('Acme').id}"
        user = {"userName": "u", "firstName": "U", "lastName": "S", "email": "e", "password": "hidden"}
        with capturedLogs() as events:
            self.done("POST", f"{enterprise}/users", user)
            self.refused("POST", f"{enterprise}/domains", {"name": "x", "templateID": "a\nb\ud800"})
        lines = [formatEvent(event) for event in events]
        self.assertEqual(len(lines), 2)
        self.assertIn("a\\nb\\ud800", lines[1])
        self.assertNotIn("hidden", lines[0])
        self.assertNotIn(self.key, "".join(lines))
