"""The driver's policy, call by call, on a real switch."""

from __future__ import annotations

import json
import shlex
import signal
from ipaddress import IPv4Interface
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from nuage import names
from nuage.driver.endpoint_options import INTERFACE_NAME
from nuage.driver.options import network_of
from nuage.errors import LinkError, Refused, SwitchError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.model import Container, Endpoint, Network
from nuage.ovsdb.operations import Mutate
from nuage.vrs import tables, transactions
from nuage.vrs.errors import NotConnected
from tests.driver_support import (
    ENDPOINT,
    NETWORK,
    OPTIONS,
    NotedLinks,
    Plugin,
    endpoint_body,
    network_body,
    network_request,
)
from tests.vrs_support import BRIDGE, Vrs, waiting

PORT = names.port_name(ENDPOINT)


def _endpoint(**changes: Any) -> payloads.CreateEndpoint:
    return payloads.CreateEndpoint.from_body(Body(endpoint_body(**changes)))


def _call(endpoint_id: str = ENDPOINT) -> payloads.EndpointCall:
    return payloads.EndpointCall(NETWORK, endpoint_id)


def _join(endpoint_id: str = ENDPOINT) -> payloads.EndpointCall:
    return payloads.EndpointCall(NETWORK, endpoint_id)


class DriverTestCase(TestCase):
    """A driver on a switch of its own for each test."""

    timeout = 30
    client_options: dict[str, Any] = {"call_timeout": 2.0, "max_retry_delay": 0.3}  # noqa: RUF012
    resolve_timeout = 0.0

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        self.vrs = Vrs()
        self.addCleanup(self.vrs.stop)
        self.plugin = self.restarted()
        return ensureDeferred(self.plugin.switch.ready())

    def restarted(self, **options: Any) -> Plugin:
        """Return another daemon on the same switch, as after a restart; ``options`` are further ones of Plugin."""
        given = {"resolve_timeout": self.resolve_timeout, **self.client_options, **options}
        plugin = Plugin(reactor, self.vrs, **given)
        self.addCleanup(lambda: ensureDeferred(plugin.stop()))
        return plugin

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table's rows as the database itself has them."""
        out = self.vrs._run("ovsdb-client", "transact", self.vrs.remote, json.dumps(["Open_vSwitch", _select(table)]))
        rows: list[dict[str, Any]] = json.loads(out)[0]["rows"]
        return rows

    def transact(self, *operations: dict[str, Any]) -> None:
        """Change the database by hand."""
        self.vrs._run("ovsdb-client", "transact", self.vrs.remote, json.dumps(["Open_vSwitch", *operations]))

    def assert_nothing_left(self) -> None:
        """Assert that no trace of any endpoint is left."""
        assert self.vrs.vsctl("list-ports", BRIDGE) == ""
        assert self.rows(tables.NUAGE_PORT) == []
        assert self.rows(tables.NUAGE_VM) == []
        assert [row["name"] for row in self.rows(tables.INTERFACE)] == [BRIDGE]
        assert not [key for key in self.bridge_ids() if key.startswith(tables.ENDPOINT_RECORD)]
        assert self.plugin.links.made == {}

    def bridge_ids(self) -> dict[str, str]:
        """Return what is kept at the bridge."""
        (row,) = self.rows(tables.BRIDGE)
        return dict(row["external_ids"][1])


def _select(table: str) -> dict[str, Any]:
    return {"op": "select", "table": table, "where": []}


class Networks(DriverTestCase):
    """CreateNetwork and DeleteNetwork."""

    async def test_a_network_survives_a_restart_and_is_forgotten(self) -> None:
        """What Docker assigned is kept in the switch."""
        driver = self.plugin.driver
        await driver.create_network(network_request())
        again = self.restarted()
        await again.switch.ready()
        network = again.switch.network(NETWORK)
        assert network is not None
        assert (network.organization, network.subnet, str(network.gateway)) == ("Enterprise", "Subnet 2", "10.21.59.1")
        await again.driver.delete_network(payloads.NetworkCall(NETWORK))
        assert self.bridge_ids() == {}

    async def test_a_call_may_come_twice_and_with_other_data(self) -> None:
        """Docker is the authority: a network of the same id is replaced."""
        driver = self.plugin.driver
        await driver.create_network(network_request())
        before = self.bridge_ids()
        await driver.create_network(network_request())
        assert self.bridge_ids() == before
        other = [{"Gateway": "10.21.60.1/24", "Pool": "10.21.60.0/24"}]
        await driver.create_network(network_request(IPv4Data=other))
        network = self.plugin.switch.network(NETWORK)
        assert network is not None
        assert str(network.pool) == "10.21.60.0/24"

    async def test_deleting_what_is_gone_succeeds(self) -> None:
        """A second DeleteNetwork, or one of a network that was never made."""
        await self.plugin.driver.delete_network(payloads.NetworkCall(NETWORK))
        assert self.bridge_ids() == {}

    async def test_deleting_a_network_takes_its_endpoints_along(self) -> None:
        """Docker thinks they are gone already."""
        driver = self.plugin.driver
        await driver.create_network(network_request())
        await driver.create_endpoint(_endpoint())
        await driver.join(_join())
        await driver.create_endpoint(_endpoint(EndpointID="b" * 64, Interface={"Address": "10.21.59.3/24"}))
        await driver.delete_network(payloads.NetworkCall(NETWORK))
        self.assert_nothing_left()

    async def test_a_refused_network_leaves_nothing(self) -> None:
        """The options are checked before anything is written."""
        with self.assertRaises(Refused):
            await self.plugin.driver.create_network(network_request(IPv4Data=[]))
        assert self.bridge_ids() == {}

    async def test_a_missing_bridge_is_named(self) -> None:
        """Nothing is written where the bridge is not there."""
        self.vrs.vsctl("del-br", BRIDGE)
        with self.assertRaisesRegex(SwitchError, 'no bridge "alubr0"; VrsBridge'):
            await self.plugin.driver.create_network(network_request())


class Attaching(DriverTestCase):
    """CreateEndpoint, Join, Leave, DeleteEndpoint."""

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        async def ready() -> None:
            await self.plugin.switch.ready()
            await self.plugin.driver.create_network(network_request())

        super().setUp()
        return ensureDeferred(ready())

    async def test_the_whole_life_of_an_endpoint(self) -> None:
        """One transaction attaches: the rows are those that the VRS needs."""
        driver = self.plugin.driver
        self.plugin.docker.containers[ENDPOINT] = Container(id="c0ffee", name="web")
        created = await driver.create_endpoint(_endpoint())
        assert created.to_json() == {"Interface": {"MacAddress": "7a:42:72:2f:f4:3c"}}
        joined = await driver.join(_join())
        assert joined.to_json() == {
            "InterfaceName": {"SrcName": "nca31e991e80064", "DstPrefix": "eth"},
            "Gateway": "10.21.59.1",
        }
        assert self.plugin.links.made[PORT]["mac"] == "7a:42:72:2f:f4:3c"
        assert self.plugin.links.made[PORT]["mtu"] == 1450
        (port,) = self.rows(tables.NUAGE_PORT)
        assert port["name"] == PORT
        assert port["mac"] == "7a:42:72:2f:f4:3c"
        assert port["bridge"] == "alubr0"
        assert port["vm_domain"] == 4
        assert (port["nuage_domain"], port["nuage_zone"], port["nuage_network"], port["nuage_network_type"]) == (
            "Domain",
            "Zone",
            "Subnet 2",
            "ipv4",
        )
        assert dict(port["metadata"][1]) == {
            "nuage-enterprise-domain": "Domain",
            "nuage-enterprise-zone": "Zone",
            "nuage-enterprise-network": "Subnet 2",
            "nuage-enterprise-network-type": "ipv4",
            "static-ip": "10.21.59.2",
        }
        (entity,) = self.rows(tables.NUAGE_VM)
        assert (entity["vm_uuid"], entity["vm_name"], entity["ports"]) == (ENDPOINT, "web", PORT)
        assert (entity["type"], entity["domain"], entity["event"], entity["event_type"]) == (4, 4, 2, 0)
        assert (entity["state"], entity["reason"]) == (1, 1)
        assert (entity["nuage_enterprise"], entity["nuage_user"]) == ("Enterprise", "admin")
        interface = next(row for row in self.rows(tables.INTERFACE) if row["name"] == PORT)
        ids = dict(interface["external_ids"][1])
        assert (ids["vm-uuid"], ids["vm-name"], ids["nuage-container"]) == (ENDPOINT, "web", "c0ffee")
        info = (await driver.endpoint_oper_info(_call())).to_json()["Value"]
        assert (info["port"], info["attached"], info["resolved"]) == (PORT, True, False)
        assert info["ofport"] > 0
        await driver.leave(_call())
        assert self.vrs.vsctl("list-ports", BRIDGE) == ""
        assert self.rows(tables.NUAGE_VM) == []
        await driver.delete_endpoint(_call())
        self.assert_nothing_left()

    async def test_each_call_may_come_twice(self) -> None:
        """The second gives the same answer and changes nothing."""
        driver = self.plugin.driver
        first = await driver.create_endpoint(_endpoint())
        assert await driver.create_endpoint(_endpoint()) == first
        joined = await driver.join(_join())
        before = self.rows(tables.NUAGE_PORT)
        assert await driver.join(_join()) == joined
        assert self.rows(tables.NUAGE_PORT) == before
        await driver.leave(_call())
        await driver.leave(_call())
        await driver.delete_endpoint(_call())
        await driver.delete_endpoint(_call())
        self.assert_nothing_left()

    async def test_a_restart_between_any_two_calls(self) -> None:
        """Each call finds in the switch what the one before it left there."""
        await self.plugin.driver.create_endpoint(_endpoint(Options={"nuage.policy-group": "web", "other": 1}))
        for call in ("join", "leave", "join", "delete_endpoint"):
            again = self.restarted()
            await getattr(again.driver, call)(_join() if call == "join" else _call())
            endpoint = again.switch.endpoint(ENDPOINT)
            if call != "delete_endpoint":
                assert endpoint is not None
                assert (endpoint.mac, endpoint.options) == ("7a:42:72:2f:f4:3c", {"nuage.policy-group": "web"})
        self.assert_nothing_left()

    async def test_delete_endpoint_without_leave(self) -> None:
        """So it comes after a Join that failed elsewhere."""
        driver = self.plugin.driver
        await driver.create_endpoint(_endpoint())
        await driver.join(_join())
        await driver.delete_endpoint(_call())
        self.assert_nothing_left()

    async def test_a_given_mac_is_kept_and_not_repeated(self) -> None:
        """Docker refuses an answer that repeats what it gave."""
        interface = {"Address": "10.21.59.2/24", "MacAddress": "7A:42:0A:0B:0C:0D"}
        created = await self.plugin.driver.create_endpoint(_endpoint(Interface=interface))
        assert created.to_json() == {"Interface": {}}
        await self.plugin.driver.join(_join())
        assert self.plugin.links.made[PORT]["mac"] == "7a:42:0a:0b:0c:0d"

    async def test_the_same_address_has_the_same_mac(self) -> None:
        """A container that is replaced is reached at once: its neighbours know its MAC address already."""
        driver = self.plugin.driver
        created = await driver.create_endpoint(_endpoint())
        await driver.join(_join())
        await driver.delete_endpoint(_call())
        other = await driver.create_endpoint(_endpoint(EndpointID="b" * 64))
        assert other == created
        third = {"Address": "10.21.59.3/24"}
        assert await driver.create_endpoint(_endpoint(EndpointID="c" * 64, Interface=third)) != created

    async def test_an_endpoint_keeps_the_mac_that_it_has(self) -> None:
        """One that an earlier release made has another MAC address than it would get now."""
        old = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="7a:42:01:02:03:04", address=IPv4Interface("10.21.59.2/24"))
        await self.plugin.switch.remember_endpoint(old)
        created = await self.plugin.driver.create_endpoint(_endpoint())
        assert created.mac == old.mac
        await self.plugin.driver.join(_join())
        assert self.plugin.links.made[PORT]["mac"] == old.mac

    async def test_an_l2_domain_has_no_zone_and_no_subnet(self) -> None:
        """The columns stay empty and the metadata do not name them."""
        options = {"organization": "E", "user": "u", "domain": "L2"}
        await self.plugin.driver.create_network(
            network_request(Options={"com.docker.network.generic": options}, NetworkID=NETWORK)
        )
        await self.plugin.driver.create_endpoint(_endpoint())
        await self.plugin.driver.join(_join())
        (port,) = self.rows(tables.NUAGE_PORT)
        assert (port["nuage_domain"], port["nuage_zone"], port["nuage_network"]) == ("L2", "", "")
        assert "nuage-enterprise-zone" not in dict(port["metadata"][1])

    async def test_an_internal_network_has_no_gateway(self) -> None:
        """Nor the interface that Docker adds where a driver answers none."""
        await self.plugin.driver.create_network(
            network_request(Options={**network_body()["Options"], "com.docker.network.internal": True})
        )
        await self.plugin.driver.create_endpoint(_endpoint())
        joined = (await self.plugin.driver.join(_join())).to_json()
        assert "Gateway" not in joined
        assert joined["DisableGatewayService"] is True

    async def test_a_name_for_the_interface(self) -> None:
        """Docker tells it with CreateEndpoint only, and the Join may come after a restart. Bad options are refused."""
        with self.assertRaisesRegex(Refused, 'driver-opt "com.docker.network.endpoint.ifname" is "a/b"'):
            await self.plugin.driver.create_endpoint(_endpoint(Options={INTERFACE_NAME: "a/b"}))
        with self.assertRaisesRegex(Refused, 'unknown driver-opt "policy-group"; did you mean'):
            await self.plugin.driver.create_endpoint(_endpoint(Options={"policy-group": "web"}))
        self.assert_nothing_left()
        await self.plugin.driver.create_endpoint(_endpoint(Options={INTERFACE_NAME: "web0"}))
        joined = (await self.restarted().driver.join(_join())).to_json()
        assert joined["InterfaceName"] == {"SrcName": "nca31e991e80064", "DstPrefix": "web", "DstName": "web0"}

    async def test_a_refused_endpoint_changes_nothing(self) -> None:
        """An older one with its address, which Docker has lost, is removed for one that is made."""
        driver = self.plugin.driver
        await driver.create_endpoint(_endpoint())
        for options in ({INTERFACE_NAME: "a/b"}, {"nuage.policy-group": ""}, {"policy-group": "web"}):
            with self.assertRaises(Refused):
                await driver.create_endpoint(_endpoint(EndpointID="b" * 64, Options=options))
            assert self.plugin.switch.endpoint(ENDPOINT) is not None, options
        await driver.create_endpoint(_endpoint(EndpointID="b" * 64))
        assert self.plugin.switch.endpoint(ENDPOINT) is None

    async def test_a_network_without_a_gateway(self) -> None:
        """Docker is kept from adding an interface of its own, which a gateway of IPv6 does not do."""
        link = {"SrcName": "nca31e991e80064", "DstPrefix": "eth"}
        pool, pool_v6 = {"Pool": "10.21.59.0/24"}, {"Pool": "fd00:59::/64", "Gateway": "fd00:59::1/64"}
        for pools_v6, expected in (([], {}), ([pool_v6], {"GatewayIPv6": "fd00:59::1"})):
            await self.plugin.driver.create_network(network_request(IPv4Data=[pool], IPv6Data=pools_v6))
            await self.plugin.driver.create_endpoint(_endpoint())
            joined = (await self.plugin.driver.join(_join())).to_json()
            assert joined == {"InterfaceName": link, "DisableGatewayService": True, **expected}

    async def test_the_way_out_is_dockers_bridge(self) -> None:
        """Docker adds its interface only where it is told no gateway, from 28 on not of IPv6 either."""
        options = {"com.docker.network.generic": {**OPTIONS, "external": "gwbridge"}}
        pool_v6 = {"Pool": "fd00:59::/64", "Gateway": "fd00:59::1/64"}
        await self.plugin.driver.create_network(network_request(Options=options, IPv6Data=[pool_v6]))
        await self.plugin.driver.create_endpoint(_endpoint())
        joined = (await self.plugin.driver.join(_join())).to_json()
        assert joined == {"InterfaceName": {"SrcName": "nca31e991e80064", "DstPrefix": "eth"}}

    async def test_addresses_that_cannot_be(self) -> None:
        """None, one outside of the pool, the gateway's."""
        for address, message in (
            ("", "has no IPv4 address"),
            ("10.21.60.2/24", "is not in the subnet 10.21.59.0/24"),
            ("10.21.59.1/24", "is the gateway"),
        ):
            with self.assertRaisesRegex(Refused, message):
                await self.plugin.driver.create_endpoint(_endpoint(Interface={"Address": address}))
        self.assert_nothing_left()

    async def test_joining_what_was_never_created(self) -> None:
        """The message names the endpoint."""
        with self.assertRaisesRegex(Refused, f"endpoint {ENDPOINT} is not known here"):
            await self.plugin.driver.join(_join())
        self.assert_nothing_left()

    async def test_a_link_that_cannot_be_made(self) -> None:
        """Nothing is left but the endpoint, which Docker deletes."""
        await self.plugin.driver.create_endpoint(_endpoint())
        self.plugin.links.failure = LinkError("no")
        with self.assertRaisesRegex(LinkError, "no"):
            await self.plugin.driver.join(_join())
        assert self.rows(tables.NUAGE_PORT) == []
        await self.plugin.driver.delete_endpoint(_call())
        self.assert_nothing_left()

    async def test_a_switch_that_does_not_open_the_device(self) -> None:
        """Without ovs-vswitchd no port works: the call fails in time and is undone."""
        await self.plugin.driver.create_endpoint(_endpoint())
        self.vrs.end("ovs-vswitchd")
        with self.assertRaisesRegex(SwitchError, f"did not open port {PORT} within 2 s; is ovs-vswitchd running"):
            await self.plugin.driver.join(_join())
        await self.plugin.driver.delete_endpoint(_call())
        (self.vrs.folder / "ovs-vswitchd.pid").unlink(missing_ok=True)
        assert self.rows(tables.NUAGE_PORT) == []
        assert self.plugin.links.made == {}

    async def test_a_name_taken_by_another_port(self) -> None:
        """A foreign port is left as it is, and the message says what the database said."""
        self.vrs.vsctl("add-port", BRIDGE, PORT)
        await self.plugin.driver.create_endpoint(_endpoint())
        with self.assertRaisesRegex(SwitchError, "refused a row: .*Interface"):
            await self.plugin.driver.join(_join())
        await self.plugin.driver.delete_endpoint(_call())
        assert self.vrs.vsctl("list-ports", BRIDGE) == f"{PORT}\n"
        assert self.rows(tables.NUAGE_PORT) == []

    async def test_two_endpoints_with_the_same_first_digits(self) -> None:
        """Port names carry 13 of them: the second is refused, and the first one is left as it is."""
        twin = ENDPOINT[:20] + "0" * 44
        driver = self.plugin.driver
        await driver.create_endpoint(_endpoint())
        await driver.join(_join())
        before = self.rows(tables.NUAGE_PORT)
        await driver.create_endpoint(_endpoint(EndpointID=twin, Interface={"Address": "10.21.59.3/24"}))
        with self.assertRaises(SwitchError):
            await driver.join(_join(twin))
        await driver.delete_endpoint(_call(twin))
        assert self.rows(tables.NUAGE_PORT) == before
        assert self.vrs.vsctl("list-ports", BRIDGE) == f"{PORT}\n"
        await driver.delete_endpoint(_call())
        self.assert_nothing_left()

    async def test_a_hundred_joins_at_once(self) -> None:
        """Each endpoint gets its port; calls about different endpoints do not wait for each other."""
        ids = [f"{number:02x}" * 32 for number in range(100)]
        driver = self.plugin.driver
        for number, endpoint_id in enumerate(ids):
            interface = {"Address": f"10.21.59.{number + 2}/24"}
            await driver.create_endpoint(_endpoint(EndpointID=endpoint_id, Interface=interface))
        await gatherResults([ensureDeferred(driver.join(_join(endpoint_id))) for endpoint_id in ids])
        assert len(self.vrs.vsctl("list-ports", BRIDGE).split()) == 100
        await gatherResults([ensureDeferred(driver.delete_endpoint(_call(endpoint_id))) for endpoint_id in ids])
        self.assert_nothing_left()

    async def test_the_pool_of_a_network_that_is_forgotten(self) -> None:
        """What is held in it is remembered in the transaction that removes the network, whoever removes it."""

        class Abandoned:
            async def left_by(self, network: Network) -> dict[str, str]:
                return {f"gone-{network.id[:1]}": "held"}

        self.plugin.networks._abandoned = Abandoned()
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.delete_network(payloads.NetworkCall(NETWORK))
        assert self.plugin.switch.pool_records() == {}
        network = attrs.evolve(network_of(network_request()), ipam=True)
        for network_id in (NETWORK, "2" * 64, "3" * 64):
            await self.plugin.switch.remember_network(attrs.evolve(network, id=network_id))
        await self.plugin.driver.delete_network(payloads.NetworkCall(NETWORK))
        assert self.plugin.switch.pool_records() == {f"gone-{NETWORK[:1]}": "held"}
        await self.plugin.networks.forget_lost_network("2" * 64)
        # One that is made anew takes the other's place.
        await self.plugin.driver.create_network(network_request())
        assert self.plugin.switch.pool_records().keys() == {f"gone-{each}" for each in (NETWORK[:1], "2", "3")}

    async def test_a_network_that_comes_back(self) -> None:
        """An audit asks Docker again before it forgets one: Swarm makes it anew meanwhile, with the same id."""
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(_endpoint())
        self.plugin.docker.networks[NETWORK] = network_request()
        assert not await self.plugin.networks.forget_lost_network(NETWORK)
        assert self.plugin.switch.network(NETWORK) is not None
        assert self.plugin.switch.endpoint(ENDPOINT) is not None
        self.plugin.docker.networks.clear()
        assert await self.plugin.networks.forget_lost_network(NETWORK)
        self.assert_nothing_left()


class Marks(DriverTestCase):
    """What proves whose a port is, and was removed by hand."""

    #: How each of the marks is removed: the interface's, the port's, the rows of the VRS's tables.
    interface = ("clear", "Interface", PORT, "external_ids")
    port = ("clear", "Port", PORT, "external_ids")

    async def attached(self) -> Endpoint:
        """Attach an endpoint and return it."""
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(_endpoint())
        self.plugin.docker.containers[ENDPOINT] = Container(id="c0ffee", name="web")
        await self.plugin.driver.join(_join())
        endpoint = self.plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        return endpoint

    async def damage(self, *commands: tuple[str, ...], rows: bool = False) -> None:
        """Remove marks, the VRS's rows too, and wait until that is mirrored."""
        for command in commands:
            self.vrs.vsctl(*command)
        if rows:
            nothing: list[Any] = []
            deletions = [
                {"op": "delete", "table": each, "where": nothing} for each in (tables.NUAGE_PORT, tables.NUAGE_VM)
            ]
            self.vrs._run("ovsdb-client", "transact", self.vrs.remote, json.dumps(["Open_vSwitch", *deletions]))
        # The reply comes after the updates of whatever was committed before.
        await self.plugin.client.transact()

    def content(self) -> list[dict[str, Any]]:
        """Return what is marked, without what the database makes of it."""
        rows = [row for table in (tables.INTERFACE, tables.PORT) for row in self.rows(table) if row["name"] == PORT]
        shown = [{key: row[key] for key in ("name", "external_ids")} for row in rows]
        entities = [*self.rows(tables.NUAGE_PORT), *self.rows(tables.NUAGE_VM)]
        return shown + [{k: v for k, v in row.items() if k not in ("_uuid", "_version")} for row in entities]

    async def test_what_was_removed_is_put_back(self) -> None:
        """Whatever of the marks is left; where nothing is, the link's alias proves it, of which the audit knows."""
        endpoint = await self.attached()
        whole = self.content()
        ofport = self.vrs.vsctl("get", "Interface", PORT, "ofport")
        for commands, rows, known in (
            ([self.interface], False, True),
            ([self.port], False, True),
            ([self.interface, self.port], False, True),
            ([self.interface], True, True),
            ([("remove", "Interface", PORT, "external_ids", tables.RECORD)], False, True),
            ([self.interface, self.port], True, False),
        ):
            await self.damage(*commands, rows=rows)
            assert self.content() != whole
            trace = self.plugin.switch.survey().traces.get(ENDPOINT)
            assert (trace is not None and trace.attached and not trace.marked) is known, (commands, trace)
            await self.plugin.restore(endpoint, Container(id="c0ffee", name="web"))
            assert self.content() == whole
            assert self.plugin.switch.survey().traces[ENDPOINT].marked
        # It was the same port all the time.
        assert self.vrs.vsctl("get", "Interface", PORT, "ofport") == ofport

    async def test_what_was_removed_meanwhile_is_not_put_back(self) -> None:
        """An audit may be long about another endpoint after it has looked, and Docker removes this one."""
        endpoint = await self.attached()
        await self.damage(rows=True)
        await self.plugin.driver.leave(_join())
        await self.plugin.driver.delete_endpoint(_join())
        await self.plugin.restore(endpoint, Container(id="c0ffee", name="web"))
        assert self.content() == []

    async def test_what_lost_its_marks_is_removed(self) -> None:
        """Docker removes the container before an audit has seen it."""
        for commands, rows in (
            ([self.interface], False),
            ([self.interface, self.port], False),
            ([self.interface], True),
        ):
            await self.attached()
            await self.damage(*commands, rows=rows)
            await self.plugin.driver.leave(_call())
            await self.plugin.driver.delete_endpoint(_call())
            self.assert_nothing_left()


class Owners(DriverTestCase):
    """Two plugins, with sockets of two names, on one switch, on which a release kept records that had no owners."""

    async def test_each_leaves_the_others_alone(self) -> None:
        """Networks, endpoints that are attached and those that are not; without an owner they are everybody's."""
        one, other = self.restarted(owner="nuage.sock"), self.restarted(owner="nuage2.sock")
        await one.switch.ready()
        await other.switch.ready()
        attached, waiting = ENDPOINT, "e" * 64
        await one.driver.create_network(network_request())
        for number, endpoint_id in enumerate((attached, waiting), 2):
            interface = {"Address": f"10.21.59.{number}/24"}
            await one.driver.create_endpoint(_endpoint(EndpointID=endpoint_id, Interface=interface))
        await one.driver.join(_join())
        await other.client.transact()
        ours = {attached, waiting}
        assert ({each.id for each in one.switch.networks()}, {*one.switch.survey().traces}) == ({NETWORK}, ours)
        assert (one.switch.survey().foreign, [*one.switch.foreign_networks()]) == (set(), [])
        assert ([*other.switch.networks()], other.switch.survey().traces) == ([], {})
        assert other.switch.survey().foreign == ours
        assert [each.id for each in other.switch.foreign_networks()] == [NETWORK]
        for record in (f"nuage-network-{NETWORK}", f"nuage-endpoint-{waiting}"):
            text = self.bridge_ids()[record].replace(',"owner":"nuage.sock"', "")
            await other.client.transact(*transactions.remember(BRIDGE, record, text))
        self.vrs.vsctl("remove", "Interface", PORT, "external_ids", tables.OWNER)
        await other.client.transact()
        await one.client.transact()
        for plugin in (one, other):
            assert ({each.id for each in plugin.switch.networks()}, {*plugin.switch.survey().traces}) == (
                {NETWORK},
                ours,
            )

    async def test_a_subnet_of_the_other(self) -> None:
        """It is refused, whatever Docker says, with what to do if the other plugin is gone."""
        one, other = self.restarted(owner="nuage.sock"), self.restarted(owner="nuage2.sock")
        await one.driver.create_network(network_request())
        await other.client.transact()
        remedy = f"ovs-vsctl remove bridge {BRIDGE} external_ids nuage-network-{NETWORK}"
        with self.assertRaisesRegex(Refused, f"of the plugin nuage.sock stands for .*{remedy}"):
            await other.driver.create_network(network_request(NetworkID="2" * 64))
        # A network that Docker tells of is the plugin's that is told, such as one whose socket has another name now.
        await other.driver.create_network(network_request())
        assert [each.id for each in other.switch.networks()] == [NETWORK]


class Garbage(DriverTestCase):
    """What somebody wrote under the plugin's keys."""

    async def test_it_is_told_once_and_stands_in_nobodys_way(self) -> None:
        """With the key and the command that removes it; what can be read is read."""
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(_endpoint())
        await self.plugin.driver.join(_join())
        network = self.bridge_ids()[f"nuage-network-{NETWORK}"]
        whole = json.loads(network)
        garbage = {
            f"nuage-network-{'2' * 64}": "rubbish",
            f"nuage-network-{'3' * 64}": network,
            f"nuage-network-{'4' * 64}": json.dumps({**whole, "id": "4" * 64, "domain": 7}),
            f"nuage-network-{'5' * 64}": json.dumps({**whole, "id": "5" * 64, "pool": "x"}),
            f"nuage-network-{'6' * 64}": json.dumps({**whole, "id": "6" * 64, "pool": 7}),
            f"nuage-network-{'7' * 64}": json.dumps([7]),
            "nuage-network-": "{}",
            f"nuage-endpoint-{'2' * 64}": "[" * 100000,
            f"nuage-endpoint-{'3' * 64}": json.dumps(
                {"id": "3" * 64, "network_id": NETWORK, "mac": "", "options": {"a": 1}}
            ),
            'nuage-endpoint-it\'s "x"': "null",
        }
        for key, value in garbage.items():
            await self.plugin.client.transact(*transactions.remember(BRIDGE, key, value))
        interface = [("name", "==", PORT)]
        unreadable: list[Any] = [
            ("external_ids", "delete", frozenset({tables.RECORD})),
            ("external_ids", "insert", {tables.RECORD: "?"}),
        ]
        await self.plugin.client.transact(Mutate(tables.INTERFACE, interface, unreadable))
        with capturedLogs() as events:
            for _ in range(3):
                assert [each.id for each in self.plugin.switch.networks()] == [NETWORK]
                assert {*self.plugin.switch.survey().traces} == {ENDPOINT}
                assert self.plugin.switch.endpoint(ENDPOINT) is None
        assert {(event["name"], event["key"]) for event in events} == {(BRIDGE, key) for key in garbage} | {
            (PORT, tables.RECORD)
        }
        assert len(events) == len(garbage) + 1
        for event in events:
            line = str(formatEvent(event))
            assert len(line) < 600
            self.vrs.vsctl(*shlex.split(line.partition("remove it: ovs-vsctl ")[2]))
        await self.plugin.client.transact()
        assert self.bridge_ids() == {f"nuage-network-{NETWORK}": network}
        assert not self.plugin.switch.survey().traces[ENDPOINT].marked

    async def test_a_network_of_which_the_record_cannot_be_read(self) -> None:
        """It is learnt from Docker again, and kept in the place of what was there."""
        garbled = transactions.remember(BRIDGE, f"nuage-network-{NETWORK}", "rubbish")
        await self.plugin.client.transact(*garbled)
        self.plugin.docker.networks[NETWORK] = network_request()
        await self.plugin.driver.create_endpoint(_endpoint())
        assert self.plugin.switch.network(NETWORK) is not None


class Containing(DriverTestCase):
    """The container's name."""

    async def test_a_silent_docker_delays_nothing_for_long_and_is_heard_later(self) -> None:
        """A Join takes place without the name; the answer is passed on when it comes."""
        self.plugin.docker.silent = True
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(_endpoint())
        before = reactor.seconds()
        await self.plugin.driver.join(_join())
        assert reactor.seconds() - before < 1
        (entity,) = self.rows(tables.NUAGE_VM)
        assert entity["vm_name"] == ENDPOINT
        container = Container(id="c0ffee", name="web", labels={"nuage.policy-group": "blue"})
        self.plugin.docker.containers[ENDPOINT] = container
        self.plugin.docker.silent = False
        while not self.plugin.late:
            await waiting(reactor, 0.02)
        assert self.plugin.late == [(ENDPOINT, container)]
        await self.plugin.endpoints.name_endpoint(ENDPOINT, container)
        (entity,) = self.rows(tables.NUAGE_VM)
        assert entity["vm_name"] == "web"
        (port,) = self.rows(tables.NUAGE_PORT)
        assert dict(port["metadata"][1])["nuage-policy-group"] == "blue"
        attachment = self.plugin.switch.attachment(ENDPOINT)
        assert attachment is not None
        assert attachment.container_id == "c0ffee"

    async def test_docker_is_asked_while_the_link_is_made(self) -> None:
        """A Join takes the longer of the two, not both."""
        docker, asked = self.plugin.docker, []

        class Kernel(NotedLinks):
            async def create_pair(self, *names: str, **details: Any) -> None:
                before = docker.questions
                # The first turn of the reactor asks what is due.
                for _ in range(2):
                    await waiting(reactor, 0)
                asked.append(docker.questions - before)
                await super().create_pair(*names, **details)

        self.plugin.endpoints._links = Kernel()
        docker.silent = True
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(_endpoint())
        while not docker.questions:
            await waiting(reactor, 0)
        # It is not due before a second has passed.
        await self.plugin.driver.join(_join())
        assert asked == [1]

    async def test_a_label_that_cannot_be_followed_refuses_the_start(self) -> None:
        """A container that would be in no group, although its user named one, is not attached."""
        await self.plugin.driver.create_network(network_request())
        for label, value in (("nuage.policy-group", "a\nb"), ("nuage.policygroup", "web")):
            container = Container(id="c0ffee", name="web", labels={label: value})
            self.plugin.docker.containers[ENDPOINT] = container
            await self.plugin.driver.create_endpoint(_endpoint())
            with self.assertRaisesRegex(Refused, f'container "web": .*label "{label}"'):
                await self.plugin.driver.join(_join())
            await self.plugin.driver.delete_endpoint(_call())
            self.assert_nothing_left()

    async def test_a_bad_label_that_is_told_late_is_passed_over(self) -> None:
        """The container runs: it is named, its labels are left out, and the log says so once."""
        self.plugin.docker.silent = True
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(_endpoint())
        await self.plugin.driver.join(_join())
        container = Container(id="c0ffee", name="web", labels={"nuage.policy-group": " "})
        with capturedLogs() as logged:
            await self.plugin.endpoints.name_endpoint(ENDPOINT, container)
        (warning,) = (formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn)
        assert warning.startswith('container "web": label "nuage.policy-group" is empty; give a name; its labels')
        assert [row["vm_name"] for row in self.rows(tables.NUAGE_VM)] == ["web"]
        assert "nuage-policy-group" not in dict(self.rows(tables.NUAGE_PORT)[0]["metadata"][1])

    async def test_a_network_made_elsewhere_is_learnt_from_docker(self) -> None:
        """CreateNetwork is called on one host of a cluster only."""
        options = {"com.docker.network.generic": {**OPTIONS, "external": "gwbridge"}}
        self.plugin.docker.networks[NETWORK] = network_request(Options=options)
        await self.plugin.driver.create_endpoint(_endpoint())
        await self.plugin.driver.join(_join())
        learnt = self.plugin.switch.network(NETWORK)
        assert learnt is not None
        assert learnt.gwbridge

    async def test_a_network_that_nobody_knows(self) -> None:
        """The message says whom was asked."""
        with self.assertRaisesRegex(Refused, "is known neither here nor to Docker"):
            await self.plugin.driver.create_endpoint(_endpoint())
        self.plugin.docker.silent = True
        with self.assertRaisesRegex(Refused, "asking Docker failed: Docker did not answer"):
            await self.plugin.driver.create_endpoint(_endpoint())


class Outages(DriverTestCase):
    """What happens while the switch's database is away."""

    async def test_calls_fail_in_time_and_cleanup_is_finished_later(self) -> None:
        """A Leave succeeds outwardly: Docker never asks again."""
        driver = self.plugin.driver
        await driver.create_network(network_request())
        await driver.create_endpoint(_endpoint())
        await driver.join(_join())
        self.vrs.end("ovsdb-server")
        with self.assertRaises(NotConnected):
            await driver.create_endpoint(_endpoint(EndpointID="b" * 64, Interface={"Address": "10.21.59.3/24"}))
        await driver.leave(_call())
        await driver.delete_endpoint(_call())
        assert self.plugin.links.made == {}
        assert ENDPOINT in self.plugin.cleanup.unfinished
        self.vrs.start_database()
        while self.plugin.cleanup.unfinished:
            await waiting(reactor, 0.02)
        self.assert_nothing_left()

    async def test_a_network_that_cannot_be_learnt_again_leaves_its_endpoints(self) -> None:
        """Its record was removed by hand under a container that runs: that of the network alone is undone."""
        driver = self.plugin.driver
        await driver.create_network(network_request())
        await driver.create_endpoint(_endpoint())
        await driver.join(_join())
        self.vrs.vsctl("remove", "bridge", BRIDGE, "external_ids", tables.NETWORK_RECORD + NETWORK)
        while self.plugin.switch.network(NETWORK) is not None:
            await waiting(reactor, 0.02)
        self.vrs.signal("ovsdb-server", signal.SIGSTOP)
        learning = ensureDeferred(driver.create_network(network_request()))
        with self.assertRaises(SwitchError):
            await learning
        assert NETWORK in self.plugin.cleanup.unfinished
        self.vrs.signal("ovsdb-server", signal.SIGCONT)
        while self.plugin.cleanup.unfinished:
            await waiting(reactor, 0.02)
        assert self.vrs.vsctl("list-ports", BRIDGE).split() == [PORT]
        assert PORT in self.plugin.links.made

    async def test_a_network_that_is_used_is_not_undone_any_more(self) -> None:
        """Learning it failed, and undoing that was put off. Then an endpoint on it had it learnt after all."""
        driver, cleanup = self.plugin.driver, self.plugin.cleanup
        self.plugin.docker.networks[NETWORK] = network_request()
        for known in (False, True):

            async def forget() -> None:
                raise SwitchError("the database refused the transaction")

            if known:
                await driver.create_network(network_request())
            await cleanup.finish(NETWORK, forget)
            assert NETWORK in cleanup.unfinished
            await driver.create_endpoint(_endpoint())
            assert NETWORK not in cleanup.unfinished
            assert self.plugin.switch.network(NETWORK) is not None
            await driver.delete_endpoint(_call())
            await driver.delete_network(payloads.NetworkCall(NETWORK))

    async def test_a_transaction_without_a_reply_is_read_back(self) -> None:
        """The server carries it out and is killed before it can say so."""
        driver = self.plugin.driver
        await driver.create_network(network_request())
        self.vrs.signal("ovsdb-server", signal.SIGSTOP)
        creating = ensureDeferred(driver.create_endpoint(_endpoint()))
        await waiting(reactor, 0.1)
        self.vrs.signal("ovsdb-server", signal.SIGCONT)
        created = await creating
        assert created.mac is not None
        assert self.plugin.switch.endpoint(ENDPOINT) is not None
