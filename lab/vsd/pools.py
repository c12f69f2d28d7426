"""The addresses of one network in one version of IP: who has which, and which is free."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import attrs

from lab.vrs.topology import is_machine
from lab.vsd.directory import Thing

#: Resources of interfaces.
HOLDERS = ("containerinterfaces", "vminterfaces")
#: By the version of IP: resources whose objects have an address, with the attribute that it is in.
ATTRIBUTES: Mapping[int, Mapping[str, str]] = {
    4: {**dict.fromkeys(HOLDERS, "IPAddress"), "vmipreservations": "IPV4Address", "ipreservations": "IPAddress"},
    6: {**dict.fromkeys(HOLDERS, "IPv6Address"), "vmipreservations": "IPV6Address"},
}

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Range = tuple[Address, Address]
Ranges = tuple[Range, ...]


@attrs.define(eq=False)
class Pool:
    """The addresses of one network in one version of IP, as numbers.

    ``least`` has a number for each of the ranges that were asked about: below it, no address of the range is free.
    """

    cidr: Network
    gateway: Address | None
    ranges: Ranges
    holders: dict[int, Thing] = attrs.field(factory=dict)
    reserved: dict[int, Thing] = attrs.field(factory=dict)
    bindings: dict[str, Thing] = attrs.field(factory=dict)
    numbers: dict[str, int] = attrs.field(factory=dict)
    least: dict[Ranges, int] = attrs.field(factory=dict)

    def record(self, thing: Thing) -> None:
        """Take down the address that something has."""
        self.forget(thing)
        attribute = ATTRIBUTES[self.cidr.version].get(thing.kind.resource)
        if attribute and thing[attribute]:
            number = int(ip_address(thing[attribute]))
            self._table(thing)[number] = thing
            self.numbers[thing.id] = number
            if thing.is_a("ipreservation"):
                self.bindings[thing.id] = thing

    def forget(self, thing: Thing) -> None:
        """Take down that something no longer has an address."""
        number = self.numbers.pop(thing.id, None)
        if number is not None:
            self._table(thing).pop(number, None)
            self.bindings.pop(thing.id, None)
            self.least = {ranges: min(least, number) for ranges, least in self.least.items()}

    def bound_to(self, mac: str) -> Address | None:
        """Return the address that is bound to a MAC, unless somebody has it."""
        for binding in self.bindings.values():
            number = self.numbers[binding.id]
            if binding["dynamicAllocationEnabled"] and same_mac(binding["MAC"], mac) and number not in self.holders:
                return self._address(number)
        return None

    def lowest_free(self, ranges: Ranges, besides: Collection[int] = ()) -> Address | None:
        """Return the lowest address in some ranges that nobody has or has reserved."""
        least = self.least.get(ranges, 0)
        for number in _numbers(sorted(ranges), least):
            taken = number in self.holders or number in self.reserved or number in besides
            if not taken and self.usable(self._address(number)):
                if not besides:
                    self.least[ranges] = number
                return self._address(number)
        return None

    def usable(self, address: Address) -> bool:
        """Tell whether an interface could have the address if nobody had it."""
        return address != self.gateway and is_machine(address, self.cidr)

    def chosen_from(self) -> Ranges:
        """Return the ranges that the VSD chooses from."""
        return self.ranges or ((self.cidr.network_address, self.cidr.broadcast_address),)

    def _address(self, number: int) -> Address:
        return type(self.cidr.network_address)(number)

    def _table(self, thing: Thing) -> dict[int, Thing]:
        return self.holders if thing.kind.resource in HOLDERS else self.reserved


def _numbers(ranges: Iterable[Range], least: int) -> Iterator[int]:
    for low, high in ranges:
        yield from range(max(int(low), least), int(high) + 1)


def same_mac(one: object, other: object) -> bool:
    """Tell whether two texts are the same MAC."""
    return str(one).lower() == str(other).lower()
