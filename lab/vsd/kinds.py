"""What kinds of objects a VSD has: their attributes, what they are made under, and where they are listed.

The names are those of the API (nuagenetworks/vsd-api-specifications). Only what matters to containers is here. A client
may send other attributes, and gets no answer about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

#: The entity that stands for the root of the API: the user who asks.
ROOT = "me"


@attrs.frozen(kw_only=True)
class Attribute:
    """One attribute of a kind.

    ``type`` is that of its JSON; ``default`` is what it has if nobody gave it; ``choices`` are all values that it
    can have, empty meaning any; ``longest`` is a number of characters. What is ``read_only`` is filled by the VSD, and
    ignored in what a client sends. A ``secret`` one is taken and never shown.
    """

    name: str
    type: type = str
    default: Any = None
    required: bool = False
    filterable: bool = False
    read_only: bool = False
    secret: bool = False
    choices: tuple[str, ...] = ()
    longest: int | None = None


@attrs.frozen(kw_only=True)
class Kind:
    """One kind of objects.

    ``entity`` is its name, and ``resource`` that in a path. ``made_under`` are the entities below which it is made,
    and ``listed_under`` those below which it is listed besides. ``unique`` are the attributes that no two may have
    the same, below one parent or everywhere.
    """

    entity: str
    resource: str
    made_under: tuple[str, ...] = ()
    listed_under: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute]
    unique: tuple[str, ...] = ()
    unique_everywhere: tuple[str, ...] = ()


#: What is assigned to what: (entity, resource) and its reverse.
MEMBERS = {
    ("vport", "policygroups"),
    ("vport", "redirectiontargets"),
    ("policygroup", "vports"),
    ("redirectiontarget", "vports"),
    ("group", "users"),
    ("user", "groups"),
}
#: What is listed of an interface: what is assigned to its vPort.
OF_VPORT = {
    (entity, resource)
    for entity in ("containerinterface", "vminterface")
    for resource in ("policygroups", "redirectiontargets")
}

_ACTIONS = ("ALL", "DEPLOY", "EXTEND", "INSTANTIATE", "READ", "USE")
_INHERITED = ("ENABLED", "DISABLED", "INHERITED")


def _name(**more: Any) -> Attribute:
    return Attribute(name="name", required=True, filterable=True, **more)


def _texts(*names: str, **more: Any) -> Iterable[Attribute]:
    return (Attribute(name=name, **more) for name in names)


def _found(*names: str, **more: Any) -> Iterable[Attribute]:
    return _texts(*names, filterable=True, **more)


def _filled(*names: str, **more: Any) -> Iterable[Attribute]:
    return _texts(*names, read_only=True, **more)


def _flags(*names: str, **more: Any) -> Iterable[Attribute]:
    return _texts(*names, type=bool, **({"default": False} | more))


def _choice(name: str, *choices: str, **more: Any) -> Attribute:
    return Attribute(name=name, choices=choices, default=None if more.get("required") else choices[0], **more)


#: What every object has. ``embeddedMetadata`` is always empty here.
_BASE = (
    *_filled("ID", "parentID", "parentType", "owner", "lastUpdatedBy"),
    *_filled("creationDate", "lastUpdatedDate", type=int),
    *_found("externalID"),
    _choice("entityScope", "ENTERPRISE", "GLOBAL", read_only=True),
    Attribute(name="embeddedMetadata", type=list, read_only=True),
)


def _kind(entity: str, *attributes: Attribute, resource: str = "", **more: Any) -> Kind:
    named = {attribute.name: attribute for attribute in (*_BASE, *attributes)}
    return Kind(entity=entity, resource=resource or f"{entity}s", attributes=named, **more)


#: Attributes of a subnet and of an L2 domain; an address is IPv4.
_NETWORK = (
    *_texts("address", "netmask", "gateway", "IPv6Address", "IPv6Gateway", "gatewayMACAddress"),
    *_texts("templateID", "description", "associatedSharedNetworkResourceID", "policyGroupID"),
    _choice("IPType", "IPV4", "DUALSTACK", "IPV6", filterable=True),
    *_flags("enableDHCPv4", default=True),
    *_flags("enableDHCPv6", "dualStackDynamicIPAllocation"),
    *_filled("vnId", "serviceID", type=int),
    _choice("maintenanceMode", "DISABLED", "ENABLED", "ENABLED_INHERITED"),
    *_filled("entityState"),
)

#: Attributes of the interface of a container and of that of a VM.
_INTERFACE = (
    *_texts("name"),
    *_found("MAC", "IPAddress", "IPv6Address"),
    *_texts("attachedNetworkID", "VPortID", "policyDecisionID", "tierID", "multiNICVPortName"),
    *_filled("attachedNetworkType", "VPortName", "networkName", "netmask", "gateway", "IPv6Gateway"),
    *_filled("domainID", "domainName", "zoneID", "zoneName"),
)

_PLACES = ("domain", "zone", "subnet", "l2domain", "vport")

KINDS = (
    _kind(
        ROOT,
        *_filled("userName", "firstName", "lastName", "email", "enterpriseID", "enterpriseName", "role", "APIKey"),
        *_filled("avatarType", "avatarData", "elasticSearchAddress", "mobileNumber"),
        *_filled("APIKeyExpiry", "VSSStatsInterval", "AARFlowStatsInterval", "AARProbeStatsInterval", type=int),
        *_filled("disabled", "flowCollectionEnabled", "statisticsEnabled", type=bool, default=False),
        resource=ROOT,
    ),
    _kind(
        "enterprise",
        _name(longest=255),
        *_found("description"),
        *_texts("enterpriseProfileID", "DHCPLeaseInterval", "encryptionManagementMode"),
        *_texts("floatingIPsQuota", type=int, default=100),
        *_texts("allowedForwardingClasses", type=list),
        *_filled("customerID", "floatingIPsUsed", type=int),
        _choice("enterpriseType", "NORMAL", "CSP", "SHARED", "SYSTEM", "AUDIT", read_only=True, filterable=True),
        made_under=(ROOT,),
        unique=("name",),
    ),
    _kind(
        "user",
        *_found("userName", "firstName", "lastName", "email", required=True),
        Attribute(name="password", required=True, secret=True),
        *_flags("disabled", "disablePasswordAuth", "disableCertificateAuth"),
        *_texts("LDAPUserDN", "mobileNumber"),
        _choice("managementMode", "DEFAULT", "CMS"),
        made_under=("enterprise", ROOT),
        unique=("userName",),
    ),
    _kind(
        "group",
        _name(),
        *_found("description"),
        *_filled("role"),
        made_under=("enterprise",),
        unique=("name",),
    ),
    _kind("domaintemplate", _name(), *_texts("description"), made_under=("enterprise",), unique=("name",)),
    _kind(
        "l2domaintemplate",
        _name(),
        *_NETWORK,
        *_flags("DHCPManaged", default=True, filterable=True),
        made_under=("enterprise",),
        unique=("name",),
    ),
    _kind(
        "domain",
        _name(longest=64),
        *_texts("templateID", required=True),
        *_texts("description", "labelID", "associatedPATMapperID", "routeDistinguisher", "routeTarget", "DHCPBehavior"),
        *_found("domainID", type=int, read_only=True),
        *_filled("serviceID", "customerID", type=int),
        *_filled("enterpriseID", "policyChangeStatus"),
        _choice("PATEnabled", "DISABLED", "ENABLED", "INHERITED", filterable=True),
        _choice("underlayEnabled", "DISABLED", "ENABLED", "INHERITED", filterable=True),
        _choice("tunnelType", "VXLAN", "DC_DEFAULT", "GRE", "VLAN", "MPLSOUDP"),
        _choice("permittedAction", *_ACTIONS, read_only=True),
        _choice("maintenanceMode", "DISABLED", "ENABLED"),
        _choice("encryption", "DISABLED", "ENABLED"),
        *_flags("stretched"),
        made_under=("enterprise",),
        listed_under=(ROOT,),
        unique=("name",),
    ),
    _kind(
        "l2domain",
        _name(longest=64),
        *_NETWORK,
        *_texts("templateID", required=True),
        *_flags("DHCPManaged", default=True, filterable=True),
        *_filled("policyChangeStatus"),
        made_under=("enterprise",),
        listed_under=(ROOT,),
        unique=("name",),
    ),
    _kind(
        "zone",
        _name(longest=255),
        *_found("description"),
        *_texts("address", "netmask", "IPv6Address", "templateID", "policyGroupID"),
        _choice("IPType", "IPV4", "DUALSTACK", "IPV6"),
        *_texts("numberOfHostsInSubnets", type=int),
        *_flags("publicZone"),
        _choice("maintenanceMode", "DISABLED", "ENABLED"),
        made_under=("domain",),
        listed_under=(ROOT,),
        unique=("name",),
    ),
    _kind(
        "subnet",
        _name(longest=255),
        *_NETWORK,
        Attribute(name="linkLocalAddress", default="fe80::1"),
        _choice("resourceType", "STANDARD", "FLOATING", "PUBLIC", "NSG_VNF"),
        _choice("PATEnabled", "INHERITED", "ENABLED", "DISABLED"),
        _choice("underlayEnabled", "INHERITED", "ENABLED", "DISABLED"),
        *_flags("proxyARP", "splitSubnet", "public"),
        *_flags("advertise", default=True),
        *_flags("underlay", read_only=True),
        made_under=("zone",),
        listed_under=(ROOT, "domain"),
        unique=("name",),
    ),
    _kind(
        "sharednetworkresource",
        _name(),
        _choice("type", "FLOATING", "PUBLIC", "L2DOMAIN", "UPLINK_SUBNET", required=True),
        *_texts("address", "netmask", required=True),
        *_texts("gateway", "gatewayMACAddress", "enterpriseID", "description"),
        *_texts("vnID", type=int),
        *_flags("underlay", "DHCPManaged"),
        made_under=(ROOT,),
        listed_under=("enterprise",),
        unique=("name",),
    ),
    _kind(
        "addressrange",
        *_texts("minAddress", "maxAddress", required=True),
        _choice("IPType", "IPV4", "IPV6"),
        _choice("DHCPPoolType", "HOST", "BRIDGE", "VRRP"),
        made_under=("subnet", "l2domaintemplate", "sharednetworkresource"),
        listed_under=("l2domain",),
    ),
    _kind(
        "vport",
        _name(longest=64),
        _choice("type", "VM", "HOST", "BRIDGE", "CONTAINER", required=True, filterable=True),
        _choice("addressSpoofing", "INHERITED", "ENABLED", "DISABLED"),
        *_texts("description", "associatedFloatingIPID"),
        *_flags("active", default=True),
        _choice("operationalState", "INIT", "UP", "DOWN", "DEGRADED", read_only=True),
        *_filled("hasAttachedInterfaces", type=bool),
        *_filled("domainID", "zoneID"),
        _choice("systemType", "SOFTWARE", "HARDWARE", "NUAGE_VRSG", "NUAGE_1", "NUAGE_2", "NUAGE_VPG", read_only=True),
        _choice("subType", "NONE", "VNF", read_only=True),
        *_filled("flowCount", type=int, default=0),
        made_under=("subnet", "l2domain"),
        listed_under=("domain", "zone"),
        unique=("name",),
    ),
    _kind(
        "container",
        *_found("UUID", "name", required=True),
        *_texts("orchestrationID", "imageID", "imageName"),
        *_texts("interfaces", type=list),
        *_filled("enterpriseID", "enterpriseName", "userID", "userName", "VRSID", "vrsVersion"),
        *_found("hypervisorIP", read_only=True),
        _choice(
            "status",
            *("INIT", "RUNNING", "PAUSED", "SHUTDOWN", "SHUTOFF", "CRASHED", "BLOCKED", "NOSTATE", "UNKNOWN"),
            *("UNREACHABLE", "DELETE_PENDING", "LAST"),
            read_only=True,
        ),
        *_filled("reasonType"),
        *_texts("deleteMode"),
        *_texts("deleteExpiry", "siteIdentifier"),
        *_filled("domainIDs", "l2DomainIDs", "zoneIDs", "subnetIDs", type=list),
        *_filled("computeProvisioned", type=bool, default=False),
        made_under=(ROOT,),
        listed_under=("enterprise", *_PLACES),
        unique_everywhere=("UUID",),
    ),
    _kind(
        "containerinterface",
        *_INTERFACE,
        *_texts("endpointID", "networkID", longest=255),
        *_filled("containerUUID"),
        made_under=("container",),
        listed_under=(ROOT, *_PLACES),
    ),
    _kind(
        "vminterface",
        *_INTERFACE,
        *_texts("VMUUID"),
        made_under=("vport",),
        listed_under=(ROOT, "domain", "zone", "subnet", "l2domain"),
    ),
    _kind(
        "policygroup",
        _name(longest=255),
        _choice("type", "SOFTWARE", "HARDWARE", required=True, filterable=True),
        *_found("policyGroupID", type=int, read_only=True),
        *_flags("external", filterable=True),
        *_texts("description", "EVPNCommunityTag", "templateID"),
        *_filled("entityState"),
        made_under=("domain", "l2domain"),
        listed_under=(ROOT,),
        unique=("name",),
    ),
    _kind(
        "redirectiontarget",
        _name(longest=255),
        _choice("endPointType", "L3", "VIRTUAL_WIRE", "NSG_VNF", required=True),
        *_flags("redundancyEnabled"),
        _choice("triggerType", "NONE", "GARP", read_only=True),
        *_texts("ESI", "virtualNetworkID", "destinationType", "description", "templateID"),
        *_flags("autoCreated", read_only=True),
        made_under=("domain", "l2domain"),
        listed_under=(ROOT,),
        unique=("name",),
    ),
    _kind(
        "ingressacltemplate",
        _name(longest=255),
        *_texts("description"),
        *_flags("active", "allowAddressSpoof", "defaultAllowIP", "defaultAllowNonIP"),
        *_found("priority", type=int),
        _choice("policyState", "LIVE", "DRAFT"),
        made_under=("domain", "l2domain"),
        listed_under=(ROOT,),
        unique=("name",),
    ),
    _kind(
        "ingressaclentrytemplate",
        # There is no DROP: what no rule forwards is dropped.
        _choice("action", "FORWARD", required=True),
        *_texts("etherType", required=True),
        _choice("locationType", "POLICYGROUP", "ANY", required=True),
        _choice("networkType", "POLICYGROUP", "ANY", required=True),
        *_texts("locationID", "networkID", "protocol", "description"),
        *_texts("priority", type=int),
        *_flags("stateful"),
        made_under=("ingressacltemplate",),
        listed_under=("domain", "l2domain"),
    ),
    _kind(
        "ipreservation",
        *_found("IPAddress", "MAC", required=True),
        *_flags("dynamicAllocationEnabled", default=True, filterable=True),
        made_under=("subnet",),
    ),
    _kind(
        "vmipreservation",
        _choice("IPType", "IPV4", "IPV6", "DUALSTACK", filterable=True),
        *_found("IPV4Address", "IPV6Address"),
        *_texts("allocationPools", "IPV6AllocationPools", type=list, secret=True),
        _choice("state", "UNASSIGNED", "ASSIGNED", "ASSIGNED_DELETE_PENDING", filterable=True, read_only=True),
        made_under=("subnet", "l2domain"),
    ),
    _kind(
        "permission",
        _choice("permittedAction", *_ACTIONS),
        *_texts("permittedEntityID", required=True),
        *_filled("permittedEntityName", "permittedEntityType"),
        *_texts("associatedGroupID"),
        *_filled("associatedGroupName"),
        made_under=("domain", "zone", "l2domain"),
    ),
    _kind(
        "vrs",
        *_filled("name", "address", "hypervisorIdentifier"),
        *_filled("lastStateChange", type=int),
        _choice("status", "UP", "DOWN", "ADMIN_DOWN", read_only=True),
        _choice("personality", "VRS", read_only=True),
        listed_under=(ROOT,),
    ),
    _kind(
        "systemconfig",
        *_texts("APIKeyValidity", type=int, default=86400),
        *_texts("APIKeyRenewalInterval", type=int, default=300),
        *_texts("eventProcessorTimeout", type=int, default=25000),
        *_texts("eventProcessorMaxEventsCount", type=int, default=100),
        *_texts("inactiveTimeout", type=int, default=600000),
        *_texts("VMPurgeTime", type=int, default=60),
        *_texts("VMUnreachableTime", type=int, default=3600),
        *_texts("VMUnreachableCleanupTime", type=int, default=7200),
        *_texts("VMResyncOutstandingInterval", type=int, default=1000),
        *_texts("VPortInitStatefulTimer", type=int, default=300),
        *_flags("VSDReadOnlyMode"),
        listed_under=(ROOT,),
    ),
)

BY_ENTITY: Mapping[str, Kind] = {kind.entity: kind for kind in KINDS}
BY_RESOURCE: Mapping[str, Kind] = {kind.resource: kind for kind in KINDS if kind.entity != ROOT}
#: Resources that an older version of the API does not have yet.
MISSING = {"v5_0": frozenset({"vmipreservations"})}
