"""What the rows of a port ask the VSD for."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from lab.vrs.resolution import EntityRow, PortRow
from lab.vsd.directory import Directory, Thing
from lab.vsd.hosts import Hosts
from lab.vsd.kinds import BY_ENTITY
from nuage.text import did_you_mean

#: What a port's metadata assign to its vPort: by resource, the key in the metadata and the name for messages.
ASSIGNED = {
    "policygroups": ("nuage-policy-group", "policy group"),
    "redirectiontargets": ("nuage-redirection-target", "redirection target"),
}
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")


class Unfit(Exception):
    """Why a port is not resolved."""


@attrs.frozen(kw_only=True)
class Claim:
    """What the rows of a port ask for: an ``interface`` that exists, or a new one in ``network`` for ``user``."""

    interface: Thing | None = None
    network: Thing | None = None
    user: Thing | None = None

    @property
    def domain(self) -> Thing:
        """The L3 or L2 domain."""
        there = self.interface or self.network
        assert there is not None
        return domain_of(there)


def domain_of(thing: Thing) -> Thing:
    """Return the L3 or L2 domain of an interface or a network."""
    domain = thing.within("domain", "l2domain")
    assert domain is not None
    return domain


def is_split(entity: EntityRow) -> bool:
    """Tell whether a client has made the container of an entity."""
    return entity.metadata.get("nuage-extension", "").lower() == "true"


def identity(port: PortRow, entity: EntityRow) -> tuple[object, ...]:
    """Return what has to stay the same in the rows of a port for it to keep what it has."""
    if is_split(entity):
        return "split", entity.uuid, port.mac
    place = (entity.organization, entity.user, port.domain, port.zone, port.subnet)
    return (*place, entity.uuid, entity.is_vm, port.mac, port.metadata.get("static-ip", ""))


class Claims:
    """Finds what the rows of ports name.

    Args:
        directory: What exists.
        hosts: The VRSs.
    """

    def __init__(self, directory: Directory, hosts: Hosts) -> None:
        self._directory = directory
        self._hosts = hosts

    def check(self, port: PortRow, entity: EntityRow | None) -> EntityRow:
        """Make sure that a port can have anything at all, and return its entity.

        Raises:
            Unfit: It cannot.
        """
        if entity is None:
            raise Unfit("no entity names it as its port")
        if not entity.running:
            raise Unfit("its entity is not started")
        if port.ofport is None:
            raise Unfit("the switch has not opened it")
        if not _MAC.fullmatch(port.mac):
            raise Unfit(f'"{port.mac}" is not a unicast MAC')
        if self._hosts.gone(port.host):
            raise Unfit("its host has not answered for too long")
        return entity

    def read(self, port: PortRow, entity: EntityRow) -> Claim:
        """Return what a port asks for.

        Raises:
            Unfit: The rows name something that does not exist.
        """
        claim = Claim(interface=self._interface(port, entity)) if is_split(entity) else self._bottom_up(port, entity)
        for resource in ASSIGNED:
            self.member(claim.domain, port, resource)
        return claim

    def member(self, domain: Thing, port: PortRow, resource: str) -> Thing | None:
        """Return the policy group or redirection target that a port's metadata name, None if they name none.

        Raises:
            Unfit: The domain does not have one of that name.
        """
        key, what = ASSIGNED[resource]
        name = port.metadata.get(key)
        return self._named(domain, (resource,), name, what, f' in domain "{domain.name}"') if name else None

    def container(self, entity: EntityRow) -> Thing | None:
        """Return the container that has an entity's UUID."""
        return self._directory.holder(BY_ENTITY["container"], self._directory.root, "UUID", entity.uuid)

    def _interface(self, port: PortRow, entity: EntityRow) -> Thing:
        container = self.container(entity)
        if container is None or container.hidden.get("bottom_up"):
            raise Unfit(f"no client of the VSD has made a container with UUID {entity.uuid}, as nuage-extension says")
        interfaces = self._directory.below(container, "containerinterfaces").values()
        interface = next((each for each in interfaces if each["MAC"].lower() == port.mac), None)
        if interface is None:
            macs = ", ".join(each["MAC"] for each in interfaces) or "none at all"
            raise Unfit(f'container "{container.name}" has no interface with MAC {port.mac}, but {macs}')
        return interface

    def _bottom_up(self, port: PortRow, entity: EntityRow) -> Claim:
        if not entity.is_vm:
            self._check_uuid(port, entity)
        enterprise = self._named(self._directory.root, ("enterprises",), entity.organization, "organization", "")
        if enterprise["enterpriseType"] != "NORMAL":
            raise Unfit(f'"{enterprise.name}" is the provider, which has no domains')
        place = f' in organization "{enterprise.name}"'
        user = self._named(enterprise, ("users",), entity.user, "user", place)
        if user["disabled"]:
            raise Unfit(f'user "{user.name}" is disabled')
        domain = self._named(enterprise, ("domains", "l2domains"), port.domain, "domain", place)
        return Claim(network=self._network(domain, port), user=user)

    def _check_uuid(self, port: PortRow, entity: EntityRow) -> None:
        container = self.container(entity)
        if container is None:
            return
        if not container.hidden.get("bottom_up"):
            raise Unfit(
                f"a client of the VSD has made a container with UUID {entity.uuid}; its row lacks nuage-extension"
            )
        if container["VRSID"] != self._hosts[port.host].id:
            raise Unfit(f"a container with UUID {entity.uuid} runs on another host")

    def _network(self, domain: Thing, port: PortRow) -> Thing:
        if domain.is_a("l2domain"):
            if port.zone or port.subnet:
                raise Unfit(f'"{domain.name}" is an L2 domain, which has neither zone nor subnet')
            return domain
        zone = self._named(domain, ("zones",), port.zone, "zone", f' in domain "{domain.name}"')
        place = f' in zone "{zone.name}" of domain "{domain.name}"'
        return self._named(zone, ("subnets",), port.subnet, "subnet", place)

    def _named(self, upper: Thing, resources: Sequence[str], name: str, what: str, place: str) -> Thing:
        attribute = "userName" if what == "user" else "name"
        for resource in resources:
            found = self._directory.named(upper, resource, name, attribute)
            if found is not None:
                return found
        known = {each.name for resource in resources for each in self._directory.below(upper, resource).values()}
        raise Unfit(f'there is no {what} "{name}"{place}{did_you_mean(name, known)}')
