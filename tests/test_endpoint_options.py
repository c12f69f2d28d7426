"""What a user gives with ``driver-opt``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.endpoint_options import endpoint_options
from nuage.errors import Refused


class EndpointOptions(SynchronousTestCase):
    """``driver-opt`` of an endpoint."""

    def test_docker_s_own_are_passed_over(self) -> None:
        """Ours are kept."""
        given = {"com.docker.network.portmap": [], "nuage.policy-group": "web", "other": 1}
        assert endpoint_options(given) == {"nuage.policy-group": "web"}

    def test_refused(self) -> None:
        """With the nearest known name, or what a value has to be."""
        for options, message in (
            ({"nuage.policygroup": "web"}, 'unknown driver-opt "nuage.policygroup"; did you mean "nuage.policy-group"'),
            ({"Nuage.Policy-Group": "web"}, 'unknown driver-opt "Nuage.Policy-Group"; did you mean "nuage.policy-grou'),
            ({"nuage.policy-group": " "}, 'driver-opt "nuage.policy-group" is empty; give a name'),
            ({"nuage.policy-group": ["web"]}, 'driver-opt "nuage.policy-group" is a list; give a name'),
        ):
            with self.assertRaisesRegex(Refused, message):
                endpoint_options(options)
