"""The lab's VSD with Nuage's own SDK for Python, over TLS."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from queue import Empty, Queue
from types import ModuleType
from typing import Any

from bambou.exceptions import BambouHTTPError
from twisted.internet import reactor
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.trial.unittest import TestCase
from urllib3.exceptions import InsecureRequestWarning
from vspk import v5_0, v6

from lab.shell import wait_until
from lab.standin import TOPOLOGY
from lab.vrs.resolution import EntityRow, Key, Outcome, PortRow, Resolved
from lab.vsd.service import Settings, Vsd
from tests.vsd_support import mac

PLACE = {"name": "Subnet 2", "address": "10.21.59.0", "netmask": "255.255.255.0", "gateway": "10.21.59.1"}


def blocking(test: Callable[[Any], None]) -> Callable[[Any], Any]:
    """Have a test run in a thread."""

    @wraps(test)
    def run(case: Any) -> Any:
        return deferToThread(test, case)

    return run


class SdkCase(TestCase):
    """A VSD on a port, and the SDK in a thread, because it blocks."""

    timeout = 60
    sdk: ModuleType = v6
    #: The SDK verifies no certificate, and says so each time.
    suppress = ((("ignore",), {"category": InsecureRequestWarning}),)

    def setUp(self) -> Any:
        """Start it, and a session of the provider's user."""
        self.vsd = Vsd(reactor, Settings(topology=TOPOLOGY, folder=Path(self.mktemp()), **self.settings()))
        self.vsd.startService()
        self.addCleanup(self.vsd.stopService)
        return deferToThread(self.log_in)

    def settings(self) -> dict[str, Any]:
        """Return how the VSD differs from the usual one."""
        return {}

    def log_in(self) -> None:
        """Start a session."""
        (url,) = self.vsd.urls
        self.session = self.sdk.NUVSDSession(username="csproot", password="csproot", enterprise="csp", api_url=url)
        self.session.start()
        self.me = self.session.user
        self.addCleanup(self.session.requests_session.close)

    def subnet(self) -> Any:
        """Return 10.21.59.0/24."""
        enterprise = self.me.enterprises.get_first(filter='name == "Enterprise"')
        self.domain = enterprise.domains.get_first(filter="name == 'Domain'")
        return self.domain.subnets.get_first(filter='name == "Subnet 2"')

    def container(self, number: int, subnet: Any, **more: Any) -> Any:
        """Make a container and return it."""
        interface = {"MAC": mac(number), "attachedNetworkID": subnet.id, **more}
        made = self.sdk.NUContainer(name=f"c{number}", uuid=f"{number:064x}", interfaces=[interface])
        self.me.create_child(made)
        return made

    def refused(self, work: Callable[[], Any]) -> int:
        """Return the internalErrorCode of what is refused."""
        refusal = self.assertRaises(BambouHTTPError, work)
        return int(refusal.connection.response.data["internalErrorCode"])


class V6Tests(SdkCase):
    """What the newest SDK does."""

    @blocking
    def test_directory(self) -> None:
        """The topology file is what it finds."""
        self.assertEqual((self.me.user_name, self.me.enterprise_name), ("csproot", "CSP"))
        self.assertEqual([each.name for each in self.me.enterprises.get()], ["Enterprise", "Acme"])
        subnet = self.subnet()
        self.assertEqual({name: getattr(subnet, name.lower()) for name in PLACE}, PLACE)
        subnet.fetch()
        self.assertEqual(subnet.parent_type, "zone")
        self.assertEqual(self.domain.zones.get_count(), 2)
        self.assertEqual(self.domain.policy_groups.get(order_by="name ASC")[0].name, "db")
        enterprise = self.me.enterprises.get_first(filter='name == "Enterprise"')
        self.assertEqual([each.name for each in enterprise.l2_domains.get()], ["Flat"])
        self.assertEqual(sorted(each.user_name for each in enterprise.users.get()), ["admin", "developer"])

    @blocking
    def test_structure(self) -> None:
        """It makes an organization, changes it, and removes it with all that is in it."""
        sdk = self.sdk
        enterprise = sdk.NUEnterprise(name="New")
        self.me.create_child(enterprise)
        template = enterprise.domain_templates.get_first()
        domain = sdk.NUDomain(name="D")
        enterprise.instantiate_child(domain, template)
        zone = sdk.NUZone(name="Z")
        domain.create_child(zone)
        subnet = sdk.NUSubnet(name="S", address="10.9.0.0", netmask="255.255.255.0")
        zone.create_child(subnet)
        self.assertEqual(subnet.gateway, "10.9.0.1")
        subnet.description = "text"
        subnet.save()
        self.assertEqual(sdk.NUSubnet(id=subnet.id).fetch()[0].description, "text")
        self.assertEqual(self.refused(subnet.save), 2039)
        self.assertEqual(self.refused(lambda: zone.create_child(sdk.NUSubnet(name="S"))), 2505)
        user = sdk.NUUser(user_name="u", first_name="U", last_name="S", email="u@lab.invalid", password="p")
        enterprise.create_child(user)
        bounds = sdk.NUAddressRange(min_address="10.9.0.7", max_address="10.9.0.8")
        subnet.create_child(bounds)
        group = sdk.NUPolicyGroup(name="g", type="SOFTWARE")
        domain.create_child(group)
        target = sdk.NURedirectionTarget(name="t", end_point_type="L3")
        domain.create_child(target)
        domain.create_child(sdk.NUPermission(permitted_entity_id=user.id, permitted_action="USE"))
        self.assertIn("S", self.vsd.view.topology().organizations["New"].domains["D"].zones["Z"])
        enterprise.delete()
        self.assertEqual(self.me.enterprises.get_count(), 2)

    @blocking
    def test_containers(self) -> None:
        """A container has an address that the VSD has chosen, a vPort, and gives both back."""
        subnet = self.subnet()
        first, second = (self.container(number, subnet) for number in (1, 2))
        addresses = [each.interfaces[0]["IPAddress"] for each in (first, second)]
        self.assertEqual(addresses, ["10.21.59.2", "10.21.59.3"])
        self.assertEqual(first.status, "INIT")
        asked = self.container(3, subnet, IPAddress="10.21.59.77")
        self.assertEqual(asked.interfaces[0]["IPAddress"], "10.21.59.77")
        self.assertEqual(self.refused(lambda: self.container(4, subnet, IPAddress="10.21.59.77")), 2704)
        self.assertEqual(self.refused(lambda: self.container(1, subnet)), 2748)
        for found in (subnet, self.domain):
            self.assertEqual(len(found.containers.get()), 3)
            self.assertEqual(len(found.container_interfaces.get()), 3)
            self.assertEqual(len(found.vports.get()), 3)
        found = self.domain.container_interfaces.get_first(filter="IPAddress == '10.21.59.77'")
        self.assertEqual((found.mac, found.network_name, found.zone_name), (mac(3), "Subnet 2", "Zone"))
        first.orchestration_id = "task"
        first.save()
        self.assertEqual(self.me.containers.get_first(filter=f"UUID == '{1:064x}'").orchestration_id, "task")
        for each in (first, second, asked):
            each.delete()
        self.assertEqual(
            [subnet.containers.get(), subnet.vports.get(), self.me.container_interfaces.get()], [[], [], []]
        )

    @blocking
    def test_policy(self) -> None:
        """A vPort is put into policy groups and redirection targets, and out of them."""
        subnet = self.subnet()
        container = self.container(1, subnet)
        vport = subnet.vports.get_first()
        self.assertEqual((vport.type, vport.has_attached_interfaces), ("CONTAINER", True))
        web = self.domain.policy_groups.get_first(filter="name == 'web'")
        vport.assign([web], self.sdk.NUPolicyGroup)
        self.assertEqual([each.id for each in web.vports.get()], [vport.id])
        self.assertEqual(self.refused(web.delete), 7097)
        vport.assign([], self.sdk.NUPolicyGroup)
        firewall = self.domain.redirection_targets.get_first()
        vport.assign([firewall], self.sdk.NURedirectionTarget)
        self.assertEqual([each.name for each in vport.redirection_targets.get()], ["firewall"])
        self.assertEqual(self.refused(vport.delete), 7010)
        container.delete()

    @blocking
    def test_vm(self) -> None:
        """The interface of a VM takes an address, which containers do not get then."""
        subnet = self.subnet()
        vport = self.sdk.NUVPort(name="vm", type="VM", address_spoofing="INHERITED")
        subnet.create_child(vport)
        interface = self.sdk.NUVMInterface(name="eth0", vmuuid="v", mac=mac(9), ip_address="10.21.59.2")
        vport.create_child(interface)
        self.assertEqual([each.ip_address for each in subnet.vm_interfaces.get()], ["10.21.59.2"])
        self.assertEqual(self.container(1, subnet).interfaces[0]["IPAddress"], "10.21.59.3")
        self.assertEqual(self.refused(lambda: self.container(2, subnet, IPAddress="10.21.59.2")), 2704)
        interface.delete()
        self.assertEqual(self.container(2, subnet).interfaces[0]["IPAddress"], "10.21.59.2")

    @blocking
    def test_endpoint(self) -> None:
        """A container that comes in through a VRS is there, and a rule between policy groups is made for it."""
        metadata = {"static-ip": "10.21.59.7", "nuage-policy-group": "db"}
        port = PortRow(
            host="h1",
            name="nu1",
            mac=mac(1),
            ofport=1,
            domain="Domain",
            zone="Zone",
            subnet="Subnet 2",
            metadata=metadata,
        )
        entity = EntityRow(uuid="1" * 64, name="web", organization="Enterprise", user="admin", running=True)
        self.resolve((port, entity))
        subnet = self.subnet()
        container = subnet.containers.get_first(filter="name == 'web'")
        (interface,) = container.container_interfaces.get()
        vport = self.sdk.NUVPort(id=interface.vport_id)
        vport.fetch()
        self.assertEqual(
            (container.status, container.user_name, interface.ip_address, interface.mac, vport.operational_state),
            ("RUNNING", "admin", "10.21.59.7", mac(1), "UP"),
        )
        host = self.sdk.NUVRS(id=container.vrsid)
        host.fetch()
        self.assertEqual((host.name, host.status), ("h1", "UP"))
        groups = {each.name: each for each in self.domain.policy_groups.get()}
        vport.assign([groups["db"], groups["quarantine"]], self.sdk.NUPolicyGroup)
        acl = self.sdk.NUIngressACLTemplate(name="acl", active=True)
        self.domain.create_child(acl)
        between = {"location_id": groups["quarantine"].id, "network_id": groups["web"].id}
        types = {"location_type": "POLICYGROUP", "network_type": "POLICYGROUP"}
        rule = self.sdk.NUIngressACLEntryTemplate(
            action="FORWARD", ether_type="0x0800", protocol="17", **between, **types
        )
        acl.create_child(rule)
        resolved = self.resolve((port, entity))[port.key]
        assert isinstance(resolved, Resolved)
        self.assertEqual(resolved.groups, {"db", "quarantine"})
        self.assertEqual(resolved.domain.traffic(resolved.groups, {"web"}), {"icmp", "tcp", "udp"})
        rule.delete()
        acl.delete()
        self.resolve()
        self.assertEqual([subnet.containers.get(), subnet.vports.get()], [[], []])

    def resolve(self, *rows: tuple[PortRow, EntityRow]) -> dict[Key, Outcome]:
        """Return to what ports are resolved."""
        loop: Any = reactor
        found: dict[Key, Outcome] = blockingCallFromThread(loop, self.vsd.activation.resolve, rows)
        return found

    @blocking
    def test_binding(self) -> None:
        """An address that is bound to a MAC is that MAC's."""
        subnet = self.subnet()
        subnet.create_child(self.sdk.NUIPReservation(ip_address="10.21.59.2", mac=mac(5)))
        self.assertEqual(self.container(1, subnet).interfaces[0]["IPAddress"], "10.21.59.3")
        self.assertEqual(self.refused(lambda: self.container(2, subnet, IPAddress="10.21.59.2")), 2704)
        self.assertEqual(self.container(5, subnet).interfaces[0]["IPAddress"], "10.21.59.2")

    @blocking
    def test_acting_for_a_user(self) -> None:
        """A container made for another user is that user's."""
        subnet = self.subnet()
        self.session.impersonate("admin", "Enterprise")
        made = self.container(1, subnet)
        self.session.stop_impersonate()
        self.assertEqual((made.user_name, made.enterprise_name), ("admin", "Enterprise"))

    @blocking
    def test_pages(self) -> None:
        """A long list is had page by page."""
        domain = self.domain_of_acme()
        for number in range(5):
            domain.create_child(self.sdk.NUZone(name=f"z{number}"))
        pages = [domain.zones.get(page=page, page_size=2) for page in range(3)]
        self.assertEqual([len(page) for page in pages], [2, 2, 2])
        self.assertEqual(len({zone.id for page in pages for zone in page}), 6)

    def domain_of_acme(self) -> Any:
        """Return the domain of the other organization."""
        self.enterprise = self.me.enterprises.get_first(filter="name == 'Acme'")
        return self.enterprise.domains.get_first()

    @blocking
    def test_bulk(self) -> None:
        """Several containers are made in one request, and removed in one."""
        subnet = self.subnet()
        made = [
            self.sdk.NUContainer(
                name=f"c{number}",
                uuid=f"{number:064x}",
                interfaces=[{"MAC": mac(number), "attachedNetworkID": subnet.id}],
            )
            for number in (1, 2, 3)
        ]
        self.me.create_children(made)
        found = self.me.containers.get()
        self.assertEqual(len(found), 3)
        self.me.bulk_delete(found)
        self.assertEqual(self.me.containers.get(), [])

    @blocking
    def test_events(self) -> None:
        """Its push channel hears of what another client does."""
        domain = self.domain_of_acme()
        zone = domain.zones.get_first()
        before = set(threading.enumerate())
        heard: Queue[Any] = Queue()
        channel = self.session.push_center
        channel.add_delegate(heard.put)
        channel.start()
        for attempt in range(20):
            # The channel may not have been asked for yet.
            self.describe(zone, f"text {attempt}")
            with contextlib.suppress(Empty):
                (event,) = heard.get(timeout=0.5)["events"]
                break
        channel.stop()
        self.assertEqual((event["type"], event["entityType"], event["userName"]), ("UPDATE", "zone", "csproot"))
        self.assertEqual(event["entities"][0]["ID"], zone.id)
        # Its threads end with the answer to their last question, which one of them may only be about to ask.
        self.describe(zone, "the end")
        wait_until("its threads end", lambda: not set(threading.enumerate()) - before, 10)

    def describe(self, thing: Any, text: str) -> None:
        """Change the description of something."""
        thing.description = text
        thing.save()


class V5Tests(V6Tests):
    """What an earlier SDK does."""

    sdk = v5_0


class ReservationTests(SdkCase):
    """Addresses that are reserved, which the newest SDK knows."""

    @blocking
    def test_reservations(self) -> None:
        """One that is asked for, and one that the VSD chooses in a pool; a container takes it and gives it back."""
        subnet = self.subnet()
        asked = v6.NUVMIPReservation(ip_type="IPV4", ipv4_address="10.21.59.2")
        subnet.create_child(asked)
        self.assertEqual(asked.state, "UNASSIGNED")
        chosen = v6.NUVMIPReservation(
            ip_type="IPV4", allocation_pools=[{"minAddress": "10.21.59.2", "maxAddress": "10.21.59.3"}]
        )
        subnet.create_child(chosen)
        self.assertEqual(chosen.ipv4_address, "10.21.59.3")
        full = v6.NUVMIPReservation(
            ip_type="IPV4", allocation_pools=[{"minAddress": "10.21.59.1", "maxAddress": "10.21.59.3"}]
        )
        self.assertEqual(self.refused(lambda: subnet.create_child(full)), 2702)
        again = v6.NUVMIPReservation(ip_type="IPV4", ipv4_address="10.21.59.2")
        self.assertEqual(self.refused(lambda: subnet.create_child(again)), 7205)
        self.assertEqual(self.container(1, subnet).interfaces[0]["IPAddress"], "10.21.59.4")
        container = self.container(2, subnet, IPAddress="10.21.59.2")
        asked.fetch()
        self.assertEqual(asked.state, "ASSIGNED")
        asked.delete()
        asked.fetch()
        self.assertEqual(asked.state, "ASSIGNED_DELETE_PENDING")
        container.delete()
        self.assertEqual([each.id for each in subnet.vmip_reservations.get()], [chosen.id])
        chosen.delete()
        self.assertEqual(subnet.vmip_reservations.get(), [])


class ExpiryTests(SdkCase):
    """A key that ends."""

    def settings(self) -> dict[str, Any]:
        """See SdkCase."""
        return {"expired_status": 419}

    @blocking
    def test_logs_in_again(self) -> None:
        """The SDK asks for another key, and has it for its next question."""
        self.vsd.keys.expire()
        former = self.session.user.api_key
        # It sends the question itself once more with the former key.
        refusal = self.assertRaises(BambouHTTPError, self.me.enterprises.get)
        self.assertEqual(refusal.connection.response.status_code, 419)
        self.assertNotEqual(self.session.user.api_key, former)
        self.assertEqual(len(self.me.enterprises.get()), 2)
