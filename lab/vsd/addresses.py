"""The addresses of subnets and L2 domains: who has which, and which is free."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import attrs

from lab.vrs.topology import is_machine
from lab.vsd.directory import DELETE, Change, Directory, Thing
from lab.vsd.refusals import Code, Refusal, invalid

#: Resources whose objects have an address, with the attribute that it is in.
_HOLDERS = {"containerinterfaces": "IPAddress", "vminterfaces": "IPAddress"}
_RESERVATIONS = {"vmipreservations": "IPV4Address", "ipreservations": "IPAddress"}
_ATTRIBUTES = _HOLDERS | _RESERVATIONS

Range = tuple[IPv4Address, IPv4Address]
Ranges = tuple[Range, ...]
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


def ipv4(value: Any, field: str) -> IPv4Address:
    """Return an address.

    Raises:
        Refusal: It is not an address.
    """
    try:
        return IPv4Address(str(value))
    except ValueError:
        raise invalid(field, f'"{value}" is not an IPv4 address') from None


def mac_address(value: Any) -> str:
    """Return a MAC address, in lower case.

    Raises:
        Refusal: It is not a MAC address.
    """
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        raise invalid("MAC", f'"{value}" is not a MAC address')
    return value.lower()


def bearer(directory: Directory, network: Thing) -> Thing:
    """Return the object that has the addresses of a subnet or L2 domain: itself, or its shared network resource."""
    shared = directory.of("sharednetworkresource", network["associatedSharedNetworkResourceID"])
    return network if shared is None else shared


def cidr_of(directory: Directory, network: Thing) -> IPv4Network | None:
    """Return the IPv4 network of a subnet or L2 domain, if it has one."""
    has = bearer(directory, network)
    return IPv4Network(f"{has['address']}/{has['netmask']}") if has["address"] and has["netmask"] else None


@attrs.define(eq=False)
class _Pool:
    """The addresses of one network, as numbers.

    ``least`` has a number for each of the ranges that were asked about: below it, no address of the range is free.
    """

    cidr: IPv4Network
    gateway: IPv4Address | None
    ranges: Ranges
    holders: dict[int, Thing] = attrs.field(factory=dict)
    reserved: dict[int, Thing] = attrs.field(factory=dict)
    bindings: dict[str, Thing] = attrs.field(factory=dict)
    numbers: dict[str, int] = attrs.field(factory=dict)
    least: dict[Ranges, int] = attrs.field(factory=dict)

    def record(self, thing: Thing) -> None:
        """Take down the address that something has."""
        self.forget(thing)
        address = thing[_ATTRIBUTES[thing.kind.resource]]
        if address:
            number = int(IPv4Address(address))
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

    def bound_to(self, mac: str) -> IPv4Address | None:
        """Return the address that is bound to a MAC, unless somebody has it."""
        for binding in self.bindings.values():
            number = self.numbers[binding.id]
            if binding["dynamicAllocationEnabled"] and _same_mac(binding["MAC"], mac) and number not in self.holders:
                return IPv4Address(number)
        return None

    def lowest_free(self, ranges: Ranges, besides: Collection[int] = ()) -> IPv4Address | None:
        """Return the lowest address in some ranges that nobody has or has reserved."""
        least = self.least.get(ranges, 0)
        for number in _numbers(sorted(ranges), least):
            taken = number in self.holders or number in self.reserved or number in besides
            if not taken and self.usable(IPv4Address(number)):
                if not besides:
                    self.least[ranges] = number
                return IPv4Address(number)
        return None

    def usable(self, address: IPv4Address) -> bool:
        """Tell whether an interface could have the address if nobody had it."""
        return address != self.gateway and is_machine(address, self.cidr)

    def chosen_from(self) -> Ranges:
        """Return the ranges that the VSD chooses from."""
        return self.ranges or ((self.cidr.network_address, self.cidr.broadcast_address),)

    def _table(self, thing: Thing) -> dict[int, Thing]:
        return self.holders if thing.kind.resource in _HOLDERS else self.reserved


def _numbers(ranges: Iterable[Range], least: int) -> Iterator[int]:
    for low, high in ranges:
        yield from range(max(int(low), least), int(high) + 1)


class Addresses:
    """Who has which address; it follows the directory by itself."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._pools: dict[str, _Pool] = {}
        directory.watch(self._changed)

    def choose(self, network: Thing, mac: str | None, besides: Collection[int] = ()) -> IPv4Address:
        """Return a free address; the one that is bound to the MAC, if there is one.

        Args:
            network: The subnet or L2 domain.
            mac: The MAC that it is for.
            besides: Addresses that are not free either.

        Raises:
            Refusal: None is free, or the network has no addresses.
        """
        pool = self._pool(network)
        bound = pool.bound_to(mac) if mac else None
        found = bound or pool.lowest_free(pool.chosen_from(), besides)
        if found is None:
            raise _exhausted(network, pool.cidr)
        return found

    def check(self, network: Thing, address: IPv4Address, mac: str | None, besides: Collection[int] = ()) -> None:
        """Make sure that an interface can have an address that was asked for.

        Raises:
            Refusal: It cannot.
        """
        pool = self._usable(network, address, "IPAddress")
        reservation = pool.reserved.get(int(address))
        bound = reservation is not None and reservation.is_a("ipreservation")
        if reservation is not None and bound and not _same_mac(reservation["MAC"], mac):
            raise _in_use(address, f"it is reserved for MAC {reservation['MAC']}", "IPAddress")
        if int(address) in pool.holders:
            raise _in_use(address, _has_it(pool.holders[int(address)]), "IPAddress")
        if int(address) in besides:
            raise _in_use(address, "another interface is to have it", "IPAddress")

    def check_reservation(self, network: Thing, address: IPv4Address, field: str) -> None:
        """Make sure that an address can be reserved.

        Raises:
            Refusal: It cannot.
        """
        pool = self._usable(network, address, field)
        if int(address) in pool.reserved:
            description = f"The address {address} is reserved already"
            raise Refusal("Reservation exists", description, field, Code.RESERVED_ALREADY)
        if int(address) in pool.holders:
            raise _in_use(address, _has_it(pool.holders[int(address)]), field)

    def choose_in(self, network: Thing, ranges: Ranges) -> IPv4Address:
        """Return a free address in some ranges.

        Raises:
            Refusal: None is free, or a range is not the network's.
        """
        pool = self._pool(network)
        for bound in (bound for pair in ranges for bound in pair):
            if bound not in pool.cidr:
                raise invalid("allocationPools", f"{bound} is not in {pool.cidr}, the network's addresses")
        found = pool.lowest_free(ranges)
        if found is None:
            raise _exhausted(network, pool.cidr)
        return found

    def reservation(self, network: Thing, address: object) -> Thing | None:
        """Return the reservation of an address."""
        return self._pool(network).reserved.get(int(IPv4Address(str(address))))

    def holder(self, network: Thing, address: object) -> Thing | None:
        """Return the interface that has an address."""
        return self._pool(network).holders.get(int(IPv4Address(str(address))))

    def in_use(self, network: Thing) -> bool:
        """Tell whether anybody has an address, or a reservation."""
        has = bearer(self._directory, network)
        if not (has["address"] and has["netmask"]):
            return False
        pool = self._pool(network)
        return bool(pool.holders or pool.reserved)

    def _usable(self, network: Thing, address: IPv4Address, field: str) -> _Pool:
        pool = self._pool(network)
        if not is_machine(address, pool.cidr):
            raise invalid(field, f"{address} is not an address for a machine in {pool.cidr}, the network's addresses")
        if address == pool.gateway:
            raise _in_use(address, "it is the gateway's", field)
        return pool

    def _pool(self, network: Thing) -> _Pool:
        has = bearer(self._directory, network)
        if has.id not in self._pools:
            self._pools[has.id] = self._read(has, network)
        return self._pools[has.id]

    def _read(self, has: Thing, network: Thing) -> _Pool:
        cidr = cidr_of(self._directory, network)
        if cidr is None:
            raise invalid("attachedNetworkID", f'"{network.name}" has no IPv4 addresses')
        gateway = IPv4Address(has["gateway"]) if has["gateway"] else None
        ranges = tuple(
            (IPv4Address(each["minAddress"]), IPv4Address(each["maxAddress"]))
            for each in self._directory.below(has, "addressranges").values()
        )
        pool = _Pool(cidr, gateway, ranges)
        for resource in _ATTRIBUTES:
            for sharing in self._sharing(has):
                for thing in self._directory.below(sharing, resource).values():
                    pool.record(thing)
        return pool

    def _sharing(self, has: Thing) -> list[Thing]:
        if not has.is_a("sharednetworkresource"):
            return [has]
        networks = (self._directory.below(self._directory.root, each) for each in ("subnets", "l2domains"))
        return [each for every in networks for each in every.values() if bearer(self._directory, each) is has]

    def _changed(self, change: Change) -> None:
        thing = change.thing
        if thing.is_a("subnet", "l2domain", "sharednetworkresource"):
            self._pools.pop(thing.id, None)
        elif thing.is_a("addressrange") and thing.parent is not None:
            self._pools.pop(thing.parent.id, None)
        elif thing.kind.resource in _ATTRIBUTES:
            network = thing.within("subnet", "l2domain")
            pool = None if network is None else self._pools.get(bearer(self._directory, network).id)
            if pool is not None:
                (pool.forget if change.type == DELETE else pool.record)(thing)


def _same_mac(one: object, other: object) -> bool:
    return str(one).lower() == str(other).lower()


def _has_it(interface: Thing) -> str:
    # A container, or the vPort of a VM.
    owner = interface.parent
    assert owner is not None
    return f'{owner.kind.entity} "{owner.name}" has it'


def _in_use(address: IPv4Address, why: str, field: str) -> Refusal:
    return Refusal("Address in use", f"The address {address} cannot be used: {why}", field, Code.ADDRESS_IN_USE)


def _exhausted(network: Thing, cidr: IPv4Network) -> Refusal:
    description = f'No address of "{network.name}" ({cidr}) is left'
    return Refusal("No address left", description, "IPAddress", Code.NO_ADDRESS_LEFT)
