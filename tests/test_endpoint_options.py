"""What a user gives with ``driver-opt``."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.endpoint_options import INTERFACE_NAME, check_spelling, endpoint_options, interface_name
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


class Spelling(SynchronousTestCase):
    """Keys that somebody meant for this driver, and that lack its prefix."""

    def test_refused(self) -> None:
        """Docker would pass them, and the container would be in no group."""
        for key, meant in (
            ("policy-group", "nuage.policy-group"),
            ("Policy_Group", "nuage.policy-group"),
            ("nuage-policy-group", "nuage.policy-group"),
            ("nuage_redirection_target", "nuage.redirection-target"),
            ("redirection-target", "nuage.redirection-target"),
            ("policy group", "nuage.policy-group"),
            ("nuage:policy-group", "nuage.policy-group"),
            # As it is printed in a document.
            ("nuage\u2013policy\u2010group", "nuage.policy-group"),
        ):
            with self.subTest(key):
                problem = self.assertRaises(Refused, check_spelling, {"com.docker.network.portmap": [], key: "web"})
                expected = f'unknown driver-opt {json.dumps(key)}; did you mean "{meant}"?'
                self.assertEqual(str(problem), expected)

    def test_others(self) -> None:
        """What is Docker's or somebody else's is passed over, and so is what is spelt well."""
        check_spelling(dict.fromkeys(("com.docker.policy-group", "acme.policy-group", "nuage.policy-group", "x"), 1))


class InterfaceName(SynchronousTestCase):
    """The name that a user gives the interface in the container."""

    def test_good(self) -> None:
        """It may have what the kernel allows; most endpoints have none."""
        for name in ("web0", "a", "x" * 15, "eth1.5", "...", "-_@"):
            with self.subTest(name):
                self.assertEqual(interface_name({INTERFACE_NAME: name}), name)
        self.assertIsNone(
            interface_name({"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"})
        )

    def test_bad(self) -> None:
        """The message names the option, its value and what a name has to be."""
        bad: tuple[object, ...] = (
            "",
            "x" * 16,
            ".",
            "..",
            "lo",
            "all",
            "default",
            "a/b",
            "a b",
            "a\tb",
            "a\nb",
            "a:b",
            "web%d",
            "wüb",
            "\0",
            7,
            None,
        )
        for name in bad:
            with self.subTest(name):
                problem = self.assertRaises(Refused, interface_name, {INTERFACE_NAME: name})
                self.assertIn(
                    f'driver-opt "com.docker.network.endpoint.ifname" is {json.dumps(name)}; give', str(problem)
                )
                self.assertIn("1 to 15", str(problem))
