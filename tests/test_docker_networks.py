"""Networks that Docker describes, as the requests that made them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nuage.docker.engine import Network, Pool
from nuage.docker.networks import as_request


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
        ):
            (found,) = as_request(Network(id="n", name="n", driver="nuage", ipv4=(pool,))).pools
            assert str(found.gateway) == gateway

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
