"""The bridge that endpoints are plugged into: not there yet, not there at all, removed and made again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred

from nuage import names
from nuage.errors import Refused, SwitchError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.model import Container
from nuage.vrs import tables
from nuage.vrs.errors import NotConnected
from tests.driver_support import ENDPOINT, NETWORK, endpoint_body, network_request
from tests.test_driver import DriverTestCase
from tests.vrs_support import BRIDGE, waiting

PORT = names.port_name(ENDPOINT)
CALL = payloads.EndpointCall(NETWORK, ENDPOINT)
JOIN = payloads.EndpointCall(NETWORK, ENDPOINT)


class BridgeTestCase(DriverTestCase):
    """A driver on a switch whose bridge a test removes and makes."""

    def create_endpoint(self) -> Coroutine[Any, Any, payloads.CreatedEndpoint]:
        """Have the endpoint created."""
        return self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))

    async def remove_bridge(self) -> None:
        """Remove the bridge, and all that is kept there; return when the driver can see that."""
        self.vrs.vsctl("del-br", BRIDGE)
        await self.until(lambda: not self.plugin.switch.has_bridge())

    def make_bridge(self, records: dict[str, str] | None = None) -> None:
        """Make the bridge, in one transaction with what is kept there."""
        ids = [
            word
            for key, value in (records or {}).items()
            for word in ("--", "br-set-external-id", BRIDGE, key, shlex.quote(value).strip("'"))
        ]
        self.vrs.vsctl("add-br", BRIDGE, *ids)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the mirrored tables say so; trial's time-out is the bound."""
        while not condition():
            await waiting(reactor, 0.01)


class NotThereYet(BridgeTestCase):
    """A start script makes the bridge some time after ovsdb-server answers."""

    client_options: dict[str, Any] = {"call_timeout": 20.0}  # noqa: RUF012

    async def waits(self, call: Coroutine[Any, Any, Any], records: dict[str, str] | None = None) -> Any:
        """Assert that a call waits for the bridge; return its answer."""
        await self.remove_bridge()
        answer: Deferred[Any] = ensureDeferred(call)
        await waiting(reactor, 0.3)
        assert not answer.called, answer
        self.make_bridge(records)
        return await answer

    async def test_create_network(self) -> None:
        """Its record is kept at the bridge."""
        await self.waits(self.plugin.driver.create_network(network_request()))
        assert list(self.bridge_ids()) == [tables.NETWORK_RECORD + NETWORK]

    async def test_create_endpoint(self) -> None:
        """The network was lost with the old bridge, and is learnt again."""
        await self.plugin.driver.create_network(network_request())
        self.plugin.docker.networks[NETWORK] = network_request()
        await self.waits(self.create_endpoint())
        assert sorted(self.bridge_ids()) == [tables.ENDPOINT_RECORD + ENDPOINT, tables.NETWORK_RECORD + NETWORK]

    async def test_join(self) -> None:
        """The endpoint is attached."""
        await self.plugin.driver.create_network(network_request())
        await self.create_endpoint()
        await self.waits(self.plugin.driver.join(JOIN), self.bridge_ids())
        assert self.vrs.vsctl("list-ports", BRIDGE).split() == [PORT]

    async def test_it_is_told(self) -> None:
        """Who asked is called back: for audits and clean-up it is as if the switch were there again."""
        called: list[bool] = []
        end = self.plugin.switch.on_ready(lambda: called.append(self.plugin.switch.has_bridge()))
        await self.remove_bridge()
        called.clear()
        self.vrs.vsctl("add-br", "another")
        await self.until(lambda: len(self.plugin.client.cache[tables.BRIDGE].rows) == 1)
        assert called == []
        self.make_bridge()
        await self.until(lambda: bool(called))
        assert called == [True]
        end()
        await self.remove_bridge()
        self.make_bridge()
        await self.until(self.plugin.switch.has_bridge)
        assert called == [True]

    async def test_removals_do_not_wait(self) -> None:
        """What the bridge had of the endpoint went with it; the rest is withdrawn at once."""
        await self.plugin.driver.create_network(network_request())
        await self.create_endpoint()
        await self.plugin.driver.join(JOIN)
        await self.remove_bridge()
        begin = reactor.seconds()
        await self.plugin.driver.leave(CALL)
        await self.plugin.driver.delete_endpoint(CALL)
        await self.plugin.driver.delete_network(payloads.NetworkCall(NETWORK))
        assert reactor.seconds() - begin < 10, "they waited for the bridge"
        assert self.rows(tables.NUAGE_PORT) == self.rows(tables.NUAGE_VM) == self.rows(tables.INTERFACE) == []
        assert self.plugin.links.made == {}
        assert self.plugin.cleanup.unfinished == frozenset()


class MadeAgain(BridgeTestCase):
    """All that was kept at the bridge, and all ports, went with the old one."""

    def content(self) -> list[dict[str, Any]]:
        """Return what the switch has of the endpoint, without what changes with each row."""
        interfaces = [row for row in self.rows(tables.INTERFACE) if row["name"] == PORT]
        shown = [{key: row[key] for key in ("name", "external_ids")} for row in interfaces]
        rows = [*self.rows(tables.NUAGE_PORT), *self.rows(tables.NUAGE_VM)]
        return shown + [{key: value for key, value in row.items() if key[0] != "_"} for row in rows]

    async def test_what_a_container_needs_is_put_back(self) -> None:
        """With its network, which Docker tells, and its policy; not where Docker has the network no more."""
        driver, docker = self.plugin.driver, self.plugin.docker
        container = Container(id="c0ffee", name="web", labels={"nuage.policy-group": "quarantine"})
        docker.containers[ENDPOINT] = container
        await driver.create_network(network_request())
        await self.create_endpoint()
        await driver.join(JOIN)
        whole, endpoint = self.content(), self.plugin.switch.endpoint(ENDPOINT)
        assert "quarantine" in str(whole)
        assert endpoint is not None
        await self.remove_bridge()
        self.make_bridge()
        await self.until(self.plugin.switch.has_bridge)
        with self.assertRaisesRegex(Refused, f"network {NETWORK} is known neither here nor to Docker"):
            await self.plugin.restore(endpoint, container)
        assert self.vrs.vsctl("list-ports", BRIDGE) == ""
        docker.networks[NETWORK] = network_request()
        await self.plugin.restore(endpoint, container)
        assert self.content() == whole
        assert list(self.bridge_ids()) == [tables.NETWORK_RECORD + NETWORK]
        await driver.delete_endpoint(CALL)
        self.assert_nothing_left()


class NotThereAtAll(BridgeTestCase):
    """Nobody makes the bridge, or ``VrsBridge`` is misspelt."""

    client_options: dict[str, Any] = {"call_timeout": 0.5, "max_retry_delay": 0.3}  # noqa: RUF012

    async def test_each_call_is_refused_in_the_end(self) -> None:
        """With the key that names the bridge; nothing is written."""
        self.plugin.docker.networks[NETWORK] = network_request()
        await self.remove_bridge()
        for call in (
            self.plugin.driver.create_network(network_request()),
            self.create_endpoint(),
            self.plugin.driver.join(JOIN),
        ):
            with self.assertRaisesRegex(SwitchError, 'no bridge "alubr0", .* within vrs_timeout; VrsBridge has to'):
                await call
        self.make_bridge()
        self.assert_nothing_left()
        assert self.bridge_ids() == {}

    async def test_the_database_goes_meanwhile(self) -> None:
        """What is missing at the end is what is said."""
        await self.remove_bridge()
        refused = ensureDeferred(self.plugin.driver.create_network(network_request()))
        await waiting(reactor, 0.1)
        self.vrs.end("ovsdb-server")
        with self.assertRaisesRegex(NotConnected, "could not be used within 0.5 s"):
            await refused
        self.vrs.start_database()
