"""The list of links that is read by hand says the same as a library that decodes everything."""

from __future__ import annotations

import errno
import itertools
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

    def listed_while(self, change: Callable[[Any], None]) -> list[Link]:
        """Return the list if something changes each time that one of its links is read, the first one excluded."""

        def listed(route: Any) -> list[Link]:
            read = listing._link
            names: list[str] = []

            def read_and_change(body: memoryview) -> Link:
                link = read(body)
                if names:
                    change(route)
                names.append(link.name)
                return link

            with mock.patch.object(listing, "_link", read_and_change):
                return list(listing.links())

        found: list[Link] = self.inside(listed)
        return found

    def make_pairs(self) -> None:
        """Make more links than the kernel puts into one piece."""

        def make(route: Any) -> None:
            for number in range(PAIRS):
                route.link("add", kind="veth", ifname=f"nu{number}", peer=f"nc{number}")

        self.inside(make)

    def test_links_that_change_meanwhile(self) -> None:
        """The kernel says that its list may lack links, or have one twice: it is asked again."""
        self.make_pairs()
        changes = [lambda route: route.link("del", ifname="nu1"), lambda route: route.link("del", ifname="nu2")]
        names = [link.name for link in self.listed_while(lambda route: changes.pop()(route) if changes else None)]
        kept = [number for number in range(PAIRS) if number not in (1, 2)]
        self.assertEqual(sorted(names), sorted(["lo", *(f"{end}{number}" for number in kept for end in ("nu", "nc"))]))

    def test_links_that_change_all_the_time(self) -> None:
        """There is no list then, and the reason is told."""
        self.make_pairs()
        numbers = itertools.count()

        def change(route: Any) -> None:
            if (number := next(numbers)) % 50 == 0:
                route.link("add", kind="veth", ifname=f"x{number}", peer=f"y{number}")

        with self.assertRaises(OSError) as raised:
            self.listed_while(change)
        self.assertEqual(raised.exception.errno, errno.EINTR)
        self.assertIn("links came or went during each of 5 attempts to list them", str(raised.exception))

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
