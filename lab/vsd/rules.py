"""What a VSD makes of requests: what has to be right before something is made, changed, removed or assigned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.vsd import values
from lab.vsd.acl import check_entry
from lab.vsd.addresses import Addresses, ipv4, ipv6, mac_address
from lab.vsd.attachments import Attachments
from lab.vsd.directory import Directory, Thing
from lab.vsd.kinds import BY_ENTITY, MEMBERS, Kind
from lab.vsd.networks import Networks
from lab.vsd.numbers import domain_number
from lab.vsd.permissions import ALL, USE, Permissions
from lab.vsd.refusals import Code, Question, Refusal, invalid, not_found

#: What a name that is taken is refused with.
_TAKEN = {
    ("subnet", "name"): Code.SUBNET_EXISTS,
    ("policygroup", "name"): Code.POLICY_GROUP_EXISTS,
    ("container", "UUID"): Code.UUID_IN_USE,
}
#: Kinds whose removal is asked about first.
_ASKED = ("enterprise", "domain", "l2domain", "zone", "subnet", "container", "sharednetworkresource", "vmipreservation")
#: Kinds that who may use a subnet may make there.
_ATTACHING = ("vport", "container", "containerinterface", "vminterface", "ipreservation", "vmipreservation")


class Rules:
    """Makes, changes, removes and assigns objects as clients want it.

    Args:
        directory: What exists.
        addresses: Who has which address.
        permissions: Who may do what.
        attachments: Attaches containers and VMs.
    """

    def __init__(
        self, directory: Directory, addresses: Addresses, permissions: Permissions, attachments: Attachments
    ) -> None:
        self._directory = directory
        self._addresses = addresses
        self._permissions = permissions
        self._attachments = attachments
        self._networks = networks = Networks(directory, addresses)
        self._completed: Mapping[str, Callable[[Thing, dict[str, Any]], None]] = {
            "domain": self._complete_domain,
            "l2domain": networks.complete_l2_domain,
            "l2domaintemplate": networks.complete_template,
            "subnet": networks.complete_subnet,
            "sharednetworkresource": networks.complete_shared,
            "addressrange": networks.complete_range,
            "policygroup": self._complete_policy_group,
            "ingressaclentrytemplate": lambda acl, wanted: check_entry(directory, acl, wanted),
            "vport": self._complete_vport,
            "ipreservation": self._complete_binding,
            "vmipreservation": self._complete_reservation,
            "permission": self._complete_permission,
        }

    def create(self, kind: Kind, parent: Thing, given: Mapping[str, Any], user: Thing) -> Thing:
        """Make an object.

        Raises:
            Refusal: It cannot be made.
        """
        if parent.kind.entity not in kind.made_under:
            raise Refusal("Not allowed", f"{kind.resource} are not made below {parent.kind.entity}", status=405)
        self._demand(user, parent, kind)
        wanted = values.for_creation(kind, given)
        self._check_unique(kind, parent, wanted, None)
        if kind.entity == "container":
            return self._attachments.make_container(wanted, user)
        if kind.entity == "containerinterface":
            return self._attachments.add_interface(parent, wanted, user)
        if kind.entity == "vminterface":
            return self._attachments.add_vm_interface(parent, wanted, user)
        if kind.entity == "user" and parent is self._directory.root:
            parent = user.within("enterprise") or parent
        complete = self._completed.get(kind.entity)
        if complete is not None:
            complete(parent, wanted)
        made = self._directory.add(kind, parent, wanted, by=user.id)
        self._fill(made, user)
        return made

    def change(self, thing: Thing, given: Mapping[str, Any], user: Thing) -> None:
        """Give attributes of an object other values.

        Raises:
            Refusal: They cannot be had, or nothing changes.
        """
        self._demand(user, thing, thing.kind)
        if thing.is_a("enterprise", "user") and thing.hidden.get("permanent"):
            raise Refusal("Not allowed", f'The {thing.kind.entity} "{thing.name}" cannot be changed', status=403)
        wanted = values.for_change(thing.kind, given)
        # What something is attached to, or has its addresses from, does not change with it.
        for fixed in ("interfaces", "attachedNetworkID", "VPortID", "associatedSharedNetworkResourceID"):
            wanted.pop(fixed, None)
        changed = {name: value for name, value in wanted.items() if thing[name] != value}
        if not changed:
            raise Refusal("No change", "There are no attribute changes to modify the entity", "", Code.UNCHANGED)
        assert thing.parent is not None
        self._check_unique(thing.kind, thing.parent, changed, thing)
        self._check_change(thing, changed)
        self._directory.change(thing, changed, by=user.id)

    def remove(self, thing: Thing, user: Thing, *, sure: bool) -> None:
        """Remove an object and what is below it.

        Raises:
            Question: The client has to say first that it is ``sure``.
            Refusal: It is in use.
        """
        self._demand(user, thing, thing.kind)
        self._check_unused(thing)
        if thing.is_a(*_ASKED) and not sure:
            raise Question(f'The {thing.kind.entity} "{thing.name}" and all that is below it will be deleted')
        if thing.is_a("vmipreservation") and thing["state"] == "ASSIGNED":
            self._directory.change(thing, {"state": "ASSIGNED_DELETE_PENDING"}, by=user.id)
        else:
            self._directory.remove(thing, by=user.id)

    def assign(self, thing: Thing, resource: str, identities: Iterable[str], user: Thing, how: str = "") -> None:
        """Have exactly some objects assigned to another one; or ``add`` them, or ``remove`` them.

        Raises:
            Refusal: They cannot be assigned.
        """
        if (thing.kind.entity, resource) not in MEMBERS:
            raise Refusal("Not allowed", f"{resource} are not assigned to {thing.kind.entity}", status=405)
        self._demand(user, thing, thing.kind)
        named = {identity: self._member(thing, resource, identity) for identity in identities}
        had = dict(thing.members[resource])
        if how == "add":
            named = had | named
        elif how == "remove":
            named = {identity: other for identity, other in had.items() if identity not in named}
        self._directory.assign(thing, resource, named.values(), by=user.id)

    def _demand(self, user: Thing, thing: Thing, kind: Kind) -> None:
        """Make sure that a user may make, change or remove something of a kind there."""
        if thing is self._directory.root:
            # A container is demanded for where its interfaces are.
            if kind.entity not in ("container", "user") and not self._permissions.is_provider(user):
                raise Refusal("Permission denied", f"Only the provider makes {kind.resource}", code=None, status=403)
        else:
            self._permissions.demand(user, thing, USE if kind.entity in _ATTACHING else ALL)

    def _member(self, thing: Thing, resource: str, identity: str) -> Thing:
        found = self._directory.get(identity)
        if found is None or found.kind.resource != resource:
            raise not_found(f"There are no {resource} with ID {identity}")
        if found.within("domain", "l2domain") is not thing.within("domain", "l2domain"):
            raise Refusal("Not allowed", f'"{found.name}" and "{thing.name}" are not of the same domain')
        return found

    def _check_unique(self, kind: Kind, parent: Thing, wanted: Mapping[str, Any], thing: Thing | None) -> None:
        for name in (*kind.unique, *kind.unique_everywhere):
            holder = self._directory.holder(kind, parent, name, wanted[name]) if name in wanted else None
            if holder is not None and holder is not thing:
                description = f"Another {kind.entity} with the same {name} exists already: {wanted[name]}"
                raise Refusal("Duplicate object", description, name, _TAKEN.get((kind.entity, name), Code.EXISTS))

    def _check_change(self, thing: Thing, changed: dict[str, Any]) -> None:
        if thing.is_a("subnet", "l2domain", "l2domaintemplate", "sharednetworkresource"):
            self._networks.check_change(thing, changed)
        if thing.is_a("addressrange") and thing.parent is not None:
            self._networks.complete_range(thing.parent, {**thing.values, **changed})
        if thing.is_a("containerinterface", "vminterface"):
            self._attachments.check_change(thing, changed)
        if thing.is_a("ingressaclentrytemplate") and thing.parent is not None:
            check_entry(self._directory, thing.parent, {**thing.values, **changed})
        if "MAC" in changed:
            mac_address(changed["MAC"])
        if (
            thing.is_a("ipreservation", "vmipreservation")
            and {"IPAddress", "IPV4Address", "IPV6Address"} & changed.keys()
        ):
            raise invalid("IPAddress", "The address of a reservation does not change; delete it and make another one")

    def _check_unused(self, thing: Thing) -> None:
        if thing.is_a("vport") and self._has_interfaces(thing):
            raise Refusal("VPort in use", f'vPort "{thing.name}" has an interface', "", Code.VPORT_IN_USE)
        if thing.is_a("policygroup") and thing.members["vports"]:
            raise Refusal("In use", f'Policy group "{thing.name}" has vPorts', "", Code.POLICY_GROUP_IN_USE)
        if thing.is_a("enterprise", "domain", "l2domain", "zone", "subnet") and self._vports(thing):
            raise Refusal("In use", f'The {thing.kind.entity} "{thing.name}" has vPorts with interfaces')
        if thing.is_a("systemconfig") or thing.hidden.get("permanent"):
            raise Refusal("Not allowed", f'The {thing.kind.entity} "{thing.name}" cannot be deleted', status=403)
        if thing.is_a("sharednetworkresource"):
            for subnet in self._directory.below(self._directory.root, "subnets").values():
                if subnet["associatedSharedNetworkResourceID"] == thing.id:
                    raise Refusal("In use", f'Subnet "{subnet.name}" has its addresses from "{thing.name}"')

    def _vports(self, thing: Thing) -> bool:
        return any(self._has_interfaces(vport) for vport in self._directory.below(thing, "vports").values())

    def _has_interfaces(self, vport: Thing) -> bool:
        interfaces = ("containerinterfaces", "vminterfaces")
        return any(self._directory.below(vport, resource) for resource in interfaces)

    def _complete_domain(self, enterprise: Thing, wanted: dict[str, Any]) -> None:
        template = self._directory.of("domaintemplate", wanted["templateID"])
        if template is None or template.parent is not enterprise:
            raise invalid("templateID", f'"{enterprise.name}" has no domain template with ID {wanted["templateID"]}')
        number = domain_number(self._directory)
        wanted |= {"enterpriseID": enterprise.id, "serviceID": number, "domainID": number}

    def _complete_policy_group(self, domain: Thing, wanted: dict[str, Any]) -> None:
        used = {each["policyGroupID"] or 0 for each in self._directory.below(domain, "policygroups").values()}
        wanted["policyGroupID"] = max(used, default=0) + 1

    def _complete_vport(self, network: Thing, wanted: dict[str, Any]) -> None:
        wanted |= self._attachments.place_of(network)

    def _complete_binding(self, subnet: Thing, wanted: dict[str, Any]) -> None:
        mac_address(wanted["MAC"])
        self._addresses.check_reservation(subnet, ipv4(wanted["IPAddress"], "IPAddress"), "IPAddress")

    def _complete_reservation(self, network: Thing, wanted: dict[str, Any]) -> None:
        type_ = wanted.get("IPType", "IPV4")
        for family, pools, parse in (("IPV4", "allocationPools", ipv4), ("IPV6", "IPV6AllocationPools", ipv6)):
            field = f"{family}Address"
            given, ranges = wanted.pop(field, None), wanted.pop(pools, None)
            if type_ not in (family, "DUALSTACK"):
                continue
            if given:
                address = parse(given, field)
                self._addresses.check_reservation(network, address, field)
            elif ranges:
                address = self._addresses.choose_in(network, tuple(_pool(each, pools, parse) for each in ranges))
            else:
                raise invalid(field, f"An {field} or {pools} are needed")
            wanted[field] = str(address)

    def _complete_permission(self, _place: Thing, wanted: dict[str, Any]) -> None:
        entity = self._directory.get(wanted["permittedEntityID"])
        if entity is None or not entity.is_a("user", "group", "enterprise"):
            raise invalid("permittedEntityID", f"There is no user, group or enterprise {wanted['permittedEntityID']}")
        wanted |= {"permittedEntityName": entity.name, "permittedEntityType": entity.kind.entity}

    def _fill(self, made: Thing, user: Thing) -> None:
        """Make what comes with a new object."""
        if made.is_a("enterprise"):
            template = {"name": f"{made.name} template"}
            self._directory.add(BY_ENTITY["domaintemplate"], made, template, by=user.id)
        if made.is_a("l2domain"):
            template_id = made["templateID"]
            for each in tuple(self._directory.below(self._directory.root, "addressranges").values()):
                if each.parent is not None and each.parent.id == template_id:
                    bounds = {name: each[name] for name in ("minAddress", "maxAddress", "IPType", "DHCPPoolType")}
                    self._directory.add(BY_ENTITY["addressrange"], made, bounds, by=user.id)


def _pool(pool: Any, field: str, parse: Callable[[Any, str], Any]) -> tuple[Any, Any]:
    if not isinstance(pool, dict):
        raise invalid(field, f"an object with minAddress and maxAddress is needed, not {str(pool)[:80]!r}")
    low, high = (parse(pool.get(name), f"{field}.{name}") for name in ("minAddress", "maxAddress"))
    return low, high
