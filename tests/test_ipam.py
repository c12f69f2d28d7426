"""Docker's IPAM before the lab's VSD: pools, addresses, what is refused, and what is left behind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.mac import mac_of
from nuage.driver.options import network_of
from nuage.errors import NotInDirectory, Refused, VsdRefused, VsdUnavailable
from nuage.ipam.marks import Mark, Use
from nuage.ipam.pool import Pool
from nuage.libnetwork.ipam_payloads import (
    ADDRESS_TYPE,
    ENDPOINT_NAME,
    GATEWAY,
    SERIAL,
    PoolCall,
    ReleaseAddress,
    RequestAddress,
)
from nuage.vsd.directory import Place
from nuage.vsd.reservations import AddressTaken
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS, network_body, network_request
from tests.ipam_support import LabVsd, MemoryHost, Plugin, pool_request, shown

CIDR = IPv4Network("10.21.59.0/24")
L2 = {"organization": "Enterprise", "domain": "Flat", "user": "admin"}
POLICIES = ("policygroups", "redirectiontargets")
MANAGER = {SERIAL: "true"}
OPTIONS_IN_ORDER = ("Enterprise", "Domain", "Zone", "Subnet 2", "admin")


class IpamCase(SynchronousTestCase):
    """A VSD, and hosts that ask it."""

    form: ClassVar[str] = "reservation"

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.vsd = LabVsd(Path(folder.name))
        self.plugin = self.host("one")

    def host(self, host: str | MemoryHost, **changes: Any) -> Plugin:
        """Return the plugin of a host."""
        plugin = Plugin(self.vsd, host, **{"form": self.form, **changes})
        self.addCleanup(plugin.stop)
        return plugin

    def pool(self, plugin: Plugin | None = None, **changes: Any) -> str:
        """Request a pool, and return its ID."""
        plugin = plugin or self.plugin
        return str(plugin.run(plugin.ipam.request_pool(pool_request(**changes))).id)

    def take(
        self, pool_id: str, address: str | None = None, plugin: Plugin | None = None, options: Mapping[str, str] = {}
    ) -> str:
        """Request an address, and return it without its prefix length."""
        plugin = plugin or self.plugin
        asked = IPv4Address(address) if address else None
        answer = plugin.run(plugin.ipam.request_address(RequestAddress(pool_id, asked, options)))
        return str(answer.address.ip)

    def give_back(self, pool_id: str, address: str, plugin: Plugin | None = None) -> None:
        """Release an address."""
        plugin = plugin or self.plugin
        plugin.run(plugin.ipam.release_address(ReleaseAddress(pool_id, IPv4Address(address))))

    def make_network(self) -> None:
        """Have a network made of the pool that was handed out last."""
        network = attrs.evolve(network_of(network_request()), ipam=True)
        self.plugin.records.known[NETWORK] = network
        self.plugin.run(self.plugin.handed_out.used(network))

    def place(self) -> Place:
        """Return where the subnet is at the VSD."""
        found: Place = self.plugin.run(self.plugin.directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "admin"))
        return found

    def at_vsd(self, resource: str) -> list[dict[str, Any]]:
        """Return what the VSD has below a subnet."""
        return list(self.plugin.run(self.plugin.session.get(f"{self.place().path}/{resource}")))

    def held(self) -> set[str]:
        """Return the addresses that are held at the VSD."""
        reservations = {each["IPV4Address"] for each in self.at_vsd("vmipreservations")}
        return reservations | {each["IPAddress"] for each in self.at_vsd("containerinterfaces")}

    def make_vm(self, address: str, name: str = "vm-1") -> None:
        """Have a VM take an address."""
        place = self.place()
        session = self.plugin.session
        vport = {"name": name, "type": "VM", "addressSpoofing": "INHERITED"}
        made = self.plugin.run(session.post(f"{place.path}/vports", vport))
        mac = ":".join(f"{each:02x}" for each in (2, 0, *IPv4Address(address).packed))
        interface = {"name": name, "MAC": mac, "IPAddress": address, "VMUUID": name}
        self.plugin.run(session.post(f"/vports/{made['ID']}/vminterfaces", interface))

    def refused(self, function: Any, *arguments: Any, **named: Any) -> str:
        """Return why a call is refused."""
        return str(self.assertRaises(Refused, function, *arguments, **named))


class Pools(IpamCase):
    """RequestPool and ReleasePool."""

    def test_what_the_vsd_says(self) -> None:
        """CIDR and gateway, without anything but the names."""
        answer = shown(self.plugin.run(self.plugin.ipam.request_pool(pool_request())))
        assert answer["Pool"] == "10.21.59.0/24"
        assert answer["Data"] == {GATEWAY: "10.21.59.1/24"}

    def test_the_same_pool_has_the_same_id_everywhere(self) -> None:
        """And the ID says all of it."""
        other = self.host("two")
        assert self.pool() == self.pool() == self.pool(other)
        assert Pool.from_id(self.pool()).options() == OPTIONS

    def test_an_l2_domain_without_a_gateway(self) -> None:
        """Docker must not ask for an address of one."""
        answer = shown(self.plugin.run(self.plugin.ipam.request_pool(pool_request(L2))))
        assert (answer["Pool"], answer["Data"]) == ("10.21.61.0/24", {GATEWAY: "0.0.0.0/24"})
        # Docker gives it back like any other.
        self.give_back(answer["PoolID"], "0.0.0.0")

    def test_what_agrees(self) -> None:
        """The CIDR, a part of it, and the wish for any of its size."""
        for changes in (
            {"pool": CIDR},
            {"pool": ip_network("0.0.0.0/24")},
            {"pool": CIDR, "sub_pool": ip_network("10.21.59.128/25")},
            {"options": {**OPTIONS, SERIAL: "true", ADDRESS_TYPE: GATEWAY}},
        ):
            assert self.pool(**changes).startswith("nuage:pool=10.21.59.0/24")

    def test_what_does_not_agree(self) -> None:
        """The message has what to give instead."""
        refused = self.refused(self.pool, pool=ip_network("10.21.59.0/25"))
        assert "give --subnet=10.21.59.0/24, or leave it out" in refused
        assert "--subnet=10.21.59.0/24" in self.refused(self.pool, pool=ip_network("0.0.0.0/16"))
        assert "--ip-range=10.22.0.0/24" in self.refused(self.pool, sub_pool=ip_network("10.22.0.0/24"))
        assert "--ip-range=fd00::/64" in self.refused(self.pool, sub_pool=ip_network("fd00::/64"))

    def test_an_ipv6_pool(self) -> None:
        """It is told from the addresses, since Swarm does not set the flag."""
        four_alone = {**OPTIONS, "domain": "Testing"}
        for changes in ({"v6": True}, {"pool": ip_network("fd00::/64")}):
            assert "no IPv6 addresses" in self.refused(self.pool, options=four_alone, **changes)

    def test_options(self) -> None:
        """They are checked as those of the network are, and named as they were given."""
        refused = self.refused(self.pool, options={"organisation": "x", "domain": " ", "zone": "Zone"})
        assert 'unknown ipam-opt "organisation"; did you mean "organization"?' in refused
        assert 'ipam-opt "domain" is empty' in refused
        assert 'ipam-opt "user" is missing; add --ipam-opt user=…' in refused
        assert "add --ipam-opt subnet=…, or leave both out for an L2 domain" in refused

    def test_a_name_that_the_vsd_does_not_have(self) -> None:
        """The nearest one is in the message."""
        with self.assertRaisesRegex(NotInDirectory, 'did you mean "Zone"'):
            self.pool(options={**OPTIONS, "zone": "Zoen"})

    def test_asking_without_end(self) -> None:
        """It is noticed, and the remedy named; a pool that is used or given back counts no more."""
        for _ in range(5):
            pool_id = self.pool()
            self.plugin.run(self.plugin.ipam.release_pool(PoolCall(pool_id)))
        for _ in range(3):
            self.pool()
        assert "Give --subnet=10.21.59.0/24" in self.refused(self.pool)
        assert self.pool(pool=CIDR)
        self.plugin.clock.advance(60)
        assert self.pool()

    def test_an_unknown_id(self) -> None:
        """It is refused, whatever is in it."""
        start = "nuage:pool="
        for pool_id in ("", "x", "nuage:", f"{start}10.0.0.0/24", f"{start}x&domain=y", start + "9" * 30_000):
            refused = self.refused(self.take, pool_id)
            assert re.match("pool .* was not made by this plugin: .*create the network again", refused), refused


class BothFamilies(IpamCase):
    """A subnet that has IPv6 addresses as well."""

    def setUp(self) -> None:
        super().setUp()
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.vsd = LabVsd(Path(folder.name))
        self.plugin = self.host("one")
        place = self.place()
        dual = {"name": "Dual", "IPType": "DUALSTACK", "address": "10.21.62.0", "netmask": "255.255.255.0"}
        body = {**dual, "gateway": "10.21.62.1", "IPv6Address": "fd00:62::/64", "IPv6Gateway": "fd00:62::1"}
        self.dual = self.plugin.run(self.plugin.session.post(f"/zones/{place.zone_id}/subnets", body))
        self.options = {**OPTIONS, "subnet": "Dual"}

    def test_reservations(self) -> None:
        """Each family has its pool; both addresses are held, and found if nobody uses them."""
        four = self.pool(options=self.options)
        six = self.plugin.run(self.plugin.ipam.request_pool(pool_request(self.options, v6=True)))
        assert shown(six)["Pool"] == "fd00:62::/64"
        assert shown(six)["Data"] == {GATEWAY: "fd00:62::1/64"}
        chosen = self.plugin.run(self.plugin.ipam.request_address(RequestAddress(six.id, None, {}))).address
        asked = RequestAddress(six.id, IPv6Address("fd00:62::9"), {})
        assert str(self.plugin.run(self.plugin.ipam.request_address(asked)).address) == "fd00:62::9/64"
        two, after = self.host("two"), self.host("one")
        assert "is taken" in self.refused(two.run, two.ipam.request_address(asked))
        assert IPv4Address(self.take(four)) in IPv4Network("10.21.62.0/24")
        path = f"/subnets/{self.dual['ID']}/vmipreservations"
        assert len(self.plugin.run(self.plugin.session.get(path))) == 3
        assert after.run(after.addresses.held(Pool.from_id(six.id))) == {chosen.ip, asked.address}
        for address in (chosen.ip, asked.address):
            self.plugin.run(self.plugin.ipam.release_address(ReleaseAddress(six.id, address)))
        assert len(self.plugin.run(self.plugin.session.get(path))) == 1

    def test_containers(self) -> None:
        """They have one address each; the message has the remedy, and IPv4 alone is well."""
        plugin = self.host("one", form="container")
        refused = self.refused(plugin.run, plugin.ipam.request_pool(pool_request(self.options, v6=True)))
        assert "IPv6 addresses are held by reservations" in refused
        assert refused.endswith("leave out --ipv6")
        assert self.take(self.pool(plugin, options=self.options), None, plugin).startswith("10.21.62.")


class Networks(IpamCase):
    """What a network gets to know of its pool."""

    def completed(self, plugin: Plugin | None = None, **changes: Any) -> Any:
        """Return the network that a CreateNetwork is made of."""
        plugin = plugin or self.plugin
        request = network_request(**{**self.body({}), **changes})
        return network_of(plugin.run(plugin.handed_out.completed(request)))

    def body(self, options: dict[str, str], **pool: str) -> dict[str, Any]:
        """Return the body of a CreateNetwork with a pool from here."""
        data = {"AddressSpace": "nuage", "Pool": "10.21.59.0/24", "Gateway": "10.21.59.1/24", **pool}
        return network_body(Options={"com.docker.network.generic": options}, IPv4Data=[data])

    def test_the_place_of_the_pool(self) -> None:
        """It need not be said again; that it is ours is remembered."""
        self.pool()
        network = self.completed()
        assert network.location() == ("Enterprise", "Domain", "Zone", "Subnet 2")
        assert (network.user, network.ipam, network.gateway) == ("admin", True, IPv4Address("10.21.59.1"))

    def test_other_options_stay(self) -> None:
        """And the place may be said twice."""
        self.pool()
        network = self.completed(**self.body({"policy-group": "web", "Enterprise": "Enterprise"}))
        assert (network.policy_group, network.domain) == ("web", "Domain")

    def test_a_contradiction(self) -> None:
        """Both values are named."""
        self.pool()
        refused = self.refused(self.completed, **self.body({"zone": "Backend"}))
        assert '-o zone="Backend" and --ipam-opt zone="Zone" contradict each other' in refused

    def test_a_kill_in_between(self) -> None:
        """Another daemon completes what the former one handed out."""
        self.pool()
        after = self.host("one", records=self.plugin.records)
        assert self.completed(after).subnet == "Subnet 2"

    def test_equal_addresses_of_two_domains(self) -> None:
        """Those that a network was made of, or that nobody came for, play no part; otherwise it has to be said."""
        self.pool()
        first = self.completed()
        self.plugin.run(self.plugin.handed_out.used(first))
        assert self.plugin.records.texts == {}
        testing = {**OPTIONS, "domain": "Testing"}
        self.pool(options=testing)
        assert self.completed().domain == "Testing"
        self.pool()
        assert "make one after the other" in self.refused(self.completed)
        assert self.completed(**self.body({"domain": "Testing"})).domain == "Testing"
        self.plugin.clock.advance(60)
        self.pool(options=testing)
        self.plugin.clock.advance(61)
        assert self.completed().domain == "Testing"

    def test_a_repetition(self) -> None:
        """The network is known by then, its pool is not any more."""
        self.pool()
        network = self.completed()
        self.plugin.records.known[NETWORK] = network
        self.plugin.run(self.plugin.handed_out.used(network))
        assert self.completed() == network

    def test_a_switch_that_goes_away(self) -> None:
        """After the network was made, that it was is no less true."""
        self.pool()
        self.plugin.records.away = True
        self.plugin.run(self.plugin.handed_out.used(self.completed()))
        self.plugin.clock.advance(120)
        self.assertRaises(Refused, self.completed)

    def test_a_pool_of_anothers(self) -> None:
        """Nothing is taken from here, and nothing noted."""
        self.pool()
        network = self.completed(**network_body())
        assert not network.ipam
        self.assertRaises(Refused, self.completed, **self.body({}, AddressSpace="LocalDefault"))

    def test_no_gateway(self) -> None:
        """What Docker was told in its stead is none."""
        self.pool(options=L2)
        network = self.completed(**self.body({}, Pool="10.21.61.0/24", Gateway="0.0.0.0/24"))
        assert (network.gateway, network.zone) == (None, None)

    def test_a_network_that_docker_tells_of(self) -> None:
        """Its options are those of --ipam-opt, and the gateway is the VSD's: not each release of Docker tells it."""
        request = attrs.evolve(network_request(**self.body({}, Gateway="10.21.59.9/24")), ipam_options=OPTIONS)
        network = network_of(self.plugin.run(self.plugin.handed_out.completed(request)))
        assert (network.subnet, network.ipam, network.gateway) == ("Subnet 2", True, IPv4Address("10.21.59.1"))

    def test_a_pool_that_was_given_back(self) -> None:
        """No network gets it."""
        self.plugin.run(self.plugin.ipam.release_pool(PoolCall(self.pool())))
        assert self.plugin.records.texts == {}
        assert "-o organization=" in self.refused(self.completed)


class ReservedAddresses(IpamCase):
    """Addresses that are held by reservations."""

    resource = "vmipreservations"

    def test_one_request(self) -> None:
        """In the common case, also the first time: what it has to know was found out with the pool."""
        pool_id = self.pool()
        self.vsd.asked.clear()
        first = self.take(pool_id)
        assert IPv4Address(first) in CIDR
        assert [each.partition(" ")[0] for each in self.vsd.asked] == ["POST"]
        self.vsd.asked.clear()
        self.give_back(pool_id, first)
        assert [each.partition(" ")[0] for each in self.vsd.asked] == ["DELETE"]
        assert self.held() == set()

    def test_all_are_different(self) -> None:
        """Two hosts take all that there are; the VM's and the gateway are not among them; then the subnet is full."""
        self.make_vm("10.21.59.77")
        other = self.host("two", seed=2)
        pool_id = self.pool()
        taken = [self.take(pool_id, plugin=plugin) for _ in range(126) for plugin in (self.plugin, other)]
        assert len(set(taken)) == 252
        assert {"10.21.59.0", "10.21.59.1", "10.21.59.77", "10.21.59.255"}.isdisjoint(taken)
        assert "no address is left in 10.21.59.0/24" in self.refused(self.take, pool_id)
        self.give_back(pool_id, taken[1], other)
        assert self.take(pool_id) == taken[1]

    def test_all_at_once(self) -> None:
        """Two hosts ask for a hundred each at the same moment, and VMs take some meanwhile: all are different."""
        other = self.host("two", seed=2)
        pool_id = self.pool()
        self.pool(other)
        self.vsd.slow = True
        outcomes: list[Any] = []
        for plugin in (self.plugin, other) * 100:
            asked = plugin.ipam.request_address(RequestAddress(pool_id, None, {}))
            Deferred.fromCoroutine(asked).addBoth(outcomes.append)
        vms: set[str] = set()
        rounds = 0
        while len(outcomes) < 200:
            rounds += 1
            assert rounds < 200, outcomes
            self.vsd.let_in(10)
            for plugin in (self.plugin, other):
                plugin.clock.advance(0.01)
            if len(vms) < 5:
                self.vsd.slow = False
                vms |= self.try_vm(f"10.21.59.{100 + rounds}")
                self.vsd.slow = True
        self.vsd.slow = False
        taken = {str(each.address.ip) for each in outcomes}
        assert len(taken) == 200
        assert taken.isdisjoint(vms)
        assert len(vms) == 5

    def try_vm(self, address: str) -> set[str]:
        """Have a VM take an address if it is free; return those that it has got."""
        if address in self.held():
            return set()
        self.make_vm(address, f"vm-{address}")
        return {address}

    def test_the_range(self) -> None:
        """Only what the user named is chosen from; what is asked for may be outside of it."""
        pool_id = self.pool(sub_pool=ip_network("10.21.59.128/30"))
        assert {self.take(pool_id) for _ in range(4)} == {f"10.21.59.{n}" for n in range(128, 132)}
        assert "make the --ip-range larger" in self.refused(self.take, pool_id)
        assert self.take(pool_id, "10.21.59.5") == "10.21.59.5"

    def test_the_vsds_ranges(self) -> None:
        """It would choose from them itself, and so do we."""
        place = self.place()
        for low, high in ((10, 11), (20, 20)):
            bounds = {"minAddress": f"10.21.59.{low}", "maxAddress": f"10.21.59.{high}"}
            self.plugin.run(self.plugin.session.post(f"{place.path}/addressranges", bounds))
        pool_id = self.pool()
        assert {self.take(pool_id) for _ in range(3)} == {f"10.21.59.{n}" for n in (10, 11, 20)}
        assert "address ranges at the VSD" in self.refused(self.take, pool_id)

    def test_the_one_that_was_asked_for(self) -> None:
        """And again, by a daemon that was killed meanwhile too: it is one hold."""
        pool_id = self.pool()
        self.make_network()
        after = self.host("one")
        for plugin in (self.plugin, after):
            assert self.take(pool_id, "10.21.59.9", plugin) == "10.21.59.9"
        assert self.held() == {"10.21.59.9"}
        self.give_back(pool_id, "10.21.59.9", after)
        assert self.held() == set()

    def test_two_containers_that_ask_for_the_same(self) -> None:
        """The second one does not get it, also before the first one has an endpoint; a repetition gets it later."""
        pool_id = self.pool()
        self.make_network()
        self.take(pool_id, "10.21.59.9")
        refused = self.refused(self.take, pool_id, "10.21.59.9")
        assert "taken by another container of this host, which is being started" in refused
        self.plugin.clock.advance(5)
        assert self.take(pool_id, "10.21.59.9") == "10.21.59.9"
        self.give_back(pool_id, "10.21.59.9")
        assert self.take(pool_id, "10.21.59.9") == "10.21.59.9"

    def test_what_is_set_aside(self) -> None:
        """No container gets an auxiliary address of its network, and no second network does, which is not made."""
        pool_id = self.pool()
        for plugin in (self.plugin, self.host("one", records=self.plugin.records)):
            assert self.take(pool_id, "10.21.59.9", plugin) == "10.21.59.9"
        self.make_network()
        assert "is set aside by --aux-address" in self.refused(self.take, pool_id, "10.21.59.9")
        self.pool()
        assert "is set aside by --aux-address" in self.refused(self.take, pool_id, "10.21.59.9")
        self.give_back(pool_id, "10.21.59.9")
        assert self.take(pool_id, "10.21.59.9") == "10.21.59.9"

    def test_what_runs_already(self) -> None:
        """After a restart too, no container gets the address of another, whatever answers are lost."""
        pool_id = self.pool(sub_pool=ip_network("10.21.59.128/31"))
        running = self.take(pool_id)
        self.plugin.host.used[running] = 'container "web"'
        for seed in range(4):
            after = self.host(self.plugin.host, seed=seed)
            self.vsd.lose = 1
            other = self.take(pool_id, plugin=after)
            assert {running, other} == {"10.21.59.128", "10.21.59.129"}
            self.vsd.lose = 0
            self.give_back(pool_id, other, after)

    def test_another_address_than_the_one_asked_for(self) -> None:
        """The VSD decides, but a container that has another address than its port has reaches nobody."""
        pool_id = self.pool()
        self.vsd.replaced = ('"10.21.59.9"', '"10.21.59.8"')
        assert 'gave "10.21.59.8" instead of 10.21.59.9' in self.refused(self.take, pool_id, "10.21.59.9")
        assert self.held() == set()

    def test_what_cannot_be_had(self) -> None:
        """The message says why, and who has it."""
        self.make_vm("10.21.59.77", "vm-7")
        pool_id = self.pool()
        self.make_network()
        self.take(pool_id, "10.21.59.9")
        for address, reason in (
            ("10.21.60.2", "outside of 10.21.59.0/24"),
            ("10.21.59.0", "outside of 10.21.59.0/24"),
            ("10.21.59.255", "outside of 10.21.59.0/24"),
            ("10.21.59.1", "is the gateway of 10.21.59.0/24"),
            ("10.21.59.77", 'taken by VM "vm-7"'),
        ):
            assert reason in self.refused(self.take, pool_id, address), address
        self.plugin.host.used["10.21.59.9"] = 'container "web"'
        assert 'taken by container "web" on this host' in self.refused(self.take, pool_id, "10.21.59.9")
        assert "is taken by" in self.refused(self.take, pool_id, "10.21.59.9", self.host("two"))
        assert self.held() == {"10.21.59.9"}

    def test_the_gateway(self) -> None:
        """It is the VSD's, and nothing is held for it."""
        pool_id = self.pool()
        for asked in (None, "10.21.59.1"):
            assert self.take(pool_id, asked, options={ADDRESS_TYPE: GATEWAY}) == "10.21.59.1"
        refused = self.refused(self.take, pool_id, "10.21.59.2", options={ADDRESS_TYPE: GATEWAY})
        assert refused.endswith("give --gateway=10.21.59.1")
        self.give_back(pool_id, "10.21.59.1")
        assert self.held() == set()

    def test_a_gateway_that_nuage_does_not_know(self) -> None:
        """In an L2 domain it is an address that nobody else may get."""
        pool_id = self.pool(options=L2)
        assert self.take(pool_id, None, options={ADDRESS_TYPE: GATEWAY}) == "0.0.0.0"
        assert self.take(pool_id, "10.21.61.254", options={ADDRESS_TYPE: GATEWAY}) == "10.21.61.254"
        assert "is taken" in self.refused(self.take, pool_id, "10.21.61.254", self.host("two"))

    def test_a_vsd_that_is_away(self) -> None:
        """Nothing is given out then; what is given back is so once it is there again."""
        pool_id = self.pool()
        address = self.take(pool_id)
        self.vsd.away = True
        self.assertRaises(VsdUnavailable, self.take, pool_id)
        self.give_back(pool_id, address)
        assert len(self.plugin.cleanup.unfinished) == 2
        self.vsd.away = False
        assert self.held() == {address}
        self.plugin.clock.advance(6)
        assert self.held() == set()
        assert self.plugin.cleanup.unfinished == frozenset()

    def test_what_is_asked_for_before_it_was_given_back(self) -> None:
        """It stays."""
        pool_id = self.pool()
        address = self.take(pool_id)
        self.vsd.away = True
        self.give_back(pool_id, address)
        self.vsd.away = False
        assert self.take(pool_id, address) == address
        self.plugin.clock.advance(60)
        assert self.held() == {address}

    def test_a_lost_answer(self) -> None:
        """What was made is found, or undone; nothing is held that nobody was told of."""
        pool_id = self.pool()
        self.vsd.lose = 1
        address = self.take(pool_id)
        assert self.held() == {address}
        self.vsd.lose = 1
        self.give_back(pool_id, address)
        assert self.held() == set()

    def test_what_is_anothers_is_not_given_back(self) -> None:
        """Nor what is a VM's."""
        self.make_vm("10.21.59.77")
        pool_id = self.pool()
        self.take(pool_id, "10.21.59.9", self.host("two"))
        for address in ("10.21.59.9", "10.21.59.77", "10.21.59.200"):
            self.give_back(pool_id, address)
        assert {"10.21.59.9"} == self.held()

    def test_a_subnet_that_is_gone(self) -> None:
        """Its addresses went with it; the name is looked for again before anything is refused."""
        pool_id = self.pool()
        address = self.take(pool_id)
        place = self.place()
        (hold,) = self.marked()
        self.plugin.run(self.plugin.session.delete(f"/{self.resource}/{hold['ID']}"))
        self.plugin.run(self.plugin.session.delete(place.path))
        self.give_back(pool_id, address)
        assert self.plugin.cleanup.unfinished == frozenset()
        self.assertRaises(NotInDirectory, self.take, pool_id)

    def test_swarm(self) -> None:
        """The manager asks, and the task's node; neither frees it for a third before the manager does."""
        manager, node = self.plugin, self.host("two")
        pool_id = self.pool(options={**OPTIONS, **MANAGER})
        address = self.take(pool_id, options=MANAGER)
        assert self.take(pool_id, address, node) == address
        assert len(self.held()) == 1
        self.give_back(pool_id, address, node)
        assert self.held() == {address}
        self.give_back(pool_id, address, manager)
        assert self.held() == set()

    def test_swarm_on_one_host(self) -> None:
        """Manager and node are one there: the second release frees it, in either order."""
        pool_id = self.pool()
        address = self.take(pool_id, options=MANAGER)
        self.take(pool_id, address)
        self.give_back(pool_id, address)
        assert self.held() == {address}
        self.give_back(pool_id, address)
        assert self.held() == set()

    def test_another_manager(self) -> None:
        """It asks for all that is known, in use or not, and gives it back in the end."""
        pool_id, other = self.pool(), self.host("two")
        address = self.take(pool_id, options=MANAGER)
        other.host.used[address] = 'container "task"'
        assert self.take(pool_id, address, other, options=MANAGER) == address
        self.give_back(pool_id, address)
        assert self.held() == {address}
        self.give_back(pool_id, address, other)
        assert self.held() == set()

    def test_marks(self) -> None:
        """What is held says whose it is, and each mark is another one."""
        pool_id = self.pool()
        addresses = {self.take(pool_id), self.take(pool_id, options=MANAGER)}
        marks = [Mark.parse(each["externalID"]) for each in self.marked()]
        assert {mark.address for mark in marks if mark} == addresses
        assert {(mark.host, mark.use) for mark in marks if mark} == {("one", Use.CONTAINER), ("one", Use.TASK)}

    def marked(self) -> list[dict[str, Any]]:
        """Return what holds addresses."""
        return self.at_vsd(self.resource)

    def bind(self, address: str, mac: str | None = None) -> bool:
        """Have an endpoint made that has an address."""
        network = network_of(network_request())
        pool_mac = mac_of(network, IPv4Address(address))
        binding = self.plugin.ports.bind(network, IPv4Address(address), mac=mac or pool_mac, endpoint_id=ENDPOINT)
        return bool(self.plugin.run(binding))

    def test_binding(self) -> None:
        """The VRS tells the VSD all that it has to know."""
        address = self.take(self.pool())
        self.vsd.asked.clear()
        assert not self.bind(address)
        assert [each for each in self.vsd.asked if not each.startswith("GET")] == []

    def test_what_the_vrs_made(self) -> None:
        """A Container that the VSD made of a port is none of ours, also if somebody removed the reservation."""
        address = self.take(self.pool())
        (hold,) = self.marked()
        self.plugin.run(self.plugin.session.delete(f"/{self.resource}/{hold['ID']}"))
        interface = {"MAC": "7a:42:00:00:00:09", "IPAddress": address, "attachedNetworkID": self.place().network_id}
        body = {"UUID": "1" * 64, "name": "web", "interfaces": [interface]}
        self.plugin.run(self.plugin.session.post("/containers", body))
        after = self.plugin = self.host("one")
        if after.run(after.addresses.form(self.place())).split:
            assert "is no longer held at the VSD" in self.refused(self.bind, address)
        else:
            assert not self.bind(address)
        assert not after.run(after.addresses.is_held(Pool.from_id(self.pool()), IPv4Address(address)))
        (container,) = self.at_vsd("containers")
        assert container["UUID"] == "1" * 64


class ContainedAddresses(ReservedAddresses):
    """Addresses that are held by Containers."""

    form = "container"
    resource = "containers"

    def test_a_switch_that_lost_its_database(self) -> None:
        """With it went who this host is. The Container is known by its endpoint, and becomes this host's again."""
        address = self.take(self.pool())
        assert self.bind(address)
        after = self.plugin = self.host("another identity")
        assert self.bind(address)
        (hold,) = self.marked()
        assert hold["externalID"].startswith("nuage-plugin/another identity/docker/")
        after.run(after.addresses.give_back(Pool.from_id(self.pool()), IPv4Address(address)))
        assert self.marked() == []

    def test_what_is_made(self) -> None:
        """MAC address, user and name stand at the VSD, which makes a vPort of them."""
        pool_id = self.pool()
        address = self.take(pool_id, options={ENDPOINT_NAME: "web-1"})
        (container,), (interface,) = self.at_vsd("containers"), self.at_vsd("containerinterfaces")
        assert (container["name"], container["userName"]) == ("web-1", "admin")
        assert interface["MAC"] == mac_of(Pool.from_id(pool_id), IPv4Address(address))
        assert len(self.at_vsd("vports")) == 1

    def test_an_organizations_own_account(self) -> None:
        """It need not act for itself, and may not for others."""
        own = self.host("two", account="admin@Enterprise")
        assert self.take(self.pool(own), None, own)
        other = self.host("three", account="developer@Enterprise")
        with self.assertRaisesRegex(VsdRefused, "may not act for admin@Enterprise"):
            self.take(self.pool(other), None, other)

    def test_reservations_of_others(self) -> None:
        """The VSD would give them to the first interface that names them."""
        place = self.place()
        body = {"IPType": "IPV4", "IPV4Address": "10.21.59.129", "externalID": "openstack"}
        self.plugin.run(self.plugin.session.post(f"{place.path}/vmipreservations", body))
        pool_id = self.pool(sub_pool=ip_network("10.21.59.128/31"))
        assert self.take(pool_id) == "10.21.59.128"
        self.assertRaises(Refused, self.take, pool_id)
        assert 'taken by reservation "openstack"' in self.refused(self.take, pool_id, "10.21.59.129")

    def test_binding(self) -> None:
        """The Container gets the endpoint's id, which the VRS tells as its UUID."""
        pool_id = self.pool()
        address = self.take(pool_id)
        assert self.bind(address)
        (container,) = self.at_vsd("containers")
        assert container["UUID"] == ENDPOINT
        self.give_back(pool_id, address)
        assert self.held() == set()

    def test_the_name_of_the_container(self) -> None:
        """It is the Container's once Docker has told it, whatever its length."""
        address = IPv4Address(self.take(self.pool()))
        network = network_of(network_request())
        self.plugin.run(self.plugin.ports.name(network, address, name="w" * 70, orchestration_id="task-1"))
        (container,) = self.at_vsd("containers")
        assert (container["name"], container["orchestrationID"]) == ("w" * 64, "task-1")

    def test_a_policy(self) -> None:
        """It is assigned to the vPort; what the domain does not have is refused with the nearest name."""
        address = IPv4Address(self.take(self.pool()))
        network = network_of(network_request())
        after = self.host("one")
        after.run(after.ports.assign(network, address, "web", None))
        (vport,) = self.at_vsd("vports")
        path = f"/vports/{vport['ID']}"
        assert [each["name"] for each in self.plugin.run(self.plugin.session.get(f"{path}/policygroups"))] == ["web"]
        self.plugin.run(self.plugin.ports.assign(network, address, None, "firewall"))
        assert [len(self.plugin.run(self.plugin.session.get(f"{path}/{each}"))) for each in POLICIES] == [1, 1]
        with self.assertRaisesRegex(NotInDirectory, 'no policy group "wbe".*did you mean "web"'):
            self.plugin.run(self.plugin.ports.assign(network, address, "wbe", None))

    def test_the_mac_address_of_the_user(self) -> None:
        """It is the VSD's as well, though Docker tells it after the address only."""
        address = self.take(self.pool())
        mac = "7a:42:00:00:00:77"
        for _ in range(2):
            assert self.bind(address, mac)
            (interface,) = self.at_vsd("containerinterfaces")
            assert (interface["MAC"], interface["IPAddress"]) == (mac, address)
        # It is not made again, also by a daemon that finds it there: its vPort may have a policy by now.
        (container,) = self.at_vsd("containers")
        self.plugin = self.host("one")
        self.bind(address, mac.upper())
        assert [each["ID"] for each in self.at_vsd("containers")] == [container["ID"]]

    def test_an_address_that_is_held_no_more(self) -> None:
        """An endpoint without one is not made."""
        assert "is no longer held at the VSD" in self.refused(self.bind, "10.21.59.9")


class Leaving(IpamCase):
    """A reservation that was given back, and is there until the VSD has no port with its address any more."""

    def test_an_address_whose_former_port_is_about_to_go(self) -> None:
        """What held it goes with that port, so it is held anew after that. Nothing else is given back twice."""
        pool_id = self.pool()
        address = self.take(pool_id)
        self.make_vm(address)
        self.give_back(pool_id, address)
        (leaving,) = self.at_vsd("vmipreservations")
        assert leaving["state"] == "ASSIGNED_DELETE_PENDING"
        assert self.plugin.run(self.plugin.addresses.held(Pool.from_id(pool_id))) == set()
        self.give_back(pool_id, address)
        assert [each["ID"] for each in self.at_vsd("vmipreservations")] == [leaving["ID"]]
        (interface,) = self.at_vsd("vminterfaces")
        removal = self.plugin.session.delete(f"/vminterfaces/{interface['ID']}")
        self.plugin.clock.callLater(1, Deferred.fromCoroutine, removal)
        assert self.take(pool_id, address) == address
        (anew,) = self.at_vsd("vmipreservations")
        assert (anew["ID"] != leaving["ID"], anew["state"]) == (True, "UNASSIGNED")

    def test_an_address_whose_former_port_stays(self) -> None:
        """It is refused with the reason, whoever asks for it. Another one is had at once."""
        pool_id = self.pool()
        address = self.take(pool_id)
        self.make_vm(address)
        self.give_back(pool_id, address)
        for plugin in (self.plugin, self.host("two")):
            refused = self.refused(self.take, pool_id, address, plugin)
            assert "the VSD still has a port with it" in refused
            assert "try again later, or choose another address" in refused
            assert self.take(pool_id, None, plugin) != address

    def test_an_answer_that_is_lost_while_an_address_is_about_to_go(self) -> None:
        """What the VSD has of the address already is not taken for what was asked for."""
        pool_id = self.pool()
        address = self.take(pool_id)
        self.make_vm(address)
        self.give_back(pool_id, address)
        pool, place, plugin = Pool.from_id(pool_id), self.place(), self.plugin
        self.vsd.lose = 1
        with self.assertRaises(AddressTaken):
            plugin.run(plugin.addresses._take(pool, place, IPv4Address(address), "", Use.CONTAINER))


class Forms(IpamCase):
    """In which form addresses are held."""

    form = "auto"

    def test_what_the_vsd_offers(self) -> None:
        """Reservations where it has them."""
        self.take(self.pool())
        assert (len(self.at_vsd("vmipreservations")), self.at_vsd("containers")) == (1, [])

    def test_a_subnet_that_is_gone(self) -> None:
        """It says nothing about what the VSD offers."""
        pool_id, place = self.pool(), self.place()
        after = self.host("one")
        after.run(after.directory.find(*OPTIONS_IN_ORDER))
        self.plugin.run(self.plugin.session.delete(place.path))
        self.assertRaises(NotInDirectory, self.take, pool_id, None, after)
        assert after.addresses._forms is None

    def test_another_form_than_before(self) -> None:
        """What was held in the former one is known and given back, whether the key or the VSD has changed."""
        for former, later in (("container", "reservation"), ("reservation", "container")):
            pool_id = self.pool(self.host("one", form=former))
            address = self.take(pool_id, plugin=self.host("one", form=former))
            after = self.host("one", form=later)
            assert after.run(after.addresses.held(Pool.from_id(pool_id))) == {IPv4Address(address)}
            network = network_of(network_request())
            mac = mac_of(network, IPv4Address(address))
            bound = after.run(after.ports.bind(network, IPv4Address(address), mac=mac, endpoint_id=ENDPOINT))
            # The VRS is told of it as before.
            assert bound == (former == "container")
            self.give_back(pool_id, address, after)
            assert self.held() == set()

    def test_an_older_vsd(self) -> None:
        """Containers otherwise."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.vsd = LabVsd(Path(folder.name), reservations=False)
        self.plugin = self.host("one")
        self.take(self.pool())
        assert len(self.at_vsd("containers")) == 1
