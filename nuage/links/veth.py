"""Veth pairs, one netlink request after the other.

These functions block: :mod:`nuage.links.links` runs them in threads.

Two marks on its host end say who owns a link. The kernel takes the *group* in the same message that makes the pair, so
a pair of ours is never unmarked. The kernel ignores the *alias*, which names the exact owner, in that message, so it
follows in the next one together with "up". A pair of our group without an alias is therefore half made: its maker was
killed in between, nobody has used it, and it may be removed by its name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import Any, Protocol

import attrs

from nuage.errors import LinkError

#: The link group of the host ends: "nuag" in ASCII. Groups have no meaning to the kernel (ip-link(8), "group").
GROUP = 0x6E756167

#: Flag of a link that is administratively up: IFF_UP in linux/if.h.
UP = 0x1
#: Flag of a link that carries traffic, which a veth does while its other end is up: IFF_RUNNING in linux/if.h.
CARRIER = 0x40

_REMEDIES = {
    errno.EPERM: "the daemon needs the capability CAP_NET_ADMIN",
    errno.EACCES: "the daemon needs the capability CAP_NET_ADMIN",
    errno.EOPNOTSUPP: 'the kernel has no veth devices: load its module "veth"',
    errno.EINVAL: "check the names and the MTU",
    errno.ERANGE: "a name may have at most 15 characters",
    errno.EADDRNOTAVAIL: "the MAC address has to be unicast and not zero",
    errno.ENOMEM: "the kernel is out of memory",
    errno.ENOBUFS: "the kernel is out of memory",
}


class KernelError(Exception):
    """The kernel answered a request with an error.

    Args:
        code: Its number, see errno(3).
        reason: It in words, those of the C library unless others are given.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason or os.strerror(code))
        self.code = code


class NotOurs(LinkError):
    """The link is somebody else's: it is left alone, and it is no use to try again."""


class Netlink(Protocol):
    """The kernel's links: :class:`nuage.links.kernel.Kernel`."""

    def open(self) -> None:
        """Open the socket that changes links, unless it is open. The first change does so too."""

    def link(self, command: str, **kwarg: Any) -> Any:
        """Send one RTM_NEWLINK or RTM_DELLINK, as pyroute2's ``IPRoute.link`` does.

        Raises:
            KernelError: The kernel answered with an error.
        """

    def find(self, name: str) -> Link | None:
        """Return the link of this name, or None if there is none.

        Raises:
            OSError: The kernel refused.
        """

    def links(self) -> Iterable[Link]:
        """Return all links.

        Raises:
            OSError: The kernel refused.
        """

    def close(self) -> None:
        """Close the socket, if it was opened."""


@attrs.frozen(kw_only=True)
class Pair:
    """A veth pair as it should be. ``mac`` is that of the container's end, ``mtu`` (bytes) that of both."""

    host_name: str
    container_name: str
    mac: str
    mtu: int
    alias: str


@attrs.frozen(kw_only=True)
class Link:
    """A link as the kernel describes it; ``peer`` is the index of a veth's other end."""

    name: str
    index: int
    alias: str
    group: int
    mac: str
    mtu: int
    up: bool
    carrier: bool
    peer: int | None

    @property
    def half_made(self) -> bool:
        """Whether this is a host end whose maker did not live to set the alias."""
        return self.group == GROUP and not self.alias

    def belongs_to(self, alias: str) -> bool:
        """Whether this link, found under a name of the owner's, is proven to be the owner's."""
        return self.alias == alias or self.half_made


def create(netlink: Netlink, pair: Pair) -> None:
    """Make the pair, or see that it is there as wanted. It takes two requests if nothing is in the way.

    Raises:
        LinkError: The kernel refused. Nothing is left behind.
        NotOurs: One of the names is taken by somebody else's link.
    """
    try:
        if not _add(netlink, pair):
            if _is_as_wanted(netlink, pair):
                return
            _make_way(netlink, pair)
            if not _add(netlink, pair):
                raise LinkError(f"link {pair.host_name}: somebody else makes links of this name at the same time")
        _own(netlink, pair)
    except KernelError as problem:
        raise _refused(f"cannot make the link {pair.host_name} with its end {pair.container_name}", problem) from None


def remove(netlink: Netlink, host_name: str, alias: str) -> bool:
    """Remove the pair of the host end ``host_name`` if ``alias`` owns it; return whether it was there.

    Raises:
        LinkError: The kernel refused.
        NotOurs: The link is somebody else's.
    """
    try:
        link = netlink.find(host_name)
        if link is None:
            return False
        _demand_ownership(link, alias)
        return _delete(netlink, link)
    except KernelError as problem:
        raise _refused(f"cannot remove the link {host_name}", problem) from None


def mend(netlink: Netlink, name: str, host_name: str, alias: str) -> None:
    """Give the link ``name`` its name ``host_name`` and its alias back, and set it up, if ``alias`` owns it.

    Raises:
        LinkError: The kernel refused, or the link is gone.
        NotOurs: The link is somebody else's, or somebody else's link has the name.
    """
    try:
        link = netlink.find(name)
        if link is None:
            raise LinkError(f"link {name} is gone")
        _demand_ownership(link, alias)
        try:
            if link.name != host_name:
                _rename(netlink, link, host_name)
        finally:
            netlink.link("set", index=link.index, ifalias=alias, state="up")
    except KernelError as problem:
        raise _refused(f"cannot mend the link {name}", problem) from None


def _add(netlink: Netlink, pair: Pair) -> bool:
    """Make the pair; return False if one of its names is taken."""
    peer = {"ifname": pair.container_name, "address": pair.mac, "mtu": pair.mtu}
    try:
        netlink.link("add", kind="veth", ifname=pair.host_name, mtu=pair.mtu, group=GROUP, peer=peer)
    except KernelError as problem:
        if problem.code != errno.EEXIST:
            raise
        return False
    return True


def _own(netlink: Netlink, pair: Pair) -> None:
    try:
        netlink.link("set", ifname=pair.host_name, ifalias=pair.alias, state="up")
    except KernelError:
        link = netlink.find(pair.host_name)
        if link is not None and link.belongs_to(pair.alias):
            _delete(netlink, link)
        raise


def _is_as_wanted(netlink: Netlink, pair: Pair) -> bool:
    host, end = netlink.find(pair.host_name), netlink.find(pair.container_name)
    return (
        host is not None
        and end is not None
        and (host.alias, host.group, host.mtu, host.up, host.peer) == (pair.alias, GROUP, pair.mtu, True, end.index)
        and (end.mac, end.mtu, end.peer) == (pair.mac.lower(), pair.mtu, host.index)
    )


def _make_way(netlink: Netlink, pair: Pair) -> None:
    """Remove our own remains; refuse to touch anybody else's."""
    host = netlink.find(pair.host_name)
    if host is not None:
        _demand_ownership(host, pair.alias)
        _delete(netlink, host)
    end = netlink.find(pair.container_name)
    if end is not None:
        raise NotOurs(
            f"link {end.name} exists and is not the other end of {pair.host_name}, "
            f'which "{pair.alias}" needs it for: remove or rename it'
        )


def _rename(netlink: Netlink, link: Link, name: str) -> None:
    if netlink.find(name) is not None:
        raise NotOurs(f"another link has the name {name}, which belongs to link {link.name}: remove or rename it")
    # The kernel renames a link only while it is down.
    netlink.link("set", index=link.index, state="down")
    netlink.link("set", index=link.index, ifname=name)


def _demand_ownership(link: Link, alias: str) -> None:
    if not link.belongs_to(alias):
        owner = f'belongs to "{link.alias}"' if link.alias else "has no alias"
        raise NotOurs(f'link {link.name} {owner}, not to "{alias}": it is left alone; remove or rename it')


def _delete(netlink: Netlink, link: Link) -> bool:
    """Remove the link by its index: its name could be another link's by now."""
    try:
        netlink.link("del", index=link.index)
    except KernelError as problem:
        if problem.code != errno.ENODEV:
            raise
        return False
    return True


def _refused(what: str, problem: KernelError) -> LinkError:
    remedy = _REMEDIES.get(problem.code)
    return LinkError(f"{what}: {problem}" + (f"; {remedy}" if remedy else ""))
