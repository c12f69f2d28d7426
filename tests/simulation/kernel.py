"""The kernel's links, as the daemon, Docker and the switch see them.

What each request does and how it is refused is that of Linux; ``tests/test_simulation_kernel.py`` plays the same
requests to the real kernel. Time passes between requests only.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from nuage.links.veth import KernelError, Link
from tests.simulation.chance import Chance
from tests.simulation.devices import Device, Namespace
from tests.simulation.history import History

#: Bytes: IFNAMSIZ in linux/if.h, with a null byte at its end, and IFALIASZ, with two that pyroute2 causes.
_LONGEST_NAME, _LONGEST_ALIAS = 15, 254
#: Bytes: ETH_MIN_MTU and ETH_MAX_MTU in linux/if_ether.h, and what a new link has.
_LEAST_MTU, _LARGEST_MTU, _USUAL_MTU = 68, 65535, 1500
#: Seconds until a link's flags tell that its carrier has changed: linkwatch does that somewhat later.
_CARRIER_LAG = 0.05

_Details = dict[str, Any]


class Kernel:
    """The links of one machine.

    Args:
        reactor: Keeps the time.
        chance: Draws addresses that nobody chose, and how late a carrier is told.
        history: What it does is noted here.
        live_renaming: Whether a link that is up can be renamed, as since Linux 6.2.

    Attributes:
        host: The namespace of the daemon and the switch.
        refusing: How the daemon is refused, by the kind of its request: ``open``, ``add``, ``set``, ``del``, ``find``
            or ``links``. Each error is raised again and again until it is taken out.
        broken: The same for errors that are raised once, the first one first.
    """

    def __init__(self, reactor: IReactorTime, chance: Chance, history: History, *, live_renaming: bool = True) -> None:
        self._reactor = reactor
        self._chance = chance
        self._history = history
        self._live_renaming = live_renaming
        self._watchers: list[Callable[[str], None]] = []
        self.host = Namespace("host")
        self.refusing: dict[str, Exception] = {}
        self.broken: dict[str, list[Exception]] = {}

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have a function called with the name of each link of the host that comes, goes or changes."""
        self._watchers.append(changed)

    def find(self, name: str, namespace: Namespace | None = None) -> Link | None:
        """Return the link of this name, None if there is none."""
        device = (namespace or self.host).devices.get(name)
        return None if device is None else device.described(self._reactor.seconds())

    def links(self, namespace: Namespace | None = None) -> list[Link]:
        """Return all links of a namespace, by default of the host."""
        now = self._reactor.seconds()
        return [device.described(now) for device in (namespace or self.host).in_order()]

    def link(self, command: str, namespace: Namespace | None = None, **details: Any) -> None:
        """Change a link as pyroute2's ``IPRoute.link`` does: ``add``, ``set`` or ``del``.

        Raises:
            KernelError: It is refused.
        """
        where = namespace or self.host
        _check_texts(details)
        {"add": self._add, "set": self._set, "del": self._del}[command](where, details)

    def move(self, name: str, target: Namespace, *, source: Namespace | None = None) -> None:
        """Move a link to another namespace, where it is down.

        Raises:
            KernelError: There is no such link, or one of this name is there already.
        """
        source = source or self.host
        _check_texts({"ifname": name})
        device = source.named({"ifname": name})
        if name in target.devices:
            raise KernelError(errno.EEXIST)
        source.drop(device)
        device.up = False
        target.add(device)
        self._note(source, name, f"moves to {target.name}")
        self._note(target, name, f"comes from {source.name}")
        self._carriers(device)

    def take_into(self, namespace: Namespace, name: str, as_name: str) -> None:
        """Do what Docker does with a link after a Join: it moves it into the container, renames it and sets it up.

        Raises:
            KernelError: One of these steps is refused. Those before it are done.
        """
        self.move(name, namespace)
        self.link("set", namespace, index=namespace.devices[name].index, ifname=as_name)
        self.link("set", namespace, ifname=as_name, state="up")

    def give_back(self, namespace: Namespace, name: str, as_name: str) -> None:
        """Do what Docker does with a link before a Leave: it sets it down, renames it and moves it to the host.

        Raises:
            KernelError: One of these steps is refused. Those before it are done.
        """
        self.link("set", namespace, ifname=name, state="down")
        self.link("set", namespace, index=namespace.devices[name].index, ifname=as_name)
        self.move(as_name, self.host, source=namespace)

    def destroy(self, namespace: Namespace) -> None:
        """End a namespace, with the links in it and their other ends."""
        for device in namespace.in_order():
            if namespace.devices.get(device.name) is device:
                self._remove(device)

    def demand(self, kind: str) -> None:
        """Let a request of the daemon pass.

        Raises:
            Exception: It is refused; see ``refusing`` and ``broken``.
        """
        once = self.broken.get(kind)
        problem = once.pop(0) if once else self.refusing.get(kind)
        if problem is not None:
            self._history.add(self._reactor.seconds(), "kernel", f"{kind} fails: {problem}")
            raise problem

    def _add(self, namespace: Namespace, details: _Details) -> None:
        name, other = details["ifname"], details.get("peer")
        for end in (details, other or {}):
            _check_address(end)
            _check_mtu(end)
        if name in namespace.devices:
            raise KernelError(errno.EEXIST)
        peer = None if other is None else self._made(namespace, other)
        try:
            device = self._made(namespace, details)
        except KernelError:
            # The peer was made first.
            if peer is not None:
                self._remove(peer)
            raise
        device.peer = peer
        if peer is not None:
            peer.peer = device
        self._note(namespace, name, "is made" if peer is None else f"is made, with {peer.name}")

    def _made(self, namespace: Namespace, details: _Details) -> Device:
        name = details["ifname"]
        if not _is_name(name):
            raise KernelError(errno.EINVAL)
        if name in namespace.devices:
            raise KernelError(errno.EEXIST)
        device = Device(
            name=name,
            mac=details.get("address", "").lower() or self._some_address(),
            mtu=details.get("mtu", _USUAL_MTU),
            group=details.get("group", 0),
            namespace=namespace,
        )
        namespace.add(device)
        return device

    def _some_address(self) -> str:
        # Unicast, and of nobody's range.
        return (bytes([self._chance.bits(8) & 0xFC | 0x02]) + self._chance.bits(40).to_bytes(5, "big")).hex(":")

    def _set(self, namespace: Namespace, details: _Details) -> None:
        """Make the changes in the order of ``do_setlink`` in the kernel; those before one that is refused are made."""
        device = namespace.named(details)
        if "address" in details:
            _check_address(details)
            device.mac = details["address"].lower()
        if "mtu" in details:
            _check_mtu(details)
            device.mtu = details["mtu"]
        if "group" in details:
            device.group = details["group"]
        if details.get("index") and "ifname" in details:
            self._rename(namespace, device, details["ifname"])
        if "ifalias" in details:
            device.alias = details["ifalias"]
        if "state" in details:
            device.up = details["state"] == "up"
            self._carriers(device)
        changes = {key: value for key, value in details.items() if key not in ("index", "ifname")}
        self._note(namespace, device.name, f"has {changes}")

    def _rename(self, namespace: Namespace, device: Device, name: str) -> None:
        if name in ("", device.name):
            return
        if device.up and not self._live_renaming:
            raise KernelError(errno.EBUSY)
        if not _is_name(name):
            raise KernelError(errno.EINVAL)
        if name in namespace.devices:
            raise KernelError(errno.EEXIST)
        former = device.name
        namespace.rename(device, name)
        self._note(namespace, former, f"becomes {name}")

    def _del(self, namespace: Namespace, details: _Details) -> None:
        device = namespace.named(details)
        if device.name == "lo":
            raise KernelError(errno.EOPNOTSUPP)
        self._remove(device)

    def _remove(self, device: Device) -> None:
        """Remove a link, and its other end wherever that is."""
        for end in (device, device.peer):
            if end is not None:
                end.namespace.drop(end)
        for end in (device, device.peer):
            if end is not None:
                self._note(end.namespace, end.name, "is gone")

    def _carriers(self, device: Device) -> None:
        now, lag = self._reactor.seconds(), self._chance.delay(0, _CARRIER_LAG)
        for end in (device, device.peer):
            if end is not None:
                end.note_carrier(now, lag)

    def _note(self, namespace: Namespace, name: str, what: str) -> None:
        self._history.add(self._reactor.seconds(), "kernel", f"{namespace.name}: {name} {what}")
        if namespace is self.host:
            for changed in self._watchers:
                changed(name)


def _check_texts(details: _Details) -> None:
    """Refuse texts that are too long, which the kernel does before anything else."""
    names = [end.get("ifname", "") for end in (details, details.get("peer") or {})]
    if any(len(name.encode()) > _LONGEST_NAME for name in names):
        raise KernelError(errno.ERANGE)
    if len(details.get("ifalias", "").encode()) > _LONGEST_ALIAS:
        raise KernelError(errno.ERANGE)


def _is_name(name: str) -> bool:
    return bool(name) and name not in (".", "..") and not any(each in "/:" or each.isspace() for each in name)


def _check_address(details: _Details) -> None:
    if "address" in details:
        address = bytes.fromhex(details["address"].replace(":", ""))
        # The lowest bit of the first byte makes it a group's.
        if address[0] & 1 or not any(address):
            raise KernelError(errno.EADDRNOTAVAIL)


def _check_mtu(details: _Details) -> None:
    if not _LEAST_MTU <= details.get("mtu", _USUAL_MTU) <= _LARGEST_MTU:
        raise KernelError(errno.EINVAL)
