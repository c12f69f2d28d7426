"""A VRS whose release lacks some columns that are only read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import TestCase

from nuage import names
from nuage.errors import SwitchError
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.vrs import tables
from nuage.vrs.schema import SchemaCheck
from tests.driver_support import ENDPOINT, NETWORK, Plugin, endpoint_body, network_request
from tests.vrs_support import BRIDGE, Vrs, waiting

PORT = names.port_name(ENDPOINT)
ANSWER = {"ip_addr": "10.21.59.2", "subnet_mask": "255.255.255.0", "gateway": "10.21.59.1", "vrf_id": 7, "evpn_id": 8}


class OlderVrs(TestCase):
    """Each test has a VRS of its own."""

    timeout = 30

    def setUp(self) -> None:
        self.told: list[str] = []
        globalLogPublisher.addObserver(self._observe)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, self._observe)  # type: ignore[arg-type]

    def _observe(self, event: Any) -> None:
        if event["log_namespace"] == "nuage.vrs.schema.SchemaCheck" and event["log_level"] == LogLevel.info:
            self.told.append(event["log_format"].format(**event))

    async def start(self, *without: str, resolve_timeout: float = 5.0) -> None:
        """Start a VRS without some columns, and the plugin on it."""
        self.vrs = Vrs(without=without)
        self.addCleanup(self.vrs.stop)
        self.plugin = Plugin(
            reactor,
            self.vrs,
            resolve_timeout=resolve_timeout,
            call_timeout=5.0,
            check_schema=SchemaCheck(resolving=resolve_timeout > 0),
        )
        self.addCleanup(lambda: ensureDeferred(self.plugin.stop()))
        await self.plugin.switch.ready()

    def resolve(self, without: Sequence[str]) -> None:
        """Have the port resolved once it is there, in those columns that the VRS has."""
        answer = {key: value for key, value in ANSWER.items() if f"{tables.NUAGE_PORT}.{key}" not in without}

        def write(changes: Any) -> None:
            if any(change.table == tables.NUAGE_PORT and change.old is None for change in changes):
                unsubscribe()
                update = {"op": "update", "table": tables.NUAGE_PORT, "where": [["name", "==", PORT]], "row": answer}
                self.vrs._run("ovsdb-client", "transact", self.vrs.remote, json.dumps(["Open_vSwitch", update]))

        unsubscribe = self.plugin.client.cache.subscribe(write)

    async def join(self) -> payloads.Joined:
        """Attach an endpoint."""
        await self.plugin.driver.create_network(network_request())
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))
        return await self.plugin.driver.join(payloads.EndpointCall(NETWORK, ENDPOINT))

    async def test_columns_of_the_answer(self) -> None:
        """They are empty or zero, and told once."""
        without = [f"{tables.NUAGE_PORT}.{column}" for column in ("subnet_mask", "gateway", "vrf_id", "evpn_id")]
        await self.start(*without, "Interface.error")
        self.vrs.vsctl("set-controller", BRIDGE, "tcp:127.0.0.1:1", "--", "set", "controller", BRIDGE, "role=master")
        self.resolve(without)
        assert str((await self.join()).gateway) == "10.21.59.1"
        info = await self.plugin.driver.endpoint_oper_info(payloads.EndpointCall(NETWORK, ENDPOINT))
        shown = info.to_json()["Value"]
        assert (shown["resolved"], shown["mask"], shown["vrf_id"], shown["evpn_id"]) == (True, "", 0, 0)
        self.vrs.end("ovsdb-server")
        self.vrs.start_database()
        again: Deferred[None] = Deferred()
        self.plugin.switch.on_ready(lambda: again.callback(None))
        await again
        assert self.told == [f"this VRS has no Interface.error, {', '.join(without)}; the plugin does without"]

    async def connected(self, *without: str) -> bool:
        """Tell whether a controller is seen where one is named that does not answer, and join where it is."""
        await self.start(*without)
        if tables.CONTROLLER not in without:
            assert not self.plugin.switch.controller_connected()
            self.vrs.vsctl("set-controller", BRIDGE, "tcp:127.0.0.1:1")
            # The next answer of the server comes after what it has to tell of that.
            await self.plugin.client.transact()
        connected = self.plugin.switch.controller_connected()
        if connected:
            self.resolve(without)
            assert str((await self.join()).gateway) == "10.21.59.1"
        return connected

    async def test_controllers_without_roles(self) -> None:
        """One that is connected resolves ports."""
        assert not await self.connected("Controller.role")

    async def test_controllers_of_which_nothing_is_told(self) -> None:
        """Any resolves ports."""
        assert await self.connected("Controller.role", "Controller.is_connected")

    async def test_no_table_of_controllers(self) -> None:
        """One is taken for granted."""
        assert await self.connected("Controller")

    async def test_the_column_that_is_waited_for(self) -> None:
        """A Join would always wait in vain: refused by name."""
        with self.assertRaisesRegex(SwitchError, "Nuage_Port_Table.ip_addr.*set resolve_timeout to 0"):
            await self.start(tables.RESOLVED_ADDRESS)
        # Out of the callback that told it, in which the client cannot be stopped.
        await waiting(reactor, 0)

    async def test_the_column_that_is_not_waited_for(self) -> None:
        """Who does not wait for an answer can do without."""
        await self.start(tables.RESOLVED_ADDRESS, resolve_timeout=0)
        assert str((await self.join()).gateway) == "10.21.59.1"
        assert self.told == [f"this VRS has no {tables.RESOLVED_ADDRESS}; the plugin does without"]
