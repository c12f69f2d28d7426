"""Networks against the VSD: what is refused, what is made up for, and what a Join says."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from nuage.driver.options import network_of
from nuage.driver.places import Places
from nuage.driver.turns import Turns
from nuage.errors import Refused
from nuage.model import Endpoint, Network
from tests.driver_support import NETWORK, OPTIONS, network_request
from tests.http_support import MemorySwitch
from tests.played_vsd import answer, gone
from tests.test_vsd_directory import DirectoryCase, named

GENERIC = "com.docker.network.generic"


def network(pools: list[tuple[str, str]] | None = None, v6: tuple[str, str] | None = None, **options: str) -> Network:
    """Return a network of pools and gateways; its options but for those given are those of a subnet that is there."""
    data = [{"Pool": pool, "Gateway": gateway} for pool, gateway in pools or [("10.21.59.0/24", "10.21.59.1/24")]]
    data_v6 = [{"Pool": v6[0], "Gateway": v6[1]}] if v6 else []
    named_options = {key.replace("_", "-"): value for key, value in {**OPTIONS, **options}.items() if value}
    return network_of(network_request(Options={GENERIC: named_options}, IPv4Data=data, IPv6Data=data_v6))


class PlacesCase(DirectoryCase):
    """A VSD that is played, and a switch that remembers."""

    def setUp(self) -> None:
        super().setUp()
        self.switch = MemorySwitch()
        for path in ("/zones/z1", "/domains/d1", "/l2domains/l1", "/l2domains/l2"):
            self.vsd.objects[f"{path}/permissions"] = []
        for path in ("/subnets/s2", "/l2domains/l1", "/l2domains/l2"):
            self.vsd.objects |= {f"{path}/vminterfaces": [], f"{path}/containerinterfaces": []}
        self.places = self.restarted()
        self.session.presence.on_return(self.places.resume)

    def restarted(self) -> Places:
        """Return what compares networks in a daemon that has just started."""
        switch = cast(Any, self.switch)
        return Places(self.clock, self.session, self.directory, 4.0, switch=switch, turns=Turns(self.clock))

    def refused(self, wanted: Network) -> str:
        return str(self.problem(self.places.checked(wanted), Refused))

    def away(self) -> None:
        """Let the VSD be away."""
        self.vsd.play(*[gone()] * 1000, login=True)

    def back(self) -> None:
        """Let it be back, and noticed."""
        self.vsd.play()
        self.done(self.session.get("/me"))

    async def created(self, wanted: Network) -> None:
        """Check and keep a network, as CreateNetwork does."""
        await self.switch.remember_network(await self.places.checked(wanted))

    def known(self) -> Network:
        found = self.switch.network(NETWORK)
        assert found is not None
        return found


class Creating(PlacesCase):
    """What CreateNetwork is answered."""

    def test_what_is_there(self) -> None:
        for wanted in (
            network(),
            network(v6=("fd00:59::/64", "fd00:59::1/64")),
            network(policy_group="web", redirection_target="firewall"),
            network([("10.7.0.0/16", "10.7.0.1/16")], domain="L2", zone="", subnet=""),
            # Nuage knows no addresses of it, and takes any.
            network([("10.99.0.0/16", "10.99.0.1/16")], domain="Unmanaged", zone="", subnet=""),
        ):
            with self.subTest(wanted=wanted):
                self.assertEqual(self.done(self.places.checked(wanted)), wanted)

    def test_what_is_not_there(self) -> None:
        wrong: tuple[tuple[dict[str, Any], str], ...] = (
            ({"organization": "Enterprize"}, 'no organization "Enterprize"; did you mean "Enterprise"?'),
            ({"domain": "Domian"}, 'no domain "Domian"'),
            ({"zone": "Zoen"}, 'no zone "Zoen"'),
            ({"subnet": "Subnet 22"}, 'no subnet "Subnet 22"'),
            ({"user": "amdin"}, 'no user "amdin"'),
            ({"policy_group": "wbe"}, 'no policy group "wbe" in domain "Domain"; did you mean "web"?'),
            ({"redirection_target": "firewal"}, 'no redirection target "firewal"'),
        )
        for options, part in wrong:
            self.assertIn(f"the VSD has {part}", self.refused(network(**options)))

    def test_addresses(self) -> None:
        """The message has what to copy."""
        for wanted, differing, flags in (
            (
                network([("10.21.58.0/24", "10.21.58.1/24")]),
                "subnet: Docker 10.21.58.0/24, Nuage 10.21.59.0/24; gateway: Docker 10.21.58.1, Nuage 10.21.59.1",
                "--subnet=10.21.59.0/24 --gateway=10.21.59.1",
            ),
            (
                network([("10.21.59.0/25", "10.21.59.1/25")]),
                "subnet: Docker 10.21.59.0/25, Nuage 10.21.59.0/24",
                "--subnet=10.21.59.0/24 --gateway=10.21.59.1",
            ),
            (
                network([("10.21.59.0/24", "10.21.59.129/24")]),
                "gateway: Docker 10.21.59.129, Nuage 10.21.59.1",
                "--subnet=10.21.59.0/24 --gateway=10.21.59.1",
            ),
            (
                network(v6=("fd00:60::/64", "fd00:60::1/64")),
                "IPv6 subnet: Docker fd00:60::/64, Nuage fd00:59::/64; "
                "IPv6 gateway: Docker fd00:60::1, Nuage fd00:59::1",
                "--subnet=10.21.59.0/24 --gateway=10.21.59.1 --ipv6 --subnet=fd00:59::/64 --gateway=fd00:59::1",
            ),
        ):
            with self.subTest(differing):
                self.assertEqual(
                    self.refused(wanted),
                    'CIDR and gateway must be the same as in Nuage (organization "Enterprise", domain "Domain", '
                    f'zone "Zone", subnet "Subnet 2"): {differing}; create the network with {flags}',
                )
        no_v6 = network([("10.21.58.0/24", "10.21.58.1/24")], v6=("fd00::/64", "fd00::1/64"), subnet="Subnet 1")
        self.assertIn("IPv6 subnet: Docker fd00::/64, Nuage none; create", self.refused(no_v6))
        self.assertIn("has no IPv4 addresses", self.refused(network(subnet="Bare")))

    def test_a_call_that_is_repeated(self) -> None:
        """What was accepted stays accepted, whatever the VSD has by now, and costs no question."""
        self.done(self.created(network()))
        self.vsd.objects["/zones/z1/subnets"] = []
        self.vsd.asked.clear()
        self.done(self.created(network()))
        self.assertEqual(self.vsd.asked, [])
        self.assertIn("no subnet", self.refused(network(policy_group="web")))

    def test_a_vsd_that_takes_too_long(self) -> None:
        """It has its time for all questions together."""
        self.vsd.script = lambda _asked: Deferred()
        outcome = self.start(self.created(network()))
        self.clock.advance(3.9)
        self.assertNoResult(outcome)
        self.clock.advance(0.1)
        self.successResultOf(outcome)
        self.assertTrue(self.known().unchecked)
        self.session.presence.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        self.vsd.script = lambda _asked: Deferred()
        outcome = self.start(self.created(network()))
        outcome.cancel()
        self.failureResultOf(outcome)
        self.assertEqual(self.switch.records, {})
        self.assertEqual(self.clock.getDelayedCalls(), [])


class MakingUp(PlacesCase):
    """A VSD that is away does not stop a network."""

    def warnings(self, logged: Any) -> list[str]:
        return [formatEvent(event) for event in logged if event["log_level"].name == "warn"]

    def test_a_good_one(self) -> None:
        for outage in (gone(), answer(503, b"later")):
            self.switch.records.clear()
            self.vsd.play(*[outage] * 1000, login=True)
            self.done(self.created(network()))
            self.assertTrue(self.known().unchecked)
            self.back()
            self.assertEqual(self.known(), network())

    def test_told_once(self) -> None:
        self.away()
        with capturedLogs() as logged:
            self.done(self.created(network()))
            self.done(self.created(network()))
        (warning,) = self.warnings(logged)
        self.assertIn(
            f"network {NETWORK} could not be compared with the VSD, and will be when the VSD is back: the VSD", warning
        )

    def test_a_wrong_one(self) -> None:
        """It is told, once for each reason, and looked at again at the next return."""
        self.away()
        self.done(self.created(network(zone="Zoen")))
        with capturedLogs() as logged:
            for _ in range(2):
                self.back()
                self.away()
                self.session.presence.failed(Refused("away"))
        (warning,) = self.warnings(logged)
        self.assertIn(
            f"network {NETWORK} was created while the VSD was away, and is wrong: the VSD has no zone", warning
        )
        self.assertTrue(self.known().unchecked)
        self.vsd.objects["/domains/d1/zones"].append(named("z1", "Zoen"))
        self.back()
        self.assertFalse(self.known().unchecked)

    def test_after_a_restart(self) -> None:
        """The switch knows what is unchecked."""
        self.away()
        self.done(self.created(network()))
        self.places = self.restarted()
        self.vsd.play()
        self.places.resume()
        self.assertFalse(self.known().unchecked)

    def test_removed_meanwhile(self) -> None:
        """It does not come back."""
        self.away()
        self.done(self.created(network()))
        waiting: list[Deferred[Any]] = []

        def script(asked: Any) -> Deferred[Any] | None:
            if asked.path != "/enterprises":
                return None
            waiting.append(Deferred())
            return waiting[-1]

        self.vsd.script = script
        self.places.resume()
        self.places.resume()
        self.done(self.switch.forget_network(NETWORK))
        (question,) = waiting
        question.callback(answer(200, [named("e1", "Enterprise")]))
        self.assertEqual(self.switch.records, {})

    def test_stopped(self) -> None:
        self.away()
        self.done(self.created(network()))
        self.vsd.script = lambda _asked: Deferred()
        self.places.resume()
        self.places.stop()
        self.session.presence.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_account_that_sees_nothing(self) -> None:
        """It judges nothing."""
        self.vsd.script = lambda asked: answer(403, b"no") if asked.path == "/enterprises" else None
        self.done(self.created(network()))
        self.assertTrue(self.known().unchecked)


class Unresolved(PlacesCase):
    """What a Join says of a port that the VRS does not resolve."""

    endpoint = Endpoint(
        id="e" * 64, network_id=NETWORK, mac="7a:42:00:00:00:02", address=IPv4Interface("10.21.59.2/24")
    )

    def why(self, wanted: Network | None = None, policy: Mapping[str, str] | None = None, **changes: Any) -> str:
        endpoint = attrs.evolve(self.endpoint, **changes)
        return self.done(self.places.why_unresolved(wanted or network(), endpoint, policy or {}))

    def test_names(self) -> None:
        self.assertIn('no zone "Zoen"', self.why(network(zone="Zoen")))
        self.assertIn('no policy group "wbe"', self.why(policy={"nuage-policy-group": "wbe"}))
        self.assertIn('no redirection target "x"', self.why(policy={"nuage-redirection-target": "x"}))
        self.assertIn("create the network with", self.why(network([("10.21.58.0/24", "10.21.58.1/24")])))

    def test_who_has_the_address(self) -> None:
        other = {"ID": "i1", "IPAddress": "10.21.59.2", "MAC": "52:54:00:00:00:01"}
        for resource, what in (
            ("vminterfaces", "VM"),
            ("containerinterfaces", "container"),
            ("ipreservations", "DHCP reservation"),
        ):
            self.vsd.objects[f"/subnets/s2/{resource}"] = [other]
            self.assertEqual(
                self.why(),
                f'{what} "52:54:00:00:00:01" has the address 10.21.59.2 by the VSD; give the container another --ip',
            )
            self.vsd.objects[f"/subnets/s2/{resource}"] = [{**other, "MAC": self.endpoint.mac.upper()}]
            self.assertIn("given the address to nobody else", self.why())
        # What holds the address for the endpoint itself.
        held = {"ID": "r1", "IPV4Address": "10.21.59.2", "externalID": "nuage-plugin/x"}
        self.vsd.objects["/subnets/s2/vmipreservations"] = [held]
        self.assertIn("given the address to nobody else", self.why())

    def test_permissions_of_others(self) -> None:
        """They are no objection, but if nothing else is wrong, they are the reason: nobody knows the groups."""
        permissions = self.vsd.objects["/zones/z1/permissions"]
        permissions.append({"ID": "p1", "permittedAction": "USE", "permittedEntityName": "ops"})
        self.assertEqual(
            self.why(),
            'the VSD has permissions for zone "Zone" and domain "Domain", and none of them names user "admin"; '
            "give the user the permission USE there, if no group of the user's has it",
        )
        self.assertIn('no zone "Zoen"', self.why(network(zone="Zoen")))
        for name in ("admin", "Enterprise"):
            permissions[1:] = [{"ID": "p2", "permittedAction": "USE", "permittedEntityName": name}]
            self.assertIn("the VSD has all that the network names", self.why())
        self.vsd.objects["/zones/z1/permissions"] = [permissions[0]]
        self.vsd.script = lambda asked: answer(403, b"no") if asked.path.endswith("/permissions") else None
        self.assertIn("the VSD has all that the network names", self.why())

    def test_nothing_wrong(self) -> None:
        self.assertIn("the VSD has all that the network names", self.why())
        self.assertEqual(self.why(address=None), "")

    def test_a_vsd_that_is_away(self) -> None:
        """It tells nothing."""
        self.away()
        self.assertEqual(self.why(network(zone="Zoen")), "")
