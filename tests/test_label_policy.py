"""A port whose policy is not known yet stays shut, and what is put back has the policy that it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import reactor
from twisted.logger import LogLevel, capturedLogs, formatEvent

from nuage import names
from nuage.errors import Refused
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body
from nuage.model import Container
from nuage.ovsdb.cache import Change
from nuage.vrs import tables
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS, Plugin, endpoint_body, network_request
from tests.test_driver import DriverTestCase
from tests.vrs_support import waiting

PORT = names.port_name(ENDPOINT)
JAILED = Container(id="c0ffee", name="web", labels={"nuage.policy-group": "quarantine"})
JOIN = payloads.EndpointCall(NETWORK, ENDPOINT)


class LabelPolicyCase(DriverTestCase):
    """A Docker that says nothing while an endpoint is joined."""

    label_policy = "strict"

    def restarted(self, **options: Any) -> Plugin:
        """See DriverTestCase."""
        return super().restarted(label_policy=self.label_policy, **options)

    async def join(self, **options: str) -> payloads.Joined:
        """Make a network, with further options, and join an endpoint of it while Docker is silent."""
        self.plugin.docker.silent = True
        generic = {"com.docker.network.generic": {**OPTIONS, **options}}
        await self.plugin.driver.create_network(network_request(Options=generic))
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))
        return await self.plugin.driver.join(JOIN)

    def note_groups(self, plugin: Plugin) -> list[object]:
        """Return the policy groups that the endpoint's port comes to be told with, in their order."""
        groups: list[object] = []

        def look(_changes: Sequence[Change]) -> None:
            row = plugin.client.cache[tables.NUAGE_PORT].find("name", PORT)
            if row is not None:
                metadata = row["metadata"]
                assert isinstance(metadata, Mapping)
                group = metadata.get("nuage-policy-group")
                if groups[-1:] != [group]:
                    groups.append(group)

        plugin.client.cache.subscribe(look)
        return groups

    def ids(self, table: str) -> dict[str, str]:
        """Return the external_ids of the endpoint's row."""
        (row,) = (row for row in self.rows(table) if row["name"] == PORT)
        return dict(row["external_ids"][1])

    def assert_shut(self) -> None:
        """Assert that the endpoint is plugged in and the VRS told nothing of it."""
        assert (self.rows(tables.NUAGE_PORT), self.rows(tables.NUAGE_VM)) == ([], [])
        for table in (tables.INTERFACE, tables.PORT):
            assert not {tables.VM_UUID, tables.VM_NAME} & {*self.ids(table)}
        trace = self.plugin.switch.trace(ENDPOINT)
        assert (trace.attached, trace.announced, trace.waiting) == (True, False, False)


class Strict(LabelPolicyCase):
    """``label_policy: strict``."""

    async def test_a_port_is_shut_until_docker_tells_the_labels(self) -> None:
        """Docker is answered meanwhile, with its own gateway; then all comes at once, the policy included."""
        joined = await self.join()
        assert str(joined.gateway) == "10.21.59.1"
        self.assert_shut()
        groups = self.note_groups(self.plugin)
        self.plugin.docker.containers[ENDPOINT] = JAILED
        self.plugin.docker.silent = False
        while not self.plugin.late:
            await waiting(reactor, 0.02)
        assert self.plugin.late == [(ENDPOINT, JAILED)]
        await self.plugin.endpoints.name_endpoint(ENDPOINT, JAILED)
        assert groups == ["quarantine"]
        for table in (tables.INTERFACE, tables.PORT):
            assert (self.ids(table)[tables.VM_UUID], self.ids(table)[tables.VM_NAME]) == (ENDPOINT, "web")
        assert self.plugin.switch.trace(ENDPOINT).container_id == "c0ffee"
        assert [row["vm_name"] for row in self.rows(tables.NUAGE_VM)] == ["web"]
        await self.plugin.driver.delete_endpoint(payloads.EndpointCall(NETWORK, ENDPOINT))
        self.assert_nothing_left()

    async def test_labels_that_are_told_in_time(self) -> None:
        """The Join itself attaches it, as ever."""
        self.plugin.docker.containers[ENDPOINT] = JAILED
        await self.plugin.driver.create_network(network_request())
        groups = self.note_groups(self.plugin)
        await self.plugin.driver.create_endpoint(payloads.CreateEndpoint.from_body(Body(endpoint_body())))
        await self.plugin.driver.join(JOIN)
        assert groups == ["quarantine"]

    async def test_an_endpoint_without_a_container(self) -> None:
        """It gets its network's policy once Docker has said that there is none."""
        await self.join(**{"policy-group": "db"})
        self.assert_shut()
        groups = self.note_groups(self.plugin)
        await self.plugin.endpoints.name_endpoint(ENDPOINT, None)
        assert groups == ["db"]

    async def test_a_join_that_comes_again(self) -> None:
        """It attaches what the first one left shut."""
        await self.join()
        self.plugin.docker.containers[ENDPOINT] = JAILED
        self.plugin.docker.silent = False
        while not self.plugin.late:
            await waiting(reactor, 0.02)
        groups = self.note_groups(self.plugin)
        await self.plugin.driver.join(JOIN)
        assert groups == ["quarantine"]

    async def test_a_label_that_cannot_be_followed(self) -> None:
        """The start cannot be refused any more: the port stays shut."""
        await self.join()
        with self.assertRaisesRegex(Refused, 'container "web": unknown label "nuage.policygroup"'):
            bad = Container(id="c0ffee", name="web", labels={"nuage.policygroup": "web"})
            await self.plugin.endpoints.name_endpoint(ENDPOINT, bad)
        self.assert_shut()

    async def test_a_restart_of_the_plugin_meanwhile(self) -> None:
        """The audit of the next daemon brings the container."""
        await self.join()
        again = self.restarted()
        await again.switch.ready()
        endpoint = again.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        groups = self.note_groups(again)
        await again.restore(endpoint, JAILED)
        assert groups == ["quarantine"]
        assert again.switch.trace(ENDPOINT).container_id == "c0ffee"

    async def test_docker_starts_longer_than_the_plugin_restarts(self) -> None:
        """The next daemon asks at once for what the one before left shut, and no audit is waited for."""
        await self.join()
        again = self.restarted()
        again.docker.containers[ENDPOINT] = JAILED
        await again.switch.ready()
        again.endpoints.seek_containers()
        while not again.late:
            await waiting(reactor, 0.02)
        assert again.late == [(ENDPOINT, JAILED)]

    async def test_what_is_named_is_not_asked_for_again(self) -> None:
        """Docker is asked little."""
        await self.join()
        await self.plugin.endpoints.name_endpoint(ENDPOINT, JAILED)
        again = self.restarted()
        await again.switch.ready()
        asked: list[tuple[str, str]] = []
        self.patch(again.containers, "expect", lambda *endpoint: asked.append(endpoint))
        again.endpoints.seek_containers()
        assert asked == []

    async def test_what_the_vrs_does_not_resolve_is_told(self) -> None:
        """Nobody waits for it any more, so the log says it, with the container's name."""
        await self.join()
        again = self.restarted(resolve_timeout=0.1)
        await again.switch.ready()
        with capturedLogs() as logged:
            await again.endpoints.name_endpoint(ENDPOINT, JAILED)
            while not (warnings := [formatEvent(e) for e in logged if e["log_level"] is LogLevel.warn]):
                await waiting(reactor, 0.02)
        (warning,) = warnings
        assert warning.startswith('container "web" is not connected: the VRS has no controller: no row of its table')

    async def test_a_container_that_is_gone_before_it_is_resolved(self) -> None:
        """That is nothing to warn of."""
        await self.join()
        again = self.restarted(resolve_timeout=0.3)
        await again.switch.ready()
        with capturedLogs() as logged:
            await again.endpoints.name_endpoint(ENDPOINT, JAILED)
            await again.driver.delete_endpoint(payloads.EndpointCall(NETWORK, ENDPOINT))
            await waiting(reactor, 0.5)
        assert [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn] == []


class Late(LabelPolicyCase):
    """``label_policy: late``."""

    label_policy = "late"

    async def test_a_port_is_open_until_docker_tells_the_labels(self) -> None:
        """The user wants it so."""
        groups = self.note_groups(self.plugin)
        await self.join()
        await self.plugin.endpoints.name_endpoint(ENDPOINT, JAILED)
        assert groups == [None, "quarantine"]

    async def test_what_is_put_back_has_its_policy(self) -> None:
        """From the container that the audit knows, whatever else is known of it: all of it, or the rows alone."""
        await self.join()
        await self.plugin.endpoints.name_endpoint(ENDPOINT, JAILED)
        endpoint = self.plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        for plugged in (True, False):
            again = self.restarted()
            await again.switch.ready()
            if not plugged:
                self.vrs.vsctl("del-port", PORT)
            self.transact({"op": "delete", "table": tables.NUAGE_PORT, "where": [["name", "==", PORT]]})
            while again.switch.trace(ENDPOINT).announced or (again.switch.trace(ENDPOINT).attached and not plugged):
                await waiting(reactor, 0.01)
            groups = self.note_groups(again)
            await again.restore(endpoint, JAILED)
            assert groups == ["quarantine"]
            assert again.switch.trace(ENDPOINT).container_id == "c0ffee"

    async def test_a_wrong_label_does_not_keep_it_from_being_put_back(self) -> None:
        """It was passed over before, and is now."""
        await self.join()
        bad = Container(id="c0ffee", name="web", labels={"nuage.policygroup": "web"})
        await self.plugin.endpoints.name_endpoint(ENDPOINT, bad)
        endpoint = self.plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        self.vrs.vsctl("del-port", PORT)
        while self.plugin.switch.trace(ENDPOINT).attached:
            await waiting(reactor, 0.01)
        with capturedLogs() as logged:
            await self.plugin.restore(endpoint, bad)
        trace = self.plugin.switch.trace(ENDPOINT)
        assert (trace.attached, trace.announced, trace.container_name) == (True, True, "web")
        (warning,) = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]
        assert 'unknown label "nuage.policygroup"' in warning
        assert warning.endswith("its labels are ignored until it is started again")

    async def test_what_is_there_is_not_put_back(self) -> None:
        """The VRS would have to resolve it anew."""
        await self.join()
        await self.plugin.endpoints.name_endpoint(ENDPOINT, JAILED)
        before = self.rows(tables.NUAGE_PORT)
        endpoint = self.plugin.switch.endpoint(ENDPOINT)
        assert endpoint is not None
        await self.plugin.restore(endpoint, JAILED)
        assert self.rows(tables.NUAGE_PORT) == before
