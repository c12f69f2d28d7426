"""The simulated Docker: how its daemon starts and ends, and what its API says."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import DockerUnavailable
from tests.simulated_docker_support import World, hang, later
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, DOCKER_28_5
from tests.simulation.docker.store import Attachment, PoolRequest

#: The calls about an endpoint that goes.
_ENDS = ["Leave", "DeleteEndpoint"]


class DaemonTests(SynchronousTestCase):
    """How dockerd starts and ends."""

    def world_with(self, restart: str = "no", **settings: Any) -> World:
        """Return a world with a network and a running container on it."""
        world = World(**settings)
        world.ok(world.docker.create_network("net", pools=[PoolRequest(subnet="10.0.0.0/24")]))
        world.ok(world.docker.run("c", "net", restart=restart))
        return world

    def test_the_end(self) -> None:
        """Containers are stopped when the API is already gone."""
        world = self.world_with()
        since = len(world.heard)
        world.docker.stop_dockerd()
        world.reactor.run_for(0.001)
        with self.assertRaises(DockerUnavailable):
            world.result(world.client().containers())
        assert world.reactor.run_until(lambda: world.docker.dockerd is None, 60)
        self.assertEqual(world.methods(since), ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"])

    def test_a_killed_daemon_forgets_endpoints_without_a_word(self) -> None:
        world = self.world_with()
        since = len(world.heard)
        world.docker.kill_dockerd()
        world.docker.start_dockerd()
        world.reactor.run_for(10)
        self.assertEqual(world.methods(since), [])
        self.assertEqual(world.docker.attached(), {})
        self.assertEqual(world.namespaces.inside, {})
        world.ok(world.docker.start("c"))
        self.assertEqual([each.address for each in world.docker.attached()], ["10.0.0.2/24"])

    def test_a_killed_daemon_that_meets_the_plugin_at_its_start(self) -> None:
        """It tells it of all stale endpoints: it has met it because of a network whose addresses are the plugin's."""
        goes = ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"]
        for release in (DOCKER_20_10, DOCKER_26_1, DOCKER_28_5):
            world = self.world_with(release=release)
            world.ok(world.docker.create_network("other", ipam="nuage"))
            world.ok(world.docker.run("d", "other"))
            world.instead["Join"] = hang
            world.docker.run("e", "net")
            world.until("Join")
            world.docker.kill_dockerd()
            since = len(world.heard)
            world.docker.start_dockerd()
            world.reactor.run_for(10)
            methods = [each for each in world.methods(since) if each in (*goes, "ReleaseAddress")]
            self.assertEqual(methods, [*goes, *goes, "ReleaseAddress", "DeleteEndpoint"], release.version)
            self.assertEqual((world.docker.attached(), world.namespaces.inside), ({}, {}))

    def test_an_end_without_the_plugin(self) -> None:
        """Leaves the endpoint behind (Sandbox.Delete): only a removal by force or the next start takes it away."""
        for restarts in (False, True):
            world = self.world_with(release=DOCKER_26_1, live_restore=True)
            world.docker.kill_dockerd()
            world.process.kill()
            world.docker.start_dockerd()
            world.ok(world.docker.remove("c"))
            (left,) = world.docker.left_behind()
            self.assertEqual((left.name, world.docker.attached(), world.namespaces.inside), ("c", {}, {}))
            (outcome,) = world.done(world.docker.remove_network("net"))
            self.assertIn("has active endpoints", outcome.message)
            if restarts:
                world.docker.kill_dockerd()
                world.docker.start_dockerd()
                world.reactor.run_for(10)
            else:
                world.ok(world.docker.disconnect("net", "c", force=True))
            self.assertEqual(list(world.docker.left_behind()), [])
            world.serve()
            world.ok(world.docker.remove_network("net"))
            self.assertEqual(world.history.violations, [])

    def test_a_container_that_ends_while_the_daemon_meets_the_plugin(self) -> None:
        """Its sandbox is no stale one: which ones are kept was found out before."""
        world = self.world_with(release=DOCKER_26_1, live_restore=True)
        world.ok(world.docker.create_network("other", ipam="nuage"))
        world.docker.kill_dockerd()
        world.process.kill()
        world.docker.start_dockerd()
        world.reactor.run_for(3)
        world.docker.container_ends("c", 1)
        world.reactor.run_for(1)
        world.serve()
        since = len(world.heard)
        world.reactor.run_for(30)
        self.assertEqual(world.history.violations, [])
        self.assertEqual([each for each in world.methods(since) if each in ("Leave", "DeleteEndpoint")], _ENDS)
        self.assertEqual((world.docker.attached(), list(world.docker.left_behind())), ({}, []))

    def test_lost_data(self) -> None:
        """A new daemon knows nothing, and tells nobody."""
        world = self.world_with("always")
        since = len(world.heard)
        world.docker.kill_dockerd()
        world.docker.lose_data()
        self.assertEqual(world.namespaces.inside, {})
        world.docker.start_dockerd()
        world.reactor.run_for(10)
        self.assertEqual(world.heard[since:], [])
        self.assertEqual(world.result(world.client().networks(bool)), [])

    def test_the_removal_of_a_network_that_a_kill_cuts_off(self) -> None:
        """Is done by the next daemon; only the oldest release knows that the pool was given back."""
        again = ["ReleaseAddress", "ReleasePool", "DeleteNetwork"]
        for release, expected in ((DOCKER_20_10, again[2:]), (DOCKER_26_1, again), (DOCKER_28_5, again)):
            world = World(release=release)
            world.ok(world.docker.create_network("net", ipam="nuage"))
            world.instead["DeleteNetwork"] = hang
            world.docker.remove_network("net")
            world.until("DeleteNetwork")
            world.docker.kill_dockerd()
            since = len(world.heard)
            world.docker.start_dockerd()
            world.reactor.run_for(10)
            methods = [each for each in world.methods(since) if each in again]
            self.assertEqual((methods, world.docker.store.networks), (expected, {}), release.version)

    def test_a_network_is_removed_whose_plugin_is_away(self) -> None:
        """A daemon that has not met the plugin yet forgets the network, and the plugin is never told."""
        world = World()
        world.ok(world.docker.create_network("net", ipam="nuage"))
        world.process.kill()
        for _ in range(2):
            world.docker.kill_dockerd()
            world.docker.start_dockerd()
            (outcome,) = world.done(world.docker.remove_network("net"))
            self.assertFalse(outcome.ok)
            self.assertIsNone(world.docker.network("net"))
        self.assertEqual(world.docker.store.networks, {})
        self.assertNotIn("DeleteNetwork", world.methods())

    def test_containers_outlive_it(self) -> None:
        """With live-restore."""
        for end in ("kill", "stop"):
            world = self.world_with(live_restore=True)
            since = len(world.heard)
            if end == "kill":
                world.docker.kill_dockerd()
            else:
                world.docker.stop_dockerd()
            world.reactor.run_for(20)
            world.docker.start_dockerd()
            world.reactor.run_for(10)
            self.assertEqual(len(world.docker.attached()), 1)
            world.ok(world.docker.kill("c"))
            self.assertEqual(world.methods(since)[:2], ["Activate", "GetCapabilities"])
            self.assertEqual(world.methods(since)[-3:], ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"])

    def test_a_disconnection_that_a_kill_cuts_off(self) -> None:
        """The next daemon takes a container for attached that has left, or names an endpoint that is gone."""
        for cut_off, kept in (("Leave", True), ("DeleteEndpoint", False)):
            world = self.world_with(live_restore=True)
            (endpoint,) = world.docker.attached()
            world.instead[cut_off] = hang
            world.docker.disconnect("net", "c")
            world.until(cut_off)
            world.docker.kill_dockerd()
            world.docker.start_dockerd()
            world.reactor.run_for(10)
            self.assertEqual([*world.result(world.client().running_endpoints()).uses], [endpoint.id])
            self.assertEqual(list(world.docker.attached()), [endpoint] if kept else [], cut_off)
            world.ok(world.docker.run("d", "net"))
            self.assertEqual([each.address for each in world.docker.attached()][-1] == "10.0.0.3/24", kept, cut_off)

    def test_a_connection_that_a_kill_cuts_off(self) -> None:
        """The container has the endpoint, and does not name it any more; its network names both."""
        for release in (DOCKER_20_10, DOCKER_26_1, DOCKER_28_5):
            world = self.world_with(release=release, live_restore=True)
            world.ok(world.docker.create_network("other", pools=[PoolRequest(subnet="10.1.0.0/24")]))
            (first,) = world.docker.attached()
            world.docker.connect("other", "c")
            world.until("Join")
            world.instead["EndpointOperInfo"] = hang
            world.until("EndpointOperInfo")
            world.docker.kill_dockerd()
            world.docker.start_dockerd()
            world.reactor.run_for(10)
            container, second = world.docker.container("c"), [*world.docker.attached()][-1]
            assert container is not None
            self.assertEqual([*world.result(world.client().running_endpoints()).uses], [first.id], release.version)
            told = world.result(world.client().network(second.network.id)).endpoints
            self.assertEqual([each.container_id for each in told.values()], [container.id], release.version)
            world.instead.clear()
            since = len(world.heard)
            world.ok(world.docker.stop("c"))
            world.reactor.run_for(1)
            self.assertEqual(world.methods(since).count("DeleteEndpoint"), 2, release.version)

    def test_restored_containers_are_looked_at(self) -> None:
        """By the newest release."""
        for release, expected in ((DOCKER_26_1, False), (DOCKER_28_5, True)):
            world = self.world_with(live_restore=True, release=release)
            since = len(world.heard)
            world.docker.kill_dockerd()
            world.docker.start_dockerd()
            world.reactor.run_for(10)
            asked = "NetworkDriver.EndpointOperInfo" in [method for method, _ in world.heard[since:]]
            self.assertEqual(asked, expected, release.version)

    def test_containers_come_before_its_api(self) -> None:
        """While a Join goes on, nothing is answered."""
        world = self.world_with("always")
        world.docker.kill_dockerd()
        world.instead["Join"] = hang
        world.docker.start_dockerd()
        world.until("Join")
        with self.assertRaisesRegex(DockerUnavailable, "late"):
            world.result(world.client(2.0).containers())

    def test_restart_policies(self) -> None:
        """Which containers run after a restart of the daemon.

        If it was killed, the new one ends what still runs, which counts as a stop by hand.
        """
        for end, expected in (("killed", ["c", "f"]), ("ended", ["c", "u", "f"]), ("power", ["c", "u", "f"])):
            world = self.world_with("always")
            for name, policy in (("u", "unless-stopped"), ("f", "on-failure"), ("n", "no"), ("s", "unless-stopped")):
                world.ok(world.docker.run(name, "net", restart=policy))
            world.ok(world.docker.stop("s"), world.docker.stop("c"))
            if end == "ended":
                world.docker.stop_dockerd()
                world.reactor.run_for(30)
            elif end == "power":
                world.docker.lose_power()
            else:
                world.docker.kill_dockerd()
            world.docker.start_dockerd()
            world.ok(world.docker.rename("n", "none"))
            running = [each.name for each in world.docker.store.containers.values() if each.running]
            self.assertEqual(running, expected, end)

    def test_a_container_that_fails_is_started_again(self) -> None:
        """The pauses become longer."""
        world = self.world_with("on-failure:2")
        container = world.docker.container("c")
        assert container is not None
        for restarts in (1, 2):
            world.docker.container_ends("c", 1)
            world.reactor.run_for(2)
            self.assertEqual((container.state, container.restarts), ("running", restarts))
        world.docker.container_ends("c", 1)
        world.reactor.run_for(2)
        self.assertEqual((container.state, container.restarts), ("exited", 2))

    def test_a_removal_that_a_kill_cuts_off(self) -> None:
        """The container can be removed later."""
        world = self.world_with()
        world.instead["Leave"] = hang
        world.docker.remove("c")
        world.until("Leave")
        world.docker.kill_dockerd()
        world.docker.start_dockerd()
        world.ok(world.docker.start("c"))
        world.ok(world.docker.remove("c"))

    def test_a_container_that_is_stopped_stays_so(self) -> None:
        world = self.world_with("always")
        world.ok(world.docker.stop("c"))
        world.reactor.run_for(100)
        self.assertEqual(world.docker.attached(), {})

    def test_an_address_that_was_just_taken_is_free_after_a_kill(self) -> None:
        world = self.world_with()
        world.instead["CreateEndpoint"] = hang
        world.docker.run("d", "net")
        world.until("CreateEndpoint")
        world.docker.kill_dockerd()
        world.docker.start_dockerd()
        for name in ("d", "c"):
            world.ok(world.docker.start(name))
        self.assertEqual({each.address for each in world.docker.attached()}, {"10.0.0.2/24", "10.0.0.3/24"})

    def test_stop_comes_back_early(self) -> None:
        """With the older release, before the network is released; other commands wait."""
        for release, seconds in ((DOCKER_20_10, 0), (DOCKER_26_1, 30)):
            for command in ("stop", "kill"):
                world = self.world_with(release=release)
                began = world.reactor.seconds()
                world.instead["Leave"] = partial(later, world, 30)
                world.ok(getattr(world.docker, command)("c"))
                expected = seconds if command == "stop" else 30
                self.assertEqual(int(world.reactor.seconds() - began), expected, (release.version, command))

    def test_a_container_that_never_ran_is_not_started(self) -> None:
        """By dockerd, when it starts."""
        world = self.world_with()
        world.ok(world.docker.create("d", "net", restart="always"))
        world.docker.kill_dockerd()
        world.docker.start_dockerd()
        world.reactor.run_for(10)
        self.assertEqual(world.docker.attached(), {})

    def test_a_command_to_a_daemon_that_is_away(self) -> None:
        world = self.world_with()
        world.docker.kill_dockerd()
        (outcome,) = world.done(world.docker.stop("c"))
        self.assertIn("Is the docker daemon running?", outcome.message)

    def test_a_command_to_a_daemon_that_is_killed(self) -> None:
        world = self.world_with()
        world.instead["Leave"] = hang
        command = world.docker.kill("c")
        world.until("Leave")
        world.docker.kill_dockerd()
        (outcome,) = world.done(command)
        self.assertIn("EOF", outcome.message)
        self.assertEqual(world.docker.busy, [])


class ManagedPluginTests(SynchronousTestCase):
    """A plugin that Docker manages has a tag in its name."""

    def test_it_is_listed(self) -> None:
        for name, expected in (("nuage", frozenset()), ("nuage:latest", frozenset({"nuage:latest"}))):
            world = World(plugin=name)
            world.ok(world.docker.create_network("net"))
            self.assertEqual(world.result(world.client().managed_drivers("nuage.sock")), expected)


class ApiTests(SynchronousTestCase):
    """The Engine API, asked by the product's own client."""

    def setUp(self) -> None:
        """Make a network, and a container whose Join goes on."""
        self.world = World()
        self.docker = self.world.docker
        self.world.ok(
            self.docker.create_network("net", pools=[PoolRequest(subnet="10.0.0.0/24", gateway="10.0.0.254")])
        )
        self.world.ok(self.docker.run("first", "net", labels={"a": "b"}))
        self.network_id = self.docker.store.networks.copy().popitem()[0]
        self.engine = self.world.client()

    def joining(self) -> str:
        """Let a Join hang; return the endpoint's id."""
        self.world.instead["Join"] = hang
        self.docker.run("second", "net", Attachment(driver_options={"k": "v"}), labels={"c": "d"})
        self.world.until("Join")
        return str(self.world.heard[-1][1]["EndpointID"])

    def test_networks(self) -> None:
        (network,) = self.world.result(self.engine.networks("nuage".__eq__))
        self.assertEqual(
            (network.name, network.ipv4[0].subnet, network.ipv4[0].gateway), ("net", "10.0.0.0/24", "10.0.0.254")
        )

    def test_a_network_that_is_being_removed(self) -> None:
        """Is not there any more, and another one may have its name and its pool."""
        self.world.ok(self.docker.remove("first"))
        self.world.instead["DeleteNetwork"] = hang
        self.docker.remove_network("net")
        self.world.until("DeleteNetwork")
        self.assertEqual(self.world.result(self.engine.networks(bool)), [])
        pool = PoolRequest(subnet="10.0.0.0/24")
        self.world.ok(self.docker.create_network("net", pools=[pool]))
        (network,) = self.world.result(self.engine.networks(bool))
        self.assertNotEqual(network.id, self.network_id)
        found = self.docker.network("net")
        self.assertEqual(found and found.id, network.id)

    def test_an_endpoint_during_its_join(self) -> None:
        endpoint_id = self.joining()
        found = self.world.result(self.engine.network(self.network_id)).endpoints
        self.assertEqual((found[endpoint_id].container_id, found[endpoint_id].container_name), ("", "second"))
        self.assertEqual(len([each for each in found.values() if each.container_id]), 1)
        (container,) = self.world.result(self.engine.containers_of(self.network_id, [endpoint_id])).values()
        self.assertEqual((container.name, container.labels), ("second", {"c": "d"}))

    def test_an_endpoint_before_it_is_created(self) -> None:
        self.world.instead["CreateEndpoint"] = hang
        self.docker.run("second", "net")
        self.world.until("CreateEndpoint")
        self.assertEqual(len(self.world.result(self.engine.network(self.network_id)).endpoints), 1)

    def test_a_container_cannot_be_inspected_during_its_join(self) -> None:
        self.joining()
        container = self.docker.container("second")
        assert container is not None
        with self.assertRaisesRegex(DockerUnavailable, "late"):
            self.world.result(self.engine.failure_of(container.id))

    def test_running_endpoints(self) -> None:
        self.joining()
        running = self.world.result(self.engine.running_endpoints())
        self.assertTrue(running.complete)
        ((endpoint_id, use),) = running.uses.items()
        (endpoint,) = self.docker.attached()
        self.assertEqual(
            (endpoint_id, use.network_id, use.container.labels), (endpoint.id, self.network_id, {"a": "b"})
        )

    def test_driver_options(self) -> None:
        self.world.ok(self.docker.run("third", "net", Attachment(driver_options={"k": "v"})))
        container = self.docker.container("third")
        endpoint = next(each for each, of in self.docker.attached().items() if of is container)
        assert container is not None
        options = self.world.result(self.engine.driver_options(container.id, endpoint.id))
        self.assertEqual(options, {"k": "v"})
        self.assertIsNone(container.listed["NetworkSettings"]["Networks"]["net"]["DriverOpts"])

    def test_why_a_container_did_not_start(self) -> None:
        self.world.done(self.docker.run("bad", "net", Attachment(ip="10.0.0.99")))
        container = self.docker.container("bad")
        assert container is not None
        self.assertIn("no Join", self.world.result(self.engine.failure_of(container.id)))
