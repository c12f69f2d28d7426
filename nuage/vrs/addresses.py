"""Which endpoints a switch has under an address.

Docker gives an address of a network to one endpoint at a time. An older endpoint that still has it is of no use to
anybody: Docker lost it in a crash, or this driver could not remove it when it was told to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from nuage.model import Endpoint, Network
from nuage.names import port_name
from nuage.ovsdb.client import Cache, Row
from nuage.vrs import tables
from nuage.vrs.views import ids_of, is_ours, location_of, location_within_organization

Addresses = Collection[IPv4Address | IPv6Address]


def holders(cache: Cache, bridge_ids: Mapping[str, str], network: Network, addresses: Addresses) -> set[str]:
    """Return the ids of the network's endpoints that have one of some addresses.

    Args:
        cache: The mirrored tables.
        bridge_ids: What is kept at the bridge.
        network: The network.
        addresses: IPv4 and IPv6 addresses.
    """
    # Searching the texts of ten thousand records takes 5 ms, decoding them 80.
    texts = [f'"{address}/' for address in addresses]
    recorded = {
        endpoint_id
        for endpoint_id, record in _records(cache, bridge_ids, network.id)
        if any(text in record for text in texts) and _tells_one_of(addresses, record, network.id)
    }
    # By hand, all marks may be gone or the record alone.
    told = _left_at_vrs(cache, network, addresses)
    return recorded | {found for found, marks in told if marks.get(tables.NETWORK) in (None, network.id)}


def strays(
    cache: Cache,
    network: Network,
    addresses: Addresses,
    *,
    is_known: Callable[[str], bool],
    is_foreign: Callable[[str | None], bool],
) -> set[str]:
    """Return the ids of endpoints that have one of some addresses at the network's place, and whose network is gone.

    Docker lost that network with all its data, and somebody made it anew.

    Args:
        cache: The mirrored tables.
        network: The network that is there now.
        addresses: IPv4 and IPv6 addresses.
        is_known: Tells by its id whether the switch remembers a network in words that can be read. A spoilt record
            counts for nothing: audits put it right if Docker has the network.
        is_foreign: Tells by its owner whether an endpoint is another plugin's.
    """
    return {
        found
        for found, marks in _left_at_vrs(cache, network, addresses)
        if marks.get(tables.NETWORK) not in (None, network.id)
        and not is_known(marks[tables.NETWORK])
        and not is_foreign(marks.get(tables.OWNER))
    }


def _records(cache: Cache, bridge_ids: Mapping[str, str], network_id: str) -> Iterator[tuple[str, str]]:
    """Yield id and record of each endpoint that is attached to the network, or is not attached to any."""
    for row in cache[tables.INTERFACE].where("external_ids", network_id, tables.NETWORK):
        ids = ids_of(row)
        if tables.ENDPOINT in ids:
            yield ids[tables.ENDPOINT], ids.get(tables.RECORD, "")
    for key, record in bridge_ids.items():
        if key.startswith(tables.ENDPOINT_RECORD):
            yield key.removeprefix(tables.ENDPOINT_RECORD), record


def _tells_one_of(addresses: Addresses, record: str, network_id: str) -> bool:
    try:
        endpoint = Endpoint.from_record(record)
    except ValueError:
        return False
    told = {interface.ip for interface in (endpoint.address, endpoint.address_v6) if interface}
    return endpoint.network_id == network_id and not told.isdisjoint(addresses)


def _left_at_vrs(cache: Cache, network: Network, addresses: Addresses) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the endpoints that the VRS was told of at the network's place, each with its interface's marks.

    There are none if somebody removed its port or its marks by hand.
    """
    for address in addresses:
        for port in cache[tables.NUAGE_PORT].where("metadata", str(address), tables.STATIC_IP):
            interface = cache[tables.INTERFACE].find("name", port["name"])
            marks = {} if interface is None else ids_of(interface)
            owner = _owner(cache, network, port, marks)
            if owner is not None:
                yield owner, marks


def _owner(cache: Cache, network: Network, port: Row, marks: Mapping[str, str]) -> str | None:
    """Return the endpoint of a port that the VRS was told of, None if it is not ours or not where the network is."""
    entities = cache[tables.NUAGE_VM].where("ports", frozenset({str(port["name"])}))
    for entity in entities:
        if is_ours(entity) and location_of(port, entity) == network.location():
            return str(entity["vm_uuid"])
    if entities:
        return None
    # Somebody removed the entity, which alone told the organization. The marks still prove whose port it is.
    endpoint_id = marks.get(tables.ENDPOINT)
    ours = endpoint_id is not None and port["name"] == port_name(endpoint_id)
    return endpoint_id if ours and location_within_organization(port) == network.location()[1:] else None
