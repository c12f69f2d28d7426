"""Networks that Docker describes, as the requests that made them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nuage.docker.descriptions import Network, Pool
from nuage.docker.network_request import NetworkUnreadable, as_request


class Gateways(SynchronousTestCase):
    """Docker shows a gateway that was given, and none that its IPAM chose."""

    def test_each_kind(self) -> None:
        """Given, the first address of the subnet, the first address of the range."""
        for pool, gateway in (
            (Pool(subnet="10.0.0.0/24", gateway="10.0.0.9"), "10.0.0.9"),
            (Pool(subnet="10.0.0.0/24"), "10.0.0.1"),
            (Pool(subnet="10.0.0.0/24", ip_range="10.0.0.0/25"), "10.0.0.1"),
            (Pool(subnet="10.0.0.0/24", ip_range="10.0.0.128/25"), "10.0.0.128"),
            (Pool(subnet="10.0.0.0/24", ip_range="10.0.0.128/25", gateway="10.0.0.1"), "10.0.0.1"),
            (Pool(subnet="10.0.0.7/24"), "10.0.0.1"),
            (Pool(subnet="10.0.0.0/24", ip_range="10.0.0.130/25"), "10.0.0.128"),
        ):
            (found,) = as_request(Network(id="n", name="n", driver="nuage", ipv4=(pool,))).pools
            assert (str(found.subnet), str(found.gateway)) == ("10.0.0.0/24", gateway)

    def test_host_bits_of_ipv6(self) -> None:
        """They are cut off too."""
        pool = Pool(subnet="fd00:59::5/64")
        (found,) = as_request(Network(id="n", name="n", driver="nuage", ipv6=(pool,))).pools_v6
        assert (str(found.subnet), str(found.gateway)) == ("fd00:59::/64", "fd00:59::1")

    def test_what_makes_no_sense_is_refused(self) -> None:
        """By the network's name and id, with what is wrong and what to do."""
        for pool in (
            Pool(subnet="10.0.0.0/33"),
            Pool(subnet="x"),
            Pool(subnet="10.0.0.0/24", ip_range="?"),
            Pool(subnet="10.0.0.0/24", gateway="gw"),
        ):
            with self.assertRaisesRegex(
                NetworkUnreadable, r'network "web" \(7\) cannot be read: .*; remove the network'
            ):
                as_request(Network(id="7", name="web", driver="nuage", ipv4=(pool,)))

    def test_dual_stack(self) -> None:
        """Both families, each with its gateway."""
        request = as_request(
            Network(
                id="n",
                name="n",
                driver="nuage",
                internal=True,
                options={"user": "u"},
                ipv4=(Pool(subnet="10.0.0.0/24"),),
                ipv6=(Pool(subnet="fd00::/64", gateway="fd00::5/64"),),
            )
        )
        assert (request.internal, request.options) == (True, {"user": "u"})
        assert [str(pool.gateway) for pool in request.pools] == ["10.0.0.1"]
        assert [str(pool.gateway) for pool in request.pools_v6] == ["fd00::5"]
