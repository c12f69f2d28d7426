"""What dockerd has the kernel do with the links of containers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs


class LinkUnusable(Exception):
    """A link is not there, or cannot be given what it is to have."""


@attrs.frozen(kw_only=True)
class Device:
    """What a link becomes in a container. Addresses have a prefix length; what there is none of is empty."""

    name: str
    mac: str
    addresses: Sequence[str]


class Namespaces(Protocol):
    """The network namespaces of containers, each named by a path."""

    def move(self, name: str, namespace: str, device: Device) -> None:
        """Take a link out of the host's namespace, and rename it.

        Raises:
            LinkUnusable: There is no such link.
        """

    def give_back(self, namespace: str, device: str, name: str) -> None:
        """Move a link back into the host's namespace, under its former name. It may be gone."""

    def destroy(self, namespace: str) -> None:
        """Remove a namespace, and with it the links in it. It may be gone."""


class NoNamespaces:
    """Where nobody looks at links."""

    def move(self, name: str, namespace: str, device: Device) -> None:
        """See :class:`Namespaces`."""

    def give_back(self, namespace: str, device: str, name: str) -> None:
        """See :class:`Namespaces`."""

    def destroy(self, namespace: str) -> None:
        """See :class:`Namespaces`."""
