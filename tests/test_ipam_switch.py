"""What the IPAM needs of the switch: who this host is, which pools were handed out, ports that the VSD has already."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine, Mapping
from ipaddress import IPv4Address
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.logger import capturedLogs

from nuage.errors import NuageError, Refused, VsdUnavailable
from nuage.ipam.host import SwitchHost
from nuage.ipam.pool import Pool
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.model import Container, Network
from nuage.ovsdb.operations import Delete, Insert
from nuage.vrs import transactions
from tests.driver_support import ENDPOINT, NETWORK, Plugin, endpoint_body, network_request
from tests.http_support import asynchronous
from tests.test_driver import PORT, DriverTestCase

CALL = payloads.EndpointCall(NETWORK, ENDPOINT)


@attrs.define
class Keeper:
    """Notes which endpoint has which address."""

    split: bool
    bound: list[tuple[str, str, str]] = attrs.field(factory=list)
    assigned: list[tuple[str, str | None, str | None]] = attrs.field(factory=list)
    named: list[tuple[str, str]] = attrs.field(factory=list)
    failure: NuageError | None = None
    no_such_group: Refused | None = None
    not_named: Exception = attrs.field(factory=lambda: Refused("gone"))

    async def bind(self, network: Network, address: IPv4Address, *, mac: str, endpoint_id: str) -> bool:
        """See nuage.driver.vports.VsdPorts."""
        if self.failure is not None:
            raise self.failure
        assert network.ipam
        self.bound.append((str(address), mac, endpoint_id))
        return self.split

    async def assign(self, network: Network, address: IPv4Address, group: str | None, target: str | None) -> None:
        """See nuage.driver.vports.VsdPorts."""
        if self.no_such_group is not None:
            raise self.no_such_group
        self.assigned.append((str(address), group, target))

    async def name(self, network: Network, address: IPv4Address, *, name: str, orchestration_id: str) -> None:
        """See nuage.driver.vports.VsdPorts."""
        self.named.append((name, orchestration_id))
        raise self.not_named


def test(method: Callable[[Any], Coroutine[Any, Any, None]]) -> Any:
    """Make a coroutine function a test."""
    return asynchronous(method)


class Identity(DriverTestCase):
    """Who this host is."""

    @test
    async def test_it_stays_the_same(self) -> None:
        """After a restart of the plugin and of the database; another plugin on this switch is another."""
        first = await self.plugin.switch.identity()
        other = self.restarted(owner="other.sock")
        await other.client.when_synced()
        assert await other.switch.identity() == f"{first}other.sock"
        self.vrs.signal("ovsdb-server", signal.SIGKILL)
        self.vrs.start_database()
        again = self.restarted()
        await again.client.when_synced()
        assert await again.switch.identity() == first


class Pools(DriverTestCase):
    """What was handed out."""

    @test
    async def test_it_is_kept(self) -> None:
        """For the next daemon, until it is forgotten; another plugin on this switch has its own."""
        await self.plugin.switch.remember_pool("a", "one")
        await self.plugin.switch.remember_pool("b", "two")
        other, later = self.restarted(owner="other.sock"), self.restarted()
        for plugin in (other, later):
            await plugin.switch.ready()
        assert later.switch.pool_records() == {"a": "one", "b": "two"}
        assert other.switch.pool_records() == {}
        await later.switch.forget_pools(["a", "none"])
        assert later.switch.pool_records() == {"b": "two"}


class Split(DriverTestCase):
    """Ports that the VSD has already."""

    def plugin_with(self, keeper: Keeper) -> Plugin:
        """Return a daemon that has its addresses from Nuage."""
        return self.restarted(ports=keeper)

    async def started(self, keeper: Keeper, container: Container | None = None, **changes: Any) -> Plugin:
        """Have a container join a network."""
        plugin = self.plugin_with(keeper)
        await plugin.switch.ready()
        await plugin.networks.create_network(attrs.evolve(network_request(), ipam=True))
        if container is not None:
            plugin.docker.containers[ENDPOINT] = container
        request = payloads.CreateEndpoint.from_body(Body(endpoint_body(**changes)))
        await plugin.driver.create_endpoint(request)
        await plugin.driver.join(CALL)
        return plugin

    def row(self, plugin: Plugin, table: str, column: str, value: str) -> Any:
        """Return a row of the mirrored tables."""
        return plugin.client.cache[table].find(column, value)

    def told(self, plugin: Plugin) -> list[Mapping[str, Any]]:
        """Return the rows that the VRS is told of an endpoint by."""
        network, endpoint = plugin.switch.network(NETWORK), plugin.switch.endpoint(ENDPOINT)
        assert network is not None
        assert endpoint is not None
        steps = transactions.attach("alubr0", network, endpoint, None, None)
        return [step.row for step in steps if isinstance(step, Insert) and step.table.startswith("Nuage")]

    @test
    async def test_the_vrs_is_told_of_no_place(self) -> None:
        """The entity says that it is known by its id; address and policy are the VSD's."""
        keeper = Keeper(split=True)
        plugin = await self.started(keeper)
        ((address, mac, endpoint_id),) = keeper.bound
        assert (address, endpoint_id) == ("10.21.59.2", ENDPOINT)
        port, entity = (
            self.row(plugin, "Nuage_Port_Table", "name", PORT),
            self.row(plugin, "Nuage_VM_Table", "vm_uuid", ENDPOINT),
        )
        assert (port["mac"], port["metadata"]) == (mac, {})
        assert entity["metadata"] == {"nuage-extension": "true"}
        told = {key: value for row in self.told(plugin) for key, value in row.items() if key.startswith("nuage_")}
        assert len(told) == 6
        assert set(told.values()) == {""}
        # A daemon that comes later goes by what the former one wrote.
        later = self.restarted()
        await later.switch.ready()
        record = later.switch.endpoint(ENDPOINT)
        assert record is not None
        assert record.split
        await later.driver.leave(CALL)
        await later.driver.join(CALL)
        assert self.row(later, "Nuage_VM_Table", "vm_uuid", ENDPOINT)["metadata"] == {"nuage-extension": "true"}

    @test
    async def test_a_policy(self) -> None:
        """It is assigned at the VSD when the container starts, and not again: an administrator may change it."""
        keeper = Keeper(split=True)
        container = Container(id="c" * 64, name="web", labels={"nuage.redirection-target": "firewall"})
        plugin = await self.started(keeper, container, Options={"nuage.policy-group": "web"})
        assert keeper.assigned[-1] == ("10.21.59.2", "web", "firewall")
        assert self.row(plugin, "Nuage_Port_Table", "name", PORT)["metadata"] == {}
        keeper.assigned.clear()
        endpoint = plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        await plugin.endpoints.name_endpoint(ENDPOINT, attrs.evolve(container, name="renamed"))
        await plugin.switch.forget_endpoint(ENDPOINT)
        await plugin.restore(endpoint, container)
        assert keeper.assigned == []
        assert keeper.named[-1] == ("renamed", "renamed")

    @test
    async def test_a_policy_that_the_vsd_does_not_have(self) -> None:
        """The container does not start."""
        keeper = Keeper(split=True, no_such_group=Refused('no policy group "wbe"'))
        with self.assertRaisesRegex(Refused, "wbe"):
            await self.started(keeper, Options={"nuage.policy-group": "wbe"})
        assert self.row(self.plugin, "Nuage_VM_Table", "vm_uuid", ENDPOINT) is None

    @test
    async def test_a_container_that_is_known_late(self) -> None:
        """Its labels make the policy then, and its name is told then."""
        keeper = Keeper(split=True)
        plugin = await self.started(keeper)
        labels = {"nuage.policy-group": "web", "nuage.orchestration-id": "task-1"}
        await plugin.endpoints.name_endpoint(ENDPOINT, Container(id="c" * 64, name="web", labels=labels))
        assert keeper.assigned == [("10.21.59.2", "web", None)]
        assert keeper.named == [("web", "task-1")]

    @test
    async def test_a_name_that_the_vsd_is_not_told(self) -> None:
        """The log says why, and nothing at the end of the plugin, which is no reason."""
        container = Container(id="c" * 64, name="web")
        for not_named, told in ((Refused("gone"), ["gone"]), (CancelledError(), [])):
            keeper = Keeper(split=True, not_named=not_named)
            with capturedLogs() as events:
                plugin = await self.started(keeper, container)
            assert keeper.named == [("web", "web")]
            assert [event["problem"] for event in events if "does not know" in event["log_format"]] == told
            await plugin.driver.delete_endpoint(CALL)

    @test
    async def test_reservations(self) -> None:
        """The VRS is told all, as without the VSD."""
        plugin = await self.started(Keeper(split=False))
        assert self.row(plugin, "Nuage_Port_Table", "name", PORT)["metadata"]["static-ip"] == "10.21.59.2"
        assert self.row(plugin, "Nuage_VM_Table", "vm_uuid", ENDPOINT)["metadata"] == {"enterprise": "Enterprise"}

    @test
    async def test_an_address_that_is_held_no_more(self) -> None:
        """No endpoint is made."""
        with self.assertRaisesRegex(Refused, "gone"):
            await self.started(Keeper(split=True, failure=Refused("gone")))
        assert self.plugin.switch.endpoint(ENDPOINT) is None

    @test
    async def test_what_is_put_back(self) -> None:
        """It is what it was, whether its record is there or only Docker tells of it."""
        keeper = Keeper(split=True)
        plugin = await self.started(keeper)
        endpoint = plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        await plugin.switch.forget_endpoint(ENDPOINT)
        await plugin.restore(attrs.evolve(endpoint, split=False), None)
        assert self.row(plugin, "Nuage_VM_Table", "vm_uuid", ENDPOINT)["metadata"] == {"nuage-extension": "true"}

    @test
    async def test_what_is_put_back_while_the_vsd_is_away(self) -> None:
        """What the record says has to do; without a record nobody knows how the VRS is to be told."""
        keeper = Keeper(split=True)
        plugin = await self.started(keeper)
        endpoint = plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        keeper.failure = VsdUnavailable("away")
        await plugin.client.transact(Delete("Nuage_VM_Table", [("vm_uuid", "==", ENDPOINT)]))
        await plugin.restore(attrs.evolve(endpoint, split=False), None)
        assert self.row(plugin, "Nuage_VM_Table", "vm_uuid", ENDPOINT)["metadata"] == {"nuage-extension": "true"}
        await plugin.switch.forget_endpoint(ENDPOINT)
        with self.assertRaisesRegex(VsdUnavailable, "away"):
            await plugin.restore(endpoint, None)

    @test
    async def test_who_has_an_address(self) -> None:
        """The container is named, once Docker has told it."""
        plugin = await self.started(Keeper(split=False), Container(id="c" * 64, name="web"))
        network = plugin.switch.network(NETWORK)
        assert network is not None
        host, pool = SwitchHost(plugin.switch), Pool.of(network)
        assert host.user_of(pool, IPv4Address("10.21.59.2")) in ('container "web"', f"endpoint {ENDPOINT}")
        assert host.user_of(pool, IPv4Address("10.21.59.3")) is None
        assert host.user_of(attrs.evolve(pool, domain="Other"), IPv4Address("10.21.59.2")) is None
        await ensureDeferred(plugin.driver.delete_endpoint(CALL))
        assert host.user_of(pool, IPv4Address("10.21.59.2")) is None
