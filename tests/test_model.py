"""Networks and endpoints, and the records that the switch keeps of them."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nuage.model import Endpoint, Network, parse_address

NETWORK = Network(id="n" * 64, organization="E", user="u", domain="D", pool=IPv4Network("10.0.0.0/8"))
ENDPOINT = Endpoint(id="e" * 64, network_id="n" * 64, mac="7a:42:00:00:00:01")

_v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
_v6 = st.integers(0, 2**128 - 1).map(IPv6Address)
networks = st.builds(
    Network,
    id=st.text(),
    organization=st.text(),
    user=st.text(),
    domain=st.text(),
    zone=st.none() | st.text(),
    subnet=st.none() | st.text(),
    pool=st.builds(lambda a, n: IPv4Network((a, n), strict=False), _v4, st.integers(0, 32)),
    gateway=st.none() | _v4,
    pool_v6=st.none() | st.builds(lambda a, n: IPv6Network((a, n), strict=False), _v6, st.integers(0, 128)),
    gateway_v6=st.none() | _v6,
    internal=st.booleans(),
    gwbridge=st.booleans(),
    mtu=st.none() | st.integers(68, 65535),
)
endpoints = st.builds(
    Endpoint,
    id=st.text(),
    network_id=st.text(),
    mac=st.text(),
    address=st.none() | st.builds(lambda a, n: IPv4Interface((a, n)), _v4, st.integers(0, 32)),
    address_v6=st.none() | st.builds(lambda a, n: IPv6Interface((a, n)), _v6, st.integers(0, 128)),
    options=st.dictionaries(st.text(), st.text()),
)


class Addresses(SynchronousTestCase):
    """What somebody wrote as an address."""

    def test_read(self) -> None:
        """As what it is asked for."""
        assert parse_address(IPv4Interface, "10.0.0.1/8") == IPv4Interface("10.0.0.1/8")
        assert parse_address(IPv6Network, "fd00::/8") == IPv6Network("fd00::/8")

    def test_refused(self) -> None:
        """Something else, and a zone."""
        for kind, text in ((IPv4Address, "10.0.0"), (IPv6Interface, "fe80::1%eth0/64"), (IPv6Address, "fe80::1%0")):
            with self.assertRaises(ValueError):
                parse_address(kind, text)


class Records(SynchronousTestCase):
    """What is written is read back."""

    @settings(deadline=None)
    @given(networks)
    def test_a_network_is_read_back(self, network: Network) -> None:
        """Every field, and in plain ASCII, which any version of the database stores."""
        record = network.to_record()
        assert record.isascii()
        assert Network.from_record(record) == network

    @settings(deadline=None)
    @given(endpoints)
    def test_an_endpoint_is_read_back(self, endpoint: Endpoint) -> None:
        """Prefix lengths and options too."""
        assert Endpoint.from_record(endpoint.to_record()) == endpoint

    def test_equal_values_have_equal_records(self) -> None:
        """The order in which options were given does not count."""
        one, other = {"a": "1", "b": "2"}, {"b": "2", "a": "1"}
        assert attrs.evolve(ENDPOINT, options=one).to_record() == attrs.evolve(ENDPOINT, options=other).to_record()

    def test_a_field_of_a_newer_release_is_passed_over(self) -> None:
        """So a downgrade keeps working."""
        fields = {**json.loads(NETWORK.to_record()), "policy": ["later"]}
        assert Network.from_record(json.dumps(fields)) == NETWORK

    def test_a_field_that_an_older_release_did_not_write_has_its_default(self) -> None:
        """So an upgrade keeps working."""
        fields = json.loads(ENDPOINT.to_record())
        del fields["options"]
        assert Endpoint.from_record(json.dumps(fields)) == ENDPOINT
        fields = json.loads(NETWORK.to_record())
        del fields["gwbridge"]
        assert Network.from_record(json.dumps(fields)) == NETWORK

    def test_what_is_wrong_with_a_record(self) -> None:
        """It is told in words that an operator understands."""
        whole = json.loads(ENDPOINT.to_record())
        for text, problem in (
            ("@@", "it is not JSON"),
            ("[" * 100_000, "it is not JSON"),
            ("5", "it is not a JSON object"),
            ("{}", "it lacks id, network_id, mac"),
            (json.dumps({**whole, "mac": 5}), "its mac is 5"),
            (json.dumps({**whole, "options": {"a": 1}}), "its options is {'a': 1}"),
            (json.dumps({**whole, "address": "10.0.0.999/24"}), "Octet 999 (> 255) not permitted in '10.0.0.999'"),
        ):
            with self.assertRaises(ValueError) as caught:
                Endpoint.from_record(text)
            assert str(caught.exception) == problem

    def test_what_is_no_record_is_refused_as_a_value_error(self) -> None:
        """Whatever somebody wrote into the database; the daemon passes over it."""
        without_pool = {"id": "n", "organization": "E", "user": "u", "domain": "D"}
        others = ("", "{", "null", "7", '"id"', "[]", '["id"]', "{}", json.dumps(without_pool))
        pools: tuple[object, ...] = (None, "x", [1], {}, "10.0.0.1/8")
        bad_pools = (json.dumps({**without_pool, "pool": pool}) for pool in pools)
        for text in (*others, *bad_pools):
            with self.assertRaises(ValueError, msg=text):
                Network.from_record(text)
            with self.assertRaises(ValueError, msg=text):
                Endpoint.from_record(text)


class Places(SynchronousTestCase):
    """How a network's place in the topology is named in messages."""

    def test_an_l2_domain_has_neither_zone_nor_subnet(self) -> None:
        """They are not named."""
        assert NETWORK.place() == 'organization "E", domain "D"'

    def test_an_l3_domain_has_both(self) -> None:
        """They are named."""
        network = attrs.evolve(NETWORK, zone="Z", subnet="S 2")
        assert network.place() == 'organization "E", domain "D", zone "Z", subnet "S 2"'
