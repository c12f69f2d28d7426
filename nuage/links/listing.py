"""The kernel's links, read by hand: of each link only what is asked of it.

A netlink library that decodes everything takes 0.3 ms a link and holds the interpreter for as long; a thousand
endpoints would stop the daemon's other threads for half a second at each audit. Here they take some 20 ms. When
pyroute2 is asked for a single link, it keeps the acknowledgement for as long as its socket lives, each in a piece of a
large buffer: 2 KB for each container that stopped. Here no acknowledgement is asked for.

The format is that of rtnetlink(7): a header, ``struct ifinfomsg``, and attributes which each begin with their length
and type and are padded to four bytes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Generator, Iterator
from contextlib import closing, suppress

from nuage.links.veth import CARRIER, UP, Link

_HEADER = struct.Struct("=IHHII")
_INFO = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=I")
_ERROR = struct.Struct("=i")

# linux/netlink.h and linux/rtnetlink.h
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_REQUEST, _DUMP = 0x1, 0x300
#: Set in the rest of a list if links came or went after its beginning: some may be missing, or be there twice.
_DUMP_INTERRUPTED = 0x10
#: The upper two bits of an attribute's type are flags.
_TYPE = 0x3FFF

# linux/if_link.h
_ADDRESS, _NAME, _MTU, _PEER, _ALIAS, _GROUP, _MASK = 1, 3, 4, 5, 20, 27, 29
_NO_STATISTICS = 1 << 3

#: A dump comes in pieces of at most 32 KiB (netlink(7)).
_PIECE = 1 << 16
#: Seconds to wait for the kernel's answer.
_PATIENCE = 10
#: How often the kernel is asked for a list, if it is interrupted each time.
_ATTEMPTS = 5


class _Interrupted(Exception):
    """A list cannot be relied on."""


def links() -> list[Link]:
    """Return all links of the thread's network namespace.

    Raises:
        OSError: The kernel refused, or links came and went each time that it was asked.
    """
    for _ in range(_ATTEMPTS):
        with suppress(_Interrupted):
            return list(_answer(_request(_REQUEST | _DUMP)))
    raise OSError(errno.EINTR, f"links came or went during each of {_ATTEMPTS} attempts to list them")


def link(name: str) -> Link | None:
    """Return the link of this name in the thread's network namespace, None if there is none.

    Raises:
        OSError: The kernel refused.
    """
    try:
        with closing(_answer(_request(_REQUEST, _attribute(_NAME, name.encode() + b"\0")))) as answer:
            return next(answer)
    except OSError as problem:
        if problem.errno != errno.ENODEV:
            raise
        return None


def _answer(request: bytes) -> Generator[Link, None, None]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_PATIENCE)
        kernel.bind((0, 0))
        kernel.send(request)
        while True:
            for kind, flags, body in _messages(kernel.recv(_PIECE)):
                if flags & _DUMP_INTERRUPTED:
                    raise _Interrupted
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = -_ERROR.unpack_from(body)[0]
                    raise OSError(code, os.strerror(code))
                if kind == _RTM_NEWLINK:
                    yield _link(body)


def _request(flags: int, attributes: bytes = b"") -> bytes:
    body = _INFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _attribute(_MASK, _NUMBER.pack(_NO_STATISTICS)) + attributes
    return _HEADER.pack(_HEADER.size + len(body), _RTM_GETLINK, flags, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value.ljust(_padded(length) - _ATTRIBUTE.size, b"\0")


def _messages(data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    view, start = memoryview(data), 0
    while start < len(view):
        length, kind, flags, *_ = _HEADER.unpack_from(view, start)
        yield kind, flags, view[start + _HEADER.size : start + length]
        start += _padded(length)


def _link(body: memoryview) -> Link:
    _family, _type, index, flags, _change = _INFO.unpack_from(body)
    attributes = dict(_attributes(body))
    return Link(
        name=_text(attributes.get(_NAME)),
        index=index,
        alias=_text(attributes.get(_ALIAS)),
        group=_number(attributes.get(_GROUP)) or 0,
        mac=bytes(attributes.get(_ADDRESS, b"")).hex(":"),
        mtu=_number(attributes.get(_MTU)) or 0,
        up=bool(flags & UP),
        carrier=bool(flags & CARRIER),
        peer=_number(attributes.get(_PEER)),
    )


def _attributes(body: memoryview) -> Iterator[tuple[int, memoryview]]:
    start = _INFO.size
    while start < len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, start)
        yield kind & _TYPE, body[start + _ATTRIBUTE.size : start + length]
        start += _padded(length)


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _text(value: memoryview | None) -> str:
    return "" if value is None else bytes(value).rstrip(b"\0").decode("utf-8", "replace")


def _number(value: memoryview | None) -> int | None:
    return None if value is None else int(_NUMBER.unpack_from(value)[0])
