"""The MAC addresses that endpoints get."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

import attrs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.mac import mac_of
from nuage.model import Network
from tests.test_model import networks

NETWORK = Network(
    id="n" * 64,
    organization="Enterprise",
    user="admin",
    domain="Domain",
    zone="Zone",
    subnet="Subnet 2",
    pool=IPv4Network("10.21.59.0/24"),
)
ADDRESS = IPv4Address("10.21.59.2")

_addresses = st.integers(0, 2**32 - 1).map(IPv4Address)


class Macs(SynchronousTestCase):
    """They follow from the place and the address."""

    def test_it_is_the_same_on_every_host_and_in_every_release(self) -> None:
        """Neighbours remember it; what they know stays true after an upgrade."""
        self.assertEqual(mac_of(NETWORK, ADDRESS), "7a:42:72:2f:f4:3c")

    @settings(deadline=None)
    @given(networks, _addresses)
    def test_its_form(self, network: Network, address: IPv4Address) -> None:
        """It begins with 7a:42, which are the bits of a locally administered address of one interface."""
        mac = mac_of(network, address)
        self.assertTrue(re.fullmatch("7a:42(:[0-9a-f]{2}){4}", mac), mac)
        self.assertEqual(int(mac[:2], 16) & 3, 2)

    @settings(deadline=None)
    @given(networks, _addresses, _addresses)
    def test_no_two_addresses_of_a_place_share_one(
        self, network: Network, one: IPv4Address, other: IPv4Address
    ) -> None:
        """Whatever the place is."""
        assume(one != other)
        self.assertNotEqual(mac_of(network, one), mac_of(network, other))

    @settings(deadline=None)
    @given(networks, networks, _addresses)
    def test_an_address_has_another_one_in_another_place(
        self, network: Network, other: Network, address: IPv4Address
    ) -> None:
        """Also where the names of both places are the same letters in a row."""
        assume(network.location() != other.location())
        self.assertNotEqual(mac_of(network, address), mac_of(other, address))

    def test_names_are_kept_apart(self) -> None:
        """A name that ends with the other's beginning, a name with quotes, no name and an empty one."""
        places = [
            attrs.evolve(NETWORK, organization=organization, domain=domain, zone=zone, subnet=subnet)
            for organization, domain, zone, subnet in (
                ("a", "bc", "d", "e"),
                ("ab", "c", "d", "e"),
                ("a", "b", "cd", "e"),
                ('a", "b', "c", "d", "e"),
                ("a", "b", None, None),
                ("a", "b", "", ""),
                ("a", "b", "null", "null"),
            )
        ]
        self.assertEqual(len({mac_of(place, ADDRESS) for place in places}), len(places))

    @settings(deadline=None)
    @given(networks, _addresses, st.text(), st.text())
    def test_nothing_else_of_the_network_matters(
        self, network: Network, address: IPv4Address, id_: str, user: str
    ) -> None:
        """Two hosts of scope local have each its own network of the place, with a range and an id of its own."""
        other = attrs.evolve(network, id=id_, user=user, pool=IPv4Network("0.0.0.0/1"), gateway=None, internal=True)
        self.assertEqual(mac_of(network, address), mac_of(other, address))
