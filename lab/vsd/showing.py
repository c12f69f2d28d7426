"""The JSON of objects: what they have been given, and what follows from where they are."""

from __future__ import annotations

from typing import Any

from lab.vsd.addresses import bearer
from lab.vsd.directory import Directory, Thing

_INTERFACES = ("containerinterfaces", "vminterfaces")


class Showing:
    """Makes JSON.

    Args:
        directory: What exists.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def show(self, thing: Thing) -> dict[str, Any]:
        """Return the JSON of an object, without its secrets."""
        shown = {name: thing.values.get(name) for name, each in thing.kind.attributes.items() if not each.secret}
        if thing.is_a("container"):
            shown |= self._container(thing)
        elif thing.is_a("containerinterface", "vminterface"):
            shown |= self._interface(thing)
        elif thing.is_a("vport"):
            shown["hasAttachedInterfaces"] = any(self._directory.below(thing, each) for each in _INTERFACES)
        return shown

    def _container(self, container: Thing) -> dict[str, Any]:
        interfaces = list(self._directory.below(container, "containerinterfaces").values())
        places = {
            "domainIDs": "domain",
            "l2DomainIDs": "l2domain",
            "zoneIDs": "zone",
            "subnetIDs": "subnet",
        }
        return {
            "interfaces": [self.show(interface) for interface in interfaces],
            **{name: _ids(interface.within(entity) for interface in interfaces) for name, entity in places.items()},
        }

    def _interface(self, interface: Thing) -> dict[str, Any]:
        vport = interface.within("vport")
        network = interface.within("subnet", "l2domain")
        assert vport is not None
        assert network is not None
        domain, zone = network.within("domain"), network.within("zone")
        has = bearer(self._directory, network)
        return {
            "VPortID": vport.id,
            "VPortName": vport.name,
            "networkName": network.name,
            "attachedNetworkType": network.kind.entity.upper(),
            "netmask": has["netmask"],
            "gateway": has["gateway"],
            "IPv6Gateway": has["IPv6Gateway"],
            "domainID": domain and domain.id,
            "domainName": domain and domain.name,
            "zoneID": zone and zone.id,
            "zoneName": zone and zone.name,
        }


def _ids(things: Any) -> list[str]:
    return list(dict.fromkeys(thing.id for thing in things if thing is not None))
