"""Activation: each port of a VRS gets a container or VM with a vPort, which decides how the port is resolved.

There are two ways. Bottom-up: the rows of a port name its place. The VSD makes a container, an interface and a vPort
for it, and removes them with the port. Split: a client has made the container before. The rows name it by its UUID,
with ``nuage-extension`` in the entity's metadata, and its interface by its MAC. The place in the rows does not matter,
and the container stays when the port goes.

A port keeps its vPort as long as its rows stay the same, even if its subnet is renamed or its user is disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from lab.vrs.resolution import EntityRow, Key, Outcome, PortRow, Resolved, Unresolved
from lab.vsd.addresses import Addresses, bearer, ipv4
from lab.vsd.attachments import Attachments
from lab.vsd.claims import ASSIGNED, Claims, Unfit, domain_of, identity
from lab.vsd.directory import Change, Directory, Thing
from lab.vsd.hosts import Hosts
from lab.vsd.refusals import Refusal
from lab.vsd.view import View

Row = tuple[PortRow, EntityRow | None]


@attrs.define(eq=False)
class _Active:
    """A port that has an interface.

    ``identity`` is what its rows said. ``own`` means that the interface was made for it. ``assigned`` are the IDs of
    the policy groups and redirection targets that its metadata have assigned to its vPort, by resource.
    """

    identity: tuple[object, ...]
    interface: Thing
    own: bool
    assigned: dict[str, set[str]] = attrs.field(factory=lambda: {resource: set() for resource in ASSIGNED})
    # What the interface is within, which stays the same. A VM has no container: the lab's VSD knows only its interface.
    vport: Thing = attrs.field(init=False)
    network: Thing = attrs.field(init=False)
    domain: Thing = attrs.field(init=False)
    container: Thing | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.vport = _within(self.interface, "vport")
        self.network = _within(self.vport, "subnet", "l2domain")
        self.domain = domain_of(self.network)
        self.container = self.interface.within("container")


def _within(thing: Thing, *entities: str) -> Thing:
    found = thing.within(*entities)
    assert found is not None
    return found


class Activation:
    """Gives interfaces to ports, and resolves the ports.

    Args:
        directory: What exists.
        view: The domains, as the controller needs them.
        attachments: Makes containers and interfaces.
        addresses: Who has which address.
        hosts: The VRSs.
    """

    def __init__(
        self, directory: Directory, view: View, attachments: Attachments, addresses: Addresses, hosts: Hosts
    ) -> None:
        self._directory = directory
        self._view = view
        self._attachments = attachments
        self._addresses = addresses
        self._hosts = hosts
        self._claims = Claims(directory, hosts)
        self._states: list[tuple[bool, bool]] = []
        self._active: dict[Key, _Active] = {}
        self._watchers: list[Callable[[], None]] = []
        self._working = False
        directory.watch(self._changed)

    def watch(self, hear: Callable[[], None]) -> None:
        """Have something called when ports may have to be resolved anew."""
        self._watchers.append(hear)

    def note_hosts(self, answering: Mapping[str, bool]) -> None:
        """Record which VRSs answer."""
        for name, answers in answering.items():
            self._hosts.note(name, answers=answers)
        states = self._hosts.states()
        if states != self._states:
            self._states = states
            self._tell()

    def resolve(self, rows: Sequence[Row]) -> dict[Key, Outcome]:
        """Resolve ports. Each gets the interface that it needs; ports that are gone lose theirs.

        Args:
            rows: All ports, each with its entity.
        """
        with self._at_work():
            entities = {port.key: self._checked(port, entity) for port, entity in rows}
            outcomes: dict[Key, Outcome] = {
                key: outcome for key, outcome in entities.items() if isinstance(outcome, Unresolved)
            }
            ready = [(port, entity) for port, _ in rows if isinstance(entity := entities[port.key], EntityRow)]
            told = {port.key: identity(port, entity) for port, entity in ready}
            for key in [key for key, active in self._active.items() if not self._stays(active, told.get(key))]:
                self._detach(key)
            # Ports that had an address before the VSD was started keep it.
            for port, entity in sorted(ready, key=lambda row: not row[0].ip_addr):
                outcomes[port.key] = self._outcome(port, entity)
            return outcomes

    def _checked(self, port: PortRow, entity: EntityRow | None) -> EntityRow | Unresolved:
        try:
            return self._claims.check(port, entity)
        except Unfit as reason:
            return Unresolved(str(reason))

    def _stays(self, active: _Active, told: object) -> bool:
        return active.identity == told and self._directory.get(active.interface.id) is active.interface

    def _outcome(self, port: PortRow, entity: EntityRow) -> Outcome:
        try:
            if port.key not in self._active:
                self._active[port.key] = self._attach(port, entity)
            active = self._active[port.key]
            self._assign(active, port)
            self._update(active, port.host, entity)
            return self._resolved(active)
        except (Unfit, Refusal) as reason:
            if port.key in self._active:
                self._detach(port.key)
                # Another port may wait for its address.
                self._tell()
            return Unresolved(str(reason))

    def _attach(self, port: PortRow, entity: EntityRow) -> _Active:
        claim = self._claims.read(port, entity)
        told = identity(port, entity)
        if claim.interface is not None:
            for key, active in self._active.items():
                if active.interface is claim.interface:
                    raise Unfit(f"the interface of its container is that of port {key[1]} of {key[0]}")
            return _Active(told, claim.interface, own=False)
        assert claim.network is not None
        assert claim.user is not None
        interface: dict[str, Any] = {"name": port.name, "MAC": port.mac, "attachedNetworkID": claim.network.id}
        address = port.metadata.get("static-ip") or self._former(claim.network, port)
        if address:
            interface["IPAddress"] = address
        if entity.is_vm:
            made = self._attachments.attach_vm({**interface, "VMUUID": entity.uuid}, entity.name, claim.user)
        else:
            made = self._attach_container({**interface, "endpointID": entity.uuid}, port.host, entity, claim.user)
        return _Active(told, made, own=True)

    def _attach_container(self, interface: dict[str, Any], host: str, entity: EntityRow, user: Thing) -> Thing:
        container = self._claims.container(entity)
        if container is not None:
            return self._attachments.add_interface(container, interface, user)
        wanted = {
            "UUID": entity.uuid,
            "name": entity.name,
            "orchestrationID": entity.metadata.get("nuage-orchestrationID"),
            "siteIdentifier": entity.metadata.get("nuage-siteID"),
            "interfaces": [interface],
            "VRSID": self._hosts[host].id,
        }
        container = self._attachments.make_container(wanted, user, bottom_up=True)
        (made,) = self._directory.below(container, "containerinterfaces").values()
        return made

    def _former(self, network: Thing, port: PortRow) -> str:
        """Return the address that a port had before, if it is still free."""
        try:
            self._addresses.check(network, ipv4(port.ip_addr, "IPAddress"), port.mac)
        except Refusal:
            return ""
        return port.ip_addr

    def _detach(self, key: Key) -> None:
        active = self._active.pop(key)
        container = active.container
        if not active.own:
            self._update_things(
                active, {"status": "SHUTDOWN", "reasonType": None, "hypervisorIP": None, "VRSID": None}, "DOWN"
            )
        elif container is None:
            self._directory.remove(active.vport)
        else:
            self._directory.remove(active.interface)
            if not self._directory.below(container, "containerinterfaces"):
                self._directory.remove(container)

    def _assign(self, active: _Active, port: PortRow) -> None:
        """Assign what the metadata name, unless somebody else has assigned something to the vPort."""
        for resource in ASSIGNED:
            if not self._overridden(active, resource):
                member = self._claims.member(active.domain, port, resource)
                members = [] if member is None else [member]
                active.assigned[resource] = {each.id for each in members}
                self._directory.assign(active.vport, resource, members)

    def _overridden(self, active: _Active, resource: str) -> bool:
        there = active.vport.members[resource].keys()
        return there != {identity for identity in active.assigned[resource] if self._directory.get(identity)}

    def _update(self, active: _Active, host: str, entity: EntityRow) -> None:
        """Record in container and vPort where they run, and their state."""
        unreachable = self._hosts.unreachable(host)
        values = {
            "status": "UNREACHABLE" if unreachable else "RUNNING",
            "reasonType": None if unreachable else "RUNNING_BOOTED",
            "hypervisorIP": self._hosts[host]["address"],
            "VRSID": self._hosts[host].id,
        }
        if active.own:
            values["name"] = entity.name
        self._update_things(active, values, "DOWN" if unreachable else "UP")

    def _update_things(self, active: _Active, values: Mapping[str, Any], state: str) -> None:
        for thing, wanted in ((active.container, values), (active.vport, {"operationalState": state})):
            there = None if thing is None else self._directory.get(thing.id)
            if there is not None and any(there[name] != value for name, value in wanted.items()):
                self._directory.change(there, wanted)

    def _resolved(self, active: _Active) -> Resolved:
        interface, network, domain = active.interface, active.network, active.domain
        if not interface["IPAddress"]:
            raise Unfit(f'"{network.name}" has no IPv4 addresses')
        has = bearer(self._directory, network)
        return Resolved(
            ip=interface["IPAddress"],
            mask=has["netmask"],
            gateway=has["gateway"] or "",
            vrf_id=domain["serviceID"] if domain.is_a("domain") else 0,
            evpn_id=network["serviceID"],
            domain=self._view.domain(domain),
            groups=frozenset(group.name for group in active.vport.members["policygroups"].values()),
        )

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self._working = True
        try:
            yield
        finally:
            self._working = False

    def _changed(self, change: Change) -> None:
        if not self._working and not change.thing.is_a("vrs"):
            self._tell()

    def _tell(self) -> None:
        for hear in self._watchers:
            hear()
