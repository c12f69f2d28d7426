"""Checks of configured values.

A check takes a value as YAML reads it and returns the one that is kept. It refuses a value with a ValueError. Its text
is the reason; if it has none, the reader of the configuration says what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

from nuage.given import name_problem

Check = Callable[[Any], Any]

#: Connection methods of an OVSDB that name a place themselves.
OVS_SCHEMES = ("unix", "tcp", "ssl")
#: The spellings of a scope, in lower case, and what is kept for each; the next two are alike.
SCOPES = {"local": "local", "global": "global"}
ADDRESS_FORMS = {"auto": "auto", "reservation": "reservation", "container": "container"}
LABEL_POLICIES = {"strict": "strict", "late": "late"}
LOG_LEVELS = {"debug": "Debug", "info": "Info", "warn": "Warn", "warning": "Warn", "error": "Error"}
LOG_LEVELS |= {"critical": "Critical"}
#: RFC 8200, section 5: no link that carries IPv6 may have a smaller MTU.
MTU_MIN, MTU_MAX = 1280, 65535

#: Where the VSD listens, by its documentation.
_VSD_PORT = 8443
_VSD_VERSION = re.compile(r"v[0-9]{1,2}(_[0-9]{1,2})?")
#: Where a port is that comes without an address: nobody else should reach it unless the user says so.
_LOOPBACK = "127.0.0.1"

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,253}(?<!-)")
_DEVICE_NAME = re.compile(r"[!-.0-9;-~]{1,15}")


def whole_number(low: int, high: int) -> tuple[Check, str]:
    """Return the check of a whole number from ``low`` to ``high``, and in words what it allows."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return check, f"a whole number from {low} to {high}"


def seconds(value: Any) -> float:
    """Allow 0.1 to 600 seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 600:
        raise ValueError
    return float(value)


def seconds_or_none(value: Any) -> float:
    """Allow 0 too, which means no time at all."""
    return 0.0 if value == 0 and not isinstance(value, bool) else seconds(value)


def name(value: Any) -> str:
    """Allow a name as Nuage has it."""
    if name_problem(value):
        raise ValueError
    return str(value)


def certificate_name(value: Any) -> str:
    """Allow a name as certificates have them: of a host, an address, or any text that ``ovs-pki`` was given."""
    if not isinstance(value, str) or not value.isprintable() or value.strip() != value or not 0 < len(value) <= 253:
        raise ValueError
    return value


def device_name(value: Any) -> str:
    """Allow what the kernel takes for a network device."""
    if not isinstance(value, str) or not _DEVICE_NAME.fullmatch(value) or value in (".", ".."):
        raise ValueError("is not a device name: 1 to 15 printable characters without space, slash and colon")
    return value


def one_of(choices: Mapping[str, str]) -> Check:
    """Return the check of a word, in any case, that is a key of ``choices``; its value is kept."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in choices:
            raise ValueError
        return choices[value.lower()]

    return check


def vrs_endpoint(value: Any) -> str:
    """Allow a host, or an OVS connection method (ovsdb(7))."""
    if not isinstance(value, str):
        raise ValueError
    scheme, colon, rest = value.partition(":")
    if colon and scheme in OVS_SCHEMES:
        _absolute(rest) if scheme == "unix" else _host_port(rest)
        return value
    try:
        return str(IPv6Address(value.removeprefix("[").removesuffix("]")))
    except ValueError:
        if _HOST_NAME.fullmatch(value):
            return value
        raise ValueError from None


def docker_endpoint(value: Any) -> str:
    """Allow ``unix:///path`` and ``tcp://host:port``."""
    if not isinstance(value, str):
        raise ValueError
    scheme, _, rest = value.partition("://")
    if scheme == "unix":
        _absolute(rest)
    elif scheme == "tcp":
        _host_port(rest)
    else:
        raise ValueError
    return value


def vsd_urls(value: Any) -> tuple[str, ...]:
    """Allow one or several ``https://host:port``, as a list or as a text with spaces or commas between them."""
    given = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(given, list) or not given:
        raise ValueError
    urls = tuple(map(_vsd_url, given))
    if len({*urls}) < len(urls):
        raise ValueError("has one of them twice")
    return urls


def _vsd_url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    scheme, _, rest = value.partition("://")
    if scheme != "https":
        raise ValueError(f'has to begin with https:// in "{value}": the password is sent there')
    host, _, path = rest.partition("/")
    if path or "@" in host:
        raise ValueError("needs no path" if path else "needs no user; that is vsd_user, with vsd_password_file")
    has_port = ":" in host.rpartition("]")[2]
    name_, port = _host_port(host if has_port else f"{host}:{_VSD_PORT}")
    if ":" in name_:
        # hyperlink, which treq reads URLs with, takes it for a host name.
        raise ValueError(f'needs a host name for the IPv6 address in "{value}"')
    return f"https://{name_}:{port}"


def vsd_version(value: Any) -> str:
    """Allow a version of the VSD's interface, which is a part of its URLs."""
    if not isinstance(value, str) or not _VSD_VERSION.fullmatch(value):
        raise ValueError
    return value


def vsd_user(value: Any) -> str:
    """Allow a name without a colon: it would end there (RFC 7617, section 2)."""
    if ":" in name(value):
        raise ValueError
    return str(value)


def password(value: Any) -> str:
    """Allow a text in one line. A number that is not in quotes may have lost its zeros."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return value


def boolean(value: Any) -> bool:
    """Allow true and false."""
    if not isinstance(value, bool):
        raise ValueError
    return value


def listening_address(value: Any) -> str:
    """Allow a port, which is one of 127.0.0.1, and ``address:port``. A name could come to mean another address."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    host, port = _host_port(str(value) if ":" in str(value) else f"{_LOOPBACK}:{value}")
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(f'needs an address of this machine before the port, not the name "{host}"') from None
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def socket_path(value: Any) -> Path:
    """Allow an absolute path that a socket can have."""
    path = _path(value)
    # unix(7): sun_path is 108 bytes, one of them ends the string.
    if len(os.fsencode(path)) > 107:
        raise ValueError("is longer than the 107 bytes that a socket's path may have")
    return path


def readable_file(value: Any) -> Path:
    """Allow the absolute path of a file that this process can read."""
    path = _path(value)
    if not path.is_file():
        raise ValueError("does not exist" if not path.exists() else "is not a file")
    if not os.access(path, os.R_OK):
        raise ValueError("cannot be read by this user")
    return path


def secret_file(value: Any) -> Path:
    """Allow a readable file that is closed to other users."""
    path = readable_file(value)
    if path.stat().st_mode & 0o077:
        raise ValueError(f"holds a secret and is open to other users: chmod 600 {path}")
    return path


def _host_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; an IPv6 address has brackets around it."""
    host, colon, port = text.rpartition(":")
    # A user and a password before the host are not shown.
    text = text.rpartition("@")[2]
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f'has no port between 1 and 65535 after the host in "{text}"')
    if host.startswith("[") and host.endswith("]"):
        return str(IPv6Address(host[1:-1])), int(port)
    if not _HOST_NAME.fullmatch(host):
        raise ValueError(f'has no usable host name or address in "{text}" (put an IPv6 address in brackets)')
    return host, int(port)


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f'needs an absolute path, not "{path}"')
    return path


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError
    return Path(_absolute(value))
