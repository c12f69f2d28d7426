"""The list of links that is read by hand says the same as a library that decodes everything."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from contextlib import closing
from typing import Any
from unittest import mock

from pyroute2 import IPRoute
from twisted.trial.unittest import SynchronousTestCase

from lab.shell import wait_until
from nuage.links import listing, veth
from nuage.links.kernel import Kernel
from nuage.links.veth import Link, Pair
from tests.test_links import demand_namespace, enter, in_thread

#: Enough for a list in several pieces.
PAIRS = 60


def _carriers() -> set[str]:
    """Return the names of our links that carry traffic."""
    return {link.name for link in listing.links() if link.carrier and link.name.startswith("n")}


class LinkListTests(SynchronousTestCase):
    """On the real kernel, in a namespace of its own."""

    def setUp(self) -> None:
        """Make the namespace."""
        self.namespace = demand_namespace()
        self.addCleanup(os.close, self.namespace)

    def inside(self, work: Callable[[Any], Any]) -> Any:
        """Do something in the namespace."""

        def run() -> Any:
            enter(self.namespace)
            with IPRoute() as route:
                return work(route)

        return in_thread(run)

    def listed(self) -> list[Link]:
        """Return the list."""
        links: list[Link] = self.inside(lambda _netlink: list(listing.links()))
        return links

    def test_the_same_as_asked_one_by_one(self) -> None:
        """Names, aliases with any characters, groups, addresses, peers, whether they are up and carry traffic."""

        def make(route: Any) -> None:
            with closing(Kernel()) as netlink:
                for number in range(PAIRS):
                    pair = Pair(
                        host_name=f"nu{number}",
                        container_name=f"nc{number}",
                        mac=f"7a:42:00:00:00:{number:02x}",
                        mtu=1280 + number,
                        alias="ü" * number + "x",
                    )
                    veth.create(netlink, pair)
            route.link("set", ifname="nc1", state="up")
            route.link("add", kind="bridge", ifname="br")
            # The kernel tells the carrier somewhat later.
            wait_until("both ends have a carrier", lambda: _carriers() == {"nu1", "nc1"}, 10)

        self.inside(make)
        links = self.listed()
        self.assertEqual(len(links), 2 * PAIRS + 2)
        names = [link.name for link in links]
        decoded = self.inside(lambda route: [_described(route.link("get", ifname=name)) for name in names])
        self.assertEqual(links, decoded)
        self.assertEqual(links, self.inside(lambda _netlink: [listing.link(name) for name in names]))
        self.assertIsNone(self.inside(lambda _netlink: listing.link("absent")))
        self.assertEqual({link.name for link in links if link.carrier and link.name.startswith("n")}, {"nu1", "nc1"})

    def test_a_refusal_is_raised(self) -> None:
        """With the kernel's own reason."""
        refused = mock.patch.object(listing, "_RTM_GETLINK", 0xFFF)
        with refused, self.assertRaises(OSError) as raised:
            self.listed()
        self.assertEqual(raised.exception.errno, errno.EOPNOTSUPP)

    def test_what_is_not_asked_for_is_passed_over(self) -> None:
        """Attributes of other kinds, flags in their types, and messages of other kinds."""
        attribute = struct.pack("=HH6s2x", 10, 3 | 0x8000, b"eth42\0") + struct.pack("=HH4s", 8, 0x999, b"none")
        body = listing._INFO.pack(0, 1, 7, 0x41, 0) + attribute
        link = listing._link(memoryview(body))
        self.assertEqual((link.name, link.index, link.up, link.carrier), ("eth42", 7, True, True))
        self.assertEqual((link.alias, link.group, link.mac, link.mtu, link.peer), ("", 0, "", 0, None))


def _described(messages: Any) -> Link:
    """Return a link as pyroute2 decodes it."""
    (message,) = messages
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        index=message["index"],
        alias=message.get_attr("IFLA_IFALIAS") or "",
        group=message.get_attr("IFLA_GROUP") or 0,
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu=message.get_attr("IFLA_MTU") or 0,
        up=bool(message["flags"] & veth.UP),
        carrier=bool(message["flags"] & veth.CARRIER),
        peer=message.get_attr("IFLA_LINK"),
    )
