"""The simulated Docker: which calls follow which, and what becomes of those that fail."""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from tests.simulated_docker_support import World, cut, hang, later, refuse
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, DOCKER_28_5, Release
from tests.simulation.docker.small_plugin import SmallPluginConnection
from tests.simulation.docker.store import Attachment, PoolRequest


class CallTests(SynchronousTestCase):
    """Which calls follow which."""

    def setUp(self) -> None:
        """Make a network."""
        self.world = World()
        self.docker = self.world.docker
        self.world.ok(self.docker.create_network("net", pools=[PoolRequest(subnet="10.0.0.0/24")]))
        self.since = len(self.world.heard)

    def methods(self) -> list[str]:
        """Return the calls since the network was made."""
        return self.world.methods(self.since)

    def test_nothing_follows_a_refused_endpoint(self) -> None:
        """Its address is free again."""
        (outcome,) = self.world.done(self.docker.run("c", "net", Attachment(ip="10.0.0.66")))
        self.assertEqual(outcome.code, 125)
        self.assertIn("failed to create endpoint c on network net: remote: no CreateEndpoint", outcome.message)
        self.assertEqual(self.methods(), ["CreateEndpoint"])
        network = self.docker.network("net")
        assert network is not None
        self.assertEqual(network.pools[0].pool.take("10.0.0.66"), "10.0.0.66/24")

    def test_no_leave_follows_a_refused_join(self) -> None:
        (outcome,) = self.world.done(self.docker.run("c", "net", Attachment(ip="10.0.0.99")))
        self.assertIn("remote: no Join", outcome.message)
        self.assertEqual(self.methods(), ["CreateEndpoint", "Join", "DeleteEndpoint"])
        container = self.docker.container("c")
        assert container is not None
        self.assertEqual((container.state, container.error.startswith("remote:")), ("created", True))

    def test_a_link_that_is_missing(self) -> None:
        """All is undone in its order."""
        self.world.namespaces.missing = True
        (outcome,) = self.world.done(self.docker.run("c", "net"))
        self.assertIn("no such device", outcome.message)
        calls = ["CreateEndpoint", "Join", "ProgramExternalConnectivity"]
        undone = ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"]
        self.assertEqual(self.methods(), [*calls, *undone])

    def test_the_next_container_gets_the_address(self) -> None:
        for name in ("a", "b"):
            self.world.ok(self.docker.run(name, "net"))
        self.world.ok(self.docker.remove("a"))
        self.world.ok(self.docker.run("c", "net"))
        addresses = [
            request["Interface"]["Address"] for _, request in self.world.heard if request and "Interface" in request
        ]
        self.assertEqual(addresses, ["10.0.0.2/24", "10.0.0.3/24", "10.0.0.2/24"])

    def test_links_are_in_the_container_while_it_runs(self) -> None:
        self.world.ok(self.docker.run("a", "net"))
        self.assertEqual([device for _namespace, device in self.world.namespaces.inside], ["eth0"])
        self.world.ok(self.docker.kill("a"))
        self.assertEqual(self.world.namespaces.inside, {})

    def test_a_link_goes_back_to_the_host_with_its_network(self) -> None:
        """The device numbers of a container are not used again."""
        self.world.ok(self.docker.create_network("other"))
        self.world.ok(self.docker.run("a", "net"))
        for expected in (["eth0", "eth1"], ["eth0", "eth2"]):
            self.world.ok(self.docker.connect("other", "a"))
            self.assertEqual([device for _namespace, device in self.world.namespaces.inside], expected)
            self.world.ok(self.docker.disconnect("other", "a"))
            self.assertEqual([device for _namespace, device in self.world.namespaces.inside], ["eth0"])

    def test_a_container_that_was_started_without_networks(self) -> None:
        self.world.ok(self.world.docker.run("c", "net"))
        self.world.ok(self.world.docker.disconnect("net", "c"))
        self.world.ok(self.world.docker.restart("c"))
        self.assertEqual(self.world.namespaces.inside, {})
        self.world.ok(self.world.docker.connect("net", "c"))
        self.assertEqual([device for _, device in self.world.namespaces.inside], ["eth0"])

    def test_default_pools(self) -> None:
        """Older releases take the next one, newer ones the first that is free."""
        for release, second in ((DOCKER_26_1, "172.19.0.0/16"), (DOCKER_28_5, "172.18.0.0/16")):
            world = World(release)
            for expected in ("172.18.0.0/16", second):
                world.ok(world.docker.create_network("default"))
                self.assertEqual(world.heard[-1][1]["IPv4Data"][0]["Pool"], expected)
                world.ok(world.docker.remove_network("default"))

    def test_endpoints_of_a_network_are_created_one_after_the_other(self) -> None:
        self.world.instead["CreateEndpoint"] = hang
        self.docker.run("a", "net")
        self.docker.run("b", "net")
        self.world.reactor.run_for(20)
        self.assertEqual(self.methods(), ["CreateEndpoint"])
        self.assertEqual([call.method for call in self.docker.overdue()], [])
        self.world.reactor.run_for(50)
        self.assertEqual([call.method for call in self.docker.overdue()], ["NetworkDriver.CreateEndpoint"])

    def test_joins_are_not(self) -> None:
        self.world.instead["Join"] = hang
        self.docker.run("a", "net")
        self.world.until("Join")
        self.world.ok(self.docker.run("b", "net"))

    def test_a_refused_leave_is_only_logged(self) -> None:
        self.world.ok(self.docker.run("a", "net"))
        self.world.instead["Leave"] = self.world.instead["DeleteEndpoint"] = refuse
        self.world.ok(self.docker.remove("a"))
        self.assertEqual(self.methods()[-2:], ["Leave", "DeleteEndpoint"])
        self.world.ok(self.docker.remove_network("net"))

    def test_a_gateway_that_is_refused_when_another_one_leaves_is_only_logged(self) -> None:
        self.world.ok(self.docker.create_network("other"))
        self.world.ok(self.docker.run("a", "net"))
        self.world.ok(self.docker.connect("other", "a"))
        self.world.instead["ProgramExternalConnectivity"] = refuse
        self.world.ok(self.docker.disconnect("net", "a"))
        calls = ["RevokeExternalConnectivity", "Leave", "ProgramExternalConnectivity", "DeleteEndpoint"]
        self.assertEqual(self.methods()[-4:], calls)

    def test_a_network_in_use_stays(self) -> None:
        self.world.ok(self.docker.run("a", "net"))
        (outcome,) = self.world.done(self.docker.remove_network("net"))
        self.assertIn("has active endpoints", outcome.message)

    def test_a_network_is_removed_while_a_container_starts(self) -> None:
        """It stays, whether the endpoint is being made or joined."""
        for method, container in (("CreateEndpoint", "a"), ("Join", "b")):
            self.world.instead[method] = partial(later, self.world, 5)
            run = self.docker.run(container, "net")
            self.world.until(method)
            refused, started = self.world.done(self.docker.remove_network("net"), run)
            self.assertIn("has active endpoints", refused.message + started.message)
            self.assertEqual(len(self.docker.attached()), 1)
            self.world.ok(self.docker.remove(container))

    def test_a_container_starts_while_its_network_is_removed(self) -> None:
        """It does not find the network, or waits for it in vain. Nobody is asked for an endpoint."""
        self.world.instead["CreateEndpoint"] = self.world.instead["DeleteNetwork"] = partial(later, self.world, 5)
        failed = self.docker.run("a", "net", Attachment(ip="10.0.0.66"))
        self.world.until("CreateEndpoint")
        commands = [failed, self.docker.remove_network("net")]
        self.world.reactor.run_for(1)
        commands.append(self.docker.run("b", "net"))
        self.world.until("DeleteNetwork")
        commands.append(self.docker.run("c", "net"))
        messages = [each.message for each in self.world.done(*commands) if not each.ok]
        self.assertEqual(["net not found" in each for each in messages], [False, True, True], messages)
        self.assertEqual(self.methods(), ["CreateEndpoint", "DeleteNetwork"])

    def test_a_container_that_does_not_run_is_connected_by_word_alone(self) -> None:
        """Even to a network that is not there; the first word counts."""
        self.world.ok(self.docker.create("a", "net"))
        for network in ("missing", "later", "later"):
            self.world.ok(self.docker.connect(network, "a"))
        self.world.ok(self.docker.disconnect("missing", "a"))
        self.world.ok(self.docker.create_network("later", pools=[PoolRequest(subnet="10.0.1.0/24")]))
        for last in (7, 8):
            self.world.ok(self.docker.connect("net", "a", Attachment(ip=f"10.0.0.{last}")))
        self.world.ok(self.docker.start("a"))
        addresses = {each.address for each in self.docker.attached()}
        self.assertEqual(addresses, {"10.0.0.2/24", "10.0.1.2/24"})

    def test_what_is_asked_before_an_internal_network(self) -> None:
        """Only the older release looks for published ports there, where there are none."""
        for release, expected in ((DOCKER_20_10, "EndpointOperInfo"), (DOCKER_26_1, "CreateEndpoint")):
            world = World(release)
            world.ok(world.docker.create_network("net"), world.docker.create_network("inside", internal=True))
            world.ok(world.docker.run("a", "net"))
            since = len(world.heard)
            world.ok(world.docker.connect("inside", "a"))
            self.assertEqual(world.heard[since][0], f"NetworkDriver.{expected}")

    def test_a_container_whose_first_network_is_gone(self) -> None:
        """Newer releases put it into no other network."""
        for release, expected in ((DOCKER_20_10, True), (DOCKER_26_1, False)):
            world = World(release)
            world.ok(world.docker.create_network("first"), world.docker.create_network("second"))
            world.ok(world.docker.run("a", "first"))
            world.ok(world.docker.disconnect("first", "a"))
            world.ok(world.docker.remove_network("first"))
            (outcome,) = world.done(world.docker.connect("second", "a"))
            self.assertEqual(outcome.ok, expected, outcome.message)

    def test_a_mac_address(self) -> None:
        """Is the container's in the oldest release, which has it in its first network, and that network's in others."""
        for release, again in ((DOCKER_20_10, "02:00:00:00:00:01"), (DOCKER_26_1, ""), (DOCKER_28_5, "")):
            world = World(release)
            world.ok(world.docker.create_network("first"), world.docker.create_network("second"))
            world.ok(world.docker.run("a", "first", Attachment(mac="02:00:00:00:00:01")))
            world.ok(world.docker.connect("second", "a"))
            world.ok(world.docker.disconnect("first", "a"))
            world.ok(world.docker.connect("first", "a"))
            made = [
                request["Interface"]["MacAddress"] for _, request in world.heard if request and "Interface" in request
            ]
            self.assertEqual(made, ["02:00:00:00:00:01", "", again], release.version)

    def test_a_container_that_is_not_there(self) -> None:
        """The CLI takes a forced removal for done."""
        forced, other = self.world.done(self.docker.remove("x"), self.docker.remove("x", force=False))
        self.assertEqual((forced.code, other.code), (0, 1))

    def test_renaming_makes_no_call(self) -> None:
        self.world.ok(self.docker.run("a", "net"))
        before = len(self.world.heard)
        self.world.ok(self.docker.rename("a", "z"))
        self.assertEqual(len(self.world.heard), before)
        network = self.docker.network("net")
        assert network is not None
        (endpoint,) = self.world.result(self.world.client().network(network.id)).endpoints.values()
        self.assertEqual(endpoint.container_name, "z")


class RemoteIpamTests(SynchronousTestCase):
    """The calls of a network whose addresses come from a plugin."""

    def world_with(self, release: Release) -> World:
        """Return a world with a network."""
        world = World(release)
        pool = PoolRequest(subnet="10.0.0.0/24", ip_range="10.0.0.128/25", auxiliary={"a": "10.0.0.7"})
        world.ok(world.docker.create_network("net", pools=[pool], ipam="nuage", ipam_options={"k": "v"}))
        return world

    def methods(self, world: World, since: int = 0) -> list[str]:
        """Return the calls, without those that say nothing."""
        return [each for each in world.methods(since) if "External" not in each]

    def test_a_network(self) -> None:
        """The address spaces are asked for at other times in each release."""
        spaces = "GetDefaultAddressSpaces"
        addresses = ["RequestAddress", "RequestAddress", "CreateNetwork"]
        introduction = ["Activate", "GetCapabilities", "GetCapabilities"]
        for release, times in ((DOCKER_20_10, 1), (DOCKER_26_1, 1), (DOCKER_28_5, 2)):
            world = self.world_with(release)
            self.assertEqual(self.methods(world), [*introduction, *[spaces] * times, "RequestPool", *addresses])
            _, pool = world.heard[-4]
            expected = {
                "AddressSpace": "nuage",
                "Pool": "10.0.0.0/24",
                "SubPool": "10.0.0.128/25",
                "Options": {"k": "v"},
                "V6": False,
            }
            self.assertEqual(pool, expected)
            for_gateway = {"RequestAddressType": "com.docker.network.gateway"}
            self.assertEqual(world.heard[-3][1], {"PoolID": "10.0.0.0/24", "Address": "", "Options": for_gateway})
            self.assertEqual(world.heard[-2][1], {"PoolID": "10.0.0.0/24", "Address": "10.0.0.7", "Options": None})

    def test_a_container(self) -> None:
        world = self.world_with(DOCKER_26_1)
        since = len(world.heard)
        world.ok(world.docker.run("c", "net"))
        world.ok(world.docker.remove("c"))
        started, ended = ["RequestAddress", "CreateEndpoint", "Join"], ["Leave", "DeleteEndpoint", "ReleaseAddress"]
        self.assertEqual(self.methods(world, since), [*started, *ended])
        self.assertEqual(world.heard[since][1], {"PoolID": "10.0.0.0/24", "Address": "", "Options": None})

    def test_the_end_of_a_network(self) -> None:
        """Its pool is given back before its driver is told: the next network may have the pool by then."""
        world = self.world_with(DOCKER_26_1)
        since = len(world.heard)
        world.ok(world.docker.remove_network("net"))
        released = ["ReleaseAddress", "ReleaseAddress", "ReleasePool"]
        self.assertEqual(self.methods(world, since), [*released, "DeleteNetwork"])

    def test_a_refused_endpoint_gives_its_address_back(self) -> None:
        world = self.world_with(DOCKER_26_1)
        since = len(world.heard)
        world.done(world.docker.run("c", "net", Attachment(ip="10.0.0.66")))
        self.assertEqual(self.methods(world, since), ["RequestAddress", "CreateEndpoint", "ReleaseAddress"])

    def test_an_address_that_is_refused(self) -> None:
        world = self.world_with(DOCKER_26_1)
        (outcome,) = world.done(world.docker.run("c", "net", Attachment(ip="10.0.0.7")))
        self.assertIn("remote: Address already in use", outcome.message)

    def test_stale_endpoints_give_their_addresses_back(self) -> None:
        """When dockerd starts. It has met the plugin by then, and tells it that they are gone."""
        world = self.world_with(DOCKER_26_1)
        world.ok(world.docker.run("c", "net"))
        since = len(world.heard)
        world.docker.kill_dockerd()
        world.docker.start_dockerd()
        world.reactor.run_for(10)
        self.assertEqual(self.methods(world, since)[-3:], ["Leave", "DeleteEndpoint", "ReleaseAddress"])

    def test_an_answer_that_makes_no_sense_is_a_violation(self) -> None:
        world = self.world_with(DOCKER_26_1)
        world.instead["RequestAddress"] = lambda connection, _: SmallPluginConnection.answer(
            connection, "", b'{"Address": "10.9.9.9/24"}'
        )
        world.done(world.docker.run("c", "net"))
        self.assertIn("the answer is '10.9.9.9/24'", world.history.violations[0])


class ClusterTests(SynchronousTestCase):
    """A network that another host has made."""

    def test_a_learned_network(self) -> None:
        """CreateNetwork is not called here, and both hosts have one pool of addresses."""
        first, second = World(seed=1), World(seed=2)
        first.ok(first.docker.create_network("net", pools=[PoolRequest(subnet="10.0.0.0/24")], scope="global"))
        network = first.docker.network("net")
        assert network is not None
        second.docker.learn(network)
        for world, name in ((first, "a"), (second, "b")):
            world.ok(world.docker.run(name, "net"))
        addresses = [each.address for world in (first, second) for each in world.docker.attached()]
        self.assertEqual(addresses, ["10.0.0.2/24", "10.0.0.3/24"])
        self.assertNotIn("CreateNetwork", second.methods())
        second.ok(second.docker.remove("b"))
        second.ok(second.docker.remove_network("net"))
        first.docker.kill_dockerd()
        first.docker.forget(network.id)
        self.assertEqual(first.docker.store.networks, {})


class BrokenConnectionTests(SynchronousTestCase):
    """What Docker does if a plugin does not answer as it should."""

    def setUp(self) -> None:
        """Make a network."""
        self.world = World()
        self.docker = self.world.docker
        self.world.ok(self.docker.create_network("net", pools=[PoolRequest(subnet="10.0.0.0/24")]))

    def test_a_call_that_was_read_comes_again_without_its_body(self) -> None:
        self.world.instead["CreateEndpoint"] = cut
        command = self.docker.run("c", "net")
        self.world.until("CreateEndpoint")
        self.world.until("CreateEndpoint")
        self.assertIsNone(self.world.heard[-1][1])
        (outcome,) = self.world.done(command)
        self.assertIn("without its body", outcome.message)
        repeated = [call.repeated for call in self.docker.calls if "CreateEndpoint" in call.method]
        self.assertEqual(repeated, [False, True])

    def test_a_plugin_that_is_away(self) -> None:
        """It is asked after 0, 1, 3, 7 and 15 s."""
        self.world.process.kill()
        self.world.reactor.run_for(1)
        began = self.world.reactor.seconds()
        (outcome,) = self.world.done(self.docker.run("c", "net"))
        self.assertIn("CreateEndpoint", outcome.message)
        times = [round(call.began - began) for call in self.docker.calls if "CreateEndpoint" in call.method]
        self.assertEqual(times, [0, 1, 3, 7, 15])

    def test_a_plugin_that_comes_back_gets_the_body(self) -> None:
        self.world.process.kill()
        self.world.reactor.run_for(1)
        command = self.docker.run("c", "net")
        self.world.reactor.run_for(0.5)
        self.world.serve()
        self.world.ok(command)
        self.assertFalse(any(call.repeated for call in self.docker.calls))

    def test_a_second_answer_is_a_violation(self) -> None:
        def twice(connection: SmallPluginConnection, content: bytes) -> None:
            for _ in range(2):
                SmallPluginConnection.answer(connection, "", content)

        self.world.instead["Join"] = twice
        self.world.ok(self.docker.run("c", "net"))
        self.world.reactor.run_for(1)
        self.assertIn("an answer that nobody asked for", self.world.history.violations[0])

    def test_an_answer_to_nothing_is_a_violation(self) -> None:
        def again(connection: SmallPluginConnection, content: bytes) -> None:
            SmallPluginConnection.answer(connection, "", content)
            self.world.process.callLater(9, SmallPluginConnection.answer, connection, "", content)

        self.world.instead["Join"] = again
        self.world.ok(self.docker.run("c", "net"))
        self.world.reactor.run_for(10)
        self.assertIn("an answer that nobody asked for", self.world.history.violations[0])

    def test_nonsense_is_a_violation(self) -> None:
        self.world.instead["Join"] = lambda connection, _content: SmallPluginConnection.answer(connection, "", b"{]")
        self.world.done(self.docker.run("c", "net"))
        self.assertIn("not JSON", self.world.history.violations[0])

    def test_a_late_answer_is_a_violation(self) -> None:
        def late(connection: SmallPluginConnection, content: bytes) -> None:
            self.world.reactor.callLater(61, SmallPluginConnection.answer, connection, "", content)

        self.world.instead["Join"] = late
        self.world.ok(self.docker.run("c", "net"))
        self.assertIn("was answered after 61", self.world.history.violations[0])

    def test_an_address_that_was_given_is_a_violation(self) -> None:
        answer = b'{"Interface": {"Address": "10.0.0.9/24"}}'
        self.world.instead["CreateEndpoint"] = lambda connection, _: SmallPluginConnection.answer(
            connection, "", answer
        )
        (outcome,) = self.world.done(self.docker.run("c", "net"))
        self.assertIn("driver modified interface", outcome.message)
        self.assertEqual(self.world.methods()[-2:], ["CreateEndpoint", "DeleteEndpoint"])
        self.assertIn("which the request had", self.world.history.violations[0])
