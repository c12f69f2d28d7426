"""The bodies of requests and answers: what is read from good ones, and what is said of bad ones."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import MalformedRequest
from nuage.libnetwork import payloads
from nuage.libnetwork.body import Body, decode
from nuage.model import NetworkRequest, Pool4, Pool6
from nuage.text import shown
from tests.driver_support import ENDPOINT, NETWORK, OPTIONS, endpoint_body, network_body

IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
#: What reads each request that has ids, each with a good body.
GOOD: tuple[tuple[Any, dict[str, Any]], ...] = (
    (payloads.AllocateNetwork.from_body, {"NetworkID": NETWORK, "Options": OPTIONS}),
    (payloads.NetworkCall.from_body, {"NetworkID": NETWORK}),
    (payloads.network_request, network_body()),
    (payloads.CreateEndpoint.from_body, endpoint_body()),
    (payloads.EndpointCall.from_body, IDS),
)


class Decoding(SynchronousTestCase):
    """From bytes to an object."""

    def refusal(self, content: bytes) -> str:
        """Return what is said of a body."""
        with self.assertRaises(MalformedRequest) as caught:
            decode(content)
        message = str(caught.exception)
        assert message.isprintable()
        assert len(message) < 300
        return message

    def test_a_body_that_was_lost(self) -> None:
        """Docker repeats a request without it."""
        for content in (b"", b" \r\n"):
            assert self.refusal(content) == "the request has no body; it has to be a JSON object"

    def test_what_is_not_json(self) -> None:
        """Text, half a document, bytes of no encoding, numbers that nobody could mean."""
        for content in (b"x", b'{"a": ', b"{'a': 1}", b'{"a": 1} x', b'{"a": "\n"}', b"\xff\xfe\xfd", b"1" * 5000):
            assert self.refusal(content).startswith("the request's body is not JSON: ")

    def test_json_that_is_no_object(self) -> None:
        """Each kind is named."""
        for content, kind in (
            (b"[]", "a list"),
            (b'"x"', "a string"),
            (b"1", "a number"),
            (b"NaN", "a number"),
            (b"true", "a boolean"),
            (b"null", "null"),
        ):
            assert self.refusal(content) == f"the request's body is {kind}; it has to be a JSON object"

    def test_nesting(self) -> None:
        """As deep as the decoder goes is fine; deeper is refused, not a crash."""
        assert decode(b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}")
        for opening in (b"[", b'{"a":'):
            assert self.refusal(opening * 100_000) == "the request's body is nested too deeply"

    def test_texts_that_no_database_stores(self) -> None:
        """Anywhere: in names, in values, deep inside; escaped, or as bytes that are not UTF-8."""
        for text in (rb"\u0000", rb"\ud800", rb"\udfff", rb"\udc00\ud800", b"\xed\xa0\x80"):
            for content in (b'{"a": "x%sy"}', b'{"x%sy": 1}', b'{"a": [1, {"b": ["", "x%sy"]}]}', b'{"a": {"x%s": 0}}'):
                message = self.refusal(content % text)
                assert "has a null character or half of a surrogate pair; leave it out" in message
        deep = b"[" * 900 + rb'"\ud800"' + b"]" * 900
        assert "surrogate pair" in self.refusal(b'{"a": ' + deep + b"}")

    def test_texts_of_any_script(self) -> None:
        """A whole surrogate pair is one character."""
        assert decode('{"a": "Zürich 研发"}'.encode())["a"] == "Zürich 研发"
        assert decode(rb'{"a": "\ud83d\ude00"}')["a"] == "\U0001f600"

    @settings(deadline=None)
    @given(st.binary(max_size=100))
    def test_any_bytes_are_an_object_or_refused(self, content: bytes) -> None:
        """Nothing else is raised."""
        try:
            assert isinstance(decode(content), dict)
        except MalformedRequest as problem:
            assert str(problem).isprintable()


class Fields(SynchronousTestCase):
    """One field at a time, by the message that a bad one gets."""

    def refused(self, read: str, value: object, due: str) -> None:
        """Assert that a reader of :class:`Body` refuses a value of the field ``F``, and says what is due."""
        with self.assertRaises(MalformedRequest) as caught:
            getattr(Body({"F": value}, "At"), read)("F")
        assert str(caught.exception) == f"field At.F: {shown(value)} is not allowed; it has to be {due}"

    def test_absent_and_null_are_the_same(self) -> None:
        """Go's encoder writes null for what is empty."""
        for body in (Body({}), Body({"F": None})):
            assert (body.text("F"), body.flag("F"), body.objects("F"), body.nested("F").fields) == ("", False, (), {})
            assert body.mac("F") is None
            assert body.interface_v4("F") is None
            assert body.interface_v6("F") is None
            assert body.gateway_v4("F") is None
            assert body.gateway_v6("F") is None

    def test_ids(self) -> None:
        """Docker's have 64 hexadecimal digits, Swarm's 25 letters and digits."""
        for good in (NETWORK, "s8wbxetcqj7e3y1a0b5l2kxyz", "A" * 16):
            assert Body({"F": good}).id("F") == good
        for bad in ("", "a" * 15, "a" * 65, "a" * 63 + "\n", "a" * 63 + "/", "a b" * 10, "é" * 20, "\u0661" * 20):
            self.refused("id", bad, "16 to 64 letters and digits")
        for wrong in (1, True, [NETWORK], {"a": 1}):
            self.refused("id", wrong, "a string")

    def test_flags(self) -> None:
        """Docker's command line sends some as text."""
        for yes in (True, "true", "True", "1"):
            assert Body({"F": yes}).flag("F") is True
        for no in (False, "false", "False", "0", ""):
            assert Body({"F": no}).flag("F") is False
        bad: object
        for bad in ("yes", 1, 0, [], {}):
            self.refused("flag", bad, "true or false")

    def test_objects_and_lists(self) -> None:
        """A wrong element is named by its place."""
        bad: object
        for bad in ([], "x", 1, False):
            self.refused("nested", bad, "an object")
        for bad in ({}, "x", 1, False):
            self.refused("objects", bad, "a list")
        with self.assertRaisesRegex(MalformedRequest, r"field F\[1\]: null is not allowed; it has to be an object"):
            Body({"F": [{}, None]}).objects("F")
        (_, second) = Body({"F": [{}, {"G": 1}]}).objects("F")
        with self.assertRaisesRegex(MalformedRequest, r"field F\[1\]\.G: 1 is not allowed"):
            second.text("G")

    def test_macs(self) -> None:
        """In lower case; neither multicast nor zero."""
        assert Body({"F": "7A:42:0a:0B:0c:0D"}).mac("F") == "7a:42:0a:0b:0c:0d"
        for bad in ("7a:42:0a:0b:0c", "7a-42-0a-0b-0c-0d", "7a:42:0a:0b:0c:0d\n", "7a:42:0a:0b:0c:0g", "x"):
            self.refused("mac", bad, "six pairs of hexadecimal digits with colons between them")
        for special in ("01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"):
            self.refused("mac", special, "a unicast address that is not zero")

    def test_addresses(self) -> None:
        """With a prefix length, of the right family, without a zone."""
        body = Body({"4": "10.21.59.2/24", "6": "fd00::2/64"})
        assert (body.interface_v4("4"), body.gateway_v4("4")) == (
            IPv4Interface("10.21.59.2/24"),
            IPv4Address("10.21.59.2"),
        )
        assert (body.interface_v6("6"), body.gateway_v6("6")) == (IPv6Interface("fd00::2/64"), IPv6Address("fd00::2"))
        for bad in ("x", "10.21.59.2/33", "10.21.59.256/24", "fd00::2/64", "10.21.59.2/24\n", "10.21.59.02/24", "/"):
            self.refused("interface_v4", bad, "an IPv4 address with a prefix length")
        for wrong in ("x", "fd00::2/129", "10.21.59.2/24", "fe80::1%eth0/64", "fe80::1%\n/64", "fe80::1%/64"):
            self.refused("interface_v6", wrong, "an IPv6 address with a prefix length")

    def test_prefixes(self) -> None:
        """Host bits that were typed are cut off; one has to be there."""
        body = Body({"4": "10.21.59.0/24", "6": "fd00::/64"})
        assert (body.network_v4("4"), body.network_v6("6")) == (IPv4Network("10.21.59.0/24"), IPv6Network("fd00::/64"))
        typed = Body({"4": "10.21.59.7/24", "6": "fd00::5/64"})
        assert (typed.network_v4("4"), typed.network_v6("6")) == (body.network_v4("4"), body.network_v6("6"))
        for bad in ("fd00::/64", "x", "10.0.0.0/-1", "10.0.0.0/0x8"):
            self.refused("network_v4", bad, "an IPv4 prefix")
        for wrong in ("10.21.59.0/24", "x", "fd00::%1/64"):
            self.refused("network_v6", wrong, "an IPv6 prefix")
        for read in ("network_v4", "network_v6"):
            self.refused(read, "", "a value")

    def test_a_value_is_shown_in_one_line_and_not_at_any_length(self) -> None:
        """As JSON; containers by their kind."""
        assert shown('a"\n') == r'"a\"\n"'
        assert shown({"a": 1}) == "an object"
        assert shown([1]) == "a list"
        assert shown("x" * 1000) == f'"{"x" * 79}… (1002 characters)'


class Requests(SynchronousTestCase):
    """Whole requests."""

    def test_create_network(self) -> None:
        """The user's options, the pools and the flag stand in different places."""
        body = network_body(
            Options={"com.docker.network.generic": OPTIONS, "com.docker.network.internal": True},
            IPv6Data=[{"Pool": "fd00::/64", "Gateway": ""}],
        )
        assert payloads.network_request(Body(body)) == NetworkRequest(
            network_id=NETWORK,
            options=OPTIONS,
            internal=True,
            pools=(Pool4(IPv4Network("10.21.59.0/24"), IPv4Address("10.21.59.1"), "LocalDefault"),),
            pools_v6=(Pool6(IPv6Network("fd00::/64"), None),),
        )

    def test_a_network_without_anything(self) -> None:
        """What is absent, null or empty is none: whether that will do is not a matter of form."""
        for body in ({"NetworkID": NETWORK}, {"NetworkID": NETWORK, "Options": None, "IPv4Data": None}):
            request = payloads.network_request(Body(body))
            assert (request.options, request.internal, request.pools) == ({}, False, ())

    def test_create_endpoint(self) -> None:
        """What Docker has assigned, and options of any type."""
        interface = {"Address": "10.21.59.2/24", "AddressIPv6": "fd00::2/64", "MacAddress": "7A:42:00:00:00:01"}
        body = endpoint_body(Interface=interface, Options={"nuage.policy-group": "web", "ports": [1]})
        assert payloads.CreateEndpoint.from_body(Body(body)) == payloads.CreateEndpoint(
            NETWORK,
            ENDPOINT,
            IPv4Interface("10.21.59.2/24"),
            IPv6Interface("fd00::2/64"),
            "7a:42:00:00:00:01",
            {"nuage.policy-group": "web", "ports": [1]},
        )

    def test_the_ids_of_each_request(self) -> None:
        """They are what the request is about."""
        for read, body in GOOD:
            request = read(Body(body))
            assert request.network_id == NETWORK
            assert getattr(request, "endpoint_id", ENDPOINT) == ENDPOINT

    def test_each_id_is_checked_in_each_request(self) -> None:
        """One that is missing or of a wrong form or type."""
        bad: object
        for read, body in GOOD:
            for name in set(body) & set(IDS):
                for bad in (None, "", "short", 7, [], "x" * 65):
                    with self.assertRaisesRegex(MalformedRequest, f"^field {name}: "):
                        read(Body({**body, name: bad}))

    def test_a_bad_field_is_named_by_its_path(self) -> None:
        """From the top of the request."""
        for read, body, path in (
            (payloads.network_request, network_body(Options={"com.docker.network.generic": 1}), "Options.com.docker"),
            (payloads.network_request, network_body(IPv4Data=[{"Pool": 1}]), r"IPv4Data\[0\].Pool: 1"),
            (payloads.network_request, network_body(IPv6Data=[{"Pool": ""}]), r'IPv6Data\[0\].Pool: ""'),
            (payloads.CreateEndpoint.from_body, endpoint_body(Interface={"Address": 1}), "Interface.Address: 1"),
            (payloads.CreateEndpoint.from_body, endpoint_body(Options=[]), "Options: a list"),
            (payloads.AllocateNetwork.from_body, {"NetworkID": NETWORK, "Options": {"a": 1}}, "Options.a: 1"),
        ):
            with self.assertRaisesRegex(MalformedRequest, f"^field {path}"):
                read(Body(body))

    def test_requests_of_which_nothing_is_needed(self) -> None:
        """Whatever stands in them."""
        assert payloads.Discovery.from_body(Body({"DiscoveryType": "?"})) == payloads.Discovery()


class Answers(SynchronousTestCase):
    """What goes out."""

    def test_the_form_of_each(self) -> None:
        """The names are moby's; nothing is repeated that Docker gave."""
        v4, v6 = IPv4Address("10.21.59.1"), IPv6Address("fd00::1")
        link = {"SrcName": "nc1", "DstPrefix": "eth"}
        answers: tuple[tuple[Any, dict[str, Any]], ...] = (
            (payloads.Empty(), {}),
            (payloads.Activation(("NetworkDriver",)), {"Implements": ["NetworkDriver"]}),
            (payloads.Capabilities("local"), {"Scope": "local", "ConnectivityScope": "global"}),
            (payloads.Allocation(OPTIONS), {"Options": OPTIONS}),
            (payloads.CreatedEndpoint(None), {"Interface": {}}),
            (payloads.CreatedEndpoint("7a:42:00:00:00:01"), {"Interface": {"MacAddress": "7a:42:00:00:00:01"}}),
            (payloads.Joined("nc1"), {"InterfaceName": link, "DisableGatewayService": True}),
            (payloads.Joined("nc1", gwbridge=True), {"InterfaceName": link}),
            (payloads.Joined("nc1", v4), {"InterfaceName": link, "Gateway": str(v4)}),
            (
                payloads.Joined("nc1", None, v6),
                {"InterfaceName": link, "GatewayIPv6": str(v6), "DisableGatewayService": True},
            ),
            (payloads.Joined("nc1", v4, v6), {"InterfaceName": link, "Gateway": str(v4), "GatewayIPv6": str(v6)}),
            (
                payloads.Joined("nc1", v4, name="lan"),
                {"InterfaceName": {**link, "DstName": "lan"}, "Gateway": str(v4)},
            ),
            (
                payloads.Joined("nc1", v4, name="web10"),
                {"InterfaceName": {**link, "DstPrefix": "web1", "DstName": "web10"}, "Gateway": str(v4)},
            ),
            (
                payloads.Joined("nc1", v4, name="0"),
                {"InterfaceName": {**link, "DstName": "0"}, "Gateway": str(v4)},
            ),
            # Docker up to 26.1 counts on with each connection, and a name that gets too long ends it.
            *(
                (
                    payloads.Joined("nc1", v4, name=name),
                    {"InterfaceName": {**link, "DstPrefix": prefix, "DstName": name}, "Gateway": str(v4)},
                )
                for name, prefix in (("abcdefghijkl0", "abcdefghijkl"), ("abcdefghijklm0", "eth"))
            ),
            (payloads.OperationalInfo({"ofport": 1}), {"Value": {"ofport": 1}}),
        )
        for answer, wire in answers:
            assert answer.to_json() == wire
            assert json.loads(json.dumps(wire)) == wire
