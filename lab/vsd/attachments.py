"""Containers, their interfaces and those of VMs, and the vPorts that they are at."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import attrs

from lab.vsd import values
from lab.vsd.addresses import Addresses, bearer, cidr_of, ipv4, ipv6, mac_address
from lab.vsd.directory import DELETE, UPDATE, Change, Directory, Thing
from lab.vsd.kinds import BY_ENTITY
from lab.vsd.permissions import USE, Permissions
from lab.vsd.refusals import Code, Refusal, invalid


@attrs.frozen(kw_only=True)
class _Plan:
    """An interface that can be made: its values, its network, and the vPort if there is one already."""

    values: dict[str, Any]
    network: Thing
    vport: Thing | None


class Attachments:
    """Attaches containers and VMs to subnets and L2 domains.

    A vPort that was made for an interface goes with it. The last interface of an address that was reserved, and whose
    reservation has been deleted, takes the reservation with it.
    """

    def __init__(self, directory: Directory, addresses: Addresses, permissions: Permissions) -> None:
        self._directory = directory
        self._addresses = addresses
        self._permissions = permissions
        self._macs: dict[tuple[str, str], Thing] = {}
        self._mac_of: dict[str, tuple[str, str]] = {}
        directory.watch(self._changed)

    def make_container(self, wanted: dict[str, Any], user: Thing, **hidden: Any) -> Thing:
        """Make a container with its interfaces, and hidden values.

        Raises:
            Refusal: It cannot be made; nothing is.
        """
        plans: list[_Plan] = []
        for given in wanted.pop("interfaces", ()):
            kind = BY_ENTITY["containerinterface"]
            plans.append(self._plan(values.for_creation(kind, values.as_object(given)), plans, user))
        enterprise = plans[0].network.within("enterprise") if plans else user.within("enterprise")
        assert enterprise is not None
        owned = {"enterpriseID": enterprise.id, "enterpriseName": enterprise.name}
        owned |= {"userID": user.id, "userName": user["userName"]}
        made = self._directory.add(BY_ENTITY["container"], enterprise, {**wanted, **owned}, by=user.id, **hidden)
        for plan in plans:
            self._attach(made, plan, user)
        return made

    def add_interface(self, container: Thing, wanted: dict[str, Any], user: Thing) -> Thing:
        """Give a container another interface.

        Raises:
            Refusal: It cannot have it.
        """
        return self._attach(container, self._plan(wanted, [], user), user)

    def add_vm_interface(self, vport: Thing, wanted: dict[str, Any], user: Thing) -> Thing:
        """Put the interface of a VM at a vPort.

        Raises:
            Refusal: It cannot be there.
        """
        plan = self._plan({**wanted, "VPortID": vport.id}, [], user, "VM")
        return self._directory.add(BY_ENTITY["vminterface"], vport, plan.values, by=user.id)

    def attach_vm(self, wanted: dict[str, Any], name: str, user: Thing) -> Thing:
        """Make the interface of a VM, and a vPort for it.

        Raises:
            Refusal: It cannot be there.
        """
        plan = self._plan(wanted, [], user, "VM")
        vport = self._make_vport(name, plan, user, "VM")
        return self._directory.add(BY_ENTITY["vminterface"], vport, plan.values, by=user.id)

    def check_change(self, interface: Thing, changed: dict[str, Any]) -> None:
        """Make sure that an interface can have another address or MAC.

        Raises:
            Refusal: It cannot.
        """
        network = interface.within("subnet", "l2domain")
        assert network is not None
        if "MAC" in changed and mac_address(changed["MAC"]) != interface["MAC"].lower():
            self._check_mac(network, changed["MAC"], [])
        if "IPAddress" in changed:
            mac = changed.get("MAC", interface["MAC"])
            self._addresses.check(network, ipv4(changed["IPAddress"], "IPAddress"), mac)
        if changed.get("IPv6Address"):
            address = ipv6(changed["IPv6Address"], "IPv6Address")
            self._addresses.check(network, address, None)
            changed["IPv6Address"] = str(address)

    def place_of(self, network: Thing) -> dict[str, Any]:
        """Return what a vPort says of where it is."""
        zone, domain = network.within("zone"), network.within("domain", "l2domain")
        return {"domainID": domain and domain.id, "zoneID": zone and zone.id}

    def _plan(self, wanted: dict[str, Any], others: list[_Plan], user: Thing, type_: str = "CONTAINER") -> _Plan:
        vport = self._vport(wanted, type_)
        network = self._network(wanted) if vport is None else vport.parent
        assert network is not None
        self._permissions.demand(user, network, USE)
        mac = mac_address(wanted.get("MAC"))
        if vport is not None and any(plan.vport is vport for plan in others):
            raise _vport_in_use(vport)
        has = bearer(self._directory, network)
        besides = {
            int(ip_address(plan.values[field]))
            for plan in others
            for field in ("IPAddress", "IPv6Address")
            if bearer(self._directory, plan.network) is has and plan.values.get(field)
        }
        if wanted.get("IPAddress"):
            address = ipv4(wanted["IPAddress"], "IPAddress")
            self._addresses.check(network, address, mac, besides)
            wanted["IPAddress"] = str(address)
        elif cidr_of(self._directory, network) is not None:
            wanted["IPAddress"] = str(self._addresses.choose(network, mac, besides))
        if wanted.get("IPv6Address"):
            address6 = ipv6(wanted["IPv6Address"], "IPv6Address")
            self._addresses.check(network, address6, mac, besides)
            wanted["IPv6Address"] = str(address6)
        # After the address, which tells more: a MAC may follow from it.
        self._check_mac(network, mac, others)
        return _Plan(values={**wanted, "attachedNetworkID": network.id}, network=network, vport=vport)

    def _vport(self, wanted: Mapping[str, Any], type_: str) -> Thing | None:
        identity = wanted.get("VPortID")
        if not identity:
            return None
        vport = self._directory.of("vport", identity)
        if vport is None:
            raise invalid("VPortID", f"There is no vPort with ID {identity}")
        if vport["type"] != type_:
            raise invalid("VPortID", f'vPort "{vport.name}" is for a {vport["type"]}')
        if any(self._directory.below(vport, each) for each in ("containerinterfaces", "vminterfaces")):
            raise _vport_in_use(vport)
        return vport

    def _network(self, wanted: Mapping[str, Any]) -> Thing:
        network = self._directory.get(wanted.get("attachedNetworkID"))
        if network is None or not network.is_a("subnet", "l2domain"):
            raise invalid("attachedNetworkID", f"There is no subnet or L2 domain {wanted.get('attachedNetworkID')}")
        return network

    def _check_mac(self, network: Thing, mac: str, others: list[_Plan]) -> None:
        planned = {plan.values["MAC"].lower() for plan in others if plan.network is network}
        if (network.id, mac.lower()) in self._macs or mac.lower() in planned:
            raise Refusal("Duplicate MAC", f'An interface of "{network.name}" has MAC {mac} already', "MAC")

    def _attach(self, container: Thing, plan: _Plan, user: Thing) -> Thing:
        vport = plan.vport or self._make_vport(container.name, plan, user, "CONTAINER")
        owned = {**plan.values, "containerUUID": container["UUID"]}
        return self._directory.add(BY_ENTITY["containerinterface"], container, owned, by=user.id, place=vport)

    def _make_vport(self, owner: str, plan: _Plan, user: Thing, type_: str) -> Thing:
        kind = BY_ENTITY["vport"]
        names = (plan.values.get("name"), owner)
        fitting = (name for name in names if name and len(name) <= 64)
        free = (name for name in fitting if self._directory.holder(kind, plan.network, "name", name) is None)
        wanted = {"name": next(free, None) or self._directory.new_id(), "type": type_, **self.place_of(plan.network)}
        return self._directory.add(kind, plan.network, wanted, by=user.id, automatic=True)

    def _changed(self, change: Change) -> None:
        interface = change.thing
        network = interface.within("subnet", "l2domain")
        if not interface.is_a("containerinterface", "vminterface") or network is None:
            return
        former = self._mac_of.pop(interface.id, None)
        if former is not None:
            del self._macs[former]
        if change.type != DELETE:
            key = self._mac_of[interface.id] = (network.id, interface["MAC"].lower())
            self._macs[key] = interface
        self._settle_reservations(network, change)
        if change.type == DELETE and interface.place is not None and interface.place.hidden.get("automatic"):
            self._directory.remove(interface.place, by=change.by)

    def _settle_reservations(self, network: Thing, change: Change) -> None:
        """Have the reservation of an address that is taken or given back say so."""
        if change.type == UPDATE:
            # Its former address is no longer known.
            reservations = list(self._directory.below(network, "vmipreservations").values())
        else:
            addresses = [address for field in ("IPAddress", "IPv6Address") if (address := change.thing[field])]
            found = {each.id: each for address in addresses if (each := self._addresses.reservation(network, address))}
            reservations = [each for each in found.values() if each.is_a("vmipreservation")]
        for each in reservations:
            addresses = [address for field in ("IPV4Address", "IPV6Address") if (address := each[field])]
            assigned = any(self._addresses.holder(network, address) for address in addresses)
            if not assigned and each["state"] == "ASSIGNED_DELETE_PENDING":
                self._directory.remove(each, by=change.by)
            elif assigned != (each["state"] != "UNASSIGNED"):
                self._directory.change(each, {"state": "ASSIGNED" if assigned else "UNASSIGNED"}, by=change.by)


def _vport_in_use(vport: Thing) -> Refusal:
    return Refusal("VPort in use", f'vPort "{vport.name}" has an interface', "VPortID", Code.VPORT_IN_USE)
