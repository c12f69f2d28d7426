"""The options and pools of ``docker network create``: which make a network, and what is said of the others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nuage.driver.options import network_of, place_of
from nuage.errors import Refused
from nuage.model import Network, NetworkRequest
from tests.driver_support import NETWORK, OPTIONS, network_request

GENERIC = "com.docker.network.generic"
L2 = {"organization": "E", "user": "u", "domain": "D"}
MTU = "com.docker.network.driver.mtu"


def request(options: dict[str, str], **changes: Any) -> NetworkRequest:
    """Return the request for a network with these options of the user's."""
    return network_request(**{"Options": {GENERIC: options}, **changes})


def network(options: dict[str, str], **changes: Any) -> Network:
    """Return the network of these options."""
    return network_of(request(options, **changes))


def pool(subnet: str, gateway: str = "") -> dict[str, str]:
    """Return an element of IPv4Data or IPv6Data."""
    return {"Pool": subnet, "Gateway": gateway}


class OptionsCase(SynchronousTestCase):
    """Has a way to read what a refusal says."""

    def refusal(self, options: dict[str, str], **changes: Any) -> str:
        """Return the message of the refusal that these options have to meet."""
        with self.assertRaises(Refused) as caught:
            network(options, **changes)
        return str(caught.exception)


class Granted(OptionsCase):
    """Options that make a network."""

    def test_an_l3_domain(self) -> None:
        """All options and what Docker assigned."""
        assert network_of(network_request()) == Network(
            id=NETWORK,
            organization="Enterprise",
            user="admin",
            domain="Domain",
            zone="Zone",
            subnet="Subnet 2",
            pool=IPv4Network("10.21.59.0/24"),
            gateway=IPv4Address("10.21.59.1"),
        )

    def test_an_l2_domain(self) -> None:
        """Zone and subnet are both absent."""
        assert (network(L2).zone, network(L2).subnet) == (None, None)

    def test_enterprise_is_another_name_of_organization(self) -> None:
        """It may even be given beside it, if it says the same."""
        options = {"enterprise": "E", "user": "u", "domain": "D"}
        assert network(options) == network(L2)
        assert network({**options, "organization": "E"}) == network(L2)

    def test_the_case_of_a_name_does_not_count(self) -> None:
        """That of a value does."""
        assert network({"Organization": "E", "USER": "u", "domain": "D"}) == network(L2)
        assert network({**L2, "domain": "d"}) != network(L2)

    def test_the_way_out(self) -> None:
        """The bridge of Docker's own is one only if the user asks for it, in whatever case the option is written."""
        assert not network(L2).gwbridge
        assert not network({**L2, "external": "none"}).gwbridge
        for key in ("external", "External"):
            assert network({**L2, key: "gwbridge"}).gwbridge

    def test_dockers_own_options_are_accepted(self) -> None:
        """Those that mean nothing here are passed over, the MTU is taken."""
        options = {**L2, "com.docker.network.bridge.name": "x", "com.docker.compose": "y", MTU: "1400"}
        assert network(options).mtu == 1400
        assert network(L2).mtu is None

    def test_a_dual_stack_network_without_gateways(self) -> None:
        """None is what Docker told of them."""
        made = network(L2, IPv4Data=[pool("10.0.0.0/8")], IPv6Data=[pool("fd00::/64", "fd00::1/64")])
        assert (made.gateway, made.pool_v6, made.gateway_v6) == (
            None,
            IPv6Network("fd00::/64"),
            IPv6Address("fd00::1"),
        )

    def test_names_may_be_of_any_script_and_hold_quotes(self) -> None:
        """They are data, never text of a command."""
        for name in ("Zürich", "研发", 'O\'Brien; "x" \\ $(y)', "x" * 255):
            assert network({**L2, "domain": name}).domain == name

    def test_unusual_pools(self) -> None:
        """A single address, half of everything, and a gateway that is the pool's first or last."""
        for subnet, gateway in (
            ("10.0.0.1/32", ""),
            ("0.0.0.0/1", "1.2.3.4/1"),
            ("10.21.60.128/25", "10.21.60.128/25"),
            ("10.21.60.128/25", "10.21.60.255/25"),
            ("224.0.0.0/4", "224.0.0.1/4"),
        ):
            assert str(network(L2, IPv4Data=[pool(subnet, gateway)]).pool) == subnet

    def test_the_bounds_of_the_mtu(self) -> None:
        """RFC 791 sets the lower one, RFC 8200 another where there is IPv6."""
        for text in ("68", "65535"):
            assert network({**L2, MTU: text}).mtu == int(text)
        dual = {"IPv6Data": [pool("fd00::/64")]}
        assert network({**L2, MTU: "1280"}, **dual).mtu == 1280
        assert "from 1280 to 65535" in self.refusal({**L2, MTU: "1279"}, **dual)


class Refusals(OptionsCase):
    """Options that make none."""

    def test_each_required_option_is_named_with_its_remedy(self) -> None:
        """All that are missing at once."""
        assert self.refusal({}) == (
            'option "organization" is missing; add -o organization=…; '
            'option "user" is missing; add -o user=…; '
            'option "domain" is missing; add -o domain=…'
        )

    def test_zone_and_subnet_go_together(self) -> None:
        """The one that is there and the one that is not are named."""
        for one, other in (("zone", "subnet"), ("subnet", "zone")):
            message = self.refusal({**L2, one: "X"})
            assert message.startswith(f'option "{one}" (X) needs "{other}" with it; add -o {other}=…'), message

    def test_an_unknown_option_and_the_nearest_known(self) -> None:
        """Where none is near all are listed."""
        assert self.refusal({**L2, "organisation": "E"}) == (
            'unknown option "organisation"; did you mean "organization"?'
        )
        assert 'did you mean "enterprise"?' in self.refusal({**L2, "enterprize": "E"})
        assert "known are organization, user, domain, zone, subnet" in self.refusal({**L2, "xyz": "E"})

    def test_an_option_given_twice(self) -> None:
        """By its two names, or in two cases, with two values."""
        for twice in ({**L2, "enterprise": "F"}, {**L2, "Organization": "F"}):
            assert self.refusal(twice) == 'option "organization" is given twice, as "E" and "F"; give one'

    def test_names_that_are_none(self) -> None:
        """Empty, blank, with characters that cannot be printed, too long."""
        for name, message in (
            ("", "is empty"),
            (" \t", "is empty"),
            ("a\nb", r'cannot be printed in "a\nb"'),
            ("a\u202eb", r'cannot be printed in "a\u202eb"'),
            ("a\x7fb", "cannot be printed"),
            ("x" * 256, "has 256 characters; 255 are allowed"),
        ):
            said = self.refusal({**L2, "domain": name})
            assert said.startswith('option "domain" '), said
            assert message in said, said

    def test_one_that_is_given_in_vain_is_not_missing(self) -> None:
        """It is told once."""
        for vain, problem in (
            ({"organization": ""}, 'option "organization" is empty; give a name'),
            ({"zone": "Z", "subnet": ""}, 'option "subnet" is empty; give a name'),
        ):
            assert self.refusal({**L2, **vain}) == problem
        rest = {key: value for key, value in L2.items() if key != "organization"}
        assert self.refusal({**rest, "Enterprise": " "}) == 'option "organization" is empty; give a name'

    def test_a_way_out_that_is_none(self) -> None:
        """The known ones are named. The case of a value counts."""
        for value in ("bridge", "GWBridge", "", "x" * 1_000_000):
            message = self.refusal({**L2, "external": value})
            assert message.startswith('option "external" is "'), message
            assert message.endswith("; give none or gwbridge"), message
            assert len(message) < 300

    def test_where_addresses_are_from_says_nothing_of_the_way_out(self) -> None:
        """It is an option of the network alone."""
        with self.assertRaisesRegex(Refused, 'unknown ipam-opt "external"; known are organization, user'):
            place_of({**L2, "external": "gwbridge"})

    def test_an_internal_network_has_no_way_out(self) -> None:
        """Docker would not say that the option has no effect. Daemon-wide options can be overridden."""
        internal = {"com.docker.network.internal": True}
        asked = {**L2, "external": "gwbridge"}
        assert self.refusal(asked, Options={GENERIC: asked, **internal}) == (
            'option "external" is "gwbridge", and an --internal network has no way out; '
            "leave out --internal, or give -o external=none"
        )
        assert network(L2, Options={GENERIC: {**L2, "external": "none"}, **internal}).internal

    def test_exactly_one_pool(self) -> None:
        """None, two, the same twice, overlapping ones. The message is the same in whatever order they come."""
        # So Docker asks with --ipv4=false, from 28 on.
        assert self.refusal(L2, IPv4Data=[]) == (
            "exactly one IPv4 subnet is needed, not none; leave out --ipv4=false, and give one --subnet, that of the "
            "Nuage subnet"
        )
        for subnets, listed in (
            (("10.0.0.0/16", "10.1.0.0/16"), "10.0.0.0/16, 10.1.0.0/16"),
            (("10.1.0.0/16", "10.0.0.0/16"), "10.0.0.0/16, 10.1.0.0/16"),
            (("10.0.0.0/16", "10.0.0.0/16"), "10.0.0.0/16, 10.0.0.0/16"),
            (("10.0.0.0/16", "10.0.0.0/8"), "10.0.0.0/8, 10.0.0.0/16"),
        ):
            message = self.refusal(L2, IPv4Data=[pool(subnet) for subnet in subnets])
            assert f"not {listed}; give one --subnet" in message

    def test_ipv6_alone(self) -> None:
        """Docker 28.5 asks so. It is the one problem that is told: no option would mend it."""
        for options in (OPTIONS, {}):
            message = self.refusal(
                options,
                Options={
                    "com.docker.network.enable_ipv4": False,
                    "com.docker.network.enable_ipv6": True,
                    GENERIC: options,
                },
                IPv4Data=[],
                IPv6Data=[{"AddressSpace": "LocalDefault", "Gateway": "2001:db8:59::1/64", "Pool": "2001:db8:59::/64"}],
            )
            assert message == (
                "a network of IPv6 alone (2001:db8:59::/64) is not possible: a VRS resolves a port to an IPv4 address; "
                "leave out --ipv4=false, and give the IPv4 --subnet of the Nuage subnet as well"
            )

    def test_at_most_one_ipv6_pool(self) -> None:
        """Overlapping or not."""
        message = self.refusal(L2, IPv6Data=[pool("fd00::/64"), pool("fd00::/32")])
        assert message == "at most one IPv6 subnet is possible, not fd00::/32, fd00::/64; give one"

    def test_a_gateway_outside_its_pool(self) -> None:
        """Docker would fail with it much later, at the first container."""
        assert self.refusal(L2, IPv4Data=[pool("10.0.0.0/24", "10.0.1.1/24")]) == (
            "gateway 10.0.1.1 is not in the subnet 10.0.0.0/24; give a --gateway inside it"
        )
        assert "gateway fd01::1 is not in" in self.refusal(L2, IPv6Data=[pool("fd00::/64", "fd01::1/64")])

    def test_a_pool_that_is_everything(self) -> None:
        """So --ipam-driver=null has it, which gives no container an address."""
        for pools in (
            {"IPv4Data": [pool("0.0.0.0/0")]},
            {"IPv4Data": [pool("0.0.0.0/0", "0.0.0.0/0")]},
            {"IPv4Data": [pool("10.0.0.0/24")], "IPv6Data": [pool("::/0")]},
        ):
            everything = next(data[0]["Pool"] for data in reversed(pools.values()))
            assert self.refusal(L2, **pools) == (
                f"subnet {everything} is every address there is; leave out --ipam-driver=null, "
                "which gives no addresses, and give the --subnet of the Nuage subnet"
            )

    def test_an_mtu_that_is_none(self) -> None:
        """Nothing but digits, of ASCII, in range."""
        for text in ("", "67", "65536", "1500.0", "-1500", " 1500", "\uff11\uff15\uff10\uff10", "9" * 5000, "auto\n"):
            message = self.refusal({**L2, MTU: text})
            assert f'option "{MTU}" is "' in message
            assert "it has to be a whole number from 68 to 65535" in message
            assert message.isprintable()
            assert len(message) < 300

    def test_everything_that_is_wrong_is_told_at_once(self) -> None:
        """Options, pools and MTU in one message."""
        message = self.refusal({"user": "", "zone": "Z", MTU: "x", "foo": ""}, IPv4Data=[])
        for part in ('"organization" is missing', '"user" is empty', '(Z) needs "subnet"', MTU, '"foo"', "not none"):
            assert part in message, part

    def test_a_message_is_bounded_whatever_is_given(self) -> None:
        """It is read by somebody, and goes into a log."""
        pools = [pool("10.0.0.0/24", "11.0.0.1/24")] * 5000
        for options, changes in (
            ({f"subnet{number}": "" for number in range(900)}, {}),
            ({f"subnet{number}": "" for number in range(90_000)}, {}),
            ({"o" * 1_000_000: ""}, {}),
            ({**L2, "Domain": "x" * 1_000_000}, {}),
            (L2, {"IPv4Data": pools}),
        ):
            assert len(self.refusal(options, **changes)) < 2500
        assert "and 4991 more" in self.refusal(L2, IPv4Data=pools)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = st.sampled_from([*OPTIONS, "enterprise", "external", "Zone", "subnt", MTU, "com.docker.x"]) | texts


class AnyOptions(SynchronousTestCase):
    """Properties of all that can be given."""

    @settings(deadline=None, max_examples=300)
    @given(st.dictionaries(names, texts), st.booleans())
    def test_options_make_a_network_or_a_readable_refusal(self, options: dict[str, str], complete: bool) -> None:
        """One line of printable characters; a network has the names that were given, unchanged."""
        given_options = {**L2, **options} if complete else options
        try:
            made = network(given_options)
        except Refused as refusal:
            assert str(refusal).isprintable(), str(refusal)
        else:
            assert (made.organization, made.user, made.domain) == tuple(
                next(value for key, value in given_options.items() if key.lower() in keys)
                for keys in (("organization", "enterprise"), ("user",), ("domain",))
            )
