"""Join and the VRS's answer, which the test plays, on a real switch."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults

from nuage import names
from nuage.errors import NuageError, Refused, SwitchError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.vrs import tables
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS, Plugin, endpoint_body, network_body, network_request
from tests.played_vsd import PlayedVsd, gone
from tests.test_driver import DriverTestCase
from tests.test_vsd_directory import named, topology
from tests.vrs_support import BRIDGE, waiting

PORT = names.port_name(ENDPOINT)
ANSWER = {"ip_addr": "10.21.59.2", "subnet_mask": "255.255.255.0", "gateway": "10.21.59.1", "vrf_id": 7, "evpn_id": 8}


class ResolvingCase(DriverTestCase):
    """A network and an endpoint, and a controller that is the master."""

    resolve_timeout = 1.0

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        super().setUp()
        return ensureDeferred(self._prepare())

    async def _prepare(self) -> None:
        await self.plugin.switch.ready()
        self.have_controller()
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))

    def have_controller(self) -> None:
        """Have a controller that is the master."""
        # A target that nothing listens on: ovs-vswitchd then leaves the role as it is.
        self.vrs.vsctl("set-controller", BRIDGE, "tcp:127.0.0.1:1")
        self.vrs.vsctl("set", "controller", BRIDGE, "role=master")

    async def lose_controller(self) -> None:
        """Have no controller any more; return when the driver can see that."""
        self.vrs.vsctl("del-controller", BRIDGE)
        await self.until(lambda: not self.plugin.switch.controller_connected())

    async def attached(self) -> None:
        """Wait until the endpoint's port is wired and waits for its answer."""
        await self.until(lambda: (seen := self.plugin.switch.attachment(ENDPOINT)) is not None and bool(seen.ofport))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the mirrored tables say so; trial's time-out is the bound."""
        while not condition():
            await waiting(reactor, 0.01)

    def join(self) -> Deferred[payloads.Joined]:
        """Begin to join."""
        return ensureDeferred(self.plugin.driver.join(payloads.EndpointCall(NETWORK, ENDPOINT)))

    def answer(self, **changes: object) -> None:
        """Resolve the port as the VRS does, once it is there."""

        def write(changes_seen: Any) -> None:
            if any(change.table == tables.NUAGE_PORT and change.old is None for change in changes_seen):
                unsubscribe()
                self.write_answer(**changes)

        unsubscribe = self.plugin.client.cache.subscribe(write)

    def write_answer(self, **changes: object) -> None:
        """Resolve the port, which is there, as the VRS does."""
        update = {"op": "update", "table": tables.NUAGE_PORT, "where": [["name", "==", PORT]]}
        operation = json.dumps(["Open_vSwitch", {**update, "row": {**ANSWER, **changes}}])
        self.vrs._run("ovsdb-client", "transact", self.vrs.remote, operation)

    async def failure(self) -> str:
        """Return what a Join fails with, after which nothing but the endpoint may be left."""
        try:
            await self.join()
        except NuageError as problem:
            assert self.rows(tables.NUAGE_PORT) == []
            assert self.rows(tables.NUAGE_VM) == []
            assert self.vrs.vsctl("list-ports", BRIDGE) == ""
            assert self.plugin.links.made == {}
            return str(problem)
        raise AssertionError("the Join should have failed")


class Resolving(ResolvingCase):
    """What the VRS answers, or does not."""

    async def test_resolved(self) -> None:
        """The gateway is the VRS's, and the operator sees the answer."""
        took: list[float] = []
        self.plugin.endpoints.resolutions.add(took.append)
        self.answer()
        joined = await self.join()
        assert str(joined.gateway) == "10.21.59.1"
        assert len(took) == 1
        assert 0 < took[0] < self.resolve_timeout
        info = await self.plugin.driver.endpoint_oper_info(payloads.EndpointCall(NETWORK, ENDPOINT))
        shown = info.to_json()["Value"]
        assert (shown["resolved"], shown["address"], shown["vrf_id"], shown["evpn_id"]) == (True, "10.21.59.2", 7, 8)

    async def test_gateway_that_docker_does_not_know(self) -> None:
        """It comes from the VRS."""
        pool = [{"Pool": "10.21.59.0/24", "Gateway": ""}]
        await self.plugin.driver.create_network(network_request(IPv4Data=pool))
        self.answer(gateway="10.21.59.254")
        assert str((await self.join()).gateway) == "10.21.59.254"

    async def test_domain_without_gateway(self) -> None:
        """What Docker assigned is no contradiction, and stays."""
        self.answer(gateway="")
        assert str((await self.join()).gateway) == "10.21.59.1"

    async def test_not_resolved_in_time(self) -> None:
        """All that can be misspelt is named, and whether a controller is there."""
        took: list[float] = []
        self.plugin.endpoints.resolutions.add(took.append)
        said = await self.failure()
        assert took == []
        for part in ("within 1 s", '"Enterprise"', '"Domain"', '"Zone"', '"Subnet 2"', "10.21.59.2/24"):
            assert part in said, said
        assert "a controller is connected" in said
        # Nobody can tell whether a name is wrong or the VRS is slow: both are said, with what to do.
        for part in ("does not know one of these names", "correct", "only needs longer, raise resolve_timeout"):
            assert part in said, said

    async def test_policy_that_is_not_resolved(self) -> None:
        """A policy group and a redirection target that the domain does not have are named with the rest."""
        await self.plugin.driver.delete_endpoint(payloads.EndpointCall(NETWORK, ENDPOINT))
        await self.plugin.driver.create_network(
            network_request(Options={"com.docker.network.generic": {**OPTIONS, "redirection-target": "waf"}})
        )
        body = endpoint_body(Options={"nuage.policy-group": "wbe"})
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(body)))
        said = await self.failure()
        assert 'user "admin", policy group "wbe", redirection target "waf", address 10.21.59.2/24;' in said, said
        assert "correct the names or the address" in said, said

    async def test_no_controller(self) -> None:
        """It is said once the time is over, and what to do."""
        await self.lose_controller()
        said = await self.failure()
        assert "the VRS has no controller" in said
        assert "none came within 1 s" in said
        assert "connect the VRS to its VSC" in said

    async def test_controller_that_comes_while_a_join_waits(self) -> None:
        """The port is resolved by then, and nothing was refused before."""
        await self.lose_controller()
        joining = self.join()
        await self.attached()
        self.have_controller()
        self.write_answer()
        assert str((await joining).gateway) == "10.21.59.1"

    async def test_controller_that_is_lost_while_a_join_waits(self) -> None:
        """It may come back."""
        joining = self.join()
        await self.attached()
        await self.lose_controller()
        assert not joining.called
        self.have_controller()
        self.write_answer()
        assert str((await joining).gateway) == "10.21.59.1"

    async def test_controller_that_is_lost_for_good(self) -> None:
        """What is missing at the end is what is said."""
        failing = ensureDeferred(self.failure())
        await self.attached()
        await self.lose_controller()
        assert "the VRS has no controller" in await failing

    async def test_switch_that_restarts_while_a_join_waits(self) -> None:
        """A port that was resolved carries nothing before the switch has opened it again."""
        joining = self.join()
        await self.attached()
        self.vrs.end("ovs-vswitchd")
        self.vrs.vsctl("--no-wait", "clear", "interface", PORT, "ofport")
        self.write_answer()
        await self.until(lambda: self.plugin.switch.resolution(ENDPOINT) is not None)
        assert not joining.called
        self.vrs.vsctl("--no-wait", "set", "interface", PORT, "ofport=9")
        assert str((await joining).gateway) == "10.21.59.1"

    async def test_the_vrs_differs(self) -> None:
        """Both values are shown."""
        for change, shown in (
            ({"gateway": "10.21.59.254"}, "gateway: Docker 10.21.59.1, Nuage 10.21.59.254"),
            ({"subnet_mask": "255.255.0.0"}, "mask: Docker 255.255.255.0, Nuage 255.255.0.0"),
            ({"ip_addr": "10.21.59.9"}, "address: Docker 10.21.59.2, Nuage 10.21.59.9"),
        ):
            self.answer(**change)
            said = await self.failure()
            assert "CIDR and IPAM must be the same as in Nuage" in said
            assert shown in said

    async def test_the_row_is_removed_meanwhile(self) -> None:
        """The wait ends at once."""

        def remove(changes: Any) -> None:
            if any(change.table == tables.NUAGE_PORT and change.old is None for change in changes):
                operation = {"op": "delete", "table": tables.NUAGE_PORT, "where": []}
                self.vrs._run("ovsdb-client", "transact", self.vrs.remote, json.dumps(["Open_vSwitch", operation]))

        self.addCleanup(self.plugin.client.cache.subscribe(remove))
        with self.assertRaisesRegex(SwitchError, f"row of port {PORT} was removed"):
            await self.join()


class Competing(DriverTestCase):
    """Two Docker networks for one Nuage subnet."""

    other = "2f26e82cdc6d6a799ecf36e5d271acf6135a940fed076394a20de7a500018880"

    async def test_the_second_is_refused(self) -> None:
        """The first one is named."""
        await self.plugin.driver.create_network(network_request())
        self.plugin.docker.networks[NETWORK] = network_request()
        with self.assertRaisesRegex(Refused, f"network {NETWORK} stands for organization"):
            await self.plugin.driver.create_network(network_request(NetworkID=self.other))
        assert self.plugin.switch.network(self.other) is None

    async def created(self, network_id: str) -> bool:
        """Have Docker create a network, which it stores a moment after its call is answered; tell whether it was."""
        request = network_request(NetworkID=network_id)
        try:
            await self.plugin.driver.create_network(request)
        except Refused:
            return False
        await waiting(reactor, 0.1)
        self.plugin.docker.networks[network_id] = request
        return True

    def known(self) -> list[str]:
        """Return the ids of the networks that the switch remembers."""
        return sorted(network.id for network in self.plugin.switch.networks())

    async def test_of_those_that_are_created_at_once_one_is_accepted(self) -> None:
        """Docker has not stored the first one yet when the second one's turn comes."""
        ids = [NETWORK, self.other, "3" * 64]
        accepted = await gatherResults([ensureDeferred(self.created(each)) for each in ids])
        assert accepted == [True, False, False]
        assert self.known() == [NETWORK]

    async def test_of_those_that_are_learnt_at_once_one_is_accepted(self) -> None:
        """Two hosts of a cluster made them, of which neither knew the other's."""
        ids = [NETWORK, self.other]
        self.plugin.docker.networks |= {each: network_request(NetworkID=each) for each in ids}
        learnt = [
            self.plugin.driver.create_endpoint(
                payloads.CreateEndpoint.from_body(
                    Body(
                        endpoint_body(
                            NetworkID=each, EndpointID=each, Interface={"Address": f"10.21.59.{number + 2}/24"}
                        )
                    )
                )
            )
            for number, each in enumerate(ids)
        ]
        first, second = [ensureDeferred(each) for each in learnt]
        await first
        with self.assertRaisesRegex(Refused, f"network {NETWORK} stands for organization"):
            await second
        assert self.known() == [NETWORK]
        assert not await self.created("3" * 64)

    async def test_a_network_that_is_learnt_while_another_one_is_created(self) -> None:
        """The audit learns one, Docker creates the other one."""
        self.plugin.docker.networks[self.other] = network_request(NetworkID=self.other)
        created = ensureDeferred(self.created(NETWORK))
        with self.assertRaises(Refused):
            await self.plugin.driver.create_network(network_request(NetworkID=self.other))
        assert await created
        assert self.known() == [NETWORK]

    async def test_one_that_docker_dropped_is_no_obstacle(self) -> None:
        """It is forgotten."""
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_network(network_request(NetworkID=self.other))
        assert self.plugin.switch.network(NETWORK) is None

    async def test_other_places_do_not_compete(self) -> None:
        """Not even with the same addresses."""
        await self.plugin.driver.create_network(network_request())
        self.plugin.docker.networks[NETWORK] = network_request()
        options = network_body()["Options"]
        elsewhere = {**options["com.docker.network.generic"], "organization": "Other"}
        changed = {**options, "com.docker.network.generic": elsewhere}
        await self.plugin.driver.create_network(network_request(NetworkID=self.other, Options=changed))
        assert self.plugin.switch.network(self.other) is not None


class WithVsd(ResolvingCase):
    """There is a VSD as well, which tells what is wrong."""

    def restarted(self, **options: Any) -> Plugin:
        """See DriverTestCase."""
        self.vsd = PlayedVsd(topology())
        return super().restarted(vsd=self.vsd, **options)

    def zones(self, name: str) -> None:
        """Give the zone another name."""
        self.vsd.objects["/domains/d1/zones"] = [named("z1", name)]

    async def test_a_network_that_is_wrong(self) -> None:
        """It is refused when it is created, and nothing is kept of it."""
        await self.plugin.driver.delete_network(payloads.NetworkCall(NETWORK))
        self.zones("Zoen")
        try:
            await self.plugin.driver.create_network(network_request())
        except Refused as problem:
            self.assertIn('the VSD has no zone "Zone"', str(problem))
            self.assertIn('did you mean "Zoen"?', str(problem))
        else:
            self.fail("it should have been refused")
        self.assertEqual(list(self.plugin.switch.networks()), [])

    async def test_a_join_tells_what_is_wrong(self) -> None:
        """Where the VSD knows."""
        self.zones("Other")
        said = await self.failure()
        self.assertEqual(
            said,
            'the VRS did not resolve the port within 1 s: the VSD has no zone "Zone" in domain "Domain" of '
            'organization "Enterprise"; it has "Other"',
        )

    async def test_a_join_while_the_vsd_is_away(self) -> None:
        """It says what may be wrong, as without one."""
        self.vsd.play(*[gone()] * 1000, login=True)
        self.assertIn("If Nuage does not know one of these names", await self.failure())

    async def test_a_network_while_the_vsd_is_away(self) -> None:
        """The switch remembers that it is to be compared, over a restart too, until that is done."""
        await self.plugin.driver.delete_network(payloads.NetworkCall(NETWORK))
        self.vsd.play(*[gone()] * 1000, login=True)
        await self.plugin.driver.create_network(network_request())
        again = self.restarted()
        await again.switch.ready()
        (network,) = again.switch.networks()
        self.assertTrue(network.unchecked)
        assert again.vsd is not None
        again.vsd.start()
        await self.until(lambda: not any(each.unchecked for each in again.switch.networks()))
