"""What a crash leaves at the VSD, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import attrs
from twisted.internet.defer import Deferred

from nuage.docker.descriptions import Endpoint as DockersEndpoint
from nuage.docker.descriptions import Network as DockersNetwork
from nuage.docker.descriptions import Pool as DockersPool
from nuage.docker.engine import NetworkUnknown
from nuage.driver.options import network_of
from nuage.errors import DockerUnavailable, SwitchError
from nuage.ipam.holdings import Holdings
from nuage.ipam.leftovers import Leftovers
from nuage.ipam.pool import Pool
from nuage.ipam.unfinished import Unfinished
from nuage.libnetwork.ipam_payloads import PoolCall
from nuage.model import Endpoint, Network
from tests.driver_support import ENDPOINT, NETWORK, network_request
from tests.ipam_support import MemoryRecords, Plugin, pool_request
from tests.test_ipam import MANAGER, IpamCase

#: A network whose addresses are from Nuage.
NETWORK_OF_NUAGE = attrs.evolve(network_of(network_request()), ipam=True)


@attrs.define
class Users:
    """A switch that has one network, and a Docker that has it too."""

    endpoints: dict[str, Endpoint] = attrs.field(factory=dict)
    told: DockersNetwork = attrs.field(factory=lambda: DockersNetwork(id=NETWORK, name="n1", driver="nuage"))
    silent: bool = False
    unknown: bool = False
    removed: bool = False

    async def ready(self) -> None:
        """See nuage.ipam.leftovers.Users."""

    def networks(self) -> Iterator[Network]:
        """See nuage.ipam.leftovers.Users."""
        if not self.removed:
            yield NETWORK_OF_NUAGE
        yield attrs.evolve(network_of(network_request()), id="o" * 64, domain="Testing")

    def endpoints_of(self, _network_id: str) -> list[str]:
        """See nuage.ipam.leftovers.Users."""
        return list(self.endpoints)

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """See nuage.ipam.leftovers.Users."""
        return self.endpoints.get(endpoint_id)

    async def network(self, network_id: str) -> DockersNetwork:
        """See nuage.ipam.leftovers.Docker."""
        assert network_id == NETWORK
        if self.silent:
            raise DockerUnavailable("it starts")
        if self.unknown:
            raise NetworkUnknown(network_id)
        return self.told


class LeftoversCase(IpamCase):
    """Somebody who looks for leftovers."""

    def setUp(self) -> None:
        super().setUp()
        self.users = Users()
        self.pool_id = self.pool()

    def holdings(self, plugin: Plugin) -> Holdings:
        """Return what compares holds and uses on a host."""
        return Holdings(
            addresses=plugin.addresses,
            abandoned=plugin.abandoned,
            handed_out=plugin.handed_out,
            users=self.users,
            docker=self.users,
        )

    def started(self, plugin: Plugin) -> Leftovers:
        """Return what looks on a host, started."""
        leftovers = Leftovers(plugin.clock, self.holdings(plugin))
        leftovers.start()
        self.addCleanup(leftovers.stop)
        return leftovers

    def killed(self) -> Plugin:
        """Return the daemon that follows one that was killed."""
        return self.host(self.plugin.host, records=self.plugin.records)

    def removed(self, plugin: Plugin) -> None:
        """Remove the network as the driver does, which keeps what is left by it."""
        left = plugin.run(plugin.abandoned.left_by(NETWORK_OF_NUAGE))
        plugin.records.known.clear()
        plugin.records.texts = {key: text for key, text in plugin.records.texts.items() if key[:4] != "new-"} | left


class Looks(LeftoversCase):
    """What is given back, and what is not."""

    def test_what_nobody_uses(self) -> None:
        """It is given back after it was so for some time, and not before."""
        address = self.take(self.pool_id)
        after = self.killed()
        self.started(after)
        after.clock.pump([1] * 1199)
        assert self.held() == {address}
        after.clock.pump([1] * 1)
        assert self.held() == set()
        assert self.take(self.pool_id, address, after) == address

    def test_a_pool_that_no_network_was_made_of(self) -> None:
        """Docker was killed before it gave the pool back, and the daemon as well. The switch forgets it."""
        assert [key for key in self.plugin.records.texts if key.startswith("new-")]
        after = self.killed()
        self.started(after)
        after.clock.pump([1] * 1201)
        assert after.records.texts == {}

    def test_what_somebody_uses(self) -> None:
        """By the switch or by Docker: containers, auxiliary addresses, a gateway that Nuage does not know."""
        taken = [self.take(self.pool_id) for _ in range(5)]
        endpoint = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="m", address=IPv4Interface(f"{taken[0]}/24"))
        self.users.endpoints[ENDPOINT] = endpoint
        told = DockersEndpoint(id="e", ipv4=f"{taken[1]}/24")
        pool = DockersPool(subnet="10.21.59.0/24", gateway=taken[2], auxiliary=(taken[3],))
        self.users.told = attrs.evolve(self.users.told, ipv4=(pool,), endpoints={"e": told})
        after = self.killed()
        self.started(after)
        assert [str(each.address) for each in after.run(self.holdings(after).unused())] == taken[4:]
        after.clock.pump([1] * 1200)
        assert self.held() == set(taken[:4])

    def test_what_is_used_again(self) -> None:
        """Its time begins anew."""
        address = self.take(self.pool_id)
        after = self.killed()
        self.started(after)
        after.clock.pump([1] * 600)
        endpoint = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="m", address=IPv4Interface(f"{address}/24"))
        self.users.endpoints[ENDPOINT] = endpoint
        after.clock.pump([1] * 600)
        self.users.endpoints.clear()
        after.clock.pump([1] * 600)
        assert self.held() == {address}
        after.clock.pump([1] * 600)
        assert self.held() == set()

    def test_what_is_not_this_hosts(self) -> None:
        """Another host's, a manager's, and what bears no mark."""
        others = {self.take(self.pool_id, None, self.host("two")), self.take(self.pool_id, options=MANAGER)}
        body = {"IPType": "IPV4", "IPV4Address": "10.21.59.9", "externalID": "openstack"}
        self.plugin.run(self.plugin.session.post(f"{self.place().path}/vmipreservations", body))
        after = self.killed()
        self.started(after)
        assert after.run(self.holdings(after).unused()) == []
        after.clock.pump([1] * 3600)
        assert self.held() == {*others, "10.21.59.9"}

    def test_without_docker(self) -> None:
        """Nothing is done, and what was seen before is forgotten."""
        address = self.take(self.pool_id)
        after = self.killed()
        self.started(after)
        after.clock.pump([1] * 600)
        self.users.silent = True
        after.clock.pump([1] * 600)
        self.users.silent = False
        after.clock.pump([1] * 600)
        assert self.held() == {address}
        self.vsd.away = True
        after.clock.pump([1] * 600)
        self.vsd.away = False
        after.clock.pump([1] * 1200)
        assert self.held() == set()

    def test_a_network_that_docker_has_no_more(self) -> None:
        """Nobody uses its addresses."""
        self.take(self.pool_id)
        self.users.unknown = True
        after = self.killed()
        self.started(after)
        after.clock.pump([1] * 1200)
        assert self.held() == set()

    def test_a_network_that_was_removed(self) -> None:
        """What a crash left of it is found all the same, by the next daemon too, and then nothing is remembered."""
        address = self.take(self.pool_id)
        after = self.killed()
        after.run(after.ipam.release_pool(PoolCall(self.pool_id)))
        self.users.removed = True
        last = self.killed()
        self.started(last)
        holdings = self.holdings(last)
        compared = last.run(holdings.compared())
        assert compared.held == compared.unused == tuple(last.run(holdings.unused()))
        assert [str(each.address) for each in compared.held] == [address]
        last.clock.pump([1] * 1200)
        assert self.held() == set()
        last.clock.pump([1] * 600)
        assert last.records.texts == {}

    def test_a_network_that_docker_lost(self) -> None:
        """Its pool is not given back. What is held in it is found, and then nothing is remembered."""
        self.take(self.pool_id)
        after = self.killed()
        self.removed(after)
        self.users.removed = True
        self.started(after)
        after.clock.pump([1] * 1200)
        assert self.held() == set()
        after.clock.pump([1] * 600)
        assert after.records.texts == {}

    def test_a_network_in_which_nothing_is_held(self) -> None:
        """Nothing of its pool is remembered."""
        self.removed(self.plugin)
        self.plugin.run(self.plugin.ipam.release_pool(PoolCall(self.pool_id)))
        assert self.plugin.records.texts == {}

    def test_a_pool_that_is_given_back_while_its_network_is_there(self) -> None:
        """The end of the network decides: Docker may have repeated the call without a body, which tells nothing."""
        self.take(self.pool_id)
        after = self.killed()
        after.records.known[NETWORK] = NETWORK_OF_NUAGE
        after.run(after.ipam.release_pool(PoolCall(self.pool_id)))
        assert after.records.texts == {}
        self.removed(after)
        assert [str(pool.prefix) for pool in after.abandoned.all()] == ["10.21.59.0/24"]

    def test_a_pool_that_was_never_given_back(self) -> None:
        """Docker was killed before that, and before it made a network: what is held is found when its time is over."""
        self.take(self.pool_id)
        after = self.killed()
        self.users.removed = True
        self.started(after)
        after.clock.pump([1] * 1201)
        assert [key[:5] for key in after.records.texts] == ["gone-"]
        after.clock.pump([1] * 1200)
        assert self.held() == set()
        after.clock.pump([1] * 600)
        assert after.records.texts == {}

    def test_a_pool_that_is_handed_out_again_meanwhile(self) -> None:
        """Its record stays when the time of the first request is over."""
        self.plugin.clock.advance(121)

        async def abandon(_pool: Pool) -> None:
            await self.plugin.ipam.request_pool(pool_request())

        self.plugin.run(self.plugin.handed_out.settle(abandon))
        assert [key[:4] for key in self.plugin.records.texts] == ["new-"]

    def test_a_lost_network_that_was_made_again(self) -> None:
        """Its former pool is remembered no longer, although an address is held in it."""
        self.take(self.pool_id)
        after = self.killed()
        self.removed(after)
        after.run(after.abandoned.settle())
        assert len(after.abandoned.all()) == 1
        after.records.known[NETWORK] = NETWORK_OF_NUAGE
        after.run(after.abandoned.settle())
        assert after.abandoned.all() == []

    def test_a_network_that_was_made_again(self) -> None:
        """What it uses is not given back."""
        address = self.take(self.pool_id)
        after = self.killed()
        after.run(after.ipam.release_pool(PoolCall(self.pool_id)))
        endpoint = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="m", address=IPv4Interface(f"{address}/24"))
        self.users.endpoints[ENDPOINT] = endpoint
        self.started(after)
        after.clock.pump([1] * 1200)
        assert self.held() == {address}

    def test_a_network_that_is_removed_while_the_vsd_is_away(self) -> None:
        """It is forgotten as soon as the VSD tells that nothing is left."""
        self.vsd.away = True
        self.plugin.run(self.plugin.ipam.release_pool(PoolCall(self.pool_id)))
        assert len(self.plugin.abandoned.all()) == 1
        self.vsd.away = False
        self.plugin.run(self.plugin.abandoned.settle())
        assert self.plugin.records.texts == {}

    def test_its_end(self) -> None:
        """No timer is left."""
        leftovers = self.started(self.plugin)
        self.plugin.clock.advance(700)
        leftovers.stop()
        self.plugin.stop()
        assert [call for call in self.plugin.clock.getDelayedCalls() if call.active()] == []


class Comparing(LeftoversCase):
    """All that is held, beside what is used."""

    def compared(self, plugin: Plugin) -> list[list[str]]:
        """Return the addresses that are held, those of them that nobody uses, and those that are not held."""
        comparison = plugin.run(self.holdings(plugin).compared())
        return [[str(each.address) for each in part] for part in attrs.astuple(comparison, recurse=False)]

    def use(self, address: str) -> None:
        """Have an endpoint use an address."""
        endpoint = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="m", address=IPv4Interface(f"{address}/24"))
        self.users.endpoints[ENDPOINT] = endpoint

    def test_what_agrees(self) -> None:
        """An address that is held and used, also by a manager of another host."""
        address = self.take(self.pool_id)
        self.use(address)
        assert self.compared(self.killed()) == [[address], [], []]
        self.use(self.take(self.pool_id, None, self.host("two"), options=MANAGER))
        assert self.compared(self.killed()) == [[address], [address], []]

    def test_what_does_not(self) -> None:
        """What nobody uses, and what is used and is not held or another host's."""
        address = self.take(self.pool_id)
        self.use("10.21.59.200")
        assert self.compared(self.killed()) == [[address], [address], ["10.21.59.200"]]
        self.take(self.pool_id, "10.21.59.200", self.host("two"))
        assert self.compared(self.killed()) == [[address], [address], ["10.21.59.200"]]

    def test_what_is_being_started(self) -> None:
        """It is used by nobody yet, and none of these."""
        self.take(self.pool_id)
        assert self.compared(self.plugin) == [[], [], []]

    def test_giving_back(self) -> None:
        """Only what was found, and is unused still."""
        first, second, third = (self.take(self.pool_id) for _ in range(3))
        after = self.killed()
        holdings = self.holdings(after)
        found = after.run(holdings.unused())
        self.use(first)
        given = after.run(holdings.give_back([each for each in found if str(each.address) != third]))
        assert [str(each.address) for each in given] == [second]
        assert self.held() == {first, third}


class ContainersLeft(Looks):
    """The same where Containers hold the addresses."""

    form = "container"


class Kills(LeftoversCase):
    """A daemon that is killed before it has given back everything."""

    def test_the_next_one_does_it(self) -> None:
        """The network may be gone by then."""
        addresses = [self.take(self.pool_id) for _ in range(2)]
        self.vsd.away = True
        for address in addresses:
            self.give_back(self.pool_id, address)
        assert len(self.plugin.records.texts) == 3
        after = self.killed()
        after.run(after.addresses.resume())
        assert len(after.cleanup.unfinished) == 2
        self.vsd.away = False
        after.run(after.addresses.resume())
        assert self.held() == set()
        assert [key for key in after.records.texts if key.startswith("left-")] == []

    def test_an_address_that_is_used_again(self) -> None:
        """It is not given back any more, by no daemon."""
        address = self.take(self.pool_id)
        self.vsd.away = True
        self.give_back(self.pool_id, address)
        self.vsd.away = False
        after = self.killed()
        assert self.take(self.pool_id, address, after) == address
        later = self.killed()
        later.run(later.addresses.resume())
        assert self.held() == {address}

    def test_a_switch_that_remembers_late(self) -> None:
        """A slow one may do so only after the address was given back."""
        address, late = self.taken_and_noted()
        self.plugin.clock.advance(6)
        assert self.held() == set()
        self.plugin.records.texts |= late
        self.plugin.run(self.holdings(self.plugin).settle())
        assert not late.keys() & self.plugin.records.texts.keys()
        assert self.take(self.pool_id, address) == address

    def test_a_switch_that_remembers_what_is_used_again(self) -> None:
        """It is not given back: neither by the daemon that took it, nor by the next one, who sees its endpoint."""
        address, late = self.taken_and_noted()
        assert self.take(self.pool_id, address) == address
        self.plugin.host.used[address] = 'container "web"'
        for plugin in (self.plugin, self.killed()):
            plugin.records.texts |= late
            plugin.run(plugin.addresses.resume())
            assert self.held() == {address}
            assert not late.keys() & plugin.records.texts.keys()

    def test_what_is_used_again_while_others_are_given_back(self) -> None:
        """It is looked at again when its turn has come."""
        addresses = [self.take(self.pool_id) for _ in range(2)]
        self.vsd.away = True
        for address in addresses:
            self.give_back(self.pool_id, address)
        after = self.killed()
        self.vsd.away = False
        (pool, first), (_pool, second) = Unfinished(after.records).all()
        turn = after.addresses.turn(pool, first)
        after.run(turn.__aenter__())
        resumed = Deferred.fromCoroutine(after.addresses.resume())
        assert self.take(self.pool_id, str(second), after) == str(second)
        after.run(turn.__aexit__(None, None, None))
        after.clock.advance(0)
        self.successResultOf(resumed)
        assert self.held() == {str(second)}

    def test_a_switch_that_goes_away_while_one_is_taken(self) -> None:
        """Docker has not got it, so it is held no longer than until the switch is back."""
        address, _late = self.taken_and_noted()
        self.plugin.records.away = True
        self.assertRaises(SwitchError, self.take, self.pool_id, address)
        self.plugin.records.away = False
        self.plugin.clock.advance(6)
        assert self.held() == set()
        assert self.plugin.cleanup.unfinished == frozenset()

    def taken_and_noted(self) -> tuple[str, dict[str, str]]:
        """Return an address that is still to be given back, with the record of that."""
        address = self.take(self.pool_id)
        self.vsd.away = True
        self.give_back(self.pool_id, address)
        self.vsd.away = False
        return address, {key: text for key, text in self.plugin.records.texts.items() if key.startswith("left-")}

    def test_what_was_written_by_hand(self) -> None:
        """It is passed over."""
        texts = {"left-1": "", "left-2": "10.21.59.9 x", "left-3": f"x {self.pool_id}", "left-4": f"1%a {self.pool_id}"}
        records: Any = MemoryRecords({**texts, "new-1": f"10.21.59.9 {self.pool_id}"})
        assert Unfinished(records).all() == []
        records.texts["left-5"] = f"10.21.59.9 {self.pool_id}"
        assert [address for _, address in Unfinished(records).all()] == [IPv4Address("10.21.59.9")]
