"""What an endpoint's links and ports are called in the kernel and in the switch, and how long a name may be."""

from __future__ import annotations

#: Longest name of a network device: IFNAMSIZ in linux/if.h is 16, of which one byte ends the string.
DEVICE_NAME_LENGTH = 15

_HOST_PREFIX = "nu"
_CONTAINER_PREFIX = "nc"
_SIGNIFICANT = DEVICE_NAME_LENGTH - len(_HOST_PREFIX)

#: Start of the alias that marks a link as made by this driver; the endpoint's id follows.
LINK_MARK = "nuage endpoint "


#: The longest name that a Nuage VSD takes.
NAME_LENGTH = 255


def port_name(endpoint_id: str) -> str:
    """Name the endpoint's bridge port, which is its host end and its interface too: 13 characters of the id."""
    return _HOST_PREFIX + endpoint_id[:_SIGNIFICANT]


def container_end_name(endpoint_id: str) -> str:
    """Name the other end of the pair until Docker takes it into the sandbox and renames it."""
    return _CONTAINER_PREFIX + endpoint_id[:_SIGNIFICANT]


def link_alias(endpoint_id: str) -> str:
    """Return the alias of the host end. It proves that a link is this endpoint's."""
    return LINK_MARK + endpoint_id
