"""What systemd and its services say to each other: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).

It is all in the environment and in datagrams, so this needs no library, and without systemd nothing happens.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from nuage.errors import ConfigurationError

#: The number of the first file descriptor that is passed (SD_LISTEN_FDS_START).
_FIRST_DESCRIPTOR = 3


def environment() -> Mapping[str, str]:
    """Return the environment that this process was started with, see proc(5).

    Twisted removes the variables about passed sockets from ``os.environ`` when it loads its own plugins.
    """
    entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, _, value in pairs}


def passed_sockets(environ: Mapping[str, str], pid: int, expected: Mapping[str, Path]) -> dict[str, socket.socket]:
    """Return the listening sockets that systemd made and passed, ready for a reactor, by the keys of ``expected``.

    Args:
        environ: This process's environment.
        pid: This process.
        expected: The sockets that the configuration names, by its keys. The folder of a socket may have several names,
            so it is known by the name of its file, which also is the driver's.

    Raises:
        ConfigurationError: Something else was passed.
    """
    if environ.get("LISTEN_PID") != str(pid):
        # The variables are meant for another process, such as the one that started this one.
        return {}
    count = environ.get("LISTEN_FDS", "")
    if not count.isdecimal() or not 1 <= int(count) <= len(expected):
        raise ConfigurationError(
            f"systemd passed {count or 'no'} sockets; the socket unit has to have a ListenStream for plugin_socket, "
            "may have one for control_socket, and no others"
        )
    found: dict[str, socket.socket] = {}
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)):
        passed = _taken(descriptor, expected)
        found[_key_of(passed, {key: path for key, path in expected.items() if key not in found})] = passed
    return found


def _taken(descriptor: int, expected: Mapping[str, Path]) -> socket.socket:
    """Return what was passed as a descriptor, if it is a listening unix socket."""
    remedy = f"use ListenStream={next(iter(expected.values()))}"
    try:
        passed = socket.socket(fileno=descriptor)
    except OSError as problem:
        raise ConfigurationError(f"what systemd passed is not a socket: {problem.strerror}; {remedy}") from problem
    listens = passed.type == socket.SOCK_STREAM and passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if passed.family != socket.AF_UNIX or not listens:
        address = passed.getsockname()
        passed.detach()
        raise ConfigurationError(f"what systemd passed, {address}, is not a listening unix socket; {remedy}")
    passed.setblocking(False)
    passed.set_inheritable(False)
    return passed


def _key_of(passed: socket.socket, expected: Mapping[str, Path]) -> str:
    """Return the key of the configuration that names a socket."""
    address = passed.getsockname()
    for key, path in expected.items():
        if Path(address).name == path.name:
            return key
    passed.detach()
    named = " and ".join(f"{key} is {path}" for key, path in expected.items())
    raise ConfigurationError(f"systemd passed the socket {address}, but {named}; change one of them")


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Return the seconds between two signs of life that systemd asks for, None if it does not ask.

    That is half the time after which it takes the process for dead, as sd_watchdog_enabled(3) recommends.
    """
    microseconds = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not microseconds.isdecimal():
        return None
    return int(microseconds) / 2e6 or None


class Notices:
    """Tells systemd how the service is doing.

    A notice that nobody takes is lost: sending never blocks and never fails.

    Args:
        environ: This process's environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the null byte of an abstract socket's name.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def send(self, *assignments: str) -> None:
        """Send assignments, such as ``READY=1``, in one datagram."""
        if self._address.startswith(("/", "\0")):
            # A line break would begin another assignment.
            message = "\n".join(" ".join(assignment.splitlines()) for assignment in assignments)
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(message.encode(errors="replace"), self._address)
