"""Networks that cannot be: each is refused with a message that tells what to do, and nothing of it is left."""

from __future__ import annotations

from tests.e2e.host_support import PLACE, HostTestCase

_SUBNET = "--subnet=10.21.59.0/24"


class RefusalTests(HostTestCase):
    """``docker network create`` with options that do not fit."""

    def refusal(self, *words: str, without: tuple[str, ...] = ()) -> str:
        """Try to create a network, which must fail and leave nothing; return the message."""
        options = [f"-o={key}={value}" for key, value in PLACE.items() if key not in without]
        message = self.refused("network", "create", "--driver=nuage", *options, *words, "bad")
        self.assertEqual(self.docker("network", "ls", "-q", "--filter", "name=bad"), "")
        self.assertEqual(self.state(), self._before)
        self.assertEqual(len(message.splitlines()), 1, message)
        self.assertNotIn("Traceback", message)
        return message

    def test_unknown_option(self) -> None:
        """An unknown option is refused with the nearest that is known."""
        message = self.refusal("-o=organisation=Enterprise", _SUBNET, without=("organization",))
        self.assertIn('unknown option "organisation"; did you mean "organization"?', message)

    def test_missing_options(self) -> None:
        """All options that are missing are named at once."""
        message = self.refusal(_SUBNET, without=("organization", "user"))
        self.assertIn('option "organization" is missing', message)
        self.assertIn('option "user" is missing', message)

    def test_zone_without_subnet(self) -> None:
        """Zone and subnet go together."""
        message = self.refusal(_SUBNET, without=("subnet",))
        self.assertIn('option "zone" (Zone) needs "subnet" with it', message)

    def test_gateway_outside_of_the_pool(self) -> None:
        """A gateway has to be in the subnet, whether Docker or the driver finds that it is not."""
        message = self.refusal(_SUBNET, "--gateway=10.99.0.1")
        self.assertIn("10.99.0.1", message)

    def test_two_pools(self) -> None:
        """A Nuage subnet has one IPv4 subnet."""
        message = self.refusal(_SUBNET, "--subnet=10.21.60.0/24")
        self.assertIn("exactly one IPv4 subnet is needed, not 10.21.59.0/24, 10.21.60.0/24", message)

    def test_no_addresses(self) -> None:
        """An IPAM driver that gives no addresses."""
        self.assertIn("subnet 0.0.0.0/0 is every address there is", self.refusal("--ipam-driver=null"))

    def test_absurd_mtu(self) -> None:
        """An MTU has to be one."""
        message = self.refusal(_SUBNET, "-o=com.docker.network.driver.mtu=huge")
        self.assertIn('"com.docker.network.driver.mtu" is "huge"', message)

    def test_address_of_the_gateway(self) -> None:
        """A container cannot take the gateway's address; the network goes on to work."""
        self.create_network("taken")
        self._containers.append("thief")
        self.refused("run", "-d", "--name=thief", "--net=taken", "--ip=10.21.59.1", "busybox:local", "sleep", "1000")
        self.run_container("fine", "taken")
