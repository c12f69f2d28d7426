"""The simulated Docker: which endpoint of a container has the way out."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.simulated_docker_support import World, refuse
from tests.simulation.docker.releases import DOCKER_20_10, DOCKER_26_1, DOCKER_28_5, Release
from tests.simulation.docker.small_plugin import GATEWAYS_OPTION
from tests.simulation.docker.store import Attachment, PoolRequest

_RELEASES = (DOCKER_20_10, DOCKER_26_1, DOCKER_28_5)
_CALLS = {"ProgramExternalConnectivity": "program", "RevokeExternalConnectivity": "revoke"}
_PROXY = "com.docker.network.driver.private.no_proxy_6to4"


class WayOutTests(SynchronousTestCase):
    """Networks whose plugin names gateways of both families, of one, or none."""

    def world_with(self, release: Release, **networks: str) -> World:
        """Return a world with networks, each with the gateways that are named."""
        world = World(release)
        for number, (name, gateways) in enumerate(networks.items()):
            pools = [PoolRequest(subnet=f"10.0.{number}.0/24"), PoolRequest(subnet=f"fd00:{number}::/64")]
            options = {GATEWAYS_OPTION: gateways}
            world.ok(world.docker.create_network(name, pools=pools, ipv6=True, options=options))
        return world

    def seen(self, world: World, since: int) -> list[str]:
        """Return the calls about ways out: what is done, in which network, and whether IPv6 is not to be proxied."""
        networks = world.docker.store.networks
        return [
            " ".join((_CALLS[name], networks[request["NetworkID"]].name, *_proxied(request)))
            for method, request in world.heard[since:]
            if (name := method.rpartition(".")[2]) in _CALLS
        ]

    def calls(self, release: Release, leaving: Sequence[str] = (), **networks: str) -> list[str]:
        """Connect a container to one network after the other, and let it leave some; return the calls."""
        world = self.world_with(release, **networks)
        since = len(world.heard)
        first, *others = networks
        world.ok(world.docker.run("c", first))
        for name in others:
            world.ok(world.docker.connect(name, "c"))
        for name in leaving:
            world.ok(world.docker.disconnect(name, "c"))
        return self.seen(world, since)

    def test_the_gateway_moves(self) -> None:
        """To a network with gateways of both families, and back."""
        expected = ["program a", "revoke a", "program b", "revoke b", "program a"]
        for release in _RELEASES:
            self.assertEqual(self.calls(release, ["b"], a="4", b="46"), expected, release.version)

    def test_a_network_without_gateways(self) -> None:
        """Changes nothing."""
        for release in _RELEASES:
            self.assertEqual(self.calls(release, ["b"], a="46", b="none"), ["program a"], release.version)
            self.assertEqual(self.calls(release, ["b"], b="none", a="46"), ["program a"], release.version)

    def test_a_gateway_of_ipv6_alone(self) -> None:
        """Is one for the newest release only."""
        for release, expected in ((DOCKER_20_10, []), (DOCKER_26_1, []), (DOCKER_28_5, ["program a"])):
            self.assertEqual(self.calls(release, a="6"), expected, release.version)

    def test_a_gateway_of_each_family(self) -> None:
        """In the newest release two networks have a way out. The one of IPv4 then leaves IPv6 to the other."""
        for release in (DOCKER_20_10, DOCKER_26_1):
            calls = self.calls(release, ["b"], a="4", b="6")
            self.assertEqual(calls, ["program a"], release.version)
        joined = ["program a", "revoke a", "program a no proxy", "program b no proxy"]
        self.assertEqual(self.calls(DOCKER_28_5, a="4", b="6"), joined)
        left = ["revoke b", "revoke a", "program a"]
        self.assertEqual(self.calls(DOCKER_28_5, ["b"], a="4", b="6"), [*joined, *left])
        self.assertEqual(self.calls(DOCKER_28_5, ["b"], b="6", a="4"), ["program b", "program a no proxy", *left])

    def test_both_are_replaced_by_one(self) -> None:
        """And take its place again."""
        calls = self.calls(DOCKER_28_5, ["c"], b="6", a="4", c="46")
        replaced = ["revoke a", "revoke b", "program c"]
        self.assertEqual(calls[2:], [*replaced, "revoke c", "program a no proxy", "program b"])

    def test_beside_the_bridge_of_docker(self) -> None:
        """Docker's own bridge is the gateway of IPv4 until a network has one of either family."""
        calls = self.calls(DOCKER_28_5, ["b"], a="none", b="6")
        self.assertEqual(calls, ["program b no proxy", "revoke b"])

    def test_who_is_asked_for_published_ports(self) -> None:
        """Before the newest release only Docker's own bridge, if the container is there."""
        for release, expected in ((DOCKER_20_10, False), (DOCKER_26_1, False), (DOCKER_28_5, True)):
            world = self.world_with(release, a="none")
            world.ok(world.docker.run("c", "a"))
            asked = "NetworkDriver.EndpointOperInfo" in [method for method, _ in world.heard]
            self.assertEqual(asked, expected, release.version)

    def test_the_bridge_has_a_pool(self) -> None:
        """From its first use on, one of those that networks get for which nobody named a subnet."""
        for release in _RELEASES:
            world = self.world_with(release, a="none")
            world.ok(world.docker.run("c", "a"))
            world.docker.kill_dockerd()
            world.docker.start_dockerd()
            world.ok(world.docker.create_network("next"))
            pool = world.heard[-1][1]["IPv4Data"][0]["Pool"]
            self.assertEqual(pool, "172.19.0.0/16", release.version)

    def test_networks_with_a_gateway_each(self) -> None:
        """The newest release goes by the name, older ones prefer that of IPv6, which they cannot use."""
        for release, expected in ((DOCKER_26_1, ["b", "a"]), (DOCKER_28_5, ["a", "b"])):
            world = self.world_with(release, a="4", b="6")
            world.ok(world.docker.run("c", "a"))
            world.ok(world.docker.connect("b", "c"))
            (sandbox,) = world.docker.store.sandboxes.values()
            names = [each.network.name for each in sandbox.endpoints]
            self.assertEqual(names, expected, release.version)

    def test_priorities(self) -> None:
        """A network with gateways of both families comes before one of a higher priority in the newest release."""
        for release, expected in ((DOCKER_26_1, ["program a"]), (DOCKER_28_5, ["program a", "revoke a", "program b"])):
            world = self.world_with(release, a="4", b="46")
            since = len(world.heard)
            world.ok(world.docker.run("c", "a", Attachment(priority=1)))
            world.ok(world.docker.connect("b", "c"))
            self.assertEqual(self.seen(world, since), expected, release.version)

    def test_a_way_out_that_is_refused(self) -> None:
        """The former one is there again, as it was."""
        world = self.world_with(DOCKER_28_5, b="6", a="4", c="46")
        world.ok(world.docker.run("k", "b"))
        world.ok(world.docker.connect("a", "k"))
        since = len(world.heard)
        world.instead["ProgramExternalConnectivity"] = refuse
        (outcome,) = world.done(world.docker.connect("c", "k"))
        self.assertIn("not today", outcome.message)
        tried = ["revoke a", "revoke b", "program c"]
        self.assertEqual(self.seen(world, since), [*tried, "program b", "program a no proxy"])


def _proxied(request: dict[str, dict[str, object]]) -> Sequence[str]:
    return ("no proxy",) if (request.get("Options") or {}).get(_PROXY) else ()
