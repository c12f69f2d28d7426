"""The options of an endpoint: what a user gives with ``driver-opt``, and Docker tells when it creates the endpoint.

Docker sends its own options along, whose keys begin with ``com.docker.``. It carries them out itself, but for the name
of the interface.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from nuage.errors import Refused
from nuage.given import problem_of
from nuage.names import DEVICE_NAME_LENGTH
from nuage.text import shown
from nuage.vrs.policy import ENDPOINT_OPTIONS, PREFIX, ours

#: Names the interface in the container (moby ``libnetwork/netlabel``, Docker 28 and later).
INTERFACE_NAME = "com.docker.network.endpoint.ifname"

#: What Linux takes in the name of a device (``dev_valid_name`` in ``net/core/dev.c``), as far as it can be printed. It
#: takes "%" for a place to put a number.
_IN_NAMES = frozenset(string.ascii_letters + string.digits + string.punctuation) - frozenset("/:%")
#: Names that stand for something else: folders, the loopback, and in /proc/sys/net all devices and future ones.
_TAKEN = (".", "..", "lo", "all", "default")


def endpoint_options(options: Mapping[str, object]) -> dict[str, str]:
    """Return this driver's options of an endpoint.

    Raises:
        Refused: One is unknown, or its value is not a name.
    """
    given = ours(options)
    for key, value in given.items():
        if problem := problem_of("driver-opt", key, value, ENDPOINT_OPTIONS):
            raise Refused(problem)
    return {key: str(value) for key, value in given.items()}


def check_spelling(options: Mapping[str, object]) -> None:
    """Make sure that no option was meant for this driver that lacks its prefix, such as ``policy-group``.

    Such an option has no effect. So nobody looks for it at a container that runs already.

    Raises:
        Refused: One was.
    """
    for key in options:
        if not key.startswith(PREFIX) and _bare(key) in map(_bare, ENDPOINT_OPTIONS):
            raise Refused(problem_of("driver-opt", key, options[key], ENDPOINT_OPTIONS))


def _bare(key: str) -> str:
    """Return what is left of a key without its prefix, capitals and what separates its words, whatever that is."""
    return re.sub("[^a-z]", "", key.lower()).removeprefix("nuage")


def interface_name(options: Mapping[str, object]) -> str | None:
    """Return the name that the interface is to have in the container, None if the user gave none.

    Raises:
        Refused: It cannot be the name of an interface.
    """
    if INTERFACE_NAME not in options:
        return None
    name = options[INTERFACE_NAME]
    if not isinstance(name, str) or not _can_name_a_device(name):
        raise Refused(
            f'driver-opt "{INTERFACE_NAME}" is {shown(name)}; give a name of 1 to {DEVICE_NAME_LENGTH} printable ASCII '
            f'characters without space, "/", ":" and "%", other than {", ".join(map(shown, _TAKEN))}'
        )
    return name


def _can_name_a_device(name: str) -> bool:
    return 1 <= len(name) <= DEVICE_NAME_LENGTH and _IN_NAMES.issuperset(name) and name not in _TAKEN
