"""The addresses of subnets and L2 domains: who has which, and which is free."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from lab.vrs.topology import is_machine
from lab.vsd.directory import DELETE, Change, Directory, Thing
from lab.vsd.pools import ATTRIBUTES, Address, Network, Pool, Ranges, same_mac
from lab.vsd.refusals import Code, Refusal, invalid

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


def ipv6(value: Any, field: str) -> IPv6Address:
    """Return an address, which has no zone.

    Raises:
        Refusal: It is not an address.
    """
    try:
        address = IPv6Address(str(value))
    except ValueError:
        address = None
    if address is None or address.scope_id is not None:
        raise invalid(field, f'"{value}" is not an IPv6 address')
    return address


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


def cidr6_of(directory: Directory, network: Thing) -> IPv6Network | None:
    """Return the IPv6 network of a subnet or L2 domain, if it has one."""
    has = bearer(directory, network)
    return IPv6Network(has["IPv6Address"]) if has["IPv6Address"] else None


class Addresses:
    """Who has which address; it follows the directory by itself."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._pools: dict[tuple[str, int], Pool] = {}
        directory.watch(self._changed)

    def choose(self, network: Thing, mac: str | None, besides: Collection[int] = ()) -> Address:
        """Return a free IPv4 address; the one that is bound to the MAC, if there is one.

        Args:
            network: The subnet or L2 domain.
            mac: The MAC that it is for.
            besides: Addresses that are not free either.

        Raises:
            Refusal: None is free, or the network has no addresses.
        """
        pool = self._pool(network, 4)
        bound = pool.bound_to(mac) if mac else None
        found = bound or pool.lowest_free(pool.chosen_from(), besides)
        if found is None:
            raise _exhausted(network, pool.cidr)
        return found

    def check(self, network: Thing, address: Address, mac: str | None, besides: Collection[int] = ()) -> None:
        """Make sure that an interface can have an address that was asked for.

        Raises:
            Refusal: It cannot.
        """
        field = ATTRIBUTES[address.version]["containerinterfaces"]
        pool = self._usable(network, address, field)
        reservation = pool.reserved.get(int(address))
        bound = reservation is not None and reservation.is_a("ipreservation")
        if reservation is not None and bound and not same_mac(reservation["MAC"], mac):
            raise _in_use(address, f"it is reserved for MAC {reservation['MAC']}", field)
        if int(address) in pool.holders:
            raise _in_use(address, _has_it(pool.holders[int(address)]), field)
        if int(address) in besides:
            raise _in_use(address, "another interface is to have it", field)

    def check_reservation(self, network: Thing, address: Address, field: str) -> None:
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

    def choose_in(self, network: Thing, ranges: Ranges) -> Address:
        """Return a free address in some ranges, of which there is one at least.

        Raises:
            Refusal: None is free, or a range is not the network's.
        """
        pool = self._pool(network, ranges[0][0].version)
        for bound in (bound for pair in ranges for bound in pair):
            if bound not in pool.cidr:
                field = "allocationPools" if pool.cidr.version == 4 else "IPV6AllocationPools"
                raise invalid(field, f"{bound} is not in {pool.cidr}, the network's addresses")
        found = pool.lowest_free(ranges)
        if found is None:
            raise _exhausted(network, pool.cidr)
        return found

    def reservation(self, network: Thing, address: object) -> Thing | None:
        """Return the reservation of an address."""
        found = ip_address(str(address))
        return self._pool(network, found.version).reserved.get(int(found))

    def holder(self, network: Thing, address: object) -> Thing | None:
        """Return the interface that has an address."""
        found = ip_address(str(address))
        return self._pool(network, found.version).holders.get(int(found))

    def in_use(self, network: Thing, version: int) -> bool:
        """Tell whether anybody has an address of a version of IP, or a reservation."""
        if self._cidr(network, version) is None:
            return False
        pool = self._pool(network, version)
        return bool(pool.holders or pool.reserved)

    def _usable(self, network: Thing, address: Address, field: str) -> Pool:
        pool = self._pool(network, address.version)
        if not is_machine(address, pool.cidr):
            raise invalid(field, f"{address} is not an address for a machine in {pool.cidr}, the network's addresses")
        if address == pool.gateway:
            raise _in_use(address, "it is the gateway's", field)
        return pool

    def _pool(self, network: Thing, version: int) -> Pool:
        has = bearer(self._directory, network)
        if (has.id, version) not in self._pools:
            self._pools[has.id, version] = self._read(has, network, version)
        return self._pools[has.id, version]

    def _cidr(self, network: Thing, version: int) -> Network | None:
        return cidr_of(self._directory, network) if version == 4 else cidr6_of(self._directory, network)

    def _read(self, has: Thing, network: Thing, version: int) -> Pool:
        cidr = self._cidr(network, version)
        if cidr is None:
            raise invalid("attachedNetworkID", f'"{network.name}" has no IPv{version} addresses')
        gateway = has["gateway"] if version == 4 else has["IPv6Gateway"]
        ranges = tuple(
            (ip_address(each["minAddress"]), ip_address(each["maxAddress"]))
            for each in self._directory.below(has, "addressranges").values()
            if (each["IPType"] == "IPV6") == (version == 6)
        )
        pool = Pool(cidr, ip_address(gateway) if gateway else None, ranges)
        for resource in ATTRIBUTES[version]:
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
        for version in ATTRIBUTES:
            if thing.is_a("subnet", "l2domain", "sharednetworkresource"):
                self._pools.pop((thing.id, version), None)
            elif thing.is_a("addressrange") and thing.parent is not None:
                self._pools.pop((thing.parent.id, version), None)
            elif thing.kind.resource in ATTRIBUTES[version]:
                network = thing.within("subnet", "l2domain")
                pool = None if network is None else self._pools.get((bearer(self._directory, network).id, version))
                if pool is not None:
                    (pool.forget if change.type == DELETE else pool.record)(thing)


def _has_it(interface: Thing) -> str:
    # A container, or the vPort of a VM.
    owner = interface.parent
    assert owner is not None
    return f'{owner.kind.entity} "{owner.name}" has it'


def _in_use(address: Address, why: str, field: str) -> Refusal:
    return Refusal("Address in use", f"The address {address} cannot be used: {why}", field, Code.ADDRESS_IN_USE)


def _exhausted(network: Thing, cidr: Network) -> Refusal:
    description = f'No address of "{network.name}" ({cidr}) is left'
    return Refusal("No address left", description, "IPAddress", Code.NO_ADDRESS_LEFT)
