"""Docker gives an address again that an older endpoint has still."""

from __future__ import annotations

import json
import signal

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred

from nuage import names
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.ovsdb.operations import Delete, Update
from nuage.vrs import tables, transactions
from nuage.vrs.views import ids_of
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS, endpoint_body, network_request
from tests.test_driver import DriverTestCase
from tests.vrs_support import BRIDGE, waiting

OLD, NEW = "0" * 64, ENDPOINT
OTHER_NETWORK = "9" * 64
#: Options of networks at two places.
HERE = {"com.docker.network.generic": OPTIONS}
ELSEWHERE = {"com.docker.network.generic": {**OPTIONS, "domain": "Other"}}
POOL_V6 = [{"Pool": "fd00:59::/64", "Gateway": "fd00:59::1/64"}]


def _create(
    endpoint_id: str, address: str = "10.21.59.2", address_v6: str = "", network_id: str = NETWORK
) -> payloads.CreateEndpoint:
    interface = {"Address": f"{address}/24", "AddressIPv6": f"{address_v6}/64" if address_v6 else ""}
    body = endpoint_body(EndpointID=endpoint_id, NetworkID=network_id, Interface=interface)
    return payloads.CreateEndpoint.from_body(Body(body))


def _join(endpoint_id: str, network_id: str = NETWORK) -> payloads.EndpointCall:
    return payloads.EndpointCall(network_id, endpoint_id)


def _call(endpoint_id: str) -> payloads.EndpointCall:
    return payloads.EndpointCall(NETWORK, endpoint_id)


class Reassigned(DriverTestCase):
    """An older endpoint of the network is removed when a new one gets its address."""

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        super().setUp()
        return ensureDeferred(self._ready())

    async def _ready(self) -> None:
        await self.plugin.switch.ready()
        await self.plugin.driver.create_network(network_request(IPv6Data=POOL_V6))

    async def attached(self, request: payloads.CreateEndpoint) -> None:
        """Create an endpoint and join it."""
        await self.plugin.driver.create_endpoint(request)
        await self.plugin.driver.join(_join(request.endpoint_id, request.network_id))

    def known(self) -> set[str]:
        """Return the ids of the endpoints of which anything is left: at the bridge, in a table, as a link."""
        records = {key.removeprefix(tables.ENDPOINT_RECORD) for key in self.bridge_ids() if "-endpoint-" in key}
        entities = {row["vm_uuid"] for row in self.rows(tables.NUAGE_VM)}
        ports = {row["name"] for row in self.rows(tables.NUAGE_PORT)} | {*self.vrs.vsctl("list-ports", BRIDGE).split()}
        ports |= set(self.plugin.links.made)
        of_port = {names.port_name(id_): id_ for id_ in (OLD, NEW, *(character * 64 for character in "bcdef"))}
        return records | entities | {of_port.get(port, port) for port in ports}

    async def test_of_a_joined_one(self) -> None:
        """Port, rows and link go before the new one is joined."""
        await self.attached(_create(OLD))
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}
        await self.plugin.driver.join(_join(NEW))
        assert self.known() == {NEW}

    async def test_of_one_that_was_never_joined(self) -> None:
        """Its record goes, and nobody asks Docker for its container any more."""
        await self.plugin.driver.create_endpoint(_create(OLD))
        again = self.restarted()
        await again.switch.ready()
        await again.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}

    async def test_of_one_that_left(self) -> None:
        """Docker stopped its container and crashed before it was removed."""
        await self.attached(_create(OLD))
        await self.plugin.driver.leave(_call(OLD))
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}

    async def test_of_one_whose_ipv6_address_it_is(self) -> None:
        """Docker gives the addresses of both families independently of each other."""
        await self.attached(_create(OLD, "10.21.59.2", "fd00:59::2"))
        await self.attached(_create("b" * 64, "10.21.59.3", "fd00:59::20"))
        await self.plugin.driver.create_endpoint(_create(NEW, "10.21.59.4", "fd00:59::2"))
        assert self.known() == {"b" * 64, NEW}

    async def test_of_two(self) -> None:
        """One has the IPv4 address, the other one that of IPv6."""
        await self.attached(_create(OLD, "10.21.59.2", "fd00:59::2"))
        await self.attached(_create("b" * 64, "10.21.59.3", "fd00:59::3"))
        await self.plugin.driver.create_endpoint(_create(NEW, "10.21.59.2", "fd00:59::3"))
        assert self.known() == {NEW}

    async def test_of_one_whose_port_was_removed_by_hand(self) -> None:
        """Only the VRS's tables have it still."""
        await self.attached(_create(OLD))
        self.vrs.vsctl("del-port", BRIDGE, names.port_name(OLD))
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}

    async def test_of_one_whose_marks_were_wiped_by_hand(self) -> None:
        """Its interface does not tell the network any more; the VRS's rows do."""
        await self.attached(_create(OLD))
        self.vrs.vsctl("clear", "Interface", names.port_name(OLD), "external_ids")
        while self.plugin.switch.trace(OLD).network_id is not None:
            await waiting(reactor, 0.01)
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}

    async def test_of_one_whose_record_was_removed_by_hand(self) -> None:
        """Its interface still tells the network, and not the address; the VRS's rows do."""
        await self.attached(_create(OLD))
        self.vrs.vsctl("remove", "Interface", names.port_name(OLD), "external_ids", tables.RECORD)
        while self.plugin.switch.trace(OLD).record is not None:
            await waiting(reactor, 0.01)
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}

    async def test_of_one_whose_rows_were_removed_by_hand(self) -> None:
        """Only the port is there still."""
        await self.attached(_create(OLD))
        delete = [{"op": "delete", "table": table, "where": []} for table in (tables.NUAGE_PORT, tables.NUAGE_VM)]
        self.vrs._run("ovsdb-client", "transact", self.vrs.remote, json.dumps(["Open_vSwitch", *delete]))
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}

    async def test_others_are_left_alone(self) -> None:
        """Other addresses, one that begins alike among them, and another network's, also where a port is lost."""
        await self.plugin.driver.create_network(
            network_request(NetworkID=OTHER_NETWORK, Options=ELSEWHERE, IPv6Data=POOL_V6)
        )
        await self.attached(_create("b" * 64, "10.21.59.20", "fd00:59::20"))
        await self.plugin.driver.create_endpoint(_create("c" * 64, "10.21.59.3"))
        await self.attached(_create("d" * 64, "10.21.59.2", "fd00:59::2", OTHER_NETWORK))
        await self.plugin.driver.create_endpoint(_create("e" * 64, "10.21.59.2", "fd00:59::2", OTHER_NETWORK))
        assert self.known() == {"b" * 64, "c" * 64, "e" * 64}
        await self.plugin.driver.join(_join("e" * 64, OTHER_NETWORK))
        self.vrs.vsctl("del-port", BRIDGE, names.port_name("e" * 64))
        await self.attached(_create(NEW, "10.21.59.2", "fd00:59::2"))
        assert self.known() == {"b" * 64, "c" * 64, "e" * 64, NEW}

    async def test_of_one_whose_network_is_gone(self) -> None:
        """Docker lost all that it had, and the network was made anew. A container that runs all the same stays."""
        await self.attached(_create(OLD))
        await self.attached(_create("b" * 64, "10.21.59.3"))
        self.plugin.links.used.add(names.port_name("b" * 64))
        await self.plugin.driver.create_network(network_request(NetworkID=OTHER_NETWORK, IPv6Data=POOL_V6))
        await self.plugin.driver.create_endpoint(_create(NEW, network_id=OTHER_NETWORK))
        await self.plugin.driver.create_endpoint(_create("c" * 64, "10.21.59.3", network_id=OTHER_NETWORK))
        assert self.known() == {"b" * 64, NEW, "c" * 64}

    async def test_of_one_whose_entity_was_removed_by_hand(self) -> None:
        """And whose network is gone. What lies elsewhere in the topology stays."""
        await self.attached(_create(OLD))
        await self.plugin.driver.create_network(network_request(NetworkID="8" * 64, Options=ELSEWHERE))
        await self.attached(_create("b" * 64, network_id="8" * 64))
        await self._remove_entities()
        await self.plugin.driver.create_network(network_request(NetworkID=OTHER_NETWORK))
        await self.plugin.driver.create_endpoint(_create(NEW, network_id=OTHER_NETWORK))
        assert self.known() == {NEW, "b" * 64}

    async def test_of_one_whose_entity_and_record_are_lost(self) -> None:
        """Somebody removed the one and spoilt the other by hand."""
        await self.attached(_create(OLD))
        await self._remove_entities()
        await self._spoil_record(OLD)
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert self.known() == {NEW}

    async def _spoil_record(self, endpoint_id: str) -> None:
        name = names.port_name(endpoint_id)
        interface = self.plugin.client.cache[tables.INTERFACE].find("name", name)
        assert interface is not None
        spoilt = {**ids_of(interface), tables.RECORD: "rubbish"}
        where = [("name", "==", name)]
        await self.plugin.client.transact(Update(tables.INTERFACE, where, {"external_ids": spoilt}))

    async def _remove_entities(self) -> None:
        await self.plugin.client.transact(Delete(tables.NUAGE_VM, []))

    async def test_of_one_whose_networks_record_cannot_be_read(self) -> None:
        """Somebody spoilt the record of the network, which Docker lost after that. Another plugin's endpoint stays."""
        other = self.restarted(owner="nuage2.sock")
        await other.switch.ready()
        await self.attached(_create(OLD))
        await other.driver.create_network(network_request(NetworkID="8" * 64, Options=ELSEWHERE))
        await other.driver.create_endpoint(_create("b" * 64, network_id="8" * 64))
        await other.driver.join(_join("b" * 64, "8" * 64))
        for network_id in (NETWORK, "8" * 64):
            await self.plugin.client.transact(
                *transactions.remember(BRIDGE, tables.NETWORK_RECORD + network_id, "rubbish")
            )
        for network_id, endpoint_id, options in (("6" * 64, NEW, HERE), ("7" * 64, "c" * 64, ELSEWHERE)):
            await self.plugin.driver.create_network(network_request(NetworkID=network_id, Options=options))
            await self.plugin.driver.create_endpoint(_create(endpoint_id, network_id=network_id))
        assert self.known() == {NEW, "b" * 64, "c" * 64}

    async def test_its_own_repetition(self) -> None:
        """A CreateEndpoint that comes again after the Join changes nothing."""
        await self.attached(_create(NEW))
        before = self.rows(tables.NUAGE_PORT), self.rows(tables.NUAGE_VM), self.rows(tables.INTERFACE)
        await self.plugin.driver.create_endpoint(_create(NEW))
        assert (self.rows(tables.NUAGE_PORT), self.rows(tables.NUAGE_VM), self.rows(tables.INTERFACE)) == before

    async def test_while_the_older_one_is_being_joined(self) -> None:
        """A crash of Docker gives that Join up; the new endpoint waits until it is undone."""
        await self.plugin.driver.create_endpoint(_create(OLD))
        self.vrs.signal("ovs-vswitchd", signal.SIGSTOP)
        joining = ensureDeferred(self.plugin.driver.join(_join(OLD)))
        while self.plugin.switch.attachment(OLD) is None:
            await waiting(reactor, 0.01)
        creating = ensureDeferred(self.plugin.driver.create_endpoint(_create(NEW)))
        joining.cancel()
        await joining.addErrback(lambda failure: failure.trap(CancelledError))
        await creating
        self.vrs.signal("ovs-vswitchd", signal.SIGCONT)
        await self.plugin.driver.join(_join(NEW))
        assert self.known() == {NEW}

    async def test_while_the_older_ones_removal_is_put_off(self) -> None:
        """The switch was away when Docker removed it: the removal is not waited for, nor does it hit the new one."""
        await self.attached(_create(OLD))
        self.vrs.end("ovsdb-server")
        await self.plugin.driver.delete_endpoint(_call(OLD))
        assert self.plugin.cleanup.unfinished == {OLD}
        self.vrs.start_database()
        await self.attached(_create(NEW))
        assert self.plugin.cleanup.unfinished == frozenset()
        assert self.known() == {NEW}

    async def test_at_once(self) -> None:
        """Two that are created with one address wait for each other's turn, and never for ever."""
        await self.attached(_create(OLD))
        creating = [ensureDeferred(self.plugin.driver.create_endpoint(_create(each))) for each in (NEW, "b" * 64)]
        creating.append(ensureDeferred(self.plugin.driver.create_endpoint(_create(OLD))))
        for each in creating:
            await each
        await self.plugin.driver.create_endpoint(_create("c" * 64))
        assert self.known() == {"c" * 64}
