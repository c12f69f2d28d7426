"""Reading a decoded JSON object field by field, with errors that name the field and the value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, TypeVar

import attrs

from nuage.errors import MalformedRequest
from nuage.model import parse_address
from nuage.text import LONGEST_SHOWN, kind_of, shown

T = TypeVar("T")

#: Docker's ids are 64 hexadecimal digits, those of Swarm 25 letters and digits.
_ID = re.compile(r"[0-9A-Za-z]{16,64}")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
#: What no text in the switch's database can hold. UTF-8 cannot hold half a surrogate pair either.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def decode(content: bytes) -> Mapping[str, Any]:
    """Decode a request's body.

    Raises:
        MalformedRequest: It is empty, not JSON, or not an object, or it has a text that cannot be stored.
    """
    if not content.strip():
        # A request that Docker sends again after a broken connection has lost its body.
        raise MalformedRequest("the request has no body; it has to be a JSON object")
    try:
        decoded = json.loads(content)
    except RecursionError:
        raise MalformedRequest("the request's body is nested too deeply") from None
    except ValueError as problem:
        raise MalformedRequest(f"the request's body is not JSON: {problem}") from None
    if not isinstance(decoded, dict):
        raise MalformedRequest(f"the request's body is {kind_of(decoded)}; it has to be a JSON object")
    for text in _texts(decoded):
        if _UNSTORABLE.search(text):
            raise MalformedRequest(f"{shown(text)} has a null character or half of a surrogate pair; leave it out")
    return decoded


def _texts(decoded: object) -> Iterator[str]:
    """Yield all texts of a JSON value, the names of fields too. It does not recurse: the value may be nested deeply."""
    left = [decoded]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


@attrs.frozen
class Body:
    """A JSON object of a request. ``path`` says where in the request it is, for messages."""

    fields: Mapping[str, Any]
    path: str = ""

    def id(self, name: str) -> str:
        """Return the id of a network or an endpoint."""
        value = self.text(name)
        if not _ID.fullmatch(value):
            raise self._wrong(name, value, "16 to 64 letters and digits")
        return value

    def text(self, name: str) -> str:
        """Return a text, "" if the field is absent or null."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, value, "a string")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean, False if the field is absent or null. Docker's CLI sends some of them as text."""
        value = self.fields.get(name)
        if value is None or value is False or value in ("false", "False", "0", ""):
            return False
        if value is True or value in ("true", "True", "1"):
            return True
        raise self._wrong(name, value, "true or false")

    def nested(self, name: str) -> Body:
        """Return a nested object, an empty one if the field is absent or null."""
        value = self.fields.get(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._wrong(name, value, "an object")
        return Body(value, self._at(name))

    def objects(self, name: str) -> tuple[Body, ...]:
        """Return a list of objects, an empty one if the field is absent or null."""
        value = self.fields.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._wrong(name, value, "a list")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self._wrong(f"{name}[{index}]", item, "an object")
        return tuple(Body(item, self._at(f"{name}[{index}]")) for index, item in enumerate(value))

    def texts(self) -> Mapping[str, str]:
        """Return the object itself as a map from text to text."""
        return {name: self.text(name) for name in self.fields}

    def mac(self, name: str) -> str | None:
        """Return a MAC address in lower case, None if it is absent or empty."""
        value = self.text(name)
        if not value:
            return None
        if not _MAC.fullmatch(value):
            raise self._wrong(name, value, "six pairs of hexadecimal digits with colons between them")
        if int(value[:2], 16) & 1 or value == "00:00:00:00:00:00":
            raise self._wrong(name, value, "a unicast address that is not zero")
        return value.lower()

    def interface_v4(self, name: str) -> IPv4Interface | None:
        """Return an IPv4 address with its prefix length, None if it is absent or empty."""
        return self._parsed(name, IPv4Interface, "an IPv4 address with a prefix length")

    def interface_v6(self, name: str) -> IPv6Interface | None:
        """Return an IPv6 address with its prefix length, None if it is absent or empty."""
        return self._parsed(name, IPv6Interface, "an IPv6 address with a prefix length")

    def network_v4(self, name: str) -> IPv4Network:
        """Return an IPv4 prefix. Host bits that a user typed are cut off, as Docker does."""
        return self._required(name, self._parsed(name, partial(IPv4Network, strict=False), "an IPv4 prefix"))

    def network_v6(self, name: str) -> IPv6Network:
        """Return an IPv6 prefix; see :meth:`network_v4`."""
        return self._required(name, self._parsed(name, partial(IPv6Network, strict=False), "an IPv6 prefix"))

    def network(self, name: str) -> IPv4Network | IPv6Network | None:
        """Return a prefix of either family, None if it is absent or empty; see :meth:`network_v4`."""
        return self._parsed(name, partial(ip_network, strict=False), "an IPv4 or IPv6 prefix")

    def address(self, name: str) -> IPv4Address | IPv6Address | None:
        """Return an address of either family without a prefix length, None if it is absent or empty."""
        return self._parsed(name, ip_address, "an IPv4 or IPv6 address")

    def gateway_v4(self, name: str) -> IPv4Address | None:
        """Return the address of a gateway that comes with a prefix length."""
        found = self.interface_v4(name)
        return found.ip if found else None

    def gateway_v6(self, name: str) -> IPv6Address | None:
        """Return the address of a gateway that comes with a prefix length."""
        found = self.interface_v6(name)
        return found.ip if found else None

    def _parsed(self, name: str, kind: Callable[[str], T], due: str) -> T | None:
        value = self.text(name)
        if not value:
            return None
        try:
            return parse_address(kind, value)
        except ValueError:
            raise self._wrong(name, value, due) from None

    def _required(self, name: str, value: T | None) -> T:
        if value is None:
            raise self._wrong(name, "", "a value")
        return value

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _wrong(self, name: str, value: Any, due: str) -> MalformedRequest:
        path = self._at(name)
        if not path.isprintable() or len(path) > LONGEST_SHOWN:
            # A part of it may be the name of a user's option.
            path = shown(path)
        return MalformedRequest(f"field {path}: {shown(value)} is not allowed; it has to be {due}")
