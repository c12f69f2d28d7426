"""Network devices, and the namespaces that they are in."""

from __future__ import annotations

import errno
from typing import Any

import attrs

from nuage.links.veth import KernelError, Link


@attrs.define(eq=False)
class Device:
    """A link, in whichever namespace it is; ``peer`` is its other end.

    Whether it carries traffic is told somewhat late.
    """

    name: str
    mac: str
    mtu: int
    namespace: Namespace
    index: int = 0
    alias: str = ""
    group: int = 0
    up: bool = False
    peer: Device | None = None
    _carrier: bool = False
    _before: bool = False
    _told_at: float = 0.0

    def note_carrier(self, now: float, lag: float) -> None:
        """Compare the carrier with what is known of it, which follows ``lag`` seconds later."""
        carrier = self.up and (self.peer is None or self.peer.up)
        if carrier != self._carrier:
            self._before, self._carrier, self._told_at = self._told(now), carrier, now + lag

    def described(self, now: float) -> Link:
        """Return what the kernel says of it."""
        return Link(
            name=self.name,
            index=self.index,
            alias=self.alias,
            group=self.group,
            mac=self.mac,
            mtu=self.mtu,
            up=self.up,
            carrier=self.up and self._told(now),
            peer=None if self.peer is None else self.peer.index,
        )

    def _told(self, now: float) -> bool:
        return self._carrier if now >= self._told_at else self._before


class Namespace:
    """A network namespace.

    Args:
        name: What the history calls it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.devices: dict[str, Device] = {}
        self._last_index = 0
        self._indices: dict[int, Device] = {}
        loopback = Device(name="lo", mac="00:00:00:00:00:00", mtu=65536, namespace=self)
        self.add(loopback)

    def add(self, device: Device) -> None:
        """Take a device in, under its index unless another one has that, else under the next one."""
        if not device.index or device.index in self._indices:
            device.index = self.skip_index()
        device.namespace = self
        self.devices[device.name] = self._indices[device.index] = device

    def skip_index(self) -> int:
        """Use up an index, and return it."""
        self._last_index += 1
        while self._last_index in self._indices:
            self._last_index += 1
        return self._last_index

    def drop(self, device: Device) -> None:
        """Let a device go."""
        del self.devices[device.name], self._indices[device.index]

    def rename(self, device: Device, name: str) -> None:
        """Give a device another name, which must be free."""
        del self.devices[device.name]
        device.name = name
        self.devices[name] = device

    def named(self, details: dict[str, Any]) -> Device:
        """Return the device that a request is about.

        Raises:
            KernelError: There is none.
        """
        index = details.get("index")
        device = self._indices.get(index) if index else self.devices.get(details.get("ifname", ""))
        if device is None:
            raise KernelError(errno.ENODEV)
        return device

    def in_order(self) -> list[Device]:
        """Return the devices by their indices, as the kernel lists them."""
        return [device for _, device in sorted(self._indices.items())]
